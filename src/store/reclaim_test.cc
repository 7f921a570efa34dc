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

// The heap, or the data area, of the whole target is full, whatever the pool may still have.
class FullTargetTest : public testing::Test {
 protected:
  FullTargetTest() {
    block::FormatOptions options;
    options.heap_bytes_max = 4 * kMiB;
    device = *device::open_memory(16 * kMiB);
    EXPECT_TRUE(executor.block_on(block::Volume::format(*device, options)).ok());
    volume = *executor.block_on(block::Volume::open(executor, *device, {}));
    store = *Store::open(*volume);
    EXPECT_TRUE(store->create_pool(kPool, store->unreserved_bytes()).ok());
    EXPECT_TRUE(store->create_container(kPool, kPool).ok());
    container = store->find(kPool, kPool);
    store->set_snapshots(*container, {});
  }
  Result<Lsn> put(uint64_t dkey, const Data& data) {
    AkeyUpdate akey;
    akey.akey = as_bytes("a");
    akey.single = data;
    const Update update{{1, 0}, Epoch{++epoch}, bytes_of(dkey), 0, {&akey, 1}};
    return store->update(*container, update);
  }
  bool put_inline(uint64_t dkey, uint64_t bytes) {
    return put(dkey, {bytes, ByteView(value).first(bytes), {}, {}}).ok();
  }
  bool put_extent(uint64_t dkey, uint64_t bytes) {
    const auto extent = volume->reserve(bytes);
    return extent.ok() && put(dkey, {bytes, {}, *extent, {}}).ok();
  }
  bool readable(uint64_t dkey) {
    AkeyFetch akey;
    akey.akey = as_bytes("a");
    Fetch fetch{{1, 0}, kEpochMax, bytes_of(dkey), 0, {&akey, 1}};
    return store->fetch(*container, fetch).ok() && akey.found;
  }
  // Everything but an update works, and then updates do.
  void expect_alive(uint64_t written) {
    const uint64_t first = 0;
    EXPECT_TRUE(readable(0));
    EXPECT_TRUE(readable(written - 1));
    Punch one{Punch::Scope::kDkey, {1, 0}, Epoch{++epoch}, 0, bytes_of(first), {}};
    EXPECT_TRUE(store->punch(*container, one).ok());
    EXPECT_FALSE(readable(0));
    Punch all{Punch::Scope::kObject, {1, 0}, Epoch{++epoch}, 0, {}, {}};
    EXPECT_TRUE(store->punch(*container, all).ok());
    while (*store->reclaim(Epoch{epoch}, 200)) continue;
    const Holdings held = store->count_holdings(kPool);
    EXPECT_EQ(store->space(kPool)->used, held.heap_bytes + held.extent_bytes);
    EXPECT_EQ(held.extent_bytes, 0u);
    EXPECT_LT(held.heap_bytes, 1024u);
  }

  const Uuid kPool = Uuid::from_random(1, 2);
  const Buffer value = Buffer(32 * kKiB);
  uint64_t epoch = 0;
  Executor executor{machine_clock(), 1};
  std::unique_ptr<device::Device> device;
  std::unique_ptr<block::Volume> volume;
  std::unique_ptr<Store> store;
  Container* container = nullptr;
};

TEST_F(FullTargetTest, AFullHeap) {
  uint64_t written = 0;
  while (put_inline(written, 3000)) ++written;
  EXPECT_GT(written, 1000u);
  for (uint64_t bytes = 2000; bytes > 0; bytes /= 2)
    while (put_inline(written, bytes)) ++written;
  expect_alive(written);
  uint64_t again = 0;
  while (put_inline(again, 3000)) ++again;
  EXPECT_GT(again, 1000u) << "the space came back";
}

TEST_F(FullTargetTest, AFullDevice) {
  uint64_t written = 0;
  for (uint64_t bytes = kMiB; bytes >= 4096; bytes /= 2)
    while (put_extent(written, bytes)) ++written;
  EXPECT_EQ(volume->use().extent_bytes, volume->use().extent_bytes_max);
  expect_alive(written);
  EXPECT_EQ(volume->use().extent_bytes, 0u);
  EXPECT_TRUE(put_extent(0, 4 * kMiB));
}

TEST_F(FullTargetTest, DestructionOfAllOnAFullHeap) {
  uint64_t written = 0;
  for (uint64_t bytes = 3000; bytes > 0; bytes /= 2)
    while (put_inline(written, bytes)) ++written;
  ASSERT_TRUE(store->destroy_container(kPool, kPool).ok());
  while (*store->reclaim(kEpochNone, 200)) continue;
  EXPECT_EQ(store->space(kPool)->used, 0u);
  EXPECT_TRUE(store->create_container(kPool, kPool).ok());
}

}  // namespace
}  // namespace varve::store
