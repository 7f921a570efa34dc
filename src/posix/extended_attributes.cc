#include "posix/file_system.h"

namespace varve::posix {
namespace {

constexpr size_t kAttributeBytesMax = 65536;
constexpr uint32_t kPageEntries = 128;

Result<std::string> akey_of(std::string_view name) {
  if (name.empty()) return Error(Code::kInvalid, "the name of an extended attribute is empty");
  if (name.size() > kNameBytesMax)
    return Error(Code::kNameTooLong, "the name of an extended attribute is too long");
  return std::string(kAttributePrefix) + std::string(name);
}
Error no_such_attribute(const Node& node, std::string_view name) {
  return Error(Code::kNoAttribute,
               "'" + node.name + "' has no extended attribute '" + std::string(name) + "'");
}

}  // namespace

Task<Result<void>> FileSystem::set_extended_attribute(Session& session, const Node& node,
                                                      std::string_view name, ByteView value,
                                                      bool must_be_new, bool must_exist) {
  VARVE_CO_CHECK(require_writable());
  VARVE_CO_TRY(const std::string akey, akey_of(name));
  if (value.size() > kAttributeBytesMax)
    co_return Error(Code::kRecordTooBig, "an extended attribute is larger than 64 KiB");
  // A single value of no bytes is a punch: an empty attribute is one byte that stands for it.
  // Others begin with that byte too.
  Buffer stored_value(1 + value.size());
  std::copy(value.begin(), value.end(), stored_value.begin() + 1);
  const ByteView view = stored_value;
  client::IoDescriptor descriptor = single_value(akey, view);
  uint64_t conditions = store::kCondDkeyUpdate;
  if (must_be_new) conditions |= store::kCondAkeyInsert;
  if (must_exist) conditions |= store::kCondAkeyUpdate;
  Result<Epoch> stored = co_await session.update(node.parent->object, as_bytes(node.name),
                                                 conditions, only(descriptor));
  if (stored.code() == Code::kExists)
    co_return Error(Code::kExists, "'" + node.name + "' has an extended attribute '" +
                                       std::string(name) + "' already");
  if (stored.code() == Code::kNonexistent)
    co_return must_exist ? no_such_attribute(node, name) : no_such_entry(node.name);
  if (!stored) co_return std::move(stored.error());
  co_return Result<void>();
}

// kNonexistent where there is none; as it is stored.
Task<Result<Buffer>> FileSystem::attribute_value(Session& session, const Directory& parent,
                                                 std::string_view name, std::string_view akey) {
  Buffer value(256);
  for (;;) {
    const MutableByteView room = value;
    client::IoDescriptor descriptor;
    descriptor.akey = as_bytes(akey);
    descriptor.into = Scatter(&room, 1);
    Result<void> fetched =
        co_await session.fetch(parent.object, as_bytes(name), 0, only(descriptor));
    if (!fetched && fetched.code() != Code::kRecordTooBig) co_return std::move(fetched.error());
    if (descriptor.record_size == 0) co_return Code::kNonexistent;
    if (descriptor.record_size > kAttributeBytesMax + 1)
      co_return Error(Code::kBadFormat,
                      "an extended attribute of '" + std::string(name) + "' is damaged");
    const bool fits = fetched.ok() && descriptor.record_size <= value.size();
    value.resize(descriptor.record_size);
    if (fits) co_return value;
  }
}

Task<Result<Buffer>> FileSystem::extended_attribute(Session& session, const Node& node,
                                                    std::string_view name) {
  VARVE_CO_TRY(const std::string akey, akey_of(name));
  Result<Buffer> value = co_await attribute_value(session, *node.parent, node.name, akey);
  if (value.code() == Code::kNonexistent) co_return no_such_attribute(node, name);
  if (value) value->erase(value->begin());
  co_return value;
}

Task<Result<void>> FileSystem::remove_extended_attribute(Session& session, const Node& node,
                                                         std::string_view name) {
  VARVE_CO_CHECK(require_writable());
  VARVE_CO_TRY(const std::string akey, akey_of(name));
  const ByteView dkey = as_bytes(node.name), akey_view = as_bytes(akey);
  Result<void> punched =
      co_await session.punch(node.parent->object, std::span<const ByteView>(&dkey, 1),
                             std::span<const ByteView>(&akey_view, 1), store::kCondPunch);
  if (punched.code() == Code::kNonexistent) co_return no_such_attribute(node, name);
  co_return punched;
}

Task<Result<std::vector<std::string>>> FileSystem::extended_attributes(Session& session,
                                                                       const Node& node) {
  std::vector<std::string> names;
  Session::Anchor anchor;
  while (!anchor.end) {
    Result<std::vector<object::ListedEntry>> akeys =
        co_await session.list_akeys(node.parent->object, as_bytes(node.name), anchor, kPageEntries);
    if (akeys.code() == Code::kNonexistent) co_return no_such_entry(node.name);
    if (!akeys) co_return std::move(akeys.error());
    for (const object::ListedEntry& akey : *akeys)
      if (as_text(akey.key).starts_with(kAttributePrefix))
        names.emplace_back(as_text(akey.key).substr(kAttributePrefix.size()));
  }
  co_return names;
}

}  // namespace varve::posix
