#include "base/log.h"
#include "object/service.h"

namespace varve::object {
namespace {

// Reads at an explicit epoch (a listing that goes on, say) may lag so far behind.
constexpr uint64_t kRetentionNs = 5'000'000'000;
constexpr Duration kPause = 1s;        // between looks when there is nothing to do
constexpr Duration kSlicePause = 1ms;  // between slices: requests go first
constexpr uint32_t kSliceEntries = 256;

}  // namespace

Task<void> Service::reclaim_in_background() {
  Gate::Guard inside(background_);
  uint64_t seen_changes = 0;
  bool settled = false;  // everything up to the retention was looked at
  while (!stopping_) {
    co_await reclaim_wanted_.wait(executor_.now() + kPause);
    if (settled && changes_ == seen_changes) continue;
    seen_changes = changes_;
    const uint64_t wall_ns = executor_.clock().wall_ns();
    const Epoch horizon{wall_ns - std::min(wall_ns, kRetentionNs)};
    settled = changes_ == 0 || store_.newest_epoch() < horizon;
    for (bool more = true; more && !stopping_;) {
      auto ready = co_await prepare_transaction(4 * store::kSmallTransactionBytes);
      Result<bool> slice = ready.ok() ? store_.reclaim(horizon, kSliceEntries) : Result<bool>(ready.error());
      if (!slice.ok()) {
        log_warning("device " + device_name_ + ": space is not reclaimed: " + slice.error().describe());
        if (slice.code() == Code::kIo) co_return;
        break;
      }
      more = *slice;
      if (more) co_await executor_.sleep_for(kSlicePause);
    }
  }
}

Task<void> Service::stop() {
  stopping_ = true;
  reclaim_wanted_.notify_all();
  co_await background_.close();
}

}  // namespace varve::object
