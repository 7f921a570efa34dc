#include "rpc/frame.h"

#include <algorithm>

#include "base/assert.h"
#include "base/checksum.h"
#include "rpc/rpc.h"

namespace varve::rpc {
namespace {

constexpr size_t kCrcOffset = offsetof(FrameHeader, crc);

// Whether the fields of a frame with the right magic and version fit together.
bool fields_fit(const FrameHeader& header) {
  const bool bulk_inline = header.flags & kBulkInline, beside = header.flags & kBulkBeside;
  if (header.flags & ~(kBulkInline | kBulkBeside) || (bulk_inline && beside)) return false;
  if ((bulk_inline || beside) != (header.bulk_bytes > 0) || header.reserved != 0) return false;
  if (header.bulk_bytes > network::kBulkBytesMax || header.into_bytes > network::kBulkBytesMax)
    return false;
  if (header.body_bytes + inline_bulk_bytes(header) > kBodyBytesMax) return false;
  switch (header.kind) {
    case Kind::kRequest:
      return header.code == 0 && header.credits == 0;
    case Kind::kReply:
      return header.into_bytes == 0 && header.credits == 0 && header.budget_us == 0;
    case Kind::kWelcome:
      return header.credits > 0 && header.body_bytes == 0 && header.bulk_bytes == 0;
  }
  return false;
}

}  // namespace

void append_frame(Buffer& message, FrameHeader header, ByteView body, Gather inline_bulk) {
  const uint64_t bulk = size_of(inline_bulk);
  VARVE_ASSERT(body.size() + bulk <= kBodyBytesMax, "a frame fits into a message");
  header.version = kProtocolVersion;
  header.body_bytes = static_cast<uint32_t>(body.size());
  if (bulk > 0) header.bulk_bytes = bulk;
  uint32_t crc = crc32c(bytes_of(header).first(kCrcOffset));
  if (!body.empty()) crc = crc32c(body, crc);
  for (const ByteView& piece : inline_bulk) crc = crc32c(piece, crc);
  header.crc = crc;
  const ByteView head = bytes_of(header);
  message.insert(message.end(), head.begin(), head.end());
  message.insert(message.end(), body.begin(), body.end());
  for (const ByteView& piece : inline_bulk)
    message.insert(message.end(), piece.begin(), piece.end());
}

const char* describe(FrameStatus status) {
  switch (status) {
    case FrameStatus::kGood:
      return "good";
    case FrameStatus::kShort:
      return "a truncated frame";
    case FrameStatus::kMagic:
      return "no frame of this protocol";
    case FrameStatus::kVersion:
      return "another protocol version";
    case FrameStatus::kFields:
      return "a frame whose fields contradict each other";
    case FrameStatus::kChecksum:
      return "a frame whose checksum does not match";
  }
  return "";
}

FrameStatus parse_frame(ByteView message, FrameHeader& header) {
  // Magic and version first: another version's header may be shorter.
  constexpr size_t kFixedBytes = offsetof(FrameHeader, kind);
  if (message.size() < kFixedBytes) return FrameStatus::kShort;
  std::memcpy(static_cast<void*>(&header), message.data(), std::min(message.size(), sizeof header));
  if (header.magic != kFrameMagic) return FrameStatus::kMagic;
  if (header.version != kProtocolVersion) return FrameStatus::kVersion;
  if (message.size() < sizeof header) return FrameStatus::kShort;
  if (!fields_fit(header)) return FrameStatus::kFields;
  if (frame_bytes(header) > message.size()) return FrameStatus::kShort;
  const uint32_t crc = crc32c(message.subspan(sizeof header, frame_bytes(header) - sizeof header),
                              crc32c(bytes_of(header).first(kCrcOffset)));
  return crc == header.crc ? FrameStatus::kGood : FrameStatus::kChecksum;
}

uint32_t budget_from(Duration left) {
  const int64_t us = left.count() / 1000;
  return static_cast<uint32_t>(std::clamp<int64_t>(us, 1, UINT32_MAX));
}

Duration budget_of(const FrameHeader& header) { return Duration(int64_t{header.budget_us} * 1000); }

}  // namespace varve::rpc
