#include <array>
#include <bit>
#include <cstdlib>
#include <vector>

#include "base/assert.h"
#include "device/device.h"

namespace varve::device {
namespace {

// Freed buffers wait by power of two for the next of their size, up to kKeptBytesMax a thread.
constexpr unsigned kOrders = 11;  // 4 KiB ... 4 MiB
constexpr uint64_t kKeptBytesMax = 16 * kMiB;

unsigned order_of(uint64_t size_bytes) {
  return static_cast<unsigned>(std::bit_width((size_bytes - 1) / kBlockBytes));
}

struct Recycler {
  std::array<std::vector<std::byte*>, kOrders> kept;
  uint64_t kept_bytes = 0;
  ~Recycler() {
    for (std::vector<std::byte*>& list : kept) {
      for (std::byte* memory : list) std::free(memory);
    }
    closed = true;
  }
  static thread_local bool closed;  // buffers may outlive the thread's recycler
};
thread_local bool Recycler::closed = false;
thread_local Recycler recycler;

std::byte* take(uint64_t& size_bytes) {
  const unsigned order = order_of(size_bytes);
  if (order >= kOrders) {
    void* memory = std::aligned_alloc(kBlockBytes, size_bytes);
    VARVE_ASSERT(memory, "out of memory");
    return static_cast<std::byte*>(memory);
  }
  if (!Recycler::closed && !recycler.kept[order].empty()) {
    std::byte* memory = recycler.kept[order].back();
    recycler.kept[order].pop_back();
    recycler.kept_bytes -= kBlockBytes << order;
    return memory;
  }
  void* memory = std::aligned_alloc(kBlockBytes, kBlockBytes << order);
  VARVE_ASSERT(memory, "out of memory");
  return static_cast<std::byte*>(memory);
}

void give_back(std::byte* memory, uint64_t size_bytes) {
  const unsigned order = order_of(size_bytes);
  if (order >= kOrders || Recycler::closed ||
      recycler.kept_bytes + (kBlockBytes << order) > kKeptBytesMax) {
    std::free(memory);
    return;
  }
  recycler.kept[order].push_back(memory);
  recycler.kept_bytes += kBlockBytes << order;
}

}  // namespace

AlignedBuffer::AlignedBuffer(uint64_t size_bytes)
    : size_(round_up(std::max(size_bytes, kBlockBytes), kBlockBytes)) {
  data_ = take(size_);
}

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

AlignedBuffer::~AlignedBuffer() {
  if (data_) give_back(data_, size_);
}

}  // namespace varve::device
