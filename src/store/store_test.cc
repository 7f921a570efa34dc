#include "store/store.h"

#include <gtest/gtest.h>

#include <set>

#include "base/record.h"

#include "store/test_store.h"

namespace varve::store {
namespace {

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
  const auto edge = store->query(*container, kHashedOid, kEpochMax, as_bytes("d"),
                                 as_bytes("array"), {.max_recx = true});
  ASSERT_TRUE(edge.ok());
  EXPECT_EQ(edge->recx_index + edge->recx_count, 6u);
}

TEST_F(StoreTest, CountsTheBytesThatArraysShow) {
  const ObjectId oid{77, uint64_t{13} << 56};  // integer dkeys
  QueryFlags flags;
  flags.bytes = true;
  const auto count = [&](uint64_t epoch) {
    uint64_t bytes = 0;
    for (Buffer from; ; ) {
      const auto found =
          store->query(*container, oid, Epoch{epoch}, from, as_bytes("array"), flags);
      EXPECT_TRUE(found.ok() || found.code() == Code::kNonexistent);
      if (!found.ok()) return bytes;
      bytes += found->bytes;
      from = found->bytes_next;
      if (from.empty()) return bytes;
    }
  };
  EXPECT_EQ(count(5), 0u);
  for (uint64_t chunk = 1; chunk <= 5000; ++chunk)  // more than one call counts
    ASSERT_TRUE(write(oid, as_text(bytes_of(chunk)), 10, 100, "12345678").ok());
  EXPECT_EQ(count(10), 40'000u);
  uint64_t chunk = 7;
  ASSERT_TRUE(write(oid, as_text(bytes_of(chunk)), 20, 104, "abcdefgh").ok());
  ASSERT_TRUE(write(oid, as_text(bytes_of(chunk)), 30, 101, {}, 2).ok());
  EXPECT_EQ(count(20), 40'004u);
  EXPECT_EQ(count(30), 40'002u);
  flags.max_dkey = flags.max_recx = true;
  const auto all = store->query(*container, oid, Epoch{30}, {}, as_bytes("array"), flags);
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->recx_index + all->recx_count, 108u);
  EXPECT_FALSE(all->bytes_next.empty());
  EXPECT_EQ(store->query(*container, kHashedOid, kEpochMax, {}, as_bytes("array"), flags).code(),
            Code::kInvalid);
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
    ASSERT_TRUE(
        put(kHashedOid, "key " + std::to_string(i), "a", 10 + i, std::to_string(i * i)).ok());
  for (int i = 0; i < 300; ++i)
    ASSERT_TRUE(
        put(kHashedOid, "key 7", "akey " + std::to_string(i), 6000, std::to_string(i)).ok());
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

TEST_F(StoreTest, ListsExactlyOnceWhileWritersInsert) {
  std::set<std::string> before, found;
  for (int i = 0; i < 2000; ++i) {
    const std::string key = "old " + std::to_string(i);
    before.insert(key);
    ASSERT_TRUE(put(kHashedOid, key, "a", 10, "x").ok());
  }
  int added = 0;
  for (Anchor anchor; !anchor.end;) {
    const auto page = store->list_dkeys(*container, kHashedOid, kEpochMax, anchor, 13);
    ASSERT_TRUE(page.ok());
    for (const ListedKey& key : *page)
      ASSERT_TRUE(found.insert(std::string(as_text(key.key))).second) << "listed twice";
    anchor = *decode<Anchor>(encode(anchor));  // as it travels
    for (int i = 0; i < 20; ++i)
      ASSERT_TRUE(put(kHashedOid, "new " + std::to_string(added++), "a", 20, "x").ok());
  }
  EXPECT_TRUE(std::includes(found.begin(), found.end(), before.begin(), before.end()));
}

TEST_F(StoreTest, AkeysOfOneRequestChangeTogether) {
  AkeyUpdate akeys[3];
  const std::string names[] = {"a", "b", "c"};
  for (int i = 0; i < 3; ++i) {
    akeys[i].akey = as_bytes(names[i]);
    akeys[i].single.bytes = as_bytes("value");
    akeys[i].single.length = 5;
  }
  Update update{kHashedOid, Epoch{10}, as_bytes("d"), 0, akeys};
  ASSERT_TRUE(store->update(*container, update).ok());
  // A condition of one akey alone, and nothing of the others happens.
  update.epoch = Epoch{20};
  update.conditions = kCondPerAkey;
  akeys[2].conditions = kCondAkeyInsert;
  akeys[0].single.bytes = as_bytes("other");
  EXPECT_EQ(store->update(*container, update).code(), Code::kExists);
  EXPECT_EQ(get(kHashedOid, "d", "a"), "value");
  akeys[2].akey = as_bytes("new");
  EXPECT_TRUE(store->update(*container, update).ok());
  EXPECT_EQ(get(kHashedOid, "d", "a"), "other");
  akeys[2].akey = as_bytes("a");
  update.epoch = Epoch{30};
  EXPECT_EQ(store->update(*container, update).code(), Code::kInvalid) << "an akey twice";
}

TEST_F(StoreTest, ABatchIsManyRequestsEachWithItsFate) {
  std::vector<AkeyUpdate> akeys(40);
  std::vector<Update> updates(40);
  std::vector<std::string> names(40);
  for (size_t i = 0; i < 40; ++i) {
    names[i] = "key " + std::to_string(i % 30);
    akeys[i].akey = as_bytes("a");
    akeys[i].single.bytes = as_bytes(names[i]);
    akeys[i].single.length = names[i].size();
    updates[i] = {kHashedOid, Epoch{10 + i}, as_bytes(names[i]), kCondDkeyInsert, {&akeys[i], 1}};
  }
  std::vector<Result<Lsn>> results(40, Lsn{});
  store->update_batch(*container, updates, results);
  for (size_t i = 0; i < 40; ++i)
    EXPECT_EQ(results[i].code(), i < 30 ? Code::kOk : Code::kExists) << i;
  std::vector<AkeyFetch> found(31);
  std::vector<Fetch> fetches(31);
  std::vector<Result<void>> fetched(31);
  names.resize(31);
  names[30] = "nobody";
  for (size_t i = 0; i < 31; ++i) {
    found[i].akey = as_bytes("a");
    fetches[i] = {kHashedOid, kEpochMax, as_bytes(names[i]), 0, {&found[i], 1}};
  }
  store->fetch_batch(*container, fetches, fetched);
  for (size_t i = 0; i < 31; ++i) {
    ASSERT_TRUE(fetched[i].ok());
    ASSERT_EQ(found[i].found, i < 30);
    if (i < 30) {
      EXPECT_EQ(as_text(found[i].pieces[0].bytes), names[i]);
    }
  }
}

TEST_F(StoreTest, DamageIsSeen) {
  std::string run(100'000, 'r');
  const ByteView piece = as_bytes(run);
  const std::vector<uint32_t> checksums = checksum_run(Gather(&piece, 1));
  EXPECT_EQ(checksums.size(), 4u);
  EXPECT_TRUE(verify_run(as_bytes(run), checksums).ok());
  EXPECT_EQ(verify_run(as_bytes(run).first(99'999), checksums).code(), Code::kChecksum);
  run[70'000] ^= 4;
  const Result<void> seen = verify_run(as_bytes(run), checksums);
  EXPECT_EQ(seen.code(), Code::kChecksum);
  EXPECT_NE(seen.error().text().find("65536"), std::string_view::npos);
  EXPECT_TRUE(verify_run(as_bytes(run), {}).ok());
}

TEST_F(StoreTest, KeepsItsIndexSmall) {
  const auto used = [&] { return store->space(kPool)->used; };
  uint64_t before = used();
  for (uint64_t i = 0; i < 20'000; ++i) {
    const uint64_t key = mix64(i);
    ASSERT_TRUE(put(kHashedOid, as_text(bytes_of(key)), "a", 10, "8 bytes.").ok());
  }
  EXPECT_LE((used() - before) / 20'000, 160u);
  before = used();
  for (int i = 0; i < 20'000; ++i)
    ASSERT_TRUE(put(kLexicalOid, "d", "a" + std::to_string(1'000'000 + i), 10, "8 bytes.").ok());
  EXPECT_LE((used() - before) / 20'000, 96u);
  before = used();
  for (uint64_t i = 0; i < 5'000; ++i) {
    const block::Extent extent = *memory.volume->reserve(4096);
    const uint32_t checksum = 1;
    const ArrayPiece piece{i * 4096, 4096, {4096, {}, extent, {&checksum, 1}}};
    AkeyUpdate akey;
    akey.akey = as_bytes("array");
    akey.kind = ValueKind::kArray;
    akey.pieces = {&piece, 1};
    ASSERT_TRUE(
        store->update(*container, {{9, 0}, Epoch{20 + i}, as_bytes("d"), 0, {&akey, 1}}).ok());
  }
  EXPECT_LE((used() - before - 5'000 * 4096) / 5'000, 64u);
}

TEST_F(StoreTest, KeysOfOnePrefixKeepTheirOrder) {
  // All with the same first 8 bytes, so that the tree must compare whole keys everywhere.
  std::set<std::string> expected;
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "samesame" + std::string(static_cast<size_t>(i % 7), 'x') +
                            std::to_string(mix64(i) % 100'000);
    expected.insert(key);
    ASSERT_TRUE(put(kLexicalOid, key, "a", 10, key).ok());
  }
  std::string all;
  for (const std::string& key : expected) {
    all += key + " ";
    ASSERT_EQ(get(kLexicalOid, key, "a"), key);
  }
  EXPECT_EQ(dkeys(kLexicalOid), all);
  EXPECT_EQ(dkeys(kLexicalOid, ~0ULL, 11), all);
  // Many versions at one index of an array: the same, by stamp.
  for (uint64_t epoch = 1000; epoch > 10; --epoch)
    ASSERT_TRUE(write(kHashedOid, "d", epoch, 5, std::to_string(1000 + epoch)).ok());
  for (uint64_t epoch = 11; epoch <= 1000; ++epoch)
    ASSERT_EQ(read(kHashedOid, "d", 5, 4, epoch), std::to_string(1000 + epoch));
}

}  // namespace
}  // namespace varve::store
