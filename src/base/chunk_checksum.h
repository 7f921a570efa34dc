// The checksums that a container's data may carry: which kind, over how many bytes each. A checksum
// is a string of 32-bit words, the same on wire and disk (docs/internals/integrity.md).
#pragma once

#include <memory>

#include "base/checksum.h"

namespace varve {

// Values of DAOS_PROP_CO_CSUM (daos_prop.h).
enum class ChecksumKind : uint8_t {
  kOff = 0,
  kCrc16 = 1,  // T10 DIF, polynomial 0x8BB7
  kCrc32 = 2,  // crc32c
  kCrc64 = 3,  // ECMA-182, reflected (as in XZ)
  kSha1 = 4,
  kSha256 = 5,
  kSha512 = 6,
  kAdler32 = 7,
};
inline constexpr uint64_t kChecksumKinds = 8;
inline constexpr uint32_t kChecksumWordsMax = 16;

// Words that one checksum takes; 0 for kOff.
constexpr uint32_t checksum_words(ChecksumKind kind) {
  constexpr uint8_t kWords[kChecksumKinds] = {0, 1, 1, 2, 5, 8, 16, 1};
  return kWords[static_cast<uint8_t>(kind)];
}
// "off", "crc16" ...: DAOS's names.
const char* checksum_name(ChecksumKind kind);

// How data is divided: one checksum for each `chunk_bytes` of a run, from the run's own start.
struct ChecksumFormat {
  ChecksumKind kind = ChecksumKind::kCrc32;
  uint32_t chunk_bytes = 32 * 1024;  // a power of two
  constexpr uint64_t chunks(uint64_t length) const {
    return (length + chunk_bytes - 1) / chunk_bytes;
  }
  constexpr uint64_t words(uint64_t length) const { return chunks(length) * checksum_words(kind); }
  bool operator==(const ChecksumFormat&) const = default;
};
inline constexpr uint64_t kChecksumChunkBytesMin = 1 * kKiB, kChecksumChunkBytesMax = 16 * kMiB;

// What a container is protected by; fixed when it is made.
struct Integrity {
  ChecksumFormat checksums;
  bool verify_on_write = true;  // the server compares what arrives with the client's checksums
  bool scrub = true;
  bool operator==(const Integrity&) const = default;
};

// How a pool's data is scrubbed (values of DAOS_PROP_PO_SCRUB_MODE).
struct ScrubPolicy {
  enum class Mode : uint8_t { kOff, kLazy, kTimed } mode = Mode::kOff;
  uint32_t period_s = 604'800;  // from the beginning of one pass to that of the next
  uint32_t threshold = 0;       // so many damaged runs, and the target is reported; 0: never
};

// One checksum over bytes that come in pieces.
class ChunkChecksum {
 public:
  explicit ChunkChecksum(ChecksumKind kind) : kind_(kind) {
    if (kind != ChecksumKind::kCrc32) begin();
  }
  ChunkChecksum(const ChunkChecksum&) = delete;
  ChunkChecksum& operator=(const ChunkChecksum&) = delete;
  ~ChunkChecksum() {
    if (digest_) release();
  }
  void add(ByteView bytes) {
    if (kind_ == ChecksumKind::kCrc32)
      state_ = crc32c(bytes, static_cast<uint32_t>(state_));
    else
      add_other(bytes);
  }
  // Fills checksum_words(kind) words; once.
  void finish(uint32_t* words) {
    if (kind_ == ChecksumKind::kCrc32)
      words[0] = static_cast<uint32_t>(state_);
    else
      finish_other(words);
  }

 private:
  void begin();
  void add_other(ByteView bytes);
  void finish_other(uint32_t* words);
  void release();

  const ChecksumKind kind_;
  uint64_t state_ = 0;
  void* digest_ = nullptr;  // of a library, for the SHA kinds
};

// Of one chunk: fills checksum_words(kind) words.
void checksum_chunk(ChecksumKind kind, ByteView chunk, uint32_t* words);
// Whether `words` (checksum_words(kind) of them) are those of the chunk.
bool checksum_matches(ChecksumKind kind, ByteView chunk, const uint32_t* words);

}  // namespace varve
