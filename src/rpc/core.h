// What a node's peers and requests share. It outlives the node as long as a coroutine of a call or
// a handler is left; after close() they find everything closed.
#pragma once

#include <array>
#include <coroutine>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "rpc/frame.h"
#include "rpc/rpc.h"

namespace varve::rpc {

class PeerImpl;
class RequestImpl;
struct Core;

// How much one side may make the other hold.
inline constexpr uint64_t kHeldBytesMax = 64 * kMiB;  // messages of requests in work or waiting
inline constexpr uint32_t kCreditsMax = 1u << 16;
// A late reply's credit is taken as returned after this; a server may not be slower by more.
inline constexpr Duration kLateReplyWait = 10s;
// How much longer than its request a reply's bulk data may take before the connection is given up:
// a client that lives drops late data at once.
inline constexpr Duration kReplyGrace = 2s;

// A received message that requests look into; goes back to its pool with the last of them.
struct HeldMessage {
  Buffer bytes;
  uint32_t users = 0;
};

struct Core : std::enable_shared_from_this<Core> {
  Core(Executor& executor, const Node::Options& options);

  Executor& executor;
  Node::Options options;
  Node::Counters counters;
  bool closed = false;
  std::array<std::unique_ptr<std::array<Handler, 256>>, 256> handlers;
  std::unordered_map<network::Connection*, std::shared_ptr<PeerImpl>> peers;

  // Work: requests whose handler runs, and those that wait for one to end.
  uint64_t in_work = 0, held_bytes = 0;
  std::deque<RequestImpl*> waiting;
  bool starting = false;

  const Handler* handler_of(Opcode opcode) const {
    const auto& row = handlers[opcode >> 8];
    return row && (*row)[opcode & 0xff] ? &(*row)[opcode & 0xff] : nullptr;
  }

  // Sends at the end of the current run of ready coroutines what this peer gathers until then.
  void flush_soon(std::shared_ptr<PeerImpl> peer);
  // The task that does so; one per node, for its whole life.
  static Task<void> flush_at_end_of_step(std::shared_ptr<Core> core);

  HeldMessage* hold(ByteView message);
  void release(HeldMessage* message);
  RequestImpl* take_request();
  void recycle(RequestImpl* request);
  // Starts a request's handler, or lets it wait. `now`: when it arrived.
  void start(RequestImpl* request, Instant now);
  void start_waiting();
  void close();
  ~Core();

 private:
  struct FlushAwaiter {
    Core& core;
    explicit FlushAwaiter(Core& core) : core(core) {}
    ~FlushAwaiter() {
      core.flusher_ = nullptr;
    }  // its frame may end with the executor, before the node
    bool await_ready() const { return core.closed || !core.dirty_.empty(); }
    void await_suspend(std::coroutine_handle<> handle) { core.flusher_ = handle; }
    void await_resume() const {}
  };
  void wake_flusher();
  void run(RequestImpl* request, Instant now);

  std::coroutine_handle<> flusher_;
  std::vector<std::shared_ptr<PeerImpl>> dirty_, flushing_;
  std::vector<std::unique_ptr<HeldMessage>> free_messages_;
  std::vector<std::unique_ptr<RequestImpl>> free_requests_;
};

}  // namespace varve::rpc
