#include "block/log_format.h"

#include <cstring>

#include "base/checksum.h"

namespace varve::block {
namespace {

std::byte* put_varint(std::byte* at, uint64_t value) {
  for (; value >= 0x80; value >>= 7) *at++ = std::byte{static_cast<uint8_t>(value | 0x80)};
  *at++ = std::byte{static_cast<uint8_t>(value)};
  return at;
}

// False at the end of the bytes, or for more than 64 bits.
bool get_varint(ByteView& from, uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !from.empty(); shift += 7) {
    const auto next = static_cast<uint8_t>(from.front());
    from = from.subspan(1);
    value |= static_cast<uint64_t>(next & 0x7f) << shift;
    if (next < 0x80) return true;
  }
  return false;
}

uint64_t zigzag(uint64_t difference) {
  return difference << 1 ^ (difference >> 63 ? ~0ULL : 0);
}
uint64_t unzigzag(uint64_t value) { return value >> 1 ^ (value & 1 ? ~0ULL : 0); }

}  // namespace

bool is_next_group(const GroupHeader& header, const ReplayState& state) {
  return header.magic == kGroupMagic && header.volume == state.volume &&
         header.sequence == state.at.sequence && header.position == state.at.position &&
         header.incarnation >= state.incarnation && header.incarnation <= state.incarnation_max &&
         header.length >= sizeof(GroupHeader) && header.length <= state.log_bytes;
}

bool is_intact(ByteView group) {
#if VARVE_PLANT_replay_torn
  return true;
#endif
  GroupHeader header;
  std::memcpy(&header, group.data(), sizeof header);
  const uint32_t crc = header.crc;
  header.crc = 0;
  return crc32c(group.subspan(sizeof header), crc32c(bytes_of(header))) == crc;
}

void seal_group(MutableByteView group) {
  auto* header = reinterpret_cast<GroupHeader*>(group.data());
  header->crc = 0;
  header->crc = crc32c(group);
}

void RecordWriter::add(LogEntry::Kind kind, uint64_t offset, uint64_t length,
                       const std::byte* bytes) {
  at_ = put_varint(at_, zigzag(offset - previous_end_) << 2 | kind);
  at_ = put_varint(at_, length);
  if (kind != LogEntry::kReleased) {
    std::memcpy(at_, bytes, length);
    at_ += length;
  }
  previous_end_ = offset + length;
}

std::byte* RecordWriter::finish() {
  const auto length = static_cast<uint32_t>(at_ - start_ - sizeof(uint32_t));
  std::memcpy(start_, &length, sizeof length);
  return at_;
}

Result<void> visit_entries(ByteView group,
                           const std::function<Result<void>(const LogEntry&)>& visit) {
  GroupHeader header;
  std::memcpy(&header, group.data(), sizeof header);
  const auto damaged = [&] {
    return Error(Code::kBadFormat, "log group " + std::to_string(header.sequence) +
                                       ": its records do not decode");
  };
  ByteView rest = group.subspan(sizeof header);
  for (uint32_t i = 0; i < header.records; ++i) {
    uint32_t length;
    if (rest.size() < sizeof length) return damaged();
    std::memcpy(&length, rest.data(), sizeof length);
    rest = rest.subspan(sizeof length);
    if (length > rest.size()) return damaged();
    ByteView record = rest.first(length);
    rest = rest.subspan(length);
    for (uint64_t previous_end = 0; !record.empty();) {
      LogEntry entry;
      uint64_t tag;
      if (!get_varint(record, tag) || !get_varint(record, entry.length)) return damaged();
      if ((tag & 3) > LogEntry::kReleased) return damaged();
      entry.kind = static_cast<LogEntry::Kind>(tag & 3);
      entry.offset = previous_end + unzigzag(tag >> 2);
      previous_end = entry.offset + entry.length;
      if (entry.kind != LogEntry::kReleased) {
        if (entry.length > record.size()) return damaged();
        entry.bytes = record.first(entry.length);
        record = record.subspan(entry.length);
      }
      VARVE_CHECK(visit(entry));
    }
  }
  return {};
}

}  // namespace varve::block
