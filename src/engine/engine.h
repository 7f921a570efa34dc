// The whole server. What it stands on (clocks, executors, devices, networks) is given to it, so that the
// same engine runs on threads and files in production and in one thread under virtual time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "block/volume.h"
#include "network/network.h"
#include "pool/wire.h"
#include "rpc/rpc.h"
#include "runtime/executor.h"
#include "security/names.h"

namespace varve::engine {

inline constexpr const char* kVersion = "0.1.0";

// `index`: a target, or the number of targets for the system. All but executor() are called on the
// executor that they are for; what they return belongs to it.
struct Seams {
  std::function<Executor&(uint32_t index)> executor;
  std::function<Task<Result<std::unique_ptr<device::Device>>>(uint32_t index, Executor& executor)> device;
  std::function<Result<std::vector<std::unique_ptr<network::Network>>>(uint32_t index, Executor& executor)>
      networks;
  // Where to listen, preferred first.
  std::function<std::vector<network::Address>(uint32_t index)> listen;
  // Whom numbers of users name, and who administers. Empty: numbers only, everybody.
  std::function<std::unique_ptr<security::Names>()> names = security::number_names;
};

// Without checkpoints the log fills, and then all writes wait until every page that changed is written. With
// less log than this that is every few seconds: refused.
inline constexpr uint64_t kLogBytesMinWithoutCheckpoints = 1 * kGiB;

struct Options {
  std::string name = "varve";
  uint32_t targets = 2;
  uint64_t log_bytes = 64 * kMiB;
  uint64_t heap_bytes = 0;  // of each new volume; 0: by its device's size
  block::CheckpointPolicy checkpoint;  // of the targets
  uint64_t system_log_bytes = 8 * kMiB;
  uint64_t system_heap_bytes = 64 * kMiB;
};

class Engine {
 public:
  // The executors outlive the engine. Before its destruction they have run their last step, and their
  // coroutines are gone (Executor::abandon).
  Engine(Seams seams, Options options);
  ~Engine();

  // On the system's executor. Opens or formats all volumes side by side, finishes what a crash
  // interrupted, then listens. After an error only destruction is left.
  Task<Result<void>> start();
  // On the system's executor: no new requests, those under way end (within seconds), volumes closed.
  Task<void> stop();

  // Once started.
  const std::vector<network::Address>& addresses() const;
  const Uuid& system_uuid() const;
  bool persistent() const;

 private:
  class Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace varve::engine
