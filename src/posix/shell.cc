#include "posix/shell.h"

#include <errno.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <set>

#include "base/log.h"

namespace varve::posix {

int error_number(const Error& error) {
  int number = EIO;
  switch (error.code()) {
    case Code::kNonexistent:
    case Code::kNoEntry:
    case Code::kContainerNonexistent:
      number = ENOENT;
      break;
    case Code::kExists:
      number = EEXIST;
      break;
    case Code::kInvalid:
    case Code::kBadPath:
    case Code::kBadIo:
    case Code::kBadType:
      number = EINVAL;
      break;
    case Code::kNoPermission:
      number = EPERM;
      break;
    case Code::kReadOnly:
      number = EROFS;
      break;
    case Code::kNoHandle:
    case Code::kUninitialized:
      number = EINVAL;
      break;
    case Code::kNotDirectory:
      number = ENOTDIR;
      break;
    case Code::kIsDirectory:
      number = EISDIR;
      break;
    case Code::kNotEmpty:
      number = ENOTEMPTY;
      break;
    case Code::kLinkLoop:
      number = ELOOP;
      break;
    case Code::kNameTooLong:
      number = ENAMETOOLONG;
      break;
    case Code::kNoAttribute:
      number = ENODATA;
      break;
    case Code::kNoSpace:
      number = ENOSPC;
      break;
    case Code::kMismatch:
      number = EXDEV;
      break;
    case Code::kQuota:
      number = EDQUOT;
      break;
    case Code::kNoMemory:
      number = ENOMEM;
      break;
    case Code::kNotImplemented:
    case Code::kNotSupported:
      number = ENOTSUP;
      break;
    case Code::kUnreachable:
      number = EHOSTUNREACH;
      break;
    case Code::kTimedOut:
      number = ETIMEDOUT;
      break;
    case Code::kBusy:
      number = EBUSY;
      break;
    case Code::kAgain:
      number = EAGAIN;
      break;
    case Code::kOverflow:
      number = EFBIG;
      break;
    case Code::kTruncated:
      number = ERANGE;
      break;
    case Code::kCanceled:
      number = ECANCELED;
      break;
    case Code::kRecordTooBig:
    case Code::kKeyTooBig:
      number = E2BIG;
      break;
    case Code::kAlready:
      number = EALREADY;
      break;
    default:
      break;
  }
  const bool grave =
      number == EIO || number == ETIMEDOUT || number == EHOSTUNREACH || number == ENOMEM;
  const LogLevel level = grave ? LogLevel::kWarning : LogLevel::kDebug;
  if (log_enabled(level)) log_line(level, "libdfs: " + error.describe());
  return number;
}

int errno_of_daos(int result) {
  if (result == 0) return 0;
  return error_number(Error(code_from(result < 0 ? -result : result)));
}

int not_done_yet(const char* function) {
  static std::mutex mutex;
  static std::set<std::string> named;
  const std::scoped_lock lock(mutex);
  if (named.insert(function).second)
    log_warning(std::string("libdfs: ") + function + " is not implemented yet");
  return ENOSYS;
}

dfs_obj_t* new_handle(const dfs* mount, NodePtr node) {
  mount->file_system->opened(node);
  return new dfs_obj{mount->file_system, std::move(node), mount->container};
}

namespace {
timespec to_timespec(int64_t ns) {
  constexpr int64_t kSecond = 1'000'000'000;
  int64_t seconds = ns / kSecond, rest = ns % kSecond;
  if (rest < 0) --seconds, rest += kSecond;
  return {seconds, rest};
}
}  // namespace

void fill_stat(const Status& status, struct stat* to) {
  *to = {};
  to->st_mode = status.inode.mode;
  to->st_uid = status.inode.uid;
  to->st_gid = status.inode.gid;
  to->st_nlink = static_cast<nlink_t>(status.links);
  // Numbers of objects begin at 1, as does the one of the root, which its high half tells apart.
  to->st_ino = status.inode.oid.low + ((status.inode.oid.high & 0xffffffff) ? 0 : 1);
  to->st_size = static_cast<off_t>(status.size);
  to->st_blocks = static_cast<blkcnt_t>((status.stored_bytes + 511) / 512);
  to->st_blksize = static_cast<blksize_t>(status.inode.chunk_bytes ? status.inode.chunk_bytes
                                                                   : kDefaultChunkBytes);
  to->st_mtim = to_timespec(status.mtime_ns);
  to->st_atim = to_timespec(status.atime_ns);
  to->st_ctim = to_timespec(status.ctime_ns);
}

Task<Result<void>> fill_optional_stat(Session& session, FileSystem& file_system, const Node& node,
                                      struct stat* to) {
  if (!to) co_return Result<void>();
  VARVE_CO_TRY(const Status status, co_await file_system.status_of(session, node.inode));
  fill_stat(status, to);
  co_return Result<void>();
}

FormatOptions format_options(const dfs_attr_t* attributes) {
  FormatOptions options;
  options.uid = geteuid();
  options.gid = getegid();
  if (!attributes) return options;
  options.chunk_bytes = attributes->da_chunk_size;
  options.file_class =
      attributes->da_file_oclass_id ? attributes->da_file_oclass_id : attributes->da_oclass_id;
  options.directory_class =
      attributes->da_dir_oclass_id ? attributes->da_dir_oclass_id : attributes->da_oclass_id;
  options.mode = attributes->da_mode;
  options.hints.assign(attributes->da_hints,
                       strnlen(attributes->da_hints, sizeof attributes->da_hints));
  return options;
}

OpenOptions open_options(mode_t mode, int flags, daos_oclass_id_t object_class,
                         daos_size_t chunk_size, const char* target) {
  OpenOptions options;
  options.mode = mode;
  options.create = (flags & O_CREAT) != 0;
  options.exclusive = (flags & O_EXCL) != 0;
  options.truncate = (flags & O_TRUNC) != 0;
  options.writable = wants_writing(flags);
  options.follow = (flags & O_NOFOLLOW) == 0;
  options.object_class = object_class;
  options.chunk_bytes = chunk_size;
  if (target) options.target = target;
  return options;
}

}  // namespace varve::posix
