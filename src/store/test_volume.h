// A volume in memory, for tests.
#pragma once

#include "block/volume.h"
#include "runtime/executor.h"

namespace varve::store {

class TestVolume {
 public:
  explicit TestVolume(uint64_t bytes = 256 * kMiB)
      : executor(machine_clock(), 1), device(*device::open_memory(bytes)) {
    VARVE_ASSERT(executor.block_on(block::Volume::format(*device, {})).ok(), "");
    volume = *executor.block_on(block::Volume::open(executor, *device, {}));
  }
  Executor executor;
  std::unique_ptr<device::Device> device;
  std::unique_ptr<block::Volume> volume;
};

}  // namespace varve::store
