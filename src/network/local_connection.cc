#include "network/local_connection.h"

#include <sys/socket.h>

#include <bit>
#include <cerrno>

#include "network/local_bulk.h"

namespace varve::network::local {
namespace {

// Of one connection in one poll, so that others get their turn.
constexpr uint64_t kRecordsPerPoll = 64;
constexpr uint64_t kBulkBytesPerPoll = 256 * kKiB;
// A chunk at a time: between two, freed slots are noticed and used again while they are in the
// cache.
constexpr uint64_t kSendBytesPerPoll = kSlotBytes;
// rpc/'s credits stay far below both.
constexpr uint64_t kBacklogBytesMax = 64 * kMiB;
constexpr uint64_t kTransfersMax = 1024;
constexpr uint64_t kBloatBytes = 64 * kKiB;
constexpr uint32_t kUnwantedSlotsMax = kSlots / 2;

}  // namespace

LocalConnection::LocalConnection(Host& host, Region::Side side, Region region, Descriptor socket,
                                 Address peer)
    : host_(&host),
      region_(std::move(region)),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      identity_(identity_of(socket_.get())),
      in_direction_(side == Region::Side::kEngine ? 0 : 1),
      out_direction_(1 - in_direction_),
      in_(region_.control(in_direction_), region_.ring(in_direction_)),
      out_(region_.control(out_direction_), region_.ring(out_direction_)) {
  for (uint32_t i = 0; i < kSlots; ++i) free_slots_[i] = static_cast<uint8_t>(kSlots - 1 - i);
}

LocalConnection::~LocalConnection() = default;

void LocalConnection::send(Buffer message) {
  VARVE_ASSERT(!message.empty() && message.size() <= kMessageBytesMax, "the size of a message");
  if (closed_) return;
  host_->heat(*this);
  enqueue(Kind::kMessage, 0, std::move(message));
}

Task<Result<void>> LocalConnection::send_with_bulk(Buffer message, Gather bulk, Instant deadline) {
  VARVE_ASSERT(!message.empty() && message.size() <= kMessageBytesMax, "the size of a message");
  const std::shared_ptr<LocalConnection> self = shared_from_this();
  const uint64_t size = size_of(bulk);
  VARVE_ASSERT(size <= kBulkBytesMax, "the size of bulk data");
  if (closed_) co_return lost();
  if (size == 0) {
    send(std::move(message));
    co_return Result<void>();
  }
  if (outgoing_count_ >= kTransfersMax)
    co_return Error(Code::kBusy, "more than " + std::to_string(kTransfersMax) +
                                     " bulk transfers under way to " + peer_ + "; wait for some");
  Outgoing transfer;
  transfer.id = next_outgoing_id_++;
  transfer.bytes_left = size;
  transfer.from.pieces = bulk;
  outgoing_.push_back(transfer);
  ++outgoing_count_;
  host_->heat(*this);
  enqueue(Kind::kMessage, size, std::move(message));
  if (!closed_) pump(kSendBytesPerPoll);
  std::optional<Result<void>> result = co_await transfer.done.wait_until(deadline);
  if (result) co_return std::move(*result);
  Error late(Code::kTimedOut,
             peer_ + " left " + std::to_string(transfer.bytes_left) + " of " +
                 std::to_string(size) +
                 " bytes of bulk data untaken by the deadline; the connection is closed");
  close_because(late);
  co_return late;
}

Task<Result<void>> LocalConnection::receive_bulk(std::shared_ptr<LocalConnection> self,
                                                 std::shared_ptr<Incoming> bulk, Scatter into,
                                                 Instant deadline) {
  if (self->closed_) co_return self->lost();
  bulk->state = Incoming::State::kReceiving;
  bulk->into.pieces = into;
  const std::vector<Incoming::Chunk> held = std::exchange(bulk->held, {});
  for (const Incoming::Chunk& chunk : held) self->take_chunk(*bulk, chunk.slot, chunk.length);
  self->host_->heat(*self);
  if (bulk->state == Incoming::State::kReceiving) self->enqueue(Kind::kWant, bulk->id, {});
  if (!self->closed_) self->flush();
  std::optional<Result<void>> result = co_await bulk->done.wait_until(deadline);
  if (result) co_return std::move(*result);
  Error late(Code::kTimedOut, self->peer_ + " sent " + std::to_string(bulk->arrived) + " of " +
                                  std::to_string(bulk->size) +
                                  " bytes of bulk data by the deadline; the connection is closed");
  self->close_because(late);
  co_return late;
}

void LocalConnection::close() {
  close_because(
      Error(Code::kUnreachable, "the connection to " + peer_ + " was closed on this side"));
}

// Nothing of ours refers to the users' memory between two calls: closing needs no peer.
void LocalConnection::close_because(Error why) {
  if (closed_) return;
  closed_ = true;
  why_ = std::move(why);
  outgoing_.for_each([this](Outgoing& bulk) {
    bulk.unlink();
    bulk.done.set(lost());
  });
  outgoing_count_ = 0;
  for (auto& [id, bulk] : incoming_) {
    if (bulk->state == Incoming::State::kReceiving) bulk->done.set(lost());
    bulk->state = Incoming::State::kOver;
  }
  incoming_.clear();
  backlog_.clear();
  if (host_) host_->retire(*this);
}

void LocalConnection::broken(const char* what) {
  close_because(Error(Code::kProtocol, peer_ + " broke the protocol of the local transport (" +
                                           what + "); the connection is closed"));
}

Error LocalConnection::lost() const { return Error(Code::kUnreachable, std::string(why_.text())); }

void LocalConnection::finish() {
  VARVE_ASSERT(closed_, "only a closed connection is finished");
  if (host_) host_->receiver().on_closed(*this, why_);
  orphan();
}

void LocalConnection::orphan() {
  host_ = nullptr;
  close_because(
      Error(Code::kUnreachable, "the network of the connection to " + peer_ + " is gone"));
  if (socket_) shutdown(socket_.get(), SHUT_RDWR);  // a forked child may hold it open
  socket_.reset();
  region_ = Region();
}

void LocalConnection::ring() {
  const char bell = 1;
  // A full socket wakes its reader as well; a closed one is noticed when it is read.
  if (::send(socket_.get(), &bell, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1) return;
}

void LocalConnection::on_socket() {
  if (closed_) return;
  char bells[256];
  const ssize_t got = recv(socket_.get(), bells, sizeof bells, MSG_DONTWAIT);
  if (got > 0) {
    rung_ += static_cast<uint64_t>(got);
    if (rung_ > armed_) return broken("it rang without being asked to");
    return host_->heat(*this);
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  // What it had sent before it left still counts.
  peer_left_ = true;
  take_records(kRingBytes / kLineBytes, ~0ULL);
  close_because(Error(Code::kUnreachable, peer_ + " closed the connection or died"));
}

bool LocalConnection::cool() {
  if (closed_ || (next_outgoing() && has_space(0))) return false;
  if (closed_) return false;
  ++armed_;
  if (!in_.fall_asleep()) return false;
  const bool has_more = slots_to_release_ != 0 || !backlog_.empty() || next_outgoing();
  if (has_more) {
    const bool message = slots_to_release_ == 0 && !backlog_.empty();
    ++armed_;
    if (!out_.wait_for_space(message ? backlog_.front().payload.size() : 0)) {
      in_.wake();
      return false;
    }
    waits_for_space_ = true;
  }
  hot_ = false;
  return true;
}

void LocalConnection::warm() {
  if (hot_) return;
  hot_ = true;
  idle_since_trim_ = false;
  in_.wake();
  if (waits_for_space_) out_.end_wait_for_space();
  waits_for_space_ = false;
}

bool LocalConnection::bloated() const {
  return !closed_ && (sent_chunks_ || out_.position() - trimmed_at_ > kBloatBytes);
}

void LocalConnection::trim() {
  if (hot_ || !bloated() || !std::exchange(idle_since_trim_, true)) return;
  // Only the sender of a direction can know that its slots are empty and its ring is read.
  if (slots_out_ != 0 || !backlog_.empty() || !out_.drained()) return;
  region_.drop(out_direction_);
  sent_chunks_ = false;
  trimmed_at_ = out_.position();
}

bool LocalConnection::poll() {
  if (closed_) return false;
  bool any = take_records(kRecordsPerPoll, kBulkBytesPerPoll);
  if (closed_) return true;
  if (slots_to_release_ != 0 || !backlog_.empty()) any |= flush();
  if (!closed_ && !outgoing_.empty()) any |= pump(kSendBytesPerPoll);
  return any;
}

bool LocalConnection::take_records(uint64_t records_max, uint64_t bulk_bytes_max) {
  uint64_t records = 0, bulk_bytes = 0;
  RingReader::Record record;
  while (records < records_max && bulk_bytes < bulk_bytes_max) {
    const RingReader::Look look = in_.look(record);
    if (look == RingReader::Look::kNothing) break;
    ++records;
    if (look == RingReader::Look::kBroken)
      broken("a record that cannot be");
    else
      handle(record);
    if (closed_) return true;
    in_.advance(record);
    if (record.header.kind == Kind::kChunk) bulk_bytes += record.header.length;
  }
  if (records > 0 && in_.publish_progress() && !peer_left_) ring();
  return records > 0;
}

void LocalConnection::handle(const RingReader::Record& record) {
  switch (record.header.kind) {
    case Kind::kMessage:
      return handle_message(record);
    case Kind::kChunk:
      return handle_chunk(record);
    case Kind::kWant:
      return handle_want(record.header.argument);
    case Kind::kDiscard:
      return handle_discard(record.header.argument);
    case Kind::kEnd:
      return handle_end(record.header.argument);
    case Kind::kRelease:
      return handle_release(record.header.argument);
    case Kind::kNone:
    case Kind::kSkip:
      break;
  }
  VARVE_ASSERT(false, "look() gives only the kinds above");
}

void LocalConnection::handle_message(const RingReader::Record& record) {
  const uint64_t size = record.header.argument;
  if (record.payload.empty()) return broken("an empty message");
  std::unique_ptr<LocalIncomingBulk> announced;
  if (size > 0) {
    if (size > kBulkBytesMax) return broken("bulk data of impossible size");
    if (incoming_.size() >= kTransfersMax + kSlots) return broken("too many bulk transfers");
    auto bulk = std::make_shared<Incoming>();
    bulk->id = next_incoming_id_++;
    bulk->size = size;
    incoming_.emplace(bulk->id, bulk);
    announced = std::make_unique<LocalIncomingBulk>(shared_from_this(), std::move(bulk));
  }
  host_->receiver().on_message(*this, record.payload, std::move(announced));
}

void LocalConnection::handle_chunk(const RingReader::Record& record) {
  const auto [length, kind, slot, reserved, id] = record.header;
  if (slot >= kSlots || (slots_held_ >> slot & 1)) return broken("a slot that is not its to send");
  const auto found = incoming_.find(id);
  if (found == incoming_.end()) return broken("data that it had not announced");
  const std::shared_ptr<Incoming> bulk = found->second;
  if (length == 0 || length > kSlotBytes || length > bulk->size - bulk->arrived)
    return broken("more data than announced");
  slots_held_ |= uint64_t{1} << slot;
  bulk->arrived += length;
  if (bulk->state == Incoming::State::kAnnounced)
    bulk->held.push_back({slot, length});
  else
    take_chunk(*bulk, slot, length);
}

// Copies the chunk to where it belongs, or nowhere, and gives its slot back.
void LocalConnection::take_chunk(Incoming& bulk, uint8_t slot, uint32_t length) {
  if (bulk.state == Incoming::State::kReceiving) {
    const std::byte* from = region_.slot(in_direction_, slot);
    bulk.into.advance(length, [&from](MutableByteView run) {
      std::memcpy(run.data(), from, run.size());
      from += run.size();
    });
  }
  slots_held_ &= ~(uint64_t{1} << slot);
  slots_to_release_ |= uint64_t{1} << slot;
  bulk.taken += length;
  if (bulk.taken < bulk.size) return;
  if (bulk.state == Incoming::State::kReceiving) bulk.done.set(Result<void>());
  bulk.state = Incoming::State::kOver;
  incoming_.erase(bulk.id);
}

void LocalConnection::discard(Incoming& bulk) {
  if (closed_ || bulk.state != Incoming::State::kAnnounced) return;
  bulk.state = Incoming::State::kDiscarding;
  host_->heat(*this);
  const std::vector<Incoming::Chunk> held = std::exchange(bulk.held, {});
  if (bulk.arrived < bulk.size) enqueue(Kind::kDiscard, bulk.id, {});
  if (closed_) return;
  for (const Incoming::Chunk& chunk : held) take_chunk(bulk, chunk.slot, chunk.length);
}

void LocalConnection::handle_want(uint64_t id) {
  if (id >= next_outgoing_id_) return broken("it wants what was never announced");
  Outgoing* bulk = find_outgoing(id);
  if (!bulk) return;  // all of it is there or on its way
  bulk->wanted = true;
  for (uint32_t slot = 0; slot < kSlots; ++slot)
    if (slot_owner_[slot] == id) slots_unwanted_ &= ~(uint64_t{1} << slot);
}

void LocalConnection::handle_discard(uint64_t id) {
  if (id >= next_outgoing_id_) return broken("it discards what was never announced");
  Outgoing* bulk = find_outgoing(id);
  if (!bulk) return;
  bulk->unlink();
  --outgoing_count_;
  bulk->done.set(Result<void>());
  enqueue(Kind::kEnd, id, {});
}

void LocalConnection::handle_end(uint64_t id) {
  const auto found = incoming_.find(id);
  if (found == incoming_.end() || found->second->state != Incoming::State::kDiscarding)
    return broken("an end that was not asked for");
  found->second->state = Incoming::State::kOver;
  incoming_.erase(found);
}

void LocalConnection::handle_release(uint64_t slots) {
  if ((slots & ~slots_out_) != 0) return broken("it gives back slots that it did not have");
  slots_out_ &= ~slots;
  slots_unwanted_ &= ~slots;
  for (; slots != 0; slots &= slots - 1)
    free_slots_[free_count_++] = static_cast<uint8_t>(std::countr_zero(slots));
}

bool LocalConnection::has_space(uint64_t payload) {
  if (closed_) return false;
  const RingWriter::Space space = out_.space_for(payload);
  if (space == RingWriter::Space::kBroken) broken("an index that cannot be");
  return space == RingWriter::Space::kFree;
}

void LocalConnection::put(Kind kind, uint8_t slot, uint32_t length, uint64_t argument,
                          ByteView payload) {
  out_.write(kind, slot, length, argument, payload);
  if (out_.must_ring_reader() && !peer_left_) ring();
}

void LocalConnection::enqueue(Kind kind, uint64_t argument, Buffer payload) {
  if (backlog_.empty() && has_space(payload.size()))
    return put(kind, 0, static_cast<uint32_t>(payload.size()), argument, payload);
  if (closed_) return;
  backlog_bytes_ += record_bytes(payload.size());
  backlog_.push_back({kind, argument, std::move(payload)});
  if (backlog_bytes_ > kBacklogBytesMax)
    close_because(
        Error(Code::kUnreachable, peer_ + " takes no messages: " + std::to_string(backlog_bytes_) +
                                      " bytes wait; the connection is closed"));
}

bool LocalConnection::flush() {
  bool any = false;
  // First of all: the peer's sending depends on it.
  if (slots_to_release_ != 0 && has_space(0)) {
    put(Kind::kRelease, 0, 0, std::exchange(slots_to_release_, 0));
    any = true;
  }
  while (!backlog_.empty() && has_space(backlog_.front().payload.size())) {
    const Pending pending = std::move(backlog_.front());
    backlog_.pop_front();
    backlog_bytes_ -= record_bytes(pending.payload.size());
    put(pending.kind, 0, static_cast<uint32_t>(pending.payload.size()), pending.argument,
        pending.payload);
    any = true;
  }
  return any;
}

LocalConnection::Outgoing* LocalConnection::find_outgoing(uint64_t id) {
  Outgoing* found = nullptr;
  outgoing_.for_each([&found, id](Outgoing& bulk) {
    if (bulk.id == id) found = &bulk;
  });
  return found;
}

// The next transfer in turn that may use a slot now.
LocalConnection::Outgoing* LocalConnection::next_outgoing() {
  if (free_count_ == 0 || !backlog_.empty()) return nullptr;
  const bool unwanted_too = std::popcount(slots_unwanted_) < static_cast<int>(kUnwantedSlotsMax);
  Outgoing* found = nullptr;
  outgoing_.for_each([&found, unwanted_too](Outgoing& bulk) {
    if (!found && (bulk.wanted || unwanted_too)) found = &bulk;
  });
  return found;
}

bool LocalConnection::pump(uint64_t bytes_max) {
  bool any = false;
  for (uint64_t sent = 0; sent < bytes_max; sent += kSlotBytes) {
    Outgoing* bulk = next_outgoing();
    if (!bulk || !has_space(0)) break;
    send_chunk(*bulk);
    any = true;
  }
  return any;
}

void LocalConnection::send_chunk(Outgoing& bulk) {
  const uint8_t slot = free_slots_[--free_count_];
  const auto length = static_cast<uint32_t>(std::min(bulk.bytes_left, kSlotBytes));
  std::byte* to = region_.slot(out_direction_, slot);
  bulk.from.advance(length, [&to](ByteView run) {
    std::memcpy(to, run.data(), run.size());
    to += run.size();
  });
  const uint64_t bit = uint64_t{1} << slot;
  slots_out_ |= bit;
  slot_owner_[slot] = bulk.id;
  sent_chunks_ = true;
  if (!bulk.wanted) slots_unwanted_ |= bit;
  put(Kind::kChunk, slot, length, bulk.id);
  bulk.bytes_left -= length;
  bulk.unlink();
  if (bulk.bytes_left > 0) return outgoing_.push_back(bulk);  // the others' turn
  --outgoing_count_;
  bulk.done.set(Result<void>());
}

}  // namespace varve::network::local
