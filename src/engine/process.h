// The engine of a process: threads, files, sockets.
#pragma once

#include <memory>
#include <thread>

#include "engine/config.h"
#include "engine/engine.h"

namespace varve::engine {

class Process {
 public:
  explicit Process(Config config);
  ~Process();

  // On the calling thread, which becomes the system's. Errors name object, cause and remedy.
  Result<void> start();
  // Serves until request_stop(); then shuts down in order.
  void run();
  // From any thread.
  void request_stop();

  const Engine& engine() const { return *engine_; }
  Duration recovery_time() const { return recovery_time_; }

 private:
  struct Place;  // one target's, or the system's, executor and thread

  Result<void> prepare_directories();
  Result<void> plan_sizes();
  Seams seams();
  std::string device_path(uint32_t index) const;
  Result<std::unique_ptr<device::Device>> open_device(uint32_t index, Executor& executor);
  std::vector<network::Address> addresses_of(uint32_t index) const;
  void stop_threads();

  Config config_;
  uint64_t new_device_bytes_ = 0;
  std::vector<std::unique_ptr<Place>> places_;
  std::unique_ptr<Engine> engine_;
  Duration recovery_time_{0};
  bool stop_requested_ = false;  // on the system's executor only
};

}  // namespace varve::engine
