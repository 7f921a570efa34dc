// One target: device, volume, store, object service, endpoint; all on its own executor.
#pragma once

#include "engine/engine.h"
#include "object/service.h"

namespace varve::engine {

class Target {
 public:
  Target(uint32_t index, Executor& executor) : index_(index), executor_(executor) {}

  struct Opening {
    block::Identity identity;
    bool may_format = false;  // nothing is kept on it yet
    uint64_t log_bytes = 0, heap_bytes = 0;
    block::CheckpointPolicy checkpoint;
  };
  // On the target's executor, like everything below. Errors name device or address. A device that is the right
  // one, and damaged, is no error: then the target is lost.
  Task<Result<void>> open(const Seams& seams, Opening opening);
  // Why there is no store here: every request is answered with that, nothing is written to the device. Null: there
  // is. Decided by open(), from then on known to every thread.
  const std::shared_ptr<const Error>& lost() const { return lost_; }
  // Requests are refused, background ends, the volume is closed.
  Task<Result<void>> close();
  // The services have recovered: every handle that is open is known here.
  void start_background();

  uint32_t index() const { return index_; }
  Executor& executor() { return executor_; }
  const std::vector<network::Address>& addresses() const { return addresses_; }
  bool persistent() const { return device_->persistent(); }
  block::Volume& volume() { return *volume_; }
  store::Store& store() { return *store_; }
  object::Service& objects() { return *objects_; }
  device::Device& device() { return *device_; }

 private:
  Task<Result<void>> open_store(const Opening& opening);

  const uint32_t index_;
  Executor& executor_;
  std::shared_ptr<const Error> lost_;
  std::vector<network::Address> addresses_;
  // Destroyed from the last to the first.
  std::unique_ptr<device::Device> device_;
  std::unique_ptr<block::Volume> volume_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<object::Service> objects_;
  std::unique_ptr<rpc::Node> node_;
};

// Opens the volume, formatting it first if it is new and may be.
Task<Result<std::unique_ptr<block::Volume>>> open_volume(Executor& executor, device::Device& device,
                                                         block::FormatOptions options, bool may_format,
                                                         block::CheckpointPolicy policy = {});
// A node with the seams' networks, listening at all of the seams' addresses; what they became goes to
// `addresses`.
Result<std::unique_ptr<rpc::Node>> make_listening_node(
    Executor& executor, const Seams& seams, uint32_t index, std::vector<network::Address>& addresses,
    const std::function<void(rpc::Node&)>& register_handlers);
// Waits until nothing is being worked on, for `limit` at most.
Task<void> drain(Executor& executor, rpc::Node& node, Duration limit);

}  // namespace varve::engine
