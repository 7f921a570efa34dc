// The volume's heap in the store's terms: Refs instead of offsets, and what a transaction takes and
// gives back counted for the pool.
#pragma once

#include <optional>

#include "store/format.h"

namespace varve::store {

class Heap {
 public:
  explicit Heap(block::Volume& volume) : volume_(volume), base_(volume.base()) {}

  template <class T>
  T* at(Ref ref) const {
    return reinterpret_cast<T*>(base_ + uint64_t{ref} * kRefUnit);
  }
  Ref ref(const void* object) const {
    return static_cast<Ref>((static_cast<const std::byte*>(object) - base_) / kRefUnit);
  }
  void prefetch(Ref ref, uint32_t bytes) const {
    const char* at = reinterpret_cast<const char*>(base_ + uint64_t{ref} * kRefUnit);
    for (uint32_t line = 0; line < bytes; line += 64) __builtin_prefetch(at + line);
  }
  static constexpr uint32_t allocated(uint32_t bytes) {
    return static_cast<uint32_t>(round_up(bytes, kRefUnit));
  }

  // 0 when the heap is full: error() says why, and the transaction must be rolled back.
  Ref allocate(uint32_t bytes);
  void free(Ref ref, uint32_t bytes);
  // Declares a change, then write.
  template <class T>
  T* change(T* object) {
    change(static_cast<void*>(object), sizeof(T));
    return object;
  }
  void change(void* from, uint32_t bytes) {
    volume_.change(static_cast<block::HeapOffset>(static_cast<std::byte*>(from) - base_), bytes);
  }
  template <class T>
  void set(T& field, T value) {
    change(&field);
    field = value;
  }

  // Extents named by the transaction.
  void publish(block::Extent extent) {
    volume_.publish(extent);
    taken_ += static_cast<int64_t>(extent.length);
  }
  void release(block::Extent extent) {
    volume_.release(extent);
    taken_ -= static_cast<int64_t>(extent.length);
  }

  // `into_reserve`: for punches and reclaim, which must work on a full heap.
  void begin(bool into_reserve = false) {
    volume_.begin(into_reserve);
    taken_ = 0;
  }
  block::Volume& volume() const { return volume_; }
  // Bytes taken (negative: given back) since begin(), heap and extents.
  int64_t taken() const { return taken_; }
  void forget_taken() { taken_ = 0; }
  Error error();

 private:
  block::Volume& volume_;
  std::byte* const base_;
  int64_t taken_ = 0;
  std::optional<Error> error_;
};

}  // namespace varve::store
