// Snapshots, rollback, reading transactions, tables of objects, parts of listings.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <set>
#include <thread>

#include "fixture.h"

namespace varve::c_api {
namespace {

std::string get(daos_handle_t object, const std::string& dkey, const std::string& akey,
                daos_handle_t transaction = DAOS_TX_NONE) {
  SingleValue value(dkey, akey, std::string(64, '?'));
  const int result = value.fetch(object, nullptr, 0, transaction);
  if (result != 0) return "error " + std::to_string(result);
  return value.data.substr(0, value.iod.iod_size);
}
int put(daos_handle_t object, const std::string& dkey, const std::string& akey,
        const std::string& text, uint64_t flags = 0) {
  return SingleValue(dkey, akey, text).update(object, nullptr, flags);
}

// All dkeys from an anchor on, in the order in which they come.
std::vector<std::string> dkeys(daos_handle_t object, daos_anchor_t anchor, uint32_t page = 50,
                               daos_handle_t transaction = DAOS_TX_NONE) {
  std::vector<std::string> found;
  std::string buffer(64 * 1024, '\0');
  d_iov_t iov = iov_of(buffer);
  d_sg_list_t sgl = {1, 0, &iov};
  std::vector<daos_key_desc_t> descriptors(page);
  while (!daos_anchor_is_eof(&anchor)) {
    uint32_t count = page;
    const int result =
        daos_obj_list_dkey(object, transaction, &count, descriptors.data(), &sgl, &anchor, nullptr);
    EXPECT_EQ(result, 0);
    if (result != 0) break;
    size_t at = 0;
    for (uint32_t i = 0; i < count; at += descriptors[i++].kd_key_len)
      found.push_back(buffer.substr(at, descriptors[i].kd_key_len));
  }
  return found;
}
std::string integer_key(uint64_t number) {
  return std::string(reinterpret_cast<const char*>(&number), sizeof number);
}

class CApiSnapshots : public CApi {
 protected:
  daos_epoch_t snapshot() {
    daos_epoch_t epoch = 0;
    EXPECT_EQ(daos_cont_create_snap(container_, &epoch, nullptr, nullptr), 0);
    return epoch;
  }
  daos_handle_t at(daos_epoch_t epoch) {
    daos_handle_t transaction{};
    EXPECT_EQ(daos_tx_open_snap(container_, epoch, &transaction, nullptr), 0);
    return transaction;
  }
  std::vector<uint64_t> objects(daos_handle_t table, uint32_t page) {
    std::vector<uint64_t> lows;
    std::vector<daos_obj_id_t> oids(page);
    for (daos_anchor_t anchor = DAOS_ANCHOR_INIT; !daos_anchor_is_eof(&anchor);) {
      uint32_t count = page;
      EXPECT_EQ(daos_oit_list(table, oids.data(), &count, &anchor, nullptr), 0);
      for (uint32_t i = 0; i < count; ++i) lows.push_back(oids[i].lo);
    }
    std::sort(lows.begin(), lows.end());
    return lows;
  }
};

TEST_F(CApiSnapshots, RollbackGoesBackAndOn) {
  const daos_handle_t one = open(DAOS_OT_MULTI_LEXICAL, OC_SX, 1);
  const daos_handle_t two = open(DAOS_OT_MULTI_HASHED, OC_S1, 2);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(put(one, "key " + std::to_string(100 + i), "a", "old"), 0);
  ASSERT_EQ(put(two, "d", "a", "old"), 0);
  const daos_epoch_t old = snapshot();
  for (int i = 0; i < 25; ++i) ASSERT_EQ(put(one, "key " + std::to_string(100 + i), "a", "new"), 0);
  for (int i = 50; i < 60; ++i) ASSERT_EQ(put(one, "key " + std::to_string(100 + i), "a", "new"), 0);
  ASSERT_EQ(daos_obj_punch(two, DAOS_TX_NONE, 0, nullptr), 0);
  const daos_epoch_t later = snapshot();
  EXPECT_EQ(daos_cont_rollback(container_, old + 1, nullptr), -DER_NONEXIST);
  daos_handle_t other{};
  ASSERT_EQ(daos_cont_open(pool_, label_.c_str(), DAOS_COO_RW, &other, nullptr, nullptr), 0);
  EXPECT_EQ(daos_cont_rollback(container_, old, nullptr), -DER_BUSY);
  ASSERT_EQ(daos_cont_close(other, nullptr), 0);
  ASSERT_EQ(daos_cont_open(pool_, label_.c_str(), DAOS_COO_RO, &other, nullptr, nullptr), 0);
  EXPECT_EQ(daos_cont_rollback(other, old, nullptr), -DER_NO_PERM);
  EXPECT_EQ(daos_cont_rollback(container_, old, nullptr), 0) << "a reader is no obstacle";
  ASSERT_EQ(daos_cont_close(other, nullptr), 0);

  EXPECT_EQ(dkeys(one, DAOS_ANCHOR_INIT).size(), 50u);
  EXPECT_EQ(get(one, "key 103", "a"), "old");
  EXPECT_EQ(get(one, "key 155", "a"), "");
  EXPECT_EQ(get(two, "d", "a"), "old");
  const daos_handle_t then = at(later);
  EXPECT_EQ(get(one, "key 103", "a", then), "new") << "newer snapshots read on";
  EXPECT_EQ(get(one, "key 155", "a", then), "new");
  EXPECT_EQ(get(two, "d", "a", then), "");
  EXPECT_EQ(dkeys(one, DAOS_ANCHOR_INIT, 7, then).size(), 60u);
  EXPECT_EQ(put(one, "key 155", "a", "again", DAOS_COND_DKEY_INSERT), 0);
  EXPECT_EQ(put(two, "d", "a", "again", DAOS_COND_DKEY_INSERT), -DER_EXIST);
  EXPECT_EQ(daos_cont_rollback(container_, later, nullptr), 0) << "and forward again";
  EXPECT_EQ(get(one, "key 155", "a"), "new");
  EXPECT_EQ(get(two, "d", "a"), "");
  EXPECT_EQ(daos_tx_close(then, nullptr), 0);
  EXPECT_EQ(daos_obj_close(one, nullptr), 0);
  EXPECT_EQ(daos_obj_close(two, nullptr), 0);
}

TEST_F(CApiSnapshots, TheLastAreKept) {
  daos_prop_t* property = daos_prop_alloc(1);
  property->dpp_entries[0].dpe_type = DAOS_PROP_CO_SNAPSHOT_MAX;
  property->dpp_entries[0].dpe_val = 3;
  ASSERT_EQ(daos_cont_set_prop(container_, property, nullptr), 0);
  daos_prop_free(property);
  std::vector<daos_epoch_t> made;
  for (int i = 0; i < 5; ++i) made.push_back(snapshot());
  daos_epoch_t epochs[8];
  int count = 8;
  daos_anchor_t anchor = DAOS_ANCHOR_INIT;
  ASSERT_EQ(daos_cont_list_snap(container_, &count, epochs, nullptr, &anchor, nullptr), 0);
  ASSERT_EQ(count, 3);
  EXPECT_EQ(std::vector<daos_epoch_t>(epochs, epochs + 3),
            std::vector<daos_epoch_t>(made.begin() + 2, made.end()));
}

TEST_F(CApiSnapshots, AReaderSeesOneEpochWhileWritersRun) {
  const daos_handle_t object = open(DAOS_OT_MULTI_HASHED, OC_SX);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(put(object, std::to_string(i), "a", "first"), 0);
  daos_handle_t reader{};
  EXPECT_EQ(daos_tx_open(container_, &reader, 0, nullptr), -DER_NOSYS);
  ASSERT_EQ(daos_tx_open(container_, &reader, DAOS_TF_RDONLY, nullptr), 0);
  daos_epoch_t epoch = 0;
  ASSERT_EQ(daos_tx_hdl2epoch(reader, &epoch), 0);
  // Long enough for reclaim to come by several times.
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
  for (int round = 0; std::chrono::steady_clock::now() < until; ++round) {
    const std::string dkey = std::to_string(round % 20);
    ASSERT_EQ(put(object, dkey, "a", "round " + std::to_string(round)), 0);
    ASSERT_EQ(get(object, dkey, "a", reader), "first") << round;
  }
  EXPECT_EQ(dkeys(object, DAOS_ANCHOR_INIT, 3, reader).size(), 20u);
  SingleValue value("0", "a", "no");
  EXPECT_EQ(daos_obj_update(object, reader, 0, &value.dkey, 1, &value.iod, &value.sgl, nullptr),
            -DER_NO_PERM);
  ASSERT_EQ(put(object, "0", "a", "last"), 0);
  ASSERT_EQ(daos_tx_commit(reader, nullptr), 0);
  EXPECT_EQ(get(object, "0", "a", reader), "error " + std::to_string(-DER_NO_PERM));
  ASSERT_EQ(daos_tx_restart(reader, nullptr), 0);
  EXPECT_EQ(get(object, "0", "a", reader), "last") << "restarted, it sees what is there by now";
  daos_epoch_t later = 0;
  ASSERT_EQ(daos_tx_hdl2epoch(reader, &later), 0);
  EXPECT_GT(later, epoch);
  ASSERT_EQ(daos_tx_abort(reader, nullptr), 0);
  EXPECT_EQ(daos_tx_close(reader, nullptr), 0);
  EXPECT_EQ(daos_tx_restart(reader, nullptr), -DER_NO_HDL);
  EXPECT_EQ(daos_obj_close(object, nullptr), 0);
}

int marked_b(daos_obj_id_t, d_iov_t* marker) {
  return marker->iov_len == 1 && *static_cast<char*>(marker->iov_buf) == 'b';
}

TEST_F(CApiSnapshots, TheTableOfObjects) {
  std::vector<uint64_t> written;
  for (uint64_t low = 1; low <= 300; ++low) {
    // Some lie on all targets, and are listed once all the same.
    const daos_handle_t object = open(DAOS_OT_MULTI_HASHED, low % 3 ? OC_S1 : OC_SX, low);
    for (int i = 0; i < (low % 3 ? 1 : 8); ++i) ASSERT_EQ(put(object, std::to_string(i), "a", "v"), 0);
    EXPECT_EQ(daos_obj_close(object, nullptr), 0);
    written.push_back(low);
  }
  const daos_epoch_t epoch = snapshot();
  EXPECT_EQ(daos_cont_snap_oit_create(container_, epoch + 1, nullptr, nullptr), -DER_NONEXIST);
  ASSERT_EQ(daos_cont_snap_oit_create(container_, epoch, nullptr, nullptr), 0);
  daos_handle_t table{};
  EXPECT_EQ(daos_oit_open(container_, epoch + 1, &table, nullptr), -DER_NONEXIST);
  ASSERT_EQ(daos_oit_open(container_, epoch, &table, nullptr), 0);
  const daos_handle_t more = open(DAOS_OT_MULTI_HASHED, OC_S1, 1000);
  ASSERT_EQ(put(more, "d", "a", "v"), 0);
  for (const uint32_t page : {1u, 7u, 1000u}) EXPECT_EQ(objects(table, page), written) << page;

  char b = 'b';
  d_iov_t marker;
  d_iov_set(&marker, &b, 1);
  daos_obj_id_t oids[1024];
  uint32_t count = 1024;
  daos_anchor_t anchor = DAOS_ANCHOR_INIT;
  ASSERT_EQ(daos_oit_list(table, oids, &count, &anchor, nullptr), 0);
  ASSERT_EQ(count, 300u);
  for (uint32_t i = 0; i < 10; ++i)
    ASSERT_EQ(daos_oit_mark(table, oids[i], i < 4 ? &marker : nullptr, nullptr), 0);
  daos_obj_id_t none{1000, 0};
  ASSERT_EQ(daos_obj_generate_oid(container_, &none, DAOS_OT_MULTI_HASHED, OC_S1, 0, 0), 0);
  EXPECT_EQ(daos_oit_mark(table, none, &marker, nullptr), -DER_NONEXIST) << "it came later";
  size_t unmarked = 0;
  for (anchor = DAOS_ANCHOR_INIT; !daos_anchor_is_eof(&anchor); unmarked += count) {
    count = 64;
    ASSERT_EQ(daos_oit_list_unmarked(table, oids, &count, &anchor, nullptr), 0);
  }
  EXPECT_EQ(unmarked, 290u);
  count = 1024;
  anchor = DAOS_ANCHOR_INIT;
  ASSERT_EQ(daos_oit_list_filter(table, oids, &count, &anchor, marked_b, nullptr), 0);
  EXPECT_EQ(count, 4u);
  ASSERT_EQ(daos_cont_snap_oit_destroy(container_, table, nullptr), 0);
  count = 1024;
  anchor = DAOS_ANCHOR_INIT;
  ASSERT_EQ(daos_oit_list_unmarked(table, oids, &count, &anchor, nullptr), 0);
  EXPECT_EQ(count, 300u) << "the marks are gone";
  EXPECT_EQ(daos_oit_close(table, nullptr), 0);
  // What keeps the marks is no object of the container's.
  const daos_epoch_t later = snapshot();
  ASSERT_EQ(daos_oit_open(container_, later, &table, nullptr), 0);
  EXPECT_EQ(objects(table, 100).size(), 301u);
  EXPECT_EQ(daos_oit_close(table, nullptr), 0);
  EXPECT_EQ(daos_obj_close(more, nullptr), 0);
}

// Disjoint parts of one group, whole together, while others insert and overwrite.
TEST_F(CApiSnapshots, PartsOfOneGroup) {
  struct Row {
    enum daos_otype_t type;
    std::string (*key)(uint64_t);
  };
  const Row rows[] = {
      {DAOS_OT_MULTI_HASHED, [](uint64_t i) { return "hashed " + std::to_string(i); }},
      {DAOS_OT_MULTI_LEXICAL, [](uint64_t i) { return std::to_string(1000000 + i); }},
      {DAOS_OT_DKEY_UINT64, [](uint64_t i) { return integer_key(i * 1000); }},
  };
  for (const Row& row : rows) {
    const daos_handle_t object = open(row.type, OC_S1, 10 + row.type);
    std::set<std::string> before;
    for (uint64_t i = 0; i < 400; ++i) {
      ASSERT_EQ(put(object, row.key(i * 2), "a", "v"), 0);
      before.insert(row.key(i * 2));
    }
    std::atomic<bool> done = false;
    std::thread writer([&] {
      for (uint64_t i = 0; !done; ++i) {
        // Between the others: behind them all it would be the last part that grows.
        put(object, row.key(i % 400 * 2 + 1), "a", "new");
        put(object, row.key(i % 400 * 2), "a", "overwritten " + std::to_string(i));
      }
    });
    for (const uint32_t wanted : {1u, 2u, 7u, 64u}) {
      std::vector<daos_anchor_t> parts(wanted);
      uint32_t nr = wanted;
      ASSERT_EQ(daos_obj_anchor_split(object, &nr, parts.data()), 0);
      ASSERT_EQ(nr, wanted);
      std::multiset<std::string> found;
      size_t largest = 0;
      for (const daos_anchor_t& part : parts) {
        const auto keys = dkeys(object, part, 13);
        largest = std::max(largest, keys.size());
        found.insert(keys.begin(), keys.end());
      }
      for (const std::string& key : before) ASSERT_EQ(found.count(key), 1u) << wanted;
      EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), found.size());
      if (wanted == 7) {
        EXPECT_LT(largest, found.size() / 2) << "the parts are of a size";
      }
    }
    done = true;
    writer.join();
    EXPECT_EQ(daos_obj_close(object, nullptr), 0);
  }
}

TEST_F(CApiSnapshots, ListingsFromAKeyOn) {
  const daos_handle_t object = open(DAOS_OT_MULTI_LEXICAL, OC_S1);
  for (const char* dkey : {"a", "b", "c", "d"}) {
    ASSERT_EQ(put(object, dkey, "x", "v"), 0);
    ASSERT_EQ(put(object, dkey, "y", "v"), 0);
  }
  std::string c = "c", y = "y", none = "bb";
  daos_key_t dkey = iov_of(c), akey = iov_of(y), missing = iov_of(none);
  daos_anchor_t anchor = DAOS_ANCHOR_INIT;
  ASSERT_EQ(daos_obj_key2anchor(object, DAOS_TX_NONE, &dkey, nullptr, &anchor, nullptr), 0);
  EXPECT_EQ(dkeys(object, anchor), (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(dkeys(object, anchor, 1), (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(daos_obj_key2anchor(object, DAOS_TX_NONE, &missing, nullptr, &anchor, nullptr),
            -DER_NONEXIST);
  ASSERT_EQ(daos_obj_key2anchor(object, DAOS_TX_NONE, &dkey, &akey, &anchor, nullptr), 0);
  std::string buffer(100, '\0');
  d_iov_t iov = iov_of(buffer);
  d_sg_list_t sgl = {1, 0, &iov};
  daos_key_desc_t descriptors[4];
  uint32_t count = 4;
  ASSERT_EQ(daos_obj_list_akey(object, DAOS_TX_NONE, &dkey, &count, descriptors, &sgl, &anchor,
                               nullptr),
            0);
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(buffer[0], 'y');
  EXPECT_EQ(daos_obj_close(object, nullptr), 0);
  // Keys that an anchor has no room for, on several targets.
  const daos_handle_t wide = open(DAOS_OT_MULTI_HASHED, OC_SX, 5);
  std::set<std::string> all;
  for (int i = 0; i < 30; ++i) all.insert(std::string(200, 'k') + std::to_string(i));
  for (const std::string& key : all) ASSERT_EQ(put(wide, key, "a", "v"), 0);
  const auto order = dkeys(wide, DAOS_ANCHOR_INIT);
  EXPECT_EQ(order.size(), 30u);
  for (size_t i = 0; i < order.size(); ++i) {
    std::string text = order[i];
    daos_key_t key = iov_of(text);
    ASSERT_EQ(daos_obj_key2anchor(wide, DAOS_TX_NONE, &key, nullptr, &anchor, nullptr), 0);
    EXPECT_EQ(dkeys(wide, anchor, 4), std::vector<std::string>(order.begin() + i, order.end()));
  }
  EXPECT_EQ(daos_obj_close(wide, nullptr), 0);
}

TEST_F(CApiSnapshots, OfManyInsertersOneWins) {
  constexpr int kThreads = 64, kKeys = 8;
  const daos_handle_t object = open(DAOS_OT_MULTI_HASHED, OC_SX);
  std::atomic<int> won[3][kKeys] = {}, exist[3][kKeys] = {};
  std::vector<std::thread> threads;
  for (int number = 0; number < kThreads; ++number)
    threads.emplace_back([&, number] {
      for (int i = 0; i < kKeys; ++i)
        for (int way = 0; way < 3; ++way) {
          SingleValue value("dkey " + std::to_string(way) + "." + std::to_string(i), "a",
                            std::to_string(number));
          const uint64_t flags[] = {DAOS_COND_DKEY_INSERT, DAOS_COND_AKEY_INSERT,
                                    DAOS_COND_PER_AKEY};
          if (way == 2) value.iod.iod_flags = DAOS_COND_AKEY_INSERT;
          const int result = value.update(object, nullptr, flags[way]);
          won[way][i] += result == 0;
          exist[way][i] += result == -DER_EXIST;
        }
    });
  for (std::thread& thread : threads) thread.join();
  for (int way = 0; way < 3; ++way)
    for (int i = 0; i < kKeys; ++i) {
      EXPECT_EQ(won[way][i], 1) << way << " " << i;
      EXPECT_EQ(exist[way][i], kThreads - 1) << way << " " << i;
    }
  EXPECT_EQ(daos_obj_close(object, nullptr), 0);
}

TEST_F(CApiSnapshots, ObjectNumbersAreGivenOutOnce) {
  constexpr int kThreads = 16, kRanges = 200;
  std::vector<std::pair<uint64_t, uint64_t>> ranges[kThreads];
  std::vector<std::thread> threads;
  for (int number = 0; number < kThreads; ++number)
    threads.emplace_back([&, number] {
      for (uint64_t i = 0; i < kRanges; ++i) {
        const uint64_t count = 1 + i * 7 % 50;
        uint64_t first = 0;
        ASSERT_EQ(daos_cont_alloc_oids(container_, count, &first, nullptr), 0);
        ranges[number].emplace_back(first, count);
      }
    });
  for (std::thread& thread : threads) thread.join();
  std::map<uint64_t, uint64_t> all;
  for (const auto& of_one : ranges)
    for (const auto& [first, count] : of_one) EXPECT_TRUE(all.emplace(first, count).second);
  EXPECT_EQ(all.size(), size_t{kThreads} * kRanges);
  uint64_t end = 0;
  for (const auto& [first, count] : all) {
    EXPECT_GE(first, end);
    end = first + count;
  }
}

TEST_F(CApiSnapshots, EveryTypeRefusesTheWrongKeys) {
  for (int type = 0; type <= DAOS_OT_MAX; ++type) {
    const auto otype = static_cast<enum daos_otype_t>(type);
    const daos_handle_t object = open(otype, OC_S1, 100 + type);
    const bool integer_dkey = daos_is_dkey_uint64_type(otype);
    const bool integer_akey = daos_is_akey_uint64_type(otype);
    const bool lexical_dkey = daos_is_dkey_lexical_type(otype);
    const bool lexical_akey = daos_is_akey_lexical_type(otype);
    const std::string good_dkey = integer_key(7), good_akey = integer_key(8);
    struct Row {
      std::string dkey, akey;
      int expected;
    };
    const std::string five = "12345", long_one(81, 'l'), too_long(4097, 't');
    const Row rows[] = {
        {good_dkey, good_akey, 0},
        {five, good_akey, integer_dkey ? -DER_INVAL : 0},
        {good_dkey, five, integer_akey ? -DER_INVAL : 0},
        {long_one, good_akey, integer_dkey ? -DER_INVAL : lexical_dkey ? -DER_KEY2BIG : 0},
        {good_dkey, long_one, integer_akey ? -DER_INVAL : lexical_akey ? -DER_KEY2BIG : 0},
        {too_long, good_akey, -DER_KEY2BIG},
        {good_dkey, too_long, -DER_KEY2BIG},
    };
    for (const Row& row : rows)
      EXPECT_EQ(put(object, row.dkey, row.akey, "v"), row.expected)
          << "type " << type << ", dkey of " << row.dkey.size() << ", akey of " << row.akey.size();
    EXPECT_EQ(daos_obj_close(object, nullptr), 0);
  }
}

// MAX and MIN of dkeys, akeys and ranges of an object on all targets, against a map.
TEST_F(CApiSnapshots, TheOutermostKeys) {
  const daos_handle_t object = open(DAOS_OT_MULTI_UINT64, OC_SX);
  std::map<uint64_t, std::map<uint64_t, std::pair<uint64_t, uint64_t>>> model;
  uint64_t seed = 12345;
  const auto random = [&](uint64_t below) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (seed >> 33) % below;
  };
  const auto compare = [&](daos_handle_t transaction, const decltype(model)& expected) {
    for (const bool max : {true, false}) {
      uint64_t found_dkey = 0, found_akey = 0;
      daos_key_t dkey, akey;
      d_iov_set(&dkey, &found_dkey, sizeof found_dkey);
      d_iov_set(&akey, &found_akey, sizeof found_akey);
      daos_recx_t recx = {};
      const int result = daos_obj_query_key(
          object, transaction,
          (max ? DAOS_GET_MAX : DAOS_GET_MIN) | DAOS_GET_DKEY | DAOS_GET_AKEY | DAOS_GET_RECX,
          &dkey, &akey, &recx, nullptr);
      if (expected.empty()) {
        EXPECT_EQ(result, -DER_NONEXIST);
        continue;
      }
      ASSERT_EQ(result, 0);
      const auto& [want_dkey, under] = max ? *expected.rbegin() : *expected.begin();
      const auto& [want_akey, range] = max ? *under.rbegin() : *under.begin();
      EXPECT_EQ(found_dkey, want_dkey);
      EXPECT_EQ(found_akey, want_akey);
      EXPECT_EQ(recx.rx_idx, range.first);
      EXPECT_EQ(recx.rx_nr, range.second);
    }
  };
  compare(DAOS_TX_NONE, model);
  daos_epoch_t epoch = 0;
  decltype(model) then;
  for (int step = 0; step < 300; ++step) {
    uint64_t dkey_number = random(40), akey_number = random(5);
    daos_key_t dkey, akey;
    d_iov_set(&dkey, &dkey_number, sizeof dkey_number);
    d_iov_set(&akey, &akey_number, sizeof akey_number);
    if (random(4)) {
      auto& under = model[dkey_number];
      if (under.contains(akey_number)) continue;  // one extent each
      std::string data(1 + random(50), 'x');
      daos_recx_t range = {random(1000), data.size()};
      daos_iod_t iod{akey, DAOS_IOD_ARRAY, 1, 0, 1, &range};
      d_iov_t iov = iov_of(data);
      d_sg_list_t sgl = {1, 0, &iov};
      ASSERT_EQ(daos_obj_update(object, DAOS_TX_NONE, 0, &dkey, 1, &iod, &sgl, nullptr), 0);
      under[akey_number] = {range.rx_idx, range.rx_nr};
    } else if (random(2)) {
      ASSERT_EQ(daos_obj_punch_dkeys(object, DAOS_TX_NONE, 0, 1, &dkey, nullptr), 0);
      model.erase(dkey_number);
    } else {
      ASSERT_EQ(daos_obj_punch_akeys(object, DAOS_TX_NONE, 0, &dkey, 1, &akey, nullptr), 0);
      model[dkey_number].erase(akey_number);
      if (model[dkey_number].empty()) model.erase(dkey_number);
    }
    if (step % 20 == 0) compare(DAOS_TX_NONE, model);
    if (step != 150) continue;
    epoch = snapshot();
    then = model;
  }
  compare(DAOS_TX_NONE, model);
  const daos_handle_t old = at(epoch);
  compare(old, then);
  daos_epoch_t newest = 0;
  ASSERT_EQ(daos_obj_query_max_epoch(object, DAOS_TX_NONE, &newest, nullptr), 0);
  EXPECT_GT(newest, epoch);
  EXPECT_EQ(daos_tx_close(old, nullptr), 0);
  EXPECT_EQ(daos_obj_close(object, nullptr), 0);
}

}  // namespace
}  // namespace varve::c_api
