// The write-ahead log: records gather in an open group; poll() seals it and writes it with one device
// write; groups are acknowledged strictly in log order. After a device error nothing is written or
// acknowledged any more.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "block/layout.h"
#include "block/log_format.h"
#include "device/device.h"
#include "runtime/wait.h"

namespace varve::block {

// Bytes of an extent that are logged with the transaction that publishes it.
struct LoggedData {
  uint64_t offset;  // on the device
  ByteView bytes;
};

class Log {
 public:
  static constexpr size_t kGroupsInFlightMax = 8;

  struct Start {
    Uuid volume;
    uint64_t incarnation = 0;
    LogPoint tail, head;
  };
  // `on_durable` is called with what has become durable, in order.
  Log(Executor& executor, device::Device& device, const Geometry& geometry, const Start& start,
      std::function<void(Lsn)> on_durable);
  ~Log();

  // There is room for a record of that many bytes of changes.
  bool has_room(uint64_t bytes) const;
  // A record of these bytes of `arena`, of runs of the data area freed, and of data written there.
  struct Changes {
    const std::byte* arena;
    std::span<const ChangedRange> ranges;
    std::span<const Extent> released;
    std::span<const LoggedData> data;
  };
  Lsn append(const Changes& changes);
  // A write that the next group must not become durable before.
  void extent_written() { ++extents_written_; }

  // Seals and writes what has gathered; true if anything.
  bool poll();
  Task<Result<void>> durable(Lsn lsn);
  Lsn durable_lsn() const { return durable_; }
  // Ends when nothing is in flight; nothing is written after it.
  Task<void> drain();

  // Where the group of the next record will begin.
  LogPoint open_point() const { return head_; }
  // Forgets what lies before.
  void advance_tail(LogPoint tail) { tail_ = tail; }
  uint64_t used_bytes() const { return head_.position + (open_ ? open_->used : 0) - tail_.position; }

  void fail(Error error);
  const std::optional<Error>& failure() const { return failure_; }
  void count(LogStatistics& statistics) const;

 private:
  struct Group {
    device::AlignedBuffer buffer;
    uint64_t used = sizeof(GroupHeader);
    uint32_t records = 0;
    LogPoint at;
    Lsn end;
    bool flush_first = false;
    bool written = false;
    Signal ended;  // acknowledged, or the log failed
  };

  Group& open_group(uint64_t bytes_more);
  void seal();
  Task<void> write_group(Group& group);
  Task<Result<void>> write_ring(const Group& group);
  void acknowledge();

  Executor& executor_;
  device::Device& device_;
  const Geometry geometry_;
  const Start start_;
  std::function<void(Lsn)> on_durable_;
  LogPoint tail_, head_;
  Lsn durable_;
  Lsn last_;
  std::unique_ptr<Group> open_;
  std::deque<std::unique_ptr<Group>> in_flight_;
  uint64_t extents_written_ = 0;
  uint64_t extents_covered_ = 0;  // by the flush of a group that is sealed
  std::optional<Error> failure_;
  Gate gate_;
  uint64_t records_ = 0, bytes_ = 0, device_writes_ = 0;
};

}  // namespace varve::block
