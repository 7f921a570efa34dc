/* SPDX-License-Identifier: Apache-2.0 */
/* Types shared by the library and the programs that link it: scatter lists, rank lists, strings. */
/* Generated from tools/headers/gurt/types.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_GURT_TYPES_H
#define VARVE_GURT_TYPES_H

/* Programs rely on these headers coming in from here. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#include <uuid/uuid.h>

/** True where the compiler knows a warning of that name (clang), or is gcc of that version. */
#ifdef __has_warning
#define D_HAS_WARNING(gcc_version, warning) __has_warning(warning)
#else
#define D_HAS_WARNING(gcc_version, warning) (__GNUC__ >= (gcc_version))
#endif

#ifndef __cplusplus
/** Compile-time 1 if the argument is a UUID (an array or a pointer to its bytes), else 0. */
#define d_is_uuid(var) _Generic((var), unsigned char *: 1, const unsigned char *: 1, default: 0)
/** Compile-time 1 if the argument is a string, else 0. */
#define d_is_string(var) _Generic((var), char *: 1, const char *: 1, default: 0)
#endif

/* Names of cmocka 2 in terms of cmocka 1, for test programs that expect them from here. */
#ifndef assert_int_in_range
#define assert_int_in_range assert_in_range
#endif
#ifndef assert_uint_in_range
#define assert_uint_in_range assert_in_range
#endif
#ifndef will_return_int
#define will_return_int will_return
#endif
#ifndef will_return_ptr
#define will_return_ptr will_return
#endif
#ifndef expect_uint_value
#define expect_uint_value expect_value
#endif
#ifndef expect_int_value
#define expect_int_value expect_value
#endif
#ifndef check_expected_int
#define check_expected_int check_expected
#endif
#ifndef check_expected_uint
#define check_expected_uint check_expected
#endif
#ifndef check_expected_ptr
#define check_expected_ptr check_expected
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** A UUID as a struct. */
struct d_uuid {
  uuid_t uuid;
};

/** A buffer: where it is, how large it is, how much of it is used. */
typedef struct d_iov_t {
  void *iov_buf;
  size_t iov_buf_len;
  size_t iov_len;
} d_iov_t;

/** Buffers, with their count; sg_nr_out is how many of them a call used. */
typedef struct d_sg_list_t {
  uint32_t sg_nr;
  uint32_t sg_nr_out;
  d_iov_t *sg_iovs;
} d_sg_list_t;

/** A string that grows. */
struct d_string_buffer_t {
  int status;
  size_t str_size;
  size_t buf_size;
  char *str;
};

/** A server's number in its system. */
typedef uint32_t d_rank_t;

/** Ranks, with their count. */
typedef struct d_rank_list_t {
  d_rank_t *rl_ranks;
  uint32_t rl_nr;
} d_rank_list_t;

/** Ranks from lo to hi, both included. */
typedef struct d_rank_range_t {
  d_rank_t lo;
  d_rank_t hi;
} d_rank_range_t;

/** Ranges, with their count. */
typedef struct d_rank_range_list_t {
  d_rank_range_t *rrl_ranges;
  uint32_t rrl_nr;
} d_rank_range_list_t;

typedef d_rank_list_t *d_rank_list_ptr_t;
typedef char *d_string_t;
typedef const char *d_const_string_t;

/** Describes a buffer that is full: capacity and length are both `size`. */
static inline void d_iov_set(d_iov_t *iov, void *buf, size_t size) {
  iov->iov_buf = buf;
  iov->iov_buf_len = size;
  iov->iov_len = size;
}

#ifdef __cplusplus
}
#endif

#endif /* VARVE_GURT_TYPES_H */
