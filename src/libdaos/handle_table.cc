// Handles: a slot's number and its generation, so that a handle that was closed names nothing
// again.
#include <array>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "libdaos/handles.h"
#include "libdaos/library.h"

namespace varve::libdaos {
namespace {

// A cookie: kind (8 bits), generation (24), slot + 1 (32).
constexpr uint64_t kGenerationMask = 0xffffff;

struct Slot {
  std::shared_ptr<void> what;
  uint32_t generation = 1;
  Kind kind = Kind::kOther;
};

// Threads meet in one of several shards, by the handle's slot.
struct alignas(64) Shard {
  std::shared_mutex mutex;
  std::vector<Slot> slots;
  std::vector<uint32_t> free;
};
constexpr uint32_t kShards = 16;

struct Table {
  std::array<Shard, kShards> shards;
  std::atomic<uint32_t> next_shard{0};
};

std::atomic<Table*> current_table{nullptr};

Table& table() {
  Table* existing = current_table.load(std::memory_order_acquire);
  if (existing) return *existing;
  auto fresh = std::make_unique<Table>();
  if (current_table.compare_exchange_strong(existing, fresh.get())) return *fresh.release();
  return *existing;
}

struct Place {
  Shard* shard;
  uint32_t index, generation;
  Kind kind;
};
Place place_of(daos_handle_t handle) {
  const auto slot = static_cast<uint32_t>(handle.cookie >> 32) - 1;
  return {&table().shards[slot % kShards], slot / kShards,
          static_cast<uint32_t>((handle.cookie >> 8) & kGenerationMask),
          static_cast<Kind>(handle.cookie & 0xff)};
}

Slot* slot_at(const Place& place, Kind kind) {
  if (place.kind != kind || place.index >= place.shard->slots.size()) return nullptr;
  Slot& slot = place.shard->slots[place.index];
  return slot.what && slot.generation == place.generation && slot.kind == kind ? &slot : nullptr;
}

}  // namespace

namespace {

template <class Visit>
void each_slot(Visit visit) {
  for (Shard& shard : table().shards)
    for (uint32_t index = 0; index < shard.slots.size(); ++index)
      if (shard.slots[index].what) visit(shard, index);
}

// Of open handles; pools that only an object holds any more are never asked for a new map.
template <class Visit>
void each_pool(Visit visit) {
  each_slot([&](Shard& shard, uint32_t index) {
    if (shard.slots[index].kind == Kind::kPool)
      visit(*static_cast<client::PoolHandle*>(shard.slots[index].what.get()));
  });
}

}  // namespace

void lock_handles() {
  for (Shard& shard : table().shards) shard.mutex.lock();
  each_pool([](client::PoolHandle& pool) { pool.mutex().lock(); });
}

void unlock_handles() {
  each_pool([](client::PoolHandle& pool) { pool.mutex().unlock(); });
  for (Shard& shard : table().shards) shard.mutex.unlock();
}

// A lock that was taken before the fork is not this thread's to release: made anew.
void inherit_handles() {
  each_pool([](client::PoolHandle& pool) {
    new (&pool.mutex()) std::mutex;
    pool.borrowed = true;
  });
  each_slot([](Shard& shard, uint32_t index) {
    Slot& slot = shard.slots[index];
    if (slot.kind == Kind::kContainer)
      static_cast<client::ContainerHandle*>(slot.what.get())->borrowed = true;
    if (slot.kind != Kind::kEventQueue) return;
    new (&slot.what) std::shared_ptr<void>;  // leaked on purpose: the parent's connections
    slot.generation = slot.generation % kGenerationMask + 1;
    shard.free.push_back(index);
  });
  for (Shard& shard : table().shards) new (&shard.mutex) std::shared_mutex;
}

daos_handle_t register_handle(Kind kind, std::shared_ptr<void> what) {
  VARVE_ASSERT(what, "a handle names something");
  Table& all = table();
  const uint32_t number = all.next_shard.fetch_add(1, std::memory_order_relaxed) % kShards;
  Shard& shard = all.shards[number];
  std::unique_lock lock(shard.mutex);
  if (shard.free.empty()) {
    shard.free.push_back(static_cast<uint32_t>(shard.slots.size()));
    shard.slots.emplace_back();
  }
  const uint32_t index = shard.free.back();
  shard.free.pop_back();
  Slot& slot = shard.slots[index];
  slot.what = std::move(what);
  slot.kind = kind;
  const uint64_t slot_number = uint64_t{index} * kShards + number + 1;
  return {slot_number << 32 | uint64_t{slot.generation} << 8 | static_cast<uint64_t>(kind)};
}

std::shared_ptr<void> find_handle(Kind kind, daos_handle_t handle) {
  if (handle.cookie >> 32 == 0) return nullptr;
  const Place place = place_of(handle);
  std::shared_lock lock(place.shard->mutex);
  Slot* slot = slot_at(place, kind);
  return slot ? slot->what : nullptr;
}

std::shared_ptr<void> close_handle(Kind kind, daos_handle_t handle) {
  if (handle.cookie >> 32 == 0) return nullptr;
  const Place place = place_of(handle);
  std::unique_lock lock(place.shard->mutex);
  Slot* slot = slot_at(place, kind);
  if (!slot) return nullptr;
  slot->generation = static_cast<uint32_t>((slot->generation + 1) & kGenerationMask);
  if (slot->generation == 0) slot->generation = 1;
  place.shard->free.push_back(place.index);
  return std::move(slot->what);
}

Result<client::Pool> pool_of(daos_handle_t handle) {
  VARVE_CHECK(require_initialized());
  auto pool = find<client::PoolHandle>(Kind::kPool, handle);
  if (!pool) return Error(Code::kNoHandle, "the pool handle is closed or was never opened");
  return client::Pool(std::move(pool));
}

Result<client::Container> container_of_handle(daos_handle_t handle) {
  VARVE_CHECK(require_initialized());
  auto container = find<client::ContainerHandle>(Kind::kContainer, handle);
  if (!container)
    return Error(Code::kNoHandle, "the container handle is closed or was never opened");
  return client::Container(std::move(container));
}

}  // namespace varve::libdaos
