// One executor per thread: ready coroutines, timers, pollers and a mailbox. The same class runs in
// production (run, block_on: it polls, then sleeps on one descriptor) and in simulation (step,
// driven by simulation/ under a virtual clock).
#pragma once

#include <atomic>
#include <coroutine>
#include <functional>
#include <memory>
#include <vector>

#include "base/intrusive_list.h"
#include "runtime/clock.h"
#include "runtime/task.h"

namespace varve {

class Executor;

// A source of events that is asked, and that can wake a sleeping thread through a descriptor.
// Leaves its executor when it is destroyed; either may go first.
class Poller {
 public:
  Poller() = default;
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  virtual ~Poller();
  // Handles what is there; true if anything was.
  virtual bool poll() = 0;
  // Readable when poll() has work, once armed. -1: never wakes a sleeper (poll alone).
  virtual int descriptor() const { return -1; }
  // Prepares the descriptor before a sleep; false if work came meanwhile and there must be none.
  virtual bool arm() { return true; }

 private:
  friend class Executor;
  Executor* executor_ = nullptr;
};

// A function to run at an instant, on its executor. Unlinks itself when destroyed.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual ~Timer() { cancel(); }
  bool armed() const { return executor_ != nullptr; }
  Instant when() const { return when_; }
  void cancel();

 protected:
  virtual void fire() = 0;

 private:
  friend class Executor;
  Executor* executor_ = nullptr;
  Instant when_;
  uint64_t order_ = 0;  // equal instants fire in the order they were armed
  size_t index_ = 0;
};

class Executor {
 public:
  struct Options {
    // How long a thread without work polls before it sleeps. While more threads of the process are
    // awake than it has processors, it lets the others go first.
    Duration polling_budget = 50us;
    int pin_to_core = -1;  // run() only; -1: wherever the kernel likes
  };

  Executor(Clock& clock, uint64_t seed, Options options);
  Executor(Clock& clock, uint64_t seed) : Executor(clock, seed, Options()) {}
  // As abandon().
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // The executor whose step is running on this thread; null outside.
  static Executor* current();

  Clock& clock() { return clock_; }
  Instant now() const { return clock_.now(); }
  Random& random() { return random_; }

  // Destroys every coroutine that was spawned here and has not ended, disarms every timer and drops
  // undelivered mail: as the end of the process would. For what is shut down or crashes before its
  // executor goes. Not from within a step.
  void abandon();

  // Starts a task that nobody awaits. On this executor's thread only.
  void spawn(Task<void> task);
  // Resumes later in this or the next step, in order. On this executor's thread only.
  void ready(std::coroutine_handle<> coroutine) { ready_.push_back(coroutine); }
  // Runs a function on this executor's thread, from any thread; wakes it if it sleeps. Mail from
  // one thread arrives in order. Dropped unrun if the executor is destroyed first.
  void submit(std::function<void()> function);

  void arm_timer(Timer& timer, Instant when);
  void add_poller(Poller& poller);
  // Nothing if it is not here (any more).
  void remove_poller(Poller& poller);

  // co_await executor.sleep_until(t) / sleep_for(d) / yield().
  auto sleep_until(Instant when);
  auto sleep_for(Duration duration);
  auto yield();

  // Delivers mail, fires due timers, resumes what is ready, polls. True if anything ran.
  bool step();
  // Something is ready or mail waits (pollers not asked).
  bool has_work() const;
  // The earliest timer; kNever if none.
  Instant next_timer() const;
  // Polls, steps and sleeps on this thread until stop().
  void run();
  void stop();  // from any thread
  // Runs on this thread until the task ends. Not while run() or another block_on is under way here.
  template <class T>
  T block_on(Task<T> task);
  // Runs on this thread until `done()` or the deadline; true if done. Sleeps as run() does.
  bool run_until(const std::function<bool()>& done, Instant deadline = kNever);
  // Waits that are expected to take longer than the polling budget may raise it for their time; not
  // where there is none (more pinned threads than cores).
  void expect_within(Instant until) {
    if (options_.polling_budget > 0ns) poll_until_ = std::max(poll_until_, until);
  }
  void set_polling_budget(Duration budget) { options_.polling_budget = budget; }

 private:
  friend class Timer;
  friend class Poller;
  struct Root;
  struct RootPromise;
  struct Mail;
  struct Sleeper;

  static Root run_root(Executor* executor, Task<void> task);
  bool deliver_mail();
  bool fire_timers();
  bool resume_ready();
  void sleep(Instant until);
  void remove_timer(Timer& timer);
  void sift_up(size_t index);
  void sift_down(size_t index);
  static bool earlier(const Timer& a, const Timer& b);

  Clock& clock_;
  Random random_;
  Options options_;
  std::vector<std::coroutine_handle<>> ready_, running_;
  std::vector<Timer*> timers_;
  uint64_t timer_order_ = 0;
  std::vector<Poller*> pollers_;
  std::unique_ptr<IntrusiveList<RootPromise>> roots_;
  std::atomic<Mail*> mail_{nullptr};
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> stopping_{false};
  std::unique_ptr<Sleeper> sleeper_;
  std::atomic<int> wake_descriptor_{-1};
  Instant poll_until_{0};
};

namespace executor_detail {

struct WakeTimer final : Timer {
  Executor* executor;
  std::coroutine_handle<> coroutine;
  void fire() override { executor->ready(coroutine); }
};

struct SleepAwaiter {
  Executor& executor;
  Instant when;
  WakeTimer timer;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) {
    timer.executor = &executor;
    timer.coroutine = coroutine;
    executor.arm_timer(timer, when);
  }
  void await_resume() const {}
};

struct YieldAwaiter {
  Executor& executor;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) { executor.ready(coroutine); }
  void await_resume() const {}
};

template <class T>
Task<void> store_result(Task<T> task, std::optional<T>& result) {
  result.emplace(co_await std::move(task));
}
inline Task<void> store_done(Task<void> task, bool& done) {
  co_await std::move(task);
  done = true;
}

}  // namespace executor_detail

inline auto Executor::sleep_until(Instant when) {
  return executor_detail::SleepAwaiter{*this, when, {}};
}
inline auto Executor::sleep_for(Duration duration) { return sleep_until(now() + duration); }
inline auto Executor::yield() { return executor_detail::YieldAwaiter{*this}; }

template <class T>
T Executor::block_on(Task<T> task) {
  if constexpr (std::is_void_v<T>) {
    bool done = false;
    spawn(executor_detail::store_done(std::move(task), done));
    run_until([&] { return done; });
  } else {
    std::optional<T> result;
    spawn(executor_detail::store_result(std::move(task), result));
    run_until([&] { return result.has_value(); });
    return std::move(*result);
  }
}

}  // namespace varve
