#include "simulation/store_model.h"

#include <gtest/gtest.h>

#include "simulation/seeds.h"

namespace varve::simulation {
namespace {

TEST(StoreModel, AgreesThroughCrashes) {
  const uint64_t seeds = seed_count(2000);
  StoreOutcome total;
  EXPECT_TRUE(run_store_seeds(0, seeds, total)) << total.failure;
  EXPECT_GT(total.operations, seeds * 20);
  if (seeds >= 100) {
    EXPECT_GT(total.crashes, seeds / 4);
    EXPECT_GT(total.rewrites, seeds / 4);
  }
}

}  // namespace
}  // namespace varve::simulation
