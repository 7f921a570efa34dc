#include "store/store.h"

#include <algorithm>
#include <bit>

#include "store/store_impl.h"

namespace varve::store {

namespace {
Error no_pool(const Uuid& pool) {
  return Error(Code::kNonexistent, "pool " + pool.to_string() + " is not on this target");
}
}  // namespace

Result<std::unique_ptr<Store>> Store::open(block::Volume& volume, Epoch clock) {
  auto store = std::make_unique<StoreImpl>(volume);
  VARVE_CHECK(store->load(clock));
  return std::unique_ptr<Store>(std::move(store));
}

Result<void> StoreImpl::load(Epoch clock) {
  if (root()->magic == 0) {
    heap_.begin();
    heap_.change(root());
    *root() = {};
    root()->magic = kStoreMagic;
    root()->version = kStoreVersion;
    heap_.volume().commit();
  }
  if (root()->magic != kStoreMagic)
    return Error(Code::kBadFormat,
                 "the volume's heap does not hold a store (its magic is wrong): it is "
                 "damaged, or belongs to another program");
  if (root()->version != kStoreVersion)
    return Error(Code::kIncompatible, "the store has format version " +
                                          std::to_string(root()->version) +
                                          ", this program knows " + std::to_string(kStoreVersion));
  for (Ref ref = root()->pools; ref; ref = heap_.at<PoolRecord>(ref)->next)
    VARVE_CHECK(load_pool(ref));
  reads_.set_low_water(std::max(clock, newest_epoch()).value);
  return {};
}

Result<void> StoreImpl::load_pool(Ref ref) {
  auto* pool = heap_.at<PoolRecord>(ref);
  const auto [place, fresh] = pools_.try_emplace(pool->uuid);
  if (!fresh)
    return Error(Code::kBadFormat, "the store's list of pools is damaged: it names pool " +
                                       pool->uuid.to_string() + " twice");
  place->second.record = ref;
  for (Ref at = pool->containers; at; at = heap_.at<ContainerRecord>(at)->next) {
    auto* record = heap_.at<ContainerRecord>(at);
    auto container = std::make_unique<Container>();
    container->pool_uuid = pool->uuid;
    container->uuid = record->uuid;
    container->record = at;
    container->pool = ref;
    VARVE_CHECK(load_rollbacks(*container));
    VARVE_CHECK(load_transactions(*container));
    if (record->pool != ref || !read_integrity(*record, container->integrity) ||
        !place->second.containers.try_emplace(record->uuid, std::move(container)).second)
      return Error(Code::kBadFormat, "the list of containers of pool " + pool->uuid.to_string() +
                                         " is damaged at container " + record->uuid.to_string());
  }
  return {};
}

template <class Record>
void StoreImpl::link_front(Ref* head, Ref ref) {
  auto* record = heap_.at<Record>(ref);
  heap_.set(record->next, *head);
  heap_.set(record->previous, Ref{0});
  if (*head) heap_.set(heap_.at<Record>(*head)->previous, ref);
  heap_.set(*head, ref);
}

template <class Record>
void StoreImpl::unlink(Ref* head, Ref ref) {
  const auto* record = heap_.at<Record>(ref);
  if (record->next) heap_.set(heap_.at<Record>(record->next)->previous, record->previous);
  if (record->previous)
    heap_.set(heap_.at<Record>(record->previous)->next, record->next);
  else
    heap_.set(*head, record->next);
}

template void StoreImpl::link_front<TransactionRecord>(Ref*, Ref);
template void StoreImpl::unlink<TransactionRecord>(Ref*, Ref);
template void StoreImpl::unlink<PoolRecord>(Ref*, Ref);
template void StoreImpl::unlink<ContainerRecord>(Ref*, Ref);

// What live pools reserve, and destroyed ones still hold.
uint64_t StoreImpl::held_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [uuid, pool] : pools_)
    bytes += heap_.at<PoolRecord>(pool.record)->reserved_bytes;
  for (Ref ref = root()->dying_pools; ref; ref = heap_.at<PoolRecord>(ref)->next)
    bytes += heap_.at<PoolRecord>(ref)->used_bytes;
  return bytes;
}

uint64_t StoreImpl::unreserved_bytes() const {
  const block::SpaceUse use = heap_.volume().use();
  const uint64_t all = use.heap_bytes_max + use.extent_bytes_max, held = held_bytes();
  return all > held ? all - held : 0;
}

Result<Lsn> StoreImpl::create_pool(const Uuid& uuid, uint64_t reserved_bytes) {
  if (pools_.contains(uuid))
    return Error(Code::kExists, "pool " + uuid.to_string() + " is on this target already");
  if (const uint64_t left = unreserved_bytes(); reserved_bytes > left)
    return Error(Code::kNoSpace, "a pool of " + std::to_string(reserved_bytes) +
                                     " bytes does not fit on this target, which has " +
                                     std::to_string(left) +
                                     " left: make it smaller, or destroy another");
  heap_.begin();
  const Ref ref = heap_.allocate(sizeof(PoolRecord));
  if (ref == 0) {
    rollback();
    return heap_.error();
  }
  auto* pool = heap_.at<PoolRecord>(ref);
  *pool = {};
  pool->uuid = uuid;
  pool->reserved_bytes = reserved_bytes;
  link_front<PoolRecord>(&root()->pools, ref);
  pools_[uuid].record = ref;
  return heap_.volume().commit();
}

Result<Lsn> StoreImpl::destroy_pool(const Uuid& uuid) {
  const auto found = pools_.find(uuid);
  if (found == pools_.end()) return no_pool(uuid);
  const Ref ref = found->second.record;
  const auto* pool = heap_.at<PoolRecord>(ref);
  heap_.begin(true);
  unlink<PoolRecord>(&root()->pools, ref);
  link_front<PoolRecord>(&root()->dying_pools, ref);
  if (pool->newest_epoch > root()->newest_epoch)
    heap_.set(root()->newest_epoch, pool->newest_epoch);
  for (const auto& [name, container] : found->second.containers) forget_transactions(*container);
  pools_.erase(found);
  forget_objects();
  return heap_.volume().commit();
}

std::vector<Uuid> StoreImpl::pools() const {
  std::vector<Uuid> uuids;
  for (const auto& [uuid, pool] : pools_) uuids.push_back(uuid);
  return uuids;
}

Result<PoolSpace> StoreImpl::space(const Uuid& uuid) const {
  const auto found = pools_.find(uuid);
  if (found == pools_.end()) return no_pool(uuid);
  const auto* pool = heap_.at<PoolRecord>(found->second.record);
  return PoolSpace{pool->reserved_bytes, pool->used_bytes};
}

Result<Lsn> StoreImpl::create_container(const Uuid& pool_uuid, const Uuid& uuid,
                                        const Integrity& integrity) {
  VARVE_ASSERT(std::has_single_bit(integrity.checksums.chunk_bytes) &&
                   integrity.checksums.chunk_bytes >= kChecksumChunkBytesMin &&
                   integrity.checksums.chunk_bytes <= kChecksumChunkBytesMax,
               "the container service has checked the properties");
  const auto found = pools_.find(pool_uuid);
  if (found == pools_.end()) return no_pool(pool_uuid);
  if (found->second.containers.contains(uuid))
    return Error(Code::kExists, "container " + uuid.to_string() + " is in pool " +
                                    pool_uuid.to_string() + " already");
  heap_.begin();
  const Ref ref = heap_.allocate(sizeof(ContainerRecord));
  if (ref == 0) {
    rollback();
    return heap_.error();
  }
  auto* record = heap_.at<ContainerRecord>(ref);
  *record = {};
  record->uuid = uuid;
  record->pool = found->second.record;
  write_integrity(*record, integrity);
  auto* pool = heap_.at<PoolRecord>(record->pool);
  link_front<ContainerRecord>(&pool->containers, ref);
  auto container = std::make_unique<Container>();
  container->pool_uuid = pool_uuid;
  container->uuid = uuid;
  container->record = ref;
  container->pool = record->pool;
  container->integrity = integrity;
  VARVE_TRY(const Lsn lsn, finish(*container, 0, true));
  found->second.containers[uuid] = std::move(container);
  return lsn;
}

Result<Lsn> StoreImpl::destroy_container(const Uuid& pool_uuid, const Uuid& uuid) {
  Container* container = find(pool_uuid, uuid);
  if (!container)
    return Error(Code::kNonexistent, "container " + uuid.to_string() + " is not in pool " +
                                         pool_uuid.to_string() + " on this target");
  const Ref ref = container->record;
  heap_.begin(true);
  unlink<ContainerRecord>(&heap_.at<PoolRecord>(container->pool)->containers, ref);
  link_front<ContainerRecord>(&root()->dying_containers, ref);
  forget_transactions(*container);
  pools_.find(pool_uuid)->second.containers.erase(uuid);
  forget_objects();
  return heap_.volume().commit();
}

std::vector<Uuid> StoreImpl::containers(const Uuid& pool) const {
  std::vector<Uuid> uuids;
  const auto found = pools_.find(pool);
  if (found == pools_.end()) return uuids;
  for (const auto& [uuid, container] : found->second.containers) uuids.push_back(uuid);
  return uuids;
}

Container* StoreImpl::find(const Uuid& pool, const Uuid& uuid) {
  const auto found = pools_.find(pool);
  if (found == pools_.end()) return nullptr;
  const auto container = found->second.containers.find(uuid);
  return container == found->second.containers.end() ? nullptr : container->second.get();
}

Epoch StoreImpl::newest_epoch() const {
  uint64_t newest = root()->newest_epoch;
  for (const auto& [uuid, pool] : pools_)
    newest = std::max(newest, heap_.at<PoolRecord>(pool.record)->newest_epoch);
  return Epoch{newest};
}

void StoreImpl::set_snapshots(Container& container, std::vector<Epoch> snapshots) {
  container.snapshots.clear();
  for (const Epoch epoch : snapshots) container.snapshots.push_back(epoch.value);
  std::sort(container.snapshots.begin(), container.snapshots.end());
  container.snapshots_known = true;
  ++container.changes;  // a snapshot that is gone leaves something to merge
}

}  // namespace varve::store
