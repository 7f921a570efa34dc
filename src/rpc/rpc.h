// Typed requests and replies over network/: framing, versions, checksums, deadlines, credits,
// coalescing. One Node per executor, for both sides.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/intrusive_list.h"
#include "base/result.h"
#include "network/network.h"
#include "runtime/executor.h"

namespace varve::rpc {

using Opcode = uint16_t;  // high byte: the folder that owns it; low byte: the operation
inline constexpr uint16_t kProtocolVersion = 1;
// Body and inline bulk of one request or reply; larger bulk goes beside the message.
inline constexpr uint64_t kBodyBytesMax = 48 * kKiB;

// Ends the calls that carry it before their deadline. Belongs to their executor's thread, and
// outlives them.
class Cancellation {
 public:
  bool requested() const { return requested_; }
  // When the operation that carries it has to be over; kNever: whatever is usual (client/).
  Instant deadline = kNever;
  // Calls that wait for their reply end with kCanceled. Those whose data is on its way go on; with
  // `force` their connection is closed, and they end once their memory is the caller's again.
  void request(bool force) {
    requested_ = true;
    waits_.for_each([force](Wait& wait) { wait.cancel(force); });
  }
  // A call as it waits.
  struct Wait : ListHook {
    virtual void cancel(bool force) = 0;

   protected:
    ~Wait() = default;
  };
  void add(Wait& wait) { waits_.push_back(wait); }

 private:
  IntrusiveList<Wait> waits_;
  bool requested_ = false;
};

struct Call {
  Opcode opcode = 0;
  ByteView body;              // copied before call() first suspends
  Gather bulk = {};           // goes with the request: caller's memory until the call ends
  Scatter into = {};          // where the reply's bulk goes: caller's memory until the call ends
  Instant deadline = kNever;  // kNever is refused by assertion: every wait has a deadline
  Cancellation* cancellation = nullptr;
};

struct Reply {
  Buffer body;
  uint64_t bulk_bytes = 0;  // how much came into Call::into
};

// The other end of a connection; lives as long as somebody holds it or it is open.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual const network::Address& address() const = 0;
  virtual bool closed() const = 0;
  // Errors: the handler's own (code and text), kTimedOut (deadline; names peer and operation),
  // kUnreachable (connection lost: it is not known whether the request was executed), kProtocol,
  // kCanceled (by its Cancellation: not known either).
  // Whatever the result, `bulk` and `into` are the caller's again.
  virtual Task<Result<Reply>> call(const Call& call) = 0;
  virtual void close() = 0;
};

// A request as its handler sees it. Checked: length, version and checksum of frame and body.
class Request {
 public:
  virtual ~Request() = default;
  virtual ByteView body() const = 0;        // valid as long as the request
  virtual uint64_t bulk_bytes() const = 0;  // announced by the caller
  virtual uint64_t into_bytes() const = 0;  // how much bulk the caller has room for
  virtual Instant deadline() const = 0;
  virtual const network::PeerIdentity& identity() const = 0;
  // Moves the request's bulk here; once, sizes adding up to bulk_bytes() at least.
  virtual Task<Result<void>> receive(Scatter into) = 0;
  // Inline bulk as it lies in the request (small requests), checked; empty if it is not inline.
  virtual ByteView inline_bulk() const = 0;
  // Answers; once. The task ends when `bulk` is the handler's memory again.
  virtual Task<void> reply(ByteView body, Gather bulk = {}) = 0;
  // The same without bulk, for handlers that do not suspend.
  virtual void reply_now(ByteView body) = 0;
  virtual void fail(const Error& error) = 0;
};

// Runs on the node's executor, as a spawned task; must reply or fail before it ends (the node
// answers kMiscellaneous for one that did neither). The request lives until the task ends.
using Handler = std::function<Task<void>(Request&)>;

class Node {
 public:
  struct Options {
    uint32_t credits = 256;                 // requests in flight per connection
    uint64_t inline_bytes_max = 16 * kKiB;  // bulk up to this travels inside the message
    uint32_t requests_in_work_max = 4096;   // over all connections; further ones wait
  };
  // What happened since the start.
  struct Counters {
    uint64_t messages_sent = 0, frames_sent = 0;  // without bulk data beside them
    uint64_t bulk_messages_sent = 0;
    uint64_t messages_malformed = 0;  // each closed its connection
    uint64_t versions_refused = 0;
    uint64_t replies_late = 0;      // came after their call had ended
    uint64_t requests_expired = 0;  // reached their deadline before their turn came
    uint64_t requests_refused = 0;  // for lack of room (kBusy)
  };
  virtual ~Node() = default;
  virtual void handle(Opcode opcode, Handler handler) = 0;
  virtual Result<network::Address> listen(const network::Address& address) = 0;
  // Picks the network by the address's scheme. A connection that is open already is shared.
  virtual Task<Result<std::shared_ptr<Peer>>> connect(const network::Address& address,
                                                      Instant deadline) = 0;
  // How many requests are being worked on.
  virtual uint64_t requests_in_work() const = 0;
  virtual const Counters& counters() const = 0;
};

std::unique_ptr<Node> make_node(Executor& executor,
                                std::vector<std::unique_ptr<network::Network>> networks,
                                const Node::Options& options);

}  // namespace varve::rpc
