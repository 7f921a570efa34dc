#include "runtime/clock.h"

#include <sys/random.h>
#include <time.h>

#include "base/assert.h"

namespace varve {
namespace {

uint64_t read_clock(clockid_t id) {
  timespec at;
  clock_gettime(id, &at);
  return static_cast<uint64_t>(at.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(at.tv_nsec);
}

class MachineClock final : public Clock {
 public:
  Instant now() const override { return {read_clock(CLOCK_MONOTONIC)}; }
  uint64_t wall_ns() const override { return read_clock(CLOCK_REALTIME); }
};

uint64_t rotate(uint64_t value, int by) { return (value << by) | (value >> (64 - by)); }

}  // namespace

Clock& machine_clock() {
  static MachineClock clock;
  return clock;
}

Random::Random(uint64_t seed) {
  for (uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15ULL;
    uint64_t mixed = seed;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
    word = mixed ^ (mixed >> 31);
  }
}

uint64_t Random::next() {
  const uint64_t result = rotate(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = rotate(state_[3], 45);
  return result;
}

uint64_t Random::below(uint64_t bound) {
  VARVE_ASSERT(bound > 0, "an empty range has no member");
  return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
}

uint64_t machine_random() {
  uint64_t word = 0;
  const ssize_t got = getrandom(&word, sizeof word, 0);
  VARVE_ASSERT(got == sizeof word, "getrandom of 8 bytes never falls short");
  return word;
}

}  // namespace varve
