#include "client/encode.h"

#include <gtest/gtest.h>

#include "client/fetched.h"

namespace varve::client {
namespace {

object::Target some_target() {
  object::Target target;
  target.pool = Uuid::from_random(1, 2);
  target.container = Uuid::from_random(3, 4);
  target.container_handle = Uuid::from_random(5, 6);
  target.map_version = 7;
  target.oid = {8, 9};
  target.epoch = Epoch{10};
  return target;
}

TEST(Encode, UpdateAsVisitDoes) {
  Buffer data(100'000);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 7);
  const ByteView pieces[2] = {ByteView(data).first(1), ByteView(data).subspan(1)};
  const object::Range ranges[2] = {{5, 10'000}, {90'000, 2'500}};
  const ByteView array(data);
  IoDescriptor descriptors[3];
  descriptors[0].akey = as_bytes("single");
  descriptors[0].from = pieces;
  descriptors[0].conditions = 16;
  descriptors[1].akey = as_bytes("array");
  descriptors[1].kind = object::ValueKind::kArray;
  descriptors[1].record_size = 8;
  descriptors[1].ranges = ranges;
  descriptors[1].from = Gather(&array, 1);
  descriptors[2].akey = as_bytes("punched");

  object::UpdateRequest request{some_target(), as_bytes("dkey"), 3, {}};
  const auto checksums = [&](ByteView run, std::vector<uint32_t>& into) {
    for (size_t at = 0; at < run.size(); at += object::kChecksumChunkBytes)
      into.push_back(
          crc32c(run.subspan(at, std::min<size_t>(run.size() - at, object::kChecksumChunkBytes))));
  };
  object::AkeyUpdate single;
  single.akey = as_bytes("single");
  single.single_length = data.size();
  single.conditions = 16;
  checksums(data, single.checksums);
  object::AkeyUpdate extents;
  extents.akey = as_bytes("array");
  extents.kind = object::ValueKind::kArray;
  extents.record_size = 8;
  extents.ranges.assign(std::begin(ranges), std::end(ranges));
  checksums(ByteView(data).first(80'000), extents.checksums);
  checksums(ByteView(data).subspan(80'000), extents.checksums);
  object::AkeyUpdate punched;
  punched.akey = as_bytes("punched");
  punched.punch = true;
  request.akeys = {single, extents, punched};

  Scratch scratch;
  encode_update(scratch, some_target(), as_bytes("dkey"), 3, descriptors, {});
  EXPECT_EQ(Buffer(scratch.view().begin(), scratch.view().end()), encode(request));
  EXPECT_LE(scratch.view().size(), encoded_update_bytes(as_bytes("dkey"), descriptors, {}));
}

TEST(Encode, FetchAsVisitDoes) {
  std::byte memory[64];
  const MutableByteView into(memory);
  const object::Range range{3, 4};
  IoDescriptor descriptors[3];
  descriptors[0].akey = as_bytes("single");
  descriptors[0].into = Scatter(&into, 1);
  descriptors[1].akey = as_bytes("array");
  descriptors[1].kind = object::ValueKind::kArray;
  descriptors[1].record_size = 2;
  descriptors[1].ranges = std::span(&range, 1);
  descriptors[1].into = Scatter(&into, 1);
  descriptors[2] = descriptors[1];
  descriptors[2].into = {};  // its record size only

  object::FetchRequest request{some_target(), as_bytes("dkey"), 8, {}};
  request.akeys.resize(3);
  request.akeys[0] = {as_bytes("single"), object::ValueKind::kSingle, 0, 64, {}};
  request.akeys[1] = {as_bytes("array"), object::ValueKind::kArray, 2, 0, {range}};
  request.akeys[2] = {as_bytes("array"), object::ValueKind::kArray, 2, 0, {}};

  Scratch scratch;
  encode_fetch(scratch, some_target(), as_bytes("dkey"), 8, descriptors);
  EXPECT_EQ(Buffer(scratch.view().begin(), scratch.view().end()), encode(request));
}

object::FetchReply some_reply() {
  object::FetchReply reply;
  reply.epoch = Epoch{77};
  reply.akeys.resize(2);
  reply.akeys[0].found = true;
  reply.akeys[0].single_length = 4;
  reply.akeys[0].pieces = {{4, false, crc32c(as_bytes("data"))}};
  reply.akeys[1].found = true;
  reply.akeys[1].record_size = 1;
  reply.akeys[1].pieces = {{3, true, 0}, {2, false, crc32c(as_bytes("ta"))}};
  return reply;
}

TEST(Encode, FetchReplyAsVisitDoes) {
  const Buffer body = encode(some_reply());
  FetchReplyReader reader{ByteView(body)};
  EXPECT_EQ(reader.epoch(), Epoch{77});
  ASSERT_EQ(reader.akeys(), 2u);
  const FetchedView single = reader.next(), array = reader.next();
  EXPECT_TRUE(reader.done());
  EXPECT_EQ(single.single_length, 4u);
  ASSERT_EQ(array.piece_count(), 2u);
  EXPECT_TRUE(array.piece(0).hole);
  EXPECT_EQ(array.piece(1).length, 2u);
}

// Whatever a reply says, nothing outside the caller's memory is touched: the sanitizer watches.
TEST(Encode, RepliesThatLieAreRefused) {
  const Buffer good = encode(some_reply());
  uint64_t refused = 0;
  for (size_t at = 0; at < good.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      for (const uint64_t bulk : {uint64_t{6}, uint64_t{5}, uint64_t{60}}) {
        Buffer bad = good;
        bad[at] ^= static_cast<std::byte>(1 << bit);
        std::byte first[8], second[8];
        const MutableByteView rooms[2] = {first, second};
        const object::Range range{0, 8};
        IoDescriptor descriptors[2];
        descriptors[0].akey = descriptors[1].akey = as_bytes("a");
        descriptors[0].into = Scatter(&rooms[0], 1);
        descriptors[1].kind = object::ValueKind::kArray;
        descriptors[1].ranges = std::span(&range, 1);
        descriptors[1].into = Scatter(&rooms[1], 1);
        FetchLanding landing(descriptors);
        std::memcpy(landing.into()[0].data(), "datata", 6);
        refused += !landing.land(ByteView(bad), bulk, descriptors, ChecksumKind::kCrc32).ok();
      }
    }
  }
  EXPECT_GT(refused, good.size());
  for (size_t length = 0; length < good.size(); ++length) {
    FetchReplyReader reader{ByteView(good).first(length)};
    for (uint32_t i = 0; i < reader.akeys() && reader.ok(); ++i) reader.next();
    EXPECT_FALSE(reader.done());
  }
}

}  // namespace
}  // namespace varve::client
