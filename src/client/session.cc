#include "client/session.h"

#include <algorithm>

#include "base/log.h"
#include "client/lazy_network.h"

namespace varve::client {
namespace {

// A try that has no answer by then is given up and made again, on a new connection if that one
// died.
constexpr Duration kAttempt = 5s;
// What any network is trusted to move, to give bulk its time: 50 MB/s.
constexpr uint64_t kBulkBytesPerMs = 50'000, kAttemptBytesMax = 1ULL << 40;
constexpr Duration kPauseFirst = 10ms, kPauseMax = 500ms;
constexpr size_t kMapsKept = 8;

}  // namespace

std::shared_ptr<const placement::PoolMap> PoolHandle::map() const {
  std::lock_guard lock(mutex_);
  return map_;
}

void PoolHandle::replace_map(placement::PoolMap map) {
  auto fresh = std::make_shared<const placement::PoolMap>(std::move(map));
  std::lock_guard lock(mutex_);
  if (map_ && map_->version > fresh->version) return;
  map_version.store(fresh->version, std::memory_order_release);
  map_ = std::move(fresh);
}

Result<std::unique_ptr<Session>> Session::open(const Options& options) {
  Executor::Options executor_options;
  executor_options.polling_budget = options.polling_budget;
  auto executor = std::make_unique<Executor>(machine_clock(), machine_random(), executor_options);
  Executor& on = *executor;
  std::vector<std::unique_ptr<network::Network>> networks;
  networks.push_back(
      std::make_unique<LazyNetwork>("local", [&on] { return network::make_local(on); }));
  networks.push_back(std::make_unique<LazyNetwork>("tcp", [&on] { return network::make_ucx(on); }));
  networks.push_back(
      std::make_unique<LazyNetwork>("memory", [&on] { return network::make_memory(on); }));
  auto node = rpc::make_node(on, std::move(networks), rpc::Node::Options());
  return std::unique_ptr<Session>(
      std::make_unique<SessionImpl>(std::move(executor), on, std::move(node), options));
}

std::unique_ptr<Session> Session::over(Executor& executor, std::unique_ptr<rpc::Node> node,
                                       Options options) {
  return std::make_unique<SessionImpl>(nullptr, executor, std::move(node), std::move(options));
}

SessionImpl::SessionImpl(std::unique_ptr<Executor> owned, Executor& executor,
                         std::unique_ptr<rpc::Node> node, Options options)
    : owned_executor_(std::move(owned)),
      executor_(executor),
      options_(std::move(options)),
      node_(std::move(node)),
      connections_(executor, *node_, options_.transport),
      client_(Uuid::from_random(executor.random().next(), executor.random().next())) {}

// Connections that nobody waits for any more may still be under way.
SessionImpl::~SessionImpl() {
  if (owned_executor_) owned_executor_->abandon();
}

bool SessionImpl::may_retry(Code code) {
  switch (code) {
    case Code::kUnreachable:
    case Code::kTimedOut:
    case Code::kShutdown:
    case Code::kStale:
    case Code::kAgain:
    case Code::kNoService:
    case Code::kNotLeader:
    case Code::kTransactionBusy:
      return true;
    default:
      return false;
  }
}

Task<Result<void>> SessionImpl::before_retry(Attempt& attempt, const Error& error,
                                             const char* verb) {
  const bool first = attempt.last_error.empty();
  attempt.last_error = error.text();
  if (log_enabled(LogLevel::kDebug))
    log_debug(std::string(verb) + ": trying again after: " + attempt.last_error);
  // A try that expired has waited already, and a stale map was refreshed: no pause for these.
  if (error.code() != Code::kTimedOut && !(error.code() == Code::kStale && first)) {
    attempt.pause =
        attempt.pause.count() == 0 ? kPauseFirst : std::min(attempt.pause * 2, kPauseMax);
    co_await executor_.sleep_until(std::min(attempt.deadline, executor_.now() + attempt.pause));
    cancellation_ = attempt.cancellation;
  }
  if (attempt.cancellation && attempt.cancellation->requested())
    co_return Error(Code::kCanceled, std::string(verb) + " was cancelled");
  attempt.now = executor_.now();
  if (attempt.now < attempt.deadline) co_return Result<void>();
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(attempt.deadline - attempt.begin)
          .count();
  std::string text = std::string(verb) + " did not succeed within " + std::to_string(milliseconds) +
                     " ms (last: " + attempt.last_error + "); is the server running?";
  if (attempt.maybe_executed && attempt.changes_something)
    text += " It is not known whether the server has executed it.";
  co_return Error(Code::kTimedOut, std::move(text));
}

Instant SessionImpl::attempt_deadline(const Attempt& attempt, uint64_t bulk_bytes) const {
  // What is more than any request may have is refused further on.
  const uint64_t bytes = std::min(bulk_bytes, kAttemptBytesMax);
  const Duration time = kAttempt + std::chrono::milliseconds(bytes / kBulkBytesPerMs);
  return std::min(attempt.deadline, attempt.now + time);
}

Task<Result<rpc::Reply>> SessionImpl::call_service(rpc::Opcode opcode, Buffer body,
                                                   const char* verb) {
  Attempt attempt = new_attempt(false);
  for (;;) {
    const Instant until = attempt_deadline(attempt, 0);
    Result<std::shared_ptr<rpc::Peer>> peer =
        co_await connections_.to(options_.addresses, until, false, attempt.cancellation.get());
    cancellation_ = attempt.cancellation;
    if (!peer) {
      // Nothing listens, and nothing of this system was ever seen: say so instead of waiting.
      if (peer.code() == Code::kUnreachable && !service_seen_)
        co_return std::move(peer.error()).with("no server answers");
      if (!may_retry(peer.code())) co_return std::move(peer.error());
      VARVE_CO_CHECK(co_await before_retry(attempt, peer.error(), verb));
      continue;
    }
    rpc::Call call{opcode, ByteView(body), {}, {}, until, attempt.cancellation.get()};
    Result<rpc::Reply> reply = co_await (*peer)->call(call);
    cancellation_ = attempt.cancellation;
    if (reply || !may_retry(reply.code())) {
      service_seen_ = true;
      co_return reply;
    }
    attempt.maybe_executed |= reply.code() == Code::kUnreachable || reply.code() == Code::kTimedOut;
    VARVE_CO_CHECK(co_await before_retry(attempt, reply.error(), verb));
  }
}

std::shared_ptr<rpc::Peer> SessionImpl::open_target(
    const std::shared_ptr<const placement::PoolMap>& map, uint32_t target) {
  for (TargetPeers& known : target_peers_) {
    if (known.map != map) continue;
    const std::shared_ptr<rpc::Peer>& peer = known.peers[target];
    return peer && !peer->closed() ? peer : nullptr;
  }
  return nullptr;
}

Task<Result<std::shared_ptr<rpc::Peer>>> SessionImpl::connect_target(
    std::shared_ptr<const placement::PoolMap> map, uint32_t target, Instant deadline,
    rpc::Cancellation* cancellation) {
  VARVE_CO_TRY(
      std::shared_ptr<rpc::Peer> peer,
      co_await connections_.to(map->targets[target].addresses, deadline, true, cancellation));
  auto known = std::find_if(target_peers_.begin(), target_peers_.end(),
                            [&](const TargetPeers& peers) { return peers.map == map; });
  if (known == target_peers_.end()) {
    if (target_peers_.size() == kMapsKept) target_peers_.erase(target_peers_.begin());
    target_peers_.push_back({map, std::vector<std::shared_ptr<rpc::Peer>>(map->targets.size())});
    known = std::prev(target_peers_.end());
  }
  known->peers[target] = peer;
  co_return peer;
}

Task<Result<rpc::Reply>> SessionImpl::call_shard(const ShardCall& call, ByteView body,
                                                 Attempt& attempt) {
  const Instant until = attempt_deadline(attempt, call.bulk_bytes);
  std::shared_ptr<rpc::Peer> peer = open_target(call.map, call.target);
  if (!peer) {
    Result<std::shared_ptr<rpc::Peer>> made =
        co_await connect_target(call.map, call.target, until, attempt.cancellation.get());
    cancellation_ = attempt.cancellation;
    if (!made) co_return std::move(made.error()).with("target " + std::to_string(call.target));
    peer = std::move(*made);
  }
  const rpc::Call request{call.opcode, body,  call.bulk,
                          call.into,   until, attempt.cancellation.get()};
  Result<rpc::Reply> reply = co_await peer->call(request);
  cancellation_ = attempt.cancellation;
  if (!reply)
    attempt.maybe_executed |= reply.code() == Code::kUnreachable || reply.code() == Code::kTimedOut;
  co_return reply;
}

Task<Result<void>> SessionImpl::refresh_map(const PoolHandle& pool, uint32_t stale_version) {
  if (pool.map_version.load(std::memory_order_acquire) > stale_version) co_return Result<void>();
  VARVE_CO_TRY(pool::QueryPoolReply fresh, co_await query_pool(pool.uuid.to_string()));
  const_cast<PoolHandle&>(pool).replace_map(std::move(fresh.map));
  co_return Result<void>();
}

object::Target SessionImpl::target_of(const Object& object, uint32_t map_version,
                                      Epoch epoch) const {
  const ContainerHandle& container = *object.container;
  const Epoch seen{container.seen.load(std::memory_order_relaxed)};
  return {container.pool->uuid, container.uuid, container.handle, map_version,
          object.oid,           epoch,          seen};
}

}  // namespace varve::client
