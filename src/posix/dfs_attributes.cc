// daos_fs.h: attributes of files, directories and symbolic links.
#include <errno.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>

#include "posix/shell.h"

namespace varve::posix {
namespace {

int64_t to_ns(const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

// The entry of that name (links followed if `follow`), or the directory itself where there is no
// name.
Task<Result<NodePtr>> find(Session& session, const dfs* mount, const dfs_obj* parent,
                           const char* name, bool follow) {
  if (!name) co_return node_of(mount, parent);
  VARVE_CO_CHECK(check_name(name));
  const DirectoryPtr directory = directory_of(mount, parent);
  if (!directory) co_return Error(Code::kNotDirectory, "the parent is not a directory");
  co_return co_await mount->file_system->lookup(session, directory, name, follow, true);
}

int change_named(dfs_t* dfs, dfs_obj_t* parent, const char* name, bool follow,
                 const AttributeChange& change) {
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(const NodePtr node, co_await find(session, dfs, parent, name, follow));
    VARVE_CO_CHECK(co_await dfs->file_system->set_attributes(session, *node, change));
    co_return Result<void>();
  });
}

bool in_group(gid_t gid) {
  if (getegid() == gid) return true;
  gid_t groups[256];
  const int count = getgroups(256, groups);
  for (int i = 0; i < count; ++i)
    if (groups[i] == gid) return true;
  return false;
}

bool may_access(const Inode& inode, int mask) {
  const uid_t user = geteuid();
  if (user == 0) return !(mask & X_OK) || inode.is_directory() || (inode.mode & 0111);
  unsigned shift = 0;
  if (user == inode.uid)
    shift = 6;
  else if (in_group(inode.gid))
    shift = 3;
  const unsigned allowed = (inode.mode >> shift) & 7;  // R_OK, W_OK, X_OK are 4, 2, 1
  return (static_cast<unsigned>(mask) & ~allowed & 7) == 0;
}

}  // namespace
}  // namespace varve::posix

using namespace varve;
using namespace varve::posix;

int dfs_stat(dfs_t* dfs, dfs_obj_t* parent, const char* name, struct stat* stbuf) {
  if (!dfs || !stbuf) return EINVAL;
  return run_now([&](Session& session) -> Task<Result<void>> {
    FileSystem& file_system = *dfs->file_system;
    Result<Status> status = Code::kNotDirectory;
    if (!name) {
      status = co_await file_system.status(session, *node_of(dfs, parent));
    } else if (const DirectoryPtr directory = directory_of(dfs, parent)) {
      VARVE_CO_CHECK(check_name(name));
      status = co_await file_system.status(session, *directory, name);
    }
    if (!status) co_return std::move(status.error());
    fill_stat(*status, stbuf);
    co_return Result<void>();
  });
}

int dfs_ostat(dfs_t* dfs, dfs_obj_t* obj, struct stat* stbuf) {
  if (!dfs || !obj || !stbuf) return EINVAL;
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(const Status status, co_await dfs->file_system->status(session, *obj->node));
    fill_stat(status, stbuf);
    co_return Result<void>();
  });
}

int dfs_osetattr(dfs_t* dfs, dfs_obj_t* obj, struct stat* stbuf, int flags) {
  constexpr int kKnown = DFS_SET_ATTR_MODE | DFS_SET_ATTR_ATIME | DFS_SET_ATTR_MTIME |
                         DFS_SET_ATTR_SIZE | DFS_SET_ATTR_UID | DFS_SET_ATTR_GID;
  if (!dfs || !obj || !stbuf || (flags & ~kKnown)) return EINVAL;
  AttributeChange change;
  if (flags & DFS_SET_ATTR_MODE) {
    if ((stbuf->st_mode & S_IFMT) && (stbuf->st_mode & S_IFMT) != (obj->node->inode.mode & S_IFMT))
      return EINVAL;
    change.permissions = stbuf->st_mode & 07777;
  }
  if (flags & DFS_SET_ATTR_ATIME) change.atime_ns = to_ns(stbuf->st_atim);
  if (flags & DFS_SET_ATTR_MTIME) change.mtime_ns = to_ns(stbuf->st_mtim);
  if (flags & DFS_SET_ATTR_SIZE) {
    if (stbuf->st_size < 0) return EINVAL;
    change.size = static_cast<uint64_t>(stbuf->st_size);
  }
  if (flags & DFS_SET_ATTR_UID) change.uid = stbuf->st_uid;
  if (flags & DFS_SET_ATTR_GID) change.gid = stbuf->st_gid;
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(const Status status,
                 co_await dfs->file_system->set_attributes(session, *obj->node, change));
    fill_stat(status, stbuf);
    co_return Result<void>();
  });
}

int dfs_chmod(dfs_t* dfs, dfs_obj_t* parent, const char* name, mode_t mode) {
  if (!dfs) return EINVAL;
  AttributeChange change;
  change.permissions = mode & 07777;
  return change_named(dfs, parent, name, true, change);
}

int dfs_chown(dfs_t* dfs, dfs_obj_t* parent, const char* name, uid_t uid, gid_t gid, int flags) {
  if (!dfs) return EINVAL;
  AttributeChange change;
  if (uid != static_cast<uid_t>(-1)) change.uid = uid;
  if (gid != static_cast<gid_t>(-1)) change.gid = gid;
  return change_named(dfs, parent, name, (flags & O_NOFOLLOW) == 0, change);
}

int dfs_access(dfs_t* dfs, dfs_obj_t* parent, const char* name, int mask) {
  if (!dfs || (mask & ~(R_OK | W_OK | X_OK))) return EINVAL;
  bool allowed = false;
  const int result = run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(const NodePtr node, co_await find(session, dfs, parent, name, true));
    allowed = may_access(node->inode, mask);
    co_return Result<void>();
  });
  if (result != 0) return result;
  if ((mask & W_OK) && !dfs->file_system->mount_options().writable) return EROFS;
  return allowed ? 0 : EACCES;
}

int dfs_setxattr(dfs_t* dfs, dfs_obj_t* obj, const char* name, const void* value, daos_size_t size,
                 int flags) {
  if (!dfs || !obj || !name || (!value && size > 0)) return EINVAL;
  if (flags & ~(XATTR_CREATE | XATTR_REPLACE) || flags == (XATTR_CREATE | XATTR_REPLACE))
    return EINVAL;
  return run_now([&](Session& session) {
    return dfs->file_system->set_extended_attribute(session, *obj->node, name,
                                                    {static_cast<const std::byte*>(value), size},
                                                    flags & XATTR_CREATE, flags & XATTR_REPLACE);
  });
}

int dfs_getxattr(dfs_t* dfs, dfs_obj_t* obj, const char* name, void* value, daos_size_t* size) {
  if (!dfs || !obj || !name || !size) return EINVAL;
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(const Buffer found,
                 co_await dfs->file_system->extended_attribute(session, *obj->node, name));
    const daos_size_t room = *size;
    *size = found.size();
    if (!value || room == 0) co_return Result<void>();
    if (room < found.size())
      co_return Error(Code::kTruncated, "the buffer is smaller than the extended attribute");
    if (!found.empty()) std::memcpy(value, found.data(), found.size());
    co_return Result<void>();
  });
}

int dfs_removexattr(dfs_t* dfs, dfs_obj_t* obj, const char* name) {
  if (!dfs || !obj || !name) return EINVAL;
  return run_now([&](Session& session) {
    return dfs->file_system->remove_extended_attribute(session, *obj->node, name);
  });
}

int dfs_listxattr(dfs_t* dfs, dfs_obj_t* obj, char* list, daos_size_t* size) {
  if (!dfs || !obj || !size) return EINVAL;
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(const std::vector<std::string> names,
                 co_await dfs->file_system->extended_attributes(session, *obj->node));
    const daos_size_t room = *size;
    daos_size_t total = 0;
    for (const std::string& name : names) total += name.size() + 1;
    *size = total;
    if (!list || room == 0) co_return Result<void>();
    if (room < total)
      co_return Error(Code::kTruncated, "the buffer is smaller than the list of names");
    for (const std::string& name : names) {
      std::memcpy(list, name.c_str(), name.size() + 1);
      list += name.size() + 1;
    }
    co_return Result<void>();
  });
}

int dfs_obj_set_oclass(dfs_t* dfs, dfs_obj_t* obj, int flags, daos_oclass_id_t cid) {
  if (!dfs || !cid) return EINVAL;
  return run_now([&](Session& session) {
    return dfs->file_system->set_children_defaults(session, *node_of(dfs, obj), cid, 0);
  });
}

int dfs_obj_set_chunk_size(dfs_t* dfs, dfs_obj_t* obj, int flags, daos_size_t csize) {
  if (!dfs || !csize) return EINVAL;
  return run_now([&](Session& session) {
    return dfs->file_system->set_children_defaults(session, *node_of(dfs, obj), 0, csize);
  });
}
