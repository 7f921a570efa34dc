// The in-process network. Each Network has an inbox that any thread may post to; everything else
// belongs to the executor's thread. Two connections know each other by inbox and number.
#include <unistd.h>

#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "network/buffer_pool.h"
#include "network/network.h"
#include "runtime/executor.h"
#include "runtime/wait.h"

namespace varve::network {
namespace {

class MemoryNetwork;

// Bulk data lent by a sender. The lock is held while it is copied: revoke() ends when nobody reads.
struct Transfer {
  std::mutex mutex;
  std::vector<ByteView> pieces;
  bool revoked = false;
  OneShot<Result<void>> done;  // the sender's thread only

  void revoke() {
    std::lock_guard lock(mutex);
    revoked = true;
  }
};

struct Inbox;

struct Event {
  enum class Kind { kConnect, kConnected, kMessage, kTransferred, kClosed, kClosedHere };
  Kind kind;
  uint64_t connection = 0;                 // the receiving side's number
  uint64_t from = 0;                       // kConnect, kConnected: the sending side's number
  std::shared_ptr<Inbox> inbox = nullptr;  // kConnect: where the answer goes
  Buffer message = {};
  std::shared_ptr<Transfer> transfer = nullptr;
};

struct Inbox : std::enable_shared_from_this<Inbox> {
  std::mutex mutex;
  MemoryNetwork* network = nullptr;  // null once it is gone
  Executor* executor = nullptr;
  std::vector<Event> events, spare;

  // From any thread; false if nobody is there any more.
  bool post(Event event) {
    std::lock_guard lock(mutex);
    if (!network) return false;
    events.push_back(std::move(event));
    if (events.size() == 1) executor->submit([self = shared_from_this()] { self->drain(); });
    return true;
  }
  void drain();
};

struct Registry {
  std::mutex mutex;
  std::map<Address, std::shared_ptr<Inbox>> listeners;
};
Registry& registry() {
  static Registry the_registry;
  return the_registry;
}

class MemoryConnection final : public Connection,
                               public std::enable_shared_from_this<MemoryConnection> {
 public:
  MemoryConnection(std::shared_ptr<Inbox> here, std::shared_ptr<Inbox> there, uint64_t number,
                   Address peer)
      : here_(std::move(here)), there_(std::move(there)), number_(number), peer_(std::move(peer)) {
    identity_.known = true;
    identity_.uid = getuid();
    identity_.gid = getgid();
    identity_.pid = static_cast<uint32_t>(getpid());
  }

  const Address& peer() const override { return peer_; }
  const PeerIdentity& identity() const override { return identity_; }
  bool closed() const override { return closed_; }

  void send(Buffer message) override {
    VARVE_ASSERT(!message.empty() && message.size() <= kMessageBytesMax, "");
    if (closed_) return;
    if (!there_->post(
            {.kind = Event::Kind::kMessage, .connection = partner, .message = std::move(message)}))
      end(true);
  }

  Task<Result<void>> send_with_bulk(Buffer message, Gather bulk, Instant deadline) override {
    VARVE_ASSERT(!message.empty() && message.size() <= kMessageBytesMax, "");
    const auto self = shared_from_this();
    if (closed_) co_return lost();
    auto transfer = std::make_shared<Transfer>();
    transfer->pieces.assign(bulk.begin(), bulk.end());
    // Whatever ends this coroutine (its executor's end too), nobody reads the memory afterwards.
    struct Revoke {
      Transfer& transfer;
      ~Revoke() { transfer.revoke(); }
    } revoke{*transfer};
    sending_.push_back(transfer);
    if (!there_->post({.kind = Event::Kind::kMessage,
                       .connection = partner,
                       .message = std::move(message),
                       .transfer = transfer}))
      end(true);
    std::optional<Result<void>> result = co_await transfer->done.wait_until(deadline);
    std::erase(sending_, transfer);
    if (result) co_return std::move(*result);
    transfer->revoke();
    close();
    co_return Error(
        Code::kTimedOut,
        peer_ + " did not take bulk data before the deadline; the connection was closed");
  }

  void close() override { end(true); }

  // `announce`: the receiver hears of it later (a close from here), else the caller tells it.
  void end(bool announce) {
    if (closed_) return;
    closed_ = true;
    there_->post({.kind = Event::Kind::kClosed, .connection = partner});
    for (const auto& transfer : sending_) {
      transfer->revoke();
      transfer->done.set(lost());
    }
    if (announce) here_->post({.kind = Event::Kind::kClosedHere, .connection = number_});
  }
  Error lost() const {
    return Error(Code::kUnreachable, "the connection to " + peer_ + " is closed");
  }
  // The other side got the data, or threw it away.
  void transferred(std::shared_ptr<Transfer> transfer) {
    there_->post({.kind = Event::Kind::kTransferred,
                  .connection = partner,
                  .transfer = std::move(transfer)});
  }

  uint64_t number() const { return number_; }
  uint64_t partner = 0;
  OneShot<bool> connected;  // a connecting side's: accepted or refused

 private:
  std::shared_ptr<Inbox> here_, there_;
  uint64_t number_;
  Address peer_;
  PeerIdentity identity_;
  bool closed_ = false;
  std::vector<std::shared_ptr<Transfer>> sending_;
};

class MemoryIncomingBulk final : public IncomingBulk {
 public:
  MemoryIncomingBulk(std::shared_ptr<MemoryConnection> connection,
                     std::shared_ptr<Transfer> transfer)
      : connection_(std::move(connection)),
        transfer_(std::move(transfer)),
        size_(size_of(Gather(transfer_->pieces))) {}
  ~MemoryIncomingBulk() override {
    if (transfer_) connection_->transferred(std::move(transfer_));
  }
  uint64_t size() const override { return size_; }
  Task<Result<void>> receive(Scatter into, Instant) override {
    VARVE_ASSERT(transfer_, "bulk data is received once");
    VARVE_ASSERT(size_of(into) >= size_, "the memory has room for what was announced");
    const auto transfer = std::move(transfer_);
    if (connection_->closed()) co_return connection_->lost();
    {
      std::lock_guard lock(transfer->mutex);
      if (transfer->revoked) co_return connection_->lost();
      copy(Gather(transfer->pieces), into);
    }
    connection_->transferred(transfer);
    co_return Result<void>();
  }

 private:
  std::shared_ptr<MemoryConnection> connection_;
  std::shared_ptr<Transfer> transfer_;
  uint64_t size_;
};

class MemoryNetwork final : public Network {
 public:
  explicit MemoryNetwork(Executor& executor) : inbox_(std::make_shared<Inbox>()) {
    inbox_->network = this;
    inbox_->executor = &executor;
  }

  ~MemoryNetwork() override {
    {
      std::lock_guard lock(registry().mutex);
      std::erase_if(registry().listeners,
                    [&](const auto& entry) { return entry.second == inbox_; });
    }
    for (auto& [number, connection] : connections_) connection->end(false);
    std::vector<Event> undelivered;
    std::lock_guard lock(inbox_->mutex);
    inbox_->network = nullptr;
    inbox_->executor = nullptr;
    undelivered.swap(inbox_->events);
  }

  void set_receiver(Receiver& receiver) override { receiver_ = &receiver; }
  const char* scheme() const override { return "memory"; }

  Result<Address> listen(const Address& address) override {
    VARVE_CHECK(check(address));
    std::lock_guard lock(registry().mutex);
    if (!registry().listeners.emplace(address, inbox_).second)
      return Error(Code::kBusy, address + " is taken in this process; choose another name");
    return address;
  }

  Task<Result<std::shared_ptr<Connection>>> connect(const Address& address,
                                                    Instant deadline) override {
    VARVE_CO_CHECK(check(address));
    const Address to = address;
    std::shared_ptr<Inbox> there;
    {
      std::lock_guard lock(registry().mutex);
      const auto found = registry().listeners.find(to);
      if (found != registry().listeners.end()) there = found->second;
    }
    if (!there) co_return nobody(to);
    const auto connection = make(there, to);
    if (!there->post(
            {.kind = Event::Kind::kConnect, .from = connection->number(), .inbox = inbox_}))
      connection->connected.set(false);
    const std::optional<bool> accepted = co_await connection->connected.wait_until(deadline);
    if (accepted && *accepted) co_return std::shared_ptr<Connection>(connection);
    connections_.erase(connection->number());
    connection->end(false);
    if (accepted) co_return nobody(to);
    co_return Error(Code::kTimedOut, to + " did not accept a connection before the deadline");
  }

  void handle(Event& event) {
    if (event.kind == Event::Kind::kConnect) return accept(event);
    const auto found = connections_.find(event.connection);
    if (found == connections_.end()) {
      // Its connect() gave up meanwhile.
      if (event.kind == Event::Kind::kConnected)
        event.inbox->post({.kind = Event::Kind::kClosed, .connection = event.from});
      return;
    }
    const std::shared_ptr<MemoryConnection> connection = found->second;
    switch (event.kind) {
      case Event::Kind::kConnected:
        connection->partner = event.from;
        connection->connected.set(true);
        break;
      case Event::Kind::kMessage: {
        std::unique_ptr<IncomingBulk> bulk;
        if (event.transfer)
          bulk = std::make_unique<MemoryIncomingBulk>(connection, std::move(event.transfer));
        if (!connection->closed())
          receiver_->on_message(*connection, event.message, std::move(bulk));
        recycle_buffer(std::move(event.message));
        break;
      }
      case Event::Kind::kTransferred:
        event.transfer->done.set(Result<void>());
        break;
      default:
        connection->end(false);
        connections_.erase(connection->number());
        receiver_->on_closed(*connection, connection->lost());
    }
  }

 private:
  static Result<void> check(const Address& address) {
    if (address.starts_with("memory://") && address.size() > 9) return {};
    return Error(Code::kInvalid, "'" + address + "' is no in-process address; write memory://NAME");
  }
  static Error nobody(const Address& address) {
    return Error(Code::kUnreachable, "nobody listens at " + address + " in this process");
  }
  std::shared_ptr<MemoryConnection> make(std::shared_ptr<Inbox> there, const Address& peer) {
    const uint64_t number = ++last_number_;
    auto connection = std::make_shared<MemoryConnection>(inbox_, std::move(there), number, peer);
    connections_.emplace(number, connection);
    return connection;
  }
  void accept(Event& event) {
    const auto connection = make(event.inbox, "memory://client-" + std::to_string(event.from));
    connection->partner = event.from;
    event.inbox->post({.kind = Event::Kind::kConnected,
                       .connection = event.from,
                       .from = connection->number(),
                       .inbox = inbox_});
    receiver_->on_accepted(connection);
  }

  std::shared_ptr<Inbox> inbox_;
  Receiver* receiver_ = nullptr;
  uint64_t last_number_ = 0;
  std::unordered_map<uint64_t, std::shared_ptr<MemoryConnection>> connections_;
};

void Inbox::drain() {
  std::vector<Event> batch;
  {
    std::lock_guard lock(mutex);
    batch.swap(events);
    events.swap(spare);
  }
  for (Event& event : batch) {
    // Only this thread clears it.
    if (!network) return;
    network->handle(event);
  }
  batch.clear();
  std::lock_guard lock(mutex);
  if (spare.empty() && spare.capacity() == 0) spare.swap(batch);
}

}  // namespace

Result<std::unique_ptr<Network>> make_memory(Executor& executor) {
  return std::unique_ptr<Network>(std::make_unique<MemoryNetwork>(executor));
}

}  // namespace varve::network
