// What the C functions of libdfs share: the structs behind dfs_t and dfs_obj_t, and the way from a
// Result to an errno. Only the .cc files of the C API include it.
#pragma once

#include <unistd.h>

#include <memory>
#include <mutex>
#include <string>

#include "daos_fs.h"
#include "libdaos/handles.h"
#include "posix/file_system.h"

struct dfs {
  std::shared_ptr<varve::posix::FileSystem> file_system;
  daos_handle_t pool, container;
  bool owns_handles = false;  // dfs_connect made them
  pid_t process = getpid();   // a child of fork() leaves the parent's mount alone
  std::string prefix;
};

struct dfs_obj {
  std::shared_ptr<varve::posix::FileSystem> file_system;
  varve::posix::NodePtr node;
  daos_handle_t container;
  bool locked = false;  // it took a lock and has not given it back
  // Of locks: this handle, within its mount.
  uint64_t owner() const { return reinterpret_cast<uintptr_t>(this); }
};

namespace varve::posix {

// The errno that says it best. Logs what a person should see of it.
int error_number(const Error& error);
inline int error_number(const Result<void>& result) {
  return result ? 0 : error_number(result.error());
}
// errno of a return value of the daos_* functions.
int errno_of_daos(int result);
// ENOSYS; logs the name of the function once.
int not_done_yet(const char* function);

// Runs `operation(session)`, which returns a Task<Result<void>>, on the calling thread until it
// ends.
template <class Operation>
int run_now(const Operation& operation) {
  Result<client::Session*> session = libdaos::thread_session();
  if (!session) return error_number(session.error());
  return error_number((*session)->wait(operation(**session)));
}

// The directory in which a call works: the root where there is none. Null: not a directory.
inline DirectoryPtr directory_of(const dfs* mount, const dfs_obj* parent) {
  return parent ? parent->node->directory : mount->file_system->root()->directory;
}
inline NodePtr node_of(const dfs* mount, const dfs_obj* object) {
  return object ? object->node : mount->file_system->root();
}
inline bool wants_writing(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

dfs_obj_t* new_handle(const dfs* mount, NodePtr node);
void fill_stat(const Status& status, struct stat* to);
// Status of what a node was opened from just now, with no second look at its entry.
Task<Result<void>> fill_optional_stat(Session& session, FileSystem& file_system, const Node& node,
                                      struct stat* to);
FormatOptions format_options(const dfs_attr_t* attributes);  // null: the defaults
OpenOptions open_options(mode_t mode, int flags, daos_oclass_id_t object_class,
                         daos_size_t chunk_size, const char* target);
inline daos_obj_id_t c_oid(ObjectId oid) { return {oid.low, oid.high}; }

}  // namespace varve::posix
