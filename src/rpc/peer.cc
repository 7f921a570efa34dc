#include "rpc/peer.h"

#include <cstdio>

#include "base/log.h"
#include "network/buffer_pool.h"
#include "rpc/request.h"

namespace varve::rpc {
namespace {

constexpr unsigned kSlotBits = 17;
constexpr uint32_t kCreditsBeforeWelcome = 16;
// A reply that usually comes sooner than this is polled for: to sleep and be woken costs as much.
constexpr Duration kPolledWaitMax = 250us;
static_assert(kCreditsMax < (1u << kSlotBits));

std::string name_of(Opcode opcode) {
  char text[32];
  std::snprintf(text, sizeof text, "operation 0x%04x", opcode);
  return text;
}

}  // namespace

// A place among the calls, and the credit that goes with it.
struct PeerImpl::Registration {
  Registration(PeerImpl& peer, PendingCall& pending) : peer(peer), pending(pending) {
    pending.id = peer.register_call(pending);
  }
  ~Registration() {
    const uint32_t slot = pending.id & ((1u << kSlotBits) - 1);
    peer.calls_[slot] = nullptr;
    peer.free_slots_.push_back(slot);
    if (late && !peer.closed())
      peer.mark_late(pending.id);
    else
      peer.credits_.release();
  }
  PeerImpl& peer;
  PendingCall& pending;
  bool late = false;  // the reply is still to come, and the credit with it
};

struct PeerImpl::CancelledWait final : Cancellation::Wait {
  CancelledWait(PeerImpl& peer, PendingCall& pending) : peer(peer), pending(pending) {}
  void cancel(bool force) override {
    if (!data_moves) pending.end.set(PendingCall::End::kCanceled);
    if (data_moves && force)
      peer.end(Error(Code::kUnreachable, "the connection to " + peer.address() +
                                             " was closed: data of a cancelled call was moving"));
  }
  PeerImpl& peer;
  PendingCall& pending;
  bool data_moves = false;
};

PeerImpl::PeerImpl(std::shared_ptr<Core> core, std::shared_ptr<network::Connection> connection,
                   bool accepted)
    : core_(std::move(core)),
      connection_(std::move(connection)),
      accepted_(accepted),
      credits_total_(std::min(core_->options.credits, kCreditsBeforeWelcome)),
      credits_(credits_total_) {
  late_timer_.peer = this;
}

void PeerImpl::close() {
  end(Error(Code::kCanceled, "the connection to " + address() + " was closed on this side"));
}

void PeerImpl::end(const Error& why) {
  if (why_) return;
  why_.emplace(why);
  const auto self = shared_from_this();
  connection_->close();
  for (PendingCall* call : calls_)
    if (call) call->end.set(PendingCall::End::kLost);
  credits_.release(uint64_t{1} << 40);  // whoever waits for one sees that it is closed
  batch_.clear();
  late_.clear();
  late_ids_.clear();
  late_timer_.cancel();
}

uint64_t PeerImpl::register_call(PendingCall& pending) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(calls_.size()));
    calls_.push_back(nullptr);
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  calls_[slot] = &pending;
  return (++last_call_ << kSlotBits) | slot;
}

PendingCall* PeerImpl::find_call(uint64_t id) {
  const uint64_t slot = id & ((1u << kSlotBits) - 1);
  if (slot >= calls_.size() || !calls_[slot] || calls_[slot]->id != id) return nullptr;
  return calls_[slot]->end.is_set() ? nullptr : calls_[slot];
}

Error PeerImpl::timed_out(Opcode opcode, const char* waited_for) const {
  return Error(Code::kTimedOut, name_of(opcode) + " at " + address() + ": no " + waited_for +
                                    " before the deadline; is the server overloaded or stopped?");
}

Task<Result<Reply>> PeerImpl::call(const Call& call) {
  VARVE_ASSERT(call.deadline != kNever, "every wait has a deadline");
  const auto self = shared_from_this();
  const uint64_t bulk_bytes = size_of(call.bulk), into_bytes = size_of(call.into);
  if (call.body.size() > kBodyBytesMax || bulk_bytes > network::kBulkBytesMax ||
      into_bytes > network::kBulkBytesMax)
    co_return Error(Code::kOverflow, name_of(call.opcode) + ": a request of " +
                                         std::to_string(call.body.size()) + " + " +
                                         std::to_string(bulk_bytes) + " bytes for a reply of " +
                                         std::to_string(into_bytes) + " is too large; split it");
  if (closed()) co_return *why_;
  ByteView body = call.body;
  Buffer kept;
  if (!credits_.try_acquire()) {
    kept.assign(body.begin(), body.end());
    body = kept;
    const bool acquired = co_await credits_.acquire(1, call.deadline);
    if (closed()) co_return *why_;
    if (!acquired)
      co_return timed_out(call.opcode, "earlier request ended, to make room for this one,");
  }
  if (call.cancellation && call.cancellation->requested())
    co_return Error(Code::kCanceled, name_of(call.opcode) + " was cancelled");
  PendingCall pending;
  pending.into = call.into;
  Registration registration(*this, pending);
  CancelledWait wait(*this, pending);
  if (call.cancellation) call.cancellation->add(wait);
  FrameHeader header;
  header.kind = Kind::kRequest;
  header.opcode = call.opcode;
  header.id = pending.id;
  header.into_bytes = into_bytes;
  const Instant begin = now();
  Duration& usual = usual_time_[std::max(bulk_bytes, into_bytes) > core_->options.inline_bytes_max];
  if (usual <= kPolledWaitMax) core_->executor.expect_within(begin + 2 * usual);
  header.budget_us = budget_from(call.deadline - begin);
  if (sends_inline(body.size(), bulk_bytes)) {
    if (bulk_bytes > 0) header.flags = kBulkInline;
    send(header, body, call.bulk);
  } else {
    header.flags = kBulkBeside;
    header.bulk_bytes = bulk_bytes;
    wait.data_moves = true;
    Result<void> sent = co_await send_with_bulk(header, body, call.bulk, call.deadline);
    // A reply may have come all the same: a refusal that did not wait for the data.
    if (!sent.ok() && !pending.replied)
      co_return std::move(sent.error()).with(name_of(call.opcode));
  }
  wait.data_moves = false;
  const std::optional<PendingCall::End> end = co_await pending.end.wait_until(call.deadline);
  if (!end) {
    registration.late = true;
    co_return timed_out(call.opcode, "reply");
  }
  if (*end == PendingCall::End::kCanceled) {
    registration.late = true;
    co_return Error(Code::kCanceled, name_of(call.opcode) + " was cancelled");
  }
  if (*end == PendingCall::End::kLost) co_return Error(*why_).with(name_of(call.opcode));
  if (pending.header.code != 0)
    co_return Error(code_from(pending.header.code), std::string(as_text(pending.body)));
  if (pending.header.bulk_bytes > into_bytes)
    co_return Error(Code::kTruncated, name_of(call.opcode) + ": the reply's data of " +
                                          std::to_string(pending.header.bulk_bytes) +
                                          " bytes is longer than the buffer of " +
                                          std::to_string(into_bytes));
  if (pending.bulk) {
    wait.data_moves = true;
    Result<void> received = co_await pending.bulk->receive(call.into, call.deadline);
    if (!received.ok()) co_return std::move(received.error()).with(name_of(call.opcode));
  }
  usual += (now() - begin - usual) / 8;
  Reply reply;
  reply.body = std::move(pending.body);
  reply.bulk_bytes = pending.header.bulk_bytes;
  co_return reply;
}

void PeerImpl::mark_late(uint64_t id) {
  const Instant until = now() + kLateReplyWait;
  late_.emplace_back(id, until);
  late_ids_.insert(id);
  // The server takes twice what it grants, for the sake of these.
  if (late_holding() == 0) credits_.release();
  if (!late_timer_.armed()) core_->executor.arm_timer(late_timer_, until);
}

void PeerImpl::forgive(uint64_t late_id) {
  const uint64_t before = late_holding();
  late_ids_.erase(late_id);
  credits_.release(before - late_holding());
}

void PeerImpl::forgive_late() {
  const Instant at = now();
  while (!late_.empty() && late_.front().second <= at) {
    forgive(late_.front().first);
    late_.pop_front();
  }
  if (!late_.empty()) core_->executor.arm_timer(late_timer_, late_.front().second);
}

void PeerImpl::welcome() {
  FrameHeader header;
  header.kind = Kind::kWelcome;
  header.credits = core_->options.credits;
  send(header, {});
}

void PeerImpl::send(const FrameHeader& header, ByteView body, Gather inline_bulk) {
  if (closed()) return;
  const uint64_t bytes = sizeof header + body.size() + size_of(inline_bulk);
  if (batch_.size() + bytes > network::kMessageBytesMax) flush();
  if (batch_.capacity() == 0) batch_ = network::take_buffer();
  append_frame(batch_, header, body, inline_bulk);
  ++core_->counters.frames_sent;
  if (!receiving_ && !in_dirty) core_->flush_soon(shared_from_this());
}

void PeerImpl::flush() {
  if (batch_.empty() || closed()) return;
  ++core_->counters.messages_sent;
  Buffer message = std::move(batch_);
  batch_ = Buffer();
  connection_->send(std::move(message));
}

Task<Result<void>> PeerImpl::send_with_bulk(FrameHeader header, ByteView body, Gather bulk,
                                            Instant deadline) {
  if (closed()) co_return *why_;
  flush();
  ++core_->counters.bulk_messages_sent;
  Buffer message = network::take_buffer();
  append_frame(message, header, body);
  co_return co_await connection_->send_with_bulk(std::move(message), bulk, deadline);
}

void PeerImpl::malformed(const char* what) {
  ++core_->counters.messages_malformed;
  const std::string text = address() + " sent " + what + "; the connection was closed";
  log_warning(text);
  end(Error(Code::kUnreachable, text));
}

void PeerImpl::other_version(uint16_t version) {
  ++core_->counters.versions_refused;
  // The accepting side has said its own version in its welcome, and leaves it to the other to go.
  if (accepted_) return;
  end(Error(Code::kProtocol, address() + " speaks protocol version " + std::to_string(version) +
                                 ", this side version " + std::to_string(kProtocolVersion) +
                                 "; install the same release on both"));
}

void PeerImpl::receive(ByteView message, std::unique_ptr<network::IncomingBulk> bulk) {
  HeldMessage* held = nullptr;
  receiving_ = true;
  while (!message.empty() && !closed()) {
    // Requests are looked at for long: in memory of our own, before anything is checked.
    const size_t kind_at = offsetof(FrameHeader, kind);
    if (!held &&
        (message.size() <= kind_at || static_cast<Kind>(message[kind_at]) == Kind::kRequest)) {
      arrival_ = now();
      held = core_->hold(message);
      message = held->bytes;
    }
    FrameHeader header;
    const FrameStatus status = parse_frame(message, header);
    // Who has spoken our version does not speak another one later: such a frame is damaged.
    if (status == FrameStatus::kVersion && !speaks_ours_) {
      other_version(header.version);
      break;
    }
    if (status != FrameStatus::kGood) {
      malformed(describe(status));
      break;
    }
    speaks_ours_ = true;
    const ByteView frame = message.first(frame_bytes(header));
    message = message.subspan(frame.size());
    const bool beside = header.flags & kBulkBeside;
    if (beside != (bulk != nullptr) ||
        (beside && (!message.empty() || bulk->size() != header.bulk_bytes))) {
      malformed("bulk data and a frame that do not belong together");
      break;
    }
    if (!receive_frame(header, frame, held, std::move(bulk))) break;
  }
  receiving_ = false;
  if (held) core_->release(held);
  flush();
}

bool PeerImpl::receive_frame(const FrameHeader& header, ByteView frame, HeldMessage* held,
                             std::unique_ptr<network::IncomingBulk> bulk) {
  if (header.kind == Kind::kWelcome) {
    const uint32_t granted = std::min(header.credits, core_->options.credits);
    const uint32_t more = granted > credits_total_ ? granted - credits_total_ : 0;
    const uint64_t before = late_holding();
    credits_total_ += more;
    credits_.release(more + before - late_holding());
    return true;
  }
  if (header.kind == Kind::kReply) {
    receive_reply(header, frame, std::move(bulk));
    return true;
  }
  if (!held) {
    malformed("a message that changed while it was read");
    return false;
  }
  if (requests >= 2 * uint64_t{core_->options.credits} + kCreditsBeforeWelcome) {
    malformed("more requests than it was granted");
    return false;
  }
  RequestImpl* request = core_->take_request();
  request->begin(shared_from_this(), header, frame, held, std::move(bulk),
                 arrival_ + budget_of(header));
  core_->start(request, arrival_);
  return true;
}

void PeerImpl::receive_reply(const FrameHeader& header, ByteView frame,
                             std::unique_ptr<network::IncomingBulk> bulk) {
  PendingCall* call = find_call(header.id);
  if (!call) {
    ++core_->counters.replies_late;
    forgive(header.id);
    return;
  }
  call->header = header;
  const ByteView body = frame.subspan(sizeof header, header.body_bytes);
  call->body.assign(body.begin(), body.end());
  if (header.flags & kBulkInline) {
    const ByteView data = frame.subspan(sizeof header + header.body_bytes);
    if (data.size() <= size_of(call->into)) copy(Gather(&data, 1), call->into);
  }
  call->bulk = std::move(bulk);
  call->replied = true;
  call->end.set(PendingCall::End::kReplied);
}

}  // namespace varve::rpc
