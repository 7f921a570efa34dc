// SPDX-License-Identifier: Apache-2.0
// Calls under way, and coroutines that await them.
//
// There are no threads behind this: what a thread has called goes on while a thread waits, in
// Future::get(), Future::wait() or Client::run(), or calls Client::progress(). Each thread has
// connections of its own, so that threads on one handle do not meet; a Future may go to another
// thread, which then waits for it in the first one's stead.
#ifndef VARVE_FUTURE_H
#define VARVE_FUTURE_H

#include <atomic>
#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <varve/types.h>

VARVE_NAMESPACE_BEGIN

namespace detail {

class Lane;

// What a Future and the call that it stands for share.
class VARVE_API Pending {
 public:
  Pending();
  virtual ~Pending();
  Pending(const Pending&) = delete;
  bool done() const { return done_.load(std::memory_order_acquire); }
  // Until it has ended; at_most < 0: its own bounds are the limit. False: not ended by then.
  bool wait(std::chrono::nanoseconds at_most);
  void cancel();
  // Ends it: when this returns, its memory is the caller's again.
  void abandon();
  // As the call's awaiter. False: it has ended, go on.
  bool suspend(std::coroutine_handle<> waiter);
  Error timed_out(std::chrono::nanoseconds at_most) const;

 private:
  friend class Lane;
  struct Inner;
  std::atomic<bool> done_{false};
  std::unique_ptr<Inner> inner_;
};

template <class T>
class PendingOf final : public Pending {
 public:
  std::optional<Result<T>> result;
};

}  // namespace detail

// A call under way. To drop one that has not ended ends it first, as cancel() does.
template <class T = void>
class [[nodiscard]] Future {
 public:
  Future() = default;
  explicit Future(std::shared_ptr<detail::PendingOf<T>> pending) : pending_(std::move(pending)) {}
  Future(Future&&) noexcept = default;
  Future& operator=(Future&& other) noexcept {
    std::swap(pending_, other.pending_);
    return *this;
  }
  ~Future() {
    if (pending_ && !pending_->done()) pending_->abandon();
  }

  // False once the result was taken.
  bool valid() const { return pending_ != nullptr; }
  bool ready() const { return pending_->done(); }
  // Waits until the call ends, which its bounds see to, and takes the result. Once.
  Result<T> get() {
    pending_->wait(std::chrono::nanoseconds(-1));
    return take();
  }
  // The same, but for `at_most`: a call that has not ended by then is ended, with kTimedOut.
  Result<T> get(std::chrono::nanoseconds at_most) {
    if (!pending_->wait(at_most)) {
      const Error late = pending_->timed_out(at_most);
      pending_->abandon();
      Result<T> result = take();
      return result.ok() ? std::move(result) : Result<T>(late);
    }
    return take();
  }
  // True if the call has ended.
  bool wait(std::chrono::nanoseconds at_most) { return pending_->wait(at_most); }
  // Asks the call to end; it does, with kCanceled or its result.
  void cancel() { pending_->cancel(); }

  // co_await within a Task, with the same result as get().
  struct Awaiter {
    Future& future;
    bool await_ready() const { return future.ready(); }
    bool await_suspend(std::coroutine_handle<> waiter) { return future.pending_->suspend(waiter); }
    Result<T> await_resume() { return future.take(); }
  };
  Awaiter operator co_await() & { return {*this}; }
  Awaiter operator co_await() && { return {*this}; }

 private:
  Result<T> take() {
    Result<T> result = std::move(*pending_->result);
    pending_.reset();
    return result;
  }
  std::shared_ptr<detail::PendingOf<T>> pending_;
};

template <class T>
class Task;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> continuation = std::noop_coroutine();
  std::exception_ptr exception;
  // Called at the end of one that was started without being awaited: who goes on then.
  std::coroutine_handle<> (*ended)(void*) = nullptr;
  void* ended_argument = nullptr;

  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
      PromiseBase& promise = self.promise();
      return promise.ended ? promise.ended(promise.ended_argument) : promise.continuation;
    }
    void await_resume() const noexcept {}
  };
  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() { exception = std::current_exception(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <class U = T>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() {
    if (exception) std::rethrow_exception(exception);
    return std::move(*value);
  }
};
template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() {}
  void take() {
    if (exception) std::rethrow_exception(exception);
  }
};

}  // namespace detail

// A lazy coroutine: it starts when it is awaited or given to Client::run(), and must run to its
// end. What it awaits are Futures and Tasks; whatever blocks otherwise, or waits in get(), holds up
// the thread's other coroutines. Exceptions pass to whoever awaits it.
template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  struct Awaiter {
    Handle handle;
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
      handle.promise().continuation = awaiting;
      return handle;
    }
    T await_resume() { return handle.promise().take(); }
  };
  Awaiter operator co_await() && noexcept { return {handle_}; }

  // Prepares it to be started without being awaited, by resuming what this returns; `ended` is
  // called at its end and says who goes on.
  std::coroutine_handle<> detach(std::coroutine_handle<> (*ended)(void*), void* argument) {
    handle_.promise().ended = ended;
    handle_.promise().ended_argument = argument;
    return handle_;
  }
  // After its end: what it returned or threw.
  T result() { return handle_.promise().take(); }

 private:
  Handle handle_;
};

namespace detail {

template <class T>
Task<T> Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

// Several tasks side by side, `at_once` of them at a time; resumes the waiter after the last.
template <class T>
struct Together {
  std::vector<Task<T>>& tasks;
  size_t at_once;
  size_t next = 0, running = 0;
  bool starting = false;
  std::coroutine_handle<> waiter{};

  static std::coroutine_handle<> one_ended(void* self) {
    return static_cast<Together*>(self)->ended();
  }
  std::coroutine_handle<> ended() {
    --running;
    if (starting) return std::noop_coroutine();  // within fill()
    fill();
    return running == 0 ? waiter : std::noop_coroutine();
  }
  void fill() {
    starting = true;
    while (next < tasks.size() && running < at_once) {
      ++running;
      tasks[next++].detach(one_ended, this).resume();
    }
    starting = false;
  }
  bool await_ready() const { return tasks.empty(); }
  bool await_suspend(std::coroutine_handle<> handle) {
    waiter = handle;
    fill();
    return running > 0;
  }
  void await_resume() const {}
};

}  // namespace detail

// Runs tasks side by side, at most `at_once` of them; ends when all have. Results in order; the
// first exception is thrown then.
template <class T>
Task<std::vector<T>> when_all(std::vector<Task<T>> tasks, size_t at_once = SIZE_MAX) {
  co_await detail::Together<T>{tasks, at_once ? at_once : 1};
  std::vector<T> results;
  results.reserve(tasks.size());
  for (Task<T>& task : tasks) results.push_back(task.result());
  co_return results;
}
inline Task<void> when_all(std::vector<Task<void>> tasks, size_t at_once = SIZE_MAX) {
  co_await detail::Together<void>{tasks, at_once ? at_once : 1};
  for (Task<void>& task : tasks) task.result();
}

VARVE_NAMESPACE_END

#endif  // VARVE_FUTURE_H
