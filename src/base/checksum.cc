#include "base/checksum.h"

#include <isa-l/crc.h>
#include <nmmintrin.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace varve {

uint32_t crc32c(ByteView bytes, uint32_t seed) {
  uint32_t crc = ~seed;
  if (bytes.size() >= 256) {
    crc = crc32_iscsi(reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data())),
                      static_cast<int>(bytes.size()), crc);
    return ~crc;
  }
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  uint64_t wide = crc;
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = static_cast<uint32_t>(wide);
  for (; left > 0; ++at, --left) crc = _mm_crc32_u8(crc, static_cast<uint8_t>(*at));
  return ~crc;
}

uint32_t crc32c(Gather pieces, uint32_t seed) {
  for (const ByteView& piece : pieces) seed = crc32c(piece, seed);
  return seed;
}

uint64_t hash64(ByteView bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace varve
