// What the C libraries share behind their functions: handles, sessions and the launching of
// operations. libdfs uses it too; both link libdaos.so, which exports namespace varve for them and
// for nobody else.
//
// Handles are process-wide and thread-safe. A closed, foreign or invented one gives kNoHandle. What
// a handle names lives as long as an operation under way holds it, whatever is closed meanwhile.
//
// C functions are defined outside of extern "C" blocks (their headers declare them so): within one,
// g++-12 gives all parts of a coroutine lambda the same symbol.
#pragma once

#include <functional>
#include <memory>
#include <type_traits>

#include "client/client.h"
#include "daos_event.h"
#include "daos_types.h"

namespace varve::libdaos {

// What a handle names; the low byte of its cookie. kOther: libraries over this one.
enum class Kind : uint8_t {
  kEventQueue = DAOS_HTYPE_EQ,
  kPool = DAOS_HTYPE_POOL,
  kContainer = DAOS_HTYPE_CO,
  kObject = DAOS_HTYPE_OBJ,
  kArray = DAOS_HTYPE_ARRAY,
  kTransaction = DAOS_HTYPE_TX,
  kKeyValue = DAOS_HTYPE_KV,
  kObjectIterator = 15,
  kOther = 17,
};

daos_handle_t register_handle(Kind kind, std::shared_ptr<void> what);
// Null if the handle is closed, of another kind or none at all.
std::shared_ptr<void> find_handle(Kind kind, daos_handle_t handle);
// The same, and the handle is closed: exactly one of several callers gets it.
std::shared_ptr<void> close_handle(Kind kind, daos_handle_t handle);
template <class T>
std::shared_ptr<T> find(Kind kind, daos_handle_t handle) {
  return std::static_pointer_cast<T>(find_handle(kind, handle));
}

// Of open handles; kNoHandle otherwise.
Result<client::Pool> pool_of(daos_handle_t handle);
Result<client::Container> container_of_handle(daos_handle_t handle);

// kUninitialized before daos_init (also in a child of fork that has not called it).
Result<void> require_initialized();
// The calling thread's own session, made on first use and closed when the thread ends. Not while an
// operation runs on it already (from inside a task use the Session that it was given).
Result<client::Session*> thread_session();

// The error as the C API returns it (-DER_*); logs its text for people (DAOS_LOG level, see log.h).
int failure(const Error& error);
template <class T>
int status(const Result<T>& result) {
  return result.ok() ? 0 : failure(result.error());
}

// One operation of the C API: makes and runs the task that ends in 0 or -DER_*. Without an event it
// runs on the calling thread's session, and returns the task's result. With one it is launched on
// the session of the event's queue and returns 0 at once (or why it could not be launched); the
// event completes with the task's result, as the queue is polled. The function object lives as long
// as its task, so a lambda with captures by value may itself be the coroutine.
using Operation = std::function<Task<int>(client::Session&)>;
int run(daos_event_t* event, Operation operation);

}  // namespace varve::libdaos
