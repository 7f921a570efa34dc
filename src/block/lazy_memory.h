// Zeroed memory that costs nothing until it is touched.
#pragma once

#include <sys/mman.h>

#include <cstdint>

#include "base/bytes.h"
#include "base/assert.h"

namespace varve::block {

class LazyMemory {
 public:
  static constexpr uint64_t kAlignment = 2 * kMiB;

  LazyMemory() = default;
  explicit LazyMemory(uint64_t size_bytes, bool huge_pages = false)
      : mapped_bytes_(size_bytes + (huge_pages ? kAlignment : 0)) {
    void* memory = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    VARVE_ASSERT(memory != MAP_FAILED, "out of address space");
    mapping_ = memory;
    data_ = static_cast<std::byte*>(memory);
    if (!huge_pages) return;
    data_ = reinterpret_cast<std::byte*>(round_up(reinterpret_cast<uintptr_t>(memory), kAlignment));
    madvise(data_, size_bytes, MADV_HUGEPAGE);
  }
  LazyMemory(const LazyMemory&) = delete;
  LazyMemory& operator=(const LazyMemory&) = delete;
  ~LazyMemory() {
    if (mapping_) munmap(mapping_, mapped_bytes_);
  }
  std::byte* data() const { return data_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

 private:
  void* mapping_ = nullptr;
  uint64_t mapped_bytes_ = 0;
  std::byte* data_ = nullptr;
};

}  // namespace varve::block
