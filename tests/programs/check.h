/* SPDX-License-Identifier: Apache-2.0 */
/* What the small programs share: they end with a line and a number when something is not as it should be. */
#ifndef PROGRAMS_CHECK_H
#define PROGRAMS_CHECK_H

#include <daos_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The call must return what is expected. */
#define EXPECT(call, wanted)                                                                  \
  do {                                                                                        \
    long expect_got = (long)(call), expect_wanted = (long)(wanted);                           \
    if (expect_got != expect_wanted) {                                                        \
      fprintf(stderr, "%s:%d: %s is %ld, not %ld\n", __FILE__, __LINE__, #call, expect_got,   \
              expect_wanted);                                                                 \
      exit(1);                                                                                \
    }                                                                                         \
  } while (0)
#define OK(call) EXPECT(call, 0)
#define TRUE(condition) EXPECT(!!(condition), 1)

#endif
