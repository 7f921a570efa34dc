// Where the bytes of a fetch arrive and where they belong. A reply's bulk is the data alone,
// without the holes and without the room that a value does not fill; the caller's memory has both.
#pragma once

#include <memory>
#include <vector>

#include "client/encode.h"

namespace varve::client {

class FetchLanding {
 public:
  // Decides: bulk arrives in the caller's memory itself where it is one value or one large array,
  // else in memory of our own.
  explicit FetchLanding(std::span<const IoDescriptor> descriptors);
  Scatter into() const { return into_; }
  uint64_t room() const { return room_; }
  // Of the reply that was landed last.
  Epoch epoch() const { return epoch_; }

  // Checks the reply against what was asked for and against its checksums (kOff: not), moves the data to its
  // place and fills in the descriptors' results. kProtocol, kChecksum, kRecordTooBig (a value
  // larger than its room: record_size says how large).
  Result<void> land(ByteView body, uint64_t bulk_bytes, std::span<IoDescriptor> descriptors,
                    ChecksumKind checksums);

 private:
  Result<void> land_single(const FetchedView& view, IoDescriptor& descriptor, ChecksumKind kind);
  Result<void> land_array(const FetchedView& view, IoDescriptor& descriptor, ChecksumKind kind);
  Result<void> check_pieces(const FetchedView& view, uint64_t expected, ChecksumKind kind);

  bool direct_ = false;
  std::unique_ptr<std::byte[]> own_;
  MutableByteView own_view_;
  Scatter into_;
  uint64_t room_ = 0;
  Epoch epoch_;
  uint64_t arrived_ = 0;  // of the bulk, in this reply
  uint64_t taken_ = 0;    // of it, by the descriptors before
};

// Bytes [skip, skip + length) of what the pieces stand for, or as many as there are.
std::vector<MutableByteView> slice(Scatter pieces, uint64_t skip, uint64_t length);

}  // namespace varve::client
