// libgurt: the hash table with each kind of lock and reference, rank lists, hashes.
#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

#include "daos_errno.h"
#include "gurt/common.h"
#include "gurt/hash.h"

namespace {

struct Entry {
  uint64_t key;
  int references = 0;
  d_list_t link;
};
int freed = 0;

Entry* entry_of(d_list_t* link) { return container_of(link, Entry, link); }

d_hash_table_ops_t operations(bool with_rec_hash) {
  d_hash_table_ops_t ops = {};
  ops.hop_key_cmp = [](d_hash_table*, d_list_t* link, const void* key, unsigned) {
    return entry_of(link)->key == *static_cast<const uint64_t*>(key);
  };
  ops.hop_key_hash = [](d_hash_table*, const void* key, unsigned) {
    return static_cast<uint32_t>(d_hash_mix64(*static_cast<const uint64_t*>(key)));
  };
  if (with_rec_hash)
    ops.hop_rec_hash = [](d_hash_table*, d_list_t* link) {
      return static_cast<uint32_t>(d_hash_mix64(entry_of(link)->key));
    };
  ops.hop_rec_addref = [](d_hash_table*, d_list_t* link) { ++entry_of(link)->references; };
  ops.hop_rec_decref = [](d_hash_table*, d_list_t* link) {
    return --entry_of(link)->references == 0;
  };
  ops.hop_rec_free = [](d_hash_table*, d_list_t* link) {
    ++freed;
    delete entry_of(link);
  };
  return ops;
}

Entry* make_entry(uint64_t key) {
  auto* entry = new Entry{key, 1, {}};
  D_INIT_LIST_HEAD(&entry->link);
  return entry;
}

class HashTable : public testing::TestWithParam<std::pair<uint32_t, bool>> {};

TEST_P(HashTable, InsertFindDelete) {
  const auto [feats, with_rec_hash] = GetParam();
  d_hash_table_ops_t ops = operations(with_rec_hash);
  d_hash_table* table = nullptr;
  ASSERT_EQ(d_hash_table_create(feats, 4, nullptr, &ops, &table), 0);
  const bool ephemeral = feats & D_HASH_FT_EPHEMERAL;
  freed = 0;
  std::vector<Entry*> entries;
  for (uint64_t key = 0; key < 200; ++key) {
    entries.push_back(make_entry(key));
    ASSERT_EQ(d_hash_rec_insert(table, &key, sizeof key, &entries.back()->link, true), 0);
    EXPECT_EQ(entries.back()->references, ephemeral ? 1 : 2);
  }
  uint64_t key = 77;
  Entry* twin = make_entry(key);
  EXPECT_EQ(d_hash_rec_insert(table, &key, sizeof key, &twin->link, true), -DER_EXIST);
  EXPECT_EQ(d_hash_rec_find_insert(table, &key, sizeof key, &twin->link), &entries[77]->link);
  delete twin;
  d_hash_rec_decref(table, &entries[77]->link);
  d_list_t* found = d_hash_rec_find(table, &key, sizeof key);
  ASSERT_EQ(found, &entries[77]->link);
  d_hash_rec_decref(table, found);
  int count = 0;
  EXPECT_EQ(d_hash_table_traverse(
                table,
                [](d_list_t*, void* argument) {
                  ++*static_cast<int*>(argument);
                  return 0;
                },
                &count),
            0);
  EXPECT_EQ(count, 200);
  EXPECT_EQ(d_hash_table_destroy(table, false), -DER_BUSY);
  if (ephemeral) {
    // The last reference takes it out.
    d_hash_rec_decref(table, &entries[77]->link);
    EXPECT_EQ(freed, 1);
    EXPECT_EQ(d_hash_rec_find(table, &key, sizeof key), nullptr);
    key = 5;
    EXPECT_TRUE(d_hash_rec_delete(table, &key, sizeof key));
    EXPECT_EQ(freed, 1);
    EXPECT_TRUE(d_hash_rec_unlinked(&entries[5]->link));
    delete entries[5];
    EXPECT_EQ(d_hash_table_destroy(table, true), 0);
    for (Entry* entry : entries)
      if (entry != entries[77] && entry != entries[5]) delete entry;
    return;
  }
  for (Entry* entry : entries) d_hash_rec_decref(table, &entry->link);
  EXPECT_EQ(freed, 0);
  key = 77;
  EXPECT_TRUE(d_hash_rec_delete(table, &key, sizeof key));
  EXPECT_FALSE(d_hash_rec_delete(table, &key, sizeof key));
  EXPECT_TRUE(d_hash_rec_delete_at(table, &entries[78]->link));
  EXPECT_EQ(freed, 2);
  EXPECT_EQ(d_hash_table_destroy(table, true), 0);
  EXPECT_EQ(freed, 200);
}

INSTANTIATE_TEST_SUITE_P(
    All, HashTable,
    testing::Values(std::pair{uint32_t{D_HASH_FT_NOLOCK}, true}, std::pair{uint32_t{0}, true},
                    std::pair{uint32_t{D_HASH_FT_MUTEX}, true},
                    std::pair{uint32_t{D_HASH_FT_RWLOCK}, true},
                    std::pair{uint32_t{D_HASH_FT_RWLOCK | D_HASH_FT_LRU}, true},
                    std::pair{uint32_t{D_HASH_FT_MUTEX | D_HASH_FT_GLOCK}, true},
                    std::pair{uint32_t{D_HASH_FT_RWLOCK}, false},
                    std::pair{uint32_t{D_HASH_FT_EPHEMERAL}, true},
                    std::pair{uint32_t{D_HASH_FT_EPHEMERAL | D_HASH_FT_MUTEX}, false}));

TEST(HashTableThreads, FindersAndDeletersMeet) {
  d_hash_table_ops_t ops = operations(true);
  ops.hop_rec_addref = [](d_hash_table*, d_list_t* link) {
    __atomic_fetch_add(&entry_of(link)->references, 1, __ATOMIC_RELAXED);
  };
  ops.hop_rec_free = [](d_hash_table*, d_list_t* link) { delete entry_of(link); };
  d_hash_table* table = nullptr;
  ASSERT_EQ(d_hash_table_create(D_HASH_FT_RWLOCK, 3, nullptr, &ops, &table), 0);
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number)
    threads.emplace_back([table, number] {
      for (int i = 0; i < 5000; ++i) {
        uint64_t key = static_cast<uint64_t>(i * 7 + number) % 61;
        Entry* entry = make_entry(key);
        if (d_hash_rec_insert(table, &key, sizeof key, &entry->link, true) != 0)
          delete entry;
        else
          d_hash_rec_decref(table, &entry->link);
        if (d_list_t* link = d_hash_rec_find(table, &key, sizeof key)) {
          EXPECT_EQ(entry_of(link)->key, key);
          d_hash_rec_decref(table, link);
        }
        d_hash_rec_delete(table, &key, sizeof key);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(d_hash_table_destroy(table, true), 0);
}

TEST(Hashes, KnownValues) {
  // Of the reference implementations.
  EXPECT_EQ(d_hash_murmur64(reinterpret_cast<const unsigned char*>(""), 0, 0), 0u);
  EXPECT_EQ(d_hash_string_u32("a", 1), 5381u * 33 + 'a');
  EXPECT_EQ(d_hash_jump(0, 1), 0u);
  for (uint32_t count = 1; count < 100; ++count) EXPECT_LT(d_hash_jump(12345, count), count);
}

TEST(RankLists, SetOperations) {
  d_rank_list_t* list = d_rank_list_alloc(5);
  ASSERT_NE(list, nullptr);
  EXPECT_EQ(d_rank_list_append(list, 3), 0);
  d_rank_list_t* unique = nullptr;
  ASSERT_EQ(d_rank_list_dup_sort_uniq(&unique, list), 0);
  char* text = d_rank_list_to_str(unique);
  EXPECT_STREQ(text, "0,1,2,3,4");
  free(text);
  EXPECT_EQ(d_rank_list_del(unique, 2), 0);
  EXPECT_FALSE(d_rank_in_rank_list(unique, 2));
  EXPECT_EQ(d_rank_list_merge(unique, list), 0);
  EXPECT_TRUE(d_rank_in_rank_list(unique, 2));
  d_rank_list_filter(unique, list, true);
  EXPECT_EQ(list->rl_nr, 0u);
  d_rank_list_free(list);
  d_rank_list_free(unique);
}

TEST(ErrorNames, KnownAndUnknown) {
  EXPECT_STREQ(d_errstr(-DER_NONEXIST), "DER_NONEXIST");
  EXPECT_STREQ(d_errstr(DER_TX_RESTART), "DER_TX_RESTART");
  EXPECT_STREQ(d_errstr(0), "DER_SUCCESS");
  EXPECT_STREQ(d_errstr(-77), "DER_UNKNOWN");
}

}  // namespace
