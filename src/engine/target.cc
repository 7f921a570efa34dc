#include "engine/target.h"

#include "base/log.h"

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

Task<Result<void>> Target::open_store(const Opening& opening) {
  block::FormatOptions format;
  format.identity = opening.identity;
  format.log_bytes = opening.log_bytes;
  format.heap_bytes_max = opening.heap_bytes;
  VARVE_CO_TRY(volume_, co_await open_volume(executor_, *device_, format, opening.may_format,
                                              opening.checkpoint));
  auto store = store::Store::open(*volume_, Epoch{executor_.clock().wall_ns()});
  if (!store.ok()) {
    const Result<void> closed = co_await volume_->close();
    if (closed.ok()) volume_ = nullptr;
    co_return std::move(store.error()).with("device " + device_->name());
  }
  store_ = std::move(*store);
  objects_ = std::make_unique<object::Service>(executor_, *volume_, *store_, device_->name());
  co_return Result<void>();
}

Task<Result<void>> Target::open(const Seams& seams, Opening opening) {
  VARVE_CO_TRY(device_, co_await seams.device(index_, executor_));
  const Result<void> opened = co_await open_store(opening);
  if (!opened.ok()) {
    // Without a superblock it may be the wrong device: somebody has to look.
    if (opened.code() != Code::kBadFormat || opening.may_format) co_return opened;
    const Result<bool> formatted = co_await block::Volume::is_formatted(*device_);
    if (!formatted.ok() || !*formatted) co_return opened;
    lost_ = std::make_shared<const Error>(
        opened.code(), "target " + std::to_string(index_) + " is lost, the others serve: " +
                           std::string(opened.error().text()) +
                           "; its device is left as it is: `varve inspect verify` says what is damaged");
    log_error(std::string(lost_->text()));
  }
  const auto register_handlers = [this](rpc::Node& node) {
    if (lost_)
      object::Service::refuse_on(node, lost_);
    else
      objects_->serve_on(node);
  };
  VARVE_CO_TRY(node_, make_listening_node(executor_, seams, index_, addresses_, register_handlers));
  co_return Result<void>();
}

void Target::start_background() {
  if (lost_) return;
  objects_->all_handles_known();
  executor_.spawn(objects_->reclaim_in_background());
  executor_.spawn(objects_->scrub_in_background());
}

Task<Result<void>> Target::close() {
  if (!objects_ || !node_) co_return Result<void>();  // lost, or never opened
  co_await objects_->stop();
  co_await drain(executor_, *node_, 3s);
  co_return co_await volume_->close();
}

}  // namespace varve::engine
