// One connection: calls that leave through it, frames that arrive on it.
#pragma once

#include <deque>
#include <unordered_set>

#include "base/intrusive_list.h"
#include "rpc/core.h"
#include "runtime/wait.h"

namespace varve::rpc {

// A call that waits for its reply; lives in the frame of PeerImpl::call.
struct PendingCall {
  uint64_t id = 0;
  Scatter into;
  FrameHeader header;  // the reply's
  Buffer body;
  std::unique_ptr<network::IncomingBulk> bulk;
  bool replied = false;
  enum class End { kReplied, kLost, kCanceled };
  OneShot<End> end;
};

class PeerImpl final : public Peer, public std::enable_shared_from_this<PeerImpl> {
 public:
  PeerImpl(std::shared_ptr<Core> core, std::shared_ptr<network::Connection> connection,
           bool accepted);

  const network::Address& address() const override { return connection_->peer(); }
  const network::PeerIdentity& identity() const { return connection_->identity(); }
  bool closed() const override { return why_.has_value(); }
  Task<Result<Reply>> call(const Call& call) override;
  void close() override;

  // A message from the network.
  void receive(ByteView message, std::unique_ptr<network::IncomingBulk> bulk);
  // Ends every call with `why`; the connection is closed too. Idempotent.
  void end(const Error& why);

  // Gathers a frame, to leave with others of this step.
  void send(const FrameHeader& header, ByteView body, Gather inline_bulk = {});
  void flush();
  // A frame with bulk data beside it.
  Task<Result<void>> send_with_bulk(FrameHeader header, ByteView body, Gather bulk,
                                    Instant deadline);
  bool sends_inline(uint64_t body_bytes, uint64_t bulk_bytes) const {
    return bulk_bytes <= core_->options.inline_bytes_max &&
           body_bytes + bulk_bytes <= kBodyBytesMax;
  }
  // Tells the other side our version and how many requests we take.
  void welcome();
  Instant now() const { return core_->executor.now(); }

  // Requests of this peer that have arrived and not ended.
  uint64_t requests = 0;
  bool in_dirty = false;

 private:
  struct Registration;
  struct CancelledWait;
  struct LateTimer final : Timer {
    PeerImpl* peer;
    void fire() override { peer->forgive_late(); }
  };

  bool receive_frame(const FrameHeader& header, ByteView frame, HeldMessage* held,
                     std::unique_ptr<network::IncomingBulk> bulk);
  void receive_reply(const FrameHeader& header, ByteView frame,
                     std::unique_ptr<network::IncomingBulk> bulk);
  void malformed(const char* what);
  void other_version(uint16_t version);
  void mark_late(uint64_t id);
  uint64_t late_holding() const {
    return late_ids_.size() > credits_total_ ? late_ids_.size() - credits_total_ : 0;
  }
  void forgive(uint64_t late_id);
  void forgive_late();
  uint64_t register_call(PendingCall& pending);
  PendingCall* find_call(uint64_t id);
  Error timed_out(Opcode opcode, const char* waited_for) const;

  std::shared_ptr<Core> core_;
  std::shared_ptr<network::Connection> connection_;
  std::optional<Error> why_;  // set once closed
  bool accepted_;
  Instant arrival_;              // of the message that is looked at
  Duration usual_time_[2] = {};  // of a good call, smoothed: without and with bulk data beside it
  bool receiving_ = false;       // receive() flushes at its end
  bool speaks_ours_ = false;     // a good frame of our version has come
  Buffer batch_;
  // Calls by slot, the low bits of their id.
  std::vector<PendingCall*> calls_;
  std::vector<uint32_t> free_slots_;
  uint64_t last_call_ = 0;
  uint32_t credits_total_;
  Semaphore credits_;
  // Calls that ended at their deadline and whose reply may still come, oldest first. As many of
  // them as there are credits hold none; further ones keep theirs.
  std::deque<std::pair<uint64_t, Instant>> late_;
  std::unordered_set<uint64_t> late_ids_;
  LateTimer late_timer_;
};

}  // namespace varve::rpc
