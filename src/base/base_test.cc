#include <gtest/gtest.h>

#include "base/checksum.h"
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
