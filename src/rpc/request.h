// A request on the side that serves it.
#pragma once

#include "rpc/peer.h"

namespace varve::rpc {

class RequestImpl final : public Request {
 public:
  ByteView body() const override { return body_; }
  uint64_t bulk_bytes() const override { return header_.bulk_bytes; }
  uint64_t into_bytes() const override { return header_.into_bytes; }
  Instant deadline() const override { return deadline_; }
  const network::PeerIdentity& identity() const override { return peer_->identity(); }
  Task<Result<void>> receive(Scatter into) override;
  ByteView inline_bulk() const override { return inline_bulk_; }
  Task<void> reply(ByteView body, Gather bulk = {}) override;
  void reply_now(ByteView body) override;
  void fail(const Error& error) override;

  // A request that has arrived. Takes one use of `held`, where `frame` lies.
  void begin(std::shared_ptr<PeerImpl> peer, const FrameHeader& header, ByteView frame,
             HeldMessage* held, std::unique_ptr<network::IncomingBulk> bulk, Instant deadline);
  // Lets go of everything; ready for another begin().
  void reset(Core& core);
  Opcode opcode() const { return header_.opcode; }
  bool answered() const { return answered_; }
  PeerImpl& peer() { return *peer_; }

 private:
  FrameHeader answer(int32_t code);

  std::shared_ptr<PeerImpl> peer_;
  FrameHeader header_;
  ByteView body_, inline_bulk_;
  HeldMessage* held_ = nullptr;
  std::unique_ptr<network::IncomingBulk> bulk_;
  Instant deadline_;
  bool answered_ = false;
};

}  // namespace varve::rpc
