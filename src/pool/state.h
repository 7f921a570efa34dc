// What the pool service keeps in the key-value store, and under which keys (docs/formats/key_value.md).
#pragma once

#include "base/chunk_checksum.h"
#include "consensus/key_value.h"
#include "pool/targets.h"
#include "pool/wire.h"

namespace varve::pool {

enum class PoolState : uint8_t { kCreating = 1, kReady = 2, kDestroying = 3 };

struct PoolRecord {
  Uuid uuid;
  std::string label;
  PoolState state = PoolState::kCreating;
  uint64_t bytes_per_target = 0;
  uint32_t targets = 0, map_version = 1;
  uint32_t owner_uid = 0, owner_gid = 0;
  uint64_t created_ns = 0;
  bool persistent = true;
  std::vector<Property> properties;  // as set by the user; defaults are not stored
  OperationId destroyed_by;          // kDestroying: whom to answer, should it be finished after a crash
  template <class Archive>
  void visit(Archive& archive) {
    archive(uuid, label, state, bytes_per_target, targets, map_version, owner_uid, owner_gid, created_ns,
            persistent, properties, destroyed_by);
  }
};

struct HandleRecord {
  uint32_t flags = 0, uid = 0, gid = 0;
  uint64_t opened_ns = 0;
  template <class Archive>
  void visit(Archive& archive) { archive(flags, uid, gid, opened_ns); }
};

struct UuidRecord {
  Uuid uuid;
  template <class Archive>
  void visit(Archive& archive) { archive(uuid); }
};

// DAOS_PC_*.
inline constexpr uint32_t kConnectReadOnly = 1, kConnectReadWrite = 2, kConnectExclusive = 4;
// A pool's connections; past it the oldest are dropped, for clients that die leave theirs behind.
inline constexpr size_t kHandlesMax = 4096;
inline constexpr size_t kAttributesMax = 1024, kAttributeNameBytesMax = 511, kAttributeValueBytesMax = 40 * 1024;
inline constexpr size_t kPropertiesMax = 128, kPropertyTextBytesMax = 4096, kAclTextBytesMax = 16 * 1024;
inline constexpr uint64_t kBytesPerTargetMin = kMiB;

inline std::string pool_key(const Uuid& pool) { return "pools/" + pool.to_string(); }
inline std::string label_key(std::string_view label) { return "labels/" + std::string(label); }
// Everything that goes with a pool when it is destroyed.
inline std::string inside(const Uuid& pool) { return "in/" + pool.to_string() + "/"; }
inline std::string handles_prefix(const Uuid& pool) { return inside(pool) + "handle/"; }
inline std::string attributes_prefix(const Uuid& pool) { return inside(pool) + "attribute/"; }
inline std::string containers_prefix(const Uuid& pool) { return inside(pool) + "container/"; }

// kBadFormat for a record that does not decode (names the key).
template <class Record>
Result<std::optional<Record>> read_record(const consensus::State& state, const std::string& key) {
  const Buffer* value = state.get(key);
  if (!value) return std::optional<Record>();
  auto record = decode<Record>(*value);
  if (!record.ok()) return Error(Code::kBadFormat, "the system's record " + key + " is damaged");
  return std::optional<Record>(std::move(*record));
}
// The pool of this label or UUID text, ready to be used. kNonexistent (names it); kBusy while it is being
// made or destroyed.
Result<PoolRecord> find_pool(const consensus::State& state, std::string_view name);
Result<PoolRecord> find_pool(const consensus::State& state, const Uuid& uuid);
std::vector<PoolRecord> all_pools(const consensus::State& state);
size_t count(const consensus::State& state, std::string_view prefix);
// Container handles whose records the batch removes.
std::vector<Uuid> closed_handles(const consensus::Batch& batch);
// Adds the removal of every key that begins with the prefix.
void remove_all(const consensus::State& state, std::string_view prefix, consensus::Batch& batch);

// Labels of pools and containers: 1..127 letters, digits, '.', '_', '-', ':', and not a UUID's text.
Result<void> check_label(std::string_view label, std::string_view noun);
Result<void> check_properties(const std::vector<Property>& properties);
// Each of `changes` replaces the one of its type.
void merge_properties(std::vector<Property>& properties, const std::vector<Property>& changes);
const Property* find_property(const std::vector<Property>& properties, uint32_t type);
// DAOS_PROP_PO_SCRUB_MODE, _FREQ, _THRESH: what they say, the defaults where they are silent. kInvalid
// names the property and what it may be.
Result<ScrubPolicy> scrub_policy_of(const std::vector<Property>& properties);
Property number_property(uint32_t type, uint64_t number);
Property text_property(uint32_t type, std::string text);
// What the targets do with a pool's data. kInvalid, kNotSupported: a value that is none, or none here.
Result<Targets::Policy> policy_of(const PoolRecord& pool);
// What was set, completed by the defaults.
std::vector<Property> effective_properties(const PoolRecord& pool);

}  // namespace varve::pool
