// What the services ask of the targets; the engine answers by going to their threads.
#pragma once

#include "base/chunk_checksum.h"
#include "base/ids.h"
#include "base/result.h"
#include "placement/placement.h"
#include "pool/wire.h"
#include "runtime/clock.h"
#include "runtime/task.h"

namespace varve::pool {

// DAOS_PROP_PO_RECLAIM and _DATA_THRESH: their numbers, values and bounds.
inline constexpr uint32_t kPropertyReclaim = 5, kPropertyDataThreshold = 10;
inline constexpr uint64_t kReclaimDisabled = 0, kReclaimLazy = 1, kReclaimTime = 4;
inline constexpr uint64_t kDataThreshold = 4096, kDataThresholdMin = 64, kDataThresholdMax = 32 * 1024;

class Targets {
 public:
  virtual ~Targets() = default;
  virtual uint32_t count() const = 0;
  // An error names one that is lost for now: then nothing is begun that all of them must do.
  virtual Result<void> all_there() const { return {}; }
  // False on memory devices: nothing survives a crash.
  virtual bool persistent() const = 0;
  // As every client is to see them, this rank's, in order.
  virtual std::vector<placement::PoolTarget> map() const = 0;

  // Each on one target, durable at its end. What is there already (or gone already) is a success: after a
  // crash everything may be asked again.
  virtual Task<Result<void>> create_pool(uint32_t target, Uuid pool, uint64_t bytes) = 0;
  virtual Task<Result<void>> destroy_pool(uint32_t target, Uuid pool) = 0;
  virtual Task<Result<void>> create_container(uint32_t target, Uuid pool, Uuid container,
                                              Integrity integrity) = 0;
  virtual Task<Result<void>> destroy_container(uint32_t target, Uuid pool, Uuid container) = 0;

  // Handles of a container, of which the target learns before any client and forgets before anybody hears that they
  // are closed. Nothing of them is kept there: after a start all are opened again.
  virtual Task<Result<void>> open_handle(uint32_t target, Uuid pool, Uuid container, Uuid handle, bool writable) = 0;
  virtual Task<Result<void>> close_handles(uint32_t target, std::vector<Uuid> handles) = 0;

  // What a pool's properties say of its data on the target (DAOS_PROP_PO_*); nothing of it is kept there.
  struct Policy {
    uint64_t reclaim = kReclaimLazy;
    uint64_t data_threshold = kDataThreshold;
  };
  virtual Task<Result<void>> set_policy(uint32_t target, Uuid pool, Policy policy) = 0;
  // Orders the merge of what nobody can see, up to `epoch`.
  virtual Task<Result<void>> aggregate(uint32_t target, Uuid pool, Uuid container, Epoch epoch) = 0;
  // How the pool is scrubbed from now on; not kept by the target.
  virtual Task<Result<void>> set_scrub(uint32_t target, Uuid pool, ScrubPolicy policy) = 0;

  struct Space {
    uint64_t reserved = 0, used = 0;
  };
  virtual Task<Result<Space>> space(uint32_t target, Uuid pool) = 0;
  virtual Task<TargetInfo> info(uint32_t target) = 0;

  // The target's clock: a new epoch of it; and that none at or below this one is given out any more.
  virtual Task<Epoch> advance_epoch(uint32_t target, Epoch not_before) = 0;
  // All snapshots of a container. `fresh`: one of them that is new (kEpochNone: none is); kAgain if what it
  // shows was merged away already.
  virtual Task<Result<void>> set_snapshots(uint32_t target, Uuid pool, Uuid container,
                                           std::vector<Epoch> epochs, Epoch fresh) = 0;
  // Reads of that epoch stay possible for a while (object::Service::hold_epoch()).
  virtual Task<Result<void>> hold_epoch(uint32_t target, Epoch epoch, Duration lease) = 0;
  // store::Store::rollback(), durable at its end; the target's clock is above `at` then.
  virtual Task<Result<void>> rollback(uint32_t target, Uuid pool, Uuid container, Epoch to, Epoch at) = 0;
};

}  // namespace varve::pool
