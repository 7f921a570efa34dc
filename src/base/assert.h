// Assertions that stay on in release. A failed one logs file, line and reason, then aborts:
// a broken invariant must not reach a device or a wire.
#pragma once

namespace varve {
[[noreturn]] void assertion_failed(const char* expression, const char* reason, const char* file,
                                   int line);
}  // namespace varve

// `reason` says why the expression must hold ("" where it is plain).
#define VARVE_ASSERT(expression, reason)              \
  (__builtin_expect(static_cast<bool>(expression), 1) \
       ? static_cast<void>(0)                         \
       : ::varve::assertion_failed(#expression, reason, __FILE__, __LINE__))
