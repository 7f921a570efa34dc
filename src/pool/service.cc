#include "pool/service.h"

#include "pool/access.h"

#include <algorithm>

namespace varve::pool {

void Service::serve_on(rpc::Node& node) {
  serve(node, kPoolCreate, *this, &Service::create);
  serve(node, kPoolDestroy, *this, &Service::destroy);
  serve(node, kPoolList, *this, &Service::list);
  serve(node, kPoolQuery, *this, &Service::query);
  serve(node, kPoolConnect, *this, &Service::connect_pool);
  serve(node, kPoolDisconnect, *this, &Service::disconnect_pool);
  serve(node, kPoolEvict, *this, &Service::evict_pool);
  serve(node, kPoolGetProperties, *this, &Service::get_properties);
  serve(node, kPoolSetProperties, *this, &Service::change_properties);
  serve(node, kPoolChangeAcl, *this, &Service::update_acl);
  serve(node, kPoolAttributes, *this, &Service::pool_attributes);
}

Task<Result<void>> Service::recover() {
  for (const PoolRecord& pool : all_pools(shell_.store)) {
    if (pool.state == PoolState::kReady) {
      VARVE_CO_CHECK(co_await tell_policy(pool));
      VARVE_CO_CHECK(co_await tell_scrub(pool));
      continue;
    }
    const bool creating = pool.state == PoolState::kCreating;
    log_warning("pool " + pool.uuid.to_string() + ": finishing its interrupted " +
                (creating ? "creation (undone)" : "destruction"));
    const auto destroyed = co_await destroy_on_targets(pool);
    if (!destroyed.ok()) {
      log_error("the next start will finish it: " + destroyed.error().describe());
      continue;
    }
    Batch last = creating ? undo_create(pool) : finish_destroy(shell_.store, pool);
    const OperationId operation = creating ? OperationId{} : pool.destroyed_by;
    VARVE_CO_CHECK(co_await shell_.commit(std::move(last), operation, kPoolDestroy, encode(Empty{})));
  }
  co_return Result<void>();
}

Task<Result<void>> Service::create_on_targets(PoolRecord pool) {
  const auto one = [&](uint32_t target) { return targets_.create_pool(target, pool.uuid, pool.bytes_per_target); };
  auto results = co_await on_each<void>(pool.targets, one);
  co_return all_of(results);
}

Task<Result<void>> Service::destroy_on_targets(PoolRecord pool) {
  const auto one = [&](uint32_t target) { return targets_.destroy_pool(target, pool.uuid); };
  auto results = co_await on_each<void>(std::min(pool.targets, targets_.count()), one);
  co_return all_of(results);
}

// What no property can be any more is taken as the default: the pool must open.
Task<Result<void>> Service::tell_policy(PoolRecord pool) {
  const Result<Targets::Policy> known = policy_of(pool);
  const Targets::Policy policy = known.ok() ? *known : Targets::Policy{};
  const auto one = [&](uint32_t target) { return targets_.set_policy(target, pool.uuid, policy); };
  auto results = co_await on_each<void>(std::min(pool.targets, targets_.count()), one);
  co_return all_of(results);
}

Task<Result<void>> Service::tell_scrub(PoolRecord pool) {
  VARVE_CO_TRY(const ScrubPolicy policy, scrub_policy_of(pool.properties));
  const auto one = [&](uint32_t target) { return targets_.set_scrub(target, pool.uuid, policy); };
  auto results = co_await on_each<void>(std::min(pool.targets, targets_.count()), one);
  co_return all_of(results);
}

placement::PoolMap Service::map_of(const PoolRecord& pool) const {
  placement::PoolMap map{pool.map_version, targets_.map()};
  if (map.targets.size() > pool.targets) map.targets.resize(pool.targets);
  return map;
}

Task<Result<PoolInfo>> Service::inspect(PoolRecord pool) {
  const auto one = [&](uint32_t target) { return targets_.space(target, pool.uuid); };
  auto spaces = co_await on_each<Targets::Space>(std::min(pool.targets, targets_.count()), one);
  PoolInfo info = describe(shell_.store, pool);
  info.space = {};
  info.space.target_free_min = ~0ULL;
  for (const auto& space : spaces) {
    if (!space.ok()) {
      ++info.targets_disabled;
      continue;
    }
    const uint64_t free = space->reserved - std::min(space->reserved, space->used);
    info.space.total += space->reserved;
    info.space.free += free;
    info.space.target_free_min = std::min(info.space.target_free_min, free);
    info.space.target_free_max = std::max(info.space.target_free_max, free);
  }
  if (info.space.target_free_min == ~0ULL) info.space.target_free_min = 0;
  co_return std::move(info);
}

Task<Result<Buffer>> Service::create(CreatePool request, Caller caller) {
  VARVE_CO_CHECK(co_await shell_.take_turn(caller));
  Shell::Turn turn(shell_.turn);
  VARVE_CO_TRY(const Buffer* first,
               shell_.operations.find(request.operation.client, request.operation.sequence, kPoolCreate));
  if (first) co_return *first;
  VARVE_CO_CHECK(targets_.all_there());
  CreateInput input{targets_.count(), ~0ULL, targets_.persistent()};
  for (uint32_t target = 0; target < input.targets; ++target) {
    const TargetInfo info = co_await targets_.info(target);
    input.unreserved_min = std::min(input.unreserved_min, info.unreserved_bytes);
  }
  VARVE_CO_TRY(auto decision, begin_create(shell_.store, request, input, shell_.context(caller)));
  const PoolRecord pool = std::move(decision.reply);
  VARVE_CO_CHECK(co_await shell_.store.commit(std::move(decision.batch)));
  auto created = co_await create_on_targets(pool);
  if (created.ok()) created = co_await tell_policy(pool);
  if (!created.ok()) {
    auto undone = co_await destroy_on_targets(pool);
    if (undone.ok()) undone = co_await shell_.store.commit(undo_create(pool));
    if (!undone.ok())
      log_error("pool " + pool.uuid.to_string() + " could not be undone, the next start will: " +
                undone.error().describe());
    co_return std::move(created.error()).with("pool create");
  }
  CreatePoolReply reply{describe(shell_.store, pool)};
  reply.info.space.free = reply.info.space.total;
  reply.info.space.target_free_min = reply.info.space.target_free_max = pool.bytes_per_target;
  Buffer body = encode(reply);
  VARVE_CO_CHECK(co_await shell_.commit(finish_create(pool), request.operation, kPoolCreate, body));
  VARVE_CO_CHECK(co_await tell_scrub(pool));
  co_return std::move(body);
}

Task<Result<Buffer>> Service::destroy(DestroyPool request, Caller caller) {
  VARVE_CO_CHECK(co_await shell_.take_turn(caller));
  Shell::Turn turn(shell_.turn);
  VARVE_CO_TRY(const Buffer* first,
               shell_.operations.find(request.operation.client, request.operation.sequence, kPoolDestroy));
  if (first) co_return *first;
  VARVE_CO_CHECK(targets_.all_there());
  VARVE_CO_TRY(auto decision, begin_destroy(shell_.store, request, shell_.context(caller)));
  const PoolRecord pool = std::move(decision.reply);
  VARVE_CO_CHECK(co_await shell_.store.commit(std::move(decision.batch)));
  VARVE_CO_CHECK(co_await destroy_on_targets(pool));
  Buffer body = encode(Empty{});
  Batch last = finish_destroy(shell_.store, pool);
  VARVE_CO_CHECK(co_await shell_.commit(std::move(last), request.operation, kPoolDestroy, body));
  co_return std::move(body);
}

Task<Result<Buffer>> Service::list(ListPools, Caller) {
  ListPoolsReply reply;
  for (const PoolRecord& pool : all_pools(shell_.store)) {
    if (pool.state != PoolState::kReady) continue;
    VARVE_CO_TRY(PoolInfo info, co_await inspect(pool));
    reply.pools.push_back(std::move(info));
  }
  co_return encode(reply);
}

Task<Result<Buffer>> Service::query(QueryPool request, Caller) {
  VARVE_CO_TRY(const PoolRecord pool, find_pool(shell_.store, request.name));
  QueryPoolReply reply;
  VARVE_CO_TRY(reply.info, co_await inspect(pool));
  reply.map = map_of(pool);
  co_return encode(reply);
}

Task<Result<Buffer>> Service::connect_pool(ConnectPool request, Caller caller) {
  VARVE_CO_CHECK(co_await shell_.take_turn(caller));
  Shell::Turn turn(shell_.turn);
  VARVE_CO_TRY(const PoolRecord pool, find_pool(shell_.store, request.name));
  const Context context = shell_.context(caller);
  VARVE_CO_TRY(auto decision, connect(shell_.store, pool, request, context));
  VARVE_CO_CHECK(co_await shell_.commit(std::move(decision.batch)));
  ConnectPoolReply reply;
  reply.handle = context.fresh;
  VARVE_CO_TRY(reply.info, co_await inspect(pool));
  reply.map = map_of(pool);
  co_return encode(reply);
}

Task<Result<Buffer>> Service::disconnect_pool(DisconnectPool request, Caller caller) {
  const auto decide = [&]() -> Result<std::pair<Batch, Buffer>> {
    VARVE_TRY(Batch batch, disconnect(shell_.store, request));
    return std::pair(std::move(batch), encode(Empty{}));
  };
  co_return co_await shell_.change(caller, OperationId{}, kPoolDisconnect, decide);
}

Task<Result<Buffer>> Service::evict_pool(EvictPool request, Caller caller) {
  const auto decide = [&]() -> Result<std::pair<Batch, Buffer>> {
    VARVE_TRY(Batch batch, evict(shell_.store, request, shell_.context(caller)));
    return std::pair(std::move(batch), encode(Empty{}));
  };
  co_return co_await shell_.change(caller, request.operation, kPoolEvict, decide);
}

Task<Result<Buffer>> Service::get_properties(GetProperties request, Caller) {
  VARVE_CO_TRY(const PoolRecord pool, find_pool(shell_.store, request.name));
  co_return encode(Properties{effective_properties(pool)});
}

Task<Result<Buffer>> Service::change_properties(SetProperties request, Caller caller) {
  const auto decide = [&]() -> Result<std::pair<Batch, Buffer>> {
    VARVE_TRY(Batch batch, set_properties(shell_.store, request, shell_.context(caller)));
    return std::pair(std::move(batch), encode(Empty{}));
  };
  VARVE_CO_TRY(Buffer body, co_await shell_.change(caller, request.operation, kPoolSetProperties, decide));
  // Under its new label, if it got one.
  const Property* label = find_property(request.properties, 1);
  VARVE_CO_TRY(const PoolRecord pool, find_pool(shell_.store, label ? label->text : request.name));
  VARVE_CO_CHECK(co_await tell_policy(pool));
  VARVE_CO_CHECK(co_await tell_scrub(pool));
  co_return std::move(body);
}

Task<Result<Buffer>> Service::update_acl(ChangeAcl request, Caller caller) {
  const auto decide = [&]() -> Result<std::pair<Batch, Buffer>> {
    VARVE_TRY(Batch batch, change_acl(shell_.store, request, shell_.context(caller)));
    return std::pair(std::move(batch), encode(Empty{}));
  };
  co_return co_await shell_.change(caller, request.operation, kPoolChangeAcl, decide);
}

Task<Result<Buffer>> Service::pool_attributes(PoolAttributes request, Caller caller) {
  const auto decide = [&]() -> Result<std::pair<Batch, Buffer>> {
    VARVE_TRY(const PoolRecord pool, find_pool(shell_.store, request.pool));
    const Context context = shell_.context(caller);
    const bool changes = request.verb == AttributeVerb::kSet || request.verb == AttributeVerb::kDelete;
    VARVE_CHECK(require(permissions(pool.properties, kGuardedPool, context),
                        changes ? security::kWrite : security::kRead | security::kGetProperties,
                        "attributes of pool '" + pool.label + "'", context));
    VARVE_TRY(auto decision, attributes(shell_.store, attributes_prefix(request.pool), request.verb,
                                        request.attributes));
    return std::pair(std::move(decision.batch), encode(decision.reply));
  };
  if (request.verb == AttributeVerb::kSet || request.verb == AttributeVerb::kDelete)
    co_return co_await shell_.change(caller, request.operation, kPoolAttributes, decide);
  auto decided = decide();
  if (!decided.ok()) co_return std::move(decided.error());
  co_return std::move(decided->second);
}

}  // namespace varve::pool
