// What the container service keeps in the key-value store, and under which keys.
#pragma once

#include "container/wire.h"
#include "pool/access.h"
#include "pool/state.h"

namespace varve::container {

enum class ContainerState : uint8_t { kCreating = 1, kReady = 2, kDestroying = 3 };

struct ContainerRecord {
  Uuid uuid;
  std::string label;
  ContainerState state = ContainerState::kCreating;
  uint64_t created_ns = 0, opened_ns = 0, modified_ns = 0;
  uint32_t owner_uid = 0, owner_gid = 0;
  uint64_t next_object_id = 1;
  std::vector<Property> properties;  // as set by the user
  OperationId destroyed_by;          // kDestroying: whom to answer, should it be finished after a crash
  template <class Archive>
  void visit(Archive& archive) {
    archive(uuid, label, state, created_ns, opened_ns, modified_ns, owner_uid, owner_gid, next_object_id, properties,
            destroyed_by);
  }
};

struct OpenRecord {
  uint32_t flags = 0, uid = 0;
  uint64_t opened_ns = 0;
  template <class Archive>
  void visit(Archive& archive) { archive(flags, uid, opened_ns); }
};

// A rollback under way: kept until every target has it.
struct RollbackRecord {
  Epoch to, at;
  OperationId operation;  // whom to answer, should it be finished after a crash
  template <class Archive>
  void visit(Archive& archive) { archive(to, at, operation); }
};

// DAOS_COO_*.
inline constexpr uint32_t kOpenReadOnly = 1, kOpenReadWrite = 2, kOpenExclusive = 4, kOpenEvict = 32,
                          kOpenEvictAll = 64;
// DAOS_PROP_CO_*.
inline constexpr uint32_t kPropertyLabel = 4097, kPropertyLayoutType = 4098, kPropertySnapshotMax = 4105,
                          kPropertyAcl = 4106, kPropertyOwner = 4109,
                          kPropertyOwnerGroup = 4110, kPropertyAllocatedId = 4115;
inline constexpr pool::Guarded kGuarded{kPropertyOwner, kPropertyOwnerGroup, kPropertyAcl, false};
inline constexpr size_t kOpenHandlesMax = 4096, kSnapshotsMax = 1024;
inline constexpr uint64_t kObjectIdsMax = 1ULL << 32;  // in one request

inline std::string container_key(const Uuid& pool, const Uuid& container) {
  return pool::containers_prefix(pool) + container.to_string();
}
inline std::string label_key(const Uuid& pool, std::string_view label) {
  return pool::inside(pool) + "label/" + std::string(label);
}
// Everything that goes with a container when it is destroyed.
inline std::string inside(const Uuid& pool, const Uuid& container) {
  return pool::inside(pool) + "of/" + container.to_string() + "/";
}
// A handle's key: this, its UUID, '@', the pool handle's UUID.
inline std::string handles_prefix(const Uuid& pool, const Uuid& container) {
  return inside(pool, container) + "handle/";
}
inline std::string attributes_prefix(const Uuid& pool, const Uuid& container) {
  return inside(pool, container) + "attribute/";
}
inline std::string snapshots_prefix(const Uuid& pool, const Uuid& container) {
  return inside(pool, container) + "snapshot/";
}
inline std::string rollback_key(const Uuid& pool, const Uuid& container) {
  return inside(pool, container) + "rollback";
}
std::string snapshot_key(const Uuid& pool, const Uuid& container, Epoch epoch);

// By label or UUID text, ready to be used. kNonexistent (names it); kBusy while it is made or destroyed.
Result<ContainerRecord> find_container(const consensus::State& state, const Uuid& pool, std::string_view name);
Result<ContainerRecord> find_container(const consensus::State& state, const Uuid& pool, const Uuid& uuid);
// Open handles, with the flags of each.
std::vector<std::pair<Uuid, uint32_t>> all_handles(const consensus::State& state, const Uuid& pool,
                                                   const Uuid& container);
std::vector<ContainerRecord> all_containers(const consensus::State& state, const Uuid& pool);
std::vector<Snapshot> all_snapshots(const consensus::State& state, const Uuid& pool, const Uuid& container);
std::vector<Property> effective_properties(const ContainerRecord& container);
// "POSIX", "HDF5" ...; "unknown".
std::string layout_name(uint64_t layout_type);

}  // namespace varve::container
