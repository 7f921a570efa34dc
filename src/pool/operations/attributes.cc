#include "pool/decision.h"

namespace varve::pool {
namespace {

// Of one page of names; what a name takes besides its bytes.
constexpr size_t kPageBytes = 40 * kKiB, kEntryBytes = 16;

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

AttributesReply list_page(const State& state, const std::string& prefix, const std::string& after) {
  AttributesReply reply;
  size_t bytes = 0;
  state.scan(prefix, [&](std::string_view key, const Buffer&) {
    key.remove_prefix(prefix.size());
    if (!after.empty() && key <= after) return true;
    bytes += kEntryBytes + key.size();
    reply.more = bytes > kPageBytes;
    if (!reply.more) reply.attributes.push_back({std::string(key), {}, true});
    return !reply.more;
  });
  return reply;
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
      decision.reply = list_page(state, prefix, attributes.empty() ? "" : attributes[0].name);
      return decision;
  }
  return Error(Code::kInvalid, "attributes: verb " + std::to_string(static_cast<int>(verb)) + " is not known");
}

}  // namespace varve::pool
