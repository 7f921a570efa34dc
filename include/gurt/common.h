/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation, hashes and rank lists for programs. */
#ifndef VARVE_GURT_COMMON_H
#define VARVE_GURT_COMMON_H

#include <daos_errno.h>
#include <gurt/debug.h>
#include <gurt/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The struct of which `ptr` points to a member. */
#ifndef container_of
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#endif

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(arr) (sizeof(arr) / sizeof((arr)[0]))
#endif

#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#endif
#ifndef unlikely
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

#define D_ALIGNUP(x, a) (((x) + ((a)-1)) & ~((a)-1))

/* The allocator: memory of these is freed by d_free, and by free() too. */
void d_free(void *ptr);
void *d_calloc(size_t nmemb, size_t size);
void *d_malloc(size_t size);
void *d_realloc(void *ptr, size_t size);
void *d_aligned_alloc(size_t alignment, size_t size, bool zero);
char *d_strndup(const char *s, size_t n);
char *d_realpath(const char *path, char *resolved_path);
int d_asprintf(char **strp, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** The string, or NULL; its length or -1 in `rc`. */
char *d_asprintf2(int *rc, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Each sets `ptr` to new memory, or to NULL. All but the _NZ ones give zeroed memory. */
#define D_ALLOC_CORE(ptr, size, count) ((ptr) = (__typeof__(ptr))d_calloc((count), (size)))
#define D_ALLOC_CORE_NZ(ptr, size, count) ((ptr) = (__typeof__(ptr))d_malloc((count) * (size)))
#define D_ALLOC(ptr, size) D_ALLOC_CORE(ptr, size, 1)
#define D_ALLOC_PTR(ptr) D_ALLOC(ptr, sizeof(*(ptr)))
#define D_ALLOC_ARRAY(ptr, count) D_ALLOC_CORE(ptr, sizeof(*(ptr)), count)
#define D_ALLOC_NZ(ptr, size) D_ALLOC_CORE_NZ(ptr, size, 1)
#define D_ALLOC_PTR_NZ(ptr) D_ALLOC_NZ(ptr, sizeof(*(ptr)))
#define D_ALLOC_ARRAY_NZ(ptr, count) D_ALLOC_CORE_NZ(ptr, sizeof(*(ptr)), count)
#define D_ALIGNED_ALLOC(ptr, alignment, size) \
  ((ptr) = (__typeof__(ptr))d_aligned_alloc(alignment, size, true))
#define D_ALIGNED_ALLOC_NZ(ptr, alignment, size) \
  ((ptr) = (__typeof__(ptr))d_aligned_alloc(alignment, size, false))
#define D_STRNDUP(ptr, s, n) ((ptr) = d_strndup(s, n))
/** Of a literal. */
#define D_STRNDUP_S(ptr, s) ((ptr) = d_strndup("" s, sizeof(s)))
#define D_REALPATH(ptr, path) ((ptr) = d_realpath((path), NULL))
#define D_ASPRINTF(ptr, ...)                      \
  do {                                            \
    int d_length_;                                \
    (ptr) = d_asprintf2(&d_length_, __VA_ARGS__); \
    (void)d_length_;                              \
  } while (0)

/* `newptr` becomes the resized memory and `oldptr` NULL; or `newptr` NULL, and `oldptr` stays.
 * The two are different variables. Bytes from `kept` on are cleared. */
#define D_REALLOC_CORE_(newptr, oldptr, kept, size)                             \
  do {                                                                          \
    size_t d_kept_ = (kept), d_size_ = (size);                                  \
    (newptr) = (__typeof__(newptr))d_realloc((oldptr), d_size_ ? d_size_ : 1);  \
    if ((newptr) != NULL) {                                                     \
      (oldptr) = NULL;                                                          \
      if (d_kept_ < d_size_) memset((char *)(newptr) + d_kept_, 0, d_size_ - d_kept_); \
    }                                                                           \
  } while (0)
#define D_REALLOC(newptr, oldptr, oldsize, size) D_REALLOC_CORE_(newptr, oldptr, oldsize, size)
#define D_REALLOC_NZ(newptr, oldptr, size) D_REALLOC_CORE_(newptr, oldptr, size, size)
#define D_REALLOC_Z(newptr, oldptr, size) D_REALLOC_CORE_(newptr, oldptr, 0, size)
#define D_REALLOC_ARRAY(newptr, oldptr, oldcount, count) \
  D_REALLOC_CORE_(newptr, oldptr, (oldcount) * sizeof(*(oldptr)), (count) * sizeof(*(oldptr)))
#define D_REALLOC_ARRAY_NZ(newptr, oldptr, count) \
  D_REALLOC_NZ(newptr, oldptr, (count) * sizeof(*(oldptr)))
#define D_REALLOC_ARRAY_Z(newptr, oldptr, count) \
  D_REALLOC_Z(newptr, oldptr, (count) * sizeof(*(oldptr)))

/** Frees and sets to NULL. */
#define D_FREE(ptr)  \
  do {               \
    d_free(ptr);     \
    (ptr) = NULL;    \
  } while (0)

/** Evaluates the second argument (usually an assignment of the error), then jumps. */
#define D_GOTO(label, rc) \
  do {                    \
    (void)(rc);           \
    goto label;           \
  } while (0)

/** The error number, negative, that stands for an errno. */
static inline int d_errno2der(int err) {
  switch (err) {
    case 0: return 0;
    case EPERM:
    case EACCES: return -DER_NO_PERM;
    case ENOMEM: return -DER_NOMEM;
    case EDQUOT:
    case ENOSPC: return -DER_NOSPACE;
    case EEXIST: return -DER_EXIST;
    case ENOENT: return -DER_NONEXIST;
    case ECANCELED: return -DER_CANCELED;
    case EBUSY: return -DER_BUSY;
    default: return -DER_MISC;
  }
}

/* Locks of pthread, their errors as error numbers. */
#define D_MUTEX_INIT(x, y) d_errno2der(pthread_mutex_init(x, y))
#define D_MUTEX_LOCK(x) d_errno2der(pthread_mutex_lock(x))
#define D_MUTEX_UNLOCK(x) d_errno2der(pthread_mutex_unlock(x))
#define D_MUTEX_DESTROY(x) d_errno2der(pthread_mutex_destroy(x))
#define D_SPIN_INIT(x, y) d_errno2der(pthread_spin_init(x, y))
#define D_SPIN_LOCK(x) d_errno2der(pthread_spin_lock(x))
#define D_SPIN_UNLOCK(x) d_errno2der(pthread_spin_unlock(x))
#define D_SPIN_DESTROY(x) d_errno2der(pthread_spin_destroy(x))
#define D_RWLOCK_INIT(x, y) d_errno2der(pthread_rwlock_init(x, y))
#define D_RWLOCK_RDLOCK(x) d_errno2der(pthread_rwlock_rdlock(x))
#define D_RWLOCK_WRLOCK(x) d_errno2der(pthread_rwlock_wrlock(x))
#define D_RWLOCK_UNLOCK(x) d_errno2der(pthread_rwlock_unlock(x))
#define D_RWLOCK_DESTROY(x) d_errno2der(pthread_rwlock_destroy(x))

/** MurmurHash64A of the bytes. */
uint64_t d_hash_murmur64(const unsigned char *key, unsigned int key_len, unsigned int seed);
/** djb2 of the bytes. */
uint32_t d_hash_string_u32(const char *string, unsigned int len);
/** Jump consistent hash: a bucket below num_buckets. */
uint32_t d_hash_jump(uint64_t key, uint32_t num_buckets);
/** Mixes the bits of a number. */
uint64_t d_hash_mix64(uint64_t key);

/* Rank lists. Those that return int give 0 or a negative error; those that return a list give NULL
 * when memory is short. A list is freed by d_rank_list_free, which takes NULL too. */
d_rank_list_t *d_rank_list_alloc(uint32_t size);
d_rank_list_t *d_rank_list_realloc(d_rank_list_t *ptr, uint32_t size);
void d_rank_list_free(d_rank_list_t *rank_list);
int d_rank_list_dup(d_rank_list_t **dst, const d_rank_list_t *src);
int d_rank_list_dup_sort_uniq(d_rank_list_t **dst, const d_rank_list_t *src);
int d_rank_list_copy(d_rank_list_t *dst, d_rank_list_t *src);
/** Keeps in `dst_set` the ranks that are in `src_set`, or, with `exclude`, those that are not. */
void d_rank_list_filter(d_rank_list_t *src_set, d_rank_list_t *dst_set, bool exclude);
/** Adds to the first list what only the second has. */
int d_rank_list_merge(d_rank_list_t *src_set, d_rank_list_t *merge_set);
void d_rank_list_shuffle(d_rank_list_t *rank_list);
void d_rank_list_sort(d_rank_list_t *rank_list);
bool d_rank_list_find(d_rank_list_t *rank_list, d_rank_t rank, int *idx);
int d_rank_list_append(d_rank_list_t *rank_list, d_rank_t rank);
int d_rank_list_del(d_rank_list_t *rank_list, d_rank_t rank);
bool d_rank_list_identical(d_rank_list_t *rank_list1, d_rank_list_t *rank_list2);
bool d_rank_in_rank_list(d_rank_list_t *rank_list, d_rank_t rank);
int d_idx_in_rank_list(d_rank_list_t *rank_list, d_rank_t rank, uint32_t *idx);
char *d_rank_list_to_str(d_rank_list_t *rank_list);

/** Makes a list of `nr` empty buffers; 0 or -DER_NOMEM. */
static inline int d_sgl_init(d_sg_list_t *sgl, unsigned int nr) {
  sgl->sg_nr = nr;
  sgl->sg_nr_out = 0;
  sgl->sg_iovs = NULL;
  if (nr != 0) D_ALLOC_ARRAY(sgl->sg_iovs, nr);
  return nr != 0 && sgl->sg_iovs == NULL ? -DER_NOMEM : 0;
}

/** Ends it; frees the buffers too if `free_iovs`. */
static inline void d_sgl_fini(d_sg_list_t *sgl, bool free_iovs) {
  uint32_t at;

  if (sgl == NULL || sgl->sg_iovs == NULL) return;
  for (at = 0; free_iovs && at < sgl->sg_nr; at++) D_FREE(sgl->sg_iovs[at].iov_buf);
  D_FREE(sgl->sg_iovs);
  sgl->sg_nr = 0;
  sgl->sg_nr_out = 0;
}

#ifdef CLOCK_MONOTONIC
/** The monotonic time; 0 or a negative error. */
static inline int d_gettime(struct timespec *t) {
  return clock_gettime(CLOCK_MONOTONIC, t) == 0 ? 0 : d_errno2der(errno);
}
#endif

/** Nanoseconds from t1 to t2. */
static inline int64_t d_timediff_ns(const struct timespec *t1, const struct timespec *t2) {
  return (int64_t)(t2->tv_sec - t1->tv_sec) * 1000000000 + (t2->tv_nsec - t1->tv_nsec);
}

/** In seconds. */
static inline double d_time2s(struct timespec t) {
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#ifdef __cplusplus
}
#endif

#endif /* VARVE_GURT_COMMON_H */
