#include "base/log.h"
#include "rpc/peer.h"

namespace varve::rpc {
namespace {

class NodeImpl final : public Node, public network::Receiver {
 public:
  NodeImpl(Executor& executor, std::vector<std::unique_ptr<network::Network>> networks,
           const Options& options)
      : core_(std::make_shared<Core>(executor, options)), networks_(std::move(networks)) {
    for (const auto& network : networks_) network->set_receiver(*this);
    executor.spawn(Core::flush_at_end_of_step(core_));
  }
  ~NodeImpl() override {
    core_->close();
    by_address_.clear();
  }

  void handle(Opcode opcode, Handler handler) override {
    auto& row = core_->handlers[opcode >> 8];
    if (!row) row = std::make_unique<std::array<Handler, 256>>();
    VARVE_ASSERT(!(*row)[opcode & 0xff], "an operation has one handler");
    (*row)[opcode & 0xff] = std::move(handler);
  }

  Result<network::Address> listen(const network::Address& address) override {
    VARVE_TRY(network::Network * network, network_of(address));
    return network->listen(address);
  }

  Task<Result<std::shared_ptr<Peer>>> connect(const network::Address& address,
                                              Instant deadline) override {
    VARVE_ASSERT(deadline != kNever, "every wait has a deadline");
    const network::Address to = address;
    for (;;) {
      if (std::shared_ptr<PeerImpl> peer = open_peer(to)) co_return std::shared_ptr<Peer>(peer);
      const auto found = attempts_.find(to);
      if (found == attempts_.end()) break;
      const std::shared_ptr<Attempt> attempt = found->second;
      if (!co_await attempt->ended.wait(deadline))
        co_return Error(Code::kTimedOut, "no connection to " + to + " before the deadline");
      // Another's deadline is not ours: then we try ourselves.
      if (attempt->error && attempt->error->code() != Code::kTimedOut) co_return *attempt->error;
    }
    VARVE_CO_TRY(network::Network * network, network_of(to));
    const auto attempt = std::make_shared<Attempt>();
    attempts_[to] = attempt;
    Result<std::shared_ptr<network::Connection>> connection =
        co_await network->connect(to, deadline);
    attempts_.erase(to);
    attempt->ended.notify_all();
    std::shared_ptr<PeerImpl> peer;
    if (connection.ok()) {
      peer = std::make_shared<PeerImpl>(core_, *connection, false);
      if ((*connection)->closed())
        attempt->error.emplace(Code::kUnreachable, "the connection to " + to + " was lost at once");
      else
        admit(to, *connection, peer);
    } else {
      attempt->error.emplace(connection.error());
    }
    if (attempts_.empty()) early_.clear();
    if (attempt->error) co_return *attempt->error;
    co_return std::shared_ptr<Peer>(peer);
  }

  uint64_t requests_in_work() const override { return core_->in_work; }
  const Counters& counters() const override { return core_->counters; }

  void on_accepted(std::shared_ptr<network::Connection> connection) override {
    const auto peer = std::make_shared<PeerImpl>(core_, connection, true);
    core_->peers.emplace(connection.get(), peer);
    peer->welcome();
  }

  void on_message(network::Connection& connection, ByteView message,
                  std::unique_ptr<network::IncomingBulk> bulk) override {
    const auto found = core_->peers.find(&connection);
    if (found != core_->peers.end()) {
      const std::shared_ptr<PeerImpl> peer = found->second;
      return peer->receive(message, std::move(bulk));
    }
    // A welcome that is faster than connect()'s coroutine.
    if (!attempts_.empty() && !bulk && message.size() <= kEarlyBytesMax)
      early_[&connection].assign(message.begin(), message.end());
  }

  void on_closed(network::Connection& connection, const Error& why) override {
    early_.erase(&connection);
    const auto found = core_->peers.find(&connection);
    if (found == core_->peers.end()) return;
    const std::shared_ptr<PeerImpl> peer = found->second;
    core_->peers.erase(found);
    const auto shared = by_address_.find(peer->address());
    if (shared != by_address_.end() && shared->second == peer) by_address_.erase(shared);
    peer->end(Error(Code::kUnreachable, "the connection to " + peer->address() + " was lost (" +
                                            std::string(why.text()) + "); is the server running?"));
  }

 private:
  static constexpr size_t kEarlyBytesMax = 1024;
  // A connection being made, shared by all who want it.
  struct Attempt {
    Signal ended;
    std::optional<Error> error;
  };

  Result<network::Network*> network_of(const network::Address& address) {
    for (const auto& network : networks_)
      if (address.starts_with(std::string(network->scheme()) + "://")) return network.get();
    return Error(Code::kInvalid, "no transport here for the address '" + address +
                                     "'; write tcp://HOST:PORT or local:///PATH");
  }
  std::shared_ptr<PeerImpl> open_peer(const network::Address& address) {
    const auto found = by_address_.find(address);
    if (found == by_address_.end() || found->second->closed()) return nullptr;
    return found->second;
  }
  void admit(const network::Address& to, const std::shared_ptr<network::Connection>& connection,
             const std::shared_ptr<PeerImpl>& peer) {
    core_->peers.emplace(connection.get(), peer);
    by_address_[to] = peer;
    peer->welcome();
    const auto early = early_.find(connection.get());
    if (early == early_.end()) return;
    const Buffer message = std::move(early->second);
    early_.erase(early);
    peer->receive(message, nullptr);
  }

  std::shared_ptr<Core> core_;
  std::unordered_map<network::Address, std::shared_ptr<PeerImpl>> by_address_;
  std::unordered_map<network::Address, std::shared_ptr<Attempt>> attempts_;
  std::unordered_map<network::Connection*, Buffer> early_;
  // Last, so that they go first.
  std::vector<std::unique_ptr<network::Network>> networks_;
};

}  // namespace

std::unique_ptr<Node> make_node(Executor& executor,
                                std::vector<std::unique_ptr<network::Network>> networks,
                                const Node::Options& options) {
  VARVE_ASSERT(options.credits > 0 && options.credits <= kCreditsMax, "a count that can work");
  return std::make_unique<NodeImpl>(executor, std::move(networks), options);
}

}  // namespace varve::rpc
