#include "container/decision.h"

namespace varve::container {

Result<Decision<AllocateObjectIdsReply>> allocate_object_ids(const State& state, const AllocateObjectIds& request,
                                                            const Context& context) {
  if (request.count == 0 || request.count > kObjectIdsMax)
    return Error(Code::kInvalid, "allocation of object ids: " + std::to_string(request.count) +
                                     " is not a number between 1 and " + std::to_string(kObjectIdsMax));
  VARVE_TRY(ContainerRecord container, find_container(state, request.pool, request.container));
  VARVE_CHECK(pool::require(pool::permissions(container.properties, kGuarded, context), security::kWrite,
                            "object ids of container " + container.uuid.to_string(), context));
  if (container.next_object_id > ~0ULL - request.count)
    return Error(Code::kNoSpace, "container " + request.container.to_string() + " has no object ids left");
  Decision<AllocateObjectIdsReply> decision;
  decision.reply.first = container.next_object_id;
  container.next_object_id += request.count;
  decision.batch.push_back({container_key(request.pool, container.uuid), encode(container)});
  return decision;
}

}  // namespace varve::container
