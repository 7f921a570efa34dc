// varve/dfs_extensions.h and the check of containers.
#include "varve/dfs_extensions.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/statvfs.h>

#include <cstdio>
#include <ctime>

#include "daos.h"
#include "posix/shell.h"

namespace varve::posix {
namespace {

constexpr uint64_t kCheckFlags = DFS_CHECK_PRINT | DFS_CHECK_REMOVE | DFS_CHECK_RELINK |
                                 DFS_CHECK_VERIFY | DFS_CHECK_EVICT_ALL;

// A container by name, mounted for the length of a call.
class MountedContainer {
 public:
  MountedContainer() = default;
  MountedContainer(const MountedContainer&) = delete;
  MountedContainer& operator=(const MountedContainer&) = delete;
  ~MountedContainer() {
    if (mount) (void)dfs_umount(mount);
    if (daos_handle_is_valid(container)) (void)daos_cont_close(container, nullptr);
  }
  int open(daos_handle_t pool, const char* name, bool writable) {
    const unsigned flags = writable ? DAOS_COO_RW : DAOS_COO_RO;
    const int opened =
        errno_of_daos(daos_cont_open(pool, name, flags, &container, nullptr, nullptr));
    return opened ? opened : dfs_mount(pool, container, writable ? O_RDWR : O_RDONLY, &mount);
  }
  dfs_t* mount = nullptr;
  daos_handle_t container = {0};
};

// Reads every byte of every object. EIO: some are damaged; all are looked at.
int verify_objects(dfs_t* mount, bool print) {
  constexpr uint32_t kPageEntries = 512;
  int result = 0;
  Session::Anchor anchor;
  while (!anchor.end) {
    std::vector<ObjectId> page;
    const int listed = run_now([&](Session& session) -> Task<Result<void>> {
      const FileSystem& file_system = *mount->file_system;
      VARVE_CO_TRY(page,
                   co_await session.list_objects(file_system.container(),
                                                 file_system.mount_options().snapshot, anchor,
                                                 kPageEntries));
      co_return Result<void>();
    });
    if (listed != 0) return listed;
    for (const ObjectId oid : page) {
      const int verified = daos_obj_verify(mount->container, c_oid(oid), DAOS_EPOCH_MAX);
      if (verified == 0 || verified == -DER_NONEXIST) continue;
      if (verified != -DER_CSUM && verified != -DER_MISMATCH) return errno_of_daos(verified);
      if (print) std::printf("damaged object %s\n", oid.to_string().c_str());
      result = EIO;
    }
  }
  return result;
}

int fix_container(daos_handle_t coh,
                  const std::function<Task<Result<void>>(Session&, client::Container)>& fix) {
  const Result<client::Container> container = libdaos::container_of_handle(coh);
  if (!container) return error_number(container.error());
  return run_now([&](Session& session) { return fix(session, *container); });
}

}  // namespace
}  // namespace varve::posix

using namespace varve;
using namespace varve::posix;

int varve_dfs_recreate_superblock(daos_handle_t coh, const dfs_attr_t* attr) {
  return fix_container(coh, [&](Session& session, client::Container container) {
    return FileSystem::recreate_superblock(session, std::move(container), format_options(attr));
  });
}
int varve_dfs_relink_root(daos_handle_t coh) {
  return fix_container(coh, [&](Session& session, client::Container container) {
    return FileSystem::relink_root(session, std::move(container), format_options(nullptr));
  });
}
int varve_dfs_fix_type(dfs_t* dfs, dfs_obj_t* parent, const char* name) {
  if (!dfs || !name) return EINVAL;
  const DirectoryPtr directory = directory_of(dfs, parent);
  if (!directory) return ENOTDIR;
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(const bool changed,
                 co_await dfs->file_system->fix_type(session, *directory, name));
    if (!changed)
      co_return Error(Code::kAlready, "'" + std::string(name) + "' has the type of its object");
    co_return Result<void>();
  });
}

int varve_dfs_link(dfs_t* dfs, dfs_obj_t* parent, const char* name, dfs_obj_t* new_parent,
                   const char* new_name) {
  if (!dfs || !name || !new_name) return EINVAL;
  const DirectoryPtr from = directory_of(dfs, parent), to = directory_of(dfs, new_parent);
  if (!from || !to) return ENOTDIR;
  return run_now([&](Session& session) {
    return dfs->file_system->link(session, *from, name, *to, new_name);
  });
}

int varve_dfs_append(dfs_t* dfs, dfs_obj_t* obj, d_sg_list_t* sgl, daos_off_t* offset) {
  if (!dfs || !obj || !sgl || (sgl->sg_nr > 0 && !sgl->sg_iovs)) return EINVAL;
  std::vector<ByteView> memory;
  for (uint32_t i = 0; i < sgl->sg_nr; ++i) {
    const d_iov_t& iov = sgl->sg_iovs[i];
    if (iov.iov_len == 0) continue;
    if (!iov.iov_buf) return EINVAL;
    memory.emplace_back(static_cast<const std::byte*>(iov.iov_buf), iov.iov_len);
  }
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(const uint64_t at,
                 co_await dfs->file_system->append(session, *obj->node, Gather(memory)));
    if (offset) *offset = at;
    co_return Result<void>();
  });
}

int varve_dfs_flock(dfs_t* dfs, dfs_obj_t* obj, int operation) {
  if (!dfs || !obj) return EINVAL;
  const bool wait = (operation & LOCK_NB) == 0;
  const int what = operation & ~LOCK_NB;
  if (what != LOCK_SH && what != LOCK_EX && what != LOCK_UN) return EINVAL;
  bool got = true;
  const int result = run_now([&](Session& session) -> Task<Result<void>> {
    FileSystem& file_system = *dfs->file_system;
    if (what == LOCK_UN) {
      VARVE_CO_CHECK(co_await file_system.change_lock(session, *obj->node, obj->owner(),
                                                      LockChange::kRelease));
    } else {
      VARVE_CO_TRY(got, co_await file_system.lock(session, *obj->node, obj->owner(),
                                                  what == LOCK_EX, wait));
    }
    co_return Result<void>();
  });
  if (result != 0) return result;
  if (!got) return EWOULDBLOCK;
  obj->locked = what != LOCK_UN;
  return 0;
}

int varve_dfs_flock_refresh(dfs_t* dfs, dfs_obj_t* obj, uint32_t* lease_ms) {
  if (!dfs || !obj) return EINVAL;
  bool held = false;
  const int result = run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(held, co_await dfs->file_system->change_lock(session, *obj->node, obj->owner(),
                                                              LockChange::kRenew));
    co_return Result<void>();
  });
  if (result != 0) return result;
  if (lease_ms)
    *lease_ms = static_cast<uint32_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(dfs->file_system->lease()).count());
  obj->locked = held;
  return held ? 0 : ENOLCK;
}

int varve_dfs_space(dfs_t* dfs, uint64_t flags, struct varve_dfs_space* space) {
  if (!dfs || !space || (flags & ~uint64_t{VARVE_DFS_COUNT})) return EINVAL;
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(const SpaceReport found,
                 co_await dfs->file_system->space(session, (flags & VARVE_DFS_COUNT) != 0));
    *space = {found.pool_bytes, found.pool_free_bytes, found.file_bytes, found.objects};
    co_return Result<void>();
  });
}

int varve_dfs_statfs(dfs_t* dfs, struct statvfs* status) {
  if (!dfs || !status) return EINVAL;
  struct varve_dfs_space space = {};
  const int result = varve_dfs_space(dfs, 0, &space);
  if (result != 0) return result;
  constexpr uint64_t kBlock = 512;
  *status = {};
  status->f_bsize = dfs->file_system->superblock().chunk_bytes;
  status->f_frsize = kBlock;
  status->f_blocks = space.pool_bytes / kBlock;
  status->f_bfree = status->f_bavail = space.pool_free_bytes / kBlock;
  status->f_namemax = kNameBytesMax;
  if (!dfs->file_system->mount_options().writable) status->f_flag = ST_RDONLY;
  return 0;
}

namespace {
int set_quota(dfs_t* dfs, const DirectoryPtr& directory, std::optional<uint32_t> user,
              const varve_dfs_quota* quota) {
  return run_now([&](Session& session) {
    return dfs->file_system->set_quota(session, directory, user, quota->bytes_limit,
                                       quota->files_limit);
  });
}
int get_quota(dfs_t* dfs, ObjectId directory, std::optional<uint32_t> user,
              varve_dfs_quota* quota) {
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(const Quota found, co_await dfs->file_system->quota(session, directory, user));
    *quota = {found.bytes_limit, found.files_limit, found.bytes_used, found.files_used};
    co_return Result<void>();
  });
}
}  // namespace

int varve_dfs_set_quota(dfs_t* dfs, dfs_obj_t* directory, const struct varve_dfs_quota* quota) {
  if (!dfs || !quota) return EINVAL;
  const DirectoryPtr top = directory_of(dfs, directory);
  return top ? set_quota(dfs, top, std::nullopt, quota) : ENOTDIR;
}
int varve_dfs_get_quota(dfs_t* dfs, dfs_obj_t* directory, struct varve_dfs_quota* quota) {
  if (!dfs || !quota) return EINVAL;
  const DirectoryPtr top = directory_of(dfs, directory);
  return top ? get_quota(dfs, top->object.oid, std::nullopt, quota) : ENOTDIR;
}
int varve_dfs_set_user_quota(dfs_t* dfs, uid_t user, const struct varve_dfs_quota* quota) {
  return dfs && quota ? set_quota(dfs, nullptr, user, quota) : EINVAL;
}
int varve_dfs_get_user_quota(dfs_t* dfs, uid_t user, struct varve_dfs_quota* quota) {
  return dfs && quota ? get_quota(dfs, {}, user, quota) : EINVAL;
}

int varve_dfs_check(dfs_t* dfs, uint64_t flags, const char* name,
                    struct varve_dfs_check_report* report) {
  if (!dfs || (flags & ~kCheckFlags)) return EINVAL;
  if ((flags & DFS_CHECK_REMOVE) && (flags & DFS_CHECK_RELINK)) return EINVAL;
  if (flags & DFS_CHECK_EVICT_ALL) return not_done_yet("a check with DFS_CHECK_EVICT_ALL");
  CheckOptions options;
  options.remove = (flags & DFS_CHECK_REMOVE) != 0;
  options.relink = (flags & DFS_CHECK_RELINK) != 0;
  options.repair = options.remove || options.relink;
  options.lost_name = name ? std::string(name) : std::to_string(std::time(nullptr));
  if (options.relink && !check_name(options.lost_name)) return EINVAL;
  if (flags & DFS_CHECK_PRINT)
    options.each = [](ObjectId oid) { std::printf("leaked object %s\n", oid.to_string().c_str()); };
  const int checked = run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(const CheckReport found, co_await dfs->file_system->check(session, options));
    if (report)
      *report = {found.directories, found.files,  found.links,       found.leaked, found.relinked,
                 found.removed,     found.ghosts, found.stale_names, found.unmarked,
                 found.orphans,     found.quotas};
    co_return Result<void>();
  });
  if (checked != 0 || !(flags & DFS_CHECK_VERIFY)) return checked;
  return verify_objects(dfs, (flags & DFS_CHECK_PRINT) != 0);
}

int dfs_cont_check(daos_handle_t poh, const char* cont, uint64_t flags, const char* name) {
  if (!cont) return EINVAL;
  MountedContainer mounted;
  const int opened = mounted.open(poh, cont, true);
  return opened ? opened : varve_dfs_check(mounted.mount, flags, name, nullptr);
}

int dfs_cont_scan(daos_handle_t poh, const char* cont, uint64_t flags, const char* name) {
  if (!cont || flags) return EINVAL;
  MountedContainer mounted;
  const int opened = mounted.open(poh, cont, false);
  if (opened) return opened;
  varve_dfs_check_report report = {};
  const int result = varve_dfs_check(mounted.mount, 0, nullptr, &report);
  if (result == 0)
    std::printf("directories %llu\nfiles %llu\nsymbolic links %llu\nleaked objects %llu\n",
                static_cast<unsigned long long>(report.directories),
                static_cast<unsigned long long>(report.files),
                static_cast<unsigned long long>(report.links),
                static_cast<unsigned long long>(report.leaked));
  return result;
}

int dfs_cont_set_owner(daos_handle_t coh, d_string_t user, uid_t uid, d_string_t group, gid_t gid) {
  const Result<client::Container> container = libdaos::container_of_handle(coh);
  if (!container) return error_number(container.error());
  if (!user && !group) return EINVAL;
  const int changed = daos_cont_set_owner(coh, user, group, nullptr);
  if (changed != 0) return changed == -DER_NOSYS ? ENOSYS : errno_of_daos(changed);
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(const auto file_system, co_await FileSystem::mount(session, *container, {}));
    AttributeChange change;
    if (user) change.uid = uid;
    if (group) change.gid = gid;
    VARVE_CO_CHECK(co_await file_system->set_attributes(session, *file_system->root(), change));
    co_return Result<void>();
  });
}

int dfs_get_file_oh(dfs_obj_t* obj, daos_handle_t* oh) {
  if (!obj || !oh) return EINVAL;
  const Inode& inode = obj->node->inode;
  if (!inode.is_file()) return EINVAL;
  return errno_of_daos(daos_array_open_with_attr(
      obj->container, c_oid(inode.oid), DAOS_TX_NONE, obj->node->writable ? DAOS_OO_RW : DAOS_OO_RO,
      1, inode.chunk_bytes, oh, nullptr));
}

int dfs_destroy(const char* pool, const char* sys, const char* cont, int force, daos_event_t* ev) {
  if (!pool || !cont) return EINVAL;
  const int result = libdaos::run(
      ev, [pool_name = std::string(pool), name = std::string(cont),
           force](Session& session) -> Task<int> {
        constexpr uint32_t kReadWrite = DAOS_PC_RW;
        Result<client::Pool> opened = co_await session.connect_pool(pool_name, kReadWrite);
        if (!opened) co_return error_number(opened.error());
        const Result<void> gone = co_await session.destroy_container(*opened, name, force != 0);
        (void)co_await session.disconnect_pool(*opened);
        co_return error_number(gone);
      });
  return result < 0 ? errno_of_daos(result) : result;
}
