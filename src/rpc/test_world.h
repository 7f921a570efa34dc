// Where the tests of rpc/ run: an executor with nodes on one kind of network, in real or virtual
// time.
#pragma once

#include <functional>

#include "rpc/rpc.h"
#include "runtime/wait.h"

namespace varve::rpc {

class World {
 public:
  virtual ~World() = default;
  virtual Executor& executor() = 0;
  virtual std::unique_ptr<network::Network> make_network() = 0;
  // One that is free.
  virtual network::Address listen_address() = 0;
  // Runs until `done`, 60 s at the most.
  virtual void run_until(const std::function<bool()>& done) = 0;

  std::unique_ptr<Node> make_node(const Node::Options& options) {
    std::vector<std::unique_ptr<network::Network>> networks;
    networks.push_back(make_network());
    return rpc::make_node(executor(), std::move(networks), options);
  }
  void run(Task<void> task) {
    bool done = false;
    executor().spawn(executor_detail::store_done(std::move(task), done));
    run_until([&] { return done; });
    VARVE_ASSERT(done, "a test's task ends");
  }
};

inline constexpr const char* kWorlds[] = {"memory", "tcp", "simulated"};
std::unique_ptr<World> make_world(const std::string& network);

// Processor time of this thread so far.
uint64_t thread_cpu_ns();

}  // namespace varve::rpc
