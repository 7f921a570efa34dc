// Which blocks of the data area are in use. The persistent bitmap lies in the heap's arena and changes by
// transactions; the volatile one beside it also knows what is reserved and what is freed but may not be
// handed out yet. Next fit within what was used before, while enough of it is free; then beyond.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "block/heap.h"
#include "block/lazy_memory.h"

namespace varve::block {

class ExtentMap {
 public:
  // `bitmap`: in the arena, at least block_count bits. `data_offset`: where block 0 lies on the device.
  ExtentMap(Heap& heap, std::byte* arena, HeapOffset bitmap, uint64_t data_offset,
            uint64_t block_count);

  // Takes over what the persistent bitmap says.
  void load();

  // kNoSpace: no run of free blocks is that long.
  Result<Extent> reserve(uint64_t bytes, const std::string& device_name);
  // The same between two device offsets, from the lower one on.
  std::optional<Extent> reserve_within(uint64_t bytes, uint64_t begin, uint64_t end);
  // Reserves everything that is free between two device offsets.
  std::vector<Extent> take_free(uint64_t begin, uint64_t end);
  uint64_t free_within(uint64_t begin, uint64_t end) const;
  void cancel(Extent extent);
  void publish(Extent extent);
  void release(Extent extent);
  // The transaction that released ended.
  void committed(Lsn lsn);
  void rolled_back() { released_.clear(); }
  const std::vector<Extent>& released() const { return released_; }

  uint64_t pin();
  void unpin(uint64_t generation);
  // Hands back what was freed by transactions up to `durable` and is not pinned.
  void settle(Lsn durable);

  uint64_t used_bytes() const { return (block_count_ - free_blocks_) * device::kBlockBytes; }
  uint64_t capacity_bytes() const { return block_count_ * device::kBlockBytes; }
  uint64_t data_offset() const { return data_offset_; }

 private:
  static constexpr uint64_t kNone = ~0ULL;
  static constexpr uint64_t kRegionBlocks = 32768;
  struct Pending {
    Extent extent;
    Lsn lsn;
    uint64_t generation;  // of the release; pins made before have a lower one
  };
  struct PinCount {
    uint64_t generation;
    uint64_t count;
  };

  uint64_t first_block(Extent extent) const;
  uint64_t block_at(uint64_t device_offset) const {
    return (device_offset - data_offset_) / device::kBlockBytes;
  }
  uint64_t find(uint64_t from, uint64_t to, uint64_t count) const;
  uint64_t find_touched(uint64_t count);
  void mark(uint64_t block, uint64_t count, bool in_use);
  void mark_persistent(Extent extent, bool in_use);

  Heap& heap_;
  std::byte* const arena_;
  const HeapOffset bitmap_;
  const uint64_t data_offset_;
  const uint64_t block_count_;
  LazyMemory memory_;
  uint64_t* const in_use_;  // one bit a block
  std::vector<uint32_t> region_free_;
  uint64_t free_blocks_;
  uint64_t cursor_ = 0;
  uint64_t touched_ = 0;  // everything in use, or ever handed out since the start, is below
  uint64_t fragmented_below_ = 0;  // free blocks below touched_ at which to look there again
  std::vector<Extent> released_;  // by the transaction under way
  std::deque<Pending> pending_;
  std::deque<PinCount> pins_;
  uint64_t generation_ = 0;
  Lsn durable_;
};

}  // namespace varve::block
