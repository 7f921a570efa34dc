// When space is given back: at once where somebody waits for it, soon after much was overwritten, and
// otherwise when nothing else is going on. A pass looks at everything that changed, so passes keep a
// distance that grows with what they cost.
#include <algorithm>
#include <functional>

#include "base/log.h"
#include "object/service.h"

namespace varve::object {
namespace {

constexpr Duration kLook = 100ms;      // between looks at whether a pass is due
constexpr Duration kLookIdle = 5s;     // the same when there is nothing left to merge
constexpr uint64_t kRetentionNs = 50'000'000;
constexpr Duration kTimedPass = 5s;
// A step of the background takes about so long at most, and rests for a multiple of what it took: that is
// what a request may find before it, and the share of the thread that is left to requests.
constexpr Duration kStep = 40us;
constexpr int kStepRest = 9;
constexpr Duration kStepRestMin = 300us;
constexpr uint32_t kSliceEntriesLeast = 16, kSliceEntriesMost = 256;
constexpr int kRestFactor = 8;  // a pass that took so long is followed by so much of a rest
// The heap is filling when this part of it is in use, the device when an eighth is free.
constexpr uint64_t kHeapPressed = 2;
constexpr uint32_t kColdBytes = 1024;  // values below are not worth a block of the device
constexpr uint64_t kColdNs = 10'000'000'000;

}  // namespace

void Service::wake_reclaim() {
  ++changes_;
  wanted_ = true;
  reclaim_wanted_.notify_all();
}

void Service::set_policy(const Uuid& pool, const Policy& policy) {
  std::erase_if(policies_, [&](const auto& known) { return known.first == pool; });
  if (policy != Policy{}) policies_.emplace_back(pool, policy);
  store_.set_merging(pool, policy.merging);
  ++changes_;
}

Result<void> Service::aggregate(const Uuid& pool, const Uuid& container, Epoch epoch) {
  if (!store_.find(pool, container))
    return Error(Code::kNonexistent, "container " + container.to_string() + " is not on device " + device_name_);
  orders_.push_back({pool, container, epoch});
  reclaim_wanted_.notify_all();
  return {};
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

Result<void> Service::hold_epoch(Epoch epoch, Duration lease) {
  if (epoch == kEpochNone) epoch = clock_.now(executor_.clock().wall_ns());
  if (epoch <= horizon_)
    return Error(Code::kAgain, "what the epoch shows may be merged meanwhile; try again with a newer one");
  oldest_hold();  // lets go of those that are over
  if (holds_.size() >= kHoldsMax)
    return Error(Code::kBusy, std::to_string(holds_.size()) + " readers hold an epoch already; read at a snapshot");
  holds_.push_back({epoch, executor_.now() + lease});
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
  if (urgent_ || wanted_) return true;
  if (now < next_pass_) return false;
  for (const auto& [pool, policy] : policies_)
    if (policy.timed && now >= last_pass_ + kTimedPass) return true;
  const uint64_t requests = counters_.updates + counters_.fetches + counters_.punches + counters_.lists;
  const bool idle = requests == requests_seen_;
  requests_seen_ = requests;
  return idle || written_bytes_ - written_bytes_merged_ >= kGarbageBytes;
}

Task<void> Service::pause_reclaim(Instant begin) {
  if (urgent_ || hurried_) co_await executor_.yield();
  else co_await executor_.sleep_for(std::max(kStepRestMin, kStepRest * (executor_.now() - begin)));
}

// A slice is made as large as fits into a step.
Task<Result<void>> Service::run_slices(std::function<Result<bool>(uint32_t budget)> slice) {
  for (bool more = true; more && !stopping_;) {
    VARVE_CO_CHECK(co_await prepare_transaction(4 * store::kSmallTransactionBytes));
    const Instant begin = executor_.now();
    VARVE_CO_TRY(more, slice(hurried_ ? kSliceEntriesMost : slice_entries_));
    const Duration took = executor_.now() - begin;
    if (took > kStep) slice_entries_ = std::max(kSliceEntriesLeast, slice_entries_ / 2);
    else if (took < kStep / 2) slice_entries_ = std::min(kSliceEntriesMost, slice_entries_ + slice_entries_ / 4);
    VARVE_CO_CHECK(co_await rewrite_proposed());
    if (more) co_await pause_reclaim(begin);
  }
  co_return Result<void>();
}

void Service::note_cold(Epoch now) {
  const block::SpaceUse use = volume_.use();
  const bool room = use.extent_bytes_max - use.extent_bytes > use.extent_bytes_max / 8;
  pressed_ = room && use.heap_bytes > use.heap_bytes_max / kHeapPressed;
  const uint64_t before = hurried_ ? now.value : now.value - std::min(now.value, kColdNs);
  store_.set_cold(Epoch{before}, pressed_ ? kColdBytes : 0);
}

// False if the device has failed.
Task<bool> Service::reclaim_pass(bool urgent) {
  const Instant begin = executor_.now();
  hurried_ = urgent;
  const uint64_t changes = changes_, written_bytes = written_bytes_;
  const Epoch now = clock_.now(executor_.clock().wall_ns());
  Epoch horizon{urgent ? now.value : now.value - std::min(now.value, kRetentionNs)};
  if (!std::exchange(starved_, false)) horizon = std::min(horizon, oldest_hold());
  const Epoch newest = store_.newest_epoch();
  horizon_ = std::max(horizon_, horizon);
  note_cold(now);
  auto ran = co_await run_slices([this, horizon](uint32_t budget) { return store_.reclaim(horizon, budget); });
  if (!ran.ok()) {
    log_warning("device " + device_name_ + ": space is not given back: " + ran.error().describe());
    co_return ran.code() != Code::kIo;
  }
  // What was freed may be handed out once that is durable.
  auto durable = co_await wait_until_durable(volume_.last_committed());
  if (!durable.ok()) co_return false;
  if (newest <= horizon && !pressed_) changes_merged_ = changes;
  written_bytes_merged_ = written_bytes;
  last_pass_ = executor_.now();
  next_pass_ = last_pass_ + kRestFactor * (last_pass_ - begin);
  ++passes_;
  pass_done_.notify_all();
  if (log_enabled(LogLevel::kDebug))
    log_debug("device " + device_name_ + ": a pass of reclaim took " +
              std::to_string((executor_.now() - begin).count() / 1000) + " us, extents now hold " +
              std::to_string(volume_.use().extent_bytes) + " bytes");
  co_return true;
}

Task<void> Service::aggregate_ordered() {
  while (!orders_.empty() && !stopping_) {
    const Order order = orders_.front();
    orders_.erase(orders_.begin());
    const Epoch now = clock_.now(executor_.clock().wall_ns());
    const Epoch horizon = std::min({order.epoch, now, oldest_hold()});
    horizon_ = std::max(horizon_, horizon);
    auto ran = co_await run_slices([this, order, horizon](uint32_t budget) -> Result<bool> {
      store::Container* container = store_.find(order.pool, order.container);
      if (!container) return false;  // destroyed meanwhile
      return store_.aggregate(*container, horizon, budget);
    });
    if (!ran.ok() && ran.code() != Code::kShutdown)
      log_warning("device " + device_name_ + ": container " + order.container.to_string() +
                  " is not merged: " + ran.error().describe());
  }
}

Task<void> Service::reclaim_in_background() {
  Gate::Guard inside(background_);
  while (!stopping_) {
    const Duration pause = changes_ == changes_merged_ ? kLookIdle : kLook;
    if (!urgent_ && !wanted_ && orders_.empty()) co_await reclaim_wanted_.wait(executor_.now() + pause);
    if (!orders_.empty()) co_await aggregate_ordered();
    if (stopping_ || !reclaim_is_due(executor_.now())) {
      urgent_ = wanted_ = false;
      continue;
    }
    const bool urgent = urgent_;
    urgent_ = wanted_ = false;
    const bool alive = co_await reclaim_pass(urgent);
    hurried_ = false;
    if (!alive) break;
  }
  pass_done_.notify_all();
}

Task<void> Service::stop() {
  stopping_ = true;
  scrub_wanted_.notify_all();
  reclaim_wanted_.notify_all();
  pass_done_.notify_all();
  co_await background_.close();
}

}  // namespace varve::object
