// One same-host connection, either side of it: messages through the rings, bulk data through the
// arena's slots. The sender of a direction allots its slots; the receiver gives each back after it
// has copied the data out. Bulk data starts to flow at once into at most half of the slots; the
// rest follows when the peer asks for it (kWant), so that bulk data that nobody receives yet cannot
// keep other bulk data, or any message, from passing.
#pragma once

#include <deque>
#include <memory>
#include <unordered_map>

#include "base/intrusive_list.h"
#include "network/local_handshake.h"
#include "network/local_ring.h"
#include "runtime/wait.h"

namespace varve::network::local {

class LocalConnection;

// What a connection needs of its network.
class Host {
 public:
  virtual ~Host() = default;
  virtual Receiver& receiver() = 0;
  // The connection is to be polled until it cools.
  virtual void heat(LocalConnection& connection) = 0;
  // It has closed; finish() is to be called, but not from within this call.
  virtual void retire(LocalConnection& connection) = 0;
};

class LocalConnection final : public Connection,
                              public std::enable_shared_from_this<LocalConnection> {
 public:
  LocalConnection(Host& host, Region::Side side, Region region, Descriptor socket, Address peer);
  ~LocalConnection() override;

  const Address& peer() const override { return peer_; }
  const PeerIdentity& identity() const override { return identity_; }
  bool closed() const override { return closed_; }
  void send(Buffer message) override;
  Task<Result<void>> send_with_bulk(Buffer message, Gather bulk, Instant deadline) override;
  void close() override;

  // The network's part.
  int socket() const { return socket_.get(); }
  bool hot() const { return hot_; }
  // Handles a bounded amount of what is there; true if anything was.
  bool poll();
  // To be rung from now on, not polled; false if there is something to do at once.
  bool cool();
  void warm();
  // The socket is readable: doorbells, or the peer has gone.
  void on_socket();
  // Lets go of memory and socket, tells the receiver. Once, after retire().
  void finish();
  // The network goes first: closes without telling the receiver.
  void orphan();
  // Whether memory of our direction is populated that an idle connection does not need.
  bool bloated() const;
  // Called now and then: gives such memory back if the connection was idle ever since the last
  // call.
  void trim();
  uint64_t active_at() const { return active_at_; }
  void set_active_at(uint64_t poll) { active_at_ = poll; }

 private:
  friend class LocalIncomingBulk;
  struct Outgoing;
  struct Incoming;
  struct Pending {
    Kind kind;
    uint64_t argument;
    Buffer payload;
  };

  static Task<Result<void>> receive_bulk(std::shared_ptr<LocalConnection> self,
                                         std::shared_ptr<Incoming> bulk, Scatter into,
                                         Instant deadline);
  void discard(Incoming& bulk);
  void close_because(Error why);
  void broken(const char* what);
  Error lost() const;

  void handle(const RingReader::Record& record);
  void handle_message(const RingReader::Record& record);
  void handle_chunk(const RingReader::Record& record);
  void handle_want(uint64_t id);
  void handle_discard(uint64_t id);
  void handle_end(uint64_t id);
  void handle_release(uint64_t slots);
  bool take_records(uint64_t records_max, uint64_t bulk_bytes_max);
  void take_chunk(Incoming& bulk, uint8_t slot, uint32_t length);

  void enqueue(Kind kind, uint64_t argument, Buffer payload);
  void put(Kind kind, uint8_t slot, uint32_t length, uint64_t argument, ByteView payload = {});
  bool has_space(uint64_t payload);
  bool flush();
  Outgoing* next_outgoing();
  Outgoing* find_outgoing(uint64_t id);
  bool pump(uint64_t bytes_max);
  void send_chunk(Outgoing& bulk);
  void ring();

  Host* host_;  // null once the network is gone
  Region region_;
  Descriptor socket_;
  Address peer_;
  PeerIdentity identity_;
  unsigned in_direction_, out_direction_;
  RingReader in_;
  RingWriter out_;
  bool hot_ = false, closed_ = false, peer_left_ = false, waits_for_space_ = false;
  Error why_{Code::kUnreachable};
  uint64_t active_at_ = 0;
  bool idle_since_trim_ = false, sent_chunks_ = false;
  uint64_t trimmed_at_ = 0;        // the position of out_ then
  uint64_t armed_ = 0, rung_ = 0;  // how often the peer may have rung us at most; and has

  std::deque<Pending> backlog_;
  uint64_t backlog_bytes_ = 0;

  IntrusiveList<Outgoing> outgoing_;
  uint64_t outgoing_count_ = 0, next_outgoing_id_ = 0;
  uint8_t free_slots_[kSlots];  // the last one is the warmest
  uint32_t free_count_ = kSlots;
  uint64_t slots_out_ = 0;       // with the peer
  uint64_t slots_unwanted_ = 0;  // of these: for bulk data that the peer has not asked for
  uint64_t slot_owner_[kSlots] = {};

  std::unordered_map<uint64_t, std::shared_ptr<Incoming>> incoming_;
  uint64_t next_incoming_id_ = 0;
  uint64_t slots_held_ = 0;  // the peer's, with us
  uint64_t slots_to_release_ = 0;
};

}  // namespace varve::network::local
