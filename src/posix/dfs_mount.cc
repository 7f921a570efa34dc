// daos_fs.h: containers and mounts.
#include <errno.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "base/coding.h"
#include "daos.h"
#include "posix/shell.h"

namespace varve::posix {
namespace {

// What dfs_local2global writes: magic, the container's UUID.
struct GlobalMount {
  static constexpr uint64_t kMagic = 0x3153464447565256;  // "VRVGDFS1"
  uint64_t magic = kMagic;
  Uuid container;
};
static_assert(sizeof(GlobalMount) == 24);
// dfs_local2global_all: magic, lengths of the pool's and the container's descriptions, both.
constexpr uint64_t kGlobalAllMagic = 0x3141464447565256;  // "VRVGDFA1"

int mount_container(daos_handle_t poh, daos_handle_t coh, int flags, Epoch snapshot,
                    dfs_t** mounted) {
  if (!mounted) return EINVAL;
  if ((flags & O_ACCMODE) == O_WRONLY) return EINVAL;
  const Result<client::Pool> pool = libdaos::pool_of(poh);
  if (!pool) return error_number(pool.error());
  const Result<client::Container> container = libdaos::container_of_handle(coh);
  if (!container) return error_number(container.error());
  const std::string& type = (*container)->info.type;
  if (!type.empty() && type != "POSIX" && type != "unknown")
    return error_number(Error(Code::kInvalid, "the container's type is " + type + ", not POSIX"));
  if (wants_writing(flags) && !(*container)->writable)
    return error_number(Error(Code::kNoPermission, "the container is open for reading only"));
  MountOptions options;
  options.writable = wants_writing(flags);
  options.uid = geteuid();
  options.gid = getegid();
  options.snapshot = snapshot;
  // A container of this type without a file system: its maker stopped in between, or left it to us.
  options.format_if_empty = type == "POSIX";
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(auto file_system, co_await FileSystem::mount(session, *container, options));
    auto mount = std::make_unique<dfs>();
    mount->file_system = std::move(file_system);
    mount->pool = poh;
    mount->container = coh;
    *mounted = mount.release();
    co_return Result<void>();
  });
}

// The caller's properties and the type POSIX.
std::vector<daos_prop_entry> container_properties(const dfs_attr_t* attributes) {
  std::vector<daos_prop_entry> entries;
  if (attributes && attributes->da_props)
    for (uint32_t i = 0; i < attributes->da_props->dpp_nr; ++i)
      if (attributes->da_props->dpp_entries[i].dpe_type != DAOS_PROP_CO_LAYOUT_TYPE)
        entries.push_back(attributes->da_props->dpp_entries[i]);
  daos_prop_entry type = {};
  type.dpe_type = DAOS_PROP_CO_LAYOUT_TYPE;
  type.dpe_val = DAOS_PROP_CO_LAYOUT_POSIX;
  entries.push_back(type);
  return entries;
}

// What the mount holds of others' is given back; if that fails, its lease ends by itself.
void leave(dfs_t* mount) {
  if (mount->process != getpid()) return;
  (void)run_now([&](Session& session) { return mount->file_system->leave(session); });
}

int create_container(daos_handle_t poh, const char* label, dfs_attr_t* attributes, uuid_t* uuid,
                     daos_handle_t* coh, dfs_t** mounted) {
  const FormatOptions options = format_options(attributes);
  if (options.chunk_bytes > kChunkBytesMax) return EINVAL;
  std::vector<daos_prop_entry> entries = container_properties(attributes);
  daos_prop_t properties = {};
  properties.dpp_nr = static_cast<uint32_t>(entries.size());
  properties.dpp_entries = entries.data();
  uuid_t made;
  const int created = label ? daos_cont_create_with_label(poh, label, &properties, &made, nullptr)
                            : daos_cont_create(poh, &made, &properties, nullptr);
  if (created != 0) return errno_of_daos(created);
  Uuid id;
  std::memcpy(id.bytes.data(), made, sizeof made);
  const std::string name = id.to_string();

  daos_handle_t opened = {0};
  int result =
      errno_of_daos(daos_cont_open(poh, name.c_str(), DAOS_COO_RW, &opened, nullptr, nullptr));
  if (result == 0) {
    const Result<client::Container> container = libdaos::container_of_handle(opened);
    result = !container ? error_number(container.error()) : run_now([&](Session& session) {
      return FileSystem::format(session, *container, options);
    });
  }
  const bool keep = coh || mounted;
  if (result == 0 && mounted) result = mount_container(poh, opened, O_RDWR, kEpochMax, mounted);
  if (result != 0 || !keep) {
    if (daos_handle_is_valid(opened)) (void)daos_cont_close(opened, nullptr);
    if (result != 0) (void)daos_cont_destroy(poh, name.c_str(), 1, nullptr);
  }
  if (result != 0) return result;
  if (uuid) std::memcpy(*uuid, made, sizeof made);
  if (coh) *coh = opened;
  // Nobody else knows the handle: the mount closes it.
  if (mounted && !coh) (*mounted)->owns_handles = true;
  return 0;
}

}  // namespace
}  // namespace varve::posix

using namespace varve;
using namespace varve::posix;

int dfs_init(void) { return errno_of_daos(daos_init()); }
int dfs_fini(void) { return errno_of_daos(daos_fini()); }

int dfs_mount(daos_handle_t poh, daos_handle_t coh, int flags, dfs_t** dfs) {
  return mount_container(poh, coh, flags, kEpochMax, dfs);
}

int dfs_mount_snap(daos_handle_t poh, daos_handle_t coh, int flags, daos_epoch_t epoch,
                   const char* name, dfs_t** dfs) {
  if (!dfs || (epoch == 0) == (name == nullptr)) return EINVAL;
  if (wants_writing(flags)) return EROFS;
  if (name) {
    const Result<client::Container> container = libdaos::container_of_handle(coh);
    if (!container) return error_number(container.error());
    const int found = run_now([&](Session& session) -> Task<Result<void>> {
      VARVE_CO_TRY(const auto snapshots, co_await session.list_snapshots(*container));
      for (const container::Snapshot& snapshot : snapshots)
        if (snapshot.name == name) epoch = snapshot.epoch.value;
      if (epoch == 0)
        co_return Error(Code::kNonexistent, std::string("there is no snapshot '") + name + "'");
      co_return Result<void>();
    });
    if (found != 0) return found;
  }
  return mount_container(poh, coh, flags, Epoch{epoch}, dfs);
}

int dfs_umount(dfs_t* dfs) {
  if (!dfs) return EINVAL;
  leave(dfs);
  if (dfs->owns_handles) (void)daos_cont_close(dfs->container, nullptr);
  delete dfs;
  return 0;
}

int dfs_connect(const char* pool, const char* sys, const char* cont, int flags, dfs_attr_t* attr,
                dfs_t** dfs) {
  if (!pool || !cont || !dfs) return EINVAL;
  const bool writing = wants_writing(flags);
  daos_handle_t poh, coh = {0};
  int result = errno_of_daos(
      daos_pool_connect(pool, sys, writing ? DAOS_PC_RW : DAOS_PC_RO, &poh, nullptr, nullptr));
  if (result != 0) return result;
  const unsigned mode = writing ? DAOS_COO_RW : DAOS_COO_RO;
  result = errno_of_daos(daos_cont_open(poh, cont, mode, &coh, nullptr, nullptr));
  if (result == ENOENT && (flags & O_CREAT)) {
    result = dfs_cont_create_with_label(poh, cont, attr, nullptr, &coh, nullptr);
    // Somebody else was faster.
    if (result == EEXIST)
      result = errno_of_daos(daos_cont_open(poh, cont, mode, &coh, nullptr, nullptr));
  }
  if (result == 0) result = mount_container(poh, coh, flags & O_ACCMODE, kEpochMax, dfs);
  if (result == 0) {
    (*dfs)->owns_handles = true;
    return 0;
  }
  if (daos_handle_is_valid(coh)) (void)daos_cont_close(coh, nullptr);
  (void)daos_pool_disconnect(poh, nullptr);
  return result;
}

int dfs_connect_snap(const char* pool, const char* sys, const char* cont, int flags,
                     daos_epoch_t epoch, const char* name, dfs_t** dfs) {
  if (!pool || !cont || !dfs) return EINVAL;
  daos_handle_t poh, coh = {0};
  int result = errno_of_daos(daos_pool_connect(pool, sys, DAOS_PC_RO, &poh, nullptr, nullptr));
  if (result != 0) return result;
  result = errno_of_daos(daos_cont_open(poh, cont, DAOS_COO_RO, &coh, nullptr, nullptr));
  if (result == 0) result = dfs_mount_snap(poh, coh, flags, epoch, name, dfs);
  if (result == 0) {
    (*dfs)->owns_handles = true;
    return 0;
  }
  if (daos_handle_is_valid(coh)) (void)daos_cont_close(coh, nullptr);
  (void)daos_pool_disconnect(poh, nullptr);
  return result;
}

int dfs_disconnect(dfs_t* dfs) {
  if (!dfs || !dfs->owns_handles) return EINVAL;
  leave(dfs);
  const int closed = errno_of_daos(daos_cont_close(dfs->container, nullptr));
  const int left = errno_of_daos(daos_pool_disconnect(dfs->pool, nullptr));
  delete dfs;
  return closed ? closed : left;
}

int dfs_cont_create(daos_handle_t poh, uuid_t* uuid, dfs_attr_t* attr, daos_handle_t* coh,
                    dfs_t** dfs) {
  return create_container(poh, nullptr, attr, uuid, coh, dfs);
}
int dfs_cont_create_with_label(daos_handle_t poh, const char* label, dfs_attr_t* attr, uuid_t* uuid,
                               daos_handle_t* coh, dfs_t** dfs) {
  return label ? create_container(poh, label, attr, uuid, coh, dfs) : EINVAL;
}

int dfs_pool_get(dfs_t* dfs, daos_handle_t* poh) {
  if (!dfs || !poh) return EINVAL;
  *poh = dfs->pool;
  return 0;
}
int dfs_pool_put(dfs_t* dfs, daos_handle_t poh) {
  return dfs && poh.cookie == dfs->pool.cookie ? 0 : EINVAL;
}
int dfs_cont_get(dfs_t* dfs, daos_handle_t* coh) {
  if (!dfs || !coh) return EINVAL;
  *coh = dfs->container;
  return 0;
}
int dfs_cont_put(dfs_t* dfs, daos_handle_t coh) {
  return dfs && coh.cookie == dfs->container.cookie ? 0 : EINVAL;
}

int dfs_query(dfs_t* dfs, dfs_attr_t* attr) {
  if (!dfs || !attr) return EINVAL;
  const SuperblockRecord& superblock = dfs->file_system->superblock();
  *attr = {};
  attr->da_chunk_size = superblock.chunk_bytes;
  attr->da_oclass_id = attr->da_file_oclass_id = superblock.file_class;
  attr->da_dir_oclass_id = superblock.directory_class;
  attr->da_mode = superblock.mode;
  std::memcpy(attr->da_hints, superblock.hints, sizeof attr->da_hints);
  return 0;
}

int dfs_local2global(dfs_t* dfs, d_iov_t* glob) {
  if (!dfs || !glob) return EINVAL;
  if (glob->iov_buf && glob->iov_buf_len < sizeof(GlobalMount)) {
    glob->iov_buf_len = sizeof(GlobalMount);
    return ERANGE;
  }
  if (!glob->iov_buf) {
    glob->iov_buf_len = sizeof(GlobalMount);
    return 0;
  }
  GlobalMount global;
  global.container = dfs->file_system->container()->uuid;
  std::memcpy(glob->iov_buf, &global, sizeof global);
  glob->iov_len = sizeof global;
  return 0;
}

int dfs_global2local(daos_handle_t poh, daos_handle_t coh, int flags, d_iov_t glob, dfs_t** dfs) {
  if (!dfs || !glob.iov_buf || glob.iov_len < sizeof(GlobalMount) ||
      glob.iov_buf_len < sizeof(GlobalMount))
    return EINVAL;
  GlobalMount global;
  std::memcpy(&global, glob.iov_buf, sizeof global);
  if (global.magic != GlobalMount::kMagic) return EINVAL;
  const Result<client::Container> container = libdaos::container_of_handle(coh);
  if (!container) return error_number(container.error());
  if (!((*container)->uuid == global.container)) return EINVAL;
  return mount_container(poh, coh, flags & O_ACCMODE, kEpochMax, dfs);
}

int dfs_local2global_all(dfs_t* dfs, d_iov_t* glob) {
  if (!dfs || !glob) return EINVAL;
  d_iov_t pool = {}, container = {};
  int result = errno_of_daos(daos_pool_local2global(dfs->pool, &pool));
  if (result == 0) result = errno_of_daos(daos_cont_local2global(dfs->container, &container));
  if (result != 0) return result;
  const size_t needed = 3 * sizeof(uint64_t) + pool.iov_buf_len + container.iov_buf_len;
  const bool fits = glob->iov_buf && glob->iov_buf_len >= needed;
  if (!fits) {
    glob->iov_buf_len = needed;
    return glob->iov_buf ? ERANGE : 0;
  }
  auto* bytes = static_cast<char*>(glob->iov_buf);
  const uint64_t head[3] = {kGlobalAllMagic, pool.iov_buf_len, container.iov_buf_len};
  std::memcpy(bytes, head, sizeof head);
  pool.iov_buf = bytes + sizeof head;
  container.iov_buf = bytes + sizeof head + pool.iov_buf_len;
  result = errno_of_daos(daos_pool_local2global(dfs->pool, &pool));
  if (result == 0) result = errno_of_daos(daos_cont_local2global(dfs->container, &container));
  glob->iov_len = needed;
  return result;
}

int dfs_global2local_all(int flags, d_iov_t glob, dfs_t** dfs) {
  if (!dfs || !glob.iov_buf || glob.iov_len > glob.iov_buf_len) return EINVAL;
  Decoder decoder({static_cast<const std::byte*>(glob.iov_buf), glob.iov_len});
  const auto magic = decoder.get<uint64_t>();
  const auto pool_bytes = decoder.get<uint64_t>(), container_bytes = decoder.get<uint64_t>();
  const ByteView pool_view = decoder.raw(pool_bytes), container_view = decoder.raw(container_bytes);
  if (magic != kGlobalAllMagic || !decoder.done()) return EINVAL;
  const auto iov = [](ByteView view) {
    return d_iov_t{const_cast<std::byte*>(view.data()), view.size(), view.size()};
  };
  daos_handle_t poh, coh;
  int result = errno_of_daos(daos_pool_global2local(iov(pool_view), &poh));
  if (result != 0) return result;
  result = errno_of_daos(daos_cont_global2local(poh, iov(container_view), &coh));
  if (result == 0) {
    result = mount_container(poh, coh, flags & O_ACCMODE, kEpochMax, dfs);
    if (result != 0) (void)daos_cont_close(coh, nullptr);
  }
  if (result != 0)
    (void)daos_pool_disconnect(poh, nullptr);
  else
    (*dfs)->owns_handles = true;
  return result;
}

int dfs_set_prefix(dfs_t* dfs, const char* prefix) {
  if (!dfs) return EINVAL;
  if (!prefix) {
    dfs->prefix.clear();
    return 0;
  }
  const size_t length = strnlen(prefix, DFS_MAX_PATH);
  if (prefix[0] != '/' || length >= DFS_MAX_PATH) return EINVAL;
  dfs->prefix = prefix;
  while (!dfs->prefix.empty() && dfs->prefix.back() == '/') dfs->prefix.pop_back();
  return 0;
}
