// The transactional heap over an arena of memory: size-class allocation, before-images for rollback, and
// the list of changed ranges that the log needs. Knows nothing of devices.
//
// The arena is cut into chunks of 64 KiB. A chunk is free, or holds slots of one size and a bitmap of
// those in use, or begins a run of chunks with one large allocation. All that is persistent stands in
// the arena itself and is logged as any other change; the rest is rebuilt by load().
#pragma once

#include <array>
#include <span>
#include <vector>

#include "block/volume.h"

namespace varve::block {

inline constexpr uint64_t kChunkBytes = 64 * kKiB;
// Slots are multiples of this.
inline constexpr uint32_t kGranuleBytes = 16;

// Page 0 of the arena.
struct HeapHeader {
  uint64_t magic;
  uint64_t chunks_used;  // chunks [0, chunks_used) have been in use at some time
};
static_assert(sizeof(HeapHeader) == 16);

// The first bytes of a chunk that is not free; all zero in a free one.
struct ChunkHeader {
  enum Kind : uint8_t { kFree = 0, kSlots = 1, kRun = 2 };
  uint32_t magic;
  Kind kind;
  uint8_t size_class;
  uint16_t reserved;
  uint32_t run_chunks;  // kRun
  uint32_t reserved_2;
};
static_assert(sizeof(ChunkHeader) == 16);

struct ChangedRange {
  HeapOffset offset;
  uint32_t length;
  uint32_t undo;  // where its before-image begins, or one of the marks below
  static constexpr uint32_t kFresh = ~0U;      // allocated by this transaction
  static constexpr uint32_t kAllocator = ~1U;  // the allocator's own; stays valid after a rollback
};

class Heap {
 public:
  // Chunks begin at `first_chunk` (a multiple of kChunkBytes) and fill `chunk_count` * kChunkBytes.
  Heap(std::byte* arena, uint64_t first_chunk, uint64_t chunk_count);

  // A zeroed arena becomes an empty heap; the change belongs to the next transaction.
  void initialize();
  // Rebuilds the volatile state. kBadFormat names the damaged chunk.
  Result<void> load();

  void begin(bool into_reserve);
  bool in_transaction() const { return open_; }
  Result<HeapOffset> allocate(uint32_t bytes);
  void free(HeapOffset offset, uint32_t bytes);
  void change(HeapOffset offset, uint32_t bytes) {
    VARVE_ASSERT(open_, "changes are made inside a transaction");
    if (bytes == 0) return;
    if (!ranges_.empty()) {
      const ChangedRange& last = ranges_.back();
      if (offset >= last.offset && offset + bytes <= last.offset + last.length &&
          last.undo != ChangedRange::kAllocator)
        return;
    }
    remember(offset, bytes);
  }
  // Applies the frees and ends the transaction. The ranges are valid until the next begin(): sorted and
  // merged if `merge`, else meaningless.
  std::span<const ChangedRange> commit(bool merge);
  void rollback();

  HeapHeader* header() { return reinterpret_cast<HeapHeader*>(arena_); }
  uint64_t allocated_bytes() const { return allocated_bytes_; }
  uint64_t capacity_bytes() const { return chunks_.size() * kChunkBytes; }
  // Changes outside a transaction, logged with the next one; for the volume's own header fields.
  void note_own_change(HeapOffset offset, uint32_t bytes) {
    if (has_ended_) forget_ended();
    ranges_.push_back({offset, bytes, ChangedRange::kAllocator});
  }

 private:
  static constexpr uint32_t kNoChunk = ~0U;
  // What is known of a chunk without touching it.
  struct Chunk {
    uint16_t free_slots = 0;
    uint8_t size_class = 0;
    ChunkHeader::Kind kind = ChunkHeader::kFree;
    bool listed = false;  // stands in its class's list of partly free chunks
  };
  struct ClassState {
    uint32_t current = kNoChunk;
    uint32_t word = 0;  // no free slot below this word of the current chunk's bitmap
    std::vector<uint32_t> partial;
  };
  struct Freed {
    HeapOffset offset;
    uint32_t bytes;
  };

  std::byte* chunk_at(uint32_t chunk) const { return arena_ + first_chunk_ + chunk * kChunkBytes; }
  uint32_t chunk_of(HeapOffset offset) const {
    return static_cast<uint32_t>((offset - first_chunk_) / kChunkBytes);
  }
  void remember(HeapOffset offset, uint32_t bytes);
  void forget_ended() {
    ranges_.clear();
    has_ended_ = false;
  }
  void note(const void* at, uint32_t bytes) {
    note_own_change(static_cast<HeapOffset>(static_cast<const std::byte*>(at) - arena_), bytes);
  }
  HeapOffset take_slot(unsigned size_class, ClassState& state);
  bool next_chunk(unsigned size_class, ClassState& state);
  uint32_t take_chunks(uint32_t count);
  void give_back_chunks(uint32_t chunk, uint32_t count);
  Result<HeapOffset> allocate_run(uint32_t bytes);
  void release(HeapOffset offset, uint32_t bytes);
  void release_slot(uint32_t chunk, HeapOffset offset);
  Result<void> load_chunk(uint32_t& chunk);
  Error out_of_space(uint32_t bytes) const;
  void merge_ranges();

  std::byte* const arena_;
  const uint64_t first_chunk_;
  std::vector<Chunk> chunks_;
  uint64_t free_chunks_ = 0;
  uint64_t reserve_chunks_ = 0;
  uint32_t lowest_free_ = 0;  // no chunk below is free
  std::array<ClassState, 64> classes_;
  uint64_t allocated_bytes_ = 0;

  bool open_ = false;
  bool into_reserve_ = false;
  bool has_ended_ = false;  // ranges_ holds what the last commit returned
  std::vector<ChangedRange> ranges_;
  std::vector<std::byte> undo_;
  uint32_t undo_used_ = 0;
  std::vector<Freed> freed_;
};

}  // namespace varve::block
