// The library as a whole within a process: initialised or not, in a child of fork or not.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "base/result.h"
#include "client/client.h"

namespace varve::libdaos {

// Rises with every fork, in the child: what was made under another number is the parent's.
extern std::atomic<uint64_t> fork_generation;

// Options of the environment, read once per daos_init.
client::Options session_options();

// Around fork. `lock` before it, with no other lock of this library held; then `unlock` in the
// parent and `inherit` in the child, which has the handles too: what its parent opened at the
// services is the parent's to close, and event queues, which have connections, are closed.
void lock_handles();
void unlock_handles();
void inherit_handles();
std::mutex& claims_mutex();  // of exclusive objects (obj.cc)
void lock_default_queue();
void unlock_default_queue();
void inherit_default_queue();
// The queue of events that belong to none; made on first use, closed by the last daos_fini.
void close_default_queue();

}  // namespace varve::libdaos
