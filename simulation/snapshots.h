// Snapshots of a whole server whose targets' clocks are apart: every snapshot is a consistent cut,
// stays what it was, and can be gone back to, through crashes.
#pragma once

#include <cstdint>
#include <string>

namespace varve::simulation {

struct SnapshotOutcome {
  std::string failure;  // empty: all is well
  uint64_t writes = 0, snapshots = 0, rollbacks = 0, crashes = 0, retried = 0;
};

// The same seed does the same, to the byte.
SnapshotOutcome run_snapshot_seed(uint64_t seed);

}  // namespace varve::simulation
