// Strong identifiers. Each is trivially copyable, with the layout that goes on disk and wire.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace varve {

struct Uuid {
  std::array<uint8_t, 16> bytes{};
  auto operator<=>(const Uuid&) const = default;
  bool is_null() const { return *this == Uuid{}; }
  std::string to_string() const;  // 8-4-4-4-12, lower case
  static Result<Uuid> parse(std::string_view text);
  // 128 bits of randomness made into a version 4 UUID (RFC 9562).
  static Uuid from_random(uint64_t high, uint64_t low);
};
static_assert(sizeof(Uuid) == 16);

// 128-bit object id as DAOS lays it out: `high` keeps type (bits 56..63), redundancy class
// (48..55) and group count (32..47) above 32 bits of the user's; `low` is the user's.
struct ObjectId {
  uint64_t low = 0;
  uint64_t high = 0;
  auto operator<=>(const ObjectId&) const = default;
  std::string to_string() const;  // "high.low" in decimal, DAOS's notation
};
static_assert(sizeof(ObjectId) == 16);

// A point in the version order: a hybrid logical clock value (see hybrid_clock.h).
struct Epoch {
  uint64_t value = 0;
  auto operator<=>(const Epoch&) const = default;
};
inline constexpr Epoch kEpochMax{~0ULL};
inline constexpr Epoch kEpochNone{0};

struct Rank {
  uint32_t value = 0;
  auto operator<=>(const Rank&) const = default;
};
// Index of a target within its engine.
struct TargetIndex {
  uint32_t value = 0;
  auto operator<=>(const TargetIndex&) const = default;
};

}  // namespace varve

template <>
struct std::hash<varve::Uuid> {
  size_t operator()(const varve::Uuid& uuid) const noexcept {
    uint64_t low, high;
    __builtin_memcpy(&low, uuid.bytes.data(), 8);
    __builtin_memcpy(&high, uuid.bytes.data() + 8, 8);
    return low ^ (high * 0x9e3779b97f4a7c15ULL);
  }
};
