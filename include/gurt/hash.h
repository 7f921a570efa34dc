/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table of entries that carry their own link, for programs. */
#ifndef VARVE_GURT_HASH_H
#define VARVE_GURT_HASH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <gurt/list.h>
#include <gurt/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct d_hash_table;

/** What a table asks of its entries. All but hop_key_cmp may be NULL. */
typedef struct {
  /** True if the entry has that key. */
  bool (*hop_key_cmp)(struct d_hash_table *htable, d_list_t *link, const void *key,
                      unsigned int ksize);
  /** Gives a key to an entry that is inserted without one. */
  void (*hop_key_init)(struct d_hash_table *htable, d_list_t *link, void *arg);
  /** Hashes a key; d_hash_string_u32 if NULL. */
  uint32_t (*hop_key_hash)(struct d_hash_table *htable, const void *key, unsigned int ksize);
  /** The hash of the entry's key: equal to hop_key_hash of it. Needed to lock per bucket. */
  uint32_t (*hop_rec_hash)(struct d_hash_table *htable, d_list_t *link);
  /** Takes a reference to the entry. */
  void (*hop_rec_addref)(struct d_hash_table *htable, d_list_t *link);
  /** Drops a reference; true if it was the last and the table shall free the entry. */
  bool (*hop_rec_decref)(struct d_hash_table *htable, d_list_t *link);
  /** Drops several; 1 if the last is gone, 0 if not, negative on error. */
  int (*hop_rec_ndecref)(struct d_hash_table *htable, d_list_t *link, int count);
  /** Frees the entry. */
  void (*hop_rec_free)(struct d_hash_table *htable, d_list_t *link);
} d_hash_table_ops_t;

/** How a table is locked and referenced. */
enum d_hash_feats {
  D_HASH_FT_NOLOCK = 1 << 0,    /**< The caller locks */
  D_HASH_FT_MUTEX = 1 << 1,     /**< One holder at a time, which may sleep */
  D_HASH_FT_RWLOCK = 1 << 2,    /**< Many readers or one writer */
  D_HASH_FT_EPHEMERAL = 1 << 3, /**< The table holds no reference; the last one dropped removes */
  D_HASH_FT_LRU = 1 << 4,       /**< What is found moves to the front of its bucket */
  D_HASH_FT_GLOCK = 1 << 15,    /**< One lock for all buckets */
};

/** Room for any lock of pthread. */
union d_hash_lock {
  pthread_mutex_t mutex;
  uint64_t space[7];
};

/** A chain of entries. */
struct d_hash_bucket {
  d_list_t hb_head;
};

/** A table: public only so that programs can embed one. */
struct d_hash_table {
  union d_hash_lock ht_lock;
  uint32_t ht_bits;
  uint32_t ht_feats;
  void *ht_priv; /**< The caller's */
  d_hash_table_ops_t *ht_ops;
  struct d_hash_bucket *ht_buckets;
  union d_hash_lock *ht_locks;
};

/** Called for each entry; anything but 0 ends the traversal. */
typedef int (*d_hash_traverse_cb_t)(d_list_t *link, void *arg);

/** Makes a table of 2^bits buckets; 0 or a negative error. */
int d_hash_table_create(uint32_t feats, uint32_t bits, void *priv, d_hash_table_ops_t *hops,
                        struct d_hash_table **htable_pp);

/** The same in memory that the caller owns. */
int d_hash_table_create_inplace(uint32_t feats, uint32_t bits, void *priv,
                                d_hash_table_ops_t *hops, struct d_hash_table *htable);

/** Calls `cb` for every entry; gives what ended it, or 0. */
int d_hash_table_traverse(struct d_hash_table *htable, d_hash_traverse_cb_t cb, void *arg);

/** Frees the table; -DER_BUSY if it has entries, unless `force` deletes them. */
int d_hash_table_destroy(struct d_hash_table *htable, bool force);

/** The same for a table in the caller's memory. */
int d_hash_table_destroy_inplace(struct d_hash_table *htable, bool force);

/** The entry with that key, with a reference taken, or NULL. */
d_list_t *d_hash_rec_find(struct d_hash_table *htable, const void *key, unsigned int ksize);

/** The entry with that key, or `link` after inserting it. */
d_list_t *d_hash_rec_find_insert(struct d_hash_table *htable, const void *key, unsigned int ksize,
                                 d_list_t *link);

/** Inserts; -DER_EXIST if `exclusive` and the key is there. */
int d_hash_rec_insert(struct d_hash_table *htable, const void *key, unsigned int ksize,
                      d_list_t *link, bool exclusive);

/** Inserts an entry whose key hop_key_init makes. */
int d_hash_rec_insert_anonym(struct d_hash_table *htable, d_list_t *link, void *arg);

/** Deletes the entry with that key; false if there is none. */
bool d_hash_rec_delete(struct d_hash_table *htable, const void *key, unsigned int ksize);

/** Deletes the entry; false if it is in no table. */
bool d_hash_rec_delete_at(struct d_hash_table *htable, d_list_t *link);

/** Moves the entry with that key to the end of its bucket; false without D_HASH_FT_LRU. */
bool d_hash_rec_evict(struct d_hash_table *htable, const void *key, unsigned int ksize);

/** The same for an entry. */
bool d_hash_rec_evict_at(struct d_hash_table *htable, d_list_t *link);

/** Takes a reference. */
void d_hash_rec_addref(struct d_hash_table *htable, d_list_t *link);

/** Drops a reference. */
void d_hash_rec_decref(struct d_hash_table *htable, d_list_t *link);

/** Drops several; -DER_INVAL if there were fewer. */
int d_hash_rec_ndecref(struct d_hash_table *htable, int count, d_list_t *link);

/** True if the entry is in no table. */
bool d_hash_rec_unlinked(d_list_t *link);

/** Some entry, without a reference, or NULL if the table is empty. */
d_list_t *d_hash_rec_first(struct d_hash_table *htable);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_GURT_HASH_H */
