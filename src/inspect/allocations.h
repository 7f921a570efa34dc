// The heap's allocation map and the data area's, held against what the store refers to: every reference
// claims what it names, so that nothing is used twice, everything that is used is marked so, and at the end
// everything that is marked has been claimed.
#pragma once

#include <functional>

#include "inspect/findings.h"
#include "inspect/image.h"

namespace varve::inspect {

// What the allocator says, counted.
struct HeapCounts {
  uint64_t chunks = 0, free_chunks = 0, run_chunks = 0;
  uint64_t used_slots[64] = {}, slots[64] = {};  // by size class
  uint64_t allocated_bytes = 0;
};

class Allocations {
 public:
  // Reads and checks the heap's header and every chunk's.
  Allocations(const Image& image, Findings& findings);

  // What is wrong with an allocation of `bytes` at `offset` that something refers to; null: nothing, and it
  // is claimed. Follow a reference only then: what is claimed once is walked once.
  [[nodiscard]] const char* claim(uint64_t offset, uint64_t bytes);
  // The same for a part of an allocation that has been claimed.
  [[nodiscard]] const char* claim_embedded(uint64_t offset, uint64_t bytes);
  [[nodiscard]] const char* claim_extent(const block::Extent& extent);
  // What is marked as used and was not claimed. Meaningful when everything was walked.
  void report_leaks(Findings& findings) const;

  const HeapCounts& counts() const { return counts_; }
  uint64_t used_blocks() const;  // of the data area
  // Every run of free blocks of the data area, in bytes.
  void visit_free(const std::function<void(uint64_t bytes)>& visit) const;

 private:
  struct Chunk {
    block::ChunkHeader::Kind kind = block::ChunkHeader::kFree;
    uint8_t size_class = 0;
    bool believed = true;
    uint32_t run_chunks = 0;  // of the first chunk of a run
  };
  bool is_used(uint64_t block) const;
  // The first block at or above `from` that is (not) in use; `limit` if there is none below it.
  uint64_t next_block(uint64_t from, uint64_t limit, bool used) const;
  void read_chunks(Findings& findings);
  void read_slots(uint64_t chunk, const block::ChunkHeader& header, Findings& findings);
  uint64_t chunk_offset(uint64_t chunk) const;
  uint64_t slot_word(uint64_t chunk, uint32_t word) const;
  bool set_all(const block::LazyMemory& bits, uint64_t first, uint64_t count);

  const Image& image_;
  const block::Geometry& geometry_;
  std::vector<Chunk> chunks_;
  HeapCounts counts_;
  // One bit for each granule of the arena; for each block of the data area.
  block::LazyMemory claimed_, embedded_, extents_;
};

}  // namespace varve::inspect
