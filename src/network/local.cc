// The same-host transport: all connections of one executor. Only connections in use are polled; the
// others have told their peers to ring, so that neither polling nor sleeping costs more for many
// idle clients than for none.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "network/local_connection.h"
#include "network/local_handshake.h"
#include "runtime/executor.h"
#include "runtime/wait.h"

namespace varve::network {
namespace local {
namespace {

constexpr size_t kConnectionsMax = 1024;
constexpr size_t kConnectionsPerUserMax = 768;  // one user cannot keep the others out
constexpr Duration kGreetingTime = 5s;
constexpr Duration kAcceptPause = 100ms;
constexpr Duration kTrimInterval = 1s;
// How many polls pass between two looks at the sockets, and before an idle connection cools.
constexpr uint32_t kPollsPerLook = 32;
constexpr uint64_t kPollsToCool = 4096;

class LocalNetwork;

// What outlives the network in the hands of its connecting coroutines.
struct Life {
  LocalNetwork* network;
};

// A timer that calls a function.
class Alarm final : public Timer {
 public:
  explicit Alarm(std::function<void()> function) : function_(std::move(function)) {}

 private:
  void fire() override { function_(); }
  std::function<void()> function_;
};

// An accepted socket whose client has not said who it is.
struct Greeting {
  Descriptor socket;
  Address peer;
  size_t got = 0;
  std::byte bytes[sizeof(Hello)];
  std::unique_ptr<Alarm> timeout;
};

struct Accepting {
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Alarm> resume;
};

class LocalNetwork final : public Network, public Poller, public Host {
 public:
  LocalNetwork(Executor& executor, Descriptor epoll);
  ~LocalNetwork() override;

  void set_receiver(Receiver& receiver) override { receiver_ = &receiver; }
  const char* scheme() const override { return "local"; }
  Result<Address> listen(const Address& address) override;
  Task<Result<std::shared_ptr<Connection>>> connect(const Address& address,
                                                    Instant deadline) override {
    return connect_from(executor_, life_, address, deadline);
  }

  bool poll() override;
  int descriptor() const override { return epoll_.get(); }
  bool arm() override;

  Receiver& receiver() override { return *receiver_; }
  void heat(LocalConnection& connection) override;
  void retire(LocalConnection& connection) override;

 private:
  static Task<Result<std::shared_ptr<Connection>>> connect_from(Executor& executor,
                                                                std::shared_ptr<Life> life,
                                                                Address address, Instant deadline);
  static Task<Result<Descriptor>> reach(Executor& executor, std::shared_ptr<Life> life,
                                        Address address, Instant deadline);
  static Task<Result<Region>> be_welcomed(std::shared_ptr<Life> life, int socket, Address address,
                                          Instant deadline);
  void look_at_sockets();
  void on_event(int descriptor);
  void accept_some(int descriptor, Accepting& accepting);
  void pause(int descriptor, Accepting& accepting);
  void greet(Descriptor socket, const std::string& path);
  Result<void> room_for(const PeerIdentity& identity) const;
  void drop_greeting(int descriptor);
  void on_greeting(int descriptor);
  Result<void> welcome(Greeting& greeting);
  std::shared_ptr<LocalConnection> adopt(Region::Side side, Region region, Descriptor socket,
                                         Address peer);
  void watch(int descriptor);
  void unwatch(int descriptor);
  void cool_idle();
  bool cool(LocalConnection& connection);
  void trim();
  void finish_retired();

  Executor& executor_;
  Receiver* receiver_ = nullptr;
  Descriptor epoll_;
  std::shared_ptr<Life> life_;
  std::unordered_map<int, Accepting> listeners_;
  std::unordered_map<int, Greeting> greetings_;
  std::unordered_map<int, OneShot<bool>*> connecting_;
  std::unordered_map<int, std::shared_ptr<LocalConnection>> connections_;
  std::vector<LocalConnection*> hot_;
  std::vector<LocalConnection*> retired_;
  uint64_t polls_ = 0;
  uint32_t polls_since_look_ = 0;
  bool armed_ = false;
  Alarm trim_{[this] { trim(); }};
};

LocalNetwork::LocalNetwork(Executor& executor, Descriptor epoll)
    : executor_(executor), epoll_(std::move(epoll)), life_(std::make_shared<Life>(Life{this})) {
  executor_.add_poller(*this);
}

LocalNetwork::~LocalNetwork() {
  executor_.remove_poller(*this);
  life_->network = nullptr;
  for (auto& [descriptor, readable] : connecting_) readable->set(false);
  for (auto& [descriptor, connection] : connections_) connection->orphan();
}

void LocalNetwork::watch(int descriptor) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.fd = descriptor;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event);
}

void LocalNetwork::unwatch(int descriptor) {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
}

Result<Address> LocalNetwork::listen(const Address& address) {
  VARVE_TRY(const std::string path, path_of(address));
  VARVE_TRY(std::unique_ptr<Listener> listener, Listener::open(path));
  const int descriptor = listener->descriptor();
  listeners_[descriptor].listener = std::move(listener);
  watch(descriptor);
  return address;
}

bool LocalNetwork::poll() {
  ++polls_;
  if (armed_ || ++polls_since_look_ >= kPollsPerLook) look_at_sockets();
  bool any = false;
  for (size_t i = 0; i < hot_.size(); ++i) {  // it may grow meanwhile
    if (!hot_[i]->poll()) continue;
    hot_[i]->set_active_at(polls_);
    any = true;
  }
  if (polls_ % kPollsToCool == 0) cool_idle();
  if (retired_.empty()) return any;
  finish_retired();
  return true;
}

bool LocalNetwork::arm() {
  armed_ = true;
  const bool trims = trim_.armed();
  if (!retired_.empty()) return false;
  while (!hot_.empty()) {
    if (!cool(*hot_.back())) return false;
    hot_.pop_back();
  }
  // The executor knew its next timer before it asked us.
  return trims || !trim_.armed();
}

void LocalNetwork::cool_idle() {
  std::erase_if(hot_, [this](LocalConnection* connection) {
    return connection->active_at() + kPollsToCool < polls_ && cool(*connection);
  });
}

bool LocalNetwork::cool(LocalConnection& connection) {
  if (!connection.cool()) return false;
  if (!trim_.armed() && connection.bloated())
    executor_.arm_timer(trim_, executor_.now() + kTrimInterval);
  return true;
}

void LocalNetwork::trim() {
  bool again = false;
  for (const auto& [descriptor, connection] : connections_) {
    connection->trim();
    // A hot one arms the timer when it cools.
    again |= !connection->hot() && connection->bloated();
  }
  if (again) executor_.arm_timer(trim_, executor_.now() + kTrimInterval);
}

void LocalNetwork::heat(LocalConnection& connection) {
  connection.set_active_at(polls_);
  if (connection.hot()) return;
  connection.warm();
  hot_.push_back(&connection);
}

void LocalNetwork::retire(LocalConnection& connection) { retired_.push_back(&connection); }

void LocalNetwork::finish_retired() {
  while (!retired_.empty()) {
    LocalConnection* connection = retired_.back();
    retired_.pop_back();
    std::erase(hot_, connection);
    const auto found = connections_.find(connection->socket());
    VARVE_ASSERT(found != connections_.end(), "a connection is here until it is finished");
    const std::shared_ptr<LocalConnection> kept = std::move(found->second);
    connections_.erase(found);
    unwatch(connection->socket());
    connection->finish();
  }
}

void LocalNetwork::look_at_sockets() {
  armed_ = false;
  polls_since_look_ = 0;
  epoll_event events[64];
  const int count = epoll_wait(epoll_.get(), events, 64, 0);
  for (int i = 0; i < count; ++i) on_event(events[i].data.fd);
}

// A descriptor that was closed and given out again within one look costs a read in vain.
void LocalNetwork::on_event(int descriptor) {
  if (const auto found = connections_.find(descriptor); found != connections_.end())
    return found->second->on_socket();
  if (greetings_.contains(descriptor)) return on_greeting(descriptor);
  if (const auto found = connecting_.find(descriptor); found != connecting_.end()) {
    unwatch(descriptor);
    found->second->set(true);
    return;
  }
  if (const auto found = listeners_.find(descriptor); found != listeners_.end())
    accept_some(descriptor, found->second);
}

void LocalNetwork::accept_some(int descriptor, Accepting& accepting) {
  for (int i = 0; i < 16; ++i) {
    Descriptor socket(accept4(descriptor, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket) {
      greet(std::move(socket), accepting.listener->path());
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
      pause(descriptor, accepting);
    if (errno != ECONNABORTED && errno != EINTR) return;
  }
}

// Out of descriptors: the listener stays readable, and must not keep the thread awake.
void LocalNetwork::pause(int descriptor, Accepting& accepting) {
  log_warning("local://" + accepting.listener->path() +
              " cannot accept a connection: no file descriptors left; raise `ulimit -n`");
  unwatch(descriptor);
  accepting.resume = std::make_unique<Alarm>([this, descriptor] { watch(descriptor); });
  executor_.arm_timer(*accepting.resume, executor_.now() + kAcceptPause);
}

Result<void> LocalNetwork::room_for(const PeerIdentity& identity) const {
  size_t of_user = 0;
  for (const auto& [descriptor, connection] : connections_)
    of_user += connection->identity().uid == identity.uid;
  for (const auto& [descriptor, greeting] : greetings_)
    of_user += identity_of(descriptor).uid == identity.uid;
  if (connections_.size() + greetings_.size() >= kConnectionsMax)
    return Error(Code::kBusy, "the engine has " + std::to_string(kConnectionsMax) +
                                  " local connections, its limit; close some or connect by tcp");
  if (of_user >= kConnectionsPerUserMax)
    return Error(Code::kBusy, "user " + std::to_string(identity.uid) + " has " +
                                  std::to_string(kConnectionsPerUserMax) +
                                  " local connections, the limit; close some or connect by tcp");
  return {};
}

void LocalNetwork::greet(Descriptor socket, const std::string& path) {
  const int descriptor = socket.get();
  const PeerIdentity identity = identity_of(descriptor);
  if (Result<void> room = room_for(identity); !room.ok()) {
    send_welcome(descriptor, refusal(room.error()), Descriptor());
    return;
  }
  Greeting& greeting = greetings_[descriptor];
  greeting.socket = std::move(socket);
  greeting.peer = "local://" + path + " (process " + std::to_string(identity.pid) + " of user " +
                  std::to_string(identity.uid) + ")";
  greeting.timeout = std::make_unique<Alarm>([this, descriptor] { drop_greeting(descriptor); });
  executor_.arm_timer(*greeting.timeout, executor_.now() + kGreetingTime);
  watch(descriptor);
}

void LocalNetwork::drop_greeting(int descriptor) {
  unwatch(descriptor);
  greetings_.erase(descriptor);
}

void LocalNetwork::on_greeting(int descriptor) {
  Greeting& greeting = greetings_[descriptor];
  const ssize_t got = recv(descriptor, greeting.bytes + greeting.got,
                           sizeof greeting.bytes - greeting.got, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0) greeting.got += static_cast<size_t>(got);
  if (got > 0 && greeting.got < sizeof greeting.bytes) return;
  Greeting complete = std::move(greeting);
  greetings_.erase(descriptor);
  if (got > 0) {
    const Result<void> welcomed = welcome(complete);
    if (welcomed.ok()) return;
    log_debug(complete.peer + " was refused: " + welcomed.error().describe());
    send_welcome(descriptor, refusal(welcomed.error()), Descriptor());
  }
  unwatch(descriptor);
}

Result<void> LocalNetwork::welcome(Greeting& greeting) {
  Hello hello;
  std::memcpy(&hello, greeting.bytes, sizeof hello);
  VARVE_CHECK(check(hello));
  VARVE_TRY(auto made, Region::create());
  if (!send_welcome(greeting.socket.get(), Welcome(), made.second))
    return Error(Code::kUnreachable, "the client left during the greeting");
  receiver_->on_accepted(adopt(Region::Side::kEngine, std::move(made.first),
                               std::move(greeting.socket), greeting.peer));
  return {};
}

std::shared_ptr<LocalConnection> LocalNetwork::adopt(Region::Side side, Region region,
                                                     Descriptor socket, Address peer) {
  VARVE_ASSERT(receiver_, "a network has its receiver before its first connection");
  const int descriptor = socket.get();
  auto connection = std::make_shared<LocalConnection>(*this, side, std::move(region),
                                                      std::move(socket), std::move(peer));
  connections_[descriptor] = connection;
  heat(*connection);
  return connection;
}

Task<Result<Descriptor>> LocalNetwork::reach(Executor& executor, std::shared_ptr<Life> life,
                                             Address address, Instant deadline) {
  VARVE_CO_TRY(const std::string path, path_of(address));
  for (;;) {
    Result<Descriptor> socket = connect_to(path);
    if (socket.ok() || socket.code() != Code::kAgain) co_return socket;
    if (executor.now() >= deadline)
      co_return Error(Code::kTimedOut,
                      std::string(socket.error().text()) + "; the deadline passed");
    co_await executor.sleep_for(1ms);
    if (!life->network) co_return Error(Code::kUnreachable, "the network is gone");
  }
}

Task<Result<Region>> LocalNetwork::be_welcomed(std::shared_ptr<Life> life, int socket,
                                               Address address, Instant deadline) {
  Welcome welcome;
  Descriptor memory;
  for (size_t got = 0; got < sizeof welcome;) {
    std::byte* at = reinterpret_cast<std::byte*>(&welcome) + got;
    const long more = receive_welcome(socket, {at, sizeof welcome - got}, memory);
    if (more == 0 || more == -2)
      co_return Error(
          Code::kUnreachable,
          address + " closed the connection during the greeting; is it a Varve engine?");
    if (more > 0) {
      got += static_cast<size_t>(more);
      continue;
    }
    OneShot<bool> readable;
    life->network->connecting_[socket] = &readable;
    life->network->watch(socket);
    const std::optional<bool> awake = co_await readable.wait_until(deadline);
    if (!life->network) co_return Error(Code::kUnreachable, "the network is gone");
    life->network->connecting_.erase(socket);
    if (awake) continue;
    life->network->unwatch(socket);
    co_return Error(Code::kTimedOut, address +
                                         " did not answer the greeting by the deadline; is the "
                                         "engine stopped or overloaded?");
  }
  VARVE_CO_CHECK(check(welcome));
  co_return Region::map(memory);
}

Task<Result<std::shared_ptr<Connection>>> LocalNetwork::connect_from(Executor& executor,
                                                                     std::shared_ptr<Life> life,
                                                                     Address address,
                                                                     Instant deadline) {
  VARVE_CO_TRY(Descriptor socket, co_await reach(executor, life, address, deadline));
  // An engine that refuses at once may have closed already: what it said can still be read.
  send_hello(socket.get());
  VARVE_CO_TRY(Region region, co_await be_welcomed(life, socket.get(), address, deadline));
  LocalNetwork& network = *life->network;
  std::shared_ptr<Connection> connection = network.adopt(Region::Side::kClient, std::move(region),
                                                         std::move(socket), std::move(address));
  network.watch(static_cast<LocalConnection&>(*connection).socket());
  co_return connection;
}

}  // namespace
}  // namespace local

Result<std::unique_ptr<Network>> make_local(Executor& executor) {
  local::Descriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll)
    return Error(Code::kNoMemory,
                 "no file descriptors left for the local network; raise `ulimit -n`");
  return std::unique_ptr<Network>(new local::LocalNetwork(executor, std::move(epoll)));
}

}  // namespace varve::network
