#include "engine/process.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "network/run_directory.h"

namespace varve::engine {
namespace {

constexpr uint64_t kSystemDeviceBytes = 128 * kMiB;
constexpr uint64_t kDeviceBytesDefault = 16 * kGiB, kDeviceBytesMin = 256 * kMiB;

Result<void> make_directory(const std::string& path, const char* noun) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    return Error(Code::kBadPath, std::string(noun) + " " + path + " cannot be made: " + error.message() +
                                     "; give another with --" + (noun[0] == 'd' ? "directory" : "run-directory"));
  if (access(path.c_str(), R_OK | W_OK | X_OK) != 0)
    return Error(Code::kNoPermission, std::string(noun) + " " + path + " cannot be used: " + std::strerror(errno) +
                                          "; change its permissions or give another");
  return {};
}

uint64_t machine_memory_bytes() {
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

struct Process::Place {
  explicit Place(const Executor::Options& options) : executor(machine_clock(), machine_random(), options) {}
  Executor executor;
  std::thread thread;
};

Process::Process(Config config) : config_(std::move(config)) {}

Process::~Process() {
  stop_threads();
  for (auto& place : places_) place->executor.abandon();
  engine_.reset();
}

Result<void> Process::prepare_directories() {
  if (config_.directory.empty()) config_.directory = default_directory();
  if (config_.run_directory.empty()) config_.run_directory = network::default_run_directory();
  if (!config_.memory) VARVE_CHECK(make_directory(config_.directory, "data directory"));
  const bool local = std::find(config_.transports.begin(), config_.transports.end(), "local") !=
                     config_.transports.end();
  if (local) VARVE_CHECK(make_directory(config_.run_directory, "run directory"));
  return {};
}

std::string Process::device_path(uint32_t index) const {
  if (index == config_.targets) return config_.directory + "/system.varve";
  if (!config_.devices.empty()) return config_.devices[index];
  return config_.directory + "/target" + std::to_string(index) + ".varve";
}

// How large new devices are made.
Result<void> Process::plan_sizes() {
  new_device_bytes_ = config_.device_bytes;
  if (new_device_bytes_ != 0) {
    new_device_bytes_ = round_up(new_device_bytes_, device::kBlockBytes);
    return {};
  }
  if (config_.memory) {
    new_device_bytes_ = round_down(std::min(kDeviceBytesDefault, machine_memory_bytes() * 7 / 10 / config_.targets),
                                   kMiB);
    return {};
  }
  uint32_t missing = 0;
  for (uint32_t index = 0; index < config_.targets; ++index) {
    struct stat status;
    missing += stat(device_path(index).c_str(), &status) != 0;
  }
  if (missing == 0) return {};
  struct statvfs space;
  if (statvfs(config_.directory.c_str(), &space) != 0)
    return Error(Code::kBadPath, "data directory " + config_.directory + ": " + std::strerror(errno));
  const uint64_t free_bytes = uint64_t{space.f_bavail} * space.f_frsize;
  new_device_bytes_ = round_down(std::min(kDeviceBytesDefault, free_bytes / 10 * 8 / missing), kMiB);
  if (new_device_bytes_ < kDeviceBytesMin)
    return Error(Code::kNoSpace, "data directory " + config_.directory + " has " + std::to_string(free_bytes) +
                                     " bytes free, too few for " + std::to_string(missing) +
                                     " new targets; free some, give another directory, or set device_bytes");
  return {};
}

Result<std::unique_ptr<device::Device>> Process::open_device(uint32_t index, Executor& executor) {
  const bool system = index == config_.targets;
  if (config_.memory) return device::open_memory(system ? kSystemDeviceBytes : new_device_bytes_);
  const std::string path = device_path(index);
  struct stat status;
  const bool exists = stat(path.c_str(), &status) == 0;
  device::FileOptions options;
  options.create_bytes = exists ? 0 : system ? kSystemDeviceBytes : new_device_bytes_;
  return device::open_file(executor, path, options);
}

std::vector<network::Address> Process::addresses_of(uint32_t index) const {
  std::vector<network::Address> addresses;
  const bool system = index == config_.targets;
  for (const std::string& transport : config_.transports) {
    if (transport == "local") {
      addresses.push_back(system ? network::system_socket_address(config_.run_directory)
                                 : network::target_socket_address(config_.run_directory, index));
    } else {
      const uint32_t port = config_.port == 0 ? 0 : system ? config_.port : config_.port + 1 + index;
      addresses.push_back("tcp://" + config_.listen + ":" + std::to_string(port));
    }
  }
  return addresses;
}

namespace {
Task<Result<std::unique_ptr<device::Device>>> ready_made(Result<std::unique_ptr<device::Device>> device) {
  co_return std::move(device);
}
}  // namespace

Seams Process::seams() {
  Seams seams;
  seams.executor = [this](uint32_t index) -> Executor& { return places_[index]->executor; };
  seams.device = [this](uint32_t index, Executor& executor) { return ready_made(open_device(index, executor)); };
  seams.networks = [this](uint32_t, Executor& executor) -> Result<std::vector<std::unique_ptr<network::Network>>> {
    std::vector<std::unique_ptr<network::Network>> networks;
    for (const std::string& transport : config_.transports) {
      VARVE_TRY(auto network, transport == "local" ? network::make_local(executor) : network::make_ucx(executor));
      networks.push_back(std::move(network));
    }
    return networks;
  };
  seams.listen = [this](uint32_t index) { return addresses_of(index); };
  seams.names = security::machine_names;
  return seams;
}

Result<void> Process::start() {
  VARVE_CHECK(check_config(config_));
  VARVE_CHECK(prepare_directories());
  VARVE_CHECK(plan_sizes());
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  for (uint32_t index = 0; index < config_.targets; ++index) {
    Executor::Options options;
    // Threads that share a core must not poll each other away from it.
    const bool crowded = config_.pin && config_.targets > cores;
    options.polling_budget = crowded ? Duration(0) : std::chrono::microseconds(config_.polling_us);
    options.pin_to_core = config_.pin ? static_cast<int>(index % cores) : -1;
    places_.push_back(std::make_unique<Place>(options));
  }
  Executor::Options system_options;
  system_options.polling_budget = Duration(0);
  places_.push_back(std::make_unique<Place>(system_options));
  for (uint32_t index = 0; index < config_.targets; ++index) {
    Executor& executor = places_[index]->executor;
    places_[index]->thread = std::thread([&executor] { executor.run(); });
  }
  Options options;
  options.name = config_.name;
  options.targets = config_.targets;
  options.log_bytes = config_.log_bytes;
  options.checkpoint = {config_.checkpoint, std::chrono::milliseconds(config_.checkpoint_interval_ms),
                        config_.checkpoint_threshold_percent};
  engine_ = std::make_unique<Engine>(seams(), options);
  const Instant begin = machine_clock().now();
  Result<void> started = places_.back()->executor.block_on(engine_->start());
  recovery_time_ = machine_clock().now() - begin;
  return started;
}

void Process::run() {
  Executor& system = places_.back()->executor;
  system.run_until([this] { return stop_requested_; });
  system.block_on(engine_->stop());
  stop_threads();
}

void Process::request_stop() {
  places_.back()->executor.submit([this] { stop_requested_ = true; });
}

void Process::stop_threads() {
  for (auto& place : places_) {
    if (!place->thread.joinable()) continue;
    place->executor.stop();
    place->thread.join();
  }
}

}  // namespace varve::engine
