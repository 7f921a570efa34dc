// Frames as they lie in a message: docs/formats/rpc.md. A message is one frame or more, nothing
// between or after them; one with bulk data beside it is exactly one frame.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "runtime/clock.h"

namespace varve::rpc {

inline constexpr uint32_t kFrameMagic = 0x43505256;  // "VRPC"

enum class Kind : uint8_t {
  kRequest = 1,
  kReply = 2,
  kWelcome = 3,  // from the accepting side, first: its version, and how many requests it takes
};

inline constexpr uint8_t kBulkInline = 1;  // bulk data follows the body
inline constexpr uint8_t kBulkBeside = 2;  // bulk data goes beside the message

// Magic and version keep their places in every version of the protocol.
struct FrameHeader {
  uint32_t magic = kFrameMagic;
  uint16_t version = 0;
  Kind kind = Kind::kRequest;
  uint8_t flags = 0;
  uint16_t opcode = 0;
  uint16_t reserved = 0;
  int32_t code = 0;        // reply: 0, or a Code whose text is the body
  uint64_t id = 0;         // of the request; the reply bears it too
  uint32_t budget_us = 0;  // request: what is left until its deadline. Relative: clocks differ
  uint32_t body_bytes = 0;
  uint64_t bulk_bytes = 0;
  uint64_t into_bytes = 0;  // request: room for the reply's bulk data
  uint32_t credits = 0;     // welcome
  uint32_t crc = 0;         // crc32c of the header before this field, body and inline bulk data
};
static_assert(sizeof(FrameHeader) == 56);
static_assert(offsetof(FrameHeader, version) == 4 && offsetof(FrameHeader, opcode) == 8);
static_assert(offsetof(FrameHeader, id) == 16 && offsetof(FrameHeader, bulk_bytes) == 32);
static_assert(offsetof(FrameHeader, crc) == 52);

// Appends a frame. body_bytes, bulk_bytes (of inline bulk data), version and crc are filled in
// here; `inline_bulk` is empty unless flags say kBulkInline.
void append_frame(Buffer& message, FrameHeader header, ByteView body, Gather inline_bulk = {});

enum class FrameStatus {
  kGood,
  kShort,    // the message ends within it
  kMagic,    // no frame
  kVersion,  // another version: nothing but header.version is known
  kFields,   // fields that do not fit together
  kChecksum,
};
const char* describe(FrameStatus status);

// The frame at the beginning of `message`, which may be changed by others meanwhile: the header is
// copied before it is checked, and the lengths it tells stay within `message`. Body and inline bulk
// data lie behind the header, in this order.
FrameStatus parse_frame(ByteView message, FrameHeader& header);

inline uint64_t inline_bulk_bytes(const FrameHeader& header) {
  return header.flags & kBulkInline ? header.bulk_bytes : 0;
}
inline uint64_t frame_bytes(const FrameHeader& header) {
  return sizeof(FrameHeader) + header.body_bytes + inline_bulk_bytes(header);
}

// Time left, as it goes on the wire; and back.
uint32_t budget_from(Duration left);
Duration budget_of(const FrameHeader& header);

}  // namespace varve::rpc
