// The heap's own pages from hostile bytes: refused, or taken, and then the allocator works on.
#include <cstring>

#include "block/heap_format.h"

namespace varve::block {
namespace {

constexpr uint64_t kChunks = 8, kArenaBytes = (1 + kChunks) * kChunkBytes;

// The input is the heap's header, then the beginnings of the chunks: header and bitmap.
void fuzz_heap(ByteView input) {
  alignas(16) static std::byte arena[kArenaBytes];
  std::memset(arena, 0, kArenaBytes);
  auto* header = reinterpret_cast<HeapHeader*>(arena);
  header->magic = kHeapMagic;
  if (input.empty()) return;
  header->chunks_used = static_cast<uint8_t>(input[0]) % (kChunks + 2);
  input = input.subspan(1);
  for (uint64_t chunk = 0; chunk < kChunks && !input.empty(); ++chunk) {
    std::byte* at = arena + (1 + chunk) * kChunkBytes;
    const ByteView part = input.first(std::min<size_t>(input.size(), 96));
    std::memcpy(at, part.data(), part.size());
    if (part[0] != std::byte{}) std::memcpy(at, &kChunkMagic, sizeof kChunkMagic);
    input = input.subspan(part.size());
  }
  Heap heap(arena, kChunkBytes, kChunks);
  const Result<void> loaded = heap.load();
  VARVE_ASSERT(loaded.ok() || loaded.code() == Code::kBadFormat, "damage has one name");
  if (!loaded.ok()) return;
  VARVE_ASSERT(heap.allocated_bytes() <= heap.capacity_bytes(), "no more is used than there is");
  heap.begin(true);
  for (uint32_t bytes = 16; bytes < 40'000; bytes += bytes / 2) {
    const Result<HeapOffset> offset = heap.allocate(bytes);
    if (!offset.ok()) continue;
    VARVE_ASSERT(*offset >= kChunkBytes && *offset + bytes <= kArenaBytes, "what is allocated lies inside");
    std::memset(arena + *offset, 1, bytes);
  }
  heap.rollback();
}

}  // namespace
}  // namespace varve::block

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  varve::block::fuzz_heap({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
