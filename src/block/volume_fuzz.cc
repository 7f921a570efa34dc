// Superblock, log group and journal from hostile bytes: parsed, or refused; never believed.
#include <cstring>
#include <memory>

#include "base/checksum.h"
#include "block/layout.h"
#include "block/log_format.h"

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

void fuzz_group(ByteView input) {
  if (input.size() < sizeof(GroupHeader)) return;
  Buffer group(input.begin(), input.end());
  auto& header = *reinterpret_cast<GroupHeader*>(group.data());
  header.length = static_cast<uint32_t>(group.size());
  header.records %= 1000;
  seal_group(group);
  VARVE_ASSERT(is_intact(group), "what was sealed is intact");
  uint64_t heap_bytes = 0;
  const Result<void> visited = visit_entries(group, [&](const LogEntry& entry) -> Result<void> {
    VARVE_ASSERT(entry.kind == LogEntry::kReleased || entry.bytes.size() == entry.length,
                 "an entry has the bytes it speaks of");
    heap_bytes += crc32c(entry.bytes) & 1;
    return {};
  });
  VARVE_ASSERT(visited.ok() || visited.code() == Code::kBadFormat, "damage has one name");
}

}  // namespace
}  // namespace varve::block

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const varve::ByteView input(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  if (data[0] % 2)
    varve::block::fuzz_superblock(input);
  else
    varve::block::fuzz_group(input);
  return 0;
}
