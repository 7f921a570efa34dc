// How ranges of a file fall into chunks: pure arithmetic.
#pragma once

#include <vector>

#include "object/wire.h"
#include "posix/file_system.h"

namespace varve::posix {

// One chunk's part of a read or write: ranges within the chunk and the memory for them, in the same
// order. View: ByteView (writes) or MutableByteView (reads).
template <class View>
struct ChunkPart {
  uint64_t chunk = 0;
  std::vector<object::Range> ranges;
  std::vector<View> memory;
};

// kInvalid: the ranges and the memory are not of one size, or a range ends beyond 2^63.
Result<uint64_t> check_ranges(std::span<const FileRange> ranges, uint64_t memory_bytes);

// In order; neighbouring parts of one chunk are merged.
template <class View>
std::vector<ChunkPart<View>> split_by_chunk(std::span<const FileRange> ranges,
                                            std::span<const View> memory, uint64_t chunk_bytes) {
  std::vector<ChunkPart<View>> parts;
  size_t piece = 0, used = 0;  // of memory
  for (const FileRange& range : ranges) {
    uint64_t offset = range.offset, left = range.length;
    while (left > 0) {
      const uint64_t chunk = offset / chunk_bytes, within = offset % chunk_bytes;
      const uint64_t length = std::min(left, chunk_bytes - within);
      if (parts.empty() || parts.back().chunk != chunk) parts.emplace_back().chunk = chunk;
      ChunkPart<View>& part = parts.back();
      part.ranges.push_back({within, length});
      for (uint64_t wanted = length; wanted > 0;) {
        while (used == memory[piece].size()) ++piece, used = 0;
        const uint64_t taken = std::min<uint64_t>(wanted, memory[piece].size() - used);
        part.memory.push_back(memory[piece].subspan(used, taken));
        used += taken;
        wanted -= taken;
      }
      offset += length;
      left -= length;
    }
  }
  return parts;
}

// The dkey of a chunk.
inline uint64_t chunk_key(uint64_t chunk) { return chunk + 1; }

}  // namespace varve::posix
