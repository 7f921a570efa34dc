// Bulk data under way over a same-host connection: the two ends' states of one transfer.
#pragma once

#include <cstring>
#include <vector>

#include "network/local_connection.h"

namespace varve::network::local {

// A place in a Gather or Scatter.
template <class Pieces>
struct Cursor {
  Pieces pieces;
  size_t piece = 0;
  uint64_t offset = 0;

  // Calls visit(run) for each contiguous run of the next `bytes` bytes.
  template <class Visit>
  void advance(uint64_t bytes, Visit visit) {
    while (bytes > 0) {
      VARVE_ASSERT(piece < pieces.size(), "sizes were compared before");
      const uint64_t run = std::min<uint64_t>(bytes, pieces[piece].size() - offset);
      if (run > 0) visit(pieces[piece].subspan(offset, run));
      offset += run;
      bytes -= run;
      if (offset == pieces[piece].size()) ++piece, offset = 0;
    }
  }
};

// In the frame of the coroutine that sends.
struct LocalConnection::Outgoing : ListHook {
  uint64_t id = 0;
  uint64_t bytes_left = 0;
  bool wanted = false;
  Cursor<Gather> from;
  OneShot<Result<void>> done;
};

struct LocalConnection::Incoming {
  enum class State { kAnnounced, kReceiving, kDiscarding, kOver };
  struct Chunk {
    uint8_t slot;
    uint32_t length;
  };
  uint64_t id = 0;
  uint64_t size = 0;
  uint64_t arrived = 0;  // announced by chunks
  uint64_t taken = 0;    // of these: copied out or thrown away
  State state = State::kAnnounced;
  std::vector<Chunk> held;  // arrived before anybody received
  Cursor<Scatter> into;
  OneShot<Result<void>> done;
};

class LocalIncomingBulk final : public IncomingBulk {
 public:
  LocalIncomingBulk(std::shared_ptr<LocalConnection> connection,
                    std::shared_ptr<LocalConnection::Incoming> bulk)
      : connection_(std::move(connection)), bulk_(std::move(bulk)) {}
  ~LocalIncomingBulk() override {
    if (!taken_) connection_->discard(*bulk_);
  }
  uint64_t size() const override { return bulk_->size; }
  Task<Result<void>> receive(Scatter into, Instant deadline) override {
    VARVE_ASSERT(!taken_, "bulk data is received once");
    VARVE_ASSERT(size_of(into) >= bulk_->size, "there is room for all of it");
    taken_ = true;
    return LocalConnection::receive_bulk(connection_, bulk_, into, deadline);
  }

 private:
  std::shared_ptr<LocalConnection> connection_;
  std::shared_ptr<LocalConnection::Incoming> bulk_;
  bool taken_ = false;
};

}  // namespace varve::network::local
