#include "pool/access.h"

namespace varve::pool {
namespace {

struct Connections {
  size_t number = 0;
  bool exclusive = false;
  std::string oldest;
  uint64_t oldest_ns = ~0ULL;
};

Connections connections_of(const State& state, const Uuid& pool) {
  Connections all;
  state.scan(handles_prefix(pool), [&](std::string_view key, const Buffer& value) {
    auto record = decode<HandleRecord>(value);
    if (!record.ok()) return true;
    ++all.number;
    all.exclusive |= (record->flags & kConnectExclusive) != 0;
    if (record->opened_ns < all.oldest_ns) {
      all.oldest_ns = record->opened_ns;
      all.oldest = key;
    }
    return true;
  });
  return all;
}

// Container handles that were opened through this connection. Their keys end in the pool handle's text.
void close_containers(const State& state, const Uuid& pool, const std::string& pool_handle, Batch& batch) {
  state.scan(inside(pool) + "of/", [&](std::string_view key, const Buffer&) {
    if (key.find("/handle/") != key.npos && key.ends_with("@" + pool_handle))
      batch.push_back({std::string(key), std::nullopt});
    return true;
  });
}

}  // namespace

Result<Decision<HandleRecord>> connect(const State& state, const PoolRecord& pool, const ConnectPool& request,
                                       const Context& context) {
  const uint32_t mode = request.flags & (kConnectReadOnly | kConnectReadWrite | kConnectExclusive);
  if (mode != kConnectReadOnly && mode != kConnectReadWrite && mode != kConnectExclusive &&
      mode != (kConnectExclusive | kConnectReadWrite))
    return Error(Code::kInvalid, "pool connect: flags " + std::to_string(request.flags) +
                                     " must name read-only, read-write or exclusive use");
  const uint64_t held = permissions(pool.properties, kGuardedPool, context);
  VARVE_CHECK(require(held, security::kRead | security::kGetProperties, "pool '" + request.name + "'", context));
  if (mode != kConnectReadOnly)
    VARVE_CHECK(require(held, security::kWrite | security::kCreateContainer | security::kDeleteContainer,
                        "pool '" + request.name + "', for writing", context));
  const Connections others = connections_of(state, pool.uuid);
  if (others.exclusive)
    return Error(Code::kBusy, "pool '" + request.name + "' is in exclusive use; wait, or evict its user");
  if ((mode & kConnectExclusive) && others.number > 0)
    return Error(Code::kBusy, "pool '" + request.name + "' has " + std::to_string(others.number) +
                                  " connections and cannot be used exclusively; wait, or evict them");
  Decision<HandleRecord> decision;
  decision.reply = {mode, context.uid, context.gid, context.now_ns};
  if (others.number >= kHandlesMax) {
    close_containers(state, pool.uuid, others.oldest.substr(others.oldest.rfind('/') + 1), decision.batch);
    decision.batch.push_back({others.oldest, std::nullopt});
  }
  decision.batch.push_back({handles_prefix(pool.uuid) + context.fresh.to_string(), encode(decision.reply)});
  return decision;
}

Result<HandleRecord> check_handle(const State& state, const Uuid& pool, const Uuid& handle) {
  VARVE_TRY(auto record, read_record<HandleRecord>(state, handles_prefix(pool) + handle.to_string()));
  if (!record)
    return Error(Code::kNoHandle, "connection " + handle.to_string() + " to pool " + pool.to_string() +
                                      " is closed or was evicted; connect again");
  return *record;
}

Result<Batch> disconnect(const State& state, const DisconnectPool& request) {
  Batch batch;
  if (!check_handle(state, request.pool, request.handle).ok()) return batch;  // closed already: closed
  close_containers(state, request.pool, request.handle.to_string(), batch);
  batch.push_back({handles_prefix(request.pool) + request.handle.to_string(), std::nullopt});
  return batch;
}

Result<Batch> evict(const State& state, const EvictPool& request, const Context& context) {
  VARVE_TRY(const PoolRecord pool, find_pool(state, request.name));
  VARVE_CHECK(require_owner(pool, context));
  Batch batch;
  state.scan(handles_prefix(pool.uuid), [&](std::string_view key, const Buffer&) {
    close_containers(state, pool.uuid, std::string(key.substr(key.rfind('/') + 1)), batch);
    batch.push_back({std::string(key), std::nullopt});
    return true;
  });
  return batch;
}

}  // namespace varve::pool
