#include "inspect/allocations.h"

#include <algorithm>
#include <bit>

#include "block/heap_format.h"

namespace varve::inspect {
namespace {

using block::ChunkHeader;
using block::kChunkBytes;
using block::kGranuleBytes;
using block::kPageBytes;

bool bit_at(const block::LazyMemory& bits, uint64_t index) {
  return bits.as<uint64_t>()[index / 64] >> index % 64 & 1;
}
void set_bit(const block::LazyMemory& bits, uint64_t index) {
  bits.as<uint64_t>()[index / 64] |= uint64_t{1} << index % 64;
}

}  // namespace

Allocations::Allocations(const Image& image, Findings& findings)
    : image_(image), geometry_(image.geometry()), chunks_(geometry_.chunk_count),
      claimed_(geometry_.arena_bytes / kGranuleBytes / 8 + 8),
      embedded_(geometry_.arena_bytes / kGranuleBytes / 8 + 8),
      extents_(geometry_.data_bytes / kPageBytes / 8 + 8) {
  read_chunks(findings);
}

uint64_t Allocations::chunk_offset(uint64_t chunk) const {
  return geometry_.chunks_offset + chunk * kChunkBytes;
}

// Word of a chunk's bitmap; the chunk lies in the arena, and the word in the chunk.
uint64_t Allocations::slot_word(uint64_t chunk, uint32_t word) const {
  return *image_.heap().read<uint64_t>(chunk_offset(chunk) + sizeof(ChunkHeader) + word * 8);
}

void Allocations::read_chunks(Findings& findings) {
  counts_.chunks = chunks_.size();
  const auto header = *image_.heap().read<block::HeapHeader>(0);
  if (header.magic == 0 && header.chunks_used == 0) {
    counts_.free_chunks = chunks_.size();
    return;  // a volume that was never changed
  }
  if (header.magic != block::kHeapMagic)
    findings.damage("heap header", "its magic number is wrong");
  if (header.chunks_used > chunks_.size())
    findings.damage("heap header", "says that " + std::to_string(header.chunks_used) +
                                       " chunks have been used, of " +
                                       std::to_string(chunks_.size()));
  for (uint64_t chunk = 0; chunk < chunks_.size();) {
    const auto found = *image_.heap().read<ChunkHeader>(chunk_offset(chunk));
    const auto damaged = [&](const char* what) {
      findings.damage("heap chunk " + std::to_string(chunk), what);
    };
    const ChunkHeader zero{};
    if (std::memcmp(&found, &zero, sizeof zero) == 0) {
      ++counts_.free_chunks;
      ++chunk;
      continue;
    }
    if (chunk >= header.chunks_used) damaged("is in use above the last that the header knows");
    chunks_[chunk].kind = found.kind;
    chunks_[chunk].size_class = found.size_class;
    chunks_[chunk].believed = false;
    if (found.magic != block::kChunkMagic || found.reserved != 0 || found.reserved_2 != 0) {
      damaged("its header is damaged");
      ++chunk;
    } else if (found.kind == ChunkHeader::kRun && found.size_class == 0 && found.run_chunks > 0 &&
               found.run_chunks <= chunks_.size() - chunk) {
      for (uint64_t i = 0; i < found.run_chunks; ++i) chunks_[chunk + i].kind = ChunkHeader::kRun;
      chunks_[chunk].believed = true;
      chunks_[chunk].run_chunks = found.run_chunks;
      counts_.run_chunks += found.run_chunks;
      counts_.allocated_bytes += found.run_chunks * kChunkBytes;
      chunk += found.run_chunks;
    } else if (found.kind == ChunkHeader::kSlots && found.size_class < block::kClassCount &&
               found.run_chunks == 0) {
      chunks_[chunk].believed = true;
      read_slots(chunk++, found, findings);
    } else {
      damaged("its kind, size class or length is not possible");
      ++chunk;
    }
  }
}

void Allocations::read_slots(uint64_t chunk, const ChunkHeader& header, Findings& findings) {
  const block::ClassGeometry& geometry = block::kGeometry[header.size_class];
  uint64_t used = 0;
  for (uint32_t word = 0; word < geometry.words; ++word)
    used += static_cast<uint64_t>(std::popcount(slot_word(chunk, word)));
  const uint32_t past = geometry.words * 64 - geometry.slots;
  const uint64_t last = slot_word(chunk, geometry.words - 1);
  if (past != 0 && last >> (64 - past) != ~uint64_t{0} >> (64 - past))
    findings.damage("heap chunk " + std::to_string(chunk), "bits past its last slot are not set");
  used -= std::min<uint64_t>(used, past);
  // A chunk that is partly free is at hand for its class; one that is empty may be the class's current one.
  counts_.used_slots[header.size_class] += used;
  counts_.slots[header.size_class] += geometry.slots;
  counts_.allocated_bytes += used * geometry.slot_bytes;
}

bool Allocations::set_all(const block::LazyMemory& bits, uint64_t first, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i)
    if (bit_at(bits, first + i)) return false;
  for (uint64_t i = 0; i < count; ++i) set_bit(bits, first + i);
  return true;
}

const char* Allocations::claim(uint64_t offset, uint64_t bytes) {
  if (bytes == 0 || offset % kGranuleBytes != 0 || offset < geometry_.chunks_offset ||
      !image_.heap().bytes(offset, bytes))
    return "lies outside of the heap";
  const uint64_t number = (offset - geometry_.chunks_offset) / kChunkBytes;
  const Chunk& chunk = chunks_[number];
  const uint64_t in_chunk = (offset - geometry_.chunks_offset) % kChunkBytes;
  if (chunk.believed) {
    if (chunk.kind == ChunkHeader::kFree) return "lies in a chunk that is free";
    if (bytes > block::kSlotBytesMax) {
      if (chunk.run_chunks == 0 || in_chunk != block::kRunHeaderBytes) return "is no allocation";
      if (bytes > UINT32_MAX ||
          block::run_chunks_of(static_cast<uint32_t>(bytes)) != chunk.run_chunks)
        return "has another size than its allocation";
    } else {
      if (chunk.kind != ChunkHeader::kSlots) return "is no allocation";
      if (chunk.size_class != block::class_of(static_cast<uint32_t>(bytes)))
        return "has another size than its allocation";
      const block::ClassGeometry& geometry = block::kGeometry[chunk.size_class];
      const uint64_t slot = (in_chunk - geometry.first_slot) / geometry.slot_bytes;
      if (in_chunk < geometry.first_slot || slot >= geometry.slots ||
          geometry.first_slot + slot * geometry.slot_bytes != in_chunk)
        return "is no allocation";
      if (!(slot_word(number, static_cast<uint32_t>(slot / 64)) >> slot % 64 & 1))
        return "is used, and marked as free";
    }
  }
  if (!set_all(claimed_, offset / kGranuleBytes, (bytes + kGranuleBytes - 1) / kGranuleBytes))
    return "is used twice";
  return nullptr;
}

const char* Allocations::claim_embedded(uint64_t offset, uint64_t bytes) {
  if (bytes == 0 || offset % kGranuleBytes != 0 || !image_.heap().bytes(offset, bytes))
    return "lies outside of the heap";
  return set_all(embedded_, offset / kGranuleBytes, (bytes + kGranuleBytes - 1) / kGranuleBytes)
             ? nullptr
             : "is used twice";
}

bool Allocations::is_used(uint64_t block) const {
  // The bitmap lies in the arena, and covers the data area: the geometry was checked.
  const auto bits = *image_.heap().read<uint8_t>(geometry_.bitmap_offset + block / 8);
  return bits >> block % 8 & 1;
}

uint64_t Allocations::next_block(uint64_t from, uint64_t limit, bool used) const {
  for (uint64_t block = from; block < limit;) {
    const uint64_t word = *image_.heap().read<uint64_t>(geometry_.bitmap_offset + block / 64 * 8);
    const uint64_t bits = (used ? word : ~word) >> block % 64;
    if (bits != 0) return std::min(limit, block + static_cast<uint64_t>(std::countr_zero(bits)));
    block = round_down(block, 64) + 64;
  }
  return limit;
}

void Allocations::visit_free(const std::function<void(uint64_t bytes)>& visit) const {
  const uint64_t blocks = geometry_.data_bytes / kPageBytes;
  for (uint64_t at = next_block(0, blocks, false); at < blocks;) {
    const uint64_t end = next_block(at, blocks, true);
    visit((end - at) * kPageBytes);
    at = next_block(end, blocks, false);
  }
}

uint64_t Allocations::used_blocks() const {
  const uint64_t blocks = geometry_.data_bytes / kPageBytes;
  uint64_t used = blocks;
  visit_free([&used](uint64_t bytes) { used -= bytes / kPageBytes; });
  return used;
}

const char* Allocations::claim_extent(const block::Extent& extent) {
  if (!image_.in_data_area(extent)) return "lies outside of the data area";
  const uint64_t first = (extent.offset - geometry_.data_offset) / kPageBytes;
  const uint64_t count = extent.length / kPageBytes;
  for (uint64_t i = 0; i < count; ++i)
    if (!is_used(first + i)) return "is used, and marked as free";
  return set_all(extents_, first, count) ? nullptr : "is used twice";
}

void Allocations::report_leaks(Findings& findings) const {
  for (uint64_t number = 0; number < chunks_.size(); ++number) {
    const Chunk& chunk = chunks_[number];
    if (!chunk.believed || chunk.kind == ChunkHeader::kFree) continue;
    const std::string where = "heap chunk " + std::to_string(number);
    if (chunk.kind == ChunkHeader::kRun) {
      if (chunk.run_chunks != 0 &&
          !bit_at(claimed_, (chunk_offset(number) + block::kRunHeaderBytes) / kGranuleBytes))
        findings.damage(where, "leak: an allocation of " + std::to_string(chunk.run_chunks) +
                                   " chunks that nothing refers to");
      continue;
    }
    const block::ClassGeometry& geometry = block::kGeometry[chunk.size_class];
    for (uint32_t slot = 0; slot < geometry.slots; ++slot) {
      const uint64_t offset =
          chunk_offset(number) + geometry.first_slot + uint64_t{slot} * geometry.slot_bytes;
      if (!(slot_word(number, slot / 64) >> slot % 64 & 1) ||
          bit_at(claimed_, offset / kGranuleBytes))
        continue;
      findings.damage(where, "leak: nothing refers to the " + std::to_string(geometry.slot_bytes) +
                                 " bytes at heap offset " + std::to_string(offset));
    }
  }
  const uint64_t blocks = geometry_.data_bytes / kPageBytes;
  for (uint64_t at = next_block(0, blocks, true); at < blocks; at = next_block(at, blocks, true)) {
    const uint64_t first = at;
    while (at < blocks && is_used(at) && !bit_at(extents_, at)) ++at;
    if (at > first)
      findings.damage("data area", "leak: nothing refers to the " + std::to_string(at - first) +
                                       " blocks from device offset " +
                                       std::to_string(geometry_.data_offset + first * kPageBytes));
    else
      ++at;
  }
  if (next_block(blocks, geometry_.bitmap_bytes * 8, true) < geometry_.bitmap_bytes * 8)
    findings.damage("data area", "a block above its end is marked as used");
}

}  // namespace varve::inspect
