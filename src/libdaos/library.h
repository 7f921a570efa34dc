// The library as a whole within a process: initialised or not, in a child of fork or not.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/result.h"
#include "client/client.h"

namespace varve::libdaos {

// Rises with every fork, in the child: what was made under another number is the parent's.
extern std::atomic<uint64_t> fork_generation;

// Options of the environment, read once per daos_init.
client::Options session_options();

// handle_table.cc, events.cc: leave the parent's state alone and begin anew.
void abandon_handles();
void abandon_default_queue();
// The queue of events that belong to none; made on first use, closed by the last daos_fini.
void close_default_queue();

}  // namespace varve::libdaos
