// A lane: one thread's session, and the calls that are under way on it. Whoever waits for one of
// them drives the lane, one thread at a time; the public interface's coroutines are resumed by the
// driver, between the executor's steps, so that they may wait and destroy whatever they like.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "client/client.h"
#include "rpc/rpc.h"
#include "varve/future.h"

namespace varve::v1::detail {

class Lane : public std::enable_shared_from_this<Lane> {
 public:
  static varve::Result<std::shared_ptr<Lane>> open(const client::Options& options, uint64_t client);
  // The one that the calling thread drives at the moment, or null.
  static Lane* current();

  client::Session& session() { return *session_; }
  uint64_t client() const { return client_; }

  // Gives a call its lane, its bounds and what it refers to; before begin().
  void adopt(Pending& pending, const Bounds& bounds, std::shared_ptr<const void> keep);
  // A call that never began, and whose result is there.
  static void fail(Pending& pending);
  // Starts what `make` returns on the session's executor.
  void begin(std::function<varve::Task<void>()> make);
  // The call has ended, and its result is there. By its task, at its end.
  void complete(std::shared_ptr<Pending> pending);
  static const std::shared_ptr<rpc::Cancellation>& cancellation_of(const Pending& pending);

  // Drives, or waits while another thread does, until ended() or for at_most (< 0: as long as it
  // takes); the last value of ended(), which must be safe to ask from any thread. `first`: resumed
  // before anything else.
  bool drive(const std::function<bool()>& ended, Duration at_most,
             std::coroutine_handle<> first = nullptr);
  void cancel(std::shared_ptr<rpc::Cancellation> cancellation, bool force);

 private:
  friend class Pending;
  void on_executor(std::function<void()> function);
  bool step_until(const std::function<bool()>& ended, Duration at_most);
  void resume_ready();
  void let_go();
  void leave();

  std::mutex mutex_;
  std::condition_variable changed_;  // a call completed, or nobody drives any more
  std::thread::id driver_;
  uint32_t waiting_ = 0;
  // The driver's own: coroutines to go on, and calls that have ended, to be let go between steps.
  std::deque<std::coroutine_handle<>> ready_;
  std::vector<std::shared_ptr<Pending>> ended_;
  std::atomic<uint64_t> completions_{0};
  uint64_t client_ = 0;
  std::unique_ptr<client::Session> session_;
};

struct Pending::Inner {
  std::shared_ptr<Lane> lane;
  std::shared_ptr<const void> keep;
  std::shared_ptr<rpc::Cancellation> cancellation;
  std::coroutine_handle<> waiter;
  std::optional<std::stop_callback<std::function<void()>>> on_stop;
};

}  // namespace varve::v1::detail
