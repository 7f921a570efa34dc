// The hot records of object/wire.h, written and read without an allocation, byte for byte as
// visit() does.
#pragma once

#include <memory>
#include <vector>

#include "base/checksum.h"
#include "client/client.h"

namespace varve::client {

// Memory of a request body that is used again and again.
class Scratch {
 public:
  // At least `size` bytes; what was in it is gone.
  std::byte* reserve(size_t size) {
    if (size > capacity_) {
      capacity_ = round_up(size, 1024);
      memory_ = std::make_unique_for_overwrite<std::byte[]>(capacity_);
    }
    return memory_.get();
  }
  void set_size(size_t size) { size_ = size; }
  ByteView view() const { return {memory_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[]> memory_;
  size_t capacity_ = 0, size_ = 0;
};

// The checksums are made here, from the descriptors' data; none for ChecksumKind::kOff. By `format`
// as update_checksums() gave it.
void encode_update(Scratch& scratch, const object::Target& target, ByteView dkey,
                   uint64_t conditions, std::span<const IoDescriptor> descriptors,
                   const ChecksumFormat& format);
// Bytes that the encoded update takes; to be checked against rpc::kBodyBytesMax before.
uint64_t encoded_update_bytes(ByteView dkey, std::span<const IoDescriptor> descriptors,
                              const ChecksumFormat& format);
// The container's format, over larger chunks where the list would take most of a request.
ChecksumFormat update_checksums(std::span<const IoDescriptor> descriptors, ChecksumFormat format);

void encode_fetch(Scratch& scratch, const object::Target& target, ByteView dkey,
                  uint64_t conditions, std::span<const IoDescriptor> descriptors);
uint64_t encoded_fetch_bytes(ByteView dkey, std::span<const IoDescriptor> descriptors);

// One akey of a decoded FetchReply; `pieces` is the encoded array.
struct FetchedView {
  bool found = false;
  uint32_t record_size = 0;
  uint64_t single_length = 0;
  ByteView pieces;
  ByteView checksums;  // words, of the pieces with data, where one takes several
  size_t piece_count() const { return pieces.size() / sizeof(object::FetchedPiece); }
  // Checked by read_fetched: `hole` is 0 or 1.
  object::FetchedPiece piece(size_t index) const;
};
class FetchReplyReader {
 public:
  explicit FetchReplyReader(ByteView body);
  Epoch epoch() const { return epoch_; }
  uint32_t akeys() const { return akeys_; }
  FetchedView next();
  bool ok() const { return ok_ && decoder_.ok(); }
  bool done() const { return ok_ && decoder_.done(); }

 private:
  Decoder decoder_;
  Epoch epoch_;
  uint32_t akeys_ = 0;
  bool ok_ = true;
};

// Of bytes [skip, skip + length) of what the pieces stand for; fills checksum_words(kind) words.
void checksum_of(ChecksumKind kind, Gather pieces, uint64_t skip, uint64_t length, uint32_t* words);
void checksum_of(ChecksumKind kind, Scatter pieces, uint64_t skip, uint64_t length,
                 uint32_t* words);

}  // namespace varve::client
