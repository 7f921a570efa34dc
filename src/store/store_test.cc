#include "store/store.h"

#include <gtest/gtest.h>

#include "base/checksum.h"
#include "store/test_volume.h"

namespace varve::store {
namespace {

class StoreTest : public testing::Test {
 protected:
  StoreTest() { reopen(); }
  void reopen() {
    store = *Store::open(*memory.volume);
    container = store->find(kPool, kContainer);
    if (container) return;
    EXPECT_TRUE(store->create_pool(kPool, 64 * kMiB).ok());
    EXPECT_TRUE(store->create_container(kPool, kContainer).ok());
    container = store->find(kPool, kContainer);
  }
  Result<Lsn> put(ObjectId oid, std::string_view dkey, std::string_view akey, uint64_t epoch,
                  std::string_view value, uint64_t conditions = 0) {
    AkeyUpdate one;
    one.akey = as_bytes(akey);
    one.single.length = value.size();
    one.single.bytes = as_bytes(value);
    const uint32_t checksum = crc32c(one.single.bytes);
    if (!value.empty()) one.single.checksums = {&checksum, 1};
    Update update{oid, Epoch{epoch}, as_bytes(dkey), conditions, {&one, 1}};
    return store->update(*container, update);
  }
  std::string get(ObjectId oid, std::string_view dkey, std::string_view akey, uint64_t epoch = ~0ULL) {
    AkeyFetch one;
    one.akey = as_bytes(akey);
    Fetch fetch{oid, Epoch{epoch}, as_bytes(dkey), 0, {&one, 1}};
    const Result<void> result = store->fetch(*container, fetch);
    if (!result.ok()) return "error: " + std::string(code_name(result.code()));
    if (!one.found) return "-";
    EXPECT_EQ(one.pieces.size(), 1u);
    EXPECT_TRUE(verify_run(one.pieces[0].run, one.pieces[0].run_checksums).ok());
    return std::string(as_text(one.pieces[0].bytes));
  }
  Result<Lsn> write(ObjectId oid, std::string_view dkey, uint64_t epoch, uint64_t index,
                    std::string_view text, uint64_t punch_count = 0) {
    ArrayPiece piece{index, punch_count ? punch_count : text.size(), {}};
    piece.data.length = text.size();
    piece.data.bytes = as_bytes(text);
    AkeyUpdate one;
    one.akey = as_bytes("array");
    one.kind = ValueKind::kArray;
    one.pieces = {&piece, 1};
    return store->update(*container, {oid, Epoch{epoch}, as_bytes(dkey), 0, {&one, 1}});
  }
  // Holes as dots.
  std::string read(ObjectId oid, std::string_view dkey, uint64_t index, uint64_t count,
                   uint64_t epoch = ~0ULL) {
    AkeyFetch one;
    one.akey = as_bytes("array");
    one.kind = ValueKind::kArray;
    const std::pair<uint64_t, uint64_t> range{index, count};
    one.ranges = {&range, 1};
    Fetch fetch{oid, Epoch{epoch}, as_bytes(dkey), 0, {&one, 1}};
    const Result<void> result = store->fetch(*container, fetch);
    if (!result.ok()) return "error: " + std::string(code_name(result.code()));
    if (!one.found) return "-";
    std::string text;
    for (const FoundPiece& piece : one.pieces)
      if (piece.kind == FoundPiece::Kind::kHole) text.append(piece.length, '.');
      else text += as_text(piece.bytes);
    return text;
  }
  Result<Lsn> punch(ObjectId oid, uint64_t epoch, std::string_view dkey = {},
                    std::string_view akey = {}, uint64_t conditions = 0) {
    Punch one;
    one.oid = oid;
    one.epoch = Epoch{epoch};
    one.conditions = conditions;
    one.dkey = as_bytes(dkey);
    const ByteView key = as_bytes(akey);
    if (!dkey.empty()) one.scope = Punch::Scope::kDkey;
    if (!akey.empty()) {
      one.scope = Punch::Scope::kAkeys;
      one.akeys = {&key, 1};
    }
    return store->punch(*container, one);
  }
  std::string dkeys(ObjectId oid, uint64_t epoch = ~0ULL, uint32_t limit = 1000) {
    std::string all;
    for (Anchor anchor; !anchor.end;) {
      const auto page = store->list_dkeys(*container, oid, Epoch{epoch}, anchor, limit);
      EXPECT_TRUE(page.ok());
      for (const ListedKey& key : *page) all += std::string(as_text(key.key)) + " ";
    }
    return all;
  }

  const Uuid kPool = Uuid::from_random(1, 2), kContainer = Uuid::from_random(3, 4);
  const ObjectId kHashedOid{1, 0}, kLexicalOid{2, uint64_t{7} << 56}, kIntegerOid{3, uint64_t{4} << 56};
  TestVolume memory;
  std::unique_ptr<Store> store;
  Container* container = nullptr;
};

TEST_F(StoreTest, KeepsEveryVersion) {
  ASSERT_TRUE(put(kHashedOid, "d", "a", 10, "ten").ok());
  ASSERT_TRUE(put(kHashedOid, "d", "a", 20, "twenty").ok());
  EXPECT_EQ(get(kHashedOid, "d", "a", 9), "-");
  EXPECT_EQ(get(kHashedOid, "d", "a", 10), "ten");
  EXPECT_EQ(get(kHashedOid, "d", "a", 19), "ten");
  EXPECT_EQ(get(kHashedOid, "d", "a"), "twenty");
  ASSERT_TRUE(put(kHashedOid, "d", "a", 15, "fifteen").ok());
  EXPECT_EQ(get(kHashedOid, "d", "a", 19), "fifteen");
  EXPECT_EQ(get(kHashedOid, "d", "a"), "twenty");
  EXPECT_EQ(store->newest_epoch(), Epoch{20});
}

TEST_F(StoreTest, PunchesHideWhatIsBelow) {
  ASSERT_TRUE(put(kHashedOid, "d", "a", 10, "one").ok());
  ASSERT_TRUE(put(kHashedOid, "d", "b", 10, "two").ok());
  ASSERT_TRUE(punch(kHashedOid, 20, "d", "a").ok());
  EXPECT_EQ(get(kHashedOid, "d", "a"), "-");
  EXPECT_EQ(get(kHashedOid, "d", "b"), "two");
  ASSERT_TRUE(punch(kHashedOid, 30, "d").ok());
  EXPECT_EQ(get(kHashedOid, "d", "b"), "-");
  EXPECT_EQ(get(kHashedOid, "d", "b", 29), "two");
  EXPECT_EQ(dkeys(kHashedOid), "");
  EXPECT_EQ(dkeys(kHashedOid, 25), "d ");
  EXPECT_EQ(punch(kHashedOid, 31, "d", {}, kCondPunch).code(), Code::kNonexistent);
  ASSERT_TRUE(put(kHashedOid, "d", "b", 40, "again").ok());
  ASSERT_TRUE(punch(kHashedOid, 50).ok());
  EXPECT_EQ(get(kHashedOid, "d", "b"), "-");
  EXPECT_EQ(get(kHashedOid, "d", "b", 45), "again");
}

TEST_F(StoreTest, OneEpochKeepsTheOrderOfArrival) {
  ASSERT_TRUE(put(kHashedOid, "d", "a", 10, "one").ok());
  ASSERT_TRUE(punch(kHashedOid, 10).ok());
  EXPECT_EQ(get(kHashedOid, "d", "a", 10), "-");
  ASSERT_TRUE(put(kHashedOid, "d", "a", 10, "two").ok());
  EXPECT_EQ(get(kHashedOid, "d", "a", 10), "two");
}

TEST_F(StoreTest, ConditionsAreCheckedBeforeAnythingChanges) {
  EXPECT_EQ(put(kHashedOid, "d", "a", 10, "x", kCondDkeyUpdate).code(), Code::kNonexistent);
  EXPECT_TRUE(put(kHashedOid, "d", "a", 11, "x", kCondDkeyInsert).ok());
  EXPECT_EQ(put(kHashedOid, "d", "a", 12, "y", kCondDkeyInsert).code(), Code::kExists);
  EXPECT_EQ(put(kHashedOid, "d", "a", 13, "y", kCondAkeyInsert).code(), Code::kExists);
  EXPECT_TRUE(put(kHashedOid, "d", "b", 14, "y", kCondAkeyInsert).ok());
  EXPECT_EQ(put(kHashedOid, "d", "c", 15, "y", kCondAkeyUpdate).code(), Code::kNonexistent);
  EXPECT_EQ(get(kHashedOid, "d", "a"), "x");
}

TEST_F(StoreTest, ArraysOverlapByEpoch) {
  ASSERT_TRUE(write(kHashedOid, "d", 10, 0, "aaaaaaaa").ok());
  ASSERT_TRUE(write(kHashedOid, "d", 20, 2, "bbb").ok());
  ASSERT_TRUE(write(kHashedOid, "d", 30, 10, "cc").ok());
  EXPECT_EQ(read(kHashedOid, "d", 0, 14), "aabbbaaa..cc..");
  EXPECT_EQ(read(kHashedOid, "d", 0, 14, 10), "aaaaaaaa......");
  ASSERT_TRUE(write(kHashedOid, "d", 40, 1, {}, 4).ok());
  EXPECT_EQ(read(kHashedOid, "d", 0, 8), "a....aaa");
  ASSERT_TRUE(write(kHashedOid, "d", 50, 6, {}, uint64_t{1} << 40).ok());
  EXPECT_EQ(read(kHashedOid, "d", 0, 12), "a....a......");
  EXPECT_EQ(read(kHashedOid, "d", 0, 12, 35), "aabbbaaa..cc");
  const auto edge = store->query(*container, kHashedOid, kEpochMax, as_bytes("d"), as_bytes("array"),
                                 {.max_recx = true});
  ASSERT_TRUE(edge.ok());
  EXPECT_EQ(edge->recx_index + edge->recx_count, 6u);
}

TEST_F(StoreTest, ListsInOrderAndResumes) {
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    const std::string key = "directory/entry-" + std::to_string(1000 + (i * 37) % 500);
    ASSERT_TRUE(put(kLexicalOid, key, "a", 10, "x").ok());
  }
  for (int i = 0; i < 500; ++i) expected += "directory/entry-" + std::to_string(1000 + i) + " ";
  EXPECT_EQ(dkeys(kLexicalOid), expected);
  EXPECT_EQ(dkeys(kLexicalOid, ~0ULL, 7), expected);
  EXPECT_EQ(dkeys(kLexicalOid, 9), "");
  std::string hashed = dkeys(kHashedOid, ~0ULL, 3);
  EXPECT_EQ(hashed, "");
}

TEST_F(StoreTest, ManyKeysSurviveReopening) {
  for (int i = 0; i < 5000; ++i)
    ASSERT_TRUE(put(kHashedOid, "key " + std::to_string(i), "a", 10 + i, std::to_string(i * i)).ok());
  for (int i = 0; i < 300; ++i)
    ASSERT_TRUE(put(kHashedOid, "key 7", "akey " + std::to_string(i), 6000, std::to_string(i)).ok());
  reopen();
  for (int i = 0; i < 5000; ++i)
    ASSERT_EQ(get(kHashedOid, "key " + std::to_string(i), "a"), std::to_string(i * i));
  for (int i = 0; i < 300; ++i)
    ASSERT_EQ(get(kHashedOid, "key 7", "akey " + std::to_string(i)), std::to_string(i));
}

TEST_F(StoreTest, RefusesBadInput) {
  EXPECT_EQ(put(kHashedOid, "", "a", 10, "x").code(), Code::kInvalid);
  EXPECT_EQ(put(kHashedOid, std::string(4097, 'x'), "a", 10, "x").code(), Code::kKeyTooBig);
  EXPECT_TRUE(put(kHashedOid, std::string(4096, 'x'), std::string(4096, 'y'), 10, "x").ok());
  EXPECT_EQ(put(kIntegerOid, "abc", "abcdefgh", 10, "x").code(), Code::kInvalid);
  EXPECT_EQ(put({1, uint64_t{99} << 56}, "abc", "abc", 10, "x").code(), Code::kInvalid);
  EXPECT_EQ(put(kHashedOid, "d", "a", 0, "x").code(), Code::kInvalid);
  ASSERT_TRUE(put(kHashedOid, "d", "array", 10, "x").ok());
  EXPECT_EQ(write(kHashedOid, "d", 20, 0, "y").code(), Code::kBadType);
}

}  // namespace
}  // namespace varve::store
