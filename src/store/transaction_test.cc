#include "store/test_store.h"

namespace varve::store {
namespace {

class TransactionTest : public StoreTest {
 protected:
  static TransactionId id(uint64_t number) { return {number, 9}; }
  Result<Lsn> put_in(uint64_t number, std::string_view dkey, std::string_view akey, uint64_t epoch,
                     std::string_view value, ObjectId oid = {1, 0}) {
    AkeyUpdate one;
    one.akey = as_bytes(akey);
    one.single.length = value.size();
    one.single.bytes = as_bytes(value);
    return store->update(*container,
                         {oid, Epoch{epoch}, as_bytes(dkey), 0, {&one, 1}, id(number)});
  }
  Result<Lsn> punch_in(uint64_t number, uint64_t epoch, std::string_view dkey = {},
                       ObjectId oid = {1, 0}) {
    Punch one;
    one.oid = oid;
    one.epoch = Epoch{epoch};
    one.dkey = as_bytes(dkey);
    if (!dkey.empty()) one.scope = Punch::Scope::kDkey;
    one.transaction = id(number);
    return store->punch(*container, one);
  }
  uint64_t used() const { return store->space(kPool)->used; }
  void expect_exact() {
    const Holdings held = store->count_holdings(kPool);
    EXPECT_EQ(held.heap_bytes + held.extent_bytes, used());
  }
  void reclaim_all(uint64_t horizon) {
    store->set_snapshots(*container, {});
    while (*store->reclaim(Epoch{horizon}, 1000)) {
    }
  }
};

TEST_F(TransactionTest, AbortGivesBackAllThatItTook) {
  const uint64_t before = used();
  ASSERT_TRUE(put_in(1, "d", "a", 10, "value").ok());
  ASSERT_TRUE(put_in(1, "d", "b", 10, std::string(5000, 'x')).ok());
  ASSERT_TRUE(put_in(1, "e", "a", 10, std::string(300, 'y')).ok());
  ASSERT_TRUE(put_in(1, "e", "a", 10, "again", {2, 0}).ok());
  ASSERT_TRUE(punch_in(1, 10, "d").ok());
  ASSERT_TRUE(put_in(1, "d", "a", 10, "after").ok());
  EXPECT_GT(used(), before);
  expect_exact();
  ASSERT_TRUE(store->abort(*container, id(1)).ok());
  expect_exact();
  const TransactionId one = id(1);
  ASSERT_TRUE(store->forget(*container, {&one, 1}).ok());
  // Nothing is left: not an object, not a node of a tree.
  EXPECT_EQ(used(), before);
}

TEST_F(TransactionTest, AbortLeavesWhatOthersUse) {
  ASSERT_TRUE(put_in(1, "d", "a", 10, "mine").ok());
  ASSERT_TRUE(put(kHashedOid, "d", "b", 20, "theirs").ok());
  ASSERT_TRUE(store->abort(*container, id(1)).ok());
  EXPECT_EQ(get(kHashedOid, "d", "a"), "-");
  EXPECT_EQ(get(kHashedOid, "d", "b"), "theirs");
  expect_exact();
}

TEST_F(TransactionTest, ExtentsComeBackWithAnAbort) {
  const block::Extent extent = *memory.volume->reserve(64 * kKiB);
  const uint64_t reserved = memory.volume->use().extent_bytes;
  AkeyUpdate one;
  one.akey = as_bytes("a");
  one.single.length = 64 * kKiB;
  one.single.extent = extent;
  const Update update{kHashedOid, Epoch{10}, as_bytes("d"), 0, {&one, 1}, id(1)};
  ASSERT_TRUE(store->update(*container, update).ok());
  EXPECT_GE(used(), 64 * kKiB);
  ASSERT_TRUE(store->abort(*container, id(1)).ok());
  EXPECT_LT(used(), 64 * kKiB);
  EXPECT_LT(memory.volume->use().extent_bytes, reserved);
}

TEST_F(TransactionTest, ManyEntriesAcrossObjects) {
  for (int i = 0; i < 500; ++i)
    ASSERT_TRUE(put_in(1, "d" + std::to_string(i), "a", 10, "v", {1 + uint64_t(i % 7), 0}).ok());
  expect_exact();
  reopen();
  ASSERT_EQ(store->prepared(*container, Epoch{25}).size(), 1u);
  EXPECT_EQ(store->prepared(*container, Epoch{25})[0].entries, 500u);
  ASSERT_TRUE(store->commit(*container, id(1)).ok());
  for (int i = 0; i < 500; ++i)
    EXPECT_EQ(get({1 + uint64_t(i % 7), 0}, "d" + std::to_string(i), "a", 10), "v");
  expect_exact();
}

TEST_F(TransactionTest, PreparedAreListedOldestFirst) {
  ASSERT_TRUE(put_in(2, "d", "a", 20, "x").ok());
  ASSERT_TRUE(put_in(1, "e", "a", 10, "x").ok());
  ASSERT_TRUE(put_in(3, "f", "a", 15, "x").ok());
  ASSERT_TRUE(store->commit(*container, id(3)).ok());
  reopen();
  const auto prepared = store->prepared(*container, Epoch{25});
  ASSERT_EQ(prepared.size(), 2u);
  EXPECT_EQ(prepared[0].id, id(1));
  EXPECT_EQ(prepared[0].age_ns, 15u);
  EXPECT_EQ(prepared[0].entries, 1u);
  EXPECT_EQ(prepared[1].epoch, Epoch{20});
  EXPECT_EQ(store->prepared(*container, Epoch{12})[1].age_ns, 0u);
}

TEST_F(TransactionTest, ErrorsNameTheTransaction) {
  ASSERT_TRUE(put_in(5, "d", "a", 10, "x").ok());
  const Result<Lsn> result = put(kHashedOid, "d", "a", 20, "y");
  EXPECT_EQ(result.code(), Code::kInProgress);
  EXPECT_NE(result.error().text().find(id(5).to_string()), std::string::npos);
  EXPECT_EQ(store->last_conflict().transaction, id(5));
}

TEST_F(TransactionTest, LimitsAreRefusedByName) {
  std::vector<ArrayPiece> pieces(kTransactionEntriesMax + 1);
  std::vector<std::string> akeys;
  for (size_t i = 0; i < pieces.size(); ++i) {
    pieces[i] = {i, 1, {}};
    pieces[i].data.length = 1;
    pieces[i].data.bytes = as_bytes("x");
  }
  AkeyUpdate one;
  one.akey = as_bytes("array");
  one.kind = ValueKind::kArray;
  one.pieces = pieces;
  const Update update{kHashedOid, Epoch{10}, as_bytes("d"), 0, {&one, 1}, id(1)};
  const Result<Lsn> result = store->update(*container, update);
  EXPECT_EQ(result.code(), Code::kOverflow);
  EXPECT_NE(result.error().text().find("8192"), std::string::npos);
  EXPECT_EQ(store->status(*container, id(1)), TransactionState::kUnknown);
  const std::vector<TransactionId> many(kForgetMax + 1, id(1));
  EXPECT_EQ(store->forget(*container, many).code(), Code::kInvalid);
}

TEST_F(TransactionTest, SoManyAreRememberedAndNoMore) {
  for (uint64_t i = 1; i <= kTransactionsMax; ++i) {
    ASSERT_TRUE(put_in(i, "d", "a", i, "x").ok());
    ASSERT_TRUE((i % 2 ? store->commit(*container, id(i)) : store->abort(*container, id(i))).ok());
  }
  const Result<Lsn> full = put_in(kTransactionsMax + 1, "d", "a", kTransactionsMax + 1, "x");
  EXPECT_EQ(full.code(), Code::kBusy);
  const TransactionId one = id(1);
  ASSERT_TRUE(store->forget(*container, {&one, 1}).ok());
  EXPECT_TRUE(put_in(kTransactionsMax + 1, "d", "a", kTransactionsMax + 1, "x").ok());
}

TEST_F(TransactionTest, ReclaimStaysBelowWhatIsPrepared) {
  ASSERT_TRUE(put(kHashedOid, "d", "a", 5, "old").ok());
  ASSERT_TRUE(put(kHashedOid, "d", "b", 5, "old").ok());
  ASSERT_TRUE(put_in(1, "d", "a", 10, "new").ok());
  for (uint64_t epoch = 11; epoch < 20; ++epoch)
    ASSERT_TRUE(put(kHashedOid, "d", "b", epoch, "newer").ok());
  reclaim_all(100);
  // Its transaction goes on at its epoch, sees what was there, and may still be aborted.
  ASSERT_TRUE(put_in(1, "d", "c", 10, "more").ok());
  EXPECT_EQ(get(kHashedOid, "d", "b", 9), "old");
  ASSERT_TRUE(store->abort(*container, id(1)).ok());
  EXPECT_EQ(get(kHashedOid, "d", "a"), "old");
  reclaim_all(100);
  EXPECT_EQ(get(kHashedOid, "d", "b", 9), "error: DER_EP_OLD");
  expect_exact();
}

TEST_F(TransactionTest, RollbackAndDifferencesWaitForIt) {
  ASSERT_TRUE(put(kHashedOid, "d", "a", 5, "old").ok());
  ASSERT_TRUE(put_in(1, "d", "a", 10, "new").ok());
  DiffAnchor anchor;
  EXPECT_EQ(store->rollback(*container, Epoch{5}, Epoch{20}).code(), Code::kInProgress);
  EXPECT_EQ(store->diff(*container, Epoch{5}, Epoch{20}, anchor, 10).code(), Code::kInProgress);
  EXPECT_TRUE(store->diff(*container, Epoch{5}, Epoch{9}, anchor, 10).ok());
  ASSERT_TRUE(store->commit(*container, id(1)).ok());
  EXPECT_TRUE(store->rollback(*container, Epoch{5}, Epoch{20}).ok());
  EXPECT_EQ(get(kHashedOid, "d", "a"), "old");
}

TEST_F(TransactionTest, DestructionTakesTransactionsAlong) {
  for (uint64_t i = 1; i <= 40; ++i)
    ASSERT_TRUE(put_in(i, "d" + std::to_string(i), "a", 10 + i, "x").ok());
  for (uint64_t i = 1; i <= 20; ++i) ASSERT_TRUE(store->commit(*container, id(i)).ok());
  ASSERT_TRUE(store->destroy_container(kPool, kContainer).ok());
  store = *Store::open(*memory.volume);
  while (*store->reclaim(kEpochNone, 8)) expect_exact();
  EXPECT_EQ(used(), 0u);
}

TEST_F(TransactionTest, BatchesMayCarryThem) {
  std::vector<AkeyUpdate> akeys(4);
  std::vector<Update> updates;
  const std::string_view names[] = {"a", "b", "c", "d"};
  for (size_t i = 0; i < 4; ++i) {
    akeys[i].akey = as_bytes(names[i]);
    akeys[i].single = {1, as_bytes("x"), {}, {}};
    updates.push_back({kHashedOid, Epoch{10}, as_bytes("d"), 0, {&akeys[i], 1}});
    if (i != 3) updates[i].transaction = id(1 + i / 2);
  }
  std::vector<Result<Lsn>> results(4, Lsn{});
  store->update_batch(*container, updates, results);
  for (const Result<Lsn>& result : results) EXPECT_TRUE(result.ok());
  EXPECT_EQ(store->prepared(*container, Epoch{10}).size(), 2u);
  ASSERT_TRUE(store->abort(*container, id(1)).ok());
  ASSERT_TRUE(store->commit(*container, id(2)).ok());
  EXPECT_EQ(get(kHashedOid, "d", "a"), "-");
  EXPECT_EQ(get(kHashedOid, "d", "c"), "x");
  EXPECT_EQ(get(kHashedOid, "d", "d"), "x");
}

// What a rolled back transaction of the heap had begun is not known afterwards.
TEST_F(TransactionTest, WithoutSpaceNothingIsBegun) {
  ASSERT_TRUE(store->create_pool(Uuid::from_random(7, 7), 2 * kKiB).ok());
  ASSERT_TRUE(store->create_container(Uuid::from_random(7, 7), kContainer).ok());
  container = store->find(Uuid::from_random(7, 7), kContainer);
  EXPECT_EQ(put_in(1, "d", "a", 10, std::string(4000, 'x')).code(), Code::kNoSpace);
  EXPECT_EQ(store->status(*container, id(1)), TransactionState::kUnknown);
  EXPECT_TRUE(store->prepared(*container, kEpochMax).empty());
  EXPECT_TRUE(put(kHashedOid, "d", "a", 5, "small").ok());
}

}  // namespace
}  // namespace varve::store
