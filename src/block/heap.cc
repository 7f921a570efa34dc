#include "block/heap.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "block/heap_format.h"

namespace varve::block {
namespace {

uint64_t* bitmap_of(std::byte* chunk) {
  return reinterpret_cast<uint64_t*>(chunk + sizeof(ChunkHeader));
}
ChunkHeader* header_of(std::byte* chunk) { return reinterpret_cast<ChunkHeader*>(chunk); }

}  // namespace

Heap::Heap(std::byte* arena, uint64_t first_chunk, uint64_t chunk_count)
    : arena_(arena), first_chunk_(first_chunk), chunks_(chunk_count), free_chunks_(chunk_count),
      reserve_chunks_(std::clamp<uint64_t>(chunk_count / 32, 2, 256)) {
  VARVE_ASSERT(first_chunk % kChunkBytes == 0 && chunk_count < kNoChunk, "");
  undo_.resize(64 * kKiB);
}

void Heap::initialize() {
  *header() = HeapHeader{kHeapMagic, 0};
  note(header(), sizeof(HeapHeader));
}

Result<void> Heap::load() {
  if (header()->magic != kHeapMagic)
    return Error(Code::kBadFormat, "heap header: its magic number is wrong; the volume is damaged");
  if (header()->chunks_used > chunks_.size())
    return Error(Code::kBadFormat, "heap header: says that " + std::to_string(header()->chunks_used) +
                                       " chunks are in use, of " + std::to_string(chunks_.size()));
  for (uint32_t chunk = 0; chunk < header()->chunks_used;) VARVE_CHECK(load_chunk(chunk));
  return {};
}

Result<void> Heap::load_chunk(uint32_t& chunk) {
  const ChunkHeader& header = *header_of(chunk_at(chunk));
  const auto damaged = [&](const char* what) {
    return Error(Code::kBadFormat, "heap chunk " + std::to_string(chunk) + ": " + what);
  };
  if (header.kind == ChunkHeader::kFree) {
    ++chunk;
    return {};
  }
  if (header.magic != kChunkMagic) return damaged("its magic number is wrong");
  Chunk& state = chunks_[chunk];
  state.kind = header.kind;
  if (header.kind == ChunkHeader::kRun) {
    if (header.run_chunks == 0 || header.run_chunks > chunks_.size() - chunk)
      return damaged("a run of chunks leaves the arena");
    for (uint32_t i = 0; i < header.run_chunks; ++i) chunks_[chunk + i].kind = ChunkHeader::kRun;
    allocated_bytes_ += header.run_chunks * kChunkBytes;
    free_chunks_ -= header.run_chunks;
    chunk += header.run_chunks;
    return {};
  }
  if (header.kind != ChunkHeader::kSlots || header.size_class >= kClassCount)
    return damaged("its kind or size class is not defined");
  const ClassGeometry& geometry = kGeometry[header.size_class];
  const uint64_t* words = bitmap_of(chunk_at(chunk));
  uint32_t used = 0;
  for (uint32_t i = 0; i < geometry.words; ++i) used += static_cast<uint32_t>(std::popcount(words[i]));
  const uint32_t past = geometry.words * 64 - geometry.slots;
  if (past && words[geometry.words - 1] >> (64 - past) != ~0ULL >> (64 - past))
    return damaged("bits past its last slot are not set");
  used -= past;
  state.size_class = header.size_class;
  state.free_slots = static_cast<uint16_t>(geometry.slots - used);
  allocated_bytes_ += uint64_t{used} * geometry.slot_bytes;
  --free_chunks_;
  if (state.free_slots > 0) {
    state.listed = true;
    classes_[header.size_class].partial.push_back(chunk);
  }
  ++chunk;
  return {};
}

void Heap::begin(bool into_reserve) {
  VARVE_ASSERT(!open_, "one transaction at a time");
  open_ = true;
  into_reserve_ = into_reserve;
  if (has_ended_) forget_ended();
}

void Heap::remember(HeapOffset offset, uint32_t bytes) {
  if (undo_used_ + bytes > undo_.size()) undo_.resize((undo_used_ + bytes) * 2);
  std::memcpy(undo_.data() + undo_used_, arena_ + offset, bytes);
  ranges_.push_back({offset, bytes, undo_used_});
  undo_used_ += bytes;
}

Result<HeapOffset> Heap::allocate(uint32_t bytes) {
  VARVE_ASSERT(open_ && bytes > 0, "allocations are made inside a transaction");
  if (bytes > kSlotBytesMax) return allocate_run(bytes);
  const unsigned size_class = class_of(bytes);
  ClassState& state = classes_[size_class];
  if (state.current == kNoChunk && !next_chunk(size_class, state)) return out_of_space(bytes);
  const HeapOffset offset = take_slot(size_class, state);
  ranges_.push_back({offset, bytes, ChangedRange::kFresh});
  allocated_bytes_ += kGeometry[size_class].slot_bytes;
  return offset;
}

// The current chunk of a class always has a free slot.
HeapOffset Heap::take_slot(unsigned size_class, ClassState& state) {
  const ClassGeometry& geometry = kGeometry[size_class];
  const uint32_t chunk = state.current;
  uint64_t* words = bitmap_of(chunk_at(chunk));
  uint32_t word = state.word;
  while (words[word] == ~0ULL) {
    ++word;
    VARVE_ASSERT(word < geometry.words, "a chunk with free slots has a free bit");
  }
  state.word = word;
  const unsigned bit = static_cast<unsigned>(std::countr_one(words[word]));
  words[word] |= 1ULL << bit;
  note(reinterpret_cast<std::byte*>(&words[word]) + bit / 8, 1);
  if (--chunks_[chunk].free_slots == 0) state.current = kNoChunk;
  return first_chunk_ + chunk * kChunkBytes + geometry.first_slot +
         (uint64_t{word} * 64 + bit) * geometry.slot_bytes;
}

bool Heap::next_chunk(unsigned size_class, ClassState& state) {
  while (!state.partial.empty()) {
    const uint32_t chunk = state.partial.back();
    state.partial.pop_back();
    Chunk& candidate = chunks_[chunk];
    // An entry outlives its chunk's return to the free ones.
    if (candidate.kind != ChunkHeader::kSlots || candidate.size_class != size_class) continue;
    candidate.listed = false;
    if (candidate.free_slots == 0) continue;
    state.current = chunk;
    state.word = 0;
    return true;
  }
  const uint32_t chunk = take_chunks(1);
  if (chunk == kNoChunk) return false;
  const ClassGeometry& geometry = kGeometry[size_class];
  chunks_[chunk] = {static_cast<uint16_t>(geometry.slots), static_cast<uint8_t>(size_class),
                    ChunkHeader::kSlots, false};
  ChunkHeader* header = header_of(chunk_at(chunk));
  *header = ChunkHeader{kChunkMagic, ChunkHeader::kSlots, static_cast<uint8_t>(size_class), 0, 0, 0};
  uint64_t* words = bitmap_of(chunk_at(chunk));
  std::memset(words, 0, geometry.words * 8);
  if (geometry.slots % 64) words[geometry.words - 1] = ~0ULL << geometry.slots % 64;
  note(header, static_cast<uint32_t>(sizeof(ChunkHeader) + geometry.words * 8));
  state.current = chunk;
  state.word = 0;
  return true;
}

// kNoChunk if there is no such run of free chunks, or only in the reserve.
uint32_t Heap::take_chunks(uint32_t count) {
  if (free_chunks_ < count + (into_reserve_ ? 0 : reserve_chunks_)) return kNoChunk;
  uint32_t run = 0;
  for (uint32_t chunk = lowest_free_; chunk < chunks_.size(); ++chunk) {
    if (chunks_[chunk].kind != ChunkHeader::kFree) {
      if (run == 0 && chunk == lowest_free_) ++lowest_free_;
      run = 0;
      continue;
    }
    if (++run < count) continue;
    const uint32_t first = chunk + 1 - count;
    free_chunks_ -= count;
    if (chunk >= header()->chunks_used) {
      header()->chunks_used = chunk + 1;
      note(&header()->chunks_used, sizeof(uint64_t));
    }
    return first;
  }
  return kNoChunk;
}

void Heap::give_back_chunks(uint32_t chunk, uint32_t count) {
  ChunkHeader* header = header_of(chunk_at(chunk));
  std::memset(header, 0, sizeof(ChunkHeader));
  note(header, sizeof(ChunkHeader));
  for (uint32_t i = 0; i < count; ++i) {
    // A run's later chunks held the user's bytes where a header would be.
    if (i > 0) {
      std::memset(chunk_at(chunk + i), 0, sizeof(ChunkHeader));
      note(chunk_at(chunk + i), sizeof(ChunkHeader));
    }
    chunks_[chunk + i] = Chunk{};
  }
  free_chunks_ += count;
  lowest_free_ = std::min(lowest_free_, chunk);
}

Result<HeapOffset> Heap::allocate_run(uint32_t bytes) {
  const uint32_t count = run_chunks_of(bytes);
  const uint32_t chunk = take_chunks(count);
  if (chunk == kNoChunk) return out_of_space(bytes);
  for (uint32_t i = 0; i < count; ++i) chunks_[chunk + i].kind = ChunkHeader::kRun;
  ChunkHeader* header = header_of(chunk_at(chunk));
  *header = ChunkHeader{kChunkMagic, ChunkHeader::kRun, 0, 0, count, 0};
  note(header, sizeof(ChunkHeader));
  allocated_bytes_ += count * kChunkBytes;
  const HeapOffset offset = first_chunk_ + chunk * kChunkBytes + kRunHeaderBytes;
  ranges_.push_back({offset, bytes, ChangedRange::kFresh});
  return offset;
}

void Heap::free(HeapOffset offset, uint32_t bytes) {
  VARVE_ASSERT(open_ && offset >= first_chunk_ && bytes > 0,
               "what is freed was allocated, inside a transaction");
  freed_.push_back({offset, bytes});
}

void Heap::release(HeapOffset offset, uint32_t bytes) {
  const uint32_t chunk = chunk_of(offset);
  VARVE_ASSERT(chunk < chunks_.size(), "an allocation lies in the arena");
  if (bytes > kSlotBytesMax) {
    const uint32_t count = run_chunks_of(bytes);
    const ChunkHeader& header = *header_of(chunk_at(chunk));
    VARVE_ASSERT(header.kind == ChunkHeader::kRun && header.run_chunks == count &&
                     offset % kChunkBytes == kRunHeaderBytes,
                 "freed once, with the size it was allocated with");
    allocated_bytes_ -= count * kChunkBytes;
    give_back_chunks(chunk, count);
    return;
  }
  VARVE_ASSERT(chunks_[chunk].kind == ChunkHeader::kSlots &&
                   chunks_[chunk].size_class == class_of(bytes),
               "freed with the size it was allocated with");
  release_slot(chunk, offset);
}

void Heap::release_slot(uint32_t chunk, HeapOffset offset) {
  Chunk& state = chunks_[chunk];
  const ClassGeometry& geometry = kGeometry[state.size_class];
  const uint64_t in_chunk = (offset - first_chunk_) % kChunkBytes - geometry.first_slot;
  const uint32_t slot = static_cast<uint32_t>(in_chunk * geometry.inverse >> 32);
  VARVE_ASSERT(slot < geometry.slots && slot * geometry.slot_bytes == in_chunk,
               "a freed offset is one that allocate() returned");
  uint64_t* words = bitmap_of(chunk_at(chunk));
  const uint32_t word = slot / 64, bit = slot % 64;
  VARVE_ASSERT(words[word] >> bit & 1, "freed once");
  words[word] &= ~(1ULL << bit);
  note(reinterpret_cast<std::byte*>(&words[word]) + bit / 8, 1);
  allocated_bytes_ -= geometry.slot_bytes;
  ++state.free_slots;
  ClassState& list = classes_[state.size_class];
  if (list.current == chunk) {
    list.word = std::min(list.word, word);
  } else if (state.free_slots == geometry.slots) {
    give_back_chunks(chunk, 1);
  } else if (!state.listed) {
    state.listed = true;
    list.partial.push_back(chunk);
  }
}

std::span<const ChangedRange> Heap::commit(bool merge) {
  VARVE_ASSERT(open_, "commit ends a transaction");
  for (const Freed& freed : freed_) release(freed.offset, freed.bytes);
  freed_.clear();
  undo_used_ = 0;
  open_ = false;
  has_ended_ = true;
  if (merge) merge_ranges();
  return ranges_;
}

// A gap this small costs less to log than another range.
constexpr uint64_t kGapBytesMax = 4;

void Heap::merge_ranges() {
  if (ranges_.size() < 2) return;
  const auto before = [](const ChangedRange& a, const ChangedRange& b) { return a.offset < b.offset; };
  if (ranges_.size() <= 24) {
    for (size_t i = 1; i < ranges_.size(); ++i) {
      const ChangedRange range = ranges_[i];
      size_t at = i;
      for (; at > 0 && range.offset < ranges_[at - 1].offset; --at) ranges_[at] = ranges_[at - 1];
      ranges_[at] = range;
    }
  } else {
    std::sort(ranges_.begin(), ranges_.end(), before);
  }
  size_t kept = 0;
  for (size_t i = 1; i < ranges_.size(); ++i) {
    ChangedRange& last = ranges_[kept];
    const ChangedRange& range = ranges_[i];
    const uint64_t end = last.offset + last.length;
    if (range.offset <= end + kGapBytesMax) {
      last.length = static_cast<uint32_t>(std::max(end, range.offset + range.length) - last.offset);
    } else {
      ranges_[++kept] = range;
    }
  }
  ranges_.resize(kept + 1);
}

void Heap::rollback() {
  VARVE_ASSERT(open_, "rollback ends a transaction");
  open_ = false;
  freed_.clear();
  std::vector<ChangedRange> ranges;
  ranges.swap(ranges_);
  for (size_t i = ranges.size(); i-- > 0;) {
    const ChangedRange& range = ranges[i];
    if (range.undo == ChangedRange::kAllocator) {
      ranges_.push_back(range);  // goes with the next commit, as it will be then
    } else if (range.undo == ChangedRange::kFresh) {
      release(range.offset, range.length);
    } else {
      std::memcpy(arena_ + range.offset, undo_.data() + range.undo, range.length);
    }
  }
  undo_used_ = 0;
}

Error Heap::out_of_space(uint32_t bytes) const {
  return Error(Code::kNoSpace,
               "heap: no room for " + std::to_string(bytes) + " bytes: " +
                   std::to_string(allocated_bytes_) + " of " + std::to_string(capacity_bytes()) +
                   " bytes are in use; punch or destroy something, or format with a larger heap");
}

}  // namespace varve::block
