// A superblock from hostile bytes: parsed, or refused; never believed.
#include <cstring>

#include "base/checksum.h"
#include "block/heap.h"
#include "block/layout.h"

namespace varve::block {
namespace {

void fuzz_superblock(ByteView input) {
  Superblock block{};
  std::memcpy(&block, input.data(), std::min(input.size(), sizeof block));
  block.magic = kSuperblockMagic;
  block.version = kFormatVersion;
  seal_superblock(block);
  const Result<Superblock> parsed = parse_superblock(bytes_of(block), 1 * kGiB, "fuzz");
  if (!parsed.ok()) return;
  const Geometry& geometry = parsed->geometry;
  VARVE_ASSERT(geometry.data_offset + geometry.data_bytes <= 1 * kGiB, "what is believed is inside");
  VARVE_ASSERT(geometry.chunks_offset + geometry.chunk_count * kChunkBytes == geometry.arena_bytes,
               "the arena is as large as what is in it");
}

}  // namespace
}  // namespace varve::block

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  varve::block::fuzz_superblock({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
