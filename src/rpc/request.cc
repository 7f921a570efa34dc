#include "rpc/request.h"

#include <cstdio>

namespace varve::rpc {
namespace {
constexpr size_t kErrorTextBytesMax = 1024;
}  // namespace

void RequestImpl::begin(std::shared_ptr<PeerImpl> peer, const FrameHeader& header, ByteView frame,
                        HeldMessage* held, std::unique_ptr<network::IncomingBulk> bulk,
                        Instant deadline) {
  peer_ = std::move(peer);
  ++peer_->requests;
  header_ = header;
  body_ = frame.subspan(sizeof header, header.body_bytes);
  inline_bulk_ = frame.subspan(sizeof header + header.body_bytes);
  held_ = held;
  ++held_->users;
  bulk_ = std::move(bulk);
  deadline_ = deadline;
  answered_ = false;
}

void RequestImpl::reset(Core& core) {
  bulk_.reset();
  if (held_) core.release(std::exchange(held_, nullptr));
  if (peer_) --peer_->requests;
  peer_.reset();
}

Task<Result<void>> RequestImpl::receive(Scatter into) {
  VARVE_ASSERT(size_of(into) >= header_.bulk_bytes, "room for what the caller announced");
  if (!inline_bulk_.empty()) copy(Gather(&inline_bulk_, 1), into);
  if (header_.bulk_bytes == 0 || !inline_bulk_.empty()) co_return Result<void>();
  VARVE_ASSERT(bulk_, "bulk data is received once");
  const std::unique_ptr<network::IncomingBulk> bulk = std::move(bulk_);
  co_return co_await bulk->receive(into, deadline_ + kReplyGrace);
}

FrameHeader RequestImpl::answer(int32_t code) {
  VARVE_ASSERT(!answered_, "a request is answered once");
  answered_ = true;
  FrameHeader header;
  header.kind = Kind::kReply;
  header.opcode = header_.opcode;
  header.id = header_.id;
  header.code = code;
  return header;
}

void RequestImpl::reply_now(ByteView body) {
  if (body.size() > kBodyBytesMax)
    return fail(Error(Code::kOverflow, "the reply is too large; ask for less at a time"));
  peer_->send(answer(0), body);
}

void RequestImpl::fail(const Error& error) {
  const std::string_view text = error.text();
  peer_->send(answer(static_cast<int32_t>(error.code())),
              as_bytes(text.substr(0, kErrorTextBytesMax)));
}

Task<void> RequestImpl::reply(ByteView body, Gather bulk) {
  const uint64_t bytes = size_of(bulk);
  if (bytes == 0 || body.size() > kBodyBytesMax) {
    reply_now(body);
    co_return;
  }
  if (bytes > header_.into_bytes) {
    fail(Error(Code::kTruncated, "the reply's data of " + std::to_string(bytes) +
                                     " bytes is longer than the caller's buffer of " +
                                     std::to_string(header_.into_bytes)));
    co_return;
  }
  if (peer_->sends_inline(body.size(), bytes)) {
    FrameHeader header = answer(0);
    header.flags = kBulkInline;
    peer_->send(header, body, bulk);
    co_return;
  }
  if (peer_->now() >= deadline_) {
    fail(Error(Code::kTimedOut, "the request's deadline passed while it was worked on"));
    co_return;
  }
  FrameHeader header = answer(0);
  header.flags = kBulkBeside;
  header.bulk_bytes = bytes;
  // Where this fails the connection is closed, and the caller hears of it that way.
  const std::shared_ptr<PeerImpl> peer = peer_;
  (void)co_await peer->send_with_bulk(header, body, bulk, deadline_ + kReplyGrace);
}

}  // namespace varve::rpc
