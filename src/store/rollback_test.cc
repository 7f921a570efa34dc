#include "store/rollback.h"

#include "store/test_store.h"

namespace varve::store {
namespace {

TEST(Rollbacks, LayersGiveWayToWhatTheyLeadBackTo) {
  Rollbacks rollbacks;
  EXPECT_EQ(rollbacks.hidden(100), nullptr);
  rollbacks.add({10, 20});
  rollbacks.add({15, 30});  // to between: back to before the first rollback
  rollbacks.add({25, 40});  // to after the first, before the second
  EXPECT_EQ(rollbacks.hidden(19), nullptr);
  EXPECT_EQ(*rollbacks.hidden(20), Hidden({{10, 20}}));
  EXPECT_EQ(*rollbacks.hidden(39), Hidden({{15, 30}}));
  EXPECT_EQ(*rollbacks.hidden(~0ULL), Hidden({{10, 20}, {25, 40}}));
  EXPECT_EQ(rollbacks.common(5, 100), 5u);
  EXPECT_EQ(rollbacks.common(12, 22), 10u);
  EXPECT_EQ(rollbacks.common(12, 35), 12u);
  EXPECT_EQ(rollbacks.common(18, 35), 15u);
  EXPECT_EQ(rollbacks.common(35, 100), 10u);
  EXPECT_EQ(rollbacks.common(25, 100), 25u);
  EXPECT_EQ(rollbacks.common(50, 100), 50u);
  EXPECT_EQ(rollbacks.newest_at(), 40u);
  rollbacks.remove(20);
  EXPECT_EQ(*rollbacks.hidden(~0ULL), Hidden({{25, 40}}));
}

class RollbackTest : public StoreTest {
 protected:
  Code roll_back(uint64_t to, uint64_t at) {
    return store->rollback(*container, Epoch{to}, Epoch{at}).code();
  }
  void reclaim(uint64_t horizon) {
    for (int slice = 0; *store->reclaim(Epoch{horizon}, 7); ++slice) ASSERT_LT(slice, 100'000);
  }
  std::string differences(uint64_t from, uint64_t to, uint32_t limit = 1) {
    std::string all;
    for (DiffAnchor anchor; !anchor.end;) {
      auto page = store->diff(*container, Epoch{from}, Epoch{to}, anchor, limit);
      if (!page.ok()) return "error: " + std::string(code_name(page.code()));
      EXPECT_LE(page->size(), limit);
      for (const Difference& one : *page) {
        all += std::string(as_text(one.dkey)) + "/" + std::string(as_text(one.akey));
        if (one.kind == ValueKind::kArray)
          all += "[" + std::to_string(one.index) + "+" + std::to_string(one.count) + "]";
        all += one.before ? one.after ? "~ " : "- " : "+ ";
      }
    }
    return all;
  }
  uint64_t used() { return store->space(kPool)->used; }
};

TEST_F(RollbackTest, TheContainerIsWhatItWasAndGoesOn) {
  ASSERT_TRUE(put(kLexicalOid, "a", "x", 10, "old").ok());
  ASSERT_TRUE(put(kLexicalOid, "b", "x", 10, "stays").ok());
  ASSERT_TRUE(write(kHashedOid, "d", 10, 0, "aaaaaaaa").ok());
  ASSERT_TRUE(put(kLexicalOid, "a", "x", 30, "new").ok());
  ASSERT_TRUE(put(kLexicalOid, "c", "x", 30, "made later").ok());
  ASSERT_TRUE(punch(kLexicalOid, 31, "b").ok());
  ASSERT_TRUE(write(kHashedOid, "d", 32, 2, "bb").ok());
  ASSERT_TRUE(write(kHashedOid, "d", 33, 6, {}, 2).ok());
  ASSERT_EQ(roll_back(20, 40), Code::kOk);
  EXPECT_EQ(roll_back(20, 40), Code::kOk) << "asked again, it is done";
  for (int opened = 0; opened < 2; ++opened) {
    EXPECT_EQ(dkeys(kLexicalOid), "a b ");
    EXPECT_EQ(get(kLexicalOid, "a", "x"), "old");
    EXPECT_EQ(get(kLexicalOid, "b", "x"), "stays");
    EXPECT_EQ(read(kHashedOid, "d", 0, 8), "aaaaaaaa");
    EXPECT_EQ(dkeys(kLexicalOid, 39), "a c ") << "readers between see what they saw";
    EXPECT_EQ(read(kHashedOid, "d", 0, 8, 39), "aabbaa..");
    reopen();
  }
  EXPECT_EQ(put(kLexicalOid, "a", "x", 40, "late").code(), Code::kTransactionRestart);
  EXPECT_EQ(punch(kLexicalOid, 35).code(), Code::kTransactionRestart);
  EXPECT_EQ(store->newest_epoch(), Epoch{40}) << "a restarted clock starts above it";
  EXPECT_EQ(put(kLexicalOid, "c", "x", 41, "again", kCondDkeyInsert).code(), Code::kOk);
  EXPECT_EQ(put(kLexicalOid, "b", "x", 42, "again", kCondDkeyInsert).code(), Code::kExists);
  EXPECT_EQ(dkeys(kLexicalOid), "a b c ");
  ASSERT_EQ(roll_back(35, 50), Code::kOk) << "and back to before the first rollback";
  EXPECT_EQ(dkeys(kLexicalOid), "a c ");
  EXPECT_EQ(get(kLexicalOid, "a", "x"), "new");
  EXPECT_EQ(get(kLexicalOid, "a", "x", 45), "old");
}

TEST_F(RollbackTest, RefusesWhatIsSettledOrGone) {
  ASSERT_TRUE(put(kHashedOid, "d", "a", 10, "x").ok());
  EXPECT_EQ(roll_back(20, 20), Code::kInvalid);
  ASSERT_EQ(roll_back(20, 30), Code::kOk);
  EXPECT_EQ(roll_back(15, 30), Code::kTransactionRestart);
  store->set_snapshots(*container, {Epoch{12}});
  reclaim(50);
  EXPECT_EQ(roll_back(13, 60), Code::kEpochTooOld);
  EXPECT_EQ(roll_back(12, 50), Code::kTransactionRestart);
  EXPECT_EQ(roll_back(12, 60), Code::kOk);
}

TEST_F(RollbackTest, ReclaimGivesBackWhatIsHidden) {
  const uint64_t empty = used();
  ASSERT_TRUE(put(kHashedOid, "d", "a", 10, std::string(1000, 'a')).ok());
  const uint64_t before = used();
  for (uint64_t i = 0; i < 200; ++i)
    ASSERT_TRUE(put(kHashedOid, std::to_string(i), "a", 20 + i, std::string(1000, 'b')).ok());
  ASSERT_TRUE(punch(kHashedOid, 300, "d").ok());
  ASSERT_EQ(roll_back(15, 310), Code::kOk);
  store->set_snapshots(*container, {Epoch{100}});
  reclaim(400);
  EXPECT_EQ(get(kHashedOid, "d", "a").size(), 1000u);
  EXPECT_EQ(get(kHashedOid, "5", "a"), "-");
  EXPECT_EQ(get(kHashedOid, "5", "a", 100).size(), 1000u) << "a newer snapshot reads on";
  EXPECT_GT(used(), before + 50'000);
  store->set_snapshots(*container, {});
  reclaim(401);
  EXPECT_EQ(get(kHashedOid, "d", "a").size(), 1000u);
  EXPECT_LE(used(), before + 512) << "but for the leaf of the tree of dkeys";
  ASSERT_TRUE(punch(kHashedOid, 500).ok());
  reclaim(501);
  EXPECT_EQ(used(), empty) << "the layer itself is gone too";
}

TEST_F(RollbackTest, DifferencesNameKeysAndRanges) {
  ASSERT_TRUE(put(kLexicalOid, "a", "x", 10, "same").ok());
  ASSERT_TRUE(put(kLexicalOid, "b", "x", 10, "one").ok());
  ASSERT_TRUE(put(kLexicalOid, "c", "x", 10, "gone").ok());
  ASSERT_TRUE(write(kLexicalOid, "d", 10, 0, "aaaaaaaaaa").ok());
  ASSERT_TRUE(put(kLexicalOid, "b", "x", 20, "two").ok());
  ASSERT_TRUE(punch(kLexicalOid, 21, "c").ok());
  ASSERT_TRUE(write(kLexicalOid, "d", 22, 2, "bb").ok());
  ASSERT_TRUE(write(kLexicalOid, "d", 23, 6, {}, 2).ok());
  ASSERT_TRUE(write(kLexicalOid, "d", 24, 10, "cc").ok());
  ASSERT_TRUE(put(kLexicalOid, "e", "x", 25, "new").ok());
  const std::string all =
      "b/x~ c/x- d/array[2+2]~ d/array[6+2]- d/array[10+2]+ e/x+ ";
  EXPECT_EQ(differences(10, 30, 1), all);
  EXPECT_EQ(differences(10, ~0ULL, 100), all);
  EXPECT_EQ(differences(25, ~0ULL), "");
  EXPECT_EQ(differences(30, 20), "error: DER_INVAL");
  ASSERT_EQ(roll_back(15, 40), Code::kOk);
  EXPECT_EQ(differences(10, 50), "") << "rolled back, nothing has changed";
  EXPECT_EQ(differences(30, 50, 2),
            "b/x~ c/x+ d/array[2+2]~ d/array[6+2]+ d/array[10+2]- e/x- ");
}

TEST_F(RollbackTest, DifferencesOfManyObjectsComeInBoundedCalls) {
  constexpr uint64_t kObjects = 20'000;
  for (uint64_t i = 0; i < kObjects; ++i)
    ASSERT_TRUE(put({i, 0}, "d", "a", 10, "x").ok());
  ASSERT_TRUE(put({77, 0}, "d", "a", 20, "y").ok());
  size_t found = 0, calls = 0;
  for (DiffAnchor anchor; !anchor.end; ++calls) {
    const auto page = store->diff(*container, Epoch{15}, Epoch{30}, anchor, 100);
    ASSERT_TRUE(page.ok());
    found += page->size();
  }
  EXPECT_EQ(found, 1u);
  EXPECT_GE(calls, 3u) << "no call looks at everything";
}

}  // namespace
}  // namespace varve::store
