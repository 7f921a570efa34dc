// A whole server and its clients in one thread, from one seed: virtual time, a disk and a network with
// faults, power failures at random instants, restarts. What clients see is checked as it happens:
// acknowledged writes survive, others are there whole or not at all, nobody reads a mixture, a damaged
// read is an error and never other data.
//
// Faults a cluster must survive here: torn and lost writes that no flush covers; messages late, lost or
// cut connections; power failing at any instant, during recovery as well; reads with a flipped bit while
// it serves.
#pragma once

#include <cstdint>
#include <string>

namespace varve::simulation {

struct ClusterOutcome {
  std::string failure;      // empty: all is well
  uint64_t trace_hash = 0;  // of every event, with its time: the same seed gives the same
  uint64_t writes = 0, reads = 0, crashes = 0, checksum_errors = 0, pools = 0;
  uint64_t virtual_ms = 0;
};

ClusterOutcome run_cluster_seed(uint64_t seed);

}  // namespace varve::simulation
