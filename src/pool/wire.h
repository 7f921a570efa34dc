// Messages of the pool service and of the system, to an engine's system endpoint. Replies carry their
// record as body; failures carry code and text (rpc/). Every operation that changes something carries
// an OperationId: resent, it returns its first result.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/record.h"
#include "placement/placement.h"

namespace varve::pool {

// 0x01xx: system and pool service.
inline constexpr uint16_t kSystemQuery = 0x0100, kPoolCreate = 0x0110, kPoolDestroy = 0x0111,
                          kPoolList = 0x0112, kPoolQuery = 0x0113, kPoolConnect = 0x0114,
                          kPoolDisconnect = 0x0115, kPoolGetProperties = 0x0116,
                          kPoolSetProperties = 0x0117, kPoolAttributes = 0x0118, kPoolEvict = 0x0119,
                          kPoolChangeAcl = 0x0120;

struct OperationId {
  Uuid client;
  uint64_t sequence = 0;
  template <class Archive>
  void visit(Archive& archive) { archive(client, sequence); }
};

// A property by its number (DAOS_PROP_PO_*, DAOS_PROP_CO_*, daos_prop.h) and an integer or text value.
struct Property {
  uint32_t type = 0;
  bool is_text = false;
  uint64_t number = 0;
  std::string text;
  template <class Archive>
  void visit(Archive& archive) { archive(type, is_text, number, text); }
};

struct Empty {
  uint8_t nothing = 0;
  template <class Archive>
  void visit(Archive& archive) { archive(nothing); }
};

// --- system
struct SystemQuery {
  uint32_t protocol_version = 0;
  template <class Archive>
  void visit(Archive& archive) { archive(protocol_version); }
};
// Since the target's start.
struct IntegrityCounters {
  uint64_t damaged_writes = 0;  // updates refused, for they arrived damaged
  uint64_t damaged_reads = 0;   // fetches refused, for what is stored is damaged
  uint64_t scrub_passes = 0, scrubbed_bytes = 0;
  uint64_t scrub_errors = 0;    // damaged runs that a scrub has marked
  template <class Archive>
  void visit(Archive& archive) { archive(damaged_writes, damaged_reads, scrub_passes, scrubbed_bytes, scrub_errors); }
};
struct TargetInfo {
  uint32_t index = 0;
  std::string device, device_kind;
  std::vector<std::string> addresses;
  uint64_t size_bytes = 0, unreserved_bytes = 0;
  std::string state;  // "up", "failed: WHY", or "bad: WHY" (more damage than a pool's scrub_thresh)
  IntegrityCounters integrity;
  template <class Archive>
  void visit(Archive& archive) {
    archive(index, device, device_kind, addresses, size_bytes, unreserved_bytes, state, integrity);
  }
};
struct SystemInfo {
  Uuid uuid;
  std::string name, version;
  uint32_t rank = 0;
  uint64_t uptime_ms = 0;
  std::vector<std::string> addresses;  // of the system endpoint
  std::vector<TargetInfo> targets;
  template <class Archive>
  void visit(Archive& archive) { archive(uuid, name, version, rank, uptime_ms, addresses, targets); }
};

// --- pools. `name`: label or UUID text.
struct PoolSpace {
  uint64_t total = 0, free = 0;
  uint64_t target_free_min = 0, target_free_max = 0;
  template <class Archive>
  void visit(Archive& archive) { archive(total, free, target_free_min, target_free_max); }
};
struct PoolInfo {
  Uuid uuid;
  std::string label;
  uint32_t map_version = 0, targets = 0, targets_disabled = 0;
  PoolSpace space;
  uint32_t containers = 0;
  uint32_t owner_uid = 0, owner_gid = 0;
  bool persistent = true;
  template <class Archive>
  void visit(Archive& archive) {
    archive(uuid, label, map_version, targets, targets_disabled, space, containers, owner_uid, owner_gid, persistent);
  }
};
struct CreatePool {
  OperationId operation;
  Uuid uuid;  // null: the service makes one
  std::string label;
  uint64_t bytes = 0;  // of the whole pool, split evenly over the targets; 0 with percent
  uint32_t percent = 0;  // of what is unreserved; 1..100, or 0 with bytes
  std::vector<Property> properties;
  template <class Archive>
  void visit(Archive& archive) { archive(operation, uuid, label, bytes, percent, properties); }
};
struct CreatePoolReply {
  PoolInfo info;
  template <class Archive>
  void visit(Archive& archive) { archive(info); }
};
struct DestroyPool {
  OperationId operation;
  std::string name;
  bool force = false, recursive = false;  // without recursive: kBusy while it has containers
  template <class Archive>
  void visit(Archive& archive) { archive(operation, name, force, recursive); }
};
struct ListPools {
  uint8_t flags = 0;
  template <class Archive>
  void visit(Archive& archive) { archive(flags); }
};
struct ListPoolsReply {
  std::vector<PoolInfo> pools;
  template <class Archive>
  void visit(Archive& archive) { archive(pools); }
};
struct QueryPool {
  std::string name;
  template <class Archive>
  void visit(Archive& archive) { archive(name); }
};
struct QueryPoolReply {
  PoolInfo info;
  placement::PoolMap map;
  template <class Archive>
  void visit(Archive& archive) { archive(info, map); }
};
struct ConnectPool {
  std::string name;
  uint32_t flags = 0;  // DAOS_PC_RO 1, DAOS_PC_RW 2, DAOS_PC_EX 4
  template <class Archive>
  void visit(Archive& archive) { archive(name, flags); }
};
struct ConnectPoolReply {
  Uuid handle;
  PoolInfo info;
  placement::PoolMap map;
  template <class Archive>
  void visit(Archive& archive) { archive(handle, info, map); }
};
struct DisconnectPool {
  Uuid pool, handle;
  template <class Archive>
  void visit(Archive& archive) { archive(pool, handle); }
};
// Closes every connection, and the container handles opened through them.
struct EvictPool {
  OperationId operation;
  std::string name;
  template <class Archive>
  void visit(Archive& archive) { archive(operation, name); }
};
struct GetProperties {
  std::string name;
  template <class Archive>
  void visit(Archive& archive) { archive(name); }
};
struct Properties {
  std::vector<Property> properties;
  template <class Archive>
  void visit(Archive& archive) { archive(properties); }
};
struct SetProperties {
  OperationId operation;
  std::string name;
  std::vector<Property> properties;
  template <class Archive>
  void visit(Archive& archive) { archive(operation, name, properties); }
};

// Changes of access control lists. Lists are text, one entry a line (security/acl.h); to be read they are a property.
enum class AclVerb : uint8_t { kOverwrite, kUpdate, kDelete };
struct ChangeAcl {
  OperationId operation;
  std::string name;
  AclVerb verb = AclVerb::kUpdate;
  std::string entries;  // kDelete: one principal, as in "u:name@"
  template <class Archive>
  void visit(Archive& archive) { archive(operation, name, verb, entries); }
};

// User attributes, of pools and of containers: set, get or delete by name, or list names: a page of those after
// the one that the request names (none: from the first).
enum class AttributeVerb : uint8_t { kSet, kGet, kDelete, kList };
struct Attribute {
  std::string name;
  Buffer value;
  bool found = false;  // in replies to kGet
  template <class Archive>
  void visit(Archive& archive) { archive(name, value, found); }
};
struct PoolAttributes {
  OperationId operation;
  Uuid pool;
  AttributeVerb verb = AttributeVerb::kList;
  std::vector<Attribute> attributes;
  template <class Archive>
  void visit(Archive& archive) { archive(operation, pool, verb, attributes); }
};
struct AttributesReply {
  std::vector<Attribute> attributes;
  bool more = false;  // kList: after the last of these
  template <class Archive>
  void visit(Archive& archive) { archive(attributes, more); }
};

}  // namespace varve::pool
