// A POSIX container, mounted for one verb through libdfs, and the names of places in it.
#pragma once

#include <daos.h>
#include <daos_fs.h>
#include <sys/stat.h>

#include <string>

#include "base/result.h"

namespace varve::command {

// varve://POOL/CONTAINER[/PATH] or daos://..., or a path of this machine.
struct Place {
  bool remote = false;
  std::string pool, container;
  std::string path;  // remote: absolute within the container
  std::string describe() const;
};
// kInvalid says how a place is written.
Result<Place> parse_place(const std::string& text);

// From an errno (libdfs) with what was being done.
Error from_errno(int number, const std::string& what);

class Mount {
 public:
  Mount() = default;
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;
  ~Mount();
  Result<void> open(const Place& place, bool writable);
  dfs_t* dfs() const { return dfs_; }

 private:
  bool initialised_ = false, pool_open_ = false, container_open_ = false;
  daos_handle_t pool_{}, container_{};
  dfs_t* dfs_ = nullptr;
};

// Releases a libdfs object at the end of its scope.
class OpenObject {
 public:
  OpenObject() = default;
  OpenObject(OpenObject&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  OpenObject& operator=(OpenObject&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~OpenObject() {
    if (object_) dfs_release(object_);
  }
  dfs_obj_t** out() { return &object_; }
  dfs_obj_t* get() const { return object_; }

 private:
  dfs_obj_t* object_ = nullptr;
};

}  // namespace varve::command
