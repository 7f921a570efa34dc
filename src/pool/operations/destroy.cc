#include "pool/decision.h"

namespace varve::pool {

Result<Decision<PoolRecord>> begin_destroy(const State& state, const DestroyPool& request, const Context& context) {
  VARVE_TRY(PoolRecord pool, find_pool(state, request.name));
  VARVE_CHECK(require_owner(pool, context));
  const size_t containers = count(state, containers_prefix(pool.uuid));
  if (containers > 0 && !request.recursive)
    return Error(Code::kBusy, "pool '" + request.name + "' has " + std::to_string(containers) +
                                  " containers; destroy them first or destroy the pool recursively");
  const size_t handles = count(state, handles_prefix(pool.uuid));
  if (handles > 0 && !request.force)
    return Error(Code::kBusy, "pool '" + request.name + "' has " + std::to_string(handles) +
                                  " connections; disconnect them, evict them or use force");
  pool.state = PoolState::kDestroying;
  pool.destroyed_by = request.operation;
  Decision<PoolRecord> decision;
  decision.batch.push_back({pool_key(pool.uuid), encode(pool)});
  decision.reply = std::move(pool);
  return decision;
}

Batch finish_destroy(const State& state, const PoolRecord& pool) {
  Batch batch = undo_create(pool);
  remove_all(state, inside(pool.uuid), batch);
  return batch;
}

}  // namespace varve::pool
