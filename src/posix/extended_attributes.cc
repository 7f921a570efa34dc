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
  static constexpr std::byte kOccupied{1};
  const ByteView view = stored_value, occupied(&kOccupied, 1);
  std::vector<client::IoDescriptor> descriptors{single_value(akey, view),
                                                single_value(kOccupiedKey, occupied)};
  if (must_be_new) descriptors[0].conditions |= store::kCondAkeyInsert;
  if (must_exist) descriptors[0].conditions |= store::kCondAkeyUpdate;
  Result<void> stored = co_await update_records(session, node, std::move(descriptors));
  if (stored.code() == Code::kExists)
    co_return Error(Code::kExists, "'" + node.name + "' has an extended attribute '" +
                                       std::string(name) + "' already");
  if (stored.code() == Code::kNonexistent && must_exist) co_return no_such_attribute(node, name);
  co_return stored;
}

// kNonexistent where there is none; as it is stored.
Task<Result<Buffer>> FileSystem::attribute_value(Session& session, const client::Object& object,
                                                 std::string_view name, std::string_view akey) {
  Buffer value(256);
  for (;;) {
    const MutableByteView room = value;
    client::IoDescriptor descriptor;
    descriptor.akey = as_bytes(akey);
    descriptor.into = Scatter(&room, 1);
    Result<void> fetched =
        co_await session.fetch(object, as_bytes(name), 0, only(descriptor));
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
  Result<Buffer> value = Code::kNonexistent;
  if (!node.shared.load(std::memory_order_acquire)) {
    value = co_await attribute_value(session, node.parent->object, node.name, akey);
    if (value.code() == Code::kNonexistent) VARVE_CO_CHECK(co_await became_shared(session, node));
  }
  if (value.code() == Code::kNonexistent && node.shared.load(std::memory_order_acquire)) {
    VARVE_CO_TRY(const client::Object object,
                 open_object(session, shared_inode_oid(node.inode.oid)));
    value = co_await attribute_value(session, object, kSharedInodeName, akey);
  }
  if (value.code() == Code::kNonexistent) co_return no_such_attribute(node, name);
  if (value) value->erase(value->begin());
  co_return value;
}

Task<Result<void>> FileSystem::remove_extended_attribute(Session& session, const Node& node,
                                                         std::string_view name) {
  VARVE_CO_CHECK(require_writable());
  VARVE_CO_TRY(const std::string akey, akey_of(name));
  const ByteView akey_view = as_bytes(akey);
  const auto punch = [&](const client::Object& object, std::string_view dkey_name) {
    return [](Session& on, const client::Object& of, ByteView dkey,
              ByteView one) -> Task<Result<void>> {
      co_return co_await on.punch(of, std::span<const ByteView>(&dkey, 1),
                                  std::span<const ByteView>(&one, 1), store::kCondPunch);
    }(session, object, as_bytes(dkey_name), akey_view);
  };
  Result<void> punched = Code::kNonexistent;
  if (!node.shared.load(std::memory_order_acquire)) {
    punched = co_await punch(node.parent->object, node.name);
    if (punched.code() == Code::kNonexistent) VARVE_CO_CHECK(co_await became_shared(session, node));
  }
  if (punched.code() == Code::kNonexistent && node.shared.load(std::memory_order_acquire)) {
    VARVE_CO_TRY(const client::Object object,
                 open_object(session, shared_inode_oid(node.inode.oid)));
    punched = co_await punch(object, kSharedInodeName);
  }
  if (punched.code() == Code::kNonexistent) co_return no_such_attribute(node, name);
  co_return punched;
}

// Akeys of extended attributes under a dkey; kNonexistent: there is no such dkey.
Task<Result<std::vector<std::string>>> FileSystem::attribute_keys(Session& session,
                                                                  const client::Object& object,
                                                                  std::string_view name) {
  std::vector<std::string> keys;
  Session::Anchor anchor;
  while (!anchor.end) {
    Result<std::vector<object::ListedEntry>> akeys =
        co_await session.list_akeys(object, as_bytes(name), anchor, kPageEntries);
    if (!akeys) co_return std::move(akeys.error());
    for (const object::ListedEntry& akey : *akeys)
      if (as_text(akey.key).starts_with(kAttributePrefix)) keys.emplace_back(as_text(akey.key));
  }
  co_return keys;
}

Task<Result<std::vector<std::string>>> FileSystem::extended_attributes(Session& session,
                                                                       const Node& node) {
  std::vector<std::string> keys;
  if (!node.shared.load(std::memory_order_acquire)) {
    Result<std::vector<std::string>> found =
        co_await attribute_keys(session, node.parent->object, node.name);
    if (found.code() == Code::kNonexistent) co_return no_such_entry(node.name);
    if (!found) co_return found;
    keys = std::move(*found);
    if (keys.empty()) VARVE_CO_CHECK(co_await became_shared(session, node));
  }
  if (keys.empty() && node.shared.load(std::memory_order_acquire)) {
    VARVE_CO_TRY(const client::Object object,
                 open_object(session, shared_inode_oid(node.inode.oid)));
    Result<std::vector<std::string>> found =
        co_await attribute_keys(session, object, kSharedInodeName);
    if (found.code() == Code::kNonexistent) co_return no_such_entry(node.name);
    if (!found) co_return found;
    keys = std::move(*found);
  }
  for (std::string& key : keys) key.erase(0, kAttributePrefix.size());
  co_return keys;
}

}  // namespace varve::posix
