#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace varve {

void assertion_failed(const char* expression, const char* reason, const char* file, int line) {
  std::fprintf(stderr, "varve: assertion failed at %s:%d: %s%s%s\n", file, line, expression,
               *reason ? ": " : "", reason);
  std::abort();
}

}  // namespace varve
