// A store in memory with one container, and short words for what tests do with it.
#pragma once

#include <gtest/gtest.h>

#include "base/checksum.h"
#include "store/store.h"
#include "store/test_volume.h"

namespace varve::store {

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
  std::string get(ObjectId oid, std::string_view dkey, std::string_view akey,
                  uint64_t epoch = ~0ULL) {
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
      if (piece.kind == FoundPiece::Kind::kHole)
        text.append(piece.length, '.');
      else
        text += as_text(piece.bytes);
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
  const ObjectId kHashedOid{1, 0}, kLexicalOid{2, uint64_t{7} << 56},
      kIntegerOid{3, uint64_t{4} << 56}, kIntegerArrayOid{4, uint64_t{11} << 56};
  TestVolume memory;
  std::unique_ptr<Store> store;
  Container* container = nullptr;
};

}  // namespace varve::store
