#include "block/layout.h"

#include <cstring>

#include "base/checksum.h"
#include "block/heap.h"

namespace varve::block {
namespace {

constexpr uint64_t kHeapBytesMin = 1 * kMiB, kLogBytesMin = 256 * kKiB;
constexpr uint64_t kHugePageBytes = 2 * kMiB;

uint64_t blocks_for(uint64_t items, uint64_t per_block) { return (items + per_block - 1) / per_block; }

// Everything in front of the data, for these sizes.
Geometry lay_out(uint64_t device_bytes, uint64_t log_bytes, uint64_t heap_bytes, bool persistent) {
  Geometry geometry{};
  geometry.device_bytes = device_bytes;
  geometry.bitmap_offset = 2 * kPageBytes;
  geometry.bitmap_bytes = round_up(blocks_for(device_bytes / kPageBytes, 8), kPageBytes);
  geometry.chunks_offset = round_up(geometry.bitmap_offset + geometry.bitmap_bytes, kChunkBytes);
  geometry.chunk_count = heap_bytes / kChunkBytes;
  geometry.arena_bytes = geometry.chunks_offset + geometry.chunk_count * kChunkBytes;
  uint64_t at = kSuperblockAreaBytes;
  if (persistent) {
    geometry.journal_offset = at;
    at += (1 + kJournalImagesMax) * kPageBytes;
    geometry.log_offset = at = round_up(at, 64 * kKiB);
    geometry.log_bytes = log_bytes;
    at += log_bytes;
    geometry.table_blocks = blocks_for(geometry.arena_bytes / kPageBytes, kTableEntries);
    geometry.directory_blocks = blocks_for(geometry.table_blocks, kDirectoryEntries);
    geometry.directory_offset = at;
    at += geometry.directory_blocks * kPageBytes;
    geometry.table_offset = at;
    at += geometry.table_blocks * kPageBytes;
  }
  geometry.arena_offset = round_up(at, persistent ? 64 * kKiB : kHugePageBytes);
  geometry.data_offset = round_up(geometry.arena_offset + geometry.arena_bytes, 64 * kKiB);
  if (geometry.data_offset < device_bytes)
    geometry.data_bytes = round_down(device_bytes - geometry.data_offset, kPageBytes);
  return geometry;
}

bool inside(uint64_t offset, uint64_t length, uint64_t limit) {
  return offset % kPageBytes == 0 && length % kPageBytes == 0 && offset <= limit &&
         length <= limit - offset;
}

}  // namespace

Result<Geometry> plan_geometry(const device::Device& device, const FormatOptions& options) {
  const uint64_t device_bytes = round_down(device.size_bytes(), kPageBytes);
  uint64_t heap_bytes = options.heap_bytes_max;
  if (heap_bytes == 0) heap_bytes = std::max(device_bytes / 8, 64 * kMiB);
  heap_bytes = round_up(std::max(heap_bytes, kHeapBytesMin), kChunkBytes);
  const uint64_t log_bytes = round_up(std::max(options.log_bytes, kLogBytesMin), kPageBytes);
  const Geometry geometry = lay_out(device_bytes, log_bytes, heap_bytes, device.persistent());
  if (geometry.data_bytes == 0)
    return Error(Code::kNoSpace, "device " + device.name() + ": " + std::to_string(device_bytes) +
                                     " bytes are too few for a log of " + std::to_string(log_bytes) +
                                     " and a heap of " + std::to_string(heap_bytes) +
                                     " bytes; it needs more than " +
                                     std::to_string(geometry.data_offset));
  return geometry;
}

Result<void> check_geometry(const Geometry& geometry, uint64_t device_bytes) {
  if (geometry.device_bytes > device_bytes)
    return Error(Code::kBadFormat, "the device has " + std::to_string(device_bytes) +
                                       " bytes, the volume was made for " +
                                       std::to_string(geometry.device_bytes) + ": it was truncated");
  // The layout follows from four numbers; anything else is damage (or another version).
  const Geometry expected =
      lay_out(geometry.device_bytes, geometry.log_bytes,
              inside(0, geometry.arena_bytes, geometry.device_bytes) &&
                      geometry.chunks_offset <= geometry.arena_bytes
                  ? geometry.arena_bytes - geometry.chunks_offset
                  : 0,
              geometry.log_bytes != 0);
  if (!(expected == geometry) || geometry.data_bytes == 0 || geometry.chunk_count == 0 ||
      !inside(geometry.log_offset, geometry.log_bytes, geometry.device_bytes) ||
      !inside(geometry.data_offset, geometry.data_bytes, geometry.device_bytes))
    return Error(Code::kBadFormat, "its layout contradicts itself");
  return {};
}

void seal_superblock(Superblock& block) {
  block.crc = 0;
  block.crc = crc32c(bytes_of(block));
}

Result<Superblock> parse_superblock(ByteView bytes, uint64_t device_bytes, const std::string& copy) {
  Superblock block;
  VARVE_ASSERT(bytes.size() >= sizeof block, "a superblock is one block");
  std::memcpy(&block, bytes.data(), sizeof block);
  if (block.magic != kSuperblockMagic)
    return Error(Code::kNonexistent, copy + ": no superblock is there");
  const uint32_t crc = block.crc;
  block.crc = 0;
  if (crc32c(bytes_of(block)) != crc)
    return Error(Code::kBadFormat, copy + ": its checksum does not match, it is damaged");
  block.crc = crc;
  if (block.version != kFormatVersion)
    return Error(Code::kIncompatible, copy + ": has format version " + std::to_string(block.version) +
                                          ", this program reads version " +
                                          std::to_string(kFormatVersion));
  Result<void> geometry = check_geometry(block.geometry, device_bytes);
  if (!geometry.ok()) return std::move(geometry.error()).with(copy);
  if (block.geometry.log_bytes != 0 && block.log_tail % kPageBytes != 0)
    return Error(Code::kBadFormat, copy + ": the log's tail is not at a block");
  return block;
}

}  // namespace varve::block
