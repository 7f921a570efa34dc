#include "pool/access.h"

namespace varve::pool {

Result<Batch> set_properties(const State& state, const SetProperties& request, const Context& context) {
  VARVE_CHECK(check_properties(request.properties));
  VARVE_TRY(PoolRecord pool, find_pool(state, request.name));
  VARVE_CHECK(require_owner(pool, context));
  VARVE_CHECK(check_guarded_changes(request.properties, security::kAllPermissions, kGuardedPool,
                                    "pool '" + request.name + "'", context));
  std::vector<Property> changes = request.properties;
  Batch batch;
  if (const Property* label = find_property(changes, 1); label && label->text != pool.label) {
    VARVE_CHECK(check_label(label->text, "pool"));
    if (state.get(label_key(label->text)))
      return Error(Code::kExists, "a pool of the label '" + label->text + "' exists already; choose another");
    if (!pool.label.empty()) batch.push_back({label_key(pool.label), std::nullopt});
    pool.label = label->text;
    batch.push_back({label_key(pool.label), encode(UuidRecord{pool.uuid})});
  }
  std::erase_if(changes, [](const Property& property) { return property.type == 1; });
  merge_properties(pool.properties, changes);
  VARVE_CHECK(scrub_policy_of(pool.properties));
  VARVE_CHECK(check_properties(pool.properties));
  VARVE_CHECK(policy_of(pool));
  batch.push_back({pool_key(pool.uuid), encode(pool)});
  return batch;
}

}  // namespace varve::pool
