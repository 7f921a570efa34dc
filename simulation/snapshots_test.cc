#include "simulation/snapshots.h"

#include <gtest/gtest.h>

#include "simulation/seeds.h"

namespace varve::simulation {
namespace {

TEST(Snapshots, AreConsistentCuts) {
  const uint64_t seeds = seed_count(200);
  SnapshotOutcome total;
  for (uint64_t seed = 0; seed < seeds; ++seed) {
    const SnapshotOutcome outcome = run_snapshot_seed(seed);
    ASSERT_EQ(outcome.failure, "") << "seed " << seed;
    total.writes += outcome.writes;
    total.snapshots += outcome.snapshots;
    total.rollbacks += outcome.rollbacks;
    total.crashes += outcome.crashes;
  }
  EXPECT_GT(total.snapshots, seeds);
  EXPECT_GT(total.rollbacks, seeds / 2);
  EXPECT_GT(total.crashes, seeds / 4);
  RecordProperty("snapshots", static_cast<int>(total.snapshots));
}

}  // namespace
}  // namespace varve::simulation
