#include "object/service.h"

#include "base/checksum.h"
#include "base/log.h"
#include "object/operations/fetch.h"
#include "object/operations/update.h"

namespace varve::object {
namespace {

Task<void> refuse_with(std::shared_ptr<const Error> why, rpc::Request& request) {
  request.fail(*why);
  co_return;
}

}  // namespace

Service::Service(Executor& executor, block::Volume& volume, store::Store& store, std::string device_name)
    : executor_(executor), volume_(volume), store_(store), device_name_(std::move(device_name)), slice_entries_(64) {
  clock_.not_before(store_.newest_epoch());
}
Service::~Service() = default;

void Service::serve_on(rpc::Node& node) {
  node.handle(kObjectUpdate, [this](rpc::Request& request) { return update(request); });
  node.handle(kObjectFetch, [this](rpc::Request& request) { return fetch(request); });
  node.handle(kObjectPunch, [this](rpc::Request& request) { return punch(request); });
  node.handle(kObjectListKeys, [this](rpc::Request& request) { return list(request); });
  node.handle(kObjectListObjects, [this](rpc::Request& request) { return list_objects(request); });
  node.handle(kObjectQuery, [this](rpc::Request& request) { return query(request); });
  node.handle(kObjectDiff, [this](rpc::Request& request) { return diff(request); });
}

void Service::refuse_on(rpc::Node& node, std::shared_ptr<const Error> why) {
  const auto refuse = [why = std::move(why)](rpc::Request& request) -> Task<void> {
    return refuse_with(why, request);
  };
  for (const rpc::Opcode opcode : {kObjectUpdate, kObjectFetch, kObjectPunch, kObjectListKeys,
                                   kObjectListObjects, kObjectQuery, kObjectDiff})
    node.handle(opcode, refuse);
}

Epoch Service::advance_epoch(Epoch not_before) {
  clock_.not_before(not_before);
  return clock_.now(executor_.clock().wall_ns());
}

// They are random already.
size_t Service::HandleHash::operator()(const Uuid& uuid) const {
  size_t bits;
  std::memcpy(&bits, uuid.bytes.data(), sizeof bits);
  return bits;
}

Result<store::Container*> Service::find(const Target& target, Access access) {
  if (stopping_) return Error(Code::kShutdown, "the server is shutting down");
  const auto handle = handles_.find(target.container_handle);
  if (handle == handles_.end() && !handles_known_)
    return Error(Code::kAgain, "the server is starting and does not know yet which handles are open; try again");
  if (handle == handles_.end() || handle->second.container != target.container || handle->second.pool != target.pool)
    return Error(Code::kNoHandle, "handle " + target.container_handle.to_string() + " of container " +
                                      target.container.to_string() +
                                      " is closed or was evicted, or the container destroyed; open it again");
  if (access == Access::kWrite && !handle->second.writable)
    return Error(Code::kNoPermission, "container " + target.container.to_string() + " is open for reading only");
  if (!holds_.empty()) extend_hold(target.epoch);
  const auto observed = clock_.observe(target.seen, executor_.clock().wall_ns());
  if (!observed.ok())
    return Error(Code::kClockSkew, "the client has seen epoch " + std::to_string(target.seen.value) +
                                       ", further ahead of this server's clock than 1 s; set the clocks right");
  store::Container* container = store_.find(target.pool, target.container);
  if (!container)
    return Error(Code::kNoHandle, "container " + target.container.to_string() + " of pool " +
                                      target.pool.to_string() +
                                      " does not exist here; it was destroyed, or was never made");
  return container;
}

Result<Epoch> Service::epoch_for(const Target& target) {
  const uint64_t wall_ns = executor_.clock().wall_ns();
  if (target.epoch == kEpochNone) return clock_.now(wall_ns);
  auto observed = clock_.observe(target.epoch, wall_ns);
  if (!observed.ok())
    return Error(Code::kClockSkew, "epoch " + std::to_string(target.epoch.value) +
                                       " is further ahead of this server's clock than 1 s; set the clocks right");
  return target.epoch;
}

void Service::note_write(ObjectId oid, ByteView dkey, block::Lsn lsn) {
  recent_[mix64(oid.low ^ mix64(oid.high) ^ hash64(dkey)) % kRecentSlots] = lsn;
}
block::Lsn Service::last_write(ObjectId oid, ByteView dkey) const {
  return std::max(recent_object_punch_, recent_[mix64(oid.low ^ mix64(oid.high) ^ hash64(dkey)) % kRecentSlots]);
}

Task<Result<void>> Service::wait_until_durable(block::Lsn lsn) {
  if (volume_.is_durable(lsn)) co_return Result<void>();
  co_return co_await volume_.durable(lsn);
}


void Service::fail(rpc::Request& request, const Error& error) {
  ++counters_.failures;
  if (error.code() == Code::kIo && failure_.empty()) {
    failure_ = error.text();
    log_error("device " + device_name_ + " failed: " + failure_);
  }
  request.fail(error);
}

void Service::answer(rpc::Request& request, const Result<Buffer>& result) {
  if (result.ok()) request.reply_now(*result);
  else fail(request, result.error());
}

}  // namespace varve::object
