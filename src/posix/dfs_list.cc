// daos_fs.h: what is in a directory.
#include <errno.h>

#include <cstring>

#include "libdaos/convert.h"
#include "posix/shell.h"

namespace varve::posix {
namespace {

constexpr uint32_t kNamesAtOnce = 1024;

void fill_entry(const ListedName& name, struct dirent* to) {
  *to = {};
  std::memcpy(to->d_name, name.name.data(), name.name.size());
  to->d_reclen = sizeof *to;
  to->d_type = DT_UNKNOWN;
}

int list(dfs_t* dfs, dfs_obj_t* obj, daos_anchor_t* anchor, uint32_t* nr, struct dirent* dirs,
         struct stat* stbufs) {
  if (!dfs || !obj || !anchor || !nr || !dirs) return EINVAL;
  if (!obj->node->directory) return ENOTDIR;
  const uint32_t room = *nr;
  uint32_t filled = 0;
  const int result = run_now([&](Session& session) -> Task<Result<void>> {
    Session::Anchor at = libdaos::read_anchor(*anchor);
    while (filled < room && !at.end) {
      FileSystem& file_system = *dfs->file_system;
      const Directory& directory = *obj->node->directory;
      const uint32_t wanted = std::min(room - filled, kNamesAtOnce);
      std::vector<ListedName> names;
      if (stbufs) {
        VARVE_CO_TRY(names, co_await file_system.list_with_status(session, directory, at, wanted,
                                                                 anchor->da_flags));
      } else {
        VARVE_CO_TRY(names, co_await file_system.list(session, directory, at, wanted, anchor->da_flags));
      }
      for (const ListedName& name : names) {
        if (stbufs) {
          fill_stat(name.status, &stbufs[filled]);
          stbufs[filled].st_size = static_cast<off_t>(name.status.size);
        }
        fill_entry(name, &dirs[filled]);
        if (stbufs) dirs[filled].d_type = IFTODT(name.status.inode.mode);
        ++filled;
      }
    }
    libdaos::write_anchor(at, *anchor);
    co_return Result<void>();
  });
  *nr = result == 0 ? filled : 0;
  return result;
}

}  // namespace
}  // namespace varve::posix

using namespace varve;
using namespace varve::posix;

int dfs_readdir(dfs_t* dfs, dfs_obj_t* obj, daos_anchor_t* anchor, uint32_t* nr,
                struct dirent* dirs) {
  return list(dfs, obj, anchor, nr, dirs, nullptr);
}

int dfs_readdirplus(dfs_t* dfs, dfs_obj_t* obj, daos_anchor_t* anchor, uint32_t* nr,
                    struct dirent* dirs, struct stat* stbufs) {
  return stbufs ? list(dfs, obj, anchor, nr, dirs, stbufs) : EINVAL;
}

// `size` bounds the bytes of all names together, their zero bytes included. What the callback ends
// or the bound cuts off is not listed again: a page is fetched no longer than both allow.
int dfs_iterate(dfs_t* dfs, dfs_obj_t* obj, daos_anchor_t* anchor, uint32_t* nr, size_t size,
                dfs_filler_cb_t op, void* arg) {
  if (!dfs || !obj || !anchor || !nr || size == 0 || *nr == 0) return EINVAL;
  if (!obj->node->directory) return ENOTDIR;
  const uint32_t wanted = *nr;
  uint32_t given = 0;
  *nr = 0;
  while (given < wanted && size > kNameBytesMax && anchor->da_type != DAOS_ANCHOR_TYPE_EOF) {
    std::vector<ListedName> names;
    const int result = run_now([&](Session& session) -> Task<Result<void>> {
      Session::Anchor at = libdaos::read_anchor(*anchor);
      const auto fits =
          static_cast<uint32_t>(std::min<size_t>(size / (kNameBytesMax + 1), kNamesAtOnce));
      const uint32_t limit = std::min(wanted - given, std::max(fits, 1U));
      VARVE_CO_TRY(names,
                   co_await dfs->file_system->list(session, *obj->node->directory, at, limit,
                                                   anchor->da_flags));
      libdaos::write_anchor(at, *anchor);
      co_return Result<void>();
    });
    if (result != 0) return result;
    for (const ListedName& name : names) {
      ++given;
      size -= std::min(size, name.name.size() + 1);
      *nr = given;
      if (!op) continue;
      if (const int ended = op(dfs, obj, name.name.c_str(), arg)) return ended;
    }
  }
  return 0;
}

// The anchor stands behind the name.
int dfs_dir_anchor_set(dfs_obj_t* obj, const char name[], daos_anchor_t* anchor) {
  if (!obj || !name || !anchor) return EINVAL;
  if (!obj->node->directory) return ENOTDIR;
  if (const Result<void> good = check_name(name); !good) return error_number(good);
  return run_now([&](Session& session) -> Task<Result<void>> {
    const Directory& directory = *obj->node->directory;
    Session::Anchor at;
    at.shard = directory.object.layout.group_of(as_bytes(std::string_view(name)));
    while (!at.end) {
      const Session::Anchor before = at;
      VARVE_CO_TRY(const std::vector<ListedName> page,
                   co_await obj->file_system->list(session, directory, at, kNamesAtOnce));
      for (uint32_t i = 0; i < page.size(); ++i) {
        if (page[i].name != name) continue;
        at = before;
        VARVE_CO_CHECK(co_await obj->file_system->list(session, directory, at, i + 1));
        libdaos::write_anchor(at, *anchor);
        co_return Result<void>();
      }
    }
    co_return no_such_entry(name);
  });
}

// A part is some of the targets that the directory lies on: da_flags is the first that is not of it.
static void begin_part(uint64_t first, uint64_t end, daos_anchor_t& anchor) {
  anchor = DAOS_ANCHOR_INIT;
  Session::Anchor at;
  at.shard = static_cast<uint32_t>(first);
  libdaos::write_anchor(at, anchor);
  anchor.da_flags = static_cast<uint32_t>(end);
}
int dfs_obj_anchor_split(dfs_obj_t* obj, uint32_t* nr, daos_anchor_t* anchors) {
  if (!obj || !nr) return EINVAL;
  if (!obj->node->directory) return ENOTDIR;
  const auto groups = static_cast<uint32_t>(obj->node->directory->object.layout.targets.size());
  if (anchors && *nr == 0) return EINVAL;
  const uint32_t parts = *nr == 0 ? groups : std::min(*nr, groups);
  *nr = parts;
  for (uint32_t i = 0; anchors && i < parts; ++i)
    begin_part(uint64_t{groups} * i / parts, uint64_t{groups} * (i + 1) / parts, anchors[i]);
  return 0;
}
int dfs_obj_anchor_set(dfs_obj_t* obj, uint32_t index, daos_anchor_t* anchor) {
  if (!obj || !anchor) return EINVAL;
  if (!obj->node->directory) return ENOTDIR;
  if (index >= obj->node->directory->object.layout.targets.size()) return EINVAL;
  begin_part(index, uint64_t{index} + 1, *anchor);
  return 0;
}
