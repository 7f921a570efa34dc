// An update on its way: decoded and checked, its data being placed. Reused, so that a small update
// allocates nothing once its predecessors have grown the vectors.
#pragma once

#include <optional>

#include "device/device.h"
#include "object/service.h"

namespace varve::object {

class UpdateWork {
 public:
  // Decodes and checks `body`; views point into it. kProtocol, kInvalid, kKeyTooBig.
  Result<void> prepare(ByteView body);
  // Then, for a container of this integrity. kBadIo: data, lengths and checksums do not agree.
  Result<void> plan(const Integrity& container, uint64_t bulk_bytes);
  // Forgets all but the memory.
  void reset();

  // A run of data of its own: a single value, or one range of an array.
  struct Value {
    uint64_t length = 0;  // 0: punch
    uint32_t akey = 0;
    uint32_t first_checksum = 0, checksums = 0;  // words
    bool has_checksums = false;  // from the client, to be verified
    bool in_extent = false;
    ByteView bytes;              // where the data is now
    block::Extent extent;
    size_t buffer = 0;           // in buffers, where the device needs them
  };

  const Service::Policies* policies = nullptr;  // set once
  Target target;
  ByteView dkey;
  uint64_t conditions = 0;
  uint32_t checksum_bytes = 0;  // that one of the client's checksums covers
  Integrity integrity;
  struct Akey {
    ByteView name;
    ValueKind kind = ValueKind::kSingle;
    bool punch = false;
    uint32_t record_size = 1;
    uint64_t single_length = 0, conditions = 0;
    uint32_t first_range = 0, ranges = 0, first_checksum = 0, checksums = 0, first_value = 0;
  };
  std::vector<Akey> akeys;
  std::vector<Range> ranges;
  std::vector<uint32_t> checksums;
  std::vector<Value> values;

  // What places it, filled by the service.
  Buffer inline_bytes;
  std::vector<device::AlignedBuffer> buffers;
  std::vector<MutableByteView> scatter;
  std::vector<store::AkeyUpdate> store_akeys;
  std::vector<store::ArrayPiece> store_pieces;
  // The store's form of it; spans point into this.
  store::Update as_store_update(Epoch epoch);
  // Of the one with kAppend or kAtEnd: which akey, and its piece in store_pieces. Valid after
  // as_store_update().
  struct Append {
    size_t akey = 0, piece = 0;
    uint64_t index = 0;   // as it came
    bool placed = false;  // kAppend
  };
  std::optional<Append> append;

 private:
  uint64_t extent_from_ = store::kInlineBytesBelow;
  Result<void> add_values(Akey& akey);
  Result<void> add_value(Akey& akey, uint64_t length, uint32_t& next_checksum);
};

}  // namespace varve::object
