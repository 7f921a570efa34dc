// One direction of a same-host connection: a ring of records in memory shared with a peer that is
// not trusted. docs/formats/local.md describes it byte by byte. Every position that decides where
// we read or write is kept privately; what the peer wrote is read once, then checked.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/bytes.h"
#include "network/network.h"

namespace varve::network::local {

inline constexpr uint64_t kLineBytes = 64;
inline constexpr uint64_t kRingBytes = 256 * kKiB;
inline constexpr uint64_t kSlotBytes = 64 * kKiB;
inline constexpr uint32_t kSlots = 64;  // of one direction; one bit each in a release record

// The words that both sides share about one direction, far enough apart that none is disturbed by
// the others (pairs of lines are fetched together).
struct Control {
  alignas(128) uint64_t consumed = 0;        // by the reader: bytes taken since the beginning
  alignas(128) uint32_t reader_asleep = 0;   // set by the reader, cleared by whoever wakes it
  alignas(128) uint32_t writer_blocked = 0;  // set by the writer, cleared by whoever frees space
};
static_assert(sizeof(Control) == 384);

enum class Kind : uint8_t {
  kNone = 0,
  kSkip,     // nothing up to the end of the ring
  kMessage,  // payload; argument: bytes of bulk data that follow in chunks, 0 if none
  kChunk,    // slot: where `length` bytes of bulk `argument` lie
  kWant,     // bulk `argument` is being received: send it all
  kDiscard,  // bulk `argument` will not be received: send no more of it
  kEnd,      // answer to kDiscard where chunks were left: none will follow
  kRelease,  // argument: one bit for each slot that is the sender's again
};

struct RecordHeader {
  uint32_t length = 0;
  Kind kind = Kind::kNone;
  uint8_t slot = 0;
  uint16_t reserved = 0;
  uint64_t argument = 0;
};
static_assert(sizeof(RecordHeader) == 16);

constexpr uint64_t payload_bytes(Kind kind, uint32_t length) {
  return kind == Kind::kMessage ? length : 0;
}
constexpr uint64_t record_bytes(uint64_t payload) {
  return round_up(sizeof(RecordHeader) + payload, kLineBytes);
}
// A message that meets the end of the ring wastes less than its own size; a drained ring takes it
// even while the reader holds back kSpaceNoticeBytes of progress.
inline constexpr uint64_t kSpaceNoticeBytes = 64 * kKiB;
static_assert(2 * record_bytes(kMessageBytesMax) + kLineBytes + kSpaceNoticeBytes <= kRingBytes);

class RingWriter {
 public:
  RingWriter() = default;
  RingWriter(Control* control, std::byte* data) : control_(control), data_(data) {}

  enum class Space { kFree, kFull, kBroken };
  // Whether a record with this payload fits now; kBroken if the peer's index is impossible.
  Space space_for(uint64_t payload);
  // Writes a record for which there is space.
  void write(Kind kind, uint8_t slot, uint32_t length, uint64_t argument, ByteView payload = {});
  // After writing: true if the reader sleeps and has to be rung, once.
  bool must_ring_reader();
  // Before sleeping with `payload` not fitting: false if it fits now, or the peer is broken.
  bool wait_for_space(uint64_t payload);
  void end_wait_for_space();
  // Everything written has been taken: nobody needs what the ring holds.
  bool drained() { return refresh() && consumed_ == produced_; }
  // Bytes written since the beginning.
  uint64_t position() const { return produced_; }

 private:
  void publish(uint64_t offset, const RecordHeader& header);
  void clear_header(uint64_t offset);
  bool refresh();

  Control* control_ = nullptr;
  std::byte* data_ = nullptr;
  uint64_t produced_ = 0;
  uint64_t consumed_ = 0;  // as far as it was asked and checked
};

class RingReader {
 public:
  RingReader() = default;
  RingReader(Control* control, std::byte* data) : control_(control), data_(data) {}

  struct Record {
    RecordHeader header;  // our copy
    ByteView payload;     // in shared memory
  };
  enum class Look { kNothing, kRecord, kBroken };
  // The next record, its header copied and checked; skips are passed over silently.
  Look look(Record& record);
  // The record looked at was handled.
  void advance(const Record& record);
  // Tells the writer what has been taken; true if it waits for space and has to be rung, once.
  bool publish_progress();
  // Bytes taken since the beginning.
  uint64_t position() const { return position_; }

  // Before sleeping: false if a record is there.
  bool fall_asleep();
  void wake();

 private:
  uint64_t first_word() const;

  Control* control_ = nullptr;
  std::byte* data_ = nullptr;
  uint64_t position_ = 0;
  uint64_t published_ = 0;
  uint64_t noticed_ = 0;  // position at which the writer's wish was last looked at
};

}  // namespace varve::network::local
