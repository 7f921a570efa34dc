// The arena of a volume whose contents nobody has checked. No pointer into it is to be had: what is read is
// copied out, or viewed, after its bounds were checked against the arena's.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "block/lazy_memory.h"
#include "block/layout.h"

namespace varve::inspect {

class UncheckedHeap {
 public:
  explicit UncheckedHeap(const block::Geometry& geometry)
      : size_bytes_(geometry.arena_bytes), memory_(geometry.arena_bytes) {}

  uint64_t size_bytes() const { return size_bytes_; }
  // Nothing: it would leave the arena.
  std::optional<ByteView> bytes(uint64_t offset, uint64_t length) const {
    if (offset > size_bytes_ || length > size_bytes_ - offset) return std::nullopt;
    return ByteView(memory_.data() + offset, length);
  }
  template <class T>
  std::optional<T> read(uint64_t offset) const {
    const std::optional<ByteView> view = bytes(offset, sizeof(T));
    if (!view) return std::nullopt;
    T value;
    std::memcpy(&value, view->data(), sizeof(T));
    return value;
  }
  // For the loader alone; the range lies in the arena.
  MutableByteView writable(uint64_t offset, uint64_t length) {
    VARVE_ASSERT(bytes(offset, length), "the loader has checked where it writes");
    return {memory_.data() + offset, length};
  }

 private:
  const uint64_t size_bytes_;
  block::LazyMemory memory_;
};

}  // namespace varve::inspect
