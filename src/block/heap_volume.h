// The Volume there is: heap and extents over one device; with a log and checkpoints where the device
// persists, without either where it is memory.
#pragma once

#include <memory>

#include "block/burst_writer.h"
#include "block/data_writer.h"
#include "block/extent_map.h"
#include "block/heap.h"
#include "block/layout.h"
#include "block/lazy_memory.h"
#include "block/log.h"
#include "block/page_store.h"
#include "block/small_space.h"

namespace varve::block {

class HeapVolume final : public Volume, private Poller {
 public:
  HeapVolume(Executor& executor, device::Device& device, const Superblock& superblock,
             const CheckpointPolicy& policy);
  ~HeapVolume() override;
  // What open() does once the superblock is known.
  Task<Result<void>> recover();

  Task<Result<void>> close() override;
  bool ready_for(uint64_t bytes) override;
  Task<Result<void>> wait_ready(uint64_t bytes) override;
  void begin(bool into_reserve) override { heap_.begin(into_reserve); }
  Result<HeapOffset> allocate(uint32_t bytes) override { return heap_.allocate(bytes); }
  void free(HeapOffset offset, uint32_t bytes) override { heap_.free(offset, bytes); }
  void change(HeapOffset offset, uint32_t bytes) override { heap_.change(offset, bytes); }
  Lsn commit() override;
  void rollback() override;
  Task<Result<void>> durable(Lsn lsn) override;
  Lsn last_committed() const override { return last_committed_; }

  Result<Extent> reserve(uint64_t bytes) override;
  void cancel(Extent extent) override;
  void publish(Extent extent) override;
  void release(Extent extent) override { extents_.release(extent); }
  Task<Result<void>> write(Extent extent, Gather from) override;
  Task<Result<void>> read(uint64_t offset, MutableByteView into) override;
  std::byte* direct(uint64_t offset) override { return device_.direct(offset); }
  Pin pin() override { return Pin(*this, extents_.pin()); }

  bool persistent() const override { return log_ != nullptr; }
  SpaceUse use() const override;
  LogStatistics statistics() const override;
  Task<Result<void>> checkpoint() override;

 private:
  void unpin(uint64_t generation) override { extents_.unpin(generation); }
  bool poll() override;

  class Replay;
  Task<Result<void>> replay(LogPoint& end);
  Task<Result<void>> write_superblock();
  Task<Result<void>> run_checkpoint(bool clean);
  Task<void> checkpoint_in_background();
  Task<void> checkpoint_by_time();
  Task<Result<Lsn>> make_durable();
  void became_durable(Lsn lsn);

  Executor& executor_;
  device::Device& device_;
  Superblock superblock_;
  LazyMemory arena_;  // unless the device is memory: then the arena lies there
  Heap heap_;
  ExtentMap extents_;
  Lsn last_committed_;
  // Persistent devices only.
  std::unique_ptr<PageStore> pages_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<DataWriter> data_;
  std::unique_ptr<BurstWriter> burst_;
  std::unique_ptr<SmallSpace> small_space_;  // files only
  bool checkpointing_ = false;
  bool closing_ = false;
  Signal progress_;  // a checkpoint ended, or the log failed
  uint64_t checkpoints_ = 0, replayed_records_ = 0, replayed_bytes_ = 0;
  // CheckpointPolicy::kTimed: a coroutine that sleeps while nothing is committed.
  const CheckpointPolicy policy_;
  bool waits_for_commit_ = false;
  Signal timed_;  // a commit it waited for, or the end
  Gate timed_gate_;
};

}  // namespace varve::block
