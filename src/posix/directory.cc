#include <sys/stat.h>

#include "posix/file_system.h"
#include "posix/parallel.h"

namespace varve::posix {
namespace {

// Entries that one call looks at or removes side by side.
constexpr size_t kEntriesAtOnce = 32;
constexpr uint32_t kPageEntries = 512;
constexpr int kAttempts = 16;

struct StatusJob {
  FileSystem* file_system;
  Session* session;
  const Directory* directory;
  ListedName* entry;
  bool gone = false;
};
Task<Result<void>> look_up(StatusJob& job) {
  Result<Status> status =
      co_await job.file_system->status(*job.session, *job.directory, job.entry->name);
  if (status.code() == Code::kNonexistent) {
    job.gone = true;
    co_return Result<void>();
  }
  if (!status) co_return std::move(status.error());
  job.entry->status = std::move(*status);
  co_return Result<void>();
}

struct RemovalJob {
  FileSystem* file_system;
  Session* session;
  DirectoryPtr directory;
  std::string name;
};
Task<Result<void>> remove_one(RemovalJob& job) {
  Result<ObjectId> removed =
      co_await job.file_system->remove(*job.session, job.directory, job.name, true, 0, false);
  if (!removed && removed.code() != Code::kNonexistent) co_return std::move(removed.error());
  co_return Result<void>();
}

}  // namespace

Task<Result<void>> FileSystem::make_directory(Session& session, const Directory& parent,
                                              std::string_view name, uint32_t permissions,
                                              uint32_t object_class) {
  VARVE_CO_CHECK(check_name(name));
  VARVE_CO_CHECK(require_writable());
  VARVE_CO_CHECK(co_await do_duties(session));
  OpenOptions options;
  options.mode = S_IFDIR | (permissions & 07777);
  options.object_class = object_class;
  VARVE_CO_TRY(const Inode inode, co_await new_inode(session, parent, options));
  co_return co_await insert_counted(session, parent, name, inode);
}

Task<Result<std::vector<ListedName>>> FileSystem::list(Session& session, const Directory& directory,
                                                       Session::Anchor& anchor, uint32_t limit,
                                                       uint32_t end_shard) {
  std::vector<ListedName> names;
  if (anchor.end || limit == 0) co_return names;
  client::Object part;
  const bool whole = end_shard == 0 || end_shard >= directory.object.layout.targets.size();
  if (!whole) {
    part = directory.object;
    part.layout.targets.resize(end_shard);
  }
  VARVE_CO_TRY(const std::vector<object::ListedEntry> entries,
               co_await session.list_dkeys(whole ? directory.object : part, anchor, limit));
  names.reserve(entries.size());
  for (const object::ListedEntry& entry : entries) {
    if (entry.key.empty() || entry.key.size() > kNameBytesMax)
      co_return Error(Code::kBadFormat, "a directory holds a name of " +
                                            std::to_string(entry.key.size()) +
                                            " bytes: the container is damaged");
    names.emplace_back().name = as_text(entry.key);
  }
  co_return names;
}

Task<Result<std::vector<ListedName>>> FileSystem::list_with_status(Session& session,
                                                                   const Directory& directory,
                                                                   Session::Anchor& anchor,
                                                                   uint32_t limit,
                                                                   uint32_t end_shard) {
  VARVE_CO_TRY(std::vector<ListedName> names,
               co_await list(session, directory, anchor, limit, end_shard));
  std::vector<StatusJob> jobs;
  jobs.reserve(names.size());
  for (ListedName& name : names) jobs.push_back({this, &session, &directory, &name});
  VARVE_CO_CHECK(co_await for_each_limited(jobs, kEntriesAtOnce, look_up));
  std::vector<ListedName> there;
  there.reserve(names.size());
  for (size_t i = 0; i < names.size(); ++i)
    if (!jobs[i].gone) there.push_back(std::move(names[i]));
  co_return there;
}

Task<Result<ObjectId>> FileSystem::remove(Session& session, DirectoryPtr parent,
                                          std::string_view name, bool force, uint32_t only_type,
                                          bool want_oid) {
  VARVE_CO_CHECK(check_name(name));
  VARVE_CO_CHECK(require_writable());
  VARVE_CO_CHECK(co_await do_duties(session));
  // A file without data, or a symbolic link: one update takes it away unseen.
  const bool guess = !want_oid && only_type == 0 && !quotas_.any_user() &&
                     quota_keys(parent.get(), std::nullopt).empty();
  if (guess && !parent->occupied.load(std::memory_order_relaxed) && !may_be_open(*parent, name)) {
    Erasure erasure;
    erasure.unless_occupied = true;
    Result<void> erased = co_await erase_entry(session, parent->object, name, std::move(erasure));
    if (erased) co_return ObjectId();
    if (erased.code() == Code::kNonexistent) co_return no_such_entry(name);
    if (erased.code() != Code::kExists) co_return std::move(erased.error());
  }
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Result<ObjectId> removed =
        co_await remove_entry(session, parent, name, force, only_type);
    if (removed.code() != Code::kAgain) co_return removed;
  }
  co_return Error(Code::kBusy, "'" + std::string(name) + "' changes all the time; try again later");
}

// kAgain: it changed meanwhile, and nothing was done.
Task<Result<ObjectId>> FileSystem::remove_entry(Session& session, DirectoryPtr parent,
                                                std::string_view name, bool force,
                                                uint32_t only_type) {
  VARVE_CO_TRY(Carried there, co_await carry(session, *parent, name, false));
  const Inode& inode = there.inode;
  parent->occupied.store(inode.written || inode.is_directory(), std::memory_order_relaxed);
  if (only_type != 0 && (inode.mode & S_IFMT) != only_type) {
    if (inode.is_directory())
      co_return Error(Code::kIsDirectory, "'" + std::string(name) + "' is a directory");
    co_return Error(Code::kNotDirectory,
                    "'" + std::string(name) + "' is not of the type to be removed");
  }
  if (inode.is_directory()) {
    VARVE_CO_TRY(DirectoryPtr directory, directory_at(session, parent, name, inode));
    if (force) VARVE_CO_CHECK(co_await remove_children(session, directory));
    Session::Anchor anchor;
    VARVE_CO_TRY(const std::vector<ListedName> left, co_await list(session, *directory, anchor, 1));
    if (!left.empty())
      co_return Error(Code::kNotEmpty, "the directory '" + std::string(name) + "' is not empty");
  }
  VARVE_CO_CHECK(co_await cancel_renames(session, there.marks));
  Erasure erasure;
  erasure.unless_shared = !inode.shared;
  erasure.unless_renaming = there.marks.empty();
  erasure.others = there.marks;
  for (const auto& attribute : there.attributes) erasure.others.push_back(attribute.first);
  Result<void> erased = co_await erase_entry(session, parent->object, name, std::move(erasure));
  if (erased.code() == Code::kNonexistent) co_return no_such_entry(name);
  if (erased.code() == Code::kExists) co_return Code::kAgain;
  if (!erased) co_return std::move(erased.error());
  if (inode.is_directory()) VARVE_CO_CHECK(co_await remove_empty(session, parent, name, there));
  VARVE_CO_CHECK(co_await release_inode(session, inode, *parent, name));
  co_return inode.oid;
}

// The entry of an empty directory is gone. If somebody made something in it at that moment, it comes
// back: kNotEmpty.
Task<Result<void>> FileSystem::remove_empty(Session& session, DirectoryPtr parent,
                                            std::string_view name, const Carried& entry) {
  VARVE_CO_TRY(const DirectoryPtr directory, directory_at(session, parent, name, entry.inode));
  Session::Anchor anchor;
  VARVE_CO_TRY(const std::vector<ListedName> left, co_await list(session, *directory, anchor, 1));
  if (left.empty()) co_return Result<void>();
  VARVE_CO_CHECK(co_await insert(session, *parent, name, entry.inode));
  co_return Error(Code::kNotEmpty, "the directory '" + std::string(name) + "' is not empty");
}

Task<Result<void>> FileSystem::remove_object(Session& session, ObjectId oid) {
  VARVE_CO_TRY(const client::Object object, open_object(session, oid));
  Result<void> punched = co_await session.punch(object, {}, {}, 0);
  if (!punched && punched.code() != Code::kNonexistent) co_return std::move(punched.error());
  co_return Result<void>();
}

Task<Result<void>> FileSystem::remove_children(Session& session, DirectoryPtr directory) {
  Session::Anchor anchor;
  while (!anchor.end) {
    VARVE_CO_TRY(std::vector<ListedName> names,
                 co_await list(session, *directory, anchor, kPageEntries));
    std::vector<RemovalJob> jobs;
    jobs.reserve(names.size());
    for (ListedName& name : names)
      jobs.push_back({this, &session, directory, std::move(name.name)});
    VARVE_CO_CHECK(co_await for_each_limited(jobs, kEntriesAtOnce, remove_one));
  }
  co_return Result<void>();
}

}  // namespace varve::posix
