// The whole server under faults: see cluster.h. A failing seed: `./dev sim --seed S --seeds 1`.
#include "simulation/cluster.h"

#include <gtest/gtest.h>

#include "base/log.h"
#include "simulation/seeds.h"

namespace varve::simulation {
namespace {

TEST(Cluster, seeds) {
  ASSERT_TRUE(configure_log(LogLevel::kOff, "").ok());
  uint64_t writes = 0, reads = 0, checksum_errors = 0;
  const uint64_t seeds = seed_count(500);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    const ClusterOutcome outcome = run_cluster_seed(seed);
    EXPECT_EQ(outcome.failure, "") << "seed " << seed;
    writes += outcome.writes;
    reads += outcome.reads;
    checksum_errors += outcome.checksum_errors;
  }
  // Otherwise it shows nothing.
  EXPECT_GT(writes, seeds * 50);
  EXPECT_GT(reads, seeds * 50);
  EXPECT_GT(checksum_errors, 0u);
}

TEST(Cluster, same_seed_same_history) {
  for (uint64_t seed : {7, 8}) {
    const uint64_t hash = run_cluster_seed(seed).trace_hash;
    EXPECT_EQ(run_cluster_seed(seed).trace_hash, hash);
    EXPECT_NE(run_cluster_seed(seed + 100).trace_hash, hash);
  }
}

}  // namespace
}  // namespace varve::simulation
