// Views of memory that somebody else owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace varve {

using ByteView = std::span<const std::byte>;
using MutableByteView = std::span<std::byte>;
using Buffer = std::vector<std::byte>;

// Pieces that stand for one run of bytes: Gather is read from, Scatter is written to.
using Gather = std::span<const ByteView>;
using Scatter = std::span<const MutableByteView>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
template <class T>
ByteView bytes_of(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const std::byte*>(&value), sizeof(T)};
}

inline uint64_t size_of(Gather pieces) {
  uint64_t total = 0;
  for (const ByteView& piece : pieces) total += piece.size();
  return total;
}
inline uint64_t size_of(Scatter pieces) {
  uint64_t total = 0;
  for (const MutableByteView& piece : pieces) total += piece.size();
  return total;
}
// Copies min(size of both) bytes, from `skip` bytes into `from`; returns how many.
uint64_t copy(Gather from, Scatter to, uint64_t skip = 0);

constexpr uint64_t round_up(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}
constexpr uint64_t round_down(uint64_t value, uint64_t unit) { return value / unit * unit; }

constexpr uint64_t kKiB = 1024, kMiB = 1024 * kKiB, kGiB = 1024 * kMiB;

}  // namespace varve
