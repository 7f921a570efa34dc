// daos.h: daos_init, daos_fini, daos_reinit; and each thread's session.
#include "daos.h"

#include <pthread.h>

#include <cstdlib>
#include <mutex>

#include "base/log.h"
#include "libdaos/handles.h"
#include "libdaos/library.h"

namespace varve::libdaos {

std::atomic<uint64_t> fork_generation{1};

namespace {

std::mutex library_mutex;
std::atomic<int> initialized{0};
client::Options options;

void before_fork() {
  lock_default_queue();
  library_mutex.lock();
  lock_handles();
  claims_mutex().lock();
}

void in_parent_of_fork() {
  claims_mutex().unlock();
  unlock_handles();
  library_mutex.unlock();
  unlock_default_queue();
}

void in_child_of_fork() {
  fork_generation.fetch_add(1, std::memory_order_relaxed);
  new (&claims_mutex()) std::mutex;
  inherit_handles();
  new (&library_mutex) std::mutex;
  inherit_default_queue();
}

// A thread's own. What a child of fork inherits is left as it is: closing it would speak on the
// parent's connections.
struct ThreadSession {
  std::unique_ptr<client::Session> session;
  uint64_t generation = 0;
  void abandon_if_inherited() {
    if (session && generation != fork_generation.load(std::memory_order_relaxed))
      static_cast<void>(session.release());
  }
  ~ThreadSession() { abandon_if_inherited(); }
};
thread_local ThreadSession thread_session_slot;

Result<void> initialize() {
  VARVE_TRY(options, client::options_from_environment());
  const char* level = std::getenv("VARVE_LOG");
  const char* file = std::getenv("VARVE_LOG_FILE");
  VARVE_TRY(const LogLevel parsed, parse_log_level(level && *level ? level : "warning"));
  VARVE_CHECK(configure_log(parsed, file ? file : ""));
  static bool registered = false;
  if (!registered) pthread_atfork(before_fork, in_parent_of_fork, in_child_of_fork);
  registered = true;
  return {};
}

}  // namespace

client::Options session_options() {
  std::lock_guard lock(library_mutex);
  return options;
}

Result<void> require_initialized() {
  if (initialized.load(std::memory_order_relaxed) > 0) return {};
  return Error(Code::kUninitialized, "the library is not initialised: call daos_init first");
}

Result<client::Session*> thread_session() {
  VARVE_CHECK(require_initialized());
  thread_session_slot.abandon_if_inherited();
  if (!thread_session_slot.session) {
    VARVE_TRY(thread_session_slot.session, client::Session::open(session_options()));
    thread_session_slot.generation = fork_generation.load(std::memory_order_relaxed);
  }
  return thread_session_slot.session.get();
}

int failure(const Error& error) {
  const bool grave = error.code() == Code::kUnreachable || error.code() == Code::kTimedOut ||
                     error.code() == Code::kChecksum || error.code() == Code::kIo ||
                     error.code() == Code::kDataLoss || error.code() == Code::kProtocol ||
                     error.code() == Code::kNotSupported;
  const LogLevel level = grave ? LogLevel::kWarning : LogLevel::kDebug;
  if (log_enabled(level)) log_line(level, "libdaos: " + error.describe());
  return -static_cast<int>(error.code());
}

}  // namespace varve::libdaos

using namespace varve;
using namespace varve::libdaos;

int daos_init(void) {
  std::lock_guard lock(library_mutex);
  if (initialized.load(std::memory_order_relaxed) == 0) {
    const Result<void> done = initialize();
    if (!done) return failure(done.error());
  }
  initialized.fetch_add(1, std::memory_order_relaxed);
  return 0;
}

int daos_fini(void) {
  {
    std::lock_guard lock(library_mutex);
    if (initialized.load(std::memory_order_relaxed) == 0)
      return -static_cast<int>(Code::kUninitialized);
    if (initialized.fetch_sub(1, std::memory_order_relaxed) > 1) return 0;
  }
  close_default_queue();
  thread_session_slot.abandon_if_inherited();
  thread_session_slot.session.reset();
  return 0;
}

int daos_reinit(void) {
  // What a child of fork does not share with its parent is made on first use.
  return initialized.load(std::memory_order_relaxed) > 0 ? 0 : daos_init();
}
