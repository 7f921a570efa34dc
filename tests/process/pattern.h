// Content that can be recomputed: every byte follows from seed, item, offset and generation.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve::process {

inline uint64_t mix(uint64_t value) {
  value += 0x9E3779B97F4A7C15ull;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
  return value ^ (value >> 31);
}

struct Pattern {
  uint64_t seed = 0;
  uint64_t item = 0;  // kind and number of the item
  uint64_t generation = 0;

  uint64_t base() const { return mix(mix(seed ^ (item << 40)) + generation); }
  // The byte at this offset of the item.
  static uint8_t byte(uint64_t base, uint64_t offset) {
    return static_cast<uint8_t>(mix(base + (offset >> 3)) >> ((offset & 7) * 8));
  }
  void fill(uint64_t offset, uint8_t* to, size_t length) const {
    const uint64_t start = base();
    size_t i = 0;
    for (; i < length && ((offset + i) & 7) != 0; ++i) to[i] = byte(start, offset + i);
    for (; i + 8 <= length; i += 8) {
      const uint64_t word = mix(start + ((offset + i) >> 3));
      __builtin_memcpy(to + i, &word, 8);
    }
    for (; i < length; ++i) to[i] = byte(start, offset + i);
  }
};

// Where a thread's choices come from: the same seed, the same choices.
class Choices {
 public:
  explicit Choices(uint64_t seed) : state_(seed) {}
  uint64_t next() { return mix(state_++); }
  // 0 .. bound - 1
  uint64_t below(uint64_t bound) { return bound == 0 ? 0 : next() % bound; }

 private:
  uint64_t state_;
};

}  // namespace varve::process
