#include "simulation/network.h"

#include <map>
#include <unordered_map>

#include "base/intrusive_list.h"
#include "runtime/wait.h"

namespace varve::simulation {

using network::Address;
using network::Connection;
using network::IncomingBulk;
using network::PeerIdentity;
using network::Receiver;

class SimulatedNetwork;
class SimulatedConnection;

struct Transfer {
  std::vector<ByteView> pieces;
  bool revoked = false;
  OneShot<Result<void>> done;
};

struct Event {
  enum class Kind { kConnect, kConnected, kRefused, kMessage, kTransferred, kClosed };
  Kind kind;
  uint64_t connection = 0;  // the receiving side's number
  uint64_t from_endpoint = 0, from = 0;
  Address address = {};
  Buffer message = {};
  std::shared_ptr<Transfer> transfer = nullptr;
};

class SwitchState {
 public:
  SwitchState(uint64_t seed, const NetworkFaults& faults) : random(seed), faults(faults) {}

  bool happens(uint64_t one_in) { return one_in && random.one_in(one_in); }
  Duration delay() {
    const auto spread = static_cast<uint64_t>((faults.delay_max - faults.delay_min).count());
    return faults.delay_min + Duration(spread ? random.below(spread) : 0);
  }
  bool is_cut(const std::string& from, const std::string& to) const {
    if (from == to) return false;
    return isolated.contains(from) || isolated.contains(to) || cuts.contains({from, to});
  }

  Random random;
  NetworkFaults faults;
  NetworkCounters counters;
  std::set<std::pair<std::string, std::string>> cuts;
  std::set<std::string> isolated;
  std::map<uint64_t, SimulatedNetwork*> endpoints;
  std::map<Address, uint64_t> listeners;
  uint64_t last_number = 0;
};

class SimulatedNetwork final : public network::Network {
 public:
  SimulatedNetwork(std::shared_ptr<SwitchState> state, Executor& executor, std::string host)
      : state_(std::move(state)),
        executor_(executor),
        host_(std::move(host)),
        number_(++state_->last_number) {
    state_->endpoints.emplace(number_, this);
  }
  ~SimulatedNetwork() override;

  void set_receiver(Receiver& receiver) override { receiver_ = &receiver; }
  const char* scheme() const override { return "simulated"; }
  Result<Address> listen(const Address& address) override;
  Task<Result<std::shared_ptr<Connection>>> connect(const Address& address,
                                                    Instant deadline) override;

  // Sends an event to an endpoint: it arrives after a delay, not before `not_before`. False if it
  // is lost on the way.
  bool post(uint64_t to, Event event, Instant not_before = {});
  void handle(Event& event);
  void reset_all();
  void forget(uint64_t connection) { connections_.erase(connection); }
  Executor& executor() { return executor_; }
  SwitchState& state() { return *state_; }
  const std::string& host() const { return host_; }
  // Closes a connection here and tells the receiver at once, from the executor.
  void close_here(SimulatedConnection& connection, std::string why);

 private:
  struct Packet final : Timer, ListHook {
    SimulatedNetwork* network;
    Event event;
    void fire() override {
      const std::unique_ptr<Packet> self(this);
      unlink();
      network->handle(event);
    }
  };
  void deliver(Event event, Instant when);
  std::shared_ptr<SimulatedConnection> make(uint64_t there, const Address& peer);
  void on_message(const std::shared_ptr<SimulatedConnection>& connection, Event& event);

  std::shared_ptr<SwitchState> state_;
  Executor& executor_;
  std::string host_;
  uint64_t number_;
  Receiver* receiver_ = nullptr;
  std::map<uint64_t, std::shared_ptr<SimulatedConnection>> connections_;
  IntrusiveList<Packet> packets_;  // on their way to here
};

class SimulatedConnection final : public Connection,
                                  public std::enable_shared_from_this<SimulatedConnection> {
 public:
  SimulatedConnection(SimulatedNetwork& network, uint64_t there, uint64_t number, Address peer)
      : network_(&network), there_(there), number_(number), peer_(std::move(peer)) {}

  const Address& peer() const override { return peer_; }
  const PeerIdentity& identity() const override { return identity_; }
  bool closed() const override { return closed_; }

  void send(Buffer message) override {
    VARVE_ASSERT(!message.empty() && message.size() <= network::kMessageBytesMax, "");
    if (!closed_) send_message(std::move(message), nullptr);
  }

  Task<Result<void>> send_with_bulk(Buffer message, Gather bulk, Instant deadline) override {
    VARVE_ASSERT(!message.empty() && message.size() <= network::kMessageBytesMax, "");
    const auto self = shared_from_this();
    if (closed_) co_return lost();
    const auto transfer = std::make_shared<Transfer>();
    transfer->pieces.assign(bulk.begin(), bulk.end());
    struct Revoke {
      Transfer& transfer;
      ~Revoke() { transfer.revoked = true; }
    } revoke{*transfer};
    sending_.push_back(transfer);
    send_message(std::move(message), transfer);
    std::optional<Result<void>> result = co_await transfer->done.wait_until(deadline);
    std::erase(sending_, transfer);
    if (result) co_return std::move(*result);
    close();
    co_return Error(Code::kTimedOut, peer_ + " did not take bulk data before the deadline");
  }

  void close() override { close_because("closed on this side"); }
  void close_because(std::string why) {
    if (!closed_ && network_) network_->close_here(*this, std::move(why));
  }
  // Everything but telling the receiver.
  void end(std::string why) {
    if (closed_) return;
    closed_ = true;
    why_ = std::move(why);
    for (const auto& transfer : sending_) {
      transfer->revoked = true;
      transfer->done.set(lost());
    }
    closed_signal.notify_all();
  }
  Error lost() const {
    return Error(Code::kUnreachable, "the connection to " + peer_ + " is closed (" + why_ + ")");
  }
  void transferred(std::shared_ptr<Transfer> transfer) {
    if (!closed_ && network_)
      network_->post(there_, {.kind = Event::Kind::kTransferred,
                              .connection = partner,
                              .transfer = std::move(transfer)});
  }
  uint64_t there() const { return there_; }
  uint64_t number() const { return number_; }
  SimulatedNetwork* network() { return network_; }
  void orphan() { network_ = nullptr; }

  uint64_t partner = 0;
  OneShot<bool> connected;
  Signal closed_signal;

 private:
  void send_message(Buffer message, std::shared_ptr<Transfer> transfer) {
    SwitchState& state = network_->state();
    ++state.counters.sent;
    if (state.happens(state.faults.reset_one_in)) {
      ++state.counters.resets;
      return close_because("reset");
    }
    if (state.happens(state.faults.drop_one_in)) {
      ++state.counters.dropped;
      return;
    }
    if (state.happens(state.faults.flip_one_in)) {
      ++state.counters.flipped;
      const uint64_t bit = state.random.below(message.size() * 8);
      message[bit / 8] ^= std::byte(1u << (bit % 8));
    }
    Event event{.kind = Event::Kind::kMessage,
                .connection = partner,
                .from_endpoint = 0,
                .from = number_,
                .message = std::move(message),
                .transfer = std::move(transfer)};
    if (!event.transfer && state.happens(state.faults.duplicate_one_in)) {
      ++state.counters.duplicated;
      network_->post(there_, event, network_->executor().now() + state.delay());
    }
    Instant when = network_->executor().now() + state.delay();
    if (state.happens(state.faults.reorder_one_in)) {
      ++state.counters.reordered;
      when = when + state.delay();
    } else {
      when = last_arrival_ = std::max(when, last_arrival_);
    }
    if (!network_->post(there_, std::move(event), when)) ++state.counters.dropped;
  }

  SimulatedNetwork* network_;
  uint64_t there_, number_;
  Address peer_;
  PeerIdentity identity_;
  bool closed_ = false;
  std::string why_ = "its network is gone";
  Instant last_arrival_;
  std::vector<std::shared_ptr<Transfer>> sending_;
};

class SimulatedBulk final : public IncomingBulk {
 public:
  SimulatedBulk(std::shared_ptr<SimulatedConnection> connection, std::shared_ptr<Transfer> transfer)
      : connection_(std::move(connection)),
        transfer_(std::move(transfer)),
        size_(size_of(Gather(transfer_->pieces))) {}
  ~SimulatedBulk() override {
    if (transfer_) connection_->transferred(std::move(transfer_));
  }
  uint64_t size() const override { return size_; }

  Task<Result<void>> receive(Scatter into, Instant deadline) override {
    VARVE_ASSERT(transfer_, "bulk data is received once");
    VARVE_ASSERT(size_of(into) >= size_, "the memory has room for what was announced");
    const auto connection = connection_;
    const auto transfer = std::move(transfer_);
    if (connection->closed()) co_return connection->lost();
    SimulatedNetwork& network = *connection->network();
    SwitchState& state = network.state();
    const bool stalls = state.happens(state.faults.drop_one_in);
    const Duration time = state.delay() + state.delay() +
                          Duration(size_ * 1'000'000'000 / state.faults.bytes_per_second);
    const Instant arrival = stalls ? kNever : network.executor().now() + time;
    const bool closed_first = co_await connection->closed_signal.wait(std::min(arrival, deadline));
    if (closed_first || connection->closed() || transfer->revoked) co_return connection->lost();
    if (arrival > deadline) {
      connection->close();
      co_return Error(Code::kTimedOut, connection->peer() + " did not send all bulk data in time");
    }
    copy(Gather(transfer->pieces), into);
    connection->transferred(transfer);
    co_return Result<void>();
  }

 private:
  std::shared_ptr<SimulatedConnection> connection_;
  std::shared_ptr<Transfer> transfer_;
  uint64_t size_;
};

SimulatedNetwork::~SimulatedNetwork() {
  while (!packets_.empty()) delete &packets_.pop_front();
  for (const auto& [number, connection] : connections_) {
    post(connection->there(), {.kind = Event::Kind::kClosed, .connection = connection->partner});
    connection->end("this side's network was closed");
    connection->orphan();
  }
  state_->endpoints.erase(number_);
  std::erase_if(state_->listeners, [&](const auto& entry) { return entry.second == number_; });
}

Result<Address> SimulatedNetwork::listen(const Address& address) {
  if (!state_->listeners.emplace(address, number_).second)
    return Error(Code::kBusy, address + " is taken; choose another name");
  return address;
}

std::shared_ptr<SimulatedConnection> SimulatedNetwork::make(uint64_t there, const Address& peer) {
  const uint64_t number = ++state_->last_number;
  const auto connection = std::make_shared<SimulatedConnection>(*this, there, number, peer);
  connections_.emplace(number, connection);
  return connection;
}

Task<Result<std::shared_ptr<Connection>>> SimulatedNetwork::connect(const Address& address,
                                                                    Instant deadline) {
  const Address to = address;
  const auto listener = state_->listeners.find(to);
  if (listener == state_->listeners.end()) {
    co_await executor_.sleep_until(std::min(deadline, executor_.now() + state_->delay()));
    co_return Error(Code::kUnreachable, "nobody listens at " + to + " in this simulation");
  }
  const auto connection = make(listener->second, to);
  post(connection->there(),
       {.kind = Event::Kind::kConnect, .from_endpoint = number_, .from = connection->number()});
  const std::optional<bool> connected = co_await connection->connected.wait_until(deadline);
  if (connected && *connected && !connection->closed())
    co_return std::shared_ptr<Connection>(connection);
  connections_.erase(connection->number());
  connection->end("it could not be made");
  if (connected) co_return Error(Code::kUnreachable, to + " refused the connection");
  co_return Error(Code::kTimedOut, to + " did not accept a connection before the deadline");
}

bool SimulatedNetwork::post(uint64_t to, Event event, Instant not_before) {
  const auto found = state_->endpoints.find(to);
  if (found == state_->endpoints.end()) {
    // Nobody there any more: the kernel's reset comes back.
    if (event.kind == Event::Kind::kMessage && event.from)
      deliver({.kind = Event::Kind::kClosed, .connection = event.from},
              executor_.now() + state_->delay());
    return false;
  }
  if (state_->is_cut(host_, found->second->host())) return false;
  if (event.from_endpoint == 0) event.from_endpoint = number_;
  found->second->deliver(std::move(event),
                         std::max(not_before, executor_.now() + state_->faults.delay_min));
  return true;
}

void SimulatedNetwork::deliver(Event event, Instant when) {
  auto* packet = new Packet;
  packet->network = this;
  packet->event = std::move(event);
  packets_.push_back(*packet);
  executor_.arm_timer(*packet, when);
}

void SimulatedNetwork::close_here(SimulatedConnection& connection, std::string why) {
  connection.end(std::move(why));
  post(connection.there(), {.kind = Event::Kind::kClosed, .connection = connection.partner});
  deliver({.kind = Event::Kind::kClosed, .connection = connection.number()}, executor_.now());
}

void SimulatedNetwork::reset_all() {
  for (const auto& [number, connection] : connections_) connection->close_because("reset");
}

void SimulatedNetwork::handle(Event& event) {
  if (event.kind == Event::Kind::kConnect) {
    const auto connection = make(event.from_endpoint, "simulated://" + std::to_string(event.from));
    connection->partner = event.from;
    post(event.from_endpoint,
         {.kind = Event::Kind::kConnected, .connection = event.from, .from = connection->number()});
    if (receiver_) receiver_->on_accepted(connection);
    return;
  }
  const auto found = connections_.find(event.connection);
  if (found == connections_.end()) {
    // It ended here while the other side could not hear of it.
    if (event.from && event.kind != Event::Kind::kClosed)
      post(event.from_endpoint, {.kind = Event::Kind::kClosed, .connection = event.from});
    return;
  }
  const std::shared_ptr<SimulatedConnection> connection = found->second;
  switch (event.kind) {
    case Event::Kind::kConnected:
      connection->partner = event.from;
      connection->connected.set(true);
      break;
    case Event::Kind::kMessage:
      on_message(connection, event);
      break;
    case Event::Kind::kTransferred:
      event.transfer->done.set(Result<void>());
      break;
    default:
      connections_.erase(found);
      connection->end("the other side closed it");
      connection->connected.set(false);
      if (receiver_) receiver_->on_closed(*connection, connection->lost());
  }
}

void SimulatedNetwork::on_message(const std::shared_ptr<SimulatedConnection>& connection,
                                  Event& event) {
  std::unique_ptr<IncomingBulk> bulk;
  if (event.transfer) bulk = std::make_unique<SimulatedBulk>(connection, std::move(event.transfer));
  if (connection->closed()) return;
  ++state_->counters.delivered;
  if (receiver_) receiver_->on_message(*connection, event.message, std::move(bulk));
}

NetworkSwitch::NetworkSwitch(uint64_t seed, const NetworkFaults& faults)
    : state_(std::make_shared<SwitchState>(seed, faults)) {}
NetworkSwitch::~NetworkSwitch() = default;

std::unique_ptr<network::Network> NetworkSwitch::attach(Executor& executor,
                                                        const std::string& host) {
  return std::make_unique<SimulatedNetwork>(state_, executor, host);
}
void NetworkSwitch::set_faults(const NetworkFaults& faults) { state_->faults = faults; }
void NetworkSwitch::cut(const std::string& from, const std::string& to, bool is_cut) {
  if (is_cut)
    state_->cuts.emplace(from, to);
  else
    state_->cuts.erase({from, to});
}
void NetworkSwitch::isolate(const std::string& host, bool is_cut) {
  if (is_cut)
    state_->isolated.insert(host);
  else
    state_->isolated.erase(host);
}
void NetworkSwitch::reset_connections(const std::string& host) {
  for (const auto& [number, endpoint] : state_->endpoints)
    if (endpoint->host() == host) endpoint->reset_all();
}
const NetworkCounters& NetworkSwitch::counters() const { return state_->counters; }

}  // namespace varve::simulation
