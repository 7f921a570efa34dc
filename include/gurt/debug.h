/* SPDX-License-Identifier: Apache-2.0 */
/* Assertions and messages of programs: to stderr, without a log of their own. */
#ifndef VARVE_GURT_DEBUG_H
#define VARVE_GURT_DEBUG_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/** Prints to stderr. */
#define D_PRINT(...) ((void)fprintf(stderr, __VA_ARGS__))
/** Print to stderr what has gone wrong, or may have. */
#define D_FATAL(...) D_PRINT(__VA_ARGS__)
#define D_CRIT(...) D_PRINT(__VA_ARGS__)
#define D_ERROR(...) D_PRINT(__VA_ARGS__)
#define D_WARN(...) D_PRINT(__VA_ARGS__)
/** Checked by the compiler, printed never. */
#define D_NOTE(...) ((void)(0 && fprintf(stderr, __VA_ARGS__)))
#define D_INFO(...) D_NOTE(__VA_ARGS__)
#define D_DEBUG(mask, ...) D_NOTE(__VA_ARGS__)

/** Ends the program if the condition does not hold, in every build. */
#define D_ASSERT(condition)                                                                 \
  do {                                                                                      \
    if (!(condition)) {                                                                     \
      D_PRINT("%s:%d: assertion failed: %s\n", __FILE__, __LINE__, #condition);             \
      abort();                                                                              \
    }                                                                                       \
  } while (0)

/** The same, and says why: a format and its arguments. */
#define D_ASSERTF(condition, ...)                                                           \
  do {                                                                                      \
    if (!(condition)) {                                                                     \
      D_PRINT("%s:%d: assertion failed: %s: ", __FILE__, __LINE__, #condition);             \
      D_PRINT(__VA_ARGS__);                                                                 \
      abort();                                                                              \
    }                                                                                       \
  } while (0)

#ifdef __cplusplus
#define D_CASSERT(condition) static_assert(condition, #condition)
#else
/** Checked when the program is compiled. */
#define D_CASSERT(condition) _Static_assert(condition, #condition)
#endif

#endif /* VARVE_GURT_DEBUG_H */
