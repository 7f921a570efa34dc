#include <gtest/gtest.h>

#include "base/chunk_checksum.h"
#include "base/coding.h"
#include "base/hybrid_clock.h"
#include "base/ids.h"
#include "base/result.h"

namespace varve {
namespace {

TEST(Checksum, KnownVectors) {
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283u);
  Buffer zeros(32, std::byte{0});
  EXPECT_EQ(crc32c(zeros), 0x8A9136AAu);  // RFC 3720, B.4
  Buffer long_one(1000, std::byte{0x5a});
  const uint32_t whole = crc32c(long_one);
  for (size_t cut : {0u, 1u, 255u, 256u, 700u, 999u, 1000u})
    EXPECT_EQ(crc32c(ByteView(long_one).subspan(cut), crc32c(ByteView(long_one).first(cut))),
              whole);
}

std::string hexadecimal(ByteView bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(byte));
    text += digits;
  }
  return text;
}

// Of "123456789": the check values of the CRC catalogue, RFC 1950, FIPS 180-4.
TEST(Checksum, EveryKindHasItsKnownValue) {
  const std::pair<ChecksumKind, const char*> kKnown[] = {
      {ChecksumKind::kOff, ""},
      {ChecksumKind::kCrc16, "dbd00000"},
      {ChecksumKind::kCrc32, "839206e3"},
      {ChecksumKind::kCrc64, "fa3919dfbbc95d99"},
      {ChecksumKind::kAdler32, "de011e09"},
      {ChecksumKind::kSha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"},
      {ChecksumKind::kSha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"},
      {ChecksumKind::kSha512,
       "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d"
       "73d499c95455b6b5bb503acf574fba8ffe85"}};
  for (const auto& [kind, known] : kKnown) {
    uint32_t words[kChecksumWordsMax];
    checksum_chunk(kind, as_bytes("123456789"), words);
    const ByteView bytes = std::as_bytes(std::span(words)).first(4 * checksum_words(kind));
    EXPECT_EQ(hexadecimal(bytes), known) << checksum_name(kind);
    EXPECT_TRUE(checksum_matches(kind, as_bytes("123456789"), words)) << checksum_name(kind);
    EXPECT_EQ(checksum_matches(kind, as_bytes("123456788"), words), kind == ChecksumKind::kOff);
  }
}

TEST(Checksum, PiecesMakeTheChecksumOfTheWhole) {
  Buffer bytes(3000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 31 >> 3);
  for (uint8_t kind = 1; kind < kChecksumKinds; ++kind) {
    uint32_t whole[kChecksumWordsMax], pieces[kChecksumWordsMax];
    checksum_chunk(ChecksumKind{kind}, bytes, whole);
    for (size_t cut : {0u, 1u, 255u, 1777u, 3000u}) {
      ChunkChecksum sum{ChecksumKind{kind}};
      sum.add(ByteView(bytes).first(cut));
      sum.add(ByteView(bytes).subspan(cut));
      sum.finish(pieces);
      EXPECT_EQ(std::memcmp(whole, pieces, 4 * checksum_words(ChecksumKind{kind})), 0) << +kind;
    }
  }
}

TEST(Coding, ShortInputIsSeenOnce) {
  Buffer buffer;
  Encoder(buffer).put<uint32_t>(7).string("abc").put<uint8_t>(9);
  for (size_t length = 0; length <= buffer.size(); ++length) {
    Decoder decoder(ByteView(buffer).first(length));
    const auto number = decoder.get<uint32_t>();
    const auto text = decoder.text();
    const auto last = decoder.get<uint8_t>();
    EXPECT_EQ(decoder.done(), length == buffer.size());
    if (decoder.done()) {
      EXPECT_EQ(number, 7u);
      EXPECT_EQ(text, "abc");
      EXPECT_EQ(last, 9);
    }
  }
  Buffer liar;
  Encoder(liar).put<uint32_t>(0xffffffff).put<uint8_t>(1);
  Decoder decoder{ByteView(liar)};
  EXPECT_TRUE(decoder.string().empty());
  EXPECT_FALSE(decoder.ok());
}

TEST(Uuid, RoundTripAndRefusal) {
  const Uuid uuid = Uuid::from_random(0x0123456789abcdefULL, 0xfedcba9876543210ULL);
  auto parsed = Uuid::parse(uuid.to_string());
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*parsed, uuid);
  EXPECT_EQ(Uuid::parse("nonsense").code(), Code::kInvalid);
  EXPECT_EQ(Uuid::parse("0123456789abcdef0123456789abcdef0123").code(), Code::kInvalid);
}

TEST(HybridClock, RisesStrictlyAndGuardsSkew) {
  HybridClock clock;
  const Epoch first = clock.now(5'000'000'000);
  EXPECT_GT(clock.now(4'000'000'000), first);
  const Epoch later{5'900'000'000};
  ASSERT_TRUE(clock.observe(later, 5'000'000'000).ok());
  EXPECT_GT(clock.now(5'000'000'000), later);
  EXPECT_EQ(clock.observe(Epoch{7'000'000'000}, 5'000'000'000).code(), Code::kClockSkew);
}

Result<int> passes_on(Result<int> inner) {
  VARVE_TRY(const int value, std::move(inner));
  return value + 1;
}

TEST(Result, PassesErrorsOnWithTheirText) {
  EXPECT_EQ(*passes_on(1), 2);
  auto failed = passes_on(Error(Code::kNoSpace, "pool 'a' is full"));
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().describe(), "pool 'a' is full (DER_NOSPACE -1007)");
}

TEST(Copy, ScattersWhatIsGathered) {
  Buffer source(100);
  for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::byte>(i);
  const ByteView from[] = {ByteView(source).first(33), ByteView(source).subspan(33)};
  Buffer target(80);
  const MutableByteView to[] = {MutableByteView(target).first(7),
                                MutableByteView(target).subspan(7)};
  EXPECT_EQ(copy(from, to, 10), 80u);
  EXPECT_EQ(std::memcmp(target.data(), source.data() + 10, 80), 0);
}

}  // namespace
}  // namespace varve
