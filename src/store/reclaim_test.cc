#include "store/test_store.h"

namespace varve::store {
namespace {

class ReclaimTest : public StoreTest {
 protected:
  uint64_t used() { return store->space(kPool)->used; }
  // Until there is nothing more to do.
  void reclaim(uint64_t horizon, uint32_t budget = 7) {
    for (int slice = 0; *store->reclaim(Epoch{horizon}, budget); ++slice) ASSERT_LT(slice, 100'000);
  }
  void set_snapshots(std::vector<Epoch> epochs) { store->set_snapshots(*container, epochs); }
};

TEST_F(ReclaimTest, KeepsWhatSnapshotsSee) {
  for (uint64_t epoch = 10; epoch <= 100; epoch += 10)
    ASSERT_TRUE(
        put(kHashedOid, "d", "a", epoch, std::to_string(epoch) + std::string(300, '.')).ok());
  const uint64_t before = used();
  reclaim(95);
  EXPECT_EQ(used(), before) << "snapshots are not known yet";
  set_snapshots({Epoch{35}, Epoch{60}});
  reclaim(95);
  EXPECT_LT(used(), before * 6 / 10);
  EXPECT_EQ(get(kHashedOid, "d", "a", 35).substr(0, 2), "30");
  EXPECT_EQ(get(kHashedOid, "d", "a", 60).substr(0, 2), "60");
  EXPECT_EQ(get(kHashedOid, "d", "a", 95).substr(0, 2), "90");
  EXPECT_EQ(get(kHashedOid, "d", "a").substr(0, 3), "100");
  EXPECT_EQ(get(kHashedOid, "d", "a", 50), "error: DER_EP_OLD");
  EXPECT_EQ(put(kHashedOid, "d", "a", 95, "late").code(), Code::kTransactionRestart);
  EXPECT_EQ(punch(kHashedOid, 95).code(), Code::kTransactionRestart);
  EXPECT_TRUE(put(kHashedOid, "d", "a", 96, "history").ok());
  reopen();
  EXPECT_EQ(put(kHashedOid, "d", "a", 95, "late").code(), Code::kTransactionRestart);
}

TEST_F(ReclaimTest, PunchedThingsGoAltogether) {
  const uint64_t empty = used();
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(put(kLexicalOid, "a long common prefix " + std::to_string(i), "a", 10, "x").ok());
    ASSERT_TRUE(put(kHashedOid, "d", "akey " + std::to_string(i), 10, "x").ok());
    ASSERT_TRUE(write(kIntegerArrayOid, std::string(8, 'k'), 10, static_cast<uint64_t>(i) * 5000,
                      "some data")
                    .ok());
  }
  ASSERT_TRUE(punch(kLexicalOid, 20).ok());
  ASSERT_TRUE(punch(kHashedOid, 20, "d").ok());
  ASSERT_TRUE(write(kIntegerArrayOid, std::string(8, 'k'), 20, 0, {}, uint64_t{1} << 40).ok());
  set_snapshots({});
  reclaim(20);
  EXPECT_EQ(used(), empty);
  EXPECT_EQ(dkeys(kLexicalOid), "");
  ASSERT_TRUE(put(kLexicalOid, "again", "a", 30, "y").ok());
  EXPECT_EQ(dkeys(kLexicalOid), "again ");
}

TEST_F(ReclaimTest, ExtentsGoOnlyWhenAllOfThemIsCovered) {
  ASSERT_TRUE(write(kHashedOid, "d", 10, 0, "aaaaaaaa").ok());
  ASSERT_TRUE(write(kHashedOid, "d", 20, 0, "bbbb").ok());
  set_snapshots({});
  reclaim(30);
  EXPECT_EQ(read(kHashedOid, "d", 0, 8), "bbbbaaaa");
  const uint64_t before = used();
  ASSERT_TRUE(write(kHashedOid, "d", 40, 2, "cccccc").ok());
  reclaim(50);
  EXPECT_EQ(read(kHashedOid, "d", 0, 8), "bbcccccc");
  EXPECT_LE(used(), before + 16 + 32);  // the first extent was embedded
}

TEST_F(ReclaimTest, AQuietStoreHasNothingToDo) {
  ASSERT_TRUE(put(kHashedOid, "d", "a", 10, "x").ok());
  set_snapshots({});
  reclaim(20);
  EXPECT_FALSE(*store->reclaim(Epoch{30}, 100));
  ASSERT_TRUE(put(kHashedOid, "e", "a", 40, "new keys leave nothing to merge").ok());
  EXPECT_FALSE(*store->reclaim(Epoch{50}, 100));
  ASSERT_TRUE(put(kHashedOid, "e", "a", 60, "an overwritten one does").ok());
  EXPECT_TRUE(*store->reclaim(Epoch{70}, 100));
}

TEST_F(ReclaimTest, DestroyedPoolsGiveTheirSpaceBack) {
  const uint64_t unreserved = store->unreserved_bytes();
  for (int i = 0; i < 2000; ++i)
    ASSERT_TRUE(put(kHashedOid, std::to_string(i), "a", 10, std::string(100, 'x')).ok());
  EXPECT_EQ(store->create_pool(kPool, 1).code(), Code::kExists);
  EXPECT_EQ(store->create_container(kPool, kContainer).code(), Code::kExists);
  ASSERT_TRUE(store->destroy_container(kPool, kContainer).ok());
  EXPECT_EQ(store->find(kPool, kContainer), nullptr);
  EXPECT_TRUE(store->containers(kPool).empty());
  ASSERT_TRUE(store->destroy_pool(kPool).ok());
  EXPECT_TRUE(store->pools().empty());
  EXPECT_LT(store->unreserved_bytes(), unreserved + 64 * kMiB);
  store = *Store::open(*memory.volume);  // in the middle of it, too
  ASSERT_TRUE(*store->reclaim(kEpochNone, 100));
  store = *Store::open(*memory.volume);
  reclaim(0);
  EXPECT_EQ(store->unreserved_bytes(), unreserved + 64 * kMiB);
  EXPECT_EQ(store->newest_epoch(), Epoch{10});
  EXPECT_EQ(store->destroy_pool(kPool).code(), Code::kNonexistent);
}

TEST_F(ReclaimTest, AFullPoolStillPunches) {
  Code code = Code::kOk;
  int written = 0;
  for (; code == Code::kOk; ++written)
    code = put(kHashedOid, std::to_string(written), "a", 10, std::string(4000, 'x')).code();
  EXPECT_EQ(code, Code::kNoSpace);
  EXPECT_GT(written, 64 * 240);
  const Result<Lsn> refused = put(kHashedOid, "d", "a", 11, std::string(4000, 'x'));
  EXPECT_NE(refused.error().text().find("67108864"), std::string_view::npos)
      << refused.error().text();
  EXPECT_EQ(get(kHashedOid, "0", "a").size(), 4000u) << "reads go on";
  ASSERT_TRUE(punch(kHashedOid, 20).ok());
  set_snapshots({});
  reclaim(20, 200);
  EXPECT_TRUE(put(kHashedOid, "d", "a", 30, "there is room again").ok());
}

}  // namespace
}  // namespace varve::store
