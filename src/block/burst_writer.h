// Small writes that arrive many at a time: straight to their places, neighbours in one device
// write. Logging each would write its bytes twice; a flush for all of them costs less.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "block/volume.h"
#include "device/device.h"
#include "runtime/wait.h"

namespace varve::block {

class BurstWriter {
 public:
  BurstWriter(Executor& executor, device::Device& device, uint64_t bytes_min)
      : executor_(executor), device_(device), bytes_min_(bytes_min) {}

  // What comes next is one of many. The first bytes of a burst are not yet known to be of one.
  bool wants(uint64_t bytes);
  // Ends when the device has it. `from` stays until then; places do not overlap. Errors: the
  // device's.
  Task<Result<void>> write(uint64_t offset, Gather from);
  // Starts device writes; true if any. Ends the step that wants() looks at.
  bool poll();
  // Until nothing is in flight.
  Task<void> drain();

 private:
  struct Write {
    Gather from;
    uint64_t length;
    std::optional<Result<void>> result;
    Signal ended;
  };
  static constexpr size_t kPiecesMax = 64;
  static constexpr uint64_t kBatchBytesMax = 512 * kKiB;
  static constexpr unsigned kBatchesInFlightMax = 8;

  Task<void> write_batch(uint64_t offset, std::vector<Write*> batch);

  Executor& executor_;
  device::Device& device_;
  const uint64_t bytes_min_;
  std::map<uint64_t, Write*> queued_;  // by offset; they live in write()'s frames
  uint64_t cursor_ = 0;
  uint64_t this_step_bytes_ = 0;
  uint64_t under_way_bytes_ = 0;
  unsigned batches_in_flight_ = 0;
  Gate gate_;
};

}  // namespace varve::block
