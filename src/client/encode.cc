#include "client/encode.h"

#include <algorithm>

#include "rpc/rpc.h"

namespace varve::client {
namespace {

constexpr size_t kTargetBytes =
    3 * sizeof(Uuid) + sizeof(uint32_t) + sizeof(ObjectId) + 2 * sizeof(Epoch);
// Of a request's body, for checksums.
constexpr uint64_t kChecksumBytesMax = rpc::kBodyBytesMax / 2;

class Writer {
 public:
  explicit Writer(std::byte* at) : at_(at) {}
  template <class T>
  Writer& put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::memcpy(at_, &value, sizeof value);
    at_ += sizeof value;
    return *this;
  }
  Writer& string(ByteView bytes) { return put(static_cast<uint32_t>(bytes.size())).raw(bytes); }
  Writer& raw(ByteView bytes) {
    if (!bytes.empty()) std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
    return *this;
  }
  Writer& target(const object::Target& target) {
    put(target.pool).put(target.container).put(target.container_handle).put(target.map_version);
    return put(target.oid).put(target.epoch).put(target.seen);
  }
  std::byte* at() const { return at_; }

 private:
  std::byte* at_;
};

bool is_array(const IoDescriptor& descriptor) {
  return descriptor.kind == object::ValueKind::kArray;
}
bool is_punch(const IoDescriptor& descriptor) { return descriptor.from.empty(); }

uint64_t word_count(const IoDescriptor& descriptor, const ChecksumFormat& format) {
  if (is_punch(descriptor)) return 0;
  if (!is_array(descriptor)) return format.words(size_of(descriptor.from));
  uint64_t count = 0;
  for (const object::Range& range : descriptor.ranges)
    count += format.words(range.count * descriptor.record_size);
  return count;
}

void put_checksums(Writer& writer, const IoDescriptor& descriptor, const ChecksumFormat& format) {
  const size_t bytes = 4 * checksum_words(format.kind);
  const auto run = [&](uint64_t begin, uint64_t length) {
    for (uint64_t done = 0; done < length; done += format.chunk_bytes) {
      uint32_t words[kChecksumWordsMax];
      checksum_of(format.kind, descriptor.from, begin + done,
                  std::min<uint64_t>(format.chunk_bytes, length - done), words);
      writer.raw(std::as_bytes(std::span(words)).first(bytes));
    }
  };
  if (!is_array(descriptor)) return run(0, size_of(descriptor.from));
  uint64_t begin = 0;
  for (const object::Range& range : descriptor.ranges) {
    run(begin, range.count * descriptor.record_size);
    begin += range.count * descriptor.record_size;
  }
}

template <class View>
void checksum_over(ChecksumKind kind, std::span<const View> pieces, uint64_t skip, uint64_t length,
                   uint32_t* words) {
  ChunkChecksum sum(kind);
  for (const View& piece : pieces) {
    if (length == 0) break;
    if (skip >= piece.size()) {
      skip -= piece.size();
      continue;
    }
    const uint64_t take = std::min<uint64_t>(piece.size() - skip, length);
    sum.add(ByteView(piece).subspan(skip, take));
    length -= take;
    skip = 0;
  }
  VARVE_ASSERT(length == 0, "the pieces hold what is asked for");
  sum.finish(words);
}

}  // namespace

void checksum_of(ChecksumKind kind, Gather pieces, uint64_t skip, uint64_t length,
                 uint32_t* words) {
  checksum_over<ByteView>(kind, pieces, skip, length, words);
}
void checksum_of(ChecksumKind kind, Scatter pieces, uint64_t skip, uint64_t length,
                 uint32_t* words) {
  checksum_over<MutableByteView>(kind, pieces, skip, length, words);
}

ChecksumFormat update_checksums(std::span<const IoDescriptor> descriptors, ChecksumFormat format) {
  constexpr uint32_t kChunkBytesMax = 1u << 30;
  const auto bytes = [&] {
    uint64_t words = 0;
    for (const IoDescriptor& descriptor : descriptors) words += word_count(descriptor, format);
    return 4 * words;
  };
  if (format.kind == ChecksumKind::kOff) return format;
  while (format.chunk_bytes < kChunkBytesMax && bytes() > kChecksumBytesMax)
    format.chunk_bytes *= 2;
  return format;
}

uint64_t encoded_update_bytes(ByteView dkey, std::span<const IoDescriptor> descriptors,
                              const ChecksumFormat& format) {
  uint64_t bytes = kTargetBytes + 4 + dkey.size() + 8 + 4 + 4;
  for (const IoDescriptor& descriptor : descriptors) {
    bytes += 4 + descriptor.akey.size() + 2 + 4 + 8 + 8 + 4 + 4 + 4 * word_count(descriptor, format);
    if (is_array(descriptor)) bytes += sizeof(object::Range) * descriptor.ranges.size();
  }
  return bytes;
}

void encode_update(Scratch& scratch, const object::Target& target, ByteView dkey,
                   uint64_t conditions, std::span<const IoDescriptor> descriptors,
                   const ChecksumFormat& format) {
  const uint64_t bytes = encoded_update_bytes(dkey, descriptors, format);
  std::byte* begin = scratch.reserve(bytes);
  Writer writer(begin);
  writer.target(target).string(dkey).put(conditions).put(format.chunk_bytes);
  writer.put(static_cast<uint32_t>(descriptors.size()));
  for (const IoDescriptor& descriptor : descriptors) {
    const bool array = is_array(descriptor);
    writer.string(descriptor.akey).put(descriptor.kind).put<uint8_t>(is_punch(descriptor));
    writer.put(static_cast<uint32_t>(array ? descriptor.record_size : 1));
    writer.put<uint64_t>(array ? 0 : size_of(descriptor.from)).put(descriptor.conditions);
    writer.put(static_cast<uint32_t>(array ? descriptor.ranges.size() : 0));
    if (array) writer.raw(std::as_bytes(descriptor.ranges));
    const uint64_t words = word_count(descriptor, format);
    writer.put(static_cast<uint32_t>(words));
    if (words) put_checksums(writer, descriptor, format);
  }
  const auto size = static_cast<uint64_t>(writer.at() - begin);
  VARVE_ASSERT(size <= bytes, "encoded_update_bytes counts everything");
  scratch.set_size(size);
}

uint64_t encoded_fetch_bytes(ByteView dkey, std::span<const IoDescriptor> descriptors) {
  uint64_t bytes = kTargetBytes + 4 + dkey.size() + 8 + 4;
  for (const IoDescriptor& descriptor : descriptors)
    bytes += 4 + descriptor.akey.size() + 1 + 4 + 8 + 4 +
             sizeof(object::Range) * descriptor.ranges.size();
  return bytes;
}

void encode_fetch(Scratch& scratch, const object::Target& target, ByteView dkey,
                  uint64_t conditions, std::span<const IoDescriptor> descriptors) {
  const uint64_t bytes = encoded_fetch_bytes(dkey, descriptors);
  std::byte* begin = scratch.reserve(bytes);
  Writer writer(begin);
  writer.target(target).string(dkey).put(conditions).put(static_cast<uint32_t>(descriptors.size()));
  for (const IoDescriptor& descriptor : descriptors) {
    const bool array = is_array(descriptor);
    // Without room for an array's data its record size alone is asked for: no ranges.
    const bool ranges = array && !descriptor.into.empty();
    writer.string(descriptor.akey).put(descriptor.kind);
    writer.put(static_cast<uint32_t>(array ? descriptor.record_size : 0));
    writer.put<uint64_t>(array ? 0 : size_of(descriptor.into));
    writer.put(static_cast<uint32_t>(ranges ? descriptor.ranges.size() : 0));
    if (ranges) writer.raw(std::as_bytes(descriptor.ranges));
  }
  scratch.set_size(static_cast<uint64_t>(writer.at() - begin));
}

object::FetchedPiece FetchedView::piece(size_t index) const {
  const std::byte* at = pieces.data() + index * sizeof(object::FetchedPiece);
  object::FetchedPiece piece;
  std::memcpy(&piece.length, at + offsetof(object::FetchedPiece, length), sizeof piece.length);
  piece.hole = at[offsetof(object::FetchedPiece, hole)] != std::byte{0};
  std::memcpy(&piece.checksum, at + offsetof(object::FetchedPiece, checksum),
              sizeof piece.checksum);
  return piece;
}

FetchReplyReader::FetchReplyReader(ByteView body) : decoder_(body) {
  decoder_.get(epoch_);
  decoder_.get(akeys_);
}

FetchedView FetchReplyReader::next() {
  FetchedView view;
  const auto found = decoder_.get<uint8_t>();
  ok_ = ok_ && found <= 1;
  view.found = found == 1;
  decoder_.get(view.record_size);
  decoder_.get(view.single_length);
  const uint64_t count = decoder_.get<uint32_t>();
  view.pieces = decoder_.raw(count * sizeof(object::FetchedPiece));
  const uint64_t words = decoder_.get<uint32_t>();
  view.checksums = decoder_.raw(words * sizeof(uint32_t));
  return view;
}

}  // namespace varve::client
