// Where small extents come from on a file: windows of the data area that have been written with zeros
// just before use. The first write to space that was only fallocated makes the file system commit its
// own journal at the next flush, and every durable write of the log waits for that (measured: 4 ms
// instead of 90 us). One large write of zeros pays that once for a thousand small ones.
#pragma once

#include <functional>

#include "block/extent_map.h"
#include "device/device.h"
#include "runtime/wait.h"

namespace varve::block {

class SmallSpace {
 public:
  // Extents of up to this size come from windows.
  static constexpr uint64_t kSmallBytesMax = 32 * kKiB;

  SmallSpace(Executor& executor, device::Device& device, ExtentMap& extents,
             std::function<void(Error)> on_failure);

  // Nothing: no window has room (yet); take any other space.
  std::optional<Extent> reserve(uint64_t bytes);
  // Until nothing is in flight; no window is prepared any more.
  Task<void> drain();

 private:
  struct Window {
    uint64_t begin = 0, end = 0;  // device offsets; begin == end: none
    uint64_t length() const { return end - begin; }
  };

  static Task<void> prepare(SmallSpace& self);
  Window choose();
  bool worth_preparing() const;
  Task<Result<void>> fill(const std::vector<Extent>& free);

  Executor& executor_;
  device::Device& device_;
  ExtentMap& extents_;
  std::function<void(Error)> on_failure_;
  const uint64_t window_bytes_;
  Window current_, next_;
  uint64_t search_ = 0;  // device offset
  uint64_t exhausted_at_ = 0;  // bytes in use when no window was to be had; 0: there was one
  Gate gate_;
};

}  // namespace varve::block
