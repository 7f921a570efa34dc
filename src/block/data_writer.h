// Small writes to extents: their bytes go into the log with the transaction that publishes them, so that
// acknowledging them takes no flush of the data area, and to their place on the device behind the
// caller's back, neighbours in one write. Replay puts them there again.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "block/log.h"
#include "block/volume.h"
#include "runtime/wait.h"

namespace varve::block {

class DataWriter {
 public:
  // Writes of up to this many bytes are logged.
  static constexpr uint64_t kLoggedBytesMax = 32 * kKiB;

  DataWriter(Executor& executor, device::Device& device, std::function<void(Error)> on_failure)
      : executor_(executor), device_(device), on_failure_(std::move(on_failure)) {}

  // Copies the bytes of a reserved extent; they are logged by the commit after their publish().
  void write(Extent extent, Gather from);
  void publish(Extent extent);
  void cancel(Extent extent) { forget(extent.offset, extent.length); }
  // What the transaction under way logs; then what became of it.
  std::span<const LoggedData> publishing() const { return publishing_; }
  void committed();
  void rolled_back() { publishing_.clear(); }
  // Bytes that a transaction to come will log.
  uint64_t unlogged_bytes() const { return unlogged_bytes_; }

  // Copies bytes that are still on their way to the device; false if they are not all there.
  bool read(uint64_t offset, MutableByteView into) const;
  bool overlaps(uint64_t offset, uint64_t length) const;
  // Until the device has everything that overlaps.
  Task<void> wait_for(uint64_t offset, uint64_t length);
  // Until the device has everything written so far. True if there was anything since the last time.
  Task<bool> settle();
  // Until nothing is in flight.
  Task<void> drain();

  // Starts device writes; true if any.
  bool poll();

 private:
  struct Write {
    uint64_t offset;
    uint64_t length;
    uint64_t number;
    device::AlignedBuffer buffer;
  };
  using WritePointer = std::shared_ptr<Write>;
  static constexpr unsigned kBatchesInFlightMax = 4;
  static constexpr size_t kBatchPiecesMax = 32;

  void forget(uint64_t offset, uint64_t length);
  std::vector<WritePointer> next_batch();
  static Task<void> write_batch(DataWriter& self, std::vector<WritePointer> batch);

  Executor& executor_;
  device::Device& device_;
  std::function<void(Error)> on_failure_;
  std::map<uint64_t, WritePointer> unlogged_;   // by offset: not committed yet
  std::map<uint64_t, WritePointer> unwritten_;  // by offset: not on the device yet
  std::map<uint64_t, WritePointer> queued_;     // of these, not submitted yet
  std::set<uint64_t> numbers_;                  // of the unwritten
  std::vector<LoggedData> publishing_;
  uint64_t unlogged_bytes_ = 0;
  uint64_t next_number_ = 1, settled_number_ = 1;
  uint64_t cursor_ = 0;
  unsigned batches_in_flight_ = 0;
  bool failed_ = false;
  Signal finished_;
};

}  // namespace varve::block
