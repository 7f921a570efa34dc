#include "container/decision.h"

namespace varve::container {

Result<Batch> set_properties(const State& state, const SetContainerProperties& request, const Context& context) {
  VARVE_CHECK(pool::check_properties(request.properties));
  VARVE_TRY(ContainerRecord container, find_container(state, request.pool, request.name));
  VARVE_CHECK(pool::check_guarded_changes(request.properties,
                                          pool::permissions(container.properties, kGuarded, context), kGuarded,
                                          "container '" + request.name + "'", context));
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
