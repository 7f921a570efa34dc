#include "block/heap_volume.h"

#include <cstring>

#include "block/log_replay.h"

namespace varve::block {
namespace {

// Small writes beyond this many bytes at a time are not logged; fewer where the log is small.
constexpr uint64_t kBurstBytesMin = 64 * kKiB;

std::byte* arena_of(device::Device& device, const Superblock& superblock,
                    const LazyMemory& memory) {
  return device.persistent() ? memory.data() : device.direct(superblock.geometry.arena_offset);
}

}  // namespace

HeapVolume::HeapVolume(Executor& executor, device::Device& device, const Superblock& superblock,
                       const CheckpointPolicy& policy)
    : executor_(executor),
      device_(device),
      superblock_(superblock),
      arena_(device.persistent() ? superblock.geometry.arena_bytes : kPageBytes, true),
      heap_(arena_of(device, superblock, arena_), superblock.geometry.chunks_offset,
            superblock.geometry.chunk_count),
      extents_(heap_, arena_of(device, superblock, arena_), superblock.geometry.bitmap_offset,
               superblock.geometry.data_offset,
               superblock.geometry.data_bytes / device::kBlockBytes),
      policy_(policy) {
  VARVE_ASSERT(policy.threshold_percent <= 100 && policy.interval.count() > 0,
               "a policy is checked");
  base_ = arena_of(device, superblock, arena_);
}

HeapVolume::~HeapVolume() = default;

// --- opening and closing

Task<Result<void>> HeapVolume::recover() {
  LogPoint head;
  if (device_.persistent()) {
    pages_ = std::make_unique<PageStore>(device_, superblock_, base_);
    VARVE_CO_CHECK(co_await pages_->load());
    VARVE_CO_CHECK(co_await replay(head));
  }
  if (heap_.header()->magic == 0) heap_.initialize();
  VARVE_CO_CHECK(heap_.load());
  extents_.load();
  if (!pages_) co_return {};
  ++superblock_.incarnation;
  superblock_.clean = 0;
  pages_->describe(superblock_);
  VARVE_CO_CHECK(co_await write_superblock());
  const Log::Start start{superblock_.volume,
                         superblock_.incarnation,
                         {superblock_.log_tail, superblock_.tail_sequence},
                         head};
  log_ = std::make_unique<Log>(executor_, device_, superblock_.geometry, start,
                               [this](Lsn lsn) { became_durable(lsn); });
  data_ = std::make_unique<DataWriter>(executor_, device_,
                                       [this](Error error) { log_->fail(std::move(error)); });
  burst_ = std::make_unique<BurstWriter>(
      executor_, device_,
      std::clamp(superblock_.geometry.log_bytes / 256, kBurstBytesMin / 4, kBurstBytesMin));
  if (device_.kind() == device::Kind::kFile || device_.kind() == device::Kind::kSimulated)
    small_space_ = std::make_unique<SmallSpace>(
        executor_, device_, extents_, [this](Error error) { log_->fail(std::move(error)); });
  durable_ = last_committed_ = Lsn{head.position};
  executor_.add_poller(*this);
  if (policy_.mode == CheckpointPolicy::Mode::kTimed) executor_.spawn(checkpoint_by_time());
  co_return {};
}

// Applies records to the arena at once; keeps logged data by block until it is known which of it is
// still in use at the log's end.
class HeapVolume::Replay final : public ReplayVisitor {
 public:
  Replay(HeapVolume& volume) : volume_(volume), geometry_(volume.superblock_.geometry) {}

  Result<void> entry(const LogEntry& entry) override {
    if (entry.kind == LogEntry::kHeap) return put_off(entry);
    if (entry.offset % kPageBytes != 0 || entry.length % kPageBytes != 0 ||
        entry.offset < geometry_.data_offset || entry.length > geometry_.data_bytes ||
        entry.offset - geometry_.data_offset > geometry_.data_bytes - entry.length)
      return Error(Code::kBadFormat, "log: a record leaves the data area");
    for (uint64_t done = 0; done < entry.length; done += kPageBytes) {
      if (entry.kind == LogEntry::kReleased) {
        data_.erase(entry.offset + done);
      } else {
        device::AlignedBuffer block(kPageBytes);
        std::memcpy(block.data(), entry.bytes.data() + done, kPageBytes);
        data_[entry.offset + done] = std::move(block);
      }
    }
    return {};
  }

  void end_of_group() override {
    for (; applied_ < received_; ++applied_) apply(pending_[applied_ % kPending]);
  }

  // Puts the data where it belongs; neighbours in one write.
  Task<Result<void>> write_data() {
    constexpr size_t kPiecesMax = 32;
    for (auto at = data_.begin(); at != data_.end();) {
      const uint64_t offset = at->first;
      std::vector<ByteView> pieces;
      for (; at != data_.end() && pieces.size() < kPiecesMax &&
             at->first == offset + pieces.size() * kPageBytes;
           ++at)
        pieces.push_back(at->second.view());
      VARVE_CO_CHECK(co_await volume_.device_.write(offset, pieces));
    }
    if (!data_.empty()) VARVE_CO_CHECK(co_await volume_.device_.flush());
    co_return {};
  }

 private:
  // Changes are small and lie anywhere in the heap: each waits, while the memory comes that it goes
  // to.
  Result<void> put_off(const LogEntry& entry) {
    if (entry.length == 0 || entry.offset > geometry_.arena_bytes ||
        entry.length > geometry_.arena_bytes - entry.offset)
      return Error(Code::kBadFormat, "log: a record leaves the heap");
    if (received_ - applied_ == kPending) apply(pending_[applied_++ % kPending]);
    __builtin_prefetch(volume_.base_ + entry.offset, 1);
    __builtin_prefetch(volume_.base_ + entry.offset + entry.length - 1, 1);
    pending_[received_++ % kPending] = {entry.offset, entry.bytes};
    return {};
  }

  struct Change {
    uint64_t offset;
    ByteView bytes;
  };
  void apply(const Change& change) {
    std::memcpy(volume_.base_ + change.offset, change.bytes.data(), change.bytes.size());
    volume_.pages_->mark_dirty(change.offset, change.bytes.size());
  }

  static constexpr uint64_t kPending = 32;
  Change pending_[kPending];
  uint64_t received_ = 0, applied_ = 0;
  HeapVolume& volume_;
  const Geometry& geometry_;
  std::map<uint64_t, device::AlignedBuffer> data_;  // by device offset
};

Task<Result<void>> HeapVolume::replay(LogPoint& end) {
  Replay replay(*this);
  VARVE_CO_TRY(const ReplayResult result,
               co_await replay_log(device_, superblock_, pages_->must_reach(), replay));
  VARVE_CO_CHECK(co_await replay.write_data());
  replayed_records_ = result.records;
  replayed_bytes_ = result.end.position - superblock_.log_tail;
  end = result.end;
  co_return {};
}

Task<Result<void>> HeapVolume::write_superblock() {
  ++superblock_.revision;
  seal_superblock(superblock_);
  device::AlignedBuffer buffer(kPageBytes);
  std::memcpy(buffer.data(), &superblock_, sizeof superblock_);
  const ByteView view = buffer.view();
  // One after the other: at every instant one copy is whole.
  for (const uint64_t offset : kSuperblockOffsets)
    VARVE_CO_CHECK(co_await device_.write_durable(offset, Gather(&view, 1)));
  co_return {};
}

Task<Result<void>> HeapVolume::close() {
  VARVE_ASSERT(!heap_.in_transaction(), "a volume is closed between transactions");
  if (!log_) co_return {};
  closing_ = true;
  timed_.notify_all();
  co_await timed_gate_.close();
  while (checkpointing_) co_await progress_.wait();
  Result<void> result = {};
  const Result<Lsn> reached = co_await make_durable();
  if (reached.ok())
    result = co_await run_checkpoint(true);
  else
    result = reached.error();
  if (small_space_) co_await small_space_->drain();
  co_await burst_->drain();
  co_await data_->drain();
  co_await log_->drain();
  executor_.remove_poller(*this);
  co_return std::move(result);
}

// --- transactions

bool HeapVolume::ready_for(uint64_t bytes) {
  return !log_ || (!log_->failure() && log_->has_room(bytes + data_->unlogged_bytes()));
}

Task<Result<void>> HeapVolume::wait_ready(uint64_t bytes) {
  while (!ready_for(bytes)) {
    if (log_->failure()) co_return Error(*log_->failure());
    if (!checkpointing_ && log_->used_bytes() == 0)
      co_return Error(Code::kNoSpace, "log: a transaction of " + std::to_string(bytes) +
                                          " bytes is larger than the log allows; split it, or "
                                          "format with a larger log");
    if (!checkpointing_) executor_.spawn(checkpoint_in_background());
    if (checkpointing_) co_await progress_.wait();
  }
  co_return {};
}

Lsn HeapVolume::commit() {
  if (!log_) {
    heap_.commit(false);
    ++last_committed_.value;
    durable_ = last_committed_;
    extents_.committed(last_committed_);
    extents_.settle(durable_);
    return last_committed_;
  }
  const std::span<const ChangedRange> ranges = heap_.commit(true);
  last_committed_ = log_->append({base_, ranges, extents_.released(), data_->publishing()});
  for (const ChangedRange& range : ranges) pages_->mark_dirty(range.offset, range.length);
  extents_.committed(last_committed_);
  data_->committed();
  if (waits_for_commit_) [[unlikely]] {
    waits_for_commit_ = false;
    timed_.notify_all();
  }
  return last_committed_;
}

void HeapVolume::rollback() {
  heap_.rollback();
  if (data_) data_->rolled_back();
  extents_.rolled_back();
}

Task<Result<void>> HeapVolume::durable(Lsn lsn) {
  if (!log_) co_return {};
  co_return co_await log_->durable(lsn);
}

void HeapVolume::became_durable(Lsn lsn) {
  durable_ = lsn;
  extents_.settle(lsn);
  if (log_->failure()) progress_.notify_all();
}

bool HeapVolume::poll() {
  bool any = data_->poll();
  any |= burst_->poll();
  any |= log_->poll();
  if (!checkpointing_ && !closing_ && !log_->failure() &&
      policy_.mode != CheckpointPolicy::Mode::kDisabled &&
      log_->used_bytes() > superblock_.geometry.log_bytes / 100 * policy_.threshold_percent)
    executor_.spawn(checkpoint_in_background());
  return any;
}

// --- extents

Result<Extent> HeapVolume::reserve(uint64_t bytes) {
  if (small_space_ && bytes <= SmallSpace::kSmallBytesMax) {
    const std::optional<Extent> extent = small_space_->reserve(bytes);
    if (extent) return *extent;
  }
  return extents_.reserve(bytes, device_.name());
}

void HeapVolume::cancel(Extent extent) {
  if (data_) data_->cancel(extent);
  extents_.cancel(extent);
}

void HeapVolume::publish(Extent extent) {
  if (data_) data_->publish(extent);
  extents_.publish(extent);
}

Task<Result<void>> HeapVolume::write(Extent extent, Gather from) {
  const uint64_t length = size_of(from);
  VARVE_ASSERT(length <= extent.length, "what is written fits the extent");
  if (!log_) co_return co_await device_.write(extent.offset, from);
  // Bytes of what was here before may still be on their way.
  if (data_->overlaps(extent.offset, extent.length))
    co_await data_->wait_for(extent.offset, extent.length);
  if (log_->failure()) co_return Error(*log_->failure());
  const bool small = length <= DataWriter::kLoggedBytesMax;
  const bool burst = small && burst_->wants(length);
  if (small && !burst && data_->unlogged_bytes() + length <= superblock_.geometry.log_bytes / 8) {
    data_->write(extent, from);
    co_return {};
  }
  Result<void> written = burst ? co_await burst_->write(extent.offset, from)
                               : co_await device_.write(extent.offset, from);
  if (written.ok())
    log_->extent_written();
  else if (written.code() == Code::kIo)
    log_->fail(Error(written.error()));
  co_return std::move(written);
}

Task<Result<void>> HeapVolume::read(uint64_t offset, MutableByteView into) {
  if (data_ && data_->overlaps(offset, into.size())) {
    if (data_->read(offset, into)) co_return {};
    co_await data_->wait_for(offset, into.size());
  }
  co_return co_await device_.read(offset, into);
}

// --- checkpoints

Task<Result<Lsn>> HeapVolume::make_durable() {
  const Lsn reached = last_committed_;
  VARVE_CO_CHECK(co_await log_->durable(reached));
  co_return reached;
}

Task<Result<void>> HeapVolume::run_checkpoint(bool clean) {
  if (log_->failure()) co_return Error(*log_->failure());
  checkpointing_ = true;
  // Whatever is dirty now is written; what changes later stands in the log from here on.
  const LogPoint tail = log_->open_point();
  const std::function<Task<Result<Lsn>>()> reach = [this] { return make_durable(); };
  // Logged data is forgotten with the log before the tail: by then the device must have it.
  Result<void> result = {};
  const bool data_written = co_await data_->settle();
  if (log_->failure()) result = Error(*log_->failure());
  if (result.ok() && data_written) result = co_await device_.flush();
  const std::function<Task<Result<void>>()> describe = [this] {
    pages_->describe(superblock_);
    return write_superblock();
  };
  if (result.ok()) result = co_await pages_->write_dirty(reach, describe);
  if (result.ok()) {
    superblock_.log_tail = tail.position;
    superblock_.tail_sequence = tail.sequence;
    pages_->describe(superblock_);
    superblock_.clean = clean ? 1 : 0;
    result = co_await write_superblock();
  }
  if (result.ok()) {
    log_->advance_tail(tail);
    ++checkpoints_;
  } else {
    log_->fail(Error(result.error()));
  }
  checkpointing_ = false;
  progress_.notify_all();
  co_return std::move(result);
}

Task<void> HeapVolume::checkpoint_in_background() {
  const Result<void> result = co_await run_checkpoint(false);
  if (!result.ok()) co_return;  // the log has failed with it: durable() and wait_ready() say so
}

Task<void> HeapVolume::checkpoint_by_time() {
  const Gate::Guard guard(timed_gate_);
  while (!closing_ && !log_->failure()) {
    if (log_->used_bytes() == 0) {
      waits_for_commit_ = true;
      co_await timed_.wait();
    }
    const Instant due = executor_.now() + policy_.interval;
    while (!closing_ && executor_.now() < due) co_await timed_.wait(due);
    while (checkpointing_) co_await progress_.wait();
    if (closing_ || log_->failure()) co_return;
    if (log_->used_bytes() > 0) co_await checkpoint_in_background();
  }
}

Task<Result<void>> HeapVolume::checkpoint() {
  if (!log_) co_return {};
  while (checkpointing_) co_await progress_.wait();
  co_return co_await run_checkpoint(false);
}

// --- administration

SpaceUse HeapVolume::use() const {
  return {heap_.allocated_bytes(), heap_.capacity_bytes(), extents_.used_bytes(),
          extents_.capacity_bytes()};
}

LogStatistics HeapVolume::statistics() const {
  LogStatistics statistics;
  if (log_) {
    log_->count(statistics);
    statistics.used_bytes = log_->used_bytes();
    statistics.used_bytes_max = superblock_.geometry.log_bytes;
  }
  statistics.replayed_bytes = replayed_bytes_;
  statistics.checkpoints = checkpoints_;
  statistics.replayed_records = replayed_records_;
  return statistics;
}

}  // namespace varve::block
