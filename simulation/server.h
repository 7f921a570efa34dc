// One engine on simulated disks and network, which can lose its power at any instant.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine/engine.h"
#include "simulation/disk.h"
#include "simulation/network.h"
#include "simulation/virtual_time.h"

namespace varve::simulation {

class Server {
 public:
  static constexpr uint32_t kTargets = 2;
  static constexpr uint64_t kTargetDiskBytes = 96 * kMiB, kSystemDiskBytes = 48 * kMiB;

  Server(VirtualTime& time, NetworkSwitch& network, uint64_t seed);
  ~Server();

  // Power on: `started` gets its result once it serves, or cannot.
  void start(std::function<void(Result<void>)> started);
  // Power off, now: what survives on the disks is decided.
  void crash();
  bool on() const { return engine_ != nullptr; }
  // In good order; `stopped` is called at its end, then crash() turns it off.
  void stop(std::function<void()> stopped);
  // How far the wall clock of each target is off, from the next start on.
  void set_skews(const std::vector<Duration>& skews) { skews_ = skews; }
  // Of all disks, from now on.
  void set_disk_faults(const DiskFaults& faults);

 private:
  Task<Result<std::unique_ptr<device::Device>>> open_disk(uint32_t index, Executor& executor);
  engine::Seams seams();

  VirtualTime& time_;
  NetworkSwitch& network_;
  Random random_;
  std::vector<DiskImage> images_;
  std::vector<Duration> skews_;
  std::vector<std::unique_ptr<SkewedClock>> clocks_;
  std::vector<std::unique_ptr<Executor>> executors_;
  std::vector<Disk*> disks_;  // of the engine that is on
  DiskFaults faults_;
  std::unique_ptr<engine::Engine> engine_;
};

}  // namespace varve::simulation
