#include "base/chunk_checksum.h"

#include <isa-l/crc.h>
#include <isa-l/crc64.h>
#include <isa-l/igzip_lib.h>
#include <openssl/evp.h>

#include "base/assert.h"

namespace varve {
namespace {

const unsigned char* raw(ByteView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// Looked up in the library once.
const EVP_MD* algorithm(ChecksumKind kind) {
  static const EVP_MD* const kSha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  static const EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  static const EVP_MD* const kSha512 = EVP_MD_fetch(nullptr, "SHA512", nullptr);
  const EVP_MD* found = kind == ChecksumKind::kSha1     ? kSha1
                        : kind == ChecksumKind::kSha256 ? kSha256
                                                        : kSha512;
  VARVE_ASSERT(found, "libcrypto knows the SHA family");
  return found;
}

}  // namespace

const char* checksum_name(ChecksumKind kind) {
  static constexpr const char* kNames[kChecksumKinds] = {"off",  "crc16",  "crc32",  "crc64",
                                                         "sha1", "sha256", "sha512", "adler32"};
  return kNames[static_cast<uint8_t>(kind)];
}

void ChunkChecksum::begin() {
  switch (kind_) {
    case ChecksumKind::kOff:
    case ChecksumKind::kCrc16:
    case ChecksumKind::kCrc32:
    case ChecksumKind::kCrc64:
      return;
    case ChecksumKind::kAdler32:
      state_ = 1;
      return;
    case ChecksumKind::kSha1:
    case ChecksumKind::kSha256:
    case ChecksumKind::kSha512: {
      EVP_MD_CTX* context = EVP_MD_CTX_new();
      const bool begun = context && EVP_DigestInit_ex2(context, algorithm(kind_), nullptr) == 1;
      VARVE_ASSERT(begun, "libcrypto begins a digest");
      digest_ = context;
      return;
    }
  }
  VARVE_ASSERT(false, "a checksum's kind was checked when it came in");
}

void ChunkChecksum::add_other(ByteView bytes) {
  if (bytes.empty()) return;
  switch (kind_) {
    case ChecksumKind::kCrc16:
      state_ = crc16_t10dif(static_cast<uint16_t>(state_), raw(bytes), bytes.size());
      return;
    case ChecksumKind::kCrc64:
      state_ = crc64_ecma_refl(state_, raw(bytes), bytes.size());
      return;
    case ChecksumKind::kAdler32:
      state_ = isal_adler32(static_cast<uint32_t>(state_), raw(bytes), bytes.size());
      return;
    case ChecksumKind::kOff:
    case ChecksumKind::kCrc32:
      return;
    case ChecksumKind::kSha1:
    case ChecksumKind::kSha256:
    case ChecksumKind::kSha512: {
      const int added =
          EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(digest_), bytes.data(), bytes.size());
      VARVE_ASSERT(added == 1, "libcrypto takes bytes");
      return;
    }
  }
}

void ChunkChecksum::finish_other(uint32_t* words) {
  if (digest_) {
    unsigned length = 0;
    const int finished = EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(digest_),
                                            reinterpret_cast<unsigned char*>(words), &length);
    VARVE_ASSERT(finished == 1 && length == 4 * checksum_words(kind_), "a digest has its length");
    return;
  }
  std::memcpy(words, &state_, 4 * checksum_words(kind_));
}

void ChunkChecksum::release() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(digest_)); }

void checksum_chunk(ChecksumKind kind, ByteView chunk, uint32_t* words) {
  ChunkChecksum sum(kind);
  sum.add(chunk);
  sum.finish(words);
}

bool checksum_matches(ChecksumKind kind, ByteView chunk, const uint32_t* words) {
  if (kind == ChecksumKind::kCrc32) return crc32c(chunk) == words[0];
  uint32_t made[kChecksumWordsMax];
  checksum_chunk(kind, chunk, made);
  return std::memcmp(made, words, 4 * checksum_words(kind)) == 0;
}

}  // namespace varve
