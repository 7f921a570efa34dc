// The checker: everything that a path leads to against everything that the container holds. Nobody
// else may change the file system meanwhile.
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>

#include "posix/file_system.h"

namespace varve::posix {
namespace {

constexpr uint32_t kPageEntries = 512;
constexpr uint8_t kHashedType = 0, kByteArrayType = 13;
constexpr std::string_view kLostName = "lost+found";

uint8_t type_of(ObjectId oid) { return static_cast<uint8_t>(oid.high >> 56); }
uint32_t user_bits(ObjectId oid) { return static_cast<uint32_t>(oid.high); }

}  // namespace

struct FileSystem::CheckState {
  CheckOptions options;
  CheckReport report;
  std::set<ObjectId> reached;
  std::map<ObjectId, DirectoryPtr> with_quota;
  std::map<ObjectId, std::set<std::string>> names;  // of shared inodes, as akeys
};

// Everything below the directory.
Task<Result<void>> FileSystem::check_tree(Session& session, DirectoryPtr top, CheckState& state) {
  std::vector<DirectoryPtr> waiting{std::move(top)};
  while (!waiting.empty()) {
    const DirectoryPtr directory = std::move(waiting.back());
    waiting.pop_back();
    state.reached.insert(directory->object.oid);
    ++state.report.directories;
    if (quotas_.has(directory_quota_key(directory->object.oid)))
      state.with_quota.emplace(directory->object.oid, directory);
    Session::Anchor anchor;
    while (!anchor.end) {
      VARVE_CO_TRY(const std::vector<ListedName> page,
                   co_await list(session, *directory, anchor, kPageEntries));
      for (const ListedName& listed : page) {
        VARVE_CO_TRY(const DirectoryPtr below,
                     co_await check_entry(session, directory, listed.name, state));
        if (below && !state.reached.contains(below->object.oid)) waiting.push_back(below);
      }
    }
  }
  co_return Result<void>();
}

// Returns the directory that it is, or null.
Task<Result<DirectoryPtr>> FileSystem::check_entry(Session& session, DirectoryPtr parent,
                                                   std::string_view name, CheckState& state) {
  Result<Inode> inode = co_await entry(session, *parent, name);
  if (inode.code() == Code::kNonexistent) {
    // A rename that was finished just now, or records without an inode.
    Session::Anchor anchor;
    Result<std::vector<object::ListedEntry>> left =
        co_await session.list_akeys(parent->object, as_bytes(name), anchor, 1);
    if (left.code() == Code::kNonexistent || (left && left->empty())) co_return DirectoryPtr();
    if (!left) co_return std::move(left.error());
    ++state.report.ghosts;
    if (state.options.repair) {
      const ByteView dkey = as_bytes(name);
      VARVE_CO_CHECK(
          co_await session.punch(parent->object, std::span<const ByteView>(&dkey, 1), {}, 0));
    }
    co_return DirectoryPtr();
  }
  if (!inode) co_return std::move(inode.error());
  if (inode->is_directory()) co_return directory_at(session, parent, name, *inode);
  if (inode->is_link()) {
    ++state.report.links;
    co_return DirectoryPtr();
  }
  ++state.report.files;
  state.reached.insert(inode->oid);
  if (inode->shared) {
    state.reached.insert(shared_inode_oid(inode->oid));
    state.names[inode->oid].insert(link_key(parent->object.oid, name));
  } else if (!inode->written) {
    VARVE_CO_TRY(const client::Object object, open_object(session, inode->oid));
    VARVE_CO_TRY(const Extent found, co_await extent(session, object, inode->chunk_bytes));
    if (found.size == 0) co_return DirectoryPtr();
    ++state.report.unmarked;
    if (state.options.repair) {
      VARVE_CO_TRY(const NodePtr node, make_node(session, parent, name, *inode, true));
      VARVE_CO_CHECK(co_await mark_written(session, *node));
    }
  }
  co_return DirectoryPtr();
}

// Names of files with several ones that no entry has.
Task<Result<void>> FileSystem::check_names(Session& session, CheckState& state) {
  for (const auto& [file, seen] : state.names) {
    VARVE_CO_TRY(const std::vector<std::string> listed, co_await link_keys(session, file));
    for (const std::string& key : listed) {
      if (seen.contains(key)) continue;
      ++state.report.stale_names;
      if (state.options.repair) VARVE_CO_CHECK(co_await drop_name(session, file, key));
    }
    for (const std::string& key : seen)
      if (std::find(listed.begin(), listed.end(), key) == listed.end()) {
        ++state.report.stale_names;
        if (state.options.repair) VARVE_CO_CHECK(co_await add_name(session, file, key));
      }
  }
  co_return Result<void>();
}

// Objects of files and directories that no path leads to.
Task<Result<std::vector<ObjectId>>> FileSystem::leaked_objects(Session& session,
                                                               const CheckState& state) {
  std::set<ObjectId> leaked;
  Session::Anchor anchor;
  while (!anchor.end) {
    VARVE_CO_TRY(const std::vector<ObjectId> page,
                 co_await session.list_objects(container_, mount_.snapshot, anchor, kPageEntries));
    for (const ObjectId oid : page) {
      if (oid == superblock_oid() || oid == service_oid() || state.reached.contains(oid)) continue;
      const bool shared = type_of(oid) == kHashedType && user_bits(oid) == 2;
      if (type_of(oid) == kByteArrayType || (type_of(oid) == kHashedType && user_bits(oid) == 0) ||
          shared)
        leaked.insert(oid);
    }
  }
  co_return std::vector<ObjectId>(leaked.begin(), leaked.end());
}

Task<Result<DirectoryPtr>> FileSystem::lost_directory(Session& session, std::string_view name) {
  DirectoryPtr at = root_->directory;
  for (const std::string_view part : {kLostName, name}) {
    Result<void> made = co_await make_directory(session, *at, part, 0700, 0);
    if (!made && made.code() != Code::kExists) co_return std::move(made.error());
    VARVE_CO_TRY(const NodePtr node, co_await lookup(session, at, std::string(part), false, true));
    if (!node->directory)
      co_return Error(Code::kNotDirectory, "'" + std::string(part) + "' is not a directory");
    at = node->directory;
  }
  co_return at;
}

Task<Result<void>> FileSystem::relink(Session& session, const Directory& lost, ObjectId oid) {
  Inode inode;
  inode.mode = type_of(oid) == kByteArrayType ? S_IFREG | 0600 : S_IFDIR | 0700;
  inode.uid = mount_.uid;
  inode.gid = mount_.gid;
  inode.oid = oid;
  inode.written = true;
  inode.chunk_bytes = inode.is_file() ? superblock_.chunk_bytes : 0;
  inode.mtime_ns = inode.ctime_ns = static_cast<int64_t>(session.executor().clock().wall_ns());
  Carried entry;
  entry.inode = inode;
  co_return co_await put(session, lost.object, oid.to_string(), entry, nullptr, {});
}

Task<Result<CheckReport>> FileSystem::check(Session& session, CheckOptions options) {
  if (options.repair || options.relink || options.remove) VARVE_CO_CHECK(require_writable());
  CheckState state;
  state.options = options;
  if (mount_.writable) {
    next_quota_look_.store(0);
    VARVE_CO_CHECK(co_await look_for_quotas(session));
  }
  VARVE_CO_CHECK(co_await check_tree(session, root_->directory, state));
  VARVE_CO_CHECK(co_await check_names(session, state));
  if (options.repair) {
    VARVE_CO_TRY(const bool nobody, co_await alone(session));
    VARVE_CO_CHECK(co_await collect_all(session, nobody));
  }
  VARVE_CO_TRY(const std::vector<ObjectId> kept, co_await orphans(session));
  state.report.orphans = kept.size();
  state.reached.insert(kept.begin(), kept.end());
  VARVE_CO_TRY(std::vector<ObjectId> leaked, co_await leaked_objects(session, state));
  state.report.leaked = leaked.size();
  if (options.each)
    for (const ObjectId oid : leaked) options.each(oid);
  if (options.remove) {
    for (const ObjectId oid : leaked) {
      VARVE_CO_CHECK(co_await remove_object(session, oid));
      ++state.report.removed;
    }
  } else if (options.relink && !leaked.empty()) {
    VARVE_CO_TRY(const DirectoryPtr lost, co_await lost_directory(session, options.lost_name));
    state.reached.insert(lost->object.oid);
    state.reached.insert(lost->parent->object.oid);
    // A directory brings what is below it: that needs no entry of its own.
    CheckState below;
    for (const ObjectId oid : leaked) {
      if (type_of(oid) != kHashedType || user_bits(oid) != 0) continue;
      auto directory = std::make_shared<Directory>();
      VARVE_CO_TRY(directory->object, open_object(session, oid));
      directory->parent = lost;
      CheckState found;
      VARVE_CO_CHECK(co_await check_tree(session, directory, found));
      found.reached.erase(oid);
      below.reached.merge(found.reached);
    }
    for (const ObjectId oid : leaked) {
      if (below.reached.contains(oid)) continue;
      if (user_bits(oid) == 2) {  // an inode whose last name went
        VARVE_CO_CHECK(co_await remove_object(session, oid));
        ++state.report.removed;
        continue;
      }
      VARVE_CO_CHECK(co_await relink(session, *lost, oid));
      ++state.report.relinked;
    }
  }
  if (mount_.writable) {
    VARVE_CO_TRY(state.report.quotas,
                 co_await recount_quotas(session, state.with_quota, options.repair));
  }
  // Cancelled renames: nobody is in the midst of one.
  if (options.repair) VARVE_CO_CHECK(co_await remove_object(session, service_oid()));
  co_return state.report;
}

}  // namespace varve::posix
