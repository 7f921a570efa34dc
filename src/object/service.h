// The object service of one target, on its executor: see README.md.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/hybrid_clock.h"
#include "block/volume.h"
#include "object/wire.h"
#include "rpc/rpc.h"
#include "runtime/wait.h"
#include "store/store.h"

namespace varve::object {

class UpdateWork;
class FetchWork;

class Service {
 public:
  struct Counters {
    uint64_t updates = 0, fetches = 0, punches = 0, lists = 0, failures = 0;
    // Updates that arrived damaged and were refused; fetches that met stored data that is damaged.
    uint64_t damaged_writes = 0, damaged_reads = 0;
    uint64_t rewrites = 0, rewritten_bytes = 0;  // by reclaim
    uint64_t scrub_passes = 0, scrubbed_bytes = 0, scrub_errors = 0;
  };

  // All outlive the service. `device_name`: for errors.
  Service(Executor& executor, block::Volume& volume, store::Store& store, std::string device_name);
  ~Service();

  void serve_on(rpc::Node& node);
  // In the place of a service that cannot be: every request fails with `why`.
  static void refuse_on(rpc::Node& node, std::shared_ptr<const Error> why);
  // A new epoch of this target, above `not_before` as is every one to come.
  Epoch advance_epoch(Epoch not_before);
  // Something was destroyed, or a snapshot went: there is space to give back.
  void wake_reclaim();
  // Handles that the container service has given out. Requests come with one, and are refused (kNoHandle) without;
  // what changes something is refused (kNoPermission) with one that was opened for reading.
  struct OpenHandle {
    Uuid pool, container;
    bool writable = false;
  };
  void open_handle(const Uuid& handle, const OpenHandle& what) { handles_[handle] = what; }
  void close_handle(const Uuid& handle) { handles_.erase(handle); }
  // After a start: all handles that were open are. Until then an unknown one is told to try again (kAgain).
  void all_handles_known() { handles_known_ = true; }
  // What a pool's properties say: at once, also for what is stored already where that makes sense.
  struct Policy {
    bool merging = true;  // false: only aggregate() merges; what was destroyed goes anyway
    bool timed = false;   // merge every few seconds, not only when it is quiet or much was written
    uint32_t extent_from = store::kInlineBytesBelow;  // values this long go to the device
    bool operator==(const Policy&) const = default;
  };
  using Policies = std::vector<std::pair<Uuid, Policy>>;  // those that are not the default
  void set_policy(const Uuid& pool, const Policy& policy);
  // Orders a merge of the container up to `epoch` (kEpochMax: up to now); the background does it.
  // kNonexistent: it is not there.
  Result<void> aggregate(const Uuid& pool, const Uuid& container, Epoch epoch);
  // Epochs at which `container` must stay readable from now on. kAgain if `fresh`, the one that is new
  // (kEpochNone: none is), is too old for that already.
  Result<void> set_snapshots(store::Container& container, std::vector<Epoch> epochs, Epoch fresh);
  // Reads at `epoch` (kEpochNone: at one of now) and above stay possible for `lease`, and for kHoldLease after each
  // of them; but not where space is wanted meanwhile, nor after a restart. kAgain if it is too old for that already.
  static constexpr Duration kHoldLease = 60s;
  Result<void> hold_epoch(Epoch epoch, Duration lease);
  // Gives space back, merges versions; ends when stop() was called.
  Task<void> reclaim_in_background();
  // How a pool is scrubbed from now on.
  void set_scrub(const Uuid& pool, ScrubPolicy policy);
  // Compares what is stored with its checksums and marks what is damaged; ends when stop() was called.
  Task<void> scrub_in_background();
  // Empty, or which pool has more damage here than its threshold allows.
  const std::string& verdict() const { return verdict_; }
  // Refuses requests from now on (kShutdown) and ends the background.
  Task<void> stop();
  // Empty, or why the device cannot be used any more.
  const std::string& failure() const { return failure_; }
  const Counters& counters() const { return counters_; }

  // Handlers.
  Task<void> update(rpc::Request& request);
  Task<void> fetch(rpc::Request& request);
  Task<void> punch(rpc::Request& request);
  Task<void> list(rpc::Request& request);
  Task<void> list_objects(rpc::Request& request);
  Task<void> query(rpc::Request& request);
  Task<void> diff(rpc::Request& request);

 private:
  friend class UpdateWork;
  friend class FetchWork;

  // What was written last, and may not be durable yet, by hash of object and dkey: readers wait for it.
  static constexpr size_t kRecentSlots = 1024;
  // Written since the last pass of reclaim: worth one.
  static constexpr uint64_t kGarbageBytes = 32 * kMiB;
  // Data that is on its way between network and device, in memory of this service.
  static constexpr uint64_t kBufferBytesMax = 256 * kMiB;

  enum class Access : uint8_t { kRead, kWrite };
  Result<store::Container*> find(const Target& target, Access access);
  Result<Epoch> epoch_for(const Target& target);
  // Reads leave it behind: no transaction writes below what somebody was told.
  store::ReadAt read_at(const Target& target) {
    const Epoch now = clock_.now(executor_.clock().wall_ns());
    return {target.epoch, {}, kEpochNone, std::min(target.epoch, now)};
  }
  // What a reader at `epoch` may have seen at the most.
  Epoch seen_at(Epoch epoch) {
    return epoch == kEpochMax ? clock_.now(executor_.clock().wall_ns()) : epoch;
  }
  Task<Result<void>> receive_update(UpdateWork& work, rpc::Request& request);
  Result<void> place_append(store::Container& container, UpdateWork& work,
                            const store::Update& update);
  Task<Result<Epoch>> store_update(UpdateWork& work, Instant deadline);
  Task<Result<void>> fetch_into(FetchWork& work, rpc::Request& request);
  Task<Result<void>> read_parts(FetchWork& work);
  Task<Result<void>> punch_all(const PunchRequest& request);
  Result<block::Lsn> punch_one(const PunchRequest& request, size_t dkey);
  Task<Result<void>> prepare_transaction(uint64_t bytes);
  Task<Result<Buffer>> list_keys(const ListRequest& request);
  Task<Result<Buffer>> list_all_objects(const ListObjectsRequest& request);
  Task<Result<Buffer>> list_differences(const DiffRequest& request);
  void note_write(ObjectId oid, ByteView dkey, block::Lsn lsn);
  block::Lsn last_write(ObjectId oid, ByteView dkey) const;
  Task<Result<void>> wait_until_durable(block::Lsn lsn);
  void answer(rpc::Request& request, const Result<Buffer>& result);
  // Counts it; wakes the reclaim when it is for lack of space.
  void fail(rpc::Request& request, const Error& error);

  Executor& executor_;
  block::Volume& volume_;
  store::Store& store_;
  const std::string device_name_;
  HybridClock clock_;
  Counters counters_;
  struct HandleHash {
    size_t operator()(const Uuid& uuid) const;
  };
  std::unordered_map<Uuid, OpenHandle, HandleHash> handles_;
  bool handles_known_ = false;
  std::array<block::Lsn, kRecentSlots> recent_{};
  block::Lsn recent_object_punch_;
  Semaphore buffer_bytes_{kBufferBytesMax};
  std::vector<std::unique_ptr<UpdateWork>> idle_updates_;
  std::vector<std::unique_ptr<FetchWork>> idle_fetches_;
  Signal reclaim_wanted_;
  Gate background_;
  bool stopping_ = false;
  std::string failure_, verdict_;
  // --- scrub
  struct ScrubState {
    ScrubPolicy policy;
    Instant next_pass{0};
    uint64_t errors = 0;  // since the start
  };
  bool scrubs(const Uuid& pool) const;
  Task<void> scrub_pool(Uuid pool);
  Task<bool> scrub_container(Uuid pool, Uuid container);
  Task<Result<bool>> damage_stays(uint64_t offset, device::AlignedBuffer bytes, uint64_t length,
                                  std::span<const uint32_t> words, ChecksumFormat format);
  Task<Result<uint64_t>> check_runs(const ChecksumFormat& format, Uuid pool, Uuid container,
                                    std::vector<store::ScrubRun>& runs);
  Task<Result<void>> note_damage(Uuid pool, Uuid container, const store::ScrubRun& run, uint64_t from);
  // After so many bytes: bounds the rate, and waits for quiet where the pool is lazy.
  Task<void> pause_scrub(Uuid pool, uint64_t bytes);
  std::map<Uuid, ScrubState> scrubs_;
  Signal scrub_wanted_;
  uint64_t requests() const {
    return counters_.updates + counters_.fetches + counters_.punches + counters_.lists;
  }
  struct Hold {
    Epoch epoch;
    Instant until;
  };
  static constexpr size_t kHoldsMax = 4096;
  std::vector<Hold> holds_;
  void extend_hold(Epoch epoch);
  // The oldest that is held; kEpochMax: none is.
  Epoch oldest_hold();
  // --- reclaim
  Task<bool> reclaim_pass(bool urgent);
  bool reclaim_is_due(Instant now);
  // Between two steps, the last of which began at `begin`: requests go first.
  Task<void> pause_reclaim(Instant begin);
  // Runs slices until one says that there is nothing more to do. False: it had to stop.
  Task<Result<void>> run_slices(std::function<Result<bool>(uint32_t budget)> slice);
  Task<void> aggregate_ordered();
  void note_cold(Epoch now);
  Task<Result<void>> rewrite_proposed();
  Task<Result<void>> rewrite(const store::Rewrite& job);
  Task<Result<device::AlignedBuffer>> gather_sources(const store::Rewrite& job);
  Task<Result<void>> read_sources(const store::Rewrite& job, size_t first, size_t last, MutableByteView out);
  // Something can be merged now; the background looks soon, at once if it is much.
  void note_change() {
    const bool first = changes_++ == changes_merged_;
    if (first || written_bytes_ - written_bytes_merged_ >= kGarbageBytes) reclaim_wanted_.notify_all();
  }
  // Waits for a whole pass; false where it cannot help, or the deadline comes first.
  Task<bool> wait_for_space(Instant deadline);
  Task<Result<block::Extent>> reserve(uint64_t bytes, Instant deadline);
  struct Order {
    Uuid pool, container;
    Epoch epoch;
  };
  std::vector<Order> orders_;
  Policies policies_;
  uint32_t slice_entries_;
  bool wanted_ = false;    // a pass, soon
  bool hurried_ = false;   // the pass under way: somebody waits for it
  bool pressed_ = false;   // the heap is filling: cold values move out of it
  Signal pass_done_;
  uint64_t passes_ = 0;
  bool urgent_ = false;
  bool starved_ = false;  // somebody waits for space
  uint64_t changes_ = 0;         // updates, punches and destructions since the start
  uint64_t changes_merged_ = ~0ULL;  // up to which there is nothing left to merge
  uint64_t written_bytes_ = 0, written_bytes_merged_ = 0;  // into extents
  uint64_t requests_seen_ = 0;
  Instant next_pass_{0}, last_pass_{0};
  Epoch horizon_;
};

}  // namespace varve::object
