// One UCX endpoint. Every request given to UCX is counted; the connection is gone when the
// endpoint's close and all of them have completed, and only then belongs lent memory to its owner
// again.
#pragma once

#include <ucp/api/ucp.h>

#include "network/network.h"
#include "runtime/wait.h"

namespace varve::network {

class UcxNetwork;
class UcxConnection;

// Ids of our active messages. The message is the data of the first, the header of the second; one
// too long for a header goes ahead as the third.
inline constexpr unsigned kUcxMessage = 1, kUcxBulk = 2, kUcxAhead = 3;

// Something that UCX works on and that a coroutine waits for; freed by whichever lets go last.
struct UcxTransfer {
  std::shared_ptr<UcxConnection> connection;
  Buffer message;
  std::vector<ucp_dt_iov_t> pieces;
  OneShot<ucs_status_t> done;
  unsigned users = 1;

  static void drop(UcxTransfer* transfer) {
    if (--transfer->users == 0) delete transfer;
  }
};
struct UcxTransferRelease {
  void operator()(UcxTransfer* transfer) const { UcxTransfer::drop(transfer); }
};
using UcxTransferHandle = std::unique_ptr<UcxTransfer, UcxTransferRelease>;

class UcxConnection final : public Connection, public std::enable_shared_from_this<UcxConnection> {
 public:
  UcxConnection(UcxNetwork& network, Address peer) : network_(&network), peer_(std::move(peer)) {}

  const Address& peer() const override { return peer_; }
  const PeerIdentity& identity() const override { return identity_; }
  bool closed() const override { return closed_; }
  void send(Buffer message) override;
  Task<Result<void>> send_with_bulk(Buffer message, Gather bulk, Instant deadline) override;
  void close() override;

  // Closed from now on, for this reason; the network does the rest at its next poll. Idempotent.
  void fail(std::string why);
  Error lost() const;
  // Waits for a request that UCX answered with `status`. Past the deadline, or if it failed, the
  // connection is closed and gone before this ends.
  Task<Result<void>> finish(UcxTransferHandle transfer, ucs_status_ptr_t status, Instant deadline,
                            const char* what);
  void request_ended() {
    --in_flight;
    check_gone();
  }
  void check_gone();

  // The network's side.
  UcxNetwork* network_;         // null once that is gone
  ucp_ep_h endpoint = nullptr;  // null once its close has begun
  uint64_t in_flight = 0;
  bool announced = false;  // the receiver knows of it
  bool end_begun = false, endpoint_closed = false;
  Buffer ahead;  // a message that came ahead of its bulk data
  OneShot<ucs_status_t> connected;
  Signal gone_signal;
  bool gone = false;

 private:
  void post(unsigned id, Buffer message);

  Address peer_;
  PeerIdentity identity_;
  bool closed_ = false;
  std::string why_;
};

class UcxIncomingBulk final : public IncomingBulk {
 public:
  UcxIncomingBulk(std::shared_ptr<UcxConnection> connection, void* descriptor, uint64_t size)
      : connection_(std::move(connection)), descriptor_(descriptor), size_(size) {}
  ~UcxIncomingBulk() override;
  uint64_t size() const override { return size_; }
  Task<Result<void>> receive(Scatter into, Instant deadline) override;

  // While UCX's callback runs, the descriptor is its own: what becomes of it goes by what the
  // callback returns. `verdict` hears of it.
  enum class Verdict { kKept, kDropped, kStarted };
  Verdict* verdict = nullptr;

 private:
  std::shared_ptr<UcxConnection> connection_;
  void* descriptor_;
  uint64_t size_;
};

}  // namespace varve::network
