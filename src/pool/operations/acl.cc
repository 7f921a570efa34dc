#include "pool/access.h"

namespace varve::pool {

Result<void> require_owner(const PoolRecord& pool, const Context& context) {
  if (context.trusted ||
      context.who.user == find_property(effective_properties(pool), kPropertyOwner)->text)
    return {};
  return Error(Code::kNoPermission, "pool " + pool.uuid.to_string() + " ('" + pool.label +
                                        "') belongs to somebody else "
                                        "than " +
                                        context.who.user + "; ask its owner or an administrator");
}

Result<Batch> change_acl(const State& state, const ChangeAcl& request, const Context& context) {
  VARVE_TRY(PoolRecord pool, find_pool(state, request.name));
  VARVE_CHECK(require_owner(pool, context));
  VARVE_TRY(std::string text,
            change_list(pool.properties, kGuardedPool, request.verb, request.entries));
  merge_properties(pool.properties, {text_property(kPropertyAcl, std::move(text))});
  VARVE_CHECK(check_properties(pool.properties));
  return Batch{{pool_key(pool.uuid), encode(pool)}};
}

}  // namespace varve::pool
