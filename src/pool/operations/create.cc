#include "pool/access.h"

namespace varve::pool {
namespace {

Result<uint64_t> bytes_per_target(const CreatePool& request, const CreateInput& input) {
  uint64_t bytes = 0;
  if (request.bytes && request.percent)
    return Error(Code::kInvalid, "give a size or a percentage, not both");
  if (request.percent > 100)
    return Error(Code::kInvalid, std::to_string(request.percent) + " % is more than there is");
  if (request.percent)
    bytes = round_down(input.unreserved_min / 100 * request.percent, 4096);
  else
    bytes = request.bytes / input.targets + (request.bytes % input.targets != 0);
  if (!request.percent && bytes < ~0ULL - 4096) bytes = round_up(bytes, 4096);
  if (bytes < kBytesPerTargetMin && request.percent)
    return Error(Code::kNoSpace, std::to_string(request.percent) + " % of what is unreserved is " +
                                     std::to_string(bytes) + " bytes a target, the least is " +
                                     std::to_string(kBytesPerTargetMin) +
                                     "; destroy a pool or add space");
  if (bytes < kBytesPerTargetMin)
    return Error(Code::kInvalid, "a size of " + std::to_string(request.bytes) +
                                     " bytes is too small; the least is " +
                                     std::to_string(kBytesPerTargetMin * input.targets));
  if (bytes > input.unreserved_min)
    return Error(Code::kNoSpace, std::to_string(bytes) + " bytes are wanted on each of " +
                                     std::to_string(input.targets) + " targets, " +
                                     std::to_string(input.unreserved_min) +
                                     " are unreserved; ask for less or destroy a pool");
  return bytes;
}

}  // namespace

PoolInfo describe(const State& state, const PoolRecord& pool) {
  PoolInfo info;
  info.uuid = pool.uuid;
  info.label = pool.label;
  info.map_version = pool.map_version;
  info.targets = pool.targets;
  info.space.total = pool.bytes_per_target * pool.targets;
  info.containers = static_cast<uint32_t>(count(state, containers_prefix(pool.uuid)));
  info.owner_uid = pool.owner_uid;
  info.owner_gid = pool.owner_gid;
  info.persistent = pool.persistent;
  return info;
}

Result<Decision<PoolRecord>> begin_create(const State& state, const CreatePool& request,
                                          const CreateInput& input, const Context& context) {
  PoolRecord pool;
  pool.uuid = request.uuid.is_null() ? context.fresh : request.uuid;
  pool.label = request.label;
  pool.properties = request.properties;
  if (pool.label.empty())
    if (const Property* label = find_property(pool.properties, 1)) pool.label = label->text;
  std::erase_if(pool.properties, [](const Property& property) { return property.type == 1; });
  VARVE_CHECK(set_first_owner(pool.properties, kGuardedPool, "pool '" + pool.label + "'", context));
  VARVE_CHECK(check_properties(pool.properties));
  VARVE_CHECK(policy_of(pool));
  VARVE_CHECK(scrub_policy_of(pool.properties));
  if (!pool.label.empty()) VARVE_CHECK(check_label(pool.label, "pool"));
  if (state.get(pool_key(pool.uuid)))
    return Error(Code::kExists, "pool " + pool.uuid.to_string() + " exists already");
  if (!pool.label.empty() && state.get(label_key(pool.label)))
    return Error(Code::kExists,
                 "a pool of the label '" + pool.label + "' exists already; choose another");
  Result<uint64_t> wanted = bytes_per_target(request, input);
  if (!wanted.ok()) return std::move(wanted.error()).with("pool '" + pool.label + "'");
  pool.bytes_per_target = *wanted;
  pool.targets = input.targets;
  pool.persistent = input.persistent;
  pool.owner_uid = context.uid;
  pool.owner_gid = context.gid;
  pool.created_ns = context.now_ns;
  Decision<PoolRecord> decision;
  decision.batch.push_back({pool_key(pool.uuid), encode(pool)});
  if (!pool.label.empty())
    decision.batch.push_back({label_key(pool.label), encode(UuidRecord{pool.uuid})});
  decision.reply = std::move(pool);
  return decision;
}

Batch finish_create(const PoolRecord& creating) {
  PoolRecord pool = creating;
  pool.state = PoolState::kReady;
  return {{pool_key(pool.uuid), encode(pool)}};
}

Batch undo_create(const PoolRecord& pool) {
  Batch batch = {{pool_key(pool.uuid), std::nullopt}};
  if (!pool.label.empty()) batch.push_back({label_key(pool.label), std::nullopt});
  return batch;
}

}  // namespace varve::pool
