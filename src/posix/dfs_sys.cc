// daos_fs_sys.h: the same by absolute paths. Every call walks its path anew: another client may
// have changed any directory on it.
#include "daos_fs_sys.h"

#include <errno.h>

#include <cstring>
#include <string>

#include "posix/shell.h"

struct dfs_sys {
  dfs_t* dfs = nullptr;
  bool owns_mount = true;
};

// Behind DIR*.
struct DfsSysDirectory {
  dfs_obj_t* object = nullptr;
  daos_anchor_t anchor = DAOS_ANCHOR_INIT;
  struct dirent entries[64];
  uint32_t count = 0, next = 0;
};

namespace varve::posix {
namespace {

// An open object that closes itself.
class Opened {
 public:
  Opened() = default;
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  ~Opened() {
    if (object) (void)dfs_release(object);
  }
  dfs_obj_t* object = nullptr;
};

// The directory that a path's last component is in, and that component ("" for the root itself).
struct Place {
  Opened parent;
  std::string name;
};

int find_place(dfs_sys_t* dfs_sys, const char* path, Place& place) {
  if (!dfs_sys || !path || path[0] != '/') return EINVAL;
  if (strnlen(path, DFS_MAX_PATH) >= DFS_MAX_PATH) return ENAMETOOLONG;
  std::string whole = path;
  while (whole.size() > 1 && whole.back() == '/') whole.pop_back();
  const size_t slash = whole.rfind('/');
  place.name = whole.substr(slash + 1);
  const std::string directory = slash == 0 ? "/" : whole.substr(0, slash);
  mode_t mode = 0;
  const int result = dfs_lookup(dfs_sys->dfs, directory.c_str(), O_RDWR & O_ACCMODE,
                                &place.parent.object, &mode, nullptr);
  if (result == EROFS)
    return dfs_lookup(dfs_sys->dfs, directory.c_str(), O_RDONLY, &place.parent.object, &mode,
                      nullptr);
  if (result == 0 && !S_ISDIR(mode)) return ENOTDIR;
  return result;
}

int open_path(dfs_sys_t* dfs_sys, const char* path, int flags, Opened& opened,
              struct stat* stbuf = nullptr) {
  if (!dfs_sys) return EINVAL;
  return dfs_lookup(dfs_sys->dfs, path, flags, &opened.object, nullptr, stbuf);
}
int writable_flags(dfs_sys_t* dfs_sys, int flags) {
  const bool writable = dfs_sys && dfs_sys->dfs->file_system->mount_options().writable;
  return (writable ? O_RDWR : O_RDONLY) | (flags & O_NOFOLLOW);
}

int wrap(int result, dfs_t* mounted, bool owns, dfs_sys_t** made) {
  if (result == 0) *made = new dfs_sys{mounted, owns};
  return result;
}

DfsSysDirectory* directory_behind(DIR* dirp) { return reinterpret_cast<DfsSysDirectory*>(dirp); }

}  // namespace
}  // namespace varve::posix

using namespace varve;
using namespace varve::posix;

int dfs_sys_connect(const char* pool, const char* sys, const char* cont, int mflags, int sflags,
                    dfs_attr_t* attr, dfs_sys_t** dfs_sys) {
  if (!dfs_sys) return EINVAL;
  dfs_t* mounted = nullptr;
  const int result = dfs_connect(pool, sys, cont, mflags, attr, &mounted);
  return wrap(result, mounted, true, dfs_sys);
}
int dfs_sys_disconnect(dfs_sys_t* dfs_sys) {
  if (!dfs_sys) return EINVAL;
  const int result = dfs_disconnect(dfs_sys->dfs);
  if (result != EINVAL) delete dfs_sys;
  return result;
}
int dfs_sys_mount(daos_handle_t poh, daos_handle_t coh, int mflags, int sflags,
                  dfs_sys_t** dfs_sys) {
  if (!dfs_sys) return EINVAL;
  dfs_t* mounted = nullptr;
  const int result = dfs_mount(poh, coh, mflags, &mounted);
  return wrap(result, mounted, false, dfs_sys);
}
int dfs_sys_umount(dfs_sys_t* dfs_sys) {
  if (!dfs_sys) return EINVAL;
  const int result = dfs_umount(dfs_sys->dfs);
  delete dfs_sys;
  return result;
}
int dfs_sys_local2global_all(dfs_sys_t* dfs_sys, d_iov_t* glob) {
  return dfs_sys ? dfs_local2global_all(dfs_sys->dfs, glob) : EINVAL;
}
int dfs_sys_global2local_all(int mflags, int sflags, d_iov_t glob, dfs_sys_t** dfs_sys) {
  if (!dfs_sys) return EINVAL;
  dfs_t* mounted = nullptr;
  const int result = dfs_global2local_all(mflags, glob, &mounted);
  return wrap(result, mounted, true, dfs_sys);
}
int dfs_sys_local2global(dfs_sys_t* dfs_sys, d_iov_t* glob) {
  return dfs_sys ? dfs_local2global(dfs_sys->dfs, glob) : EINVAL;
}
int dfs_sys_global2local(daos_handle_t poh, daos_handle_t coh, int mflags, int sflags, d_iov_t glob,
                         dfs_sys_t** dfs_sys) {
  if (!dfs_sys) return EINVAL;
  dfs_t* mounted = nullptr;
  const int result = dfs_global2local(poh, coh, mflags, glob, &mounted);
  return wrap(result, mounted, false, dfs_sys);
}
int dfs_sys_set_prefix(dfs_sys_t* dfs_sys, const char* prefix) {
  return dfs_sys ? dfs_set_prefix(dfs_sys->dfs, prefix) : EINVAL;
}
int dfs_sys2base(dfs_sys_t* dfs_sys, dfs_t** dfs) {
  if (!dfs_sys || !dfs) return EINVAL;
  *dfs = dfs_sys->dfs;
  return 0;
}

int dfs_sys_access(dfs_sys_t* dfs_sys, const char* path, int mask, int flags) {
  Opened opened;
  const int result = open_path(dfs_sys, path, O_RDONLY | (flags & O_NOFOLLOW), opened);
  return result ? result : dfs_access(dfs_sys->dfs, opened.object, nullptr, mask);
}
int dfs_sys_chmod(dfs_sys_t* dfs_sys, const char* path, mode_t mode) {
  Opened opened;
  const int result = open_path(dfs_sys, path, O_RDWR, opened);
  return result ? result : dfs_chmod(dfs_sys->dfs, opened.object, nullptr, mode);
}
int dfs_sys_chown(dfs_sys_t* dfs_sys, const char* path, uid_t uid, gid_t gid, int flags) {
  Opened opened;
  const int result = open_path(dfs_sys, path, O_RDWR | (flags & O_NOFOLLOW), opened);
  return result ? result : dfs_chown(dfs_sys->dfs, opened.object, nullptr, uid, gid, flags);
}
int dfs_sys_setattr(dfs_sys_t* dfs_sys, const char* path, struct stat* stbuf, int flags,
                    int sflags) {
  Opened opened;
  const int result = open_path(dfs_sys, path, O_RDWR | (sflags & O_NOFOLLOW), opened);
  return result ? result : dfs_osetattr(dfs_sys->dfs, opened.object, stbuf, flags);
}
int dfs_sys_utimens(dfs_sys_t* dfs_sys, const char* path, const struct timespec times[2],
                    int flags) {
  struct timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  struct stat status = {};
  int wanted = 0;
  for (int i = 0; i < 2; ++i) {
    struct timespec time = times ? times[i] : now;
    if (time.tv_nsec == UTIME_OMIT) continue;
    if (time.tv_nsec == UTIME_NOW) time = now;
    if (time.tv_nsec < 0 || time.tv_nsec > 999'999'999) return EINVAL;
    (i == 0 ? status.st_atim : status.st_mtim) = time;
    wanted |= i == 0 ? DFS_SET_ATTR_ATIME : DFS_SET_ATTR_MTIME;
  }
  return dfs_sys_setattr(dfs_sys, path, &status, wanted, flags);
}
int dfs_sys_stat(dfs_sys_t* dfs_sys, const char* path, int flags, struct stat* stbuf) {
  if (!stbuf) return EINVAL;
  Opened opened;
  return open_path(dfs_sys, path, O_RDONLY | (flags & O_NOFOLLOW), opened, stbuf);
}

int dfs_sys_mknod(dfs_sys_t* dfs_sys, const char* path, mode_t mode, daos_oclass_id_t cid,
                  daos_size_t chunk_size) {
  Opened opened;
  const mode_t type = mode & S_IFMT ? 0 : S_IFREG;
  return dfs_sys_open(dfs_sys, path, mode | type, O_CREAT | O_EXCL | O_RDWR, cid, chunk_size,
                      nullptr, &opened.object);
}

int dfs_sys_listxattr(dfs_sys_t* dfs_sys, const char* path, char* list, daos_size_t* size,
                      int flags) {
  Opened opened;
  const int result = open_path(dfs_sys, path, O_RDONLY | (flags & O_NOFOLLOW), opened);
  return result ? result : dfs_listxattr(dfs_sys->dfs, opened.object, list, size);
}
int dfs_sys_getxattr(dfs_sys_t* dfs_sys, const char* path, const char* name, void* value,
                     daos_size_t* size, int flags) {
  Opened opened;
  const int result = open_path(dfs_sys, path, O_RDONLY | (flags & O_NOFOLLOW), opened);
  return result ? result : dfs_getxattr(dfs_sys->dfs, opened.object, name, value, size);
}
int dfs_sys_setxattr(dfs_sys_t* dfs_sys, const char* path, const char* name, const void* value,
                     daos_size_t size, int flags, int sflags) {
  Opened opened;
  const int result = open_path(dfs_sys, path, O_RDWR | (sflags & O_NOFOLLOW), opened);
  return result ? result : dfs_setxattr(dfs_sys->dfs, opened.object, name, value, size, flags);
}
int dfs_sys_removexattr(dfs_sys_t* dfs_sys, const char* path, const char* name, int flags) {
  Opened opened;
  const int result = open_path(dfs_sys, path, O_RDWR | (flags & O_NOFOLLOW), opened);
  return result ? result : dfs_removexattr(dfs_sys->dfs, opened.object, name);
}
int dfs_sys_readlink(dfs_sys_t* dfs_sys, const char* path, char* buf, daos_size_t* size) {
  Opened opened;
  const int result = open_path(dfs_sys, path, O_RDONLY | O_NOFOLLOW, opened);
  return result ? result : dfs_get_symlink_value(opened.object, buf, size);
}
int dfs_sys_symlink(dfs_sys_t* dfs_sys, const char* target, const char* path) {
  if (!target) return EINVAL;
  Opened opened;
  return dfs_sys_open(dfs_sys, path, S_IFLNK | 0777, O_CREAT | O_EXCL | O_RDWR, 0, 0, target,
                      &opened.object);
}

int dfs_sys_open(dfs_sys_t* dfs_sys, const char* path, mode_t mode, int flags, daos_oclass_id_t cid,
                 daos_size_t chunk_size, const char* value, dfs_obj_t** obj) {
  if (!obj) return EINVAL;
  Place place;
  const int result = find_place(dfs_sys, path, place);
  if (result != 0) return result;
  if (place.name.empty()) {
    if (flags & O_EXCL) return EEXIST;
    return dfs_lookup(dfs_sys->dfs, "/", writable_flags(dfs_sys, 0), obj, nullptr, nullptr);
  }
  if ((mode & S_IFMT) == 0) mode |= S_IFREG;
  return dfs_open(dfs_sys->dfs, place.parent.object, place.name.c_str(), mode, flags, cid,
                  chunk_size, value, obj);
}
int dfs_sys_close(dfs_obj_t* obj) { return dfs_release(obj); }

int dfs_sys_read(dfs_sys_t* dfs_sys, dfs_obj_t* obj, void* buf, daos_off_t off, daos_size_t* size,
                 daos_event_t* ev) {
  if (!dfs_sys || !buf || !size) return EINVAL;
  d_iov_t iov = {buf, *size, *size};
  d_sg_list_t list = {1, 0, &iov};
  return dfs_read(dfs_sys->dfs, obj, &list, off, size, ev);
}
int dfs_sys_write(dfs_sys_t* dfs_sys, dfs_obj_t* obj, const void* buf, daos_off_t off,
                  daos_size_t* size, daos_event_t* ev) {
  if (!dfs_sys || !buf || !size) return EINVAL;
  d_iov_t iov = {const_cast<void*>(buf), *size, *size};
  d_sg_list_t list = {1, 0, &iov};
  return dfs_write(dfs_sys->dfs, obj, &list, off, ev);
}
int dfs_sys_punch(dfs_sys_t* dfs_sys, const char* path, daos_off_t offset, daos_off_t len) {
  Opened opened;
  const int result = open_path(dfs_sys, path, O_RDWR, opened);
  return result ? result : dfs_punch(dfs_sys->dfs, opened.object, offset, len);
}

int dfs_sys_remove(dfs_sys_t* dfs_sys, const char* path, bool force, daos_obj_id_t* oid) {
  return dfs_sys_remove_type(dfs_sys, path, force, 0, oid);
}
int dfs_sys_remove_type(dfs_sys_t* dfs_sys, const char* path, bool force, mode_t mode,
                        daos_obj_id_t* oid) {
  Place place;
  const int result = find_place(dfs_sys, path, place);
  if (result != 0) return result;
  if (place.name.empty()) return EBUSY;
  const DirectoryPtr directory = place.parent.object->node->directory;
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(const ObjectId removed, co_await dfs_sys->dfs->file_system->remove(
                                             session, directory, place.name, force, mode & S_IFMT, oid != nullptr));
    if (oid) *oid = c_oid(removed);
    co_return Result<void>();
  });
}

int dfs_sys_mkdir(dfs_sys_t* dfs_sys, const char* dir, mode_t mode, daos_oclass_id_t cid) {
  Place place;
  const int result = find_place(dfs_sys, dir, place);
  if (result != 0) return result;
  if (place.name.empty()) return EEXIST;
  return dfs_mkdir(dfs_sys->dfs, place.parent.object, place.name.c_str(), mode, cid);
}
int dfs_sys_mkdir_p(dfs_sys_t* dfs_sys, const char* dir_path, mode_t mode, daos_oclass_id_t cid) {
  if (!dfs_sys || !dir_path || dir_path[0] != '/') return EINVAL;
  if (strnlen(dir_path, DFS_MAX_PATH) >= DFS_MAX_PATH) return ENAMETOOLONG;
  const std::string path = dir_path;
  for (size_t end = 1; end <= path.size(); ++end) {
    if (end < path.size() && path[end] != '/') continue;
    if (path[end - 1] == '/') continue;
    const std::string part = path.substr(0, end);
    const int made = dfs_sys_mkdir(dfs_sys, part.c_str(), mode, cid);
    if (made == EEXIST) {
      struct stat status;
      const int found = dfs_sys_stat(dfs_sys, part.c_str(), 0, &status);
      if (found != 0) return found;
      if (!S_ISDIR(status.st_mode)) return ENOTDIR;
    } else if (made != 0) {
      return made;
    }
  }
  return 0;
}

int dfs_sys_opendir(dfs_sys_t* dfs_sys, const char* dir, int flags, DIR** dirp) {
  if (!dirp) return EINVAL;
  Opened opened;
  const int result = open_path(dfs_sys, dir, O_RDONLY | (flags & O_NOFOLLOW), opened);
  if (result != 0) return result;
  if (!opened.object->node->directory) return ENOTDIR;
  auto* directory = new DfsSysDirectory;
  directory->object = std::exchange(opened.object, nullptr);
  *dirp = reinterpret_cast<DIR*>(directory);
  return 0;
}
int dfs_sys_closedir(DIR* dirp) {
  if (!dirp) return EINVAL;
  DfsSysDirectory* directory = directory_behind(dirp);
  (void)dfs_release(directory->object);
  delete directory;
  return 0;
}
int dfs_sys_readdir(dfs_sys_t* dfs_sys, DIR* dirp, struct dirent** dirent) {
  if (!dfs_sys || !dirp || !dirent) return EINVAL;
  DfsSysDirectory* directory = directory_behind(dirp);
  while (directory->next == directory->count) {
    *dirent = nullptr;
    if (daos_anchor_is_eof(&directory->anchor)) return 0;
    directory->next = 0;
    directory->count = 64;
    const int result = dfs_readdir(dfs_sys->dfs, directory->object, &directory->anchor,
                                   &directory->count, directory->entries);
    if (result != 0) return result;
  }
  *dirent = &directory->entries[directory->next++];
  return 0;
}
