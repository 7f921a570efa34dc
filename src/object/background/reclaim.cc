// When space is given back: at once where somebody waits for it, soon after much was overwritten, and
// otherwise when nothing else is going on. A pass looks at everything that changed, so passes keep a
// distance that grows with what they cost.
#include <algorithm>

#include "base/log.h"
#include "object/service.h"

namespace varve::object {
namespace {

constexpr Duration kLook = 100ms;      // between looks at whether a pass is due
constexpr Duration kLookIdle = 5s;     // the same when there is nothing left to merge
constexpr uint64_t kRetentionNs = 50'000'000;
constexpr Duration kSlicePause = 500us;         // between slices: requests go first
constexpr uint32_t kSliceEntries = 256;
constexpr int kRestFactor = 8;  // a pass that took so long is followed by so much of a rest

}  // namespace

void Service::wake_reclaim() {
  ++changes_;
  urgent_ = true;
  reclaim_wanted_.notify_all();
}

Result<void> Service::set_snapshots(store::Container& container, std::vector<Epoch> epochs, Epoch fresh) {
  if (fresh != kEpochNone && fresh <= horizon_)
    return Error(Code::kAgain, "what a new snapshot would show was merged meanwhile; try again");
  std::sort(epochs.begin(), epochs.end());
  // Nothing may come to be at or below a snapshot any more, wherever the wall clock stands after a restart.
  if (!epochs.empty()) clock_.not_before(epochs.back());
  store_.set_snapshots(container, std::move(epochs));
  ++changes_;
  return {};
}

Result<void> Service::hold_epoch(Epoch epoch) {
  if (epoch <= horizon_)
    return Error(Code::kAgain, "what the epoch shows may be merged meanwhile; try again with a newer one");
  oldest_hold();  // lets go of those that are over
  if (holds_.size() >= kHoldsMax)
    return Error(Code::kBusy, std::to_string(holds_.size()) + " readers hold an epoch already; read at a snapshot");
  holds_.push_back({epoch, executor_.now() + kHoldLease});
  return {};
}

void Service::extend_hold(Epoch epoch) {
  for (Hold& hold : holds_)
    if (hold.epoch == epoch) hold.until = executor_.now() + kHoldLease;
}

Epoch Service::oldest_hold() {
  const Instant now = executor_.now();
  std::erase_if(holds_, [&](const Hold& hold) { return hold.until < now; });
  Epoch oldest = kEpochMax;
  for (const Hold& hold : holds_) oldest = std::min(oldest, hold.epoch);
  return oldest;
}

Task<bool> Service::wait_for_space(Instant deadline) {
  if (stopping_ || changes_merged_ == changes_) co_return false;
  starved_ = true;
  urgent_ = true;
  reclaim_wanted_.notify_all();
  // The pass under way may have been past what is needed: a whole one after it counts.
  for (const uint64_t enough = passes_ + 2; passes_ < enough && !stopping_;) {
    const bool in_time = co_await pass_done_.wait(deadline);
    if (!in_time) co_return false;
    if (changes_merged_ == changes_) co_return true;
    urgent_ = true;
    reclaim_wanted_.notify_all();
  }
  co_return !stopping_;
}

bool Service::reclaim_is_due(Instant now) {
  if (changes_ == changes_merged_) return false;
  if (urgent_) return true;
  if (now < next_pass_) return false;
  const uint64_t requests = counters_.updates + counters_.fetches + counters_.punches + counters_.lists;
  const bool idle = requests == requests_seen_;
  requests_seen_ = requests;
  return idle || written_bytes_ - written_bytes_merged_ >= kGarbageBytes;
}

Task<void> Service::pause_reclaim() {
  if (urgent_) co_await executor_.yield();
  else co_await executor_.sleep_for(kSlicePause);
}

// False if the device has failed.
Task<bool> Service::reclaim_pass(bool urgent) {
  const Instant begin = executor_.now();
  const uint64_t changes = changes_, written_bytes = written_bytes_;
  const Epoch now = clock_.now(executor_.clock().wall_ns());
  Epoch horizon{urgent ? now.value : now.value - std::min(now.value, kRetentionNs)};
  if (!std::exchange(starved_, false)) horizon = std::min(horizon, oldest_hold());
  const Epoch newest = store_.newest_epoch();
  horizon_ = std::max(horizon_, horizon);
  for (bool more = true; more && !stopping_;) {
    auto ready = co_await prepare_transaction(4 * store::kSmallTransactionBytes);
    Result<bool> slice = ready.ok() ? store_.reclaim(horizon, kSliceEntries) : Result<bool>(ready.error());
    if (!slice.ok()) {
      log_warning("device " + device_name_ + ": space is not given back: " + slice.error().describe());
      co_return slice.code() != Code::kIo;
    }
    more = *slice;
    if (!more) break;
    const bool alive = co_await rewrite_proposed();
    if (!alive) co_return false;
    co_await pause_reclaim();
  }
  // What was freed may be handed out once that is durable.
  auto durable = co_await wait_until_durable(volume_.last_committed());
  if (!durable.ok()) co_return false;
  if (newest <= horizon) changes_merged_ = changes;
  written_bytes_merged_ = written_bytes;
  next_pass_ = executor_.now() + kRestFactor * (executor_.now() - begin);
  ++passes_;
  pass_done_.notify_all();
  if (log_enabled(LogLevel::kDebug))
    log_debug("device " + device_name_ + ": a pass of reclaim took " +
              std::to_string((executor_.now() - begin).count() / 1000) + " us, extents now hold " +
              std::to_string(volume_.use().extent_bytes) + " bytes");
  co_return true;
}

Task<void> Service::reclaim_in_background() {
  Gate::Guard inside(background_);
  while (!stopping_) {
    const Duration pause = changes_ == changes_merged_ ? kLookIdle : kLook;
    if (!urgent_) co_await reclaim_wanted_.wait(executor_.now() + pause);
    if (stopping_ || !reclaim_is_due(executor_.now())) {
      urgent_ = false;
      continue;
    }
    const bool urgent = urgent_;
    urgent_ = false;
    const bool alive = co_await reclaim_pass(urgent);
    if (!alive) break;
  }
  pass_done_.notify_all();
}

Task<void> Service::stop() {
  stopping_ = true;
  reclaim_wanted_.notify_all();
  pass_done_.notify_all();
  co_await background_.close();
}

}  // namespace varve::object
