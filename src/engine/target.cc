#include "engine/target.h"

namespace varve::engine {

Task<Result<std::unique_ptr<block::Volume>>> open_volume(Executor& executor, device::Device& device,
                                                         block::FormatOptions options, bool may_format,
                                                         block::CheckpointPolicy policy) {
  VARVE_CO_TRY(const bool formatted, co_await block::Volume::is_formatted(device));
  if (!formatted && !may_format)
    co_return Error(Code::kBadFormat, "device " + device.name() +
                                          ": no superblock is there, though this system keeps data on it; give the "
                                          "path of the right device, or restore it");
  if (!formatted) VARVE_CO_CHECK(co_await block::Volume::format(device, options));
  VARVE_CO_TRY(auto volume, co_await block::Volume::open(executor, device, options.identity, policy));
  const uint64_t log_bytes = volume->statistics().used_bytes_max;
  if (policy.mode == block::CheckpointPolicy::Mode::kDisabled && volume->persistent() &&
      log_bytes < kLogBytesMinWithoutCheckpoints) {
    const Result<void> closed = co_await volume->close();
    co_return Error(Code::kInvalid, "device " + device.name() + ": checkpoint: disabled needs a log of " +
                                        std::to_string(kLogBytesMinWithoutCheckpoints) + " bytes, this one has " +
                                        std::to_string(log_bytes) +
                                        "; choose lazy or timed, or format it again with more log_bytes");
  }
  co_return std::move(volume);
}

Result<std::unique_ptr<rpc::Node>> make_listening_node(
    Executor& executor, const Seams& seams, uint32_t index, std::vector<network::Address>& addresses,
    const std::function<void(rpc::Node&)>& register_handlers) {
  VARVE_TRY(auto networks, seams.networks(index, executor));
  auto node = rpc::make_node(executor, std::move(networks), rpc::Node::Options());
  register_handlers(*node);
  addresses.clear();
  for (const network::Address& address : seams.listen(index)) {
    VARVE_TRY(network::Address listening, node->listen(address));
    addresses.push_back(std::move(listening));
  }
  return node;
}

Task<void> drain(Executor& executor, rpc::Node& node, Duration limit) {
  const Instant until = executor.now() + limit;
  while (node.requests_in_work() > 0 && executor.now() < until) co_await executor.sleep_for(1ms);
}

Task<Result<void>> Target::open(const Seams& seams, Opening opening) {
  VARVE_CO_TRY(device_, co_await seams.device(index_, executor_));
  block::FormatOptions format;
  format.identity = opening.identity;
  format.log_bytes = opening.log_bytes;
  format.heap_bytes_max = opening.heap_bytes;
  VARVE_CO_TRY(volume_, co_await open_volume(executor_, *device_, format, opening.may_format,
                                              opening.checkpoint));
  auto store = store::Store::open(*volume_, Epoch{executor_.clock().wall_ns()});
  if (!store.ok()) co_return std::move(store.error()).with("device " + device_->name());
  store_ = std::move(*store);
  objects_ = std::make_unique<object::Service>(executor_, *volume_, *store_, device_->name());
  const auto register_handlers = [this](rpc::Node& node) { objects_->serve_on(node); };
  VARVE_CO_TRY(node_, make_listening_node(executor_, seams, index_, addresses_, register_handlers));
  co_return Result<void>();
}

void Target::start_background() {
  objects_->all_handles_known();
  executor_.spawn(objects_->reclaim_in_background());
  executor_.spawn(objects_->scrub_in_background());
}

Task<Result<void>> Target::close() {
  if (!objects_ || !node_) co_return Result<void>();
  co_await objects_->stop();
  co_await drain(executor_, *node_, 3s);
  co_return co_await volume_->close();
}

}  // namespace varve::engine
