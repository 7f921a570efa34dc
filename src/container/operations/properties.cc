#include "container/decision.h"

namespace varve::container {
namespace {

// Data that is there already was protected in the old way.
Result<void> check_fixed(const ContainerRecord& container, const std::vector<Property>& changes) {
  const std::vector<Property> before = effective_properties(container);
  constexpr std::pair<uint32_t, const char*> kFixed[] = {{kPropertyChecksum, "cksum"},
                                                         {kPropertyChecksumSize, "cksum_size"},
                                                         {kPropertyServerVerify, "srv_cksum"},
                                                         {kPropertyScrubDisabled, "scrubber_disabled"}};
  for (const auto& [type, name] : kFixed) {
    const Property* change = pool::find_property(changes, type);
    if (change && (change->is_text || change->number != pool::find_property(before, type)->number))
      return Error(Code::kNoPermission, std::string("property ") + name +
                                            " is fixed when a container is made; make another and copy");
  }
  return {};
}

}  // namespace

Result<Batch> set_properties(const State& state, const SetContainerProperties& request, const Context& context) {
  VARVE_CHECK(pool::check_properties(request.properties));
  VARVE_TRY(ContainerRecord container, find_container(state, request.pool, request.name));
  VARVE_CHECK(pool::check_guarded_changes(request.properties,
                                          pool::permissions(container.properties, kGuarded, context), kGuarded,
                                          "container '" + request.name + "'", context));
  VARVE_CHECK(check_fixed(container, request.properties));
  std::vector<Property> changes = request.properties;
  Batch batch;
  const Property* label = pool::find_property(changes, kPropertyLabel);
  if (label && label->text != container.label) {
    VARVE_CHECK(pool::check_label(label->text, "container"));
    if (state.get(label_key(request.pool, label->text)))
      return Error(Code::kExists, "a container of the label '" + label->text +
                                      "' exists already in this pool; choose another");
    if (!container.label.empty()) batch.push_back({label_key(request.pool, container.label), std::nullopt});
    container.label = label->text;
    batch.push_back({label_key(request.pool, container.label), encode(pool::UuidRecord{container.uuid})});
  }
  std::erase_if(changes, [](const Property& property) { return property.type == kPropertyLabel; });
  pool::merge_properties(container.properties, changes);
  VARVE_CHECK(pool::check_properties(container.properties));
  batch.push_back({container_key(request.pool, container.uuid), encode(container)});
  return batch;
}

}  // namespace varve::container
