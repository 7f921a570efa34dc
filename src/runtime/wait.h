// What coroutines wait for: OneShot, Signal, Semaphore, Gate; and run_on, to work on another
// executor. All of them belong to one executor's thread; waiters resume through its ready queue.
// Every wait has a deadline form. Destroying any of them with waiters leaves these suspended for
// ever: only an executor's destruction ends them then.
#pragma once

#include <optional>
#include <vector>

#include "base/intrusive_list.h"
#include "base/result.h"
#include "runtime/executor.h"

namespace varve {

namespace wait_detail {

// A suspended coroutine in somebody's list, with an optional deadline.
struct Waiter : ListHook {
  struct Deadline final : Timer {
    Waiter* waiter;
    void fire() override { waiter->expire(); }
  };
  Executor* executor = nullptr;
  std::coroutine_handle<> coroutine;
  Deadline deadline;
  bool expired = false;
  uint64_t amount = 0;

  void suspend(std::coroutine_handle<> handle, Instant until) {
    executor = Executor::current();
    VARVE_ASSERT(executor, "coroutines run on an executor");
    coroutine = handle;
    if (until != kNever) {
      deadline.waiter = this;
      executor->arm_timer(deadline, until);
    }
  }
  void wake() {
    unlink();
    deadline.cancel();
    executor->ready(coroutine);
  }
  void expire() {
    expired = true;
    unlink();
    executor->ready(coroutine);
  }
};

}  // namespace wait_detail

// A value that comes once. One waiter.
template <class T>
class OneShot {
 public:
  // Only the first value counts; false for later ones.
  bool set(T value) {
    if (value_) return false;
    value_.emplace(std::move(value));
    if (!waiters_.empty()) waiters_.front().wake();
    return true;
  }
  bool is_set() const { return value_.has_value(); }

  struct Awaiter : wait_detail::Waiter {
    Awaiter(OneShot& one_shot, Instant until) : shot(one_shot), until(until) {}
    OneShot& shot;
    Instant until;
    bool await_ready() const { return shot.value_.has_value(); }
    void await_suspend(std::coroutine_handle<> handle) {
      VARVE_ASSERT(shot.waiters_.empty(), "a OneShot has one waiter");
      this->suspend(handle, until);
      shot.waiters_.push_back(*this);
    }
    // Nothing if the deadline passed first.
    std::optional<T> await_resume() {
      if (!shot.value_) return std::nullopt;
      return std::move(*shot.value_);
    }
  };
  struct Forever : Awaiter {
    using Awaiter::Awaiter;
    T await_resume() { return std::move(*this->shot.value_); }
  };
  Forever wait() { return Forever(*this, kNever); }
  Awaiter wait_until(Instant deadline) { return Awaiter(*this, deadline); }

 private:
  std::optional<T> value_;
  IntrusiveList<wait_detail::Waiter> waiters_;
};

// Wakes all that wait now. Waiters check their condition again in a loop.
class Signal {
 public:
  void notify_all() {
    waiters_.for_each([](wait_detail::Waiter& waiter) { waiter.wake(); });
  }
  struct Awaiter : wait_detail::Waiter {
    Awaiter(Signal& signal, Instant until) : signal(signal), until(until) {}
    Signal& signal;
    Instant until;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      suspend(handle, until);
      signal.waiters_.push_back(*this);
    }
    // False if the deadline passed first.
    bool await_resume() const { return !expired; }
  };
  Awaiter wait(Instant deadline = kNever) { return Awaiter(*this, deadline); }

 private:
  IntrusiveList<wait_detail::Waiter> waiters_;
};

// Counted credits, first come first served.
class Semaphore {
 public:
  explicit Semaphore(uint64_t available) : available_(available) {}
  bool try_acquire(uint64_t amount = 1) {
    if (!waiters_.empty() || available_ < amount) return false;
    available_ -= amount;
    return true;
  }
  void release(uint64_t amount = 1) {
    available_ += amount;
    while (!waiters_.empty() && waiters_.front().amount <= available_) {
      available_ -= waiters_.front().amount;
      waiters_.front().wake();
    }
  }
  uint64_t available() const { return available_; }
  struct Awaiter : wait_detail::Waiter {
    Awaiter(Semaphore& semaphore, uint64_t wanted, Instant until)
        : semaphore(semaphore), until(until) {
      amount = wanted;
    }
    Semaphore& semaphore;
    Instant until;
    bool await_ready() { return semaphore.try_acquire(amount); }
    void await_suspend(std::coroutine_handle<> handle) {
      suspend(handle, until);
      semaphore.waiters_.push_back(*this);
    }
    // False if the deadline passed first: nothing was acquired.
    bool await_resume() const { return !expired; }
  };
  Awaiter acquire(uint64_t amount = 1, Instant deadline = kNever) {
    return Awaiter(*this, amount, deadline);
  }

 private:
  uint64_t available_;
  IntrusiveList<wait_detail::Waiter> waiters_;
};

// Counts those inside; closing waits for them and lets nobody in.
class Gate {
 public:
  bool enter() {
    if (closed_) return false;
    ++inside_;
    return true;
  }
  void leave() {
    VARVE_ASSERT(inside_ > 0, "who leaves a gate has entered it");
    if (--inside_ == 0) empty_.notify_all();
  }
  bool closed() const { return closed_; }
  uint64_t inside() const { return inside_; }
  Task<void> close() {
    closed_ = true;
    while (inside_ > 0) co_await empty_.wait();
  }

  // Inside for the life of the guard; `entered()` is false at a closed gate.
  class Guard {
   public:
    explicit Guard(Gate& gate) : gate_(gate.enter() ? &gate : nullptr) {}
    Guard(Guard&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (gate_) gate_->leave();
    }
    bool entered() const { return gate_ != nullptr; }

   private:
    Gate* gate_;
  };

 private:
  bool closed_ = false;
  uint64_t inside_ = 0;
  Signal empty_;
};

// Runs tasks side by side on the current executor; ends when all have ended. Results in order.
template <class T>
Task<std::vector<T>> when_all(std::vector<Task<T>> tasks) {
  std::vector<std::optional<T>> results(tasks.size());
  size_t left = tasks.size();
  Signal done;
  auto one = [](Task<T> task, std::optional<T>& result, size_t& left, Signal& done) -> Task<void> {
    result.emplace(co_await std::move(task));
    if (--left == 0) done.notify_all();
  };
  for (size_t i = 0; i < tasks.size(); ++i)
    Executor::current()->spawn(one(std::move(tasks[i]), results[i], left, done));
  while (left > 0) co_await done.wait();
  std::vector<T> values;
  values.reserve(results.size());
  for (std::optional<T>& result : results) values.push_back(std::move(*result));
  co_return values;
}

namespace wait_detail {
template <class T>
Task<void> run_there(std::function<Task<T>()> make, Executor& here, OneShot<T>& done) {
  auto result = std::make_shared<T>(co_await make());
  here.submit([&done, result] { done.set(std::move(*result)); });
}
}  // namespace wait_detail

// Runs make()'s task on `there` and returns its result here. What the task refers to must live
// until it returns; `here` and `there` may be one.
template <class T>
Task<T> run_on(Executor& there, std::function<Task<T>()> make) {
  Executor& here = *Executor::current();
  if (&here == &there) co_return co_await make();
  OneShot<T> done;
  there.submit([&there, &here, &done, make = std::move(make)] {
    there.spawn(wait_detail::run_there<T>(make, here, done));
  });
  co_return co_await done.wait();
}

}  // namespace varve
