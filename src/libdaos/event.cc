// daos_event.h: events and their queues.
#include "daos_event.h"

#include <chrono>
#include <utility>

#include "libdaos/events.h"
#include "libdaos/library.h"

namespace varve::libdaos {
namespace {

int code(Code value) { return -static_cast<int>(value); }

constexpr int64_t kAbortGraceUs = 1'000'000;

std::mutex default_queue_mutex;
std::shared_ptr<EventQueue> default_queue;

Result<std::shared_ptr<EventQueue>> queue_by(daos_handle_t handle) {
  if (daos_handle_is_valid(handle)) {
    auto queue = find<EventQueue>(Kind::kEventQueue, handle);
    if (!queue) return Error(Code::kNoHandle, "the event queue is closed or was never created");
    return queue;
  }
  std::lock_guard lock(default_queue_mutex);
  if (!default_queue) {
    VARVE_TRY(default_queue, EventQueue::create());
  }
  return default_queue;
}

Result<std::shared_ptr<EventQueue>> queue_of(daos_event_t* event) {
  VARVE_CHECK(require_initialized());
  if (!is_event(event))
    return Error(Code::kInvalid, "the event was not initialised: call daos_event_init first");
  return queue_by(state_of(event).queue);
}

}  // namespace

void lock_default_queue() { default_queue_mutex.lock(); }
void unlock_default_queue() { default_queue_mutex.unlock(); }
void inherit_default_queue() {
  new (&default_queue_mutex) std::mutex;
  new (&default_queue) std::shared_ptr<EventQueue>;  // leaked on purpose: the parent's connections
}

void close_default_queue() {
  std::shared_ptr<EventQueue> queue;
  {
    std::lock_guard lock(default_queue_mutex);
    queue = std::move(default_queue);
  }
  if (queue) queue->drain();
}

void EventList::push(daos_event_t* event) {
  EventState& state = state_of(event);
  state.previous = tail;
  state.next = nullptr;
  (tail ? state_of(tail).next : head) = event;
  tail = event;
  ++count;
}

void EventList::remove(daos_event_t* event) {
  EventState& state = state_of(event);
  (state.previous ? state_of(state.previous).next : head) = state.next;
  (state.next ? state_of(state.next).previous : tail) = state.previous;
  state.previous = state.next = nullptr;
  --count;
}

Result<std::shared_ptr<EventQueue>> EventQueue::create() {
  auto queue = std::make_shared<EventQueue>();
  VARVE_TRY(queue->session_, client::Session::open(session_options()));
  return queue;
}

Task<void> EventQueue::run_operation(EventQueue* queue, daos_event_t* event, Operation operation) {
  auto cancellation = std::make_shared<rpc::Cancellation>();
  {
    std::lock_guard lock(queue->state_mutex_);
    EventState& state = state_of(event);
    state.cancellation = &cancellation;
    // Aborted before it began.
    if (state.was_aborted) cancellation->request(false);
  }
  queue->session_->set_cancellation(cancellation);
  const int result = co_await operation(*queue->session_);
  queue->session_->set_cancellation(nullptr);
  queue->complete(event, result);
}

int EventQueue::launch(daos_event_t* event, Operation operation) {
  {
    std::lock_guard lock(state_mutex_);
    EventState& state = state_of(event);
    if (state.status != DAOS_EVS_READY)
      return failure(
          Error(Code::kBusy, "the event belongs to an operation that runs or was not polled yet"));
    state.status = DAOS_EVS_RUNNING;
    state.was_aborted = 0;
    if (state.parent) ++state_of(state.parent).children_running;
    running_.push(event);
  }
  on_executor([this, event, operation = std::move(operation)] {
    session_->executor().spawn(run_operation(this, event, operation));
  });
  return 0;
}

void EventQueue::on_executor(std::function<void()> function) {
  Executor& executor = session_->executor();
  if (Executor::current() == &executor) return function();  // from a completion's callback
  {
    std::lock_guard lock(state_mutex_);
    if (driven_) return executor.submit(std::move(function));
    driven_ = true;
  }
  function();
  std::lock_guard lock(state_mutex_);
  driven_ = false;
  if (waiting_ > 0) changed_.notify_all();
}

// An event's callback is called without a lock, before anybody can see that the event completed.
void EventQueue::complete(daos_event_t* event, int result) {
  while (event) {
    EventState& state = state_of(event);
    if (state.callback) {
      const int changed = state.callback(state.callback_argument, event, result);
      if (result == 0) result = changed;
    }
    std::lock_guard lock(state_mutex_);
    event = settle_locked(event, result);
    if (event) result = std::exchange(state_of(event).children_error, 0);
  }
}

daos_event_t* EventQueue::settle_locked(daos_event_t* event, int result) {
  EventState& state = state_of(event);
  state.cancellation = nullptr;
  event->ev_error = state.was_aborted && result != 0 ? code(Code::kCanceled) : result;
  state.status = state.was_aborted ? DAOS_EVS_ABORTED : DAOS_EVS_COMPLETED;
  running_.remove(event);
  completions_.fetch_add(1, std::memory_order_release);
  if (waiting_ > 0) changed_.notify_all();
  daos_event_t* parent = state.parent;
  if (!parent) {
    completed_.push(event);
    return nullptr;
  }
  // A child is its parent's to report.
  EventState& above = state_of(parent);
  if (event->ev_error != 0 && above.children_error == 0) above.children_error = event->ev_error;
  if (--above.children_running > 0 || !above.has_barrier) return nullptr;
  above.has_barrier = 0;
  return parent;
}

// With its children, whose completions are told with it.
void EventQueue::make_ready(daos_event_t* event) {
  EventState& state = state_of(event);
  state.status = DAOS_EVS_READY;
  for (daos_event_t* child = state.first_child; child; child = state_of(child).next_sibling)
    if (state_of(child).status != DAOS_EVS_RUNNING) make_ready(child);
}

template <class Ready>
bool EventQueue::drive(Ready ready, int64_t timeout_us) {
  Executor& executor = session_->executor();
  std::unique_lock lock(state_mutex_);
  if (ready()) return true;
  // From within a callback: whoever called it drives.
  if (Executor::current() == &executor) return false;
  const auto wait = std::chrono::microseconds(timeout_us);
  const auto until = std::chrono::steady_clock::now() + wait;
  const Instant deadline = timeout_us < 0 ? kNever : executor.now() + wait;
  for (bool late = false;;) {
    if (driven_) {
      if (late || timeout_us == 0) return false;
      ++waiting_;
      if (timeout_us < 0)
        changed_.wait(lock);
      else
        late = changed_.wait_until(lock, until) == std::cv_status::timeout;
      --waiting_;
    } else {
      driven_ = true;
      const uint64_t seen = completions_.load(std::memory_order_acquire);
      lock.unlock();
      if (timeout_us == 0) {
        if (executor.step()) executor.step();
        late = true;
      } else {
        late = !executor.run_until(
            [&] { return completions_.load(std::memory_order_acquire) != seen; }, deadline);
      }
      lock.lock();
      driven_ = false;
      if (waiting_ > 0) changed_.notify_all();
    }
    if (ready()) return true;
    if (late) return false;
  }
}

int EventQueue::poll(bool only_if_running, int64_t timeout_us, unsigned count,
                     daos_event_t** events) {
  drive([&] { return completed_.count > 0 || (only_if_running && running_.count == 0); },
        timeout_us);
  std::lock_guard lock(state_mutex_);
  unsigned taken = 0;
  while (taken < count && completed_.head) {
    daos_event_t* event = completed_.head;
    completed_.remove(event);
    make_ready(event);
    events[taken++] = event;
  }
  return static_cast<int>(taken);
}

bool EventQueue::test(daos_event_t* event, int64_t timeout_us) {
  const auto done = [&] { return state_of(event).status != DAOS_EVS_RUNNING; };
  if (!drive(done, timeout_us)) return false;
  std::lock_guard lock(state_mutex_);
  EventState& state = state_of(event);
  if (state.status == DAOS_EVS_READY) return true;
  if (!state.parent) completed_.remove(event);
  make_ready(event);
  return true;
}

int EventQueue::barrier(daos_event_t* parent) {
  int result = 0;
  {
    std::lock_guard lock(state_mutex_);
    EventState& state = state_of(parent);
    if (state.status != DAOS_EVS_READY) return code(Code::kBusy);
    if (!state.first_child) return code(Code::kInvalid);
    state.status = DAOS_EVS_RUNNING;
    state.was_aborted = 0;
    if (state.parent) ++state_of(state.parent).children_running;
    running_.push(parent);
    state.has_barrier = state.children_running > 0;
    if (state.has_barrier) return 0;
    result = std::exchange(state.children_error, 0);
  }
  complete(parent, result);
  return 0;
}

void EventQueue::cancel_locked(daos_event_t* event, bool force) {
  EventState& state = state_of(event);
  if (state.status == DAOS_EVS_RUNNING) state.was_aborted = 1;
  if (state.cancellation) (*state.cancellation)->request(force);
  for (daos_event_t* child = state.first_child; child; child = state_of(child).next_sibling)
    cancel_locked(child, force);
}

void EventQueue::abort(daos_event_t* event) {
  const auto ended = [&] {
    const EventState& state = state_of(event);
    return state.status != DAOS_EVS_RUNNING && state.children_running == 0;
  };
  {
    std::lock_guard lock(state_mutex_);
    if (ended()) return;
  }
  for (const bool force : {false, true}) {
    on_executor([this, event, force, ended] {
      std::lock_guard lock(state_mutex_);
      if (!ended()) cancel_locked(event, force);
    });
    // Data that is on its way has this long to arrive before its connection is closed.
    if (drive(ended, force ? -1 : kAbortGraceUs)) return;
  }
}

void EventQueue::abort_all() {
  const auto ended = [this] { return running_.count == 0; };
  for (const bool force : {false, true}) {
    on_executor([this, force] {
      std::lock_guard lock(state_mutex_);
      for (daos_event_t* at = running_.head; at; at = state_of(at).next) cancel_locked(at, force);
    });
    if (drive(ended, force ? -1 : kAbortGraceUs)) return;
  }
}

int EventQueue::finish(daos_event_t* event) {
  std::lock_guard lock(state_mutex_);
  EventState& state = state_of(event);
  if (state.status == DAOS_EVS_RUNNING || state.children_running > 0) return code(Code::kBusy);
  if (state.status != DAOS_EVS_READY && !state.parent) completed_.remove(event);
  for (daos_event_t* child = state.first_child; child;) {
    daos_event_t* next = state_of(child).next_sibling;
    state_of(child).parent = state_of(child).next_sibling = nullptr;
    state_of(child).status = DAOS_EVS_READY;
    child = next;
  }
  if (state.parent) {
    daos_event_t** link = &state_of(state.parent).first_child;
    while (*link && *link != event) link = &state_of(*link).next_sibling;
    if (*link) *link = state.next_sibling;
  }
  state.magic = 0;
  return 0;
}

int EventQueue::query(daos_eq_query_t what, unsigned count, daos_event_t** events) {
  std::lock_guard lock(state_mutex_);
  uint32_t total = 0;
  const auto add = [&](const EventList& list) {
    total += list.count;
    unsigned filled = total - list.count;
    for (daos_event_t* at = list.head; at && events && filled < count; at = state_of(at).next)
      events[filled++] = at;
  };
  if (what & DAOS_EQR_COMPLETED) add(completed_);
  if (what & DAOS_EQR_WAITING) add(running_);
  return static_cast<int>(total);
}

bool EventQueue::busy() {
  std::lock_guard lock(state_mutex_);
  return running_.count + completed_.count > 0;
}

void EventQueue::drain() {
  drive([&] { return running_.count == 0; }, -1);
}

int run(daos_event_t* event, Operation operation) {
  if (event) {
    const Result<std::shared_ptr<EventQueue>> queue = queue_of(event);
    if (!queue) return failure(queue.error());
    return (*queue)->launch(event, std::move(operation));
  }
  const Result<client::Session*> session = thread_session();
  if (!session) return failure(session.error());
  return (*session)->wait(operation(**session));
}

}  // namespace varve::libdaos

using namespace varve;
using namespace varve::libdaos;

int daos_eq_create(daos_handle_t* eqh) {
  if (!eqh) return code(Code::kInvalid);
  if (const auto ready = require_initialized(); !ready) return failure(ready.error());
  Result<std::shared_ptr<EventQueue>> queue = EventQueue::create();
  if (!queue) return failure(queue.error());
  *eqh = register_handle(Kind::kEventQueue, std::move(*queue));
  return 0;
}

int daos_eq_destroy(daos_handle_t eqh, int flags) {
  const auto queue = find<EventQueue>(Kind::kEventQueue, eqh);
  if (!queue) return code(Code::kNoHandle);
  if (queue->busy() && !(flags & DAOS_EQ_DESTROY_FORCE)) return code(Code::kBusy);
  if (!close_handle(Kind::kEventQueue, eqh)) return code(Code::kNoHandle);
  queue->abort_all();
  return 0;
}

int daos_eq_poll(daos_handle_t eqh, int wait_running, int64_t timeout, unsigned int nevents,
                 daos_event_t** events) {
  if (nevents == 0 || !events || timeout < DAOS_EQ_WAIT) return code(Code::kInvalid);
  const auto queue = find<EventQueue>(Kind::kEventQueue, eqh);
  if (!queue) return code(Code::kNoHandle);
  return queue->poll(wait_running != 0, timeout, nevents, events);
}

int daos_eq_query(daos_handle_t eqh, daos_eq_query_t query, unsigned int nevents,
                  daos_event_t** events) {
  const auto queue = find<EventQueue>(Kind::kEventQueue, eqh);
  if (!queue) return code(Code::kNoHandle);
  return queue->query(query, nevents, events);
}

int daos_event_init(daos_event_t* ev, daos_handle_t eqh, daos_event_t* parent) {
  if (!ev || (parent && !is_event(parent))) return code(Code::kInvalid);
  if (parent) eqh = state_of(parent).queue;
  const Result<std::shared_ptr<EventQueue>> queue = queue_by(eqh);
  if (!queue) return failure(queue.error());
  *ev = {};
  EventState& state = state_of(ev);
  state.queue = eqh;
  state.parent = parent;
  if (parent) {
    std::lock_guard lock((*queue)->state_mutex());
    if (state_of(parent).status == DAOS_EVS_RUNNING) return code(Code::kInvalid);
    daos_event_t** link = &state_of(parent).first_child;
    while (*link) link = &state_of(*link).next_sibling;
    *link = ev;
  }
  state.magic = EventState::kMagic;
  return 0;
}

int daos_event_fini(daos_event_t* ev) {
  if (!is_event(ev)) return code(Code::kInvalid);
  const Result<std::shared_ptr<EventQueue>> queue = queue_by(state_of(ev).queue);
  // The queue is gone, and with it every list that the event could be in.
  if (!queue) return state_of(ev).magic = 0, 0;
  return (*queue)->finish(ev);
}

daos_event_t* daos_event_next(daos_event_t* parent, daos_event_t* child) {
  if (!is_event(parent)) return nullptr;
  if (!child) return state_of(parent).first_child;
  return is_event(child) && state_of(child).parent == parent ? state_of(child).next_sibling
                                                             : nullptr;
}

int daos_event_test(struct daos_event* ev, int64_t timeout, bool* flag) {
  if (!flag || timeout < DAOS_EQ_WAIT) return code(Code::kInvalid);
  const Result<std::shared_ptr<EventQueue>> queue = queue_of(ev);
  if (!queue) return failure(queue.error());
  *flag = (*queue)->test(ev, timeout);
  return 0;
}

int daos_event_register_comp_cb(struct daos_event* ev, daos_event_comp_cb_t cb, void* arg) {
  if (!is_event(ev) || !cb) return code(Code::kInvalid);
  if (state_of(ev).status == DAOS_EVS_RUNNING) return code(Code::kBusy);
  state_of(ev).callback = cb;
  state_of(ev).callback_argument = arg;
  return 0;
}

int daos_event_parent_barrier(struct daos_event* ev) {
  const Result<std::shared_ptr<EventQueue>> queue = queue_of(ev);
  if (!queue) return failure(queue.error());
  return (*queue)->barrier(ev);
}

int daos_event_abort(daos_event_t* ev) {
  const Result<std::shared_ptr<EventQueue>> queue = queue_of(ev);
  if (!queue) return failure(queue.error());
  (*queue)->abort(ev);
  return 0;
}
