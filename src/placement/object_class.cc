#include <array>
#include <charconv>

#include "placement/placement.h"

namespace varve::placement {
namespace {

// Bits 24..31 of a class id: how a group is protected (enum daos_obj_redun, daos_obj_class.h).
struct Protection {
  uint32_t number;
  const char* name;
  Redundancy redundancy;
  uint32_t shards;
};
constexpr uint32_t kPlain = 1;
constexpr std::array<Protection, 25> kProtections{{
    {1, "S", Redundancy::kNone, 1},
    {8, "RP_2G", Redundancy::kReplicated, 2},
    {9, "RP_3G", Redundancy::kReplicated, 3},
    {10, "RP_4G", Redundancy::kReplicated, 4},
    {11, "RP_5G", Redundancy::kReplicated, 5},
    {12, "RP_6G", Redundancy::kReplicated, 6},
    {13, "RP_8G", Redundancy::kReplicated, 8},
    {14, "RP_12G", Redundancy::kReplicated, 12},
    {15, "RP_16G", Redundancy::kReplicated, 16},
    {16, "RP_24G", Redundancy::kReplicated, 24},
    {17, "RP_32G", Redundancy::kReplicated, 32},
    {18, "RP_48G", Redundancy::kReplicated, 48},
    {19, "RP_64G", Redundancy::kReplicated, 64},
    {20, "RP_128G", Redundancy::kReplicated, 128},
    {32, "EC_2P1G", Redundancy::kErasureCoded, 3},
    {33, "EC_2P2G", Redundancy::kErasureCoded, 4},
    {34, "EC_4P1G", Redundancy::kErasureCoded, 5},
    {35, "EC_4P2G", Redundancy::kErasureCoded, 6},
    {36, "EC_8P1G", Redundancy::kErasureCoded, 9},
    {37, "EC_8P2G", Redundancy::kErasureCoded, 10},
    {38, "EC_16P1G", Redundancy::kErasureCoded, 17},
    {39, "EC_16P2G", Redundancy::kErasureCoded, 18},
    {40, "EC_4P3G", Redundancy::kErasureCoded, 7},
    {41, "EC_8P3G", Redundancy::kErasureCoded, 11},
    {42, "EC_16P3G", Redundancy::kErasureCoded, 19},
}};

// Names without a group count; what they stand for is ours (docs/formats/placement.md).
struct Alias {
  uint32_t id;
  const char* name;
  Redundancy redundancy;
  uint32_t groups;
};
constexpr std::array<Alias, 17> kAliases{{
    {51, "TINY", Redundancy::kNone, 1},
    {52, "SMALL", Redundancy::kNone, 4},
    {53, "LARGE", Redundancy::kNone, 32},
    {54, "MAX", Redundancy::kNone, kGroupsMax},
    {60, "RP_TINY", Redundancy::kReplicated, 1},
    {61, "RP_SMALL", Redundancy::kReplicated, 4},
    {62, "RP_LARGE", Redundancy::kReplicated, 32},
    {63, "RP_MAX", Redundancy::kReplicated, kGroupsMax},
    {70, "RP_SF_TINY", Redundancy::kReplicated, 1},
    {71, "RP_SF_SMALL", Redundancy::kReplicated, 4},
    {72, "RP_SF_LARGE", Redundancy::kReplicated, 32},
    {73, "RP_SF_MAX", Redundancy::kReplicated, kGroupsMax},
    {80, "RP_XSF", Redundancy::kReplicated, 1},
    {100, "EC_TINY", Redundancy::kErasureCoded, 1},
    {101, "EC_SMALL", Redundancy::kErasureCoded, 4},
    {102, "EC_LARGE", Redundancy::kErasureCoded, 32},
    {103, "EC_MAX", Redundancy::kErasureCoded, kGroupsMax},
}};

const Protection* protection_of(uint32_t number) {
  for (const Protection& protection : kProtections)
    if (number != 0 && protection.number == number) return &protection;
  return nullptr;
}
const Alias* alias_of(uint32_t id) {
  for (const Alias& alias : kAliases)
    if (alias.id == id) return &alias;
  return nullptr;
}

Result<ObjectClass> not_yet(const std::string& name) {
  return Error(Code::kNotImplemented, "object class " + name +
                                          " is redundant, which is not implemented yet; use S1 ... SX");
}
Error no_such_class(std::string_view name) {
  return Error(Code::kInvalid, "there is no object class '" + std::string(name) +
                                   "'; known are S1, S2, S4 ... SX, TINY, SMALL, LARGE, MAX");
}

// "4" or "X"; 0 where it is neither.
uint32_t parse_groups(std::string_view text) {
  if (text == "X") return kGroupsMax;
  uint32_t groups = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), groups);
  if (error != std::errc() || end != text.data() + text.size() || text.front() == '0') return 0;
  return groups < kGroupsMax ? groups : 0;
}

}  // namespace

Result<ObjectClass> class_by_id(uint32_t id) {
  if (const Alias* alias = alias_of(id)) {
    if (alias->redundancy != Redundancy::kNone) return not_yet(alias->name);
    return ObjectClass{id, Redundancy::kNone, alias->groups, 1};
  }
  const Protection* protection = protection_of(id >> 24);
  const uint32_t groups = id & 0xffff;
  if (!protection || groups == 0 || (id >> 16 & 0xff) != 0) return no_such_class(std::to_string(id));
  if (protection->redundancy != Redundancy::kNone) return not_yet(class_name(id));
  return ObjectClass{id, protection->redundancy, groups, protection->shards};
}

Result<ObjectClass> class_by_name(std::string_view name) {
  for (const Alias& alias : kAliases)
    if (name == alias.name) return class_by_id(alias.id);
  for (const Protection& protection : kProtections) {
    const std::string_view prefix = protection.name;
    if (prefix.empty() || !name.starts_with(prefix) || name.size() == prefix.size()) continue;
    if (const uint32_t groups = parse_groups(name.substr(prefix.size())))
      return class_by_id(protection.number << 24 | groups);
  }
  return no_such_class(name);
}

std::string class_name(uint32_t id) {
  if (const Alias* alias = alias_of(id)) return alias->name;
  const Protection* protection = protection_of(id >> 24);
  const uint32_t groups = id & 0xffff;
  if (!protection || groups == 0 || (id >> 16 & 0xff) != 0) return "UNKNOWN";
  return protection->name + (groups == kGroupsMax ? "X" : std::to_string(groups));
}

ObjectId make_object_id(ObjectId user_bits, uint8_t type, const ObjectClass& object_class) {
  const uint32_t protection = object_class.id >> 24 ? object_class.id >> 24 : kPlain;
  ObjectId oid = user_bits;
  oid.high = (oid.high & 0xffffffffULL) | uint64_t{type} << 56 | uint64_t{protection} << 48 |
             uint64_t{object_class.groups} << 32;
  return oid;
}

Result<ObjectClass> class_of(ObjectId oid) {
  const auto protection = static_cast<uint32_t>(oid.high >> 48 & 0xff);
  const auto groups = static_cast<uint32_t>(oid.high >> 32 & 0xffff);
  return class_by_id(protection << 24 | groups);
}

}  // namespace varve::placement
