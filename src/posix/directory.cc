#include <sys/stat.h>

#include "posix/file_system.h"
#include "posix/parallel.h"

namespace varve::posix {
namespace {

// Entries that one call looks at or removes side by side.
constexpr size_t kEntriesAtOnce = 32;
constexpr uint32_t kPageEntries = 512;

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
      co_await job.file_system->remove(*job.session, job.directory, job.name, true);
  if (!removed && removed.code() != Code::kNonexistent) co_return std::move(removed.error());
  co_return Result<void>();
}

}  // namespace

Task<Result<void>> FileSystem::make_directory(Session& session, const Directory& parent,
                                              std::string_view name, uint32_t permissions,
                                              uint32_t object_class) {
  VARVE_CO_CHECK(check_name(name));
  VARVE_CO_CHECK(require_writable());
  OpenOptions options;
  options.mode = S_IFDIR | (permissions & 07777);
  options.object_class = object_class;
  VARVE_CO_TRY(const Inode inode, co_await new_inode(session, parent, options));
  co_return co_await insert(session, parent, name, inode);
}

Task<Result<std::vector<ListedName>>> FileSystem::list(Session& session, const Directory& directory,
                                                       Session::Anchor& anchor, uint32_t limit) {
  std::vector<ListedName> names;
  if (anchor.end || limit == 0) co_return names;
  VARVE_CO_TRY(const std::vector<object::ListedEntry> entries,
               co_await session.list_dkeys(directory.object, anchor, limit));
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
                                                                   uint32_t limit) {
  VARVE_CO_TRY(std::vector<ListedName> names, co_await list(session, directory, anchor, limit));
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
                                          std::string_view name, bool force, uint32_t only_type) {
  VARVE_CO_CHECK(check_name(name));
  VARVE_CO_CHECK(require_writable());
  VARVE_CO_TRY(const Inode inode, co_await entry(session, *parent, name));
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
  const ByteView dkey = as_bytes(name);
  Result<void> punched = co_await session.punch(parent->object, std::span<const ByteView>(&dkey, 1),
                                                {}, store::kCondPunch);
  if (punched.code() == Code::kNonexistent) co_return no_such_entry(name);
  if (!punched) co_return std::move(punched.error());
  VARVE_CO_CHECK(co_await remove_object(session, inode));
  co_return inode.oid;
}

// What an entry that is gone referred to. A file that never was written has nothing.
Task<Result<void>> FileSystem::remove_object(Session& session, const Inode& inode) {
  if (inode.is_link() || (inode.is_file() && !inode.written)) co_return Result<void>();
  VARVE_CO_TRY(const client::Object object, open_object(session, inode.oid));
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
