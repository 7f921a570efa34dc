#include "container/decision.h"

namespace varve::container {

Result<Decision<ContainerRecord>> begin_destroy(const State& state, const DestroyContainer& request,
                                                const Context& context) {
  VARVE_TRY(ContainerRecord container, find_container(state, request.pool, request.name));
  VARVE_TRY(const pool::PoolRecord pool, pool::find_pool(state, request.pool));
  VARVE_CHECK(pool::require(pool::permissions(container.properties, kGuarded, context) |
                                pool::permissions(pool.properties, pool::kGuardedPool, context),
                            security::kDeleteContainer, "container '" + request.name + "'", context));
  const size_t handles = pool::count(state, handles_prefix(request.pool, container.uuid));
  if (handles > 0 && !request.force)
    return Error(Code::kBusy, "container '" + request.name + "' is open (" + std::to_string(handles) +
                                  " handles); close them or use force");
  container.state = ContainerState::kDestroying;
  container.destroyed_by = request.operation;
  Decision<ContainerRecord> decision;
  decision.batch.push_back({container_key(request.pool, container.uuid), encode(container)});
  decision.reply = std::move(container);
  return decision;
}

Batch finish_destroy(const State& state, const Uuid& pool, const ContainerRecord& container) {
  Batch batch = {{container_key(pool, container.uuid), std::nullopt}};
  if (!container.label.empty()) batch.push_back({label_key(pool, container.label), std::nullopt});
  pool::remove_all(state, inside(pool, container.uuid), batch);
  return batch;
}

}  // namespace varve::container
