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
    bool hole = false;
    ByteView bytes;  // inline: a copy of ours
    uint64_t run_offset = 0, run_length = 0, skip = 0;  // else of an extent
    uint32_t first_checksum = 0, checksums = 0;  // by chunk of the run, from the first one touched
    size_t buffer = 0;
    ByteView chunks;  // the run's bytes from the first chunk touched, once they are in memory
  };
  // Copies out of the store what does not survive a suspension, and checks what is inline. kChecksum.
  Result<void> take_found();
  // Cuts, verifies and encodes. kChecksum names dkey, device and offset.
  Result<void> build_reply(Epoch epoch, const std::string& device_name);
  uint64_t data_bytes() const;
  uint64_t reply_body_bytes() const;

  std::vector<Part> parts;
  std::vector<uint32_t> checksums;
  Buffer inline_bytes;
  std::vector<device::AlignedBuffer> buffers;
  Buffer body;
  std::vector<ByteView> gather;

 private:
  Result<void> take_piece(const store::FoundPiece& piece);
  Result<void> add_extent(const Part& part, const std::string& device_name, uint32_t& pieces);
  void add_inline(const Part& part, uint32_t& pieces);
  void put_piece(uint64_t length, bool hole, uint32_t checksum);
};

}  // namespace varve::object
