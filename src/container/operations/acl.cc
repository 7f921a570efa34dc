#include "container/decision.h"

namespace varve::container {

Result<Batch> change_acl(const State& state, const ChangeAcl& request, const Context& context) {
  VARVE_TRY(ContainerRecord container, find_container(state, request.pool, request.name));
  const uint64_t held = pool::permissions(container.properties, kGuarded, context);
  VARVE_CHECK(pool::require(held, security::kSetAcl, "container '" + request.name + "'", context));
  VARVE_TRY(std::string text,
            pool::change_list(container.properties, kGuarded, request.verb, request.entries));
  pool::merge_properties(container.properties,
                         {pool::text_property(kPropertyAcl, std::move(text))});
  VARVE_CHECK(pool::check_properties(container.properties));
  return Batch{{container_key(request.pool, container.uuid), encode(container)}};
}

}  // namespace varve::container
