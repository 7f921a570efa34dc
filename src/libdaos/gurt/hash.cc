// gurt/hash.h: a chained hash table of entries that carry their own links. A bucket is guarded by
// one lock, the table's (D_HASH_FT_GLOCK) or its own; deciding that an entry is gone and taking it
// out is one step.
#include "gurt/hash.h"

#include <cstdlib>
#include <cstring>

#include "daos_errno.h"
#include "gurt/common.h"

namespace {

constexpr uint32_t kBitsMax = 28;

enum class Access { kRead, kWrite };

static_assert(sizeof(pthread_rwlock_t) <= sizeof(d_hash_lock) &&
              sizeof(pthread_spinlock_t) <= sizeof(d_hash_lock));
pthread_rwlock_t* as_rwlock(d_hash_lock* lock) { return reinterpret_cast<pthread_rwlock_t*>(lock); }
pthread_spinlock_t* as_spinlock(d_hash_lock* lock) {
  return reinterpret_cast<pthread_spinlock_t*>(lock);
}

int init_lock(uint32_t feats, d_hash_lock* lock) {
  if (feats & D_HASH_FT_NOLOCK) return 0;
  if (feats & D_HASH_FT_MUTEX) return pthread_mutex_init(&lock->mutex, nullptr);
  if (feats & D_HASH_FT_RWLOCK) return pthread_rwlock_init(as_rwlock(lock), nullptr);
  return pthread_spin_init(as_spinlock(lock), PTHREAD_PROCESS_PRIVATE);
}

void destroy_lock(uint32_t feats, d_hash_lock* lock) {
  if (feats & D_HASH_FT_NOLOCK) return;
  if (feats & D_HASH_FT_MUTEX)
    pthread_mutex_destroy(&lock->mutex);
  else if (feats & D_HASH_FT_RWLOCK)
    pthread_rwlock_destroy(as_rwlock(lock));
  else
    pthread_spin_destroy(as_spinlock(lock));
}

class Locked {
 public:
  // `bucket` does not matter where one lock guards all.
  Locked(d_hash_table* table, uint32_t bucket, Access access)
      : feats_(table->ht_feats),
        lock_(feats_ & D_HASH_FT_GLOCK ? &table->ht_lock
              : table->ht_locks        ? &table->ht_locks[bucket]
                                       : nullptr) {
    // What is found moves in its bucket.
    if (feats_ & D_HASH_FT_LRU) access = Access::kWrite;
    if (feats_ & D_HASH_FT_NOLOCK) return;
    if (feats_ & D_HASH_FT_MUTEX)
      pthread_mutex_lock(&lock_->mutex);
    else if (!(feats_ & D_HASH_FT_RWLOCK))
      pthread_spin_lock(as_spinlock(lock_));
    else if (access == Access::kRead)
      pthread_rwlock_rdlock(as_rwlock(lock_));
    else
      pthread_rwlock_wrlock(as_rwlock(lock_));
  }
  Locked(const Locked&) = delete;
  ~Locked() {
    if (feats_ & D_HASH_FT_NOLOCK) return;
    if (feats_ & D_HASH_FT_MUTEX)
      pthread_mutex_unlock(&lock_->mutex);
    else if (feats_ & D_HASH_FT_RWLOCK)
      pthread_rwlock_unlock(as_rwlock(lock_));
    else
      pthread_spin_unlock(as_spinlock(lock_));
  }

 private:
  uint32_t feats_;
  d_hash_lock* lock_;
};

uint32_t buckets(const d_hash_table* table) { return uint32_t{1} << table->ht_bits; }

uint32_t bucket_of_key(d_hash_table* table, const void* key, unsigned ksize) {
  const uint32_t hash = table->ht_ops->hop_key_hash
                            ? table->ht_ops->hop_key_hash(table, key, ksize)
                            : d_hash_string_u32(static_cast<const char*>(key), ksize);
  return hash & (buckets(table) - 1);
}

// Where an entry's lock is known without its key: one lock, none, or the entry knows its hash.
uint32_t bucket_of_entry(d_hash_table* table, d_list_t* link) {
  if (!table->ht_ops->hop_rec_hash) return 0;
  return table->ht_ops->hop_rec_hash(table, link) & (buckets(table) - 1);
}

bool ephemeral(const d_hash_table* table) { return table->ht_feats & D_HASH_FT_EPHEMERAL; }

void add_reference(d_hash_table* table, d_list_t* link) {
  if (table->ht_ops->hop_rec_addref) table->ht_ops->hop_rec_addref(table, link);
}
bool drop_reference(d_hash_table* table, d_list_t* link) {
  return table->ht_ops->hop_rec_decref && table->ht_ops->hop_rec_decref(table, link);
}
void free_entry(d_hash_table* table, d_list_t* link) {
  if (table->ht_ops->hop_rec_free) table->ht_ops->hop_rec_free(table, link);
}

d_list_t* find_in(d_hash_table* table, uint32_t bucket, const void* key, unsigned ksize) {
  d_list_t* head = &table->ht_buckets[bucket].hb_head;
  for (d_list_t* link = head->next; link != head; link = link->next) {
    if (!table->ht_ops->hop_key_cmp(table, link, key, ksize)) continue;
    if (table->ht_feats & D_HASH_FT_LRU) d_list_move(link, head);
    return link;
  }
  return nullptr;
}

void link_in(d_hash_table* table, uint32_t bucket, d_list_t* link) {
  d_list_add(link, &table->ht_buckets[bucket].hb_head);
  if (!ephemeral(table)) add_reference(table, link);
}

// Out of the table; true if the caller has to free it.
bool take_out(d_hash_table* table, d_list_t* link) {
  d_list_del_init(link);
  return !ephemeral(table) && drop_reference(table, link);
}

}  // namespace

extern "C" {

int d_hash_table_create_inplace(uint32_t feats, uint32_t bits, void* priv, d_hash_table_ops_t* hops,
                                struct d_hash_table* htable) {
  if (!hops || !hops->hop_key_cmp || !htable || bits > kBitsMax) return -DER_INVAL;
  // Without a way from an entry to its bucket, one lock has to do.
  if (!hops->hop_rec_hash) feats |= D_HASH_FT_GLOCK;
  *htable = {};
  htable->ht_feats = feats;
  htable->ht_bits = bits;
  htable->ht_priv = priv;
  htable->ht_ops = hops;
  const uint32_t count = uint32_t{1} << bits;
  htable->ht_buckets = static_cast<d_hash_bucket*>(calloc(count, sizeof(d_hash_bucket)));
  if (!htable->ht_buckets) return -DER_NOMEM;
  for (uint32_t i = 0; i < count; ++i) D_INIT_LIST_HEAD(&htable->ht_buckets[i].hb_head);
  if (feats & (D_HASH_FT_GLOCK | D_HASH_FT_NOLOCK))
    return d_errno2der(init_lock(feats, &htable->ht_lock));
  htable->ht_locks = static_cast<d_hash_lock*>(calloc(count, sizeof(d_hash_lock)));
  if (!htable->ht_locks) {
    free(htable->ht_buckets);
    return -DER_NOMEM;
  }
  for (uint32_t i = 0; i < count; ++i) init_lock(feats, &htable->ht_locks[i]);
  return 0;
}

int d_hash_table_create(uint32_t feats, uint32_t bits, void* priv, d_hash_table_ops_t* hops,
                        struct d_hash_table** htable_pp) {
  if (!htable_pp) return -DER_INVAL;
  auto* table = static_cast<d_hash_table*>(calloc(1, sizeof(d_hash_table)));
  if (!table) return -DER_NOMEM;
  const int error = d_hash_table_create_inplace(feats, bits, priv, hops, table);
  if (error)
    free(table);
  else
    *htable_pp = table;
  return error;
}

int d_hash_table_traverse(struct d_hash_table* htable, d_hash_traverse_cb_t cb, void* arg) {
  if (!htable || !htable->ht_buckets || !cb) return -DER_INVAL;
  for (uint32_t bucket = 0; bucket < buckets(htable); ++bucket) {
    Locked locked(htable, bucket, Access::kRead);
    d_list_t* head = &htable->ht_buckets[bucket].hb_head;
    for (d_list_t *link = head->next, *next = link->next; link != head;
         link = next, next = link->next) {
      if (const int stopped = cb(link, arg)) return stopped;
    }
  }
  return 0;
}

int d_hash_table_destroy_inplace(struct d_hash_table* htable, bool force) {
  if (!htable || !htable->ht_buckets) return -DER_INVAL;
  if (!force && d_hash_rec_first(htable)) return -DER_BUSY;
  for (uint32_t bucket = 0; bucket < buckets(htable); ++bucket) {
    d_list_t* head = &htable->ht_buckets[bucket].hb_head;
    while (!d_list_empty(head)) {
      d_list_t* link = head->next;
      if (take_out(htable, link)) free_entry(htable, link);
    }
  }
  if (htable->ht_locks)
    for (uint32_t bucket = 0; bucket < buckets(htable); ++bucket)
      destroy_lock(htable->ht_feats, &htable->ht_locks[bucket]);
  else
    destroy_lock(htable->ht_feats, &htable->ht_lock);
  free(htable->ht_locks);
  free(htable->ht_buckets);
  *htable = {};
  return 0;
}

int d_hash_table_destroy(struct d_hash_table* htable, bool force) {
  const int error = d_hash_table_destroy_inplace(htable, force);
  if (!error) free(htable);
  return error;
}

d_list_t* d_hash_rec_find(struct d_hash_table* htable, const void* key, unsigned int ksize) {
  const uint32_t bucket = bucket_of_key(htable, key, ksize);
  Locked locked(htable, bucket, Access::kRead);
  d_list_t* link = find_in(htable, bucket, key, ksize);
  if (link) add_reference(htable, link);
  return link;
}

d_list_t* d_hash_rec_find_insert(struct d_hash_table* htable, const void* key, unsigned int ksize,
                                 d_list_t* link) {
  const uint32_t bucket = bucket_of_key(htable, key, ksize);
  Locked locked(htable, bucket, Access::kWrite);
  if (d_list_t* there = find_in(htable, bucket, key, ksize)) {
    add_reference(htable, there);
    return there;
  }
  link_in(htable, bucket, link);
  return link;
}

int d_hash_rec_insert(struct d_hash_table* htable, const void* key, unsigned int ksize,
                      d_list_t* link, bool exclusive) {
  if (!key || ksize == 0) return -DER_INVAL;
  const uint32_t bucket = bucket_of_key(htable, key, ksize);
  Locked locked(htable, bucket, Access::kWrite);
  if (exclusive && find_in(htable, bucket, key, ksize)) return -DER_EXIST;
  link_in(htable, bucket, link);
  return 0;
}

int d_hash_rec_insert_anonym(struct d_hash_table* htable, d_list_t* link, void* arg) {
  if (!htable->ht_ops->hop_key_init || !htable->ht_ops->hop_rec_hash) return -DER_INVAL;
  // The key decides the bucket, and is made under a lock: with locks of buckets, under all of one
  // kind.
  if (htable->ht_feats & (D_HASH_FT_GLOCK | D_HASH_FT_NOLOCK)) {
    Locked locked(htable, 0, Access::kWrite);
    htable->ht_ops->hop_key_init(htable, link, arg);
    link_in(htable, bucket_of_entry(htable, link), link);
    return 0;
  }
  htable->ht_ops->hop_key_init(htable, link, arg);
  const uint32_t bucket = bucket_of_entry(htable, link);
  Locked locked(htable, bucket, Access::kWrite);
  link_in(htable, bucket, link);
  return 0;
}

bool d_hash_rec_delete(struct d_hash_table* htable, const void* key, unsigned int ksize) {
  d_list_t* link = nullptr;
  bool last = false;
  {
    const uint32_t bucket = bucket_of_key(htable, key, ksize);
    Locked locked(htable, bucket, Access::kWrite);
    link = find_in(htable, bucket, key, ksize);
    if (link) last = take_out(htable, link);
  }
  if (last) free_entry(htable, link);
  return link != nullptr;
}

bool d_hash_rec_delete_at(struct d_hash_table* htable, d_list_t* link) {
  bool there = false, last = false;
  {
    Locked locked(htable, bucket_of_entry(htable, link), Access::kWrite);
    there = !d_list_empty(link);
    if (there) last = take_out(htable, link);
  }
  if (last) free_entry(htable, link);
  return there;
}

bool d_hash_rec_evict(struct d_hash_table* htable, const void* key, unsigned int ksize) {
  if (!(htable->ht_feats & D_HASH_FT_LRU)) return false;
  const uint32_t bucket = bucket_of_key(htable, key, ksize);
  Locked locked(htable, bucket, Access::kWrite);
  d_list_t* link = find_in(htable, bucket, key, ksize);
  if (link) d_list_move_tail(link, &htable->ht_buckets[bucket].hb_head);
  return link != nullptr;
}

bool d_hash_rec_evict_at(struct d_hash_table* htable, d_list_t* link) {
  if (!(htable->ht_feats & D_HASH_FT_LRU) || !htable->ht_ops->hop_rec_hash) return false;
  const uint32_t bucket = bucket_of_entry(htable, link);
  Locked locked(htable, bucket, Access::kWrite);
  if (d_list_empty(link)) return false;
  d_list_move_tail(link, &htable->ht_buckets[bucket].hb_head);
  return true;
}

void d_hash_rec_addref(struct d_hash_table* htable, d_list_t* link) {
  Locked locked(htable, bucket_of_entry(htable, link), Access::kWrite);
  add_reference(htable, link);
}

void d_hash_rec_decref(struct d_hash_table* htable, d_list_t* link) {
  bool last = false;
  {
    Locked locked(htable, bucket_of_entry(htable, link), Access::kWrite);
    last = drop_reference(htable, link);
    if (last && !d_list_empty(link)) d_list_del_init(link);
  }
  if (last) free_entry(htable, link);
}

int d_hash_rec_ndecref(struct d_hash_table* htable, int count, d_list_t* link) {
  int last = 0;
  {
    Locked locked(htable, bucket_of_entry(htable, link), Access::kWrite);
    if (htable->ht_ops->hop_rec_ndecref) {
      last = htable->ht_ops->hop_rec_ndecref(htable, link, count);
    } else {
      for (; count > 0 && last == 0; --count) last = drop_reference(htable, link);
      if (count > 0) last = -DER_INVAL;
    }
    if (last == 1 && !d_list_empty(link)) d_list_del_init(link);
  }
  if (last == 1) free_entry(htable, link);
  return last < 0 ? last : 0;
}

bool d_hash_rec_unlinked(d_list_t* link) { return d_list_empty(link); }

d_list_t* d_hash_rec_first(struct d_hash_table* htable) {
  if (!htable || !htable->ht_buckets) return nullptr;
  for (uint32_t bucket = 0; bucket < buckets(htable); ++bucket) {
    Locked locked(htable, bucket, Access::kRead);
    d_list_t* head = &htable->ht_buckets[bucket].hb_head;
    if (!d_list_empty(head)) return head->next;
  }
  return nullptr;
}

}  // extern "C"
