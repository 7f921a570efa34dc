#include "container/decision.h"

namespace varve::container {

ContainerInfo describe(const State& state, const Uuid& pool, const ContainerRecord& container,
                       bool with_properties) {
  ContainerInfo info;
  info.uuid = container.uuid;
  info.label = container.label;
  const Property* layout = pool::find_property(container.properties, kPropertyLayoutType);
  info.type = layout_name(layout ? layout->number : 0);
  info.created_ns = container.created_ns;
  info.opened_ns = container.opened_ns;
  info.modified_ns = container.modified_ns;
  info.handles = static_cast<uint32_t>(pool::count(state, handles_prefix(pool, container.uuid)));
  info.snapshots = static_cast<uint32_t>(pool::count(state, snapshots_prefix(pool, container.uuid)));
  info.owner_uid = container.owner_uid;
  info.owner_gid = container.owner_gid;
  if (with_properties) info.properties = effective_properties(container);
  return info;
}

Result<Decision<ContainerRecord>> begin_create(const State& state, const CreateContainer& request,
                                               const Context& context) {
  VARVE_TRY(const pool::PoolRecord pool, pool::find_pool(state, request.pool));
  VARVE_CHECK(pool::require(pool::permissions(pool.properties, pool::kGuardedPool, context),
                            security::kCreateContainer, "pool '" + pool.label + "'", context));
  ContainerRecord container;
  container.uuid = request.uuid.is_null() ? context.fresh : request.uuid;
  container.label = request.label;
  container.properties = request.properties;
  if (container.label.empty())
    if (const Property* label = pool::find_property(request.properties, kPropertyLabel)) container.label = label->text;
  std::erase_if(container.properties, [](const Property& property) { return property.type == kPropertyLabel; });
  VARVE_CHECK(pool::set_first_owner(container.properties, kGuarded, "container '" + container.label + "'", context));
  VARVE_CHECK(pool::check_properties(container.properties));
  VARVE_CHECK(integrity_of(container.properties));
  if (!container.label.empty()) VARVE_CHECK(pool::check_label(container.label, "container"));
  if (state.get(container_key(request.pool, container.uuid)))
    return Error(Code::kExists, "container " + container.uuid.to_string() + " exists already in this pool");
  if (!container.label.empty() && state.get(label_key(request.pool, container.label)))
    return Error(Code::kExists, "a container of the label '" + container.label +
                                    "' exists already in this pool; choose another");
  container.owner_uid = context.uid;
  container.owner_gid = context.gid;
  container.created_ns = container.modified_ns = context.now_ns;
  Decision<ContainerRecord> decision;
  decision.batch.push_back({container_key(request.pool, container.uuid), encode(container)});
  if (!container.label.empty())
    decision.batch.push_back({label_key(request.pool, container.label), encode(pool::UuidRecord{container.uuid})});
  VARVE_TRY(auto attributes, pool::attributes(state, attributes_prefix(request.pool, container.uuid),
                                              pool::AttributeVerb::kSet, request.attributes));
  for (consensus::Change& change : attributes.batch) decision.batch.push_back(std::move(change));
  decision.reply = std::move(container);
  return decision;
}

Result<ContainerInfo> query(const State& state, const QueryContainer& request, const Context& context) {
  VARVE_TRY(const ContainerRecord container, find_container(state, request.pool, request.name));
  const uint64_t held = pool::permissions(container.properties, kGuarded, context);
  VARVE_CHECK(pool::require(held, security::kRead | security::kGetProperties | security::kGetAcl,
                            "container '" + request.name + "'", context));
  ContainerInfo info = describe(state, request.pool, container, true);
  if (!(held & security::kGetAcl))
    std::erase_if(info.properties, [](const Property& property) { return property.type == kPropertyAcl; });
  return info;
}

Batch finish_create(const Uuid& pool, const ContainerRecord& creating) {
  ContainerRecord container = creating;
  container.state = ContainerState::kReady;
  return {{container_key(pool, container.uuid), encode(container)}};
}

Batch undo_create(const State& state, const Uuid& pool, const ContainerRecord& container) {
  return finish_destroy(state, pool, container);
}

}  // namespace varve::container
