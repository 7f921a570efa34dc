#include "command/mount.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

namespace varve::command {

std::string Place::describe() const {
  return remote ? "varve://" + pool + "/" + container + path : path;
}

Result<Place> parse_place(const std::string& text) {
  Place place;
  size_t start = std::string::npos;
  for (const char* scheme : {"varve://", "daos://"})
    if (text.rfind(scheme, 0) == 0) start = std::strlen(scheme);
  if (start == std::string::npos) {
    place.path = text;
    if (text.empty()) return Error(Code::kInvalid, "a path is empty");
    return place;
  }
  place.remote = true;
  const size_t slash = text.find('/', start);
  const size_t second = slash == std::string::npos ? slash : text.find('/', slash + 1);
  place.pool = text.substr(start, slash == std::string::npos ? slash : slash - start);
  if (slash != std::string::npos)
    place.container =
        text.substr(slash + 1, second == std::string::npos ? second : second - slash - 1);
  place.path = second == std::string::npos ? "/" : text.substr(second);
  while (place.path.size() > 1 && place.path.back() == '/') place.path.pop_back();
  if (place.pool.empty() || place.container.empty())
    return Error(Code::kInvalid,
                 "'" + text + "' names no container; write varve://POOL/CONTAINER/PATH");
  return place;
}

Error from_errno(int number, const std::string& what) {
  Code code = Code::kMiscellaneous;
  switch (number) {
    case ENOENT:
      code = Code::kNonexistent;
      break;
    case EEXIST:
      code = Code::kExists;
      break;
    case ENOSPC:
      code = Code::kNoSpace;
      break;
    case ETIMEDOUT:
      code = Code::kTimedOut;
      break;
    case EINVAL:
      code = Code::kInvalid;
      break;
    case EPERM:
    case EACCES:
      code = Code::kNoPermission;
      break;
    case ENOTDIR:
      code = Code::kNotDirectory;
      break;
    case EIO:
      code = Code::kIo;
      break;
    case ENOTSUP:
    case ENOSYS:
      code = Code::kNotImplemented;
      break;
    default:
      break;
  }
  return Error(code, what + ": " + std::strerror(number));
}

Mount::~Mount() {
  if (dfs_) dfs_umount(dfs_);
  if (container_open_) daos_cont_close(container_, nullptr);
  if (pool_open_) daos_pool_disconnect(pool_, nullptr);
  if (initialised_) daos_fini();
}

Result<void> Mount::open(const Place& place, bool writable) {
  if (const int failed = daos_init())
    return Error(code_from(-failed), "the client library does not start");
  initialised_ = true;
  if (const int failed =
          daos_pool_connect(place.pool.c_str(), nullptr, writable ? DAOS_PC_RW : DAOS_PC_RO, &pool_,
                            nullptr, nullptr))
    return Error(code_from(-failed), "pool '" + place.pool + "' cannot be connected (" +
                                         code_meaning(code_from(-failed)) +
                                         "); see: varve pool list");
  pool_open_ = true;
  if (const int failed =
          daos_cont_open(pool_, place.container.c_str(), writable ? DAOS_COO_RW : DAOS_COO_RO,
                         &container_, nullptr, nullptr))
    return Error(code_from(-failed), "container '" + place.container + "' of pool '" + place.pool +
                                         "' cannot be opened (" + code_meaning(code_from(-failed)) +
                                         "); see: varve container list " + place.pool);
  container_open_ = true;
  if (const int failed = dfs_mount(pool_, container_, writable ? O_RDWR : O_RDONLY, &dfs_))
    return from_errno(
        failed, "container '" + place.container +
                    "' cannot be mounted as a file system; was it created with --type POSIX?");
  return {};
}

}  // namespace varve::command
