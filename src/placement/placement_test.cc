#include "placement/placement.h"

#include <gtest/gtest.h>

#include <set>

namespace varve::placement {
namespace {

PoolMap map_of(uint32_t count) {
  PoolMap map;
  map.version = 1;
  for (uint32_t i = 0; i < count; ++i) map.targets.push_back({Rank{0}, TargetIndex{i}, TargetState::kUp, {}});
  return map;
}

TEST(ObjectClass, names_and_ids) {
  struct Row {
    const char* name;
    uint32_t id, groups;
  };
  for (const Row& row : {Row{"S1", 16777217, 1}, Row{"S2", 16777218, 2}, Row{"S32", 16777248, 32},
                         Row{"SX", 16842751, kGroupsMax}, Row{"TINY", 51, 1}, Row{"SMALL", 52, 4},
                         Row{"LARGE", 53, 32}, Row{"MAX", 54, kGroupsMax}}) {
    auto by_name = class_by_name(row.name);
    ASSERT_TRUE(by_name.ok()) << row.name;
    EXPECT_EQ(by_name->id, row.id);
    EXPECT_EQ(by_name->groups, row.groups);
    EXPECT_EQ(class_by_id(row.id)->groups, row.groups);
    EXPECT_EQ(class_name(row.id), row.name);
  }
  EXPECT_EQ(class_by_name("RP_2G1").code(), Code::kNotImplemented);
  EXPECT_EQ(class_by_name("EC_16P2GX").code(), Code::kNotImplemented);
  EXPECT_EQ(class_by_name("RP_XSF").code(), Code::kNotImplemented);
  EXPECT_EQ(class_name(553648159 - 31 + 1), "EC_2P2G1");
  for (const char* bad : {"", "S", "S0", "S01", "S70000", "s1", "S1 ", "XX", "RP_7G1", "EC_3P1G1"})
    EXPECT_EQ(class_by_name(bad).code(), Code::kInvalid) << bad;
  for (uint32_t bad : {0u, 1u, 50u, 0x01000000u, 0x01010001u, 0xff000001u}) {
    EXPECT_EQ(class_by_id(bad).code(), Code::kInvalid) << bad;
    EXPECT_EQ(class_name(bad), "UNKNOWN");
  }
}

TEST(ObjectClass, object_id_round_trip) {
  const ObjectId user{0x1122334455667788ULL, 0xffffffff99aabbccULL};
  const ObjectId oid = make_object_id(user, 13, *class_by_name("S4"));
  EXPECT_EQ(oid.low, user.low);
  EXPECT_EQ(oid.high, 0x0d01000499aabbccULL);
  EXPECT_EQ(class_of(oid)->id, class_by_name("S4")->id);
  EXPECT_EQ(class_of(make_object_id(user, 0, *class_by_name("MAX")))->groups, kGroupsMax);
  EXPECT_EQ(class_of(ObjectId{1, 0}).code(), Code::kInvalid);
}

TEST(Layout, distinct_targets_and_bounds) {
  for (uint32_t count : {1u, 2u, 3u, 16u, 100u})
    for (const char* name : {"S1", "S2", "S16", "SX"})
      for (uint64_t low = 0; low < 50; ++low) {
        const ObjectClass object_class = *class_by_name(name);
        auto layout = compute_layout(make_object_id({low, 0}, 0, object_class), map_of(count));
        ASSERT_TRUE(layout.ok());
        ASSERT_EQ(layout->targets.size(), std::min(count, object_class.groups));
        EXPECT_EQ(std::set(layout->targets.begin(), layout->targets.end()).size(), layout->targets.size());
        EXPECT_LT(*std::max_element(layout->targets.begin(), layout->targets.end()), count);
      }
  EXPECT_EQ(compute_layout(make_object_id({1, 0}, 0, *class_by_name("S1")), map_of(0)).code(), Code::kInvalid);
}

TEST(Layout, spreads_evenly) {
  std::vector<int> objects(8), dkeys(8);
  for (uint64_t low = 0; low < 8000; ++low)
    ++objects[compute_layout(make_object_id({low, 0}, 0, *class_by_name("S1")), map_of(8))->targets[0]];
  const Layout layout = *compute_layout(make_object_id({1, 0}, 0, *class_by_name("SX")), map_of(8));
  for (uint64_t dkey = 0; dkey < 8000; ++dkey) ++dkeys[layout.group_of(bytes_of(dkey))];
  for (int i = 0; i < 8; ++i) {
    EXPECT_NEAR(objects[i], 1000, 150);
    EXPECT_NEAR(dkeys[i], 1000, 150);
  }
}

TEST(Layout, growing_moves_few) {
  int moved = 0;
  for (uint64_t key = 0; key < 10000; ++key) {
    const uint32_t before = jump_consistent_hash(key * 0x9e3779b97f4a7c15ULL, 9);
    const uint32_t after = jump_consistent_hash(key * 0x9e3779b97f4a7c15ULL, 10);
    if (before != after) {
      EXPECT_EQ(after, 9u);
      ++moved;
    }
  }
  EXPECT_NEAR(moved, 1000, 150);
}

// These values decide where stored data is looked for: they may never change.
TEST(Layout, golden) {
  EXPECT_EQ(jump_consistent_hash(0, 1), 0u);
  EXPECT_EQ(jump_consistent_hash(10863919174838991ULL, 11), 6u);
  EXPECT_EQ(jump_consistent_hash(2016238256797177309ULL, 11), 3u);
  EXPECT_EQ(jump_consistent_hash(1673758223894951030ULL, 11), 5u);
  const ObjectId oid = make_object_id({42, 7}, 0, *class_by_name("SX"));
  const Layout layout = *compute_layout(oid, map_of(5));
  std::string text;
  for (uint32_t target : layout.targets) text += std::to_string(target);
  for (uint64_t dkey = 0; dkey < 8; ++dkey) text += std::to_string(layout.group_of(bytes_of(dkey)));
  EXPECT_EQ(text, "1420313424121");
}

}  // namespace
}  // namespace varve::placement
