#include "native/lane.h"

namespace varve::v1::detail {
namespace {

// Data that is on its way has this long to arrive before its connection is closed.
constexpr Duration kAbandonGrace = 1s;

thread_local Lane* current_lane = nullptr;

struct LaneScope {
  explicit LaneScope(Lane* lane) : previous(current_lane) { current_lane = lane; }
  LaneScope(const LaneScope&) = delete;
  ~LaneScope() { current_lane = previous; }
  Lane* previous;
};

}  // namespace

varve::Result<std::shared_ptr<Lane>> Lane::open(const client::Options& options, uint64_t client) {
  auto lane = std::make_shared<Lane>();
  VARVE_TRY(lane->session_, client::Session::open(options));
  lane->client_ = client;
  return lane;
}

Lane* Lane::current() { return current_lane; }

void Lane::adopt(Pending& pending, const Bounds& bounds, std::shared_ptr<const void> keep) {
  Pending::Inner& inner = *pending.inner_;
  inner.lane = shared_from_this();
  inner.keep = std::move(keep);
  inner.cancellation = std::make_shared<rpc::Cancellation>();
  // One that has passed already ends the call at once.
  if (bounds.timeout.count() != 0)
    inner.cancellation->deadline =
        session_->executor().now() + std::max<Duration>(bounds.timeout, 0ns);
  if (bounds.stop.stop_possible())
    inner.on_stop.emplace(bounds.stop, [lane = inner.lane, cancellation = inner.cancellation] {
      lane->cancel(cancellation, false);
    });
}

const std::shared_ptr<rpc::Cancellation>& Lane::cancellation_of(const Pending& pending) {
  return pending.inner_->cancellation;
}

void Lane::fail(Pending& pending) { pending.done_.store(true, std::memory_order_release); }

void Lane::begin(std::function<varve::Task<void>()> make) {
  on_executor([this, make = std::move(make)] { session_->executor().spawn(make()); });
}

void Lane::on_executor(std::function<void()> function) {
  const auto me = std::this_thread::get_id();
  bool nested = false;
  {
    std::lock_guard lock(mutex_);
    nested = driver_ == me;
    if (!nested && driver_ != std::thread::id())
      return session_->executor().submit(std::move(function));
    driver_ = me;
  }
  VARVE_ASSERT(Executor::current() != &session_->executor(), "callers are not run by a step");
  function();
  if (nested) return;
  let_go();
  leave();
}

void Lane::let_go() {
  std::vector<std::shared_ptr<Pending>> gone;
  gone.swap(ended_);
}

void Lane::leave() {
  std::lock_guard lock(mutex_);
  driver_ = std::thread::id();
  if (waiting_ > 0) changed_.notify_all();
}

void Lane::complete(std::shared_ptr<Pending> pending) {
  if (pending->inner_->waiter) ready_.push_back(pending->inner_->waiter);
  Pending& ended = *pending;
  // Never let go here: what its result holds may want to wait when it goes.
  ended_.push_back(std::move(pending));
  std::lock_guard lock(mutex_);
  ended.done_.store(true, std::memory_order_release);
  completions_.fetch_add(1, std::memory_order_release);
  if (waiting_ > 0) changed_.notify_all();
}

void Lane::cancel(std::shared_ptr<rpc::Cancellation> cancellation, bool force) {
  on_executor([cancellation = std::move(cancellation), force] { cancellation->request(force); });
}

bool Lane::drive(const std::function<bool()>& ended, Duration at_most,
                 std::coroutine_handle<> first) {
  const auto self = shared_from_this();
  const auto me = std::this_thread::get_id();
  Executor& executor = session_->executor();
  const Instant begin = executor.now();
  bool outermost = false;
  {
    std::unique_lock lock(mutex_);
    if (!first && ended()) return true;
    if (driver_ != me) {
      while (driver_ != std::thread::id()) {
        if (at_most.count() == 0) return false;
        ++waiting_;
        bool late = false;
        if (at_most.count() < 0) {
          changed_.wait(lock);
        } else {
          const Duration left = at_most - (executor.now() - begin);
          late = left.count() <= 0 || changed_.wait_for(lock, left) == std::cv_status::timeout;
        }
        --waiting_;
        if (!first && ended()) return true;
        if (late) return false;
      }
      driver_ = me;
      outermost = true;
    }
  }
  if (first) ready_.push_back(first);
  const Duration left =
      at_most.count() <= 0 ? at_most : std::max<Duration>(at_most - (executor.now() - begin), 0ns);
  const bool reached = step_until(ended, left);
  if (outermost) leave();
  return reached;
}

void Lane::resume_ready() {
  const LaneScope scope(this);
  while (!ready_.empty()) {
    const auto coroutine = ready_.front();
    ready_.pop_front();
    coroutine.resume();
  }
  let_go();
}

bool Lane::step_until(const std::function<bool()>& ended, Duration at_most) {
  Executor& executor = session_->executor();
  VARVE_ASSERT(Executor::current() != &executor, "who waits is not run by a step");
  const Instant deadline = at_most.count() < 0 ? kNever : executor.now() + at_most;
  for (bool late = false;;) {
    resume_ready();
    if (ended()) return true;
    if (late) return false;
    const uint64_t seen = completions_.load(std::memory_order_acquire);
    if (at_most.count() == 0) {
      if (executor.step()) executor.step();
      late = true;
    } else {
      late = !executor.run_until(
          [&] { return completions_.load(std::memory_order_acquire) != seen; }, deadline);
    }
  }
}

Pending::Pending() : inner_(std::make_unique<Inner>()) {}
Pending::~Pending() = default;

bool Pending::wait(std::chrono::nanoseconds at_most) {
  if (done()) return true;
  return inner_->lane->drive([this] { return done(); }, at_most);
}

void Pending::cancel() {
  if (!done()) inner_->lane->cancel(inner_->cancellation, false);
}

void Pending::abandon() {
  if (done()) return;
  for (const bool force : {false, true}) {
    inner_->lane->cancel(inner_->cancellation, force);
    if (wait(force ? Duration(-1) : kAbandonGrace)) return;
  }
}

bool Pending::suspend(std::coroutine_handle<> waiter) {
  if (done()) return false;
  if (inner_->lane.get() != current_lane) {
    wait(Duration(-1));
    return false;
  }
  inner_->waiter = waiter;
  return true;
}

Error Pending::timed_out(std::chrono::nanoseconds at_most) const {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(at_most).count();
  return {Code::kTimedOut, "a call",
          "it had not ended after the " + std::to_string(milliseconds) + " ms that get() was given",
          "Read before you repeat a change: it may have been made."};
}

}  // namespace varve::v1::detail
