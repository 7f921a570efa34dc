// Reading the log back: whole groups in order, up to the first that is not intact.
#pragma once

#include "block/layout.h"
#include "block/log_format.h"
#include "device/device.h"
#include "runtime/task.h"

namespace varve::block {

struct ReplayResult {
  LogPoint end;          // where the next group goes
  uint64_t records = 0;
};

// Sees every entry in order; its bytes are valid until the group that holds it ends.
class ReplayVisitor {
 public:
  virtual ~ReplayVisitor() = default;
  virtual Result<void> entry(const LogEntry& entry) = 0;
  virtual void end_of_group() {}
};

// From the superblock's tail on. kBadFormat if acknowledged groups are
// damaged or missing: the log ends below what a checkpoint or a later group says had been acknowledged.
Task<Result<ReplayResult>> replay_log(device::Device& device, const Superblock& superblock,
                                      uint64_t must_reach, ReplayVisitor& visitor);

}  // namespace varve::block
