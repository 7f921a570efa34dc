// daos_fs.h: listings of those entries alone that a predicate asks for. The library looks at each entry
// itself: until servers filter, this saves the caller the code, not the network the bytes.
#include <errno.h>

#include <cstring>

#include "libdaos/convert.h"
#include "posix/shell.h"

struct dfs_pipeline {
  uint64_t flags = 0;
  std::string pattern;  // DFS_FILTER_NAME
  int64_t newer_ns = 0;  // DFS_FILTER_NEWER
};

namespace varve::posix {
namespace {

constexpr uint64_t kFilterFlags = DFS_FILTER_NAME | DFS_FILTER_NEWER | DFS_FILTER_INCLUDE_DIRS;

// As LIKE of SQL: '%' stands for any text, '_' for any byte, '\' takes the next one as it is.
bool is_like(std::string_view text, std::string_view pattern) {
  size_t at = 0, from = 0;
  size_t resume_text = text.npos, resume_pattern = 0;  // behind the last '%'
  while (at < text.size()) {
    if (from < pattern.size() && pattern[from] == '%') {
      resume_pattern = ++from;
      resume_text = at;
      continue;
    }
    const bool escaped = from + 1 < pattern.size() && pattern[from] == '\\';
    const size_t literal = from + (escaped ? 1 : 0);
    const bool fits = literal < pattern.size() &&
                      ((!escaped && pattern[literal] == '_') || pattern[literal] == text[at]);
    if (fits) {
      from = literal + 1;
      ++at;
    } else if (resume_text != text.npos) {
      at = ++resume_text;
      from = resume_pattern;
    } else {
      return false;
    }
  }
  while (from < pattern.size() && pattern[from] == '%') ++from;
  return from == pattern.size();
}

bool passes(const dfs_pipeline& filter, const ListedName& entry) {
  if ((filter.flags & DFS_FILTER_INCLUDE_DIRS) && entry.status.inode.is_directory()) return true;
  if ((filter.flags & DFS_FILTER_NAME) && !is_like(entry.name, filter.pattern)) return false;
  return !(filter.flags & DFS_FILTER_NEWER) || entry.status.mtime_ns > filter.newer_ns;
}

// What the caller has room for; oids and chunk sizes only where they are wanted.
struct FilteredEntries {
  struct dirent* entries;
  daos_obj_id_t* oids;
  daos_size_t* chunk_sizes;
  uint32_t filled = 0;
  void add(const ListedName& entry, uint64_t default_chunk_bytes) {
    struct dirent& to = entries[filled];
    to = {};
    std::memcpy(to.d_name, entry.name.data(), entry.name.size());
    to.d_reclen = sizeof to;
    const Inode& inode = entry.status.inode;
    to.d_type = IFTODT(inode.mode);
    if (oids) oids[filled] = c_oid(inode.oid);
    if (chunk_sizes)
      chunk_sizes[filled] = inode.is_link()      ? 0
                            : inode.chunk_bytes ? inode.chunk_bytes
                                                : default_chunk_bytes;
    ++filled;
  }
};

}  // namespace
}  // namespace varve::posix

using namespace varve;
using namespace varve::posix;

int dfs_pipeline_create(dfs_t* dfs, dfs_predicate_t pred, uint64_t flags, dfs_pipeline_t** dpipe) {
  if (!dfs || !dpipe || flags == 0 || (flags & ~kFilterFlags)) return EINVAL;
  const size_t length = strnlen(pred.dp_name, sizeof pred.dp_name);
  if ((flags & DFS_FILTER_NAME) && length == 0) return EINVAL;
  auto filter = std::make_unique<dfs_pipeline>();
  filter->flags = flags;
  filter->pattern.assign(pred.dp_name, length);
  if (__builtin_mul_overflow(int64_t{pred.dp_newer}, int64_t{1'000'000'000}, &filter->newer_ns))
    return EINVAL;
  *dpipe = filter.release();
  return 0;
}

int dfs_pipeline_destroy(dfs_pipeline_t* dpipe) {
  if (!dpipe) return EINVAL;
  delete dpipe;
  return 0;
}

int dfs_readdir_with_filter(dfs_t* dfs, dfs_obj_t* obj, dfs_pipeline_t* dpipe,
                            daos_anchor_t* anchor, uint32_t* nr, struct dirent* dirs,
                            daos_obj_id_t* oids, daos_size_t* csizes, uint64_t* nr_scanned) {
  if (!dfs || !obj || !dpipe || !anchor || !nr || !dirs) return EINVAL;
  if (!obj->node->directory) return ENOTDIR;
  constexpr uint32_t kNamesAtOnce = 1024;
  const uint32_t room = *nr;
  FilteredEntries found{dirs, oids, csizes};
  uint64_t scanned = 0;
  const int result = run_now([&](Session& session) -> Task<Result<void>> {
    FileSystem& file_system = *dfs->file_system;
    Session::Anchor at = libdaos::read_anchor(*anchor);
    while (found.filled < room && !at.end) {
      VARVE_CO_TRY(const std::vector<ListedName> names,
                   co_await file_system.list_with_status(
                       session, *obj->node->directory, at,
                       std::min(room - found.filled, kNamesAtOnce), anchor->da_flags));
      scanned += names.size();
      for (const ListedName& name : names)
        if (passes(*dpipe, name)) found.add(name, file_system.superblock().chunk_bytes);
    }
    libdaos::write_anchor(at, *anchor);
    co_return Result<void>();
  });
  *nr = result == 0 ? found.filled : 0;
  if (nr_scanned) *nr_scanned = scanned;
  return result;
}
