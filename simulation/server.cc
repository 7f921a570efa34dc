#include "simulation/server.h"

namespace varve::simulation {
namespace {

Task<void> start_engine(engine::Engine& engine, std::function<void(Result<void>)> started) {
  auto result = co_await engine.start();
  started(std::move(result));
}

Task<void> stop_engine(engine::Engine& engine, std::function<void()> stopped) {
  co_await engine.stop();
  stopped();
}

}  // namespace

Server::Server(VirtualTime& time, NetworkSwitch& network, uint64_t seed)
    : time_(time), network_(network), random_(seed) {
  for (uint32_t index = 0; index < kTargets; ++index) images_.emplace_back(kTargetDiskBytes);
  images_.emplace_back(kSystemDiskBytes);
  disks_.resize(images_.size());
}

Server::~Server() {
  if (on()) crash();
}

Task<Result<std::unique_ptr<device::Device>>> Server::open_disk(uint32_t index, Executor& executor) {
  auto disk = std::make_unique<Disk>(executor, images_[index], random_.next(), faults_,
                                     "disk" + std::to_string(index));
  disks_[index] = disk.get();
  co_return std::unique_ptr<device::Device>(std::move(disk));
}

engine::Seams Server::seams() {
  engine::Seams seams;
  seams.executor = [this](uint32_t index) -> Executor& { return *executors_[index]; };
  seams.device = [this](uint32_t index, Executor& executor) { return open_disk(index, executor); };
  seams.networks = [this](uint32_t, Executor& executor) {
    std::vector<std::unique_ptr<network::Network>> networks;
    networks.push_back(network_.attach(executor, "server"));
    return Result<std::vector<std::unique_ptr<network::Network>>>(std::move(networks));
  };
  seams.listen = [](uint32_t index) {
    const std::string name = index == kTargets ? "system" : "target" + std::to_string(index);
    return std::vector<network::Address>{"simulated://" + name};
  };
  return seams;
}

void Server::start(std::function<void(Result<void>)> started) {
  VARVE_ASSERT(!on(), "a server is started once");
  for (uint32_t index = 0; index <= kTargets; ++index) {
    const Duration skew = index < skews_.size() ? skews_[index] : Duration{0};
    clocks_.push_back(std::make_unique<SkewedClock>(time_.clock(), skew));
    executors_.push_back(std::make_unique<Executor>(*clocks_.back(), random_.next()));
    time_.join(*executors_.back());
    disks_[index] = nullptr;
  }
  engine::Options options;
  options.targets = kTargets;
  options.log_bytes = 1 * kMiB;
  options.heap_bytes = 16 * kMiB;
  options.system_log_bytes = 1 * kMiB;
  options.system_heap_bytes = 16 * kMiB;
  engine_ = std::make_unique<engine::Engine>(seams(), options);
  executors_[kTargets]->spawn(start_engine(*engine_, std::move(started)));
}

void Server::stop(std::function<void()> stopped) {
  executors_[kTargets]->spawn(stop_engine(*engine_, std::move(stopped)));
}

void Server::crash() {
  VARVE_ASSERT(on(), "what is off cannot crash");
  for (uint32_t index = 0; index <= kTargets; ++index)
    if (disks_[index]) images_[index] = disks_[index]->crash();
  for (auto& executor : executors_) {
    executor->abandon();
    time_.leave(*executor);
  }
  engine_.reset();
  executors_.clear();
  clocks_.clear();
}

void Server::set_disk_faults(const DiskFaults& faults) {
  faults_ = faults;
  for (Disk* disk : disks_)
    if (on() && disk) disk->set_faults(faults);
}

}  // namespace varve::simulation
