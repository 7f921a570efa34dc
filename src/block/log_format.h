// The bytes of the write-ahead log: groups of records, written whole and believed only whole.
// docs/formats/volume.md describes them.
#pragma once

#include <functional>
#include <span>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "block/heap.h"

namespace varve::block {

inline constexpr uint32_t kGroupMagic = 0x50524756;  // "VGRP"

// A group begins at a block of the ring and takes whole blocks; what follows `length` is not looked at.
struct GroupHeader {
  uint32_t magic;
  uint32_t crc;  // crc32c of `length` bytes, this field zero
  Uuid volume;
  uint64_t incarnation;  // of the open that wrote it; never falls along the log
  uint64_t sequence;     // one more than the group before
  uint64_t position;     // bytes of log before it, since format; its place is that modulo log_bytes
  uint64_t durable;      // what had been acknowledged when it was written: a position
  uint32_t length;       // bytes, with this header
  uint32_t records;
};
static_assert(sizeof(GroupHeader) == 64);

// A place between two groups.
struct LogPoint {
  uint64_t position = 0;
  uint64_t sequence = 0;  // of the group that begins there
};

// What replay has come to expect.
struct ReplayState {
  Uuid volume;
  uint64_t log_bytes = 0;
  LogPoint at;
  uint64_t incarnation = 0;      // the last group's
  uint64_t incarnation_max = 0;  // the superblock's
};

// True if these bytes (at least a header's) begin the group that comes next; says nothing of its body.
bool is_next_group(const GroupHeader& header, const ReplayState& state);
// The whole group against its checksum.
bool is_intact(ByteView group);
void seal_group(MutableByteView group);

// One entry of a record.
struct LogEntry {
  enum Kind : uint8_t {
    kHeap = 0,      // bytes at an offset of the arena
    kData = 1,      // bytes at an offset of the device, inside the data area: whole blocks
    kReleased = 2,  // no bytes: a run of the data area that this transaction freed
  };
  Kind kind = kHeap;
  uint64_t offset = 0;
  uint64_t length = 0;
  ByteView bytes;
};

// Appends to memory that is large enough: `record_bytes_max` says how large.
class RecordWriter {
 public:
  explicit RecordWriter(std::byte* at) : start_(at), at_(at + sizeof(uint32_t)) {}
  void add(LogEntry::Kind kind, uint64_t offset, uint64_t length, const std::byte* bytes);
  // The record's end.
  std::byte* finish();

 private:
  std::byte* const start_;
  std::byte* at_;
  uint64_t previous_end_ = 0;
};
inline constexpr uint64_t kRecordOverheadBytes = 4, kEntryOverheadBytes = 20;

// Visits every entry of every record of an intact group. kBadFormat if it does not decode; what was
// visited before that has been visited.
Result<void> visit_entries(ByteView group, const std::function<Result<void>(const LogEntry&)>& visit);

}  // namespace varve::block
