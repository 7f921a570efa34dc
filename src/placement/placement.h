// Where things go: the pool map, object classes and layouts. Pure functions, no I/O. Every hash and
// tie-break is fixed in docs/formats/placement.md, for it decides where data lies.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"

namespace varve::placement {

enum class TargetState : uint8_t { kUp, kDown };

struct PoolTarget {
  Rank rank;
  TargetIndex index;  // within its engine
  TargetState state = TargetState::kUp;
  // Where it listens, preferred transport first ("local://...", "tcp://...").
  std::vector<std::string> addresses;
  template <class Archive>
  void visit(Archive& archive) { archive(rank, index, state, addresses); }
};

struct PoolMap {
  uint32_t version = 0;
  std::vector<PoolTarget> targets;  // the position here is the pool-wide target number
  template <class Archive>
  void visit(Archive& archive) { archive(version, targets); }
};

enum class Redundancy : uint8_t { kNone, kReplicated, kErasureCoded };

// What a daos_oclass_id_t says. Ids and names are DAOS's (daos_obj_class.h).
struct ObjectClass {
  uint32_t id = 0;
  Redundancy redundancy = Redundancy::kNone;
  uint32_t groups = 1;        // kGroupsMax: over all targets (SX, MAX)
  uint32_t group_shards = 1;  // replicas, or data + parity
};
inline constexpr uint32_t kGroupsMax = 0xffff;

// "S1".."SX", "TINY", "SMALL", "LARGE", "MAX"; others are known by name and refused with
// kNotImplemented until redundancy comes. kInvalid for names that no class has.
Result<ObjectClass> class_by_name(std::string_view name);
Result<ObjectClass> class_by_id(uint32_t id);
std::string class_name(uint32_t id);  // "UNKNOWN" where there is none
// Fills in type (daos_otype_t) and class; keeps the user's 96 bits.
ObjectId make_object_id(ObjectId user_bits, uint8_t type, const ObjectClass& object_class);
Result<ObjectClass> class_of(ObjectId oid);

// A computed layout: shards()[group] is the pool-wide number of the target of that group.
struct Layout {
  std::vector<uint32_t> targets;  // one per group (group_shards 1 for now)
  // The group that keeps this dkey: jump consistent hash of the dkey's hash over the groups.
  uint32_t group_of(ByteView dkey) const;
  // For integer dkeys the hash is over the 8 bytes as given; `dkey_hash` may be precomputed.
  uint32_t group_of_hash(uint64_t dkey_hash) const;
};
uint64_t dkey_hash(ByteView dkey);
// kInvalid for a class that the oid does not name or an empty map.
Result<Layout> compute_layout(ObjectId oid, const PoolMap& map);

// Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014.
uint32_t jump_consistent_hash(uint64_t key, uint32_t buckets);

}  // namespace varve::placement
