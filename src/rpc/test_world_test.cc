#include "rpc/test_world.h"

#include <time.h>

#include "simulation/network.h"
#include "simulation/virtual_time.h"

namespace varve::rpc {
namespace {

class RealWorld final : public World {
 public:
  explicit RealWorld(std::string kind) : kind_(std::move(kind)) {}
  Executor& executor() override { return executor_; }
  std::unique_ptr<network::Network> make_network() override {
    auto network =
        kind_ == "memory" ? network::make_memory(executor_) : network::make_ucx(executor_);
    VARVE_ASSERT(network.ok(), "a network for the test");
    return std::move(*network);
  }
  network::Address listen_address() override {
    if (kind_ == "memory") return "memory://test";
    return "tcp://127.0.0.1:0";
  }
  void run_until(const std::function<bool()>& done) override {
    executor_.run_until(done, executor_.now() + 60s);
  }

 private:
  std::string kind_;
  Executor executor_{machine_clock(), 1};
};

class SimulatedWorld final : public World {
 public:
  SimulatedWorld() { time_.join(executor_); }
  Executor& executor() override { return executor_; }
  std::unique_ptr<network::Network> make_network() override {
    return switch_.attach(executor_, "host-" + std::to_string(hosts_++));
  }
  network::Address listen_address() override { return "simulated://test"; }
  void run_until(const std::function<bool()>& done) override {
    time_.run_until(done, time_.clock().now() + 60s);
  }

 private:
  simulation::VirtualTime time_;
  simulation::NetworkSwitch switch_{1};
  int hosts_ = 0;
  Executor executor_{time_.clock(), 1};
};

}  // namespace

uint64_t thread_cpu_ns() {
  timespec at;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
  return static_cast<uint64_t>(at.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(at.tv_nsec);
}

std::unique_ptr<World> make_world(const std::string& network) {
  if (network == "simulated") return std::make_unique<SimulatedWorld>();
  return std::make_unique<RealWorld>(network);
}

}  // namespace varve::rpc
