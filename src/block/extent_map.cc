#include "block/extent_map.h"

#include <algorithm>
#include <bit>

namespace varve::block {

using device::kBlockBytes;

ExtentMap::ExtentMap(Heap& heap, std::byte* arena, HeapOffset bitmap, uint64_t data_offset,
                     uint64_t block_count)
    : heap_(heap), arena_(arena), bitmap_(bitmap), data_offset_(data_offset),
      block_count_(block_count), memory_(round_up((block_count + 63) / 64 * 8, kBlockBytes)),
      in_use_(memory_.as<uint64_t>()),
      region_free_((block_count + kRegionBlocks - 1) / kRegionBlocks), free_blocks_(block_count) {
  if (block_count % 64) in_use_[block_count / 64] = ~0ULL << block_count % 64;
  for (size_t i = 0; i < region_free_.size(); ++i)
    region_free_[i] =
        static_cast<uint32_t>(std::min(kRegionBlocks, block_count - i * kRegionBlocks));
}

void ExtentMap::load() {
  const uint64_t* words = reinterpret_cast<const uint64_t*>(arena_ + bitmap_);
  for (uint64_t word = 0; word * 64 < block_count_; ++word) {
    uint64_t bits = words[word];
    if (word == block_count_ / 64) bits &= (1ULL << block_count_ % 64) - 1;
    if (bits == 0) continue;
    in_use_[word] |= bits;
    touched_ = word * 64 + 64 - static_cast<uint64_t>(std::countl_zero(bits));
    const uint32_t count = static_cast<uint32_t>(std::popcount(bits));
    region_free_[word * 64 / kRegionBlocks] -= count;
    free_blocks_ -= count;
  }
}

uint64_t ExtentMap::first_block(Extent extent) const {
  VARVE_ASSERT(extent.offset >= data_offset_ && extent.length > 0 &&
                   extent.offset % kBlockBytes == 0 && extent.length % kBlockBytes == 0 &&
                   extent.offset - data_offset_ + extent.length <= block_count_ * kBlockBytes,
               "an extent is whole blocks of the data area");
  return (extent.offset - data_offset_) / kBlockBytes;
}

// The first run of `count` free blocks that begins in [from, to); kNone if there is none.
uint64_t ExtentMap::find(uint64_t from, uint64_t to, uint64_t count) const {
  uint64_t run = 0;
  for (uint64_t at = from; at < block_count_;) {
    if (at - run >= to) return kNone;
    if (at % kRegionBlocks == 0 && region_free_[at / kRegionBlocks] == 0) {
      run = 0;
      at += kRegionBlocks;
      continue;
    }
    const uint64_t left = 64 - at % 64;
    const uint64_t bits = in_use_[at / 64] >> at % 64;
    if (bits & 1) {
      run = 0;
      at += std::min<uint64_t>(left, static_cast<uint64_t>(std::countr_one(bits)));
      continue;
    }
    const uint64_t zeros = bits ? static_cast<uint64_t>(std::countr_zero(bits)) : left;
    if (run + zeros >= count) return at - run;
    run += zeros;
    at += zeros;
  }
  return kNone;
}

void ExtentMap::mark(uint64_t block, uint64_t count, bool in_use) {
  for (uint64_t at = block, end = block + count; at < end;) {
    const uint64_t bits = std::min(64 - at % 64, end - at);
    const uint64_t mask = (bits == 64 ? ~0ULL : (1ULL << bits) - 1) << at % 64;
    uint64_t& word = in_use_[at / 64];
    VARVE_ASSERT((word & mask) == (in_use ? 0 : mask), "blocks are handed out and taken back once");
    word ^= mask;
    uint32_t& region = region_free_[at / kRegionBlocks];
    region = in_use ? region - static_cast<uint32_t>(bits) : region + static_cast<uint32_t>(bits);
    at += bits;
  }
  free_blocks_ = in_use ? free_blocks_ - count : free_blocks_ + count;
}

// Where something was before, as long as a good part of that is free: memory that was never touched has to
// be made by the kernel, and file space that was never written is dear to flush.
uint64_t ExtentMap::find_touched(uint64_t count) {
  const uint64_t free = touched_ - (block_count_ - free_blocks_);
  if (free < std::max(count, touched_ / 8)) return kNone;
  if (free < fragmented_below_) return kNone;
  fragmented_below_ = 0;
  const uint64_t from = std::min(cursor_, touched_);
  uint64_t block = find(from, touched_, count);
  if (block == kNone || block + count > touched_) block = find(0, from, count);
  // In pieces too small: not asked again until there is more.
  if (block == kNone) fragmented_below_ = free + std::max(count, free / 8);
  return block;
}

Result<Extent> ExtentMap::reserve(uint64_t bytes, const std::string& device_name) {
  VARVE_ASSERT(bytes > 0, "an extent is not empty");
  const uint64_t count = (bytes + kBlockBytes - 1) / kBlockBytes;
  uint64_t block = count <= free_blocks_ ? find_touched(count) : kNone;
  if (block == kNone && count <= free_blocks_) {
    block = find(touched_, block_count_, count);
    if (block == kNone) block = find(0, touched_, count);
  }
  if (block == kNone)
    return Error(Code::kNoSpace, "device " + device_name + ": no room for " + std::to_string(bytes) +
                                     " bytes in one piece: " +
                                     std::to_string(free_blocks_ * kBlockBytes) + " of " +
                                     std::to_string(capacity_bytes()) +
                                     " bytes are free; punch or destroy something");
  mark(block, count, true);
  cursor_ = block + count == block_count_ ? 0 : block + count;
  touched_ = std::max(touched_, block + count);
  return Extent{data_offset_ + block * kBlockBytes, count * kBlockBytes};
}

std::optional<Extent> ExtentMap::reserve_within(uint64_t bytes, uint64_t begin, uint64_t end) {
  const uint64_t count = (bytes + kBlockBytes - 1) / kBlockBytes;
  const uint64_t last = block_at(end);
  const uint64_t block = find(block_at(begin), last, count);
  if (block == kNone || block + count > last) return std::nullopt;
  mark(block, count, true);
  touched_ = std::max(touched_, block + count);
  return Extent{data_offset_ + block * kBlockBytes, count * kBlockBytes};
}

std::vector<Extent> ExtentMap::take_free(uint64_t begin, uint64_t end) {
  std::vector<Extent> taken;
  const uint64_t last = block_at(end);
  for (uint64_t at = block_at(begin);;) {
    const uint64_t first = find(at, last, 1);
    if (first == kNone || first >= last) return taken;
    uint64_t count = 1;
    while (first + count < last && !(in_use_[(first + count) / 64] >> (first + count) % 64 & 1))
      ++count;
    mark(first, count, true);
    touched_ = std::max(touched_, first + count);
    taken.push_back({data_offset_ + first * kBlockBytes, count * kBlockBytes});
    at = first + count;
    if (at >= last) return taken;
  }
}

uint64_t ExtentMap::free_within(uint64_t begin, uint64_t end) const {
  uint64_t free = 0;
  for (uint64_t at = block_at(begin); at < block_at(end);) {
    const uint64_t bits = std::min(64 - at % 64, block_at(end) - at);
    const uint64_t word = in_use_[at / 64] >> at % 64;
    free += bits - static_cast<uint64_t>(
                       std::popcount(bits == 64 ? word : word & ((1ULL << bits) - 1)));
    at += bits;
  }
  return free * kBlockBytes;
}

void ExtentMap::cancel(Extent extent) {
  mark(first_block(extent), extent.length / kBlockBytes, false);
}

void ExtentMap::mark_persistent(Extent extent, bool in_use) {
  const uint64_t first = first_block(extent), end = first + extent.length / kBlockBytes;
  // Whole bytes change; the log carries no more than these.
  const uint64_t first_byte = first / 8, end_byte = (end + 7) / 8;
  heap_.change(bitmap_ + first_byte, static_cast<uint32_t>(end_byte - first_byte));
  uint64_t* words = reinterpret_cast<uint64_t*>(arena_ + bitmap_);
  for (uint64_t at = first; at < end;) {
    const uint64_t bits = std::min(64 - at % 64, end - at);
    const uint64_t mask = (bits == 64 ? ~0ULL : (1ULL << bits) - 1) << at % 64;
    VARVE_ASSERT((words[at / 64] & mask) == (in_use ? 0 : mask),
                 "an extent is published once and released once");
    words[at / 64] ^= mask;
    at += bits;
  }
}

void ExtentMap::publish(Extent extent) {
  mark_persistent(extent, true);
}

void ExtentMap::release(Extent extent) {
  mark_persistent(extent, false);
  released_.push_back(extent);
}

void ExtentMap::committed(Lsn lsn) {
  if (released_.empty()) return;
  ++generation_;
  for (const Extent& extent : released_) pending_.push_back({extent, lsn, generation_});
  released_.clear();
}

uint64_t ExtentMap::pin() {
  if (pins_.empty() || pins_.back().generation != generation_) pins_.push_back({generation_, 0});
  ++pins_.back().count;
  return generation_;
}

void ExtentMap::unpin(uint64_t generation) {
  const auto found = std::lower_bound(
      pins_.begin(), pins_.end(), generation,
      [](const PinCount& pin, uint64_t wanted) { return pin.generation < wanted; });
  VARVE_ASSERT(found != pins_.end() && found->generation == generation && found->count > 0,
               "a pin is removed once");
  --found->count;
  bool moved = false;
  while (!pins_.empty() && pins_.front().count == 0) {
    pins_.pop_front();
    moved = true;
  }
  if (moved) settle(durable_);
}

void ExtentMap::settle(Lsn durable) {
  durable_ = durable;
  while (!pending_.empty()) {
    const Pending& oldest = pending_.front();
    if (oldest.lsn > durable) return;
    if (!pins_.empty() && pins_.front().generation < oldest.generation) return;
    cancel(oldest.extent);
    pending_.pop_front();
  }
}

}  // namespace varve::block
