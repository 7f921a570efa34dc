#include <sys/stat.h>

#include "posix/file_system.h"

namespace varve::posix {

// Extended attributes go with their entry; the inode is carried with its later changes folded in.
struct FileSystem::Carried {
  Inode inode;
  std::vector<std::pair<std::string, Buffer>> attributes;  // by akey
};

namespace {

constexpr uint32_t kPageEntries = 128;

// Being below it, or it itself. As it was when the directories were looked up.
bool lies_in(const DirectoryPtr& directory, ObjectId ancestor) {
  for (const Directory* at = directory.get(); at; at = at->parent.get())
    if (at->object.oid == ancestor) return true;
  return false;
}

Result<void> check_replacement(const Inode& moved, const Inode& replaced, std::string_view name) {
  if (moved.is_directory() && !replaced.is_directory())
    return Error(Code::kNotDirectory,
                 "'" + std::string(name) + "' is not a directory: a directory cannot replace it");
  if (!moved.is_directory() && replaced.is_directory())
    return Error(Code::kIsDirectory,
                 "'" + std::string(name) + "' is a directory: only a directory can replace it");
  return {};
}

}  // namespace

// Of the entry there, or nothing; with the values of its extended attributes.
Task<Result<FileSystem::Carried>> FileSystem::carry(Session& session, const Directory& parent,
                                                    std::string_view name) {
  Carried carried;
  VARVE_CO_TRY(carried.inode, co_await entry(session, parent, name));
  Session::Anchor anchor;
  while (!anchor.end) {
    VARVE_CO_TRY(const std::vector<object::ListedEntry> akeys,
                 co_await session.list_akeys(parent.object, as_bytes(name), anchor, kPageEntries));
    for (const object::ListedEntry& akey : akeys)
      if (as_text(akey.key).starts_with(kAttributePrefix))
        carried.attributes.emplace_back(as_text(akey.key), Buffer());
  }
  for (auto& [akey, value] : carried.attributes) {
    VARVE_CO_TRY(value, co_await attribute_value(session, parent, name, akey));
  }
  co_return carried;
}

// Makes the entry under this name, in one update that also takes away what an older one left there.
Task<Result<void>> FileSystem::put(Session& session, const Directory& parent, std::string_view name,
                                   const Carried& entry,
                                   const std::vector<std::string>& stale_attributes) {
  Inode inode = entry.inode;
  // Whoever has the file open under its old name marks that one: never trust the mark from here on.
  inode.written = inode.is_file();
  const Buffer record = encode_inode(inode);
  const ByteView nothing, record_view = record;
  std::vector<ByteView> values;
  values.reserve(entry.attributes.size());
  for (const auto& attribute : entry.attributes) values.emplace_back(attribute.second);
  std::vector<client::IoDescriptor> descriptors;
  descriptors.push_back(single_value(kInodeKey, record_view));
  for (std::string_view akey : {kModeKey, kOwnerKey, kTimesKey, kChildrenKey, kWrittenKey})
    descriptors.push_back(single_value(akey, nothing));
  for (size_t i = 0; i < values.size(); ++i)
    descriptors.push_back(single_value(entry.attributes[i].first, values[i]));
  for (const std::string& stale : stale_attributes) {
    bool kept = false;
    for (const auto& attribute : entry.attributes) kept = kept || attribute.first == stale;
    if (!kept) descriptors.push_back(single_value(stale, nothing));
  }
  VARVE_CO_CHECK(co_await session.update(parent.object, as_bytes(name), 0, descriptors));
  co_return Result<void>();
}

Task<Result<std::optional<ObjectId>>> FileSystem::rename(Session& session, DirectoryPtr from,
                                                         std::string_view name, DirectoryPtr to,
                                                         std::string_view new_name) {
  VARVE_CO_CHECK(check_name(name));
  VARVE_CO_CHECK(check_name(new_name));
  VARVE_CO_CHECK(require_writable());
  VARVE_CO_TRY(Carried moved, co_await carry(session, *from, name));
  std::optional<ObjectId> replaced_oid;
  if (from->object.oid == to->object.oid && name == new_name) co_return replaced_oid;
  if (moved.inode.is_directory() && lies_in(to, moved.inode.oid))
    co_return Error(Code::kInvalid,
                    "the directory '" + std::string(name) + "' cannot move into itself");

  Result<Carried> replaced = co_await carry(session, *to, new_name);
  if (!replaced && replaced.code() != Code::kNonexistent) co_return std::move(replaced.error());
  std::vector<std::string> stale;
  if (replaced) {
    VARVE_CO_CHECK(check_replacement(moved.inode, replaced->inode, new_name));
    // Two names of one file: an earlier rename was cut off between its steps. Finish it.
    const bool same_file = !moved.inode.is_link() && replaced->inode.oid == moved.inode.oid;
    if (replaced->inode.is_directory() && !same_file) {
      VARVE_CO_TRY(const DirectoryPtr directory,
                   directory_at(session, to, new_name, replaced->inode));
      Session::Anchor anchor;
      VARVE_CO_TRY(const std::vector<ListedName> left,
                   co_await list(session, *directory, anchor, 1));
      if (!left.empty())
        co_return Error(Code::kNotEmpty,
                        "the directory '" + std::string(new_name) + "' is not empty");
    }
    for (auto& attribute : replaced->attributes) stale.push_back(std::move(attribute.first));
    if (!same_file) replaced_oid = replaced->inode.oid;
  }
  moved.inode.ctime_ns = static_cast<int64_t>(session.executor().clock().wall_ns());
  VARVE_CO_CHECK(co_await put(session, *to, new_name, moved, stale));
  const ByteView dkey = as_bytes(name);
  Result<void> punched = co_await session.punch(from->object, std::span<const ByteView>(&dkey, 1),
                                                {}, store::kCondPunch);
  if (!punched && punched.code() != Code::kNonexistent) co_return std::move(punched.error());
  if (replaced_oid) VARVE_CO_CHECK(co_await remove_object(session, replaced->inode));
  co_return replaced_oid;
}

Task<Result<void>> FileSystem::exchange(Session& session, DirectoryPtr first,
                                        std::string_view first_name, DirectoryPtr second,
                                        std::string_view second_name) {
  VARVE_CO_CHECK(check_name(first_name));
  VARVE_CO_CHECK(check_name(second_name));
  VARVE_CO_CHECK(require_writable());
  VARVE_CO_TRY(Carried one, co_await carry(session, *first, first_name));
  VARVE_CO_TRY(Carried other, co_await carry(session, *second, second_name));
  if (first->object.oid == second->object.oid && first_name == second_name)
    co_return Result<void>();
  if ((one.inode.is_directory() && lies_in(second, one.inode.oid)) ||
      (other.inode.is_directory() && lies_in(first, other.inode.oid)))
    co_return Error(Code::kInvalid, "a directory cannot change places with what lies below it");
  std::vector<std::string> first_stale, second_stale;
  for (const auto& attribute : one.attributes) first_stale.push_back(attribute.first);
  for (const auto& attribute : other.attributes) second_stale.push_back(attribute.first);
  one.inode.ctime_ns = other.inode.ctime_ns =
      static_cast<int64_t>(session.executor().clock().wall_ns());
  VARVE_CO_CHECK(co_await put(session, *second, second_name, one, second_stale));
  VARVE_CO_CHECK(co_await put(session, *first, first_name, other, first_stale));
  co_return Result<void>();
}

}  // namespace varve::posix
