// Pools and containers: one request to the system endpoint each.
#include "client/session.h"

namespace varve::client {
namespace {

constexpr uint64_t kObjectIdsAtOnce = 1024;
constexpr uint32_t kContainerReadOnly = 1, kContainerReadWrite = 2, kContainerExclusive = 4;

}  // namespace

Result<void> check_handle(const Pool& pool) {
  if (!pool || pool->closed.load(std::memory_order_relaxed))
    return Error(Code::kNoHandle, "the pool handle is closed: connect again");
  return {};
}
Result<void> check_handle(const Container& container) {
  if (!container || container->closed.load(std::memory_order_relaxed))
    return Error(Code::kNoHandle, "the container handle is closed: open it again");
  return check_handle(container->pool);
}

Task<Result<pool::SystemInfo>> SessionImpl::query_system() {
  co_return co_await ask<pool::SystemInfo>(pool::kSystemQuery, "query of the system",
                                           pool::SystemQuery{rpc::kProtocolVersion});
}

Task<Result<pool::PoolInfo>> SessionImpl::create_pool(pool::CreatePool request) {
  request.operation = next_operation();
  VARVE_CO_TRY(auto reply, co_await ask<pool::CreatePoolReply>(
                               pool::kPoolCreate, "creation of the pool", std::move(request)));
  co_return std::move(reply.info);
}

Task<Result<void>> SessionImpl::destroy_pool(std::string name, bool force, bool recursive) {
  pool::DestroyPool request{next_operation(), std::move(name), force, recursive};
  co_return co_await tell(pool::kPoolDestroy, "destruction of the pool", std::move(request));
}

Task<Result<std::vector<pool::PoolInfo>>> SessionImpl::list_pools() {
  VARVE_CO_TRY(auto reply, co_await ask<pool::ListPoolsReply>(
                               pool::kPoolList, "listing of the pools", pool::ListPools{}));
  co_return std::move(reply.pools);
}

Task<Result<pool::QueryPoolReply>> SessionImpl::query_pool(std::string name) {
  pool::QueryPool request{std::move(name)};
  co_return co_await ask<pool::QueryPoolReply>(pool::kPoolQuery, "query of the pool",
                                               std::move(request));
}

Task<Result<Pool>> SessionImpl::connect_pool(std::string name, uint32_t flags) {
  pool::ConnectPool request{std::move(name), flags};
  VARVE_CO_TRY(auto reply, co_await ask<pool::ConnectPoolReply>(
                               pool::kPoolConnect, "connection to the pool", std::move(request)));
  auto pool = std::make_shared<PoolHandle>();
  pool->uuid = reply.info.uuid;
  pool->handle = reply.handle;
  pool->label = reply.info.label;
  pool->flags = flags;
  pool->info = std::move(reply.info);
  pool->replace_map(std::move(reply.map));
  co_return pool;
}

Task<Result<void>> SessionImpl::disconnect_pool(Pool pool) {
  if (!pool || pool->closed.exchange(true))
    co_return Error(Code::kNoHandle, "the pool handle is closed already");
  if (pool->borrowed.load(std::memory_order_relaxed)) co_return Result<void>();
  pool::DisconnectPool request{pool->uuid, pool->handle};
  co_return co_await tell(pool::kPoolDisconnect, "disconnection from the pool", std::move(request));
}

Task<Result<std::vector<pool::Property>>> SessionImpl::pool_properties(std::string name) {
  pool::GetProperties request{std::move(name)};
  VARVE_CO_TRY(auto reply,
               co_await ask<pool::Properties>(
                   pool::kPoolGetProperties, "query of the pool's properties", std::move(request)));
  co_return std::move(reply.properties);
}

Task<Result<void>> SessionImpl::set_pool_properties(std::string name,
                                                    std::vector<pool::Property> properties) {
  pool::SetProperties request{next_operation(), std::move(name), std::move(properties)};
  co_return co_await tell(pool::kPoolSetProperties, "change of the pool's properties",
                          std::move(request));
}

Task<Result<void>> SessionImpl::change_pool_acl(std::string name, pool::AclVerb verb,
                                                std::string entries) {
  pool::ChangeAcl request{next_operation(), std::move(name), verb, std::move(entries)};
  co_return co_await tell(pool::kPoolChangeAcl, "change of the pool's access control list",
                          std::move(request));
}

Task<Result<std::vector<pool::Attribute>>> SessionImpl::attributes_in_parts(
    const AskAttributes& ask_for, pool::AttributeVerb verb,
    std::vector<pool::Attribute> attributes) {
  std::vector<pool::Attribute> all;
  if (verb == pool::AttributeVerb::kList) {
    for (bool more = true; more;) {
      std::vector<pool::Attribute> after;
      if (!all.empty()) after.push_back({all.back().name, {}, false});
      VARVE_CO_TRY(pool::AttributesReply page, co_await ask_for(std::move(after)));
      more = page.more && !page.attributes.empty();
      std::move(page.attributes.begin(), page.attributes.end(), std::back_inserter(all));
    }
    co_return all;
  }
  Result<pool::AttributesReply> reply = co_await ask_for(attributes);
  if (reply) co_return std::move(reply->attributes);
  if (reply.code() != Code::kOverflow || attributes.size() < 2) co_return std::move(reply.error());
  // More than a message holds: one half after the other.
  const auto middle = attributes.begin() + static_cast<ptrdiff_t>(attributes.size() / 2);
  std::vector<pool::Attribute> halves[2] = {{attributes.begin(), middle},
                                            {middle, attributes.end()}};
  for (std::vector<pool::Attribute>& half : halves) {
    VARVE_CO_TRY(auto part, co_await attributes_in_parts(ask_for, verb, std::move(half)));
    std::move(part.begin(), part.end(), std::back_inserter(all));
  }
  co_return all;
}

Task<Result<std::vector<pool::Attribute>>> SessionImpl::pool_attributes(
    Pool pool, pool::AttributeVerb verb, std::vector<pool::Attribute> attributes) {
  VARVE_CO_CHECK(check_handle(pool));
  const AskAttributes ask_for = [this, &pool, verb](std::vector<pool::Attribute> part) {
    return ask<pool::AttributesReply>(
        pool::kPoolAttributes, "pool attributes",
        pool::PoolAttributes{next_operation(), pool->uuid, verb, std::move(part)});
  };
  co_return co_await attributes_in_parts(ask_for, verb, std::move(attributes));
}

Task<Result<container::ContainerInfo>> SessionImpl::create_container(
    Pool pool, container::CreateContainer request) {
  VARVE_CO_CHECK(check_handle(pool));
  request.operation = next_operation();
  request.pool = pool->uuid;
  VARVE_CO_TRY(auto reply,
               co_await ask<container::ContainerReply>(
                   container::kContainerCreate, "creation of the container", std::move(request)));
  co_return std::move(reply.info);
}

Task<Result<void>> SessionImpl::destroy_container(Pool pool, std::string name, bool force) {
  VARVE_CO_CHECK(check_handle(pool));
  container::DestroyContainer request{next_operation(), pool->uuid, std::move(name), force};
  co_return co_await tell(container::kContainerDestroy, "destruction of the container",
                          std::move(request));
}

Task<Result<std::vector<container::ContainerInfo>>> SessionImpl::list_containers(Pool pool) {
  VARVE_CO_CHECK(check_handle(pool));
  std::vector<container::ContainerInfo> all;
  for (;;) {
    const Uuid after = all.empty() ? Uuid() : all.back().uuid;
    VARVE_CO_TRY(auto page, co_await ask<container::ListContainersReply>(
                                container::kContainerList, "listing of the containers",
                                container::ListContainers{pool->uuid, after}));
    std::move(page.containers.begin(), page.containers.end(), std::back_inserter(all));
    if (!page.more) co_return all;
    if (page.containers.empty())
      co_return Error(Code::kProtocol, "a listing of containers makes no progress");
  }
}

Task<Result<container::ContainerInfo>> SessionImpl::query_container(Pool pool, std::string name) {
  VARVE_CO_CHECK(check_handle(pool));
  container::QueryContainer request{pool->uuid, std::move(name)};
  VARVE_CO_TRY(auto reply,
               co_await ask<container::ContainerReply>(
                   container::kContainerQuery, "query of the container", std::move(request)));
  co_return std::move(reply.info);
}

Task<Result<Container>> SessionImpl::open_container(Pool pool, std::string name, uint32_t flags) {
  VARVE_CO_CHECK(check_handle(pool));
  if (!(flags & (kContainerReadOnly | kContainerReadWrite | kContainerExclusive)))
    co_return Error(Code::kInvalid,
                    "opening container '" + name + "': flags say neither read-only nor read-write");
  container::OpenContainer request{pool->uuid, pool->handle, std::move(name), flags};
  VARVE_CO_TRY(auto reply,
               co_await ask<container::OpenContainerReply>(
                   container::kContainerOpen, "opening of the container", std::move(request)));
  VARVE_CO_TRY(const Integrity integrity, container::integrity_of(reply.info.properties));
  auto container = std::make_shared<ContainerHandle>();
  container->checksums = integrity.checksums;
  container->pool = std::move(pool);
  container->uuid = reply.info.uuid;
  container->handle = reply.handle;
  container->info = std::move(reply.info);
  container->writable = (flags & (kContainerReadWrite | kContainerExclusive)) != 0;
  co_return container;
}

Task<Result<void>> SessionImpl::close_container(Container container) {
  if (!container || container->closed.exchange(true))
    co_return Error(Code::kNoHandle, "the container handle is closed already");
  if (container->borrowed.load(std::memory_order_relaxed)) co_return Result<void>();
  container::CloseContainer request{container->pool->uuid, container->uuid, container->handle};
  co_return co_await tell(container::kContainerClose, "closing of the container",
                          std::move(request));
}

Task<Result<void>> SessionImpl::set_container_properties(Pool pool, std::string name,
                                                         std::vector<pool::Property> properties) {
  VARVE_CO_CHECK(check_handle(pool));
  container::SetContainerProperties request{next_operation(), pool->uuid, std::move(name),
                                            std::move(properties)};
  co_return co_await tell(container::kContainerSetProperties,
                          "change of the container's properties", std::move(request));
}

Task<Result<void>> SessionImpl::change_container_acl(Pool pool, std::string name,
                                                     pool::AclVerb verb, std::string entries) {
  VARVE_CO_CHECK(check_handle(pool));
  container::ChangeAcl request{next_operation(), pool->uuid, std::move(name), verb,
                               std::move(entries)};
  co_return co_await tell(container::kContainerChangeAcl,
                          "change of the container's access control list", std::move(request));
}

Task<Result<std::vector<pool::Attribute>>> SessionImpl::container_attributes(
    Container container, pool::AttributeVerb verb, std::vector<pool::Attribute> attributes) {
  VARVE_CO_CHECK(check_handle(container));
  const AskAttributes ask_for = [this, &container, verb](std::vector<pool::Attribute> part) {
    return ask<pool::AttributesReply>(
        container::kContainerAttributes, "container attributes",
        container::ContainerAttributes{next_operation(), container->pool->uuid, container->uuid,
                                       verb, std::move(part)});
  };
  co_return co_await attributes_in_parts(ask_for, verb, std::move(attributes));
}

Task<Result<uint64_t>> SessionImpl::allocate_object_ids(Container container, uint64_t count) {
  VARVE_CO_CHECK(check_handle(container));
  if (count == 0) co_return Error(Code::kInvalid, "allocation of no object ids");
  const Uuid uuid = container->uuid;
  IdRange& kept = object_ids_[uuid];
  if (kept.end - kept.next < count) {
    const uint64_t wanted =
        std::max(count, count * 8 < kObjectIdsAtOnce ? kObjectIdsAtOnce : count);
    container::AllocateObjectIds request{next_operation(), container->pool->uuid, uuid, wanted};
    VARVE_CO_TRY(auto reply, co_await ask<container::AllocateObjectIdsReply>(
                                 container::kAllocateObjectIds, "allocation of object ids",
                                 std::move(request)));
    if (wanted == count) co_return reply.first;
    // Another task of this session may have come back with a range meanwhile: the larger rest is
    // kept.
    IdRange& now = object_ids_[uuid];
    const IdRange rest{reply.first + count, reply.first + wanted};
    if (rest.end - rest.next > now.end - now.next) now = rest;
    co_return reply.first;
  }
  const uint64_t first = kept.next;
  kept.next += count;
  co_return first;
}

Task<Result<Epoch>> SessionImpl::create_snapshot(Container container, std::string name) {
  VARVE_CO_CHECK(check_handle(container));
  container::CreateSnapshot request{next_operation(), container->pool->uuid, container->uuid,
                                    std::move(name)};
  VARVE_CO_TRY(auto reply,
               co_await ask<container::Snapshot>(container::kSnapshotCreate,
                                                 "creation of the snapshot", std::move(request)));
  co_return reply.epoch;
}

Task<Result<void>> SessionImpl::destroy_snapshot(Container container, Epoch epoch) {
  VARVE_CO_CHECK(check_handle(container));
  container::DestroySnapshot request{next_operation(), container->pool->uuid, container->uuid,
                                     epoch};
  co_return co_await tell(container::kSnapshotDestroy, "destruction of the snapshot",
                          std::move(request));
}

Task<Result<std::vector<container::Snapshot>>> SessionImpl::list_snapshots(Container container) {
  VARVE_CO_CHECK(check_handle(container));
  container::ListSnapshots request{container->pool->uuid, container->uuid};
  VARVE_CO_TRY(auto reply,
               co_await ask<container::SnapshotsReply>(
                   container::kSnapshotList, "listing of the snapshots", std::move(request)));
  co_return std::move(reply.snapshots);
}

Task<Result<Epoch>> SessionImpl::hold_epoch(Container container) {
  VARVE_CO_CHECK(check_handle(container));
  VARVE_CO_TRY(auto reply,
               co_await ask<container::Snapshot>(
                   container::kHoldEpoch, "choice of an epoch to read at",
                   container::HoldEpoch{container->pool->uuid, container->uuid}));
  co_return reply.epoch;
}

Task<Result<void>> SessionImpl::roll_back(Container container, Epoch epoch, bool force) {
  VARVE_CO_CHECK(check_handle(container));
  if (!container->writable)
    co_return Error(Code::kNoPermission, "a rollback needs a container that is open for writing");
  container::RollbackContainer request{next_operation(), container->pool->uuid, container->uuid,
                                       container->handle, epoch, force};
  co_return co_await tell(container::kContainerRollback, "rollback of the container",
                          std::move(request));
}

Task<Result<void>> SessionImpl::aggregate(Container container, Epoch epoch) {
  VARVE_CO_CHECK(check_handle(container));
  container::AggregateContainer request{container->pool->uuid, container->uuid, epoch};
  co_return co_await tell(container::kContainerAggregate, "aggregation of the container",
                          std::move(request));
}

}  // namespace varve::client
