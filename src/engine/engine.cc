#include "engine/engine.h"

#include <algorithm>

#include "base/checksum.h"
#include "base/log.h"
#include "consensus/key_value.h"
#include "container/service.h"
#include "engine/local_targets.h"
#include "pool/service.h"

namespace varve::engine {
namespace {

constexpr uint32_t kSystemTarget = 0xffffffff;
constexpr const char* kSystemKey = "system";

struct SystemRecord {
  Uuid uuid;
  std::string name;
  uint32_t targets = 0;  // how many have been formatted; 0 until all were once
  template <class Archive>
  void visit(Archive& archive) { archive(uuid, name, targets); }
};

// Whose the system volume is, before what it holds can be read.
Uuid uuid_of_name(const std::string& name) {
  return Uuid::from_random(hash64(as_bytes(name), 1), hash64(as_bytes(name), 2));
}

Task<Result<void>> close_target(Target& target) {
  co_return co_await run_on<Result<void>>(target.executor(), [&target] { return target.close(); });
}

}  // namespace

class Engine::Parts {
 public:
  Parts(Seams seams, Options options) : seams_(std::move(seams)), options_(std::move(options)) {}

  Task<Result<void>> start();
  Task<void> stop();

  std::vector<network::Address> addresses_;
  SystemRecord system_;
  std::vector<std::unique_ptr<Target>> targets_;

 private:
  Task<Result<void>> open_system();
  Task<Result<void>> open_targets();
  Task<Result<void>> open_target(uint32_t index);
  Result<void> serve();
  Task<Result<Buffer>> query(pool::SystemQuery request, pool::Caller caller);
  Executor& executor() { return seams_.executor(options_.targets); }

  const Seams seams_;
  const Options options_;
  Instant started_;
  // Destroyed from the last to the first.
  std::unique_ptr<device::Device> device_;
  std::unique_ptr<block::Volume> volume_;
  std::unique_ptr<consensus::KeyValue> store_;
  std::unique_ptr<LocalTargets> local_targets_;
  std::unique_ptr<security::Names> names_;
  std::unique_ptr<pool::Shell> shell_;
  std::unique_ptr<pool::Service> pools_;
  std::unique_ptr<container::Service> containers_;
  std::unique_ptr<rpc::Node> node_;
};

Task<Result<void>> Engine::Parts::open_system() {
  VARVE_CO_TRY(device_, co_await seams_.device(options_.targets, executor()));
  block::FormatOptions format;
  format.identity = {uuid_of_name(options_.name), kSystemTarget};
  format.log_bytes = options_.system_log_bytes;
  format.heap_bytes_max = options_.system_heap_bytes;
  auto volume = co_await open_volume(executor(), *device_, format, true);
  if (!volume.ok() && volume.code() == Code::kIdMismatch)
    co_return Error(Code::kIdMismatch, "device " + device_->name() + " belongs to another system than '" +
                                           options_.name + "'; give its name, or another directory");
  if (!volume.ok()) co_return std::move(volume.error());
  volume_ = std::move(*volume);
  VARVE_CO_TRY(store_, consensus::open_local(*volume_));
  VARVE_CO_TRY(auto record, pool::read_record<SystemRecord>(*store_, kSystemKey));
  if (record) {
    system_ = *record;
  } else {
    Random& random = executor().random();
    const uint64_t high = random.next();
    system_ = {Uuid::from_random(high, random.next()), options_.name, 0};
    consensus::Batch batch;
    batch.push_back({kSystemKey, encode(system_)});
    VARVE_CO_CHECK(co_await store_->commit(std::move(batch)));
  }
  if (system_.targets > options_.targets)
    co_return Error(Code::kInvalid, "system '" + options_.name + "' keeps data on " +
                                        std::to_string(system_.targets) + " targets, " +
                                        std::to_string(options_.targets) + " are configured; set targets to " +
                                        std::to_string(system_.targets));
  co_return Result<void>();
}

Task<Result<void>> Engine::Parts::open_target(uint32_t index) {
  Target& target = *targets_[index];
  Target::Opening opening;
  opening.identity = {system_.uuid, index};
  opening.may_format = index >= system_.targets;
  opening.log_bytes = options_.log_bytes;
  opening.heap_bytes = options_.heap_bytes;
  opening.checkpoint = options_.checkpoint;
  const Seams& seams = seams_;
  co_return co_await run_on<Result<void>>(target.executor(),
                                          [&target, &seams, opening] { return target.open(seams, opening); });
}

Task<Result<void>> Engine::Parts::open_targets() {
  for (uint32_t index = 0; index < options_.targets; ++index)
    targets_.push_back(std::make_unique<Target>(index, seams_.executor(index)));
  const auto one = [this](uint32_t index) { return open_target(index); };
  auto results = co_await pool::on_each<void>(options_.targets, one);
  VARVE_CO_CHECK(pool::all_of(results));
  const auto is_lost = [](const std::unique_ptr<Target>& target) { return target->lost() != nullptr; };
  if (std::all_of(targets_.begin(), targets_.end(), is_lost)) co_return *targets_[0]->lost();
  if (system_.targets < options_.targets) {
    system_.targets = options_.targets;
    consensus::Batch batch;
    batch.push_back({kSystemKey, encode(system_)});
    VARVE_CO_CHECK(co_await store_->commit(std::move(batch)));
  }
  co_return Result<void>();
}

Result<void> Engine::Parts::serve() {
  const auto register_handlers = [this](rpc::Node& node) {
    pool::serve(node, pool::kSystemQuery, *this, &Parts::query);
    pools_->serve_on(node);
    containers_->serve_on(node);
  };
  VARVE_TRY(node_, make_listening_node(executor(), seams_, options_.targets, addresses_, register_handlers));
  return {};
}

Task<Result<void>> Engine::Parts::start() {
  started_ = executor().now();
  VARVE_CO_CHECK(co_await open_system());
  VARVE_CO_CHECK(co_await open_targets());
  local_targets_ = std::make_unique<LocalTargets>(targets_);
  names_ = seams_.names();
  shell_ = std::make_unique<pool::Shell>(*store_, executor(), *names_, *local_targets_);
  pools_ = std::make_unique<pool::Service>(*shell_, *local_targets_);
  containers_ = std::make_unique<container::Service>(*shell_, *local_targets_);
  VARVE_CO_CHECK(co_await pools_->recover());
  VARVE_CO_CHECK(co_await containers_->recover());
  for (auto& target : targets_) target->executor().submit([&target] { target->start_background(); });
  co_return serve();
}

Task<Result<Buffer>> Engine::Parts::query(pool::SystemQuery request, pool::Caller) {
  if (request.protocol_version != 0 && request.protocol_version != rpc::kProtocolVersion)
    co_return Error(Code::kProtocol, "this server speaks protocol version " +
                                         std::to_string(rpc::kProtocolVersion) + ", the client " +
                                         std::to_string(request.protocol_version));
  pool::SystemInfo info;
  info.uuid = system_.uuid;
  info.name = options_.name;
  info.version = kVersion;
  info.uptime_ms = static_cast<uint64_t>((executor().now() - started_).count()) / 1'000'000;
  info.addresses = addresses_;
  for (uint32_t target = 0; target < options_.targets; ++target)
    info.targets.push_back(co_await local_targets_->info(target));
  co_return encode(info);
}

Task<void> Engine::Parts::stop() {
  if (node_) co_await drain(executor(), *node_, 3s);
  const auto one = [this](uint32_t index) { return close_target(*targets_[index]); };
  auto results = co_await pool::on_each<void>(static_cast<uint32_t>(targets_.size()), one);
  const Result<void> closed = pool::all_of(results);
  if (!closed.ok()) log_error("shutdown: " + closed.error().describe());
  if (!volume_) co_return;
  const Result<void> system = co_await volume_->close();
  if (!system.ok()) log_error("shutdown: system volume: " + system.error().describe());
}

Engine::Engine(Seams seams, Options options)
    : parts_(std::make_unique<Parts>(std::move(seams), std::move(options))) {}
Engine::~Engine() = default;
Task<Result<void>> Engine::start() { return parts_->start(); }
Task<void> Engine::stop() { return parts_->stop(); }
const std::vector<network::Address>& Engine::addresses() const { return parts_->addresses_; }
const Uuid& Engine::system_uuid() const { return parts_->system_.uuid; }
bool Engine::persistent() const { return parts_->targets_[0]->persistent(); }

}  // namespace varve::engine
