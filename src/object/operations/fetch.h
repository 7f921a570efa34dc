// A fetch on its way: decoded, what the store found, the reply being put together. Reused.
#pragma once

#include "device/device.h"
#include "object/service.h"

namespace varve::object {

class FetchWork {
 public:
  // Decodes and checks `body`; views point into it. kProtocol, kInvalid, kKeyTooBig.
  Result<void> prepare(ByteView body);
  void reset();

  Target target;
  ByteView dkey;
  uint64_t conditions = 0;
  struct Akey {
    uint64_t room = 0;
    uint32_t first_range = 0, ranges = 0;
    uint32_t first_part = 0, parts = 0;
    uint64_t single_length = 0;
  };
  std::vector<Akey> akeys;
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  // Asked of the store; as many as akeys are in use.
  std::vector<store::AkeyFetch> found;
  std::span<store::AkeyFetch> found_in_use() { return {found.data(), akeys.size()}; }

  // What the reply consists of: holes, bytes in memory, or parts of a stored run.
  struct Part {
    uint64_t length = 0;
    bool hole = false, inlined = false;  // inlined: in a copy of ours, compared already
    // Of the stored run that it is a part of: place on the device, bytes, first record, and how much of it
    // lies before this.
    uint64_t run_offset = 0, run_length = 0, run_index = 0, skip = 0;
    uint32_t akey = 0;
    // Words of the chunks touched, from the first on; none: nothing to compare with.
    uint32_t first_checksum = 0;
    bool has_checksums = false;
    // What of the run is in memory: bytes [loaded_from, ...).
    ByteView loaded;
    uint64_t loaded_from = 0;
  };
  // Copies out of the store what does not survive a suspension, and checks what is inline. kChecksum.
  Result<void> take_found(const ChecksumFormat& container);
  // How the pieces are cut so that a reply holds them. kOverflow.
  Result<void> choose_unit();
  // What has to be in memory of a part that is not inlined: [begin, end) of its run.
  std::pair<uint64_t, uint64_t> wanted_of(const Part& part) const;
  // Cuts, verifies and encodes. kChecksum names object, dkey, akey, range, device and offset.
  Result<void> build_reply(Epoch epoch, const std::string& device_name);
  uint64_t data_bytes() const;
  // Of data that comes from the device, whole chunks.
  uint64_t loaded_bytes() const;

  std::vector<Part> parts;
  ChecksumFormat format;
  std::vector<uint32_t> checksums;
  Buffer inline_bytes;
  std::vector<device::AlignedBuffer> buffers;
  Buffer body;
  std::vector<ByteView> gather;

 private:
  Result<void> take_piece(const store::FoundPiece& piece, uint32_t akey);
  Result<void> verify_part(const Part& part, const std::string& device_name) const;
  uint32_t add_pieces(const Part& part);
  const uint32_t* stored_checksum(const Part& part, uint64_t begin, uint64_t end) const;
  void put_piece(uint64_t length, const uint32_t* checksum);
  uint64_t reply_body_bytes() const;
  Error damaged(const Part& part, uint64_t begin, uint64_t end, const std::string& where) const;

  uint64_t unit_ = 0;  // pieces are cut at multiples of it
  std::vector<uint32_t> reply_checksums_;
};

}  // namespace varve::object
