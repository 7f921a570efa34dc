// What stands where on a device, and the blocks that say so. docs/formats/volume.md is the description;
// this file follows it.
#pragma once

#include <array>
#include <string>

#include "base/ids.h"
#include "block/volume.h"
#include "device/device.h"

namespace varve::block {

inline constexpr uint64_t kPageBytes = device::kBlockBytes;
inline constexpr uint64_t kSuperblockMagic = 0x4c4f564556524156;  // "VARVEVOL"
inline constexpr uint32_t kFormatVersion = 1;
// The two copies of the superblock.
inline constexpr std::array<uint64_t, 2> kSuperblockOffsets = {0, 64 * kKiB};
inline constexpr uint64_t kSuperblockAreaBytes = 128 * kKiB;

// Entries of one block of the page table (a crc by arena page) and of its directory (a crc by table block).
inline constexpr uint64_t kTableEntries = 1024;
inline constexpr uint64_t kDirectoryEntries = 1020;
// Images of one checkpoint batch, which the journal holds whole.
inline constexpr uint32_t kJournalImagesMax = 504;

// All offsets are bytes from the start of the device, all sizes multiples of kPageBytes.
struct Geometry {
  uint64_t device_bytes;
  uint64_t journal_offset;
  uint64_t log_offset, log_bytes;  // log_bytes 0: a device that does not persist
  uint64_t directory_offset, directory_blocks;
  uint64_t table_offset, table_blocks;
  uint64_t arena_offset, arena_bytes;  // page images; on a memory device the arena itself
  uint64_t data_offset, data_bytes;
  // Inside the arena.
  uint64_t bitmap_offset, bitmap_bytes;  // one bit for each block of data, 1: in use
  uint64_t chunks_offset, chunk_count;
  bool operator==(const Geometry&) const = default;
};
static_assert(sizeof(Geometry) == 16 * 8);

struct Superblock {
  uint64_t magic;
  uint32_t version;
  uint32_t crc;  // crc32c of the block, this field zero
  Uuid system;
  Uuid volume;  // made at format: log and journal of an earlier format never match
  uint32_t target;
  uint32_t clean;        // 1: closed, nothing to replay
  uint64_t revision;     // of two intact copies the higher counts
  uint64_t incarnation;  // counts opens; each log group carries it
  Geometry geometry;
  uint64_t log_tail;       // position where replay begins
  uint64_t tail_sequence;  // of the group there
  uint64_t must_reach;     // replay that ends below this position has met damage
  uint64_t journal_batch;  // batches up to this one are in place
  uint32_t directory_crc;  // of the crcs of all directory blocks, as of that batch
  std::byte padding[3860];
};
static_assert(sizeof(Superblock) == kPageBytes);

// kNoSpace if the device is too small for what is asked, with the size that would do.
Result<Geometry> plan_geometry(const device::Device& device, const FormatOptions& options);
// Every relation that the rest relies on; for what comes from a device. Names the first that fails.
Result<void> check_geometry(const Geometry& geometry, uint64_t device_bytes);

void seal_superblock(Superblock& block);
// Magic, version, crc, geometry. kNonexistent: no magic; kIncompatible; kBadFormat. `copy` for the text.
Result<Superblock> parse_superblock(ByteView block, uint64_t device_bytes, const std::string& copy);

// The log's region of the ring at a position, wrapped.
inline uint64_t log_device_offset(const Geometry& geometry, uint64_t position) {
  return geometry.log_offset + position % geometry.log_bytes;
}

}  // namespace varve::block
