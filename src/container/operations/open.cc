#include "container/decision.h"

namespace varve::container {
namespace {

struct Handles {
  size_t number = 0;
  bool exclusive = false;
  std::string oldest;
  uint64_t oldest_ns = ~0ULL;
};

// Those that stay; the removal of the others goes to the batch.
template <class Evicted>
Handles handles_of(const State& state, const Uuid& pool, const Uuid& container, Evicted evicted, Batch& batch) {
  Handles all;
  state.scan(handles_prefix(pool, container), [&](std::string_view key, const Buffer& value) {
    auto record = decode<OpenRecord>(value);
    if (!record.ok()) return true;
    if (evicted(*record)) return batch.push_back({std::string(key), std::nullopt}), true;
    ++all.number;
    all.exclusive |= (record->flags & kOpenExclusive) != 0;
    if (record->opened_ns < all.oldest_ns) {
      all.oldest_ns = record->opened_ns;
      all.oldest = key;
    }
    return true;
  });
  return all;
}

}  // namespace

Result<Decision<OpenContainerReply>> open(const State& state, const OpenContainer& request, const Context& context) {
  if (!(request.flags & (kOpenReadOnly | kOpenReadWrite | kOpenExclusive)))
    return Error(Code::kInvalid, "container open: flags " + std::to_string(request.flags) +
                                     " must name read-only, read-write or exclusive use");
  VARVE_TRY(const pool::HandleRecord connection, pool::check_handle(state, request.pool, request.pool_handle));
  VARVE_TRY(ContainerRecord container, find_container(state, request.pool, request.name));
  if ((connection.flags & pool::kConnectReadOnly) && !(request.flags & kOpenReadOnly))
    return Error(Code::kNoPermission, "container '" + request.name +
                                          "' cannot be opened for writing over a read-only connection to its pool");
  const uint64_t held = pool::permissions(container.properties, kGuarded, context);
  const std::string noun = "container '" + request.name + "'";
  // A handle is for data: properties alone are no reason to have one.
  VARVE_CHECK(pool::require(held, security::kRead, noun, context));
  if (request.flags & (kOpenReadWrite | kOpenExclusive))
    VARVE_CHECK(pool::require(held, security::kWrite, noun + ", for writing", context));
  VARVE_TRY(const auto rollback, unfinished_rollback(state, request.pool, container.uuid));
  if (rollback && !(request.flags & kOpenExclusive))
    return Error(Code::kBusy, "container '" + request.name + "' is being rolled back to the snapshot at epoch " +
                                  std::to_string(rollback->to.value) +
                                  "; should that have failed, open it exclusively and roll back again");
  Decision<OpenContainerReply> decision;
  const bool evicts_all = request.flags & kOpenEvictAll, evicts_own = request.flags & kOpenEvict;
  if (evicts_all) VARVE_CHECK(pool::require(held, security::kSetAcl, noun + ", to evict others", context));
  const auto evicted = [&](const OpenRecord& record) {
    return evicts_all || (evicts_own && record.uid == context.uid);
  };
  const Handles others = handles_of(state, request.pool, container.uuid, evicted, decision.batch);
  if (others.exclusive || ((request.flags & kOpenExclusive) && others.number > 0))
    return Error(Code::kBusy, "container '" + request.name + "' is in use (" + std::to_string(others.number) +
                                  " handles" + (others.exclusive ? ", exclusively" : "") +
                                  "); wait until it is closed");
  if (others.number >= kOpenHandlesMax) decision.batch.push_back({others.oldest, std::nullopt});
  const OpenRecord record{request.flags, context.uid, context.now_ns};
  decision.batch.push_back({handles_prefix(request.pool, container.uuid) + context.fresh.to_string() + "@" +
                                request.pool_handle.to_string(),
                            encode(record)});
  container.opened_ns = context.now_ns;
  decision.batch.push_back({container_key(request.pool, container.uuid), encode(container)});
  decision.reply.handle = context.fresh;
  decision.reply.info = describe(state, request.pool, container, true);
  decision.reply.info.handles = static_cast<uint32_t>(others.number + 1);
  return decision;
}

Batch close(const State& state, const CloseContainer& request) {
  Batch batch;  // empty if it is closed already
  pool::remove_all(state, handles_prefix(request.pool, request.container) + request.handle.to_string() + "@", batch);
  return batch;
}

}  // namespace varve::container
