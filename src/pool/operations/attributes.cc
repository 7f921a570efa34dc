#include "pool/decision.h"

namespace varve::pool {
namespace {

Result<void> check(const std::vector<Attribute>& attributes) {
  for (const Attribute& attribute : attributes) {
    if (attribute.name.empty() || attribute.name.size() > kAttributeNameBytesMax)
      return Error(Code::kInvalid, "an attribute's name has 1 to " + std::to_string(kAttributeNameBytesMax) +
                                       " bytes, not " + std::to_string(attribute.name.size()));
    if (attribute.value.size() > kAttributeValueBytesMax)
      return Error(Code::kInvalid, "attribute '" + attribute.name + "': the value has " +
                                       std::to_string(attribute.value.size()) + " bytes, at most " +
                                       std::to_string(kAttributeValueBytesMax) + " are kept");
  }
  return {};
}

}  // namespace

Result<Decision<AttributesReply>> attributes(const State& state, const std::string& prefix, AttributeVerb verb,
                                             const std::vector<Attribute>& attributes) {
  VARVE_CHECK(check(attributes));
  Decision<AttributesReply> decision;
  switch (verb) {
    case AttributeVerb::kSet:
      if (count(state, prefix) + attributes.size() > kAttributesMax)
        return Error(Code::kNoSpace, "more than " + std::to_string(kAttributesMax) +
                                         " attributes are not kept; delete some");
      for (const Attribute& attribute : attributes)
        decision.batch.push_back({prefix + attribute.name, attribute.value});
      return decision;
    case AttributeVerb::kDelete:
      for (const Attribute& attribute : attributes) decision.batch.push_back({prefix + attribute.name, std::nullopt});
      return decision;
    case AttributeVerb::kGet:
      for (const Attribute& attribute : attributes) {
        const Buffer* value = state.get(prefix + attribute.name);
        decision.reply.attributes.push_back({attribute.name, value ? *value : Buffer(), value != nullptr});
      }
      return decision;
    case AttributeVerb::kList:
      state.scan(prefix, [&](std::string_view key, const Buffer&) {
        decision.reply.attributes.push_back({std::string(key.substr(prefix.size())), {}, true});
        return true;
      });
      return decision;
  }
  return Error(Code::kInvalid, "attributes: verb " + std::to_string(static_cast<int>(verb)) + " is not known");
}

}  // namespace varve::pool
