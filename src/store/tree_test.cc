#include "store/tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "runtime/clock.h"
#include "store/test_volume.h"

namespace varve::store {
namespace {

// Object records stand for any record: what a tree needs of them is their key.
class TreeTest : public testing::Test {
 protected:
  static constexpr Order kOrder{Keyed::kAkey, KeyKind::kLexical};

  Probe probe(const std::string& key) {
    return {key_prefix(kOrder.kind, as_bytes(key)), as_bytes(key)};
  }
  Ref make(const std::string& key) {
    const Ref ref = heap.allocate(static_cast<uint32_t>(sizeof(AkeyRecord) + key.size()));
    auto* akey = heap.at<AkeyRecord>(ref);
    *akey = {};
    akey->key_length = static_cast<uint16_t>(key.size());
    std::memcpy(akey + 1, key.data(), key.size());
    return ref;
  }
  void insert(const std::string& key) {
    const Ref ref = make(key);
    ASSERT_TRUE(tree_insert(heap, kOrder, root, probe(key), ref));
    expected[key] = ref;
  }
  void erase(const std::string& key) {
    tree_erase(heap, kOrder, root, probe(key));
    heap.free(expected[key], static_cast<uint32_t>(sizeof(AkeyRecord) + key.size()));
    expected.erase(key);
  }
  void check() {
    TreeCursor cursor(heap, kOrder, *root);
    cursor.first();
    for (const auto& [key, ref] : expected) {
      ASSERT_TRUE(cursor.valid());
      ASSERT_EQ(cursor.record(), ref);
      ASSERT_EQ(tree_find(heap, kOrder, *root, probe(key)), ref);
      cursor.next();
    }
    ASSERT_FALSE(cursor.valid());
    cursor.last();
    for (auto at = expected.rbegin(); at != expected.rend(); ++at, cursor.previous())
      ASSERT_EQ(cursor.record(), at->second);
    ASSERT_FALSE(cursor.valid());
  }
  void run(uint64_t seed, const std::function<std::string(Random&)>& make_key) {
    Random random(seed);
    heap.begin();
    root = heap.at<TreeRoot>(heap.allocate(sizeof(TreeRoot)));
    *root = {};
    heap.forget_taken();
    for (int step = 0; step < 4000; ++step) {
      const std::string key = make_key(random);
      // Grows to the middle, then shrinks.
      const bool there = expected.contains(key);
      if (!there && random.below(4000) > static_cast<uint64_t>(step) / 2)
        insert(key);
      else if (there)
        erase(key);
      if (step % 400 == 0) check();
    }
    check();
    while (!expected.empty()) {
      auto at = expected.lower_bound(make_key(random));
      if (at == expected.end()) at = expected.begin();
      erase(std::string(at->first));
      if (expected.size() % 100 == 0) check();
    }
    EXPECT_TRUE(tree_empty(*root));
    EXPECT_EQ(heap.taken(), 0) << "nothing is left";
    heap.volume().commit();
  }

  TestVolume memory;
  Heap heap{*memory.volume};
  TreeRoot* root = nullptr;
  std::map<std::string, Ref> expected;
};

TEST_F(TreeTest, AgreesWithAMap) {
  for (uint64_t seed = 0; seed < 20; ++seed)
    run(seed, [](Random& random) { return std::to_string(random.below(100'000)); });
}

TEST_F(TreeTest, AgreesWhereAllKeysShareTheirPrefix) {
  for (uint64_t seed = 0; seed < 20; ++seed)
    run(seed, [](Random& random) { return "samesame" + std::to_string(random.below(5'000)); });
}

TEST_F(TreeTest, AgreesOnAscendingKeys) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    uint64_t next = 1'000'000;
    run(seed, [&next](Random& random) {
      return "sames" + std::to_string(random.one_in(3) ? 1'000'000 + random.below(4000) : next++);
    });
  }
}

TEST(Prefixes, AreCountedAlikeOneByOneAndAtOnce) {
  if (!has_wide_count()) GTEST_SKIP() << "this processor compares one by one";
  uint64_t random = 1;
  for (int round = 0; round < 2000; ++round) {
    std::vector<uint64_t> prefixes(mix64(++random) % (kInnerKeysMax + 1));
    for (uint64_t& prefix : prefixes) prefix = mix64(++random) >> (round % 64);
    std::sort(prefixes.begin(), prefixes.end());
    std::vector<uint64_t> probes = prefixes;
    for (const uint64_t prefix : prefixes) probes.insert(probes.end(), {prefix - 1, prefix + 1});
    probes.insert(probes.end(), {0, 1, ~0ULL, 1ULL << 63});
    for (const uint64_t probe : probes) {
      const auto expected = static_cast<uint32_t>(
          std::upper_bound(prefixes.begin(), prefixes.end(), probe) - prefixes.begin());
      const auto count = static_cast<uint32_t>(prefixes.size());
      ASSERT_EQ(count_to(prefixes.data(), count, probe, false), expected);
      ASSERT_EQ(count_to(prefixes.data(), count, probe, true), expected);
    }
  }
}

}  // namespace
}  // namespace varve::store
