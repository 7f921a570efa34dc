#include "container/decision.h"

namespace varve::container {
namespace {

// Handles that may write, but for the caller's own.
size_t other_writers(const State& state, const RollbackContainer& request) {
  size_t writers = 0;
  const std::string prefix = handles_prefix(request.pool, request.container);
  const std::string own = prefix + request.handle.to_string() + "@";
  state.scan(prefix, [&](std::string_view key, const Buffer& value) {
    auto record = decode<OpenRecord>(value);
    if (record.ok() && (record->flags & (kOpenReadWrite | kOpenExclusive)) && !key.starts_with(own)) ++writers;
    return true;
  });
  return writers;
}

}  // namespace

Result<void> check_rollback(const State& state, const RollbackContainer& request, const Context& context) {
  VARVE_TRY(const ContainerRecord container, find_container(state, request.pool, request.container));
  VARVE_CHECK(pool::require(pool::permissions(container.properties, kGuarded, context), security::kWrite,
                            "container " + request.container.to_string() + ", for a rollback", context));
  if (!state.get(snapshot_key(request.pool, request.container, request.epoch)))
    return Error(Code::kNonexistent, "container " + request.container.to_string() + " has no snapshot at epoch " +
                                         std::to_string(request.epoch.value) +
                                         "; list the snapshots to see which it has");
  const size_t writers = other_writers(state, request);
  if (writers > 0 && !request.force)
    return Error(Code::kBusy, "container " + request.container.to_string() + " is open for writing elsewhere (" +
                                  std::to_string(writers) + " handles); close them, or use force");
  return {};
}

Batch begin_rollback(const RollbackContainer& request, Epoch at) {
  const RollbackRecord record{request.epoch, at, request.operation};
  return {{rollback_key(request.pool, request.container), encode(record)}};
}

Batch finish_rollback(const Uuid& pool, const Uuid& container) {
  return {{rollback_key(pool, container), std::nullopt}};
}

Result<std::optional<RollbackRecord>> unfinished_rollback(const State& state, const Uuid& pool,
                                                          const Uuid& container) {
  return pool::read_record<RollbackRecord>(state, rollback_key(pool, container));
}

}  // namespace varve::container
