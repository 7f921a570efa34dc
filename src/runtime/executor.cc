#include "runtime/executor.h"

#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace varve {
namespace {

thread_local Executor* current_executor = nullptr;

struct CurrentScope {
  explicit CurrentScope(Executor* executor) : previous(current_executor) {
    current_executor = executor;
  }
  ~CurrentScope() { current_executor = previous; }
  Executor* previous;
};

}  // namespace

struct Executor::RootPromise : ListHook {
  static void* operator new(size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, size_t size) { free_frame(frame, size); }
  Root get_return_object();
  std::suspend_always initial_suspend() noexcept { return {}; }
  // Destroys the frame by hand: with std::suspend_never clang 16 leaks it from -O1 on.
  struct DestroyAwaiter {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) const noexcept { self.destroy(); }
    void await_resume() const noexcept {}
  };
  DestroyAwaiter final_suspend() noexcept { return {}; }
  void return_void() {}
  [[noreturn]] void unhandled_exception() noexcept {
    assertion_failed("no exception", "an exception left a coroutine", __FILE__, __LINE__);
  }
};

struct Executor::Root {
  using promise_type = RootPromise;
  std::coroutine_handle<RootPromise> handle;
};

Executor::Root Executor::RootPromise::get_return_object() {
  return {std::coroutine_handle<RootPromise>::from_promise(*this)};
}

struct Executor::Mail {
  Mail* next = nullptr;
  std::function<void()> function;
};

namespace {
// Executors whose threads have not gone to sleep since they last worked here: they run, poll, or
// wait for a processor. More of them than processors: who polls takes the place of one that could
// work.
std::atomic<int> awake_executors{0};
}  // namespace

// The one descriptor a thread sleeps on: an epoll set of the mailbox's eventfd and the pollers.
struct Executor::Sleeper {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  Sleeper() {
    VARVE_ASSERT(epoll >= 0 && wake >= 0, "a thread has descriptors to sleep on");
    add(wake);
  }
  ~Sleeper() {
    set_awake(false);
    close(wake);
    close(epoll);
  }
  void add(int descriptor) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
  }
  void set_awake(bool now_awake) {
    if (std::exchange(awake, now_awake) == now_awake) return;
    awake_executors.fetch_add(now_awake ? 1 : -1, std::memory_order_relaxed);
  }
  bool awake = false;
  void remove(int descriptor) { epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, nullptr); }
};

void Timer::cancel() {
  if (executor_) executor_->remove_timer(*this);
}

Executor::Executor(Clock& clock, uint64_t seed, Options options)
    : clock_(clock),
      random_(seed),
      options_(options),
      roots_(std::make_unique<IntrusiveList<RootPromise>>()) {}

Executor::~Executor() {
  abandon();
  for (Poller* poller : pollers_) poller->executor_ = nullptr;
}

Poller::~Poller() {
  // The descriptor is the derived class's and closed by now, which took it off the sleeper's set.
  if (executor_) std::erase(executor_->pollers_, this);
}

void Executor::abandon() {
  CurrentScope scope(this);
  ready_.clear();
  while (!roots_->empty())
    std::coroutine_handle<RootPromise>::from_promise(roots_->front()).destroy();
  for (Timer* timer : timers_) timer->executor_ = nullptr;
  timers_.clear();
  ready_.clear();
  for (Mail* mail = mail_.exchange(nullptr); mail;) {
    Mail* next = mail->next;
    delete mail;
    mail = next;
  }
}

Executor* Executor::current() { return current_executor; }

Executor::Root Executor::run_root(Executor*, Task<void> task) { co_await std::move(task); }

void Executor::spawn(Task<void> task) {
  Root root = run_root(this, std::move(task));
  roots_->push_back(root.handle.promise());
  CurrentScope scope(this);
  root.handle.resume();
}

void Executor::submit(std::function<void()> function) {
  Mail* mail = new Mail{nullptr, std::move(function)};
  mail->next = mail_.load(std::memory_order_relaxed);
  while (!mail_.compare_exchange_weak(mail->next, mail, std::memory_order_seq_cst,
                                      std::memory_order_relaxed)) {
  }
  if (sleeping_.load(std::memory_order_seq_cst)) {
    const int wake = wake_descriptor_.load(std::memory_order_acquire);
    const uint64_t one = 1;
    if (wake >= 0 && write(wake, &one, sizeof one) < 0) return;  // full counter: it wakes anyway
  }
}

bool Executor::deliver_mail() {
  if (!mail_.load(std::memory_order_relaxed)) return false;
  Mail* newest = mail_.exchange(nullptr, std::memory_order_acquire);
  Mail* oldest = nullptr;
  while (newest) {
    Mail* next = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = next;
  }
  for (bool any = false;; any = true) {
    if (!oldest) return any;
    std::unique_ptr<Mail> mail(oldest);
    oldest = mail->next;
    mail->function();
  }
}

bool Executor::earlier(const Timer& a, const Timer& b) {
  return a.when_ != b.when_ ? a.when_ < b.when_ : a.order_ < b.order_;
}

void Executor::sift_up(size_t index) {
  Timer* timer = timers_[index];
  while (index > 0) {
    const size_t parent = (index - 1) / 4;
    if (!earlier(*timer, *timers_[parent])) break;
    timers_[index] = timers_[parent];
    timers_[index]->index_ = index;
    index = parent;
  }
  timers_[index] = timer;
  timer->index_ = index;
}

void Executor::sift_down(size_t index) {
  Timer* timer = timers_[index];
  for (;;) {
    size_t best = index * 4 + 1;
    if (best >= timers_.size()) break;
    const size_t end = std::min(best + 4, timers_.size());
    for (size_t child = best + 1; child < end; ++child)
      if (earlier(*timers_[child], *timers_[best])) best = child;
    if (!earlier(*timers_[best], *timer)) break;
    timers_[index] = timers_[best];
    timers_[index]->index_ = index;
    index = best;
  }
  timers_[index] = timer;
  timer->index_ = index;
}

void Executor::arm_timer(Timer& timer, Instant when) {
  VARVE_ASSERT(!timer.armed(), "a timer is armed once at a time");
  if (when == kNever) return;
  timer.executor_ = this;
  timer.when_ = when;
  timer.order_ = timer_order_++;
  timers_.push_back(&timer);
  sift_up(timers_.size() - 1);
}

void Executor::remove_timer(Timer& timer) {
  const size_t index = timer.index_;
  VARVE_ASSERT(timers_[index] == &timer, "the heap knows where each timer is");
  timer.executor_ = nullptr;
  Timer* last = timers_.back();
  timers_.pop_back();
  if (last == &timer) return;
  timers_[index] = last;
  last->index_ = index;
  sift_up(index);
  sift_down(last->index_);
}

Instant Executor::next_timer() const { return timers_.empty() ? kNever : timers_.front()->when_; }

bool Executor::fire_timers() {
  if (timers_.empty()) return false;
  const Instant at = now();
  bool any = false;
  while (!timers_.empty() && timers_.front()->when_ <= at) {
    Timer* timer = timers_.front();
    remove_timer(*timer);
    timer->fire();
    any = true;
  }
  return any;
}

bool Executor::resume_ready() {
  if (ready_.empty()) return false;
  running_.swap(ready_);
  for (std::coroutine_handle<> coroutine : running_) coroutine.resume();
  running_.clear();
  return true;
}

void Executor::add_poller(Poller& poller) {
  VARVE_ASSERT(!poller.executor_, "a poller has one executor");
  poller.executor_ = this;
  pollers_.push_back(&poller);
  if (sleeper_ && poller.descriptor() >= 0) sleeper_->add(poller.descriptor());
}

void Executor::remove_poller(Poller& poller) {
  if (poller.executor_ != this) return;
  poller.executor_ = nullptr;
  std::erase(pollers_, &poller);
  if (sleeper_ && poller.descriptor() >= 0) sleeper_->remove(poller.descriptor());
}

bool Executor::has_work() const { return !ready_.empty() || mail_.load(std::memory_order_acquire); }

bool Executor::step() {
  CurrentScope scope(this);
  bool any = deliver_mail();
  any |= fire_timers();
  any |= resume_ready();
  for (size_t i = 0; i < pollers_.size(); ++i) any |= pollers_[i]->poll();
  any |= resume_ready();
  return any;
}

void Executor::sleep(Instant until) {
  for (Poller* poller : pollers_)
    if (!poller->arm()) return;
  until = std::min(until, next_timer());  // pollers may have armed one
  sleeping_.store(true, std::memory_order_seq_cst);
  if (!mail_.load(std::memory_order_seq_cst) && !stopping_.load(std::memory_order_seq_cst) &&
      ready_.empty()) {
    timespec timeout{};
    if (until != kNever) {
      const Instant at = now();
      const uint64_t ns = until > at ? until.ns - at.ns : 0;
      timeout.tv_sec = static_cast<time_t>(ns / 1'000'000'000);
      timeout.tv_nsec = static_cast<long>(ns % 1'000'000'000);
    }
    epoll_event events[16];
    const int count =
        epoll_pwait2(sleeper_->epoll, events, 16, until == kNever ? nullptr : &timeout, nullptr);
    VARVE_ASSERT(count >= 0 || errno == EINTR, "a thread can sleep");
  }
  sleeping_.store(false, std::memory_order_seq_cst);
  uint64_t ignored;
  if (read(sleeper_->wake, &ignored, sizeof ignored) < 0) return;  // nothing to clear
}

namespace {

// Who polls for longer lets others have the processor in between: the kernel's thread that completes
// the write it waits for would else wait for the end of its time slice.
constexpr Duration kUnyieldingWait = 10us;

int processors() {
  static const int count = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(CPU_COUNT(&set), 1) : 1;
  }();
  return count;
}

}  // namespace

bool Executor::run_until(const std::function<bool()>& done, Instant deadline) {
  Instant last_work = now();
  if (!sleeper_) {
    sleeper_ = std::make_unique<Sleeper>();
    for (Poller* poller : pollers_)
      if (poller->descriptor() >= 0) sleeper_->add(poller->descriptor());
    wake_descriptor_.store(sleeper_->wake, std::memory_order_release);
  }
  sleeper_->set_awake(true);
  bool idle = false;
  for (;;) {
    if (done()) return true;
    if (step()) {
      idle = false;
      continue;
    }
    if (done()) return true;
    const Instant at = now();
    if (!std::exchange(idle, true)) last_work = at;
    if (at >= deadline) return false;
    if (at - last_work < options_.polling_budget || at < poll_until_) {
      const bool crowded = awake_executors.load(std::memory_order_relaxed) > processors();
      if (at - last_work < kUnyieldingWait && !crowded)
        __builtin_ia32_pause();
      else
        sched_yield();
      continue;
    }
    sleeper_->set_awake(false);
    sleep(deadline);
    sleeper_->set_awake(true);
    idle = false;
  }
}

void Executor::run() {
  (void)processors();  // counted before this thread has only one left
  if (options_.pin_to_core >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(options_.pin_to_core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  }
  run_until([this] { return stopping_.load(std::memory_order_relaxed); });
}

void Executor::stop() {
  submit([this] { stopping_.store(true, std::memory_order_seq_cst); });
}

}  // namespace varve
