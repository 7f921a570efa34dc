#include "network/local_ring.h"

#include <bit>
#include <cstring>

namespace varve::network::local {
namespace {

// While nothing is in flight, positions return to the ring's beginning at each multiple of this: a
// quiet connection keeps to few pages, which stay in the cache.
constexpr uint64_t kRewindBytes = 32 * kKiB;
constexpr uint64_t kMask = kRingBytes - 1;
static_assert(std::has_single_bit(kRingBytes));

template <class T>
std::atomic_ref<T> shared(T& word) {
  return std::atomic_ref<T>(word);
}
std::atomic_ref<uint64_t> word_at(std::byte* at) {
  return std::atomic_ref<uint64_t>(*reinterpret_cast<uint64_t*>(at));
}
struct HeaderWords {
  uint64_t first, second;
};
static_assert(sizeof(HeaderWords) == sizeof(RecordHeader));

}  // namespace

bool RingWriter::refresh() {
  // Sequentially consistent for wait_for_space().
  const uint64_t consumed = shared(control_->consumed).load(std::memory_order_seq_cst);
  if (consumed < consumed_ || consumed > produced_) return false;
  consumed_ = consumed;
  return true;
}

RingWriter::Space RingWriter::space_for(uint64_t payload) {
  const uint64_t bytes = record_bytes(payload);
  const uint64_t tail = kRingBytes - (produced_ & kMask);
  // One more line is always free: the header that follows is cleared before a record is published.
  const uint64_t needed = (bytes > tail ? tail + bytes : bytes) + kLineBytes;
  if (produced_ + needed - consumed_ <= kRingBytes) return Space::kFree;
  if (!refresh()) return Space::kBroken;
  return produced_ + needed - consumed_ <= kRingBytes ? Space::kFree : Space::kFull;
}

void RingWriter::clear_header(uint64_t offset) {
  word_at(data_ + (offset & kMask)).store(0, std::memory_order_relaxed);
}

void RingWriter::publish(uint64_t offset, const RecordHeader& header) {
  const auto words = std::bit_cast<HeaderWords>(header);
  std::byte* at = data_ + offset;
  word_at(at + 8).store(words.second, std::memory_order_relaxed);
  // Sequentially consistent with must_ring_reader() here and fall_asleep() there.
  word_at(at).store(words.first, std::memory_order_seq_cst);
}

void RingWriter::write(Kind kind, uint8_t slot, uint32_t length, uint64_t argument,
                       ByteView payload) {
  const uint64_t bytes = record_bytes(payload.size());
  uint64_t offset = produced_ & kMask;
  const uint64_t tail = kRingBytes - offset;
  bool skip = bytes > tail;
  if (!skip && offset != 0 && offset / kRewindBytes != (offset + bytes) / kRewindBytes)
    skip = refresh() && consumed_ == produced_ && tail + bytes + kLineBytes <= kRingBytes;
  if (skip) {
    clear_header(0);
    publish(offset, {0, Kind::kSkip, 0, 0, 0});
    produced_ += tail;
    offset = 0;
  }
  VARVE_ASSERT(produced_ + bytes + kLineBytes - consumed_ <= kRingBytes, "space_for() said kFree");
  if (!payload.empty())
    std::memcpy(data_ + offset + sizeof(RecordHeader), payload.data(), payload.size());
  clear_header(offset + bytes);
  publish(offset, {length, kind, slot, 0, argument});
  produced_ += bytes;
}

bool RingWriter::must_ring_reader() {
  return shared(control_->reader_asleep).load(std::memory_order_seq_cst) != 0 &&
         shared(control_->reader_asleep).exchange(0, std::memory_order_seq_cst) != 0;
}

bool RingWriter::wait_for_space(uint64_t payload) {
  shared(control_->writer_blocked).store(1, std::memory_order_seq_cst);
  if (space_for(payload) == Space::kFull) return true;
  end_wait_for_space();
  return false;
}

void RingWriter::end_wait_for_space() {
  shared(control_->writer_blocked).store(0, std::memory_order_relaxed);
}

uint64_t RingReader::first_word() const {
  return word_at(data_ + (position_ & kMask)).load(std::memory_order_acquire);
}

RingReader::Look RingReader::look(Record& record) {
  for (;;) {
    const uint64_t offset = position_ & kMask;
    const uint64_t first = first_word();
    if (first == 0) return Look::kNothing;
    std::byte* at = data_ + offset;
    const HeaderWords words{first, word_at(at + 8).load(std::memory_order_relaxed)};
    record.header = std::bit_cast<RecordHeader>(words);
    const RecordHeader& header = record.header;
    if (header.kind == Kind::kSkip) {
      // At the beginning there is nothing to skip to: a peer could keep us here for ever.
      if (offset == 0) return Look::kBroken;
      position_ += kRingBytes - offset;
      continue;
    }
    if (header.kind == Kind::kNone || header.kind > Kind::kRelease) return Look::kBroken;
    const uint64_t payload = payload_bytes(header.kind, header.length);
    if (payload > kMessageBytesMax || record_bytes(payload) > kRingBytes - offset)
      return Look::kBroken;
    record.payload = {at + sizeof(RecordHeader), payload};
    return Look::kRecord;
  }
}

void RingReader::advance(const Record& record) { position_ += record_bytes(record.payload.size()); }

bool RingReader::publish_progress() {
  if (position_ == published_) return false;
  published_ = position_;
  if (position_ - noticed_ < kSpaceNoticeBytes) {
    shared(control_->consumed).store(position_, std::memory_order_release);
    return false;
  }
  // A blocked writer has more than two notices' worth in the ring, so that it is looked at in time;
  // a full fence for each record would cost more than the record.
  noticed_ = position_;
  shared(control_->consumed).store(position_, std::memory_order_seq_cst);
  return shared(control_->writer_blocked).load(std::memory_order_seq_cst) != 0 &&
         shared(control_->writer_blocked).exchange(0, std::memory_order_seq_cst) != 0;
}

bool RingReader::fall_asleep() {
  shared(control_->reader_asleep).store(1, std::memory_order_seq_cst);
  if (word_at(data_ + (position_ & kMask)).load(std::memory_order_seq_cst) == 0) return true;
  wake();
  return false;
}

void RingReader::wake() { shared(control_->reader_asleep).store(0, std::memory_order_relaxed); }

}  // namespace varve::network::local
