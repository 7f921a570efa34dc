// Whatever arrives, parse_frame() reads nothing outside of it, and what it calls good fits into it.
#include <cstdlib>

#include "base/checksum.h"
#include "rpc/frame.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve;
  using namespace varve::rpc;
  Buffer message(reinterpret_cast<const std::byte*>(data),
                 reinterpret_cast<const std::byte*>(data) + size);
  // Every other input gets a header that is right where chance never is.
  if (size >= sizeof(FrameHeader) && data[size - 1] & 1) {
    FrameHeader header;
    std::memcpy(static_cast<void*>(&header), message.data(), sizeof header);
    header.magic = kFrameMagic;
    header.version = 1;
    header.body_bytes %= 2 * size;
    if (frame_bytes(header) <= size && frame_bytes(header) >= sizeof header)
      header.crc =
          crc32c(ByteView(message).subspan(sizeof header, frame_bytes(header) - sizeof header),
                 crc32c(bytes_of(header).first(offsetof(FrameHeader, crc))));
    std::memcpy(message.data(), &header, sizeof header);
  }
  ByteView rest(message);
  while (!rest.empty()) {
    FrameHeader header;
    if (parse_frame(rest, header) != FrameStatus::kGood) break;
    if (frame_bytes(header) > rest.size() || frame_bytes(header) < sizeof header) std::abort();
    rest = rest.subspan(frame_bytes(header));
  }
  return 0;
}
