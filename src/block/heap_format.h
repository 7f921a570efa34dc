// How the heap lies in the arena: chunks, size classes, bitmaps. Shared by the heap and by those who check it;
// docs/formats/volume.md describes it.
#pragma once

#include <array>
#include <cstdint>
#include <iterator>

#include "block/heap.h"

namespace varve::block {

inline constexpr uint64_t kHeapMagic = 0x5041454856524156;  // "VARVHEAP" as it lies in memory
inline constexpr uint32_t kChunkMagic = 0x4b4e4843;         // "CHNK"

// Slot sizes: dense where small values live, then as many as fit 15, 12, ... 4 times into a chunk.
inline constexpr uint32_t kSlotBytes[] = {
    16,   32,   48,   64,   80,   96,   112,  128,  144,  160,  176,  192,  208,  224,  240,
    256,  288,  320,  352,  384,  416,  448,  480,  512,  576,  640,  704,  768,  832,  896,
    960,  1024, 1152, 1280, 1408, 1536, 1680, 1872, 2048, 2256, 2512, 2720, 2976, 3264, 3632,
    4080, 4352, 5024, 5936, 6528, 7264, 8176, 9344, 10896, 13088, 16352};
inline constexpr unsigned kClassCount = std::size(kSlotBytes);
inline constexpr uint32_t kSlotBytesMax = kSlotBytes[kClassCount - 1];
static_assert(kClassCount <= 64);

// A chunk of one size class.
struct ClassGeometry {
  uint32_t slot_bytes = 0;
  uint32_t slots = 0;
  uint32_t words = 0;       // of the bitmap
  uint32_t first_slot = 0;  // from the chunk's start
  uint64_t inverse = 0;     // ceil(2^32 / slot_bytes): division by multiplication, exact below 64 KiB
};

constexpr ClassGeometry geometry_of(uint32_t slot_bytes) {
  ClassGeometry geometry;
  geometry.slot_bytes = slot_bytes;
  uint32_t slots = static_cast<uint32_t>((kChunkBytes - sizeof(ChunkHeader)) / slot_bytes);
  for (;; --slots) {
    const uint32_t words = (slots + 63) / 64;
    const uint32_t first = static_cast<uint32_t>(round_up(sizeof(ChunkHeader) + words * 8, 16));
    if (first + slots * slot_bytes <= kChunkBytes) {
      geometry.slots = slots;
      geometry.words = words;
      geometry.first_slot = first;
      break;
    }
  }
  geometry.inverse = ((1ULL << 32) + slot_bytes - 1) / slot_bytes;
  return geometry;
}

// By size class.
inline constexpr auto kGeometry = [] {
  std::array<ClassGeometry, kClassCount> all{};
  for (unsigned i = 0; i < kClassCount; ++i) all[i] = geometry_of(kSlotBytes[i]);
  return all;
}();

// By size in granules: the smallest class that holds it.
inline constexpr auto kClassOf = [] {
  std::array<uint8_t, kSlotBytesMax / kGranuleBytes + 1> table{};
  unsigned size_class = 0;
  for (uint32_t granules = 0; granules < table.size(); ++granules) {
    while (kSlotBytes[size_class] < granules * kGranuleBytes) ++size_class;
    table[granules] = static_cast<uint8_t>(size_class);
  }
  return table;
}();

// The size class of an allocation; bytes <= kSlotBytesMax.
inline unsigned class_of(uint32_t bytes) { return kClassOf[(bytes + kGranuleBytes - 1) / kGranuleBytes]; }

// Runs keep their header in the first 64 bytes.
inline constexpr uint32_t kRunHeaderBytes = 64;
// Chunks of a run that holds `bytes`.
inline uint32_t run_chunks_of(uint32_t bytes) {
  return static_cast<uint32_t>((uint64_t{bytes} + kRunHeaderBytes + kChunkBytes - 1) / kChunkBytes);
}

}  // namespace varve::block
