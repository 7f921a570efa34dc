// The network seam: messages, and bulk data that goes with them, between endpoints. Messages of one
// connection arrive in order, each once, or the connection closes (simulation may be less kind; rpc/
// checks). Everything of a Network happens on its executor's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "runtime/clock.h"
#include "runtime/task.h"

namespace varve {
class Executor;
}

namespace varve::network {

inline constexpr uint64_t kMessageBytesMax = 64 * kKiB;
inline constexpr uint64_t kBulkBytesMax = 1 * kGiB;

// "tcp://HOST:PORT", "local:///PATH.sock", "memory://NAME" (in-process), "simulated://NAME".
using Address = std::string;

// Who is at the other end, as far as the transport can vouch for it (SO_PEERCRED); unknown over TCP.
struct PeerIdentity {
  bool known = false;
  uint32_t uid = 0, gid = 0, pid = 0;
};

// Bulk data announced by a message and not yet moved. Dropping it discards the data.
class IncomingBulk {
 public:
  virtual ~IncomingBulk() = default;
  virtual uint64_t size() const = 0;
  // Moves all of it into `into`, whose sizes add up to size() at least. Called once. The memory is the
  // caller's again when the task ends, whatever the result: past the deadline the connection is closed
  // by force and progressed until no request refers to the memory. Errors: kTimedOut, kUnreachable.
  virtual Task<Result<void>> receive(Scatter into, Instant deadline) = 0;
};

// May outlive its network, and is closed then (as are transfers and IncomingBulk: destroying them is
// safe, using them fails).
class Connection {
 public:
  virtual ~Connection() = default;
  // For people: where it leads.
  virtual const Address& peer() const = 0;
  virtual const PeerIdentity& identity() const = 0;
  virtual bool closed() const = 0;
  // Sends a message of 1..kMessageBytesMax bytes, which the transport takes over. Never blocks: what
  // the peer does not take yet is queued (rpc/'s credits bound it). Dropped if closed.
  virtual void send(Buffer message) = 0;
  // The same with bulk data, up to kBulkBytesMax. Ends when the memory is the caller's again; then the
  // data has left, which does not mean that the peer has taken it. Deadline as in receive().
  virtual Task<Result<void>> send_with_bulk(Buffer message, Gather bulk, Instant deadline) = 0;
  // By force, at once: outstanding transfers end with kUnreachable, Receiver::on_closed is called
  // (later, from poll). Idempotent.
  virtual void close() = 0;
};

// Takes what arrives at a Network.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual void on_accepted(std::shared_ptr<Connection> connection) = 0;
  // `message` is valid during the call only and may be memory that the peer can still change (the
  // same-host ring): copy, then check. `bulk` is null if there is none.
  virtual void on_message(Connection& connection, ByteView message,
                          std::unique_ptr<IncomingBulk> bulk) = 0;
  // Once per connection, made or accepted; nothing of it is called afterwards.
  virtual void on_closed(Connection& connection, const Error& why) = 0;
};

// One transport on one executor, which polls it while it exists. Destroyed before the executor, and not
// while connect() is under way unless the executor runs no more.
class Network {
 public:
  virtual ~Network() = default;
  // Set before anything else; outlives the network.
  virtual void set_receiver(Receiver& receiver) = 0;
  // "tcp", "local", "memory", "simulated": the scheme of the addresses it connects to.
  virtual const char* scheme() const = 0;
  // Accepts connections here. Returns the address with what was left open filled in (port 0). kBusy,
  // naming the address, if it is taken.
  virtual Result<Address> listen(const Address& address) = 0;
  virtual Task<Result<std::shared_ptr<Connection>>> connect(const Address& address, Instant deadline) = 0;
};

// UCX over TCP (and whatever else UCX finds where UCX_TLS says so).
Result<std::unique_ptr<Network>> make_ucx(Executor& executor);
// The same-host path: a sealed memfd ring per client, handed over a Unix socket.
Result<std::unique_ptr<Network>> make_local(Executor& executor);
// In-process: endpoints of one process by name, on any of its executors.
Result<std::unique_ptr<Network>> make_memory(Executor& executor);

}  // namespace varve::network
