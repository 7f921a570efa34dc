#include "pool/access.h"

#include <algorithm>

namespace varve::pool {
namespace {

Result<PoolRecord> usable(Result<std::optional<PoolRecord>> found, std::string_view name) {
  if (!found.ok()) return std::move(found.error());
  if (!*found)
    return Error(Code::kNonexistent,
                 "pool '" + std::string(name) + "' does not exist; list pools to see which do");
  if ((*found)->state != PoolState::kReady)
    return Error(Code::kBusy, "pool '" + std::string(name) + "' is being " +
                                  ((*found)->state == PoolState::kCreating ? "created" : "destroyed") +
                                  "; try again");
  return std::move(**found);
}

}  // namespace

Result<PoolRecord> find_pool(const consensus::State& state, const Uuid& uuid) {
  return usable(read_record<PoolRecord>(state, pool_key(uuid)), uuid.to_string());
}

Result<PoolRecord> find_pool(const consensus::State& state, std::string_view name) {
  auto uuid = Uuid::parse(name);
  if (!uuid.ok()) {
    const Buffer* value = state.get(label_key(name));
    auto record = value ? decode<UuidRecord>(*value) : Result<UuidRecord>(UuidRecord{});
    if (!record.ok())
      return Error(Code::kBadFormat, "the system's record of label '" + std::string(name) + "' is damaged");
    uuid = record->uuid;
  }
  return usable(read_record<PoolRecord>(state, pool_key(*uuid)), name);
}

std::vector<PoolRecord> all_pools(const consensus::State& state) {
  std::vector<PoolRecord> pools;
  state.scan("pools/", [&](std::string_view, const Buffer& value) {
    auto record = decode<PoolRecord>(value);
    if (record.ok()) pools.push_back(std::move(*record));
    return true;
  });
  return pools;
}

size_t count(const consensus::State& state, std::string_view prefix) {
  size_t number = 0;
  state.scan(prefix, [&](std::string_view, const Buffer&) { return ++number, true; });
  return number;
}

// "in/POOL/of/CONTAINER/handle/HANDLE@CONNECTION", exactly: names of attributes are anything.
std::vector<Uuid> closed_handles(const consensus::Batch& batch) {
  constexpr std::string_view kPart = "/handle/";
  constexpr size_t kUuid = 36, kOf = 3 + kUuid + 1, kPartAt = kOf + 3 + kUuid, kHandleAt = kPartAt + kPart.size();
  std::vector<Uuid> handles;
  for (const consensus::Change& change : batch) {
    const std::string_view key = change.key;
    if (change.value || key.size() != kHandleAt + 2 * kUuid + 1 || !key.starts_with("in/")) continue;
    if (key.substr(kOf, 3) != "of/" || key.substr(kPartAt, kPart.size()) != kPart) continue;
    const auto handle = Uuid::parse(key.substr(kHandleAt, kUuid));
    if (handle.ok()) handles.push_back(*handle);
  }
  return handles;
}

void remove_all(const consensus::State& state, std::string_view prefix, consensus::Batch& batch) {
  state.scan(prefix, [&](std::string_view key, const Buffer&) {
    batch.push_back({std::string(key), std::nullopt});
    return true;
  });
}

Result<void> check_label(std::string_view label, std::string_view noun) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == ':';
  };
  if (label.empty() || label.size() > 127 || !std::all_of(label.begin(), label.end(), allowed) ||
      Uuid::parse(label).ok())
    return Error(Code::kInvalid, std::string(noun) + " label '" + std::string(label.substr(0, 127)) +
                                     "' is not valid; use 1 to 127 letters, digits, '.', '_', '-' or "
                                     "':', but not the form of a UUID");
  return {};
}

static bool is_list(uint32_t type) { return type == kPropertyAcl || type == 4106; }

Result<void> check_properties(const std::vector<Property>& properties) {
  if (properties.size() > kPropertiesMax)
    return Error(Code::kInvalid, std::to_string(properties.size()) + " properties are more than the " +
                                     std::to_string(kPropertiesMax) + " that are allowed");
  for (const Property& property : properties)
    if (property.text.size() > (is_list(property.type) ? kAclTextBytesMax : kPropertyTextBytesMax))
      return Error(Code::kInvalid, "property " + std::to_string(property.type) + " is longer than " +
                                       std::to_string(kPropertyTextBytesMax) + " bytes");
  return {};
}

const Property* find_property(const std::vector<Property>& properties, uint32_t type) {
  for (const Property& property : properties)
    if (property.type == type) return &property;
  return nullptr;
}

Result<ScrubPolicy> scrub_policy_of(const std::vector<Property>& properties) {
  ScrubPolicy policy;
  const auto number = [&](uint32_t type, const char* name, uint64_t least, uint64_t most,
                          uint64_t otherwise) -> Result<uint64_t> {
    const Property* property = find_property(properties, type);
    if (!property) return otherwise;
    if (!property->is_text && property->number >= least && property->number <= most) return property->number;
    return Error(Code::kInvalid, std::string("property ") + name + ": take a number from " + std::to_string(least) +
                                     " to " + std::to_string(most));
  };
  VARVE_TRY(const uint64_t mode, number(16, "scrub (0 off, 1 lazy, 2 timed)", 0, 2, 0));
  VARVE_TRY(const uint64_t period, number(17, "scrub_freq (seconds)", 1, ~0U, policy.period_s));
  VARVE_TRY(const uint64_t threshold, number(18, "scrub_thresh (errors)", 0, ~0U, 0));
  policy.mode = static_cast<ScrubPolicy::Mode>(mode);
  policy.period_s = static_cast<uint32_t>(period);
  policy.threshold = static_cast<uint32_t>(threshold);
  return policy;
}

void merge_properties(std::vector<Property>& properties, const std::vector<Property>& changes) {
  for (const Property& change : changes) {
    const auto same = [&](const Property& property) { return property.type == change.type; };
    const auto found = std::find_if(properties.begin(), properties.end(), same);
    if (found == properties.end()) properties.push_back(change);
    else *found = change;
  }
}

Result<Targets::Policy> policy_of(const PoolRecord& pool) {
  Targets::Policy policy;
  if (const Property* reclaim = find_property(pool.properties, kPropertyReclaim)) policy.reclaim = reclaim->number;
  if (const Property* threshold = find_property(pool.properties, kPropertyDataThreshold))
    policy.data_threshold = threshold->number;
  if (policy.reclaim == 2 || policy.reclaim == 3)
    return Error(Code::kNotSupported, std::string("property reclaim: '") +
                                          (policy.reclaim == 2 ? "snapshot" : "batch") +
                                          "' does not exist here; choose lazy, time or disabled");
  if (policy.reclaim != kReclaimDisabled && policy.reclaim != kReclaimLazy && policy.reclaim != kReclaimTime)
    return Error(Code::kInvalid, "property reclaim: " + std::to_string(policy.reclaim) +
                                     " is no value of it; choose 0 (disabled), 1 (lazy) or 4 (time)");
  if (policy.data_threshold < kDataThresholdMin || policy.data_threshold > kDataThresholdMax)
    return Error(Code::kInvalid, "property data_thresh: " + std::to_string(policy.data_threshold) +
                                     " bytes; " + std::to_string(kDataThresholdMin) + " to " +
                                     std::to_string(kDataThresholdMax) + " are possible");
  return policy;
}

Property number_property(uint32_t type, uint64_t number) { return {type, false, number, ""}; }
Property text_property(uint32_t type, std::string text) { return {type, true, 0, std::move(text)}; }

std::vector<Property> effective_properties(const PoolRecord& pool) {
  // DAOS_PROP_PO_*: label, owner, group; then number and default of the rest.
  std::vector<Property> all = {text_property(1, pool.label), text_property(6, std::to_string(pool.owner_uid) + "@"),
                               text_property(7, std::to_string(pool.owner_gid) + "@")};
  constexpr std::pair<uint32_t, uint64_t> kDefaults[] = {
      {3, 0},     {4, 3},    {5, 1},       {9, 64 * kKiB}, {10, 4096}, {11, 0},  {12, 1},  {13, 0xffffffff}, {14, 1},
      {15, 2},    {16, 0},   {17, 604800}, {18, 0},        {19, 0},    {20, 1},  {21, 255}, {22, 1},         {23, 5},
      {24, 50},   {25, 0},   {26, 1},      {27, 600}};
  for (const auto& [type, number] : kDefaults) all.push_back(number_property(type, number));
  all.push_back(text_property(kPropertyAcl, list_text(pool.properties, kGuardedPool)));
  merge_properties(all, pool.properties);
  return all;
}

}  // namespace varve::pool
