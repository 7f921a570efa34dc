// crc32c (Castagnoli, polynomial 0x1EDC6F41 reflected, RFC 3720 appendix B.4) and a 64-bit hash.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace varve {

// `seed` is the checksum of the bytes before; 0 for none. crc32c("123456789") = 0xE3069283.
uint32_t crc32c(ByteView bytes, uint32_t seed = 0);
uint32_t crc32c(Gather pieces, uint32_t seed = 0);

// XXH3-64 with seed: fixed by docs/formats, decides layouts and hashed key order.
uint64_t hash64(ByteView bytes, uint64_t seed = 0);
// A bijective mix of 64 bits (the finaliser of MurmurHash3, fmix64).
constexpr uint64_t mix64(uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccdULL;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53ULL;
  return value ^ (value >> 33);
}

}  // namespace varve
