// The store over the real volume against the reference model: random operations at random epochs,
// power failing at any operation of the device, reopened and compared. Acknowledged changes are
// there afterwards; the others whole or not at all, and only with everything before them.
#pragma once

#include <cstdint>
#include <string>

namespace varve::simulation {

struct StoreOutcome {
  std::string failure;  // empty: all is well
  uint64_t operations = 0, crashes = 0, compared = 0, rewrites = 0;
  // Of transactions: commits, aborts and forgets; answers that only a table of fixed size or a
  // cautious look explains; reads that got no answer, rightly.
  uint64_t decisions = 0, by_chance = 0, refused_reads = 0;
};

// The same seed does the same, to the byte.
StoreOutcome run_store_seed(uint64_t seed);
// Seeds [first, first + count); stops at the first that fails, and says on standard error which and
// how to replay it. True if all went well.
bool run_store_seeds(uint64_t first, uint64_t count, StoreOutcome& total);

}  // namespace varve::simulation
