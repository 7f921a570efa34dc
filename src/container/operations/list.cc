#include "container/decision.h"

namespace varve::container {
namespace {

// Of one page; what a container takes besides its texts.
constexpr size_t kPageBytes = 40 * kKiB, kEntryBytes = 128;

}  // namespace

ListContainersReply list_page(const State& state, const ListContainers& request) {
  ListContainersReply reply;
  const std::string after =
      request.after.is_null() ? "" : container_key(request.pool, request.after);
  std::vector<ContainerRecord> page;
  size_t bytes = 0;
  state.scan(pool::containers_prefix(request.pool), [&](std::string_view key, const Buffer& value) {
    if (key <= after) return true;
    auto record = decode<ContainerRecord>(value);
    if (!record.ok() || record->state != ContainerState::kReady) return true;
    bytes += kEntryBytes + record->label.size();
    reply.more = bytes > kPageBytes;
    if (!reply.more) page.push_back(std::move(*record));
    return !reply.more;
  });
  for (const ContainerRecord& container : page)
    reply.containers.push_back(describe(state, request.pool, container, false));
  return reply;
}

}  // namespace varve::container
