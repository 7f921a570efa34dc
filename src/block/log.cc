#include "block/log.h"

#include <algorithm>
#include <cstring>

namespace varve::block {
namespace {

constexpr uint64_t kGroupBufferBytes = 64 * kKiB;

}  // namespace

Log::Log(Executor& executor, device::Device& device, const Geometry& geometry, const Start& start,
         std::function<void(Lsn)> on_durable)
    : executor_(executor), device_(device), geometry_(geometry), start_(start),
      on_durable_(std::move(on_durable)), tail_(start.tail), head_(start.head),
      durable_{start.head.position}, last_{start.head.position} {}

Log::~Log() {
  VARVE_ASSERT(gate_.inside() == 0, "a volume is closed, or its executor gone, before it is destroyed");
}

bool Log::has_room(uint64_t bytes) const {
  const uint64_t wanted = bytes + bytes / 4 + 32 * kKiB + geometry_.log_bytes / 16;
  return used_bytes() + wanted <= geometry_.log_bytes;
}

Log::Group& Log::open_group(uint64_t bytes_more) {
  if (!open_) {
    open_ = std::make_unique<Group>();
    open_->buffer = device::AlignedBuffer(std::max(kGroupBufferBytes, bytes_more + open_->used));
    open_->at = head_;
    std::memset(open_->buffer.data(), 0, sizeof(GroupHeader));
  }
  Group& group = *open_;
  if (group.used + bytes_more > group.buffer.size()) {
    device::AlignedBuffer larger((group.used + bytes_more) * 2);
    std::memcpy(larger.data(), group.buffer.data(), group.used);
    group.buffer = std::move(larger);
  }
  VARVE_ASSERT(head_.position + round_up(group.used + bytes_more, kPageBytes) - tail_.position <=
                   geometry_.log_bytes,
               "ready_for() was asked for as much log space as the transaction needs");
  return group;
}

Lsn Log::append(const Changes& changes) {
  ++records_;
  if (failure_) {
    ++last_.value;
    return last_;
  }
  uint64_t bytes_max = kRecordOverheadBytes + changes.released.size() * kEntryOverheadBytes;
  for (const ChangedRange& range : changes.ranges) bytes_max += kEntryOverheadBytes + range.length;
  for (const LoggedData& data : changes.data) bytes_max += kEntryOverheadBytes + data.bytes.size();
  Group& group = open_group(bytes_max);
  std::byte* const start = group.buffer.data() + group.used;
  RecordWriter writer(start);
  for (const ChangedRange& range : changes.ranges)
    writer.add(LogEntry::kHeap, range.offset, range.length, changes.arena + range.offset);
  // Data before releases: what one transaction publishes and releases is gone.
  for (const LoggedData& data : changes.data)
    writer.add(LogEntry::kData, data.offset, data.bytes.size(), data.bytes.data());
  for (const Extent& extent : changes.released)
    writer.add(LogEntry::kReleased, extent.offset, extent.length, nullptr);
  const auto length = static_cast<uint64_t>(writer.finish() - start);
  group.used += length;
  bytes_ += length;
  ++group.records;
  last_ = group.end = Lsn{group.at.position + group.used};
  return last_;
}

bool Log::poll() {
  if (!open_ || failure_ || in_flight_.size() >= kGroupsInFlightMax) return false;
  seal();
  return true;
}

void Log::seal() {
  Group& group = *open_;
  auto& header = *reinterpret_cast<GroupHeader*>(group.buffer.data());
  header = GroupHeader{kGroupMagic,        0,
                       start_.volume,      start_.incarnation,
                       group.at.sequence,  group.at.position,
                       durable_.value,     static_cast<uint32_t>(group.used),
                       group.records};
  seal_group(group.buffer.view(group.used));
  const uint64_t padded = round_up(group.used, kPageBytes);
  std::memset(group.buffer.data() + group.used, 0, padded - group.used);
  group.flush_first = extents_written_ > extents_covered_;
  extents_covered_ = extents_written_;
  head_ = {group.at.position + padded, group.at.sequence + 1};
#if VARVE_PLANT_last_block_twice
  head_.position -= kPageBytes;
#endif
  in_flight_.push_back(std::move(open_));
  executor_.spawn(write_group(*in_flight_.back()));
}

Task<Result<void>> Log::write_ring(const Group& group) {
  const uint64_t length = round_up(group.used, kPageBytes);
  const uint64_t to_end = geometry_.log_bytes - group.at.position % geometry_.log_bytes;
  const ByteView bytes = group.buffer.view(length);
  const ByteView first = bytes.first(std::min(length, to_end));
  const ByteView second = bytes.subspan(first.size());
  const uint64_t offset = log_device_offset(geometry_, group.at.position);
#if VARVE_PLANT_flush_removed
  VARVE_CO_CHECK(co_await device_.write(offset, Gather(&first, 1)));
#else
  VARVE_CO_CHECK(co_await device_.write_durable(offset, Gather(&first, 1)));
#endif
  if (!second.empty())
    VARVE_CO_CHECK(co_await device_.write_durable(geometry_.log_offset, Gather(&second, 1)));
  co_return {};
}

// The group stays until it is acknowledged, and that waits for this.
Task<void> Log::write_group(Group& group) {
  const Gate::Guard guard(gate_);
#if VARVE_PLANT_ack_before_flush
  durable_ = std::max(durable_, group.end);
  on_durable_(durable_);
  group.ended.notify_all();
#endif
  if (group.flush_first) {
#if !VARVE_PLANT_flush_removed
    Result<void> flushed = co_await device_.flush();
    if (!flushed.ok()) co_return fail(std::move(flushed.error()));
#endif
  }
  ++device_writes_;
  Result<void> written = co_await write_ring(group);
  if (!written.ok()) co_return fail(std::move(written.error()));
  group.written = true;
#if VARVE_PLANT_acks_out_of_order
  durable_ = std::max(durable_, group.end);
  on_durable_(durable_);
  for (const auto& each : in_flight_) each->ended.notify_all();
#endif
  if (!failure_) acknowledge();
}

void Log::acknowledge() {
  while (!in_flight_.empty() && in_flight_.front()->written) {
    const std::unique_ptr<Group> group = std::move(in_flight_.front());
    in_flight_.pop_front();
    durable_ = std::max(durable_, group->end);
    on_durable_(durable_);
    group->ended.notify_all();
  }
}

Task<Result<void>> Log::durable(Lsn lsn) {
  for (;;) {
    if (failure_) co_return Error(*failure_);
    if (lsn <= durable_) co_return {};
    VARVE_ASSERT(lsn <= last_, "only what was committed can become durable");
    Group* group = open_.get();
    for (const auto& each : in_flight_)
      if (each->end >= lsn) {
        group = each.get();
        break;
      }
    VARVE_ASSERT(group, "what is not durable is on its way");
    co_await group->ended.wait();
  }
}

void Log::fail(Error error) {
  if (failure_) return;
  failure_ = Error(Code::kIo, std::string(error.text()) +
                                  "; the volume takes no more changes until it is opened again");
  // Groups stay until the log goes: their writes may still be under way.
  for (const auto& group : in_flight_) group->ended.notify_all();
  if (open_) open_->ended.notify_all();
  on_durable_(durable_);
}

Task<void> Log::drain() {
  if (open_ && !failure_) {
    const Lsn last = last_;
    const Result<void> ended = co_await durable(last);
    VARVE_ASSERT(ended.ok() || failure_, "only a failed log leaves a group unwritten");
  }
  co_await gate_.close();
}

void Log::count(LogStatistics& statistics) const {
  statistics.records = records_;
  statistics.bytes = bytes_;
  statistics.device_writes = device_writes_;
}

}  // namespace varve::block
