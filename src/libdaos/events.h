// Event queues. A queue owns a Session, driven by whichever thread polls, tests or launches: one at
// a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "libdaos/handles.h"
#include "rpc/rpc.h"

namespace varve::libdaos {

// What lies in daos_event_t::ev_private.
struct [[gnu::may_alias]] EventState {
  static constexpr uint64_t kMagic = 0x76616e6576657476;  // "vtevenav"
  uint64_t magic;
  daos_handle_t queue;  // cookie 0: the default queue
  daos_ev_status_t status;
  uint32_t children_running;
  daos_event_t* parent;
  daos_event_t* first_child;
  daos_event_t* next_sibling;
  daos_event_t* previous;  // in the queue's list of running or completed events
  daos_event_t* next;
  daos_event_comp_cb_t callback;
  void* callback_argument;
  uint32_t has_barrier;
  uint32_t was_aborted;
  int children_error;                                // the first of this launch
  std::shared_ptr<rpc::Cancellation>* cancellation;  // of the operation that runs; its task's
};
static_assert(sizeof(EventState) <= sizeof(daos_event_t::ev_private));

inline EventState& state_of(daos_event_t* event) {
  return *static_cast<EventState*>(static_cast<void*>(&event->ev_private));
}
inline bool is_event(daos_event_t* event) {
  return event && state_of(event).magic == EventState::kMagic;
}

// First in, first out, linked through the events.
struct EventList {
  daos_event_t* head = nullptr;
  daos_event_t* tail = nullptr;
  uint32_t count = 0;
  void push(daos_event_t* event);
  void remove(daos_event_t* event);
};

class EventQueue {
 public:
  static Result<std::shared_ptr<EventQueue>> create();

  // Runs the operation on the queue's session; the event is ready and belongs to this queue. 0 or
  // -DER_*.
  int launch(daos_event_t* event, Operation operation);
  // Up to `count` completed events, ready again. timeout_us < 0: until there is one.
  int poll(bool only_if_running, int64_t timeout_us, unsigned count, daos_event_t** events);
  // True if the event completed within the time; it is ready again then.
  bool test(daos_event_t* event, int64_t timeout_us);
  int barrier(daos_event_t* parent);
  // Ends what runs under the event, and its children's: when this returns, their buffers are the
  // caller's again, and the events can be polled or tested for.
  void abort(daos_event_t* event);
  void abort_all();
  // kBusy while it runs.
  int finish(daos_event_t* event);
  int query(daos_eq_query_t what, unsigned count, daos_event_t** events);
  bool busy();
  // Drives until nothing runs: operations have deadlines.
  void drain();

  // Guards lists and events of this queue.
  std::mutex& state_mutex() { return state_mutex_; }

 private:
  static Task<void> run_operation(EventQueue* queue, daos_event_t* event, Operation operation);
  // Asks for the event's operation and its children's to end; under the state mutex.
  void cancel_locked(daos_event_t* event, bool force);
  // Runs on the session's executor: at once where nobody drives it.
  void on_executor(std::function<void()> function);
  void make_ready(daos_event_t* event);
  void complete(daos_event_t* event, int result);
  // The parent that completes with it, or null.
  daos_event_t* settle_locked(daos_event_t* event, int result);
  // Drives the session until ready() holds (asked under the state mutex) or the time is over.
  template <class Ready>
  bool drive(Ready ready, int64_t timeout_us);

  std::mutex state_mutex_;
  EventList running_, completed_;
  bool driven_ = false;  // by a thread: the session is that thread's meanwhile
  uint32_t waiting_ = 0;
  std::condition_variable changed_;  // an event completed, or nobody drives any more
  std::unique_ptr<client::Session> session_;
  std::atomic<uint64_t> completions_{0};
};

}  // namespace varve::libdaos
