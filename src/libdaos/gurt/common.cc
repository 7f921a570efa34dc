// gurt/common.h: allocation, hashes, rank lists.
#include "gurt/common.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

d_rank_t* begin_of(d_rank_list_t* list) { return list->rl_ranks; }
d_rank_t* end_of(d_rank_list_t* list) { return list->rl_ranks + list->rl_nr; }

uint64_t mix(uint64_t key) {
  key ^= key >> 33;
  key *= 0xff51afd7ed558ccdULL;
  key ^= key >> 33;
  key *= 0xc4ceb9fe1a85ec53ULL;
  return key ^ (key >> 33);
}

}  // namespace

extern "C" {

void d_free(void* ptr) { free(ptr); }
void* d_calloc(size_t nmemb, size_t size) { return calloc(nmemb, size); }
void* d_malloc(size_t size) { return malloc(size); }
void* d_realloc(void* ptr, size_t size) { return realloc(ptr, size); }

void* d_aligned_alloc(size_t alignment, size_t size, bool zero) {
  void* memory = nullptr;
  if (posix_memalign(&memory, std::max(alignment, sizeof(void*)), size) != 0) return nullptr;
  if (zero) std::memset(memory, 0, size);
  return memory;
}

char* d_strndup(const char* s, size_t n) { return strndup(s, n); }
char* d_realpath(const char* path, char* resolved_path) { return realpath(path, resolved_path); }

int d_asprintf(char** strp, const char* fmt, ...) {
  va_list arguments;
  va_start(arguments, fmt);
  const int length = vasprintf(strp, fmt, arguments);
  va_end(arguments);
  return length;
}

char* d_asprintf2(int* rc, const char* fmt, ...) {
  char* text = nullptr;
  va_list arguments;
  va_start(arguments, fmt);
  *rc = vasprintf(&text, fmt, arguments);
  va_end(arguments);
  return *rc < 0 ? nullptr : text;
}

// MurmurHash64A (Austin Appleby, public domain algorithm), little-endian.
uint64_t d_hash_murmur64(const unsigned char* key, unsigned int key_len, unsigned int seed) {
  constexpr uint64_t kMultiplier = 0xc6a4a7935bd1e995ULL;
  constexpr int kShift = 47;
  uint64_t hash = seed ^ (key_len * kMultiplier);
  const unsigned char* at = key;
  for (const unsigned char* end = key + (key_len & ~7U); at != end; at += 8) {
    uint64_t word;
    std::memcpy(&word, at, sizeof word);
    word *= kMultiplier;
    word ^= word >> kShift;
    hash = (hash ^ (word * kMultiplier)) * kMultiplier;
  }
  if (const unsigned rest = key_len & 7U) {
    uint64_t word = 0;
    std::memcpy(&word, at, rest);
    hash = (hash ^ word) * kMultiplier;
  }
  hash ^= hash >> kShift;
  hash *= kMultiplier;
  return hash ^ (hash >> kShift);
}

uint32_t d_hash_string_u32(const char* string, unsigned int len) {
  uint32_t hash = 5381;
  for (unsigned i = 0; i < len; ++i) hash = hash * 33 + static_cast<uint32_t>(string[i]);
  return hash;
}

// Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014.
uint32_t d_hash_jump(uint64_t key, uint32_t num_buckets) {
  int64_t bucket = -1, next = 0;
  while (next < static_cast<int64_t>(num_buckets)) {
    bucket = next;
    key = key * 2862933555777941757ULL + 1;
    next = static_cast<int64_t>(
        static_cast<double>(bucket + 1) *
        (static_cast<double>(1LL << 31) / static_cast<double>((key >> 33) + 1)));
  }
  return static_cast<uint32_t>(bucket);
}

uint64_t d_hash_mix64(uint64_t key) { return mix(key); }

d_rank_list_t* d_rank_list_alloc(uint32_t size) {
  auto* list = static_cast<d_rank_list_t*>(calloc(1, sizeof(d_rank_list_t)));
  if (!list || size == 0) return list;
  list->rl_ranks = static_cast<d_rank_t*>(calloc(size, sizeof(d_rank_t)));
  if (!list->rl_ranks) {
    free(list);
    return nullptr;
  }
  list->rl_nr = size;
  for (uint32_t i = 0; i < size; ++i) list->rl_ranks[i] = i;
  return list;
}

d_rank_list_t* d_rank_list_realloc(d_rank_list_t* ptr, uint32_t size) {
  if (!ptr) return d_rank_list_alloc(size);
  if (size == 0) {
    d_rank_list_free(ptr);
    return nullptr;
  }
  auto* ranks = static_cast<d_rank_t*>(realloc(ptr->rl_ranks, size * sizeof(d_rank_t)));
  if (!ranks) return nullptr;
  for (uint32_t i = ptr->rl_nr; i < size; ++i) ranks[i] = 0;
  ptr->rl_ranks = ranks;
  ptr->rl_nr = size;
  return ptr;
}

void d_rank_list_free(d_rank_list_t* rank_list) {
  if (!rank_list) return;
  free(rank_list->rl_ranks);
  free(rank_list);
}

int d_rank_list_copy(d_rank_list_t* dst, d_rank_list_t* src) {
  if (!dst || !src) return -DER_INVAL;
  if (src->rl_nr == 0) {
    free(dst->rl_ranks);
    *dst = {};
    return 0;
  }
  if (dst->rl_nr != src->rl_nr && !d_rank_list_realloc(dst, src->rl_nr)) return -DER_NOMEM;
  std::copy(begin_of(src), end_of(src), dst->rl_ranks);
  return 0;
}

int d_rank_list_dup(d_rank_list_t** dst, const d_rank_list_t* src) {
  if (!dst) return -DER_INVAL;
  *dst = nullptr;
  if (!src) return 0;
  d_rank_list_t* list = d_rank_list_alloc(src->rl_nr);
  if (!list) return -DER_NOMEM;
  std::copy(src->rl_ranks, src->rl_ranks + src->rl_nr, list->rl_ranks);
  *dst = list;
  return 0;
}

void d_rank_list_sort(d_rank_list_t* rank_list) {
  if (rank_list && rank_list->rl_nr > 1) std::sort(begin_of(rank_list), end_of(rank_list));
}

int d_rank_list_dup_sort_uniq(d_rank_list_t** dst, const d_rank_list_t* src) {
  if (const int error = d_rank_list_dup(dst, src)) return error;
  if (!*dst || (*dst)->rl_nr < 2) return 0;
  d_rank_list_sort(*dst);
  (*dst)->rl_nr = static_cast<uint32_t>(std::unique(begin_of(*dst), end_of(*dst)) - begin_of(*dst));
  return 0;
}

bool d_rank_list_find(d_rank_list_t* rank_list, d_rank_t rank, int* idx) {
  if (!rank_list) return false;
  d_rank_t* found = std::find(begin_of(rank_list), end_of(rank_list), rank);
  if (found == end_of(rank_list)) return false;
  if (idx) *idx = static_cast<int>(found - begin_of(rank_list));
  return true;
}

bool d_rank_in_rank_list(d_rank_list_t* rank_list, d_rank_t rank) {
  return d_rank_list_find(rank_list, rank, nullptr);
}

int d_idx_in_rank_list(d_rank_list_t* rank_list, d_rank_t rank, uint32_t* idx) {
  int at = 0;
  if (!rank_list || !idx) return -DER_INVAL;
  if (!d_rank_list_find(rank_list, rank, &at)) return -DER_NONEXIST;
  *idx = static_cast<uint32_t>(at);
  return 0;
}

void d_rank_list_filter(d_rank_list_t* src_set, d_rank_list_t* dst_set, bool exclude) {
  if (!src_set || !dst_set) return;
  d_rank_t* end = std::remove_if(begin_of(dst_set), end_of(dst_set), [&](d_rank_t rank) {
    return d_rank_in_rank_list(src_set, rank) == exclude;
  });
  dst_set->rl_nr = static_cast<uint32_t>(end - begin_of(dst_set));
}

int d_rank_list_append(d_rank_list_t* rank_list, d_rank_t rank) {
  const uint32_t count = rank_list->rl_nr;
  auto* ranks =
      static_cast<d_rank_t*>(realloc(rank_list->rl_ranks, (count + 1) * sizeof(d_rank_t)));
  if (!ranks) return -DER_NOMEM;
  ranks[count] = rank;
  rank_list->rl_ranks = ranks;
  rank_list->rl_nr = count + 1;
  return 0;
}

int d_rank_list_merge(d_rank_list_t* src_set, d_rank_list_t* merge_set) {
  if (!src_set || !merge_set) return -DER_INVAL;
  for (uint32_t i = 0; i < merge_set->rl_nr; ++i) {
    if (d_rank_in_rank_list(src_set, merge_set->rl_ranks[i])) continue;
    if (const int error = d_rank_list_append(src_set, merge_set->rl_ranks[i])) return error;
  }
  return 0;
}

void d_rank_list_shuffle(d_rank_list_t* rank_list) {
  if (!rank_list) return;
  for (uint32_t i = rank_list->rl_nr; i > 1; --i)
    std::swap(rank_list->rl_ranks[i - 1], rank_list->rl_ranks[static_cast<uint32_t>(rand()) % i]);
}

int d_rank_list_del(d_rank_list_t* rank_list, d_rank_t rank) {
  if (!rank_list) return -DER_INVAL;
  d_rank_t* end = std::remove(begin_of(rank_list), end_of(rank_list), rank);
  rank_list->rl_nr = static_cast<uint32_t>(end - begin_of(rank_list));
  return 0;
}

bool d_rank_list_identical(d_rank_list_t* rank_list1, d_rank_list_t* rank_list2) {
  if (!rank_list1 || !rank_list2) return rank_list1 == rank_list2;
  return std::equal(begin_of(rank_list1), end_of(rank_list1), begin_of(rank_list2),
                    end_of(rank_list2));
}

char* d_rank_list_to_str(d_rank_list_t* rank_list) {
  std::string text;
  for (uint32_t i = 0; rank_list && i < rank_list->rl_nr; ++i)
    text += (i ? "," : "") + std::to_string(rank_list->rl_ranks[i]);
  return strdup(text.c_str());
}

}  // extern "C"
