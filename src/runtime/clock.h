// The clock and randomness seams. Production reads the machine; simulation supplies its own.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace varve {

using Duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;

// A point in monotonic time, in nanoseconds from an origin of the clock's own.
struct Instant {
  uint64_t ns = 0;
  auto operator<=>(const Instant&) const = default;
  friend Instant operator+(Instant at, Duration by) {
    return {at.ns + static_cast<uint64_t>(by.count())};
  }
  friend Duration operator-(Instant a, Instant b) {
    return Duration(static_cast<int64_t>(a.ns - b.ns));
  }
};
inline constexpr Instant kNever{~0ULL};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  // Nanoseconds since 1970; may jump. Only hybrid logical clocks and file times use it.
  virtual uint64_t wall_ns() const = 0;
};
// The machine's own (CLOCK_MONOTONIC, CLOCK_REALTIME).
Clock& machine_clock();

// xoshiro256** (Blackman and Vigna, 2018), seeded through splitmix64. Not for secrets.
class Random {
 public:
  explicit Random(uint64_t seed);
  uint64_t next();
  // Uniform in [0, bound); bound > 0.
  uint64_t below(uint64_t bound);
  // True once in `times` calls on average.
  bool one_in(uint64_t times) { return below(times) == 0; }

 private:
  uint64_t state_[4];
};
// 64 bits of the operating system's randomness, to seed with.
uint64_t machine_random();

}  // namespace varve
