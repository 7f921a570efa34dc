#include "container/state.h"

#include <charconv>
#include <cstdio>

namespace varve::container {
namespace {

Result<ContainerRecord> usable(Result<std::optional<ContainerRecord>> found, std::string_view name) {
  if (!found.ok()) return std::move(found.error());
  if (!*found)
    return Error(Code::kNonexistent, "container '" + std::string(name) +
                                         "' does not exist in this pool; list containers to see which do");
  if ((*found)->state != ContainerState::kReady)
    return Error(Code::kBusy, "container '" + std::string(name) + "' is being " +
                                  ((*found)->state == ContainerState::kCreating ? "created" : "destroyed") +
                                  "; try again");
  return std::move(**found);
}

}  // namespace

std::string snapshot_key(const Uuid& pool, const Uuid& container, Epoch epoch) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(epoch.value));
  return snapshots_prefix(pool, container) + digits;
}

Result<ContainerRecord> find_container(const consensus::State& state, const Uuid& pool, const Uuid& uuid) {
  VARVE_CHECK(pool::find_pool(state, pool));
  return usable(pool::read_record<ContainerRecord>(state, container_key(pool, uuid)), uuid.to_string());
}

Result<ContainerRecord> find_container(const consensus::State& state, const Uuid& pool, std::string_view name) {
  VARVE_CHECK(pool::find_pool(state, pool));
  auto uuid = Uuid::parse(name);
  if (!uuid.ok()) {
    VARVE_TRY(auto record, pool::read_record<pool::UuidRecord>(state, label_key(pool, name)));
    uuid = record ? record->uuid : Uuid{};
  }
  return usable(pool::read_record<ContainerRecord>(state, container_key(pool, *uuid)), name);
}

std::vector<ContainerRecord> all_containers(const consensus::State& state, const Uuid& pool) {
  std::vector<ContainerRecord> containers;
  state.scan(pool::containers_prefix(pool), [&](std::string_view, const Buffer& value) {
    auto record = decode<ContainerRecord>(value);
    if (record.ok()) containers.push_back(std::move(*record));
    return true;
  });
  return containers;
}

std::vector<std::pair<Uuid, uint32_t>> all_handles(const consensus::State& state, const Uuid& pool,
                                                   const Uuid& container) {
  std::vector<std::pair<Uuid, uint32_t>> handles;
  const std::string prefix = handles_prefix(pool, container);
  state.scan(prefix, [&](std::string_view key, const Buffer& value) {
    key.remove_prefix(prefix.size());
    const auto handle = Uuid::parse(key.substr(0, key.find('@')));
    auto record = decode<OpenRecord>(value);
    if (handle.ok() && record.ok()) handles.emplace_back(*handle, record->flags);
    return true;
  });
  return handles;
}

std::vector<Snapshot> all_snapshots(const consensus::State& state, const Uuid& pool, const Uuid& container) {
  std::vector<Snapshot> snapshots;
  const std::string prefix = snapshots_prefix(pool, container);
  state.scan(prefix, [&](std::string_view key, const Buffer& value) {
    Snapshot snapshot{Epoch{}, std::string(as_text(value))};
    std::from_chars(key.data() + prefix.size(), key.data() + key.size(), snapshot.epoch.value, 16);
    snapshots.push_back(std::move(snapshot));
    return true;
  });
  return snapshots;
}

std::string layout_name(uint64_t layout_type) {
  static constexpr const char* kNames[] = {"unknown", "POSIX",    "HDF5", "PYTHON", "SPARK",
                                           "DATABASE", "ROOT", "SEISMIC", "METEO"};
  return layout_type < std::size(kNames) ? kNames[layout_type] : "unknown";
}

std::vector<Property> effective_properties(const ContainerRecord& container) {
  using pool::number_property;
  using pool::text_property;
  std::vector<Property> all = {
      text_property(kPropertyLabel, container.label.empty() ? "container_label_not_set" : container.label),
      text_property(kPropertyOwner, std::to_string(container.owner_uid) + "@"),
      text_property(kPropertyOwnerGroup, std::to_string(container.owner_gid) + "@")};
  constexpr std::pair<uint32_t, uint64_t> kDefaults[] = {
      {4098, 0}, {4099, 1}, {4100, 2}, {4101, 32 * kKiB}, {4102, 1}, {4103, 0}, {4104, 1}, {4105, 0}, {4107, 0},
      {4108, 0}, {4111, 0}, {4112, 4096}, {4114, 0}, {4116, 64 * kKiB}, {4117, 1}, {4118, 0xffffffff}, {4119, 1},
      {4120, 0}, {4121, 1}, {4122, 255}};
  for (const auto& [type, number] : kDefaults) all.push_back(number_property(type, number));
  all.push_back(text_property(kPropertyAcl, pool::list_text(container.properties, kGuarded)));
  pool::merge_properties(all, container.properties);
  pool::merge_properties(all, {number_property(kPropertyAllocatedId, container.next_object_id)});
  return all;
}

}  // namespace varve::container
