#include "rpc/core.h"

#include <cstdio>

#include "rpc/request.h"

namespace varve::rpc {
namespace {

constexpr size_t kMessagesKept = 32, kRequestsKept = 1024;

// Runs a handler; whatever ends it, its request goes back.
Task<void> serve(std::shared_ptr<Core> core, RequestImpl* request, const Handler* handler) {
  struct Lease {
    Core& core;
    RequestImpl* request;
    ~Lease() { core.recycle(request); }
  } lease{*core, request};
  co_await (*handler)(*request);
  if (!request->answered())
    request->fail(Error(Code::kMiscellaneous, "the server's handler gave no answer; report this"));
}

}  // namespace

Core::Core(Executor& executor, const Node::Options& options)
    : executor(executor), options(options) {}

Core::~Core() = default;

void Core::wake_flusher() {
  if (flusher_) executor.ready(std::exchange(flusher_, nullptr));
}

void Core::flush_soon(std::shared_ptr<PeerImpl> peer) {
  peer->in_dirty = true;
  dirty_.push_back(std::move(peer));
  wake_flusher();
}

Task<void> Core::flush_at_end_of_step(std::shared_ptr<Core> core) {
  while (!core->closed) {
    FlushAwaiter gathered(*core);
    co_await gathered;
    core->flushing_.swap(core->dirty_);
    for (const auto& peer : core->flushing_) {
      peer->in_dirty = false;
      peer->flush();
    }
    core->flushing_.clear();
  }
}

HeldMessage* Core::hold(ByteView message) {
  std::unique_ptr<HeldMessage> held;
  if (free_messages_.empty()) {
    held = std::make_unique<HeldMessage>();
  } else {
    held = std::move(free_messages_.back());
    free_messages_.pop_back();
  }
  held->bytes.assign(message.begin(), message.end());
  held->users = 1;
  held_bytes += message.size();
  return held.release();
}

void Core::release(HeldMessage* message) {
  VARVE_ASSERT(message->users > 0, "a message is released by who uses it");
  if (--message->users > 0) return;
  std::unique_ptr<HeldMessage> held(message);
  held_bytes -= held->bytes.size();
  if (free_messages_.size() < kMessagesKept) free_messages_.push_back(std::move(held));
}

RequestImpl* Core::take_request() {
  if (free_requests_.empty()) return new RequestImpl;
  RequestImpl* request = free_requests_.back().release();
  free_requests_.pop_back();
  return request;
}

void Core::recycle(RequestImpl* request) {
  std::unique_ptr<RequestImpl> owned(request);
  VARVE_ASSERT(in_work > 0, "who ends has begun");
  --in_work;
  owned->reset(*this);
  if (!closed && free_requests_.size() < kRequestsKept) free_requests_.push_back(std::move(owned));
  if (!waiting.empty()) start_waiting();
}

void Core::start(RequestImpl* request, Instant now) {
  if (in_work < options.requests_in_work_max && waiting.empty()) return run(request, now);
  waiting.push_back(request);
}

void Core::start_waiting() {
  // A handler that ends at once brings us here again: one loop, no recursion.
  if (starting) return;
  starting = true;
  while (!waiting.empty() && in_work < options.requests_in_work_max) {
    RequestImpl* request = waiting.front();
    waiting.pop_front();
    run(request, executor.now());
  }
  starting = false;
}

void Core::run(RequestImpl* request, Instant now) {
  ++in_work;
  const Handler* handler = handler_of(request->opcode());
  if (request->peer().closed()) return recycle(request);
  if (held_bytes > kHeldBytesMax) {
    ++counters.requests_refused;
    request->fail(
        Error(Code::kBusy, "the server has too many requests to work on; try again later"));
    return recycle(request);
  }
  if (!handler) {
    char text[96];
    std::snprintf(text, sizeof text, "operation 0x%04x is not known here; is the server older?",
                  request->opcode());
    request->fail(Error(Code::kNotImplemented, text));
    return recycle(request);
  }
  if (now >= request->deadline()) {
    ++counters.requests_expired;
    request->fail(Error(Code::kTimedOut, "the deadline passed before the request's turn came"));
    return recycle(request);
  }
  executor.spawn(serve(shared_from_this(), request, handler));
}

void Core::close() {
  closed = true;
  const auto ending = std::move(peers);
  peers.clear();
  for (const auto& [connection, peer] : ending)
    peer->end(Error(Code::kShutdown, "this side's node was closed"));
  for (RequestImpl* request : waiting) {
    request->reset(*this);
    delete request;
  }
  waiting.clear();
  free_requests_.clear();
  dirty_.clear();
  wake_flusher();
}

}  // namespace varve::rpc
