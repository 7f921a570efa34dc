// daos_fs.h: handles of files, directories and symbolic links, and the names that lead to them.
#include <errno.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "base/record.h"
#include "posix/shell.h"

namespace varve::posix {
namespace {

// What dfs_obj_local2global writes: the way to the entry, by the objects of its directories.
struct GlobalNode {
  static constexpr uint64_t kMagic = 0x314f464447565256;  // "VRVGDFO1"
  struct Step {
    ObjectId directory;
    std::string name;
    template <class Archive>
    void visit(Archive& archive) {
      archive(directory, name);
    }
  };
  uint64_t magic = kMagic;
  Uuid container;
  std::vector<Step> steps;  // the last is the entry itself
  template <class Archive>
  void visit(Archive& archive) {
    archive(magic, container, steps);
  }
};

GlobalNode describe(const FileSystem& file_system, const Node& node) {
  GlobalNode global;
  global.container = file_system.container()->uuid;
  const std::string* name = &node.name;
  for (const Directory* at = node.parent.get(); at; at = at->parent.get()) {
    global.steps.push_back({at->object.oid, *name});
    name = &at->name;
  }
  std::reverse(global.steps.begin(), global.steps.end());
  return global;
}

Task<Result<NodePtr>> find_described(Session& session, FileSystem& file_system, GlobalNode global,
                                     bool writable) {
  if (global.steps.empty() || !(global.steps[0].directory == superblock_oid()) ||
      global.steps[0].name != kRootName)
    co_return Error(Code::kInvalid, "the description of an open file is not one");
  NodePtr node = file_system.root();
  DirectoryPtr directory = node->directory;
  for (size_t i = 1; i < global.steps.size(); ++i) {
    VARVE_CO_CHECK(check_name(global.steps[i].name));
    if (i > 1) {
      auto next = std::make_shared<Directory>();
      VARVE_CO_TRY(next->object,
                   session.open_object(file_system.container(), global.steps[i].directory));
      next->parent = std::move(directory);
      next->name = global.steps[i - 1].name;
      directory = std::move(next);
    }
  }
  if (global.steps.size() == 1) co_return node;
  VARVE_CO_TRY(Inode inode,
               co_await file_system.entry(session, *directory, global.steps.back().name));
  co_return file_system.make_node(session, directory, global.steps.back().name, std::move(inode),
                                  writable);
}

// One component, or a path (libdfs allows either): what dfs_lookup and dfs_lookup_rel do.
int look_up(dfs_t* dfs, DirectoryPtr start, std::string path, int flags, dfs_obj_t** obj,
            mode_t* mode, struct stat* stbuf) {
  if (wants_writing(flags) && !dfs->file_system->mount_options().writable) return EROFS;
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(NodePtr node,
                 co_await dfs->file_system->lookup(session, start, path, (flags & O_NOFOLLOW) == 0,
                                                   wants_writing(flags)));
    VARVE_CO_CHECK(co_await fill_optional_stat(session, *dfs->file_system, *node, stbuf));
    if (mode) *mode = node->inode.mode;
    *obj = new_handle(dfs, std::move(node));
    co_return Result<void>();
  });
}

}  // namespace
}  // namespace varve::posix

using namespace varve;
using namespace varve::posix;

int dfs_lookup(dfs_t* dfs, const char* path, int flags, dfs_obj_t** obj, mode_t* mode,
               struct stat* stbuf) {
  if (!dfs || !path || !obj || path[0] != '/') return EINVAL;
  if (strnlen(path, DFS_MAX_PATH) >= DFS_MAX_PATH) return ENAMETOOLONG;
  std::string_view rest = path;
  const std::string& prefix = dfs->prefix;
  if (!prefix.empty()) {
    if (!rest.starts_with(prefix) || (rest.size() > prefix.size() && rest[prefix.size()] != '/'))
      return EINVAL;
    rest.remove_prefix(prefix.size());
    if (rest.empty()) rest = "/";
  }
  return look_up(dfs, nullptr, std::string(rest), flags, obj, mode, stbuf);
}

int dfs_lookup_rel(dfs_t* dfs, dfs_obj_t* parent, const char* name, int flags, dfs_obj_t** obj,
                   mode_t* mode, struct stat* stbuf) {
  if (!dfs || !name || !obj) return EINVAL;
  DirectoryPtr directory = directory_of(dfs, parent);
  if (!directory) return ENOTDIR;
  if (const Result<void> good = check_name(name); !good) return error_number(good);
  return look_up(dfs, std::move(directory), name, flags, obj, mode, stbuf);
}

int dfs_open(dfs_t* dfs, dfs_obj_t* parent, const char* name, mode_t mode, int flags,
             daos_oclass_id_t cid, daos_size_t chunk_size, const char* value, dfs_obj_t** obj) {
  if (!dfs || !name || !obj) return EINVAL;
  if (S_ISLNK(mode) && (flags & O_CREAT) && !value) return EINVAL;
  if ((mode & S_IFMT) == 0) return EINVAL;
  const DirectoryPtr directory = directory_of(dfs, parent);
  if (!directory) return ENOTDIR;
  return run_now([&](Session& session) -> Task<Result<void>> {
    const OpenOptions options = open_options(mode, flags, cid, chunk_size, value);
    VARVE_CO_TRY(NodePtr node, co_await dfs->file_system->open(session, directory, name, options));
    *obj = new_handle(dfs, std::move(node));
    co_return Result<void>();
  });
}

int dfs_dup(dfs_t* dfs, dfs_obj_t* obj, int flags, dfs_obj_t** new_obj) {
  if (!dfs || !obj || !new_obj) return EINVAL;
  if (wants_writing(flags) && !dfs->file_system->mount_options().writable) return EROFS;
  auto node = std::make_shared<Node>();
  node->parent = obj->node->parent;
  node->name = obj->node->name;
  node->inode = obj->node->inode;
  node->directory = obj->node->directory;
  node->file = obj->node->file;
  node->writable = wants_writing(flags);
  node->written = obj->node->written.load();
  node->shared = obj->node->shared.load();
  *new_obj = new_handle(dfs, std::move(node));
  return 0;
}

int dfs_obj_local2global(dfs_t* dfs, dfs_obj_t* obj, d_iov_t* glob) {
  if (!dfs || !obj || !glob) return EINVAL;
  const Buffer bytes = encode(describe(*dfs->file_system, *obj->node));
  if (!glob->iov_buf || glob->iov_buf_len < bytes.size()) {
    glob->iov_buf_len = bytes.size();
    return glob->iov_buf ? ERANGE : 0;
  }
  std::memcpy(glob->iov_buf, bytes.data(), bytes.size());
  glob->iov_len = bytes.size();
  return 0;
}

int dfs_obj_global2local(dfs_t* dfs, int flags, d_iov_t glob, dfs_obj_t** obj) {
  if (!dfs || !obj || !glob.iov_buf || glob.iov_len > glob.iov_buf_len) return EINVAL;
  const Result<GlobalNode> global =
      decode<GlobalNode>({static_cast<const std::byte*>(glob.iov_buf), glob.iov_len});
  if (!global || global->magic != GlobalNode::kMagic) return EINVAL;
  if (!(global->container == dfs->file_system->container()->uuid)) return EINVAL;
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(NodePtr node, co_await find_described(session, *dfs->file_system, *global,
                                                       wants_writing(flags)));
    *obj = new_handle(dfs, std::move(node));
    co_return Result<void>();
  });
}

int dfs_release(dfs_obj_t* obj) {
  if (!obj) return EINVAL;
  int result = 0;
  if (obj->locked)
    result = run_now([&](Session& session) -> Task<Result<void>> {
      VARVE_CO_CHECK(co_await obj->file_system->change_lock(session, *obj->node, obj->owner(),
                                                            LockChange::kRelease));
      co_return Result<void>();
    });
  if (obj->file_system->closed(*obj->node)) {
    const int removed = run_now([&](Session& session) {
      return obj->file_system->release_orphan(session, obj->node->inode.oid);
    });
    if (result == 0) result = removed;
  }
  delete obj;
  return result;
}

int dfs_mkdir(dfs_t* dfs, dfs_obj_t* parent, const char* name, mode_t mode, daos_oclass_id_t cid) {
  if (!dfs || !name) return EINVAL;
  const DirectoryPtr directory = directory_of(dfs, parent);
  if (!directory) return ENOTDIR;
  return run_now([&](Session& session) {
    return dfs->file_system->make_directory(session, *directory, name, mode, cid);
  });
}

int dfs_remove(dfs_t* dfs, dfs_obj_t* parent, const char* name, bool force, daos_obj_id_t* oid) {
  if (!dfs || !name) return EINVAL;
  const DirectoryPtr directory = directory_of(dfs, parent);
  if (!directory) return ENOTDIR;
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(const ObjectId removed,
                 co_await dfs->file_system->remove(session, directory, name, force, 0,
                                                   oid != nullptr));
    if (oid) *oid = c_oid(removed);
    co_return Result<void>();
  });
}

int dfs_move(dfs_t* dfs, dfs_obj_t* parent, const char* name, dfs_obj_t* new_parent,
             const char* new_name, daos_obj_id_t* oid) {
  if (!dfs || !name) return EINVAL;
  const DirectoryPtr from = directory_of(dfs, parent), to = directory_of(dfs, new_parent);
  if (!from || !to) return ENOTDIR;
  if (!new_name) new_name = name;
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(const std::optional<ObjectId> replaced,
                 co_await dfs->file_system->rename(session, from, name, to, new_name));
    if (oid) *oid = c_oid(replaced.value_or(ObjectId()));
    co_return Result<void>();
  });
}

int dfs_exchange(dfs_t* dfs, dfs_obj_t* parent1, const char* name1, dfs_obj_t* parent2,
                 const char* name2) {
  if (!dfs || !name1 || !name2) return EINVAL;
  const DirectoryPtr first = directory_of(dfs, parent1), second = directory_of(dfs, parent2);
  if (!first || !second) return ENOTDIR;
  return run_now([&](Session& session) {
    return dfs->file_system->exchange(session, first, name1, second, name2);
  });
}

int dfs_update_parent(dfs_obj_t* obj, dfs_obj_t* src_obj, const char* name) {
  if (!obj || !src_obj) return EINVAL;
  if (name && !check_name(name)) return EINVAL;
  obj->node->parent = src_obj->node->parent;
  if (name) obj->node->name = name;
  return 0;
}

int dfs_obj2id(dfs_obj_t* obj, daos_obj_id_t* oid) {
  if (!obj || !oid) return EINVAL;
  *oid = c_oid(obj->node->inode.oid);
  return 0;
}

int dfs_get_mode(dfs_obj_t* obj, mode_t* mode) {
  if (!obj || !mode) return EINVAL;
  *mode = obj->node->inode.mode;
  return 0;
}

int dfs_get_chunk_size(dfs_obj_t* obj, daos_size_t* chunk_size) {
  if (!obj || !chunk_size || !obj->node->inode.is_file()) return EINVAL;
  *chunk_size = obj->node->inode.chunk_bytes;
  return 0;
}

int dfs_get_symlink_value(dfs_obj_t* obj, char* buf, daos_size_t* size) {
  if (!obj || !size || !obj->node->inode.is_link()) return EINVAL;
  const std::string& target = obj->node->inode.target;
  const daos_size_t room = *size;
  *size = target.size() + 1;
  if (!buf || room == 0) return 0;
  const size_t copied = std::min<size_t>(target.size(), room - 1);
  std::memcpy(buf, target.data(), copied);
  buf[copied] = 0;
  return 0;
}

int dfs_obj_get_info(dfs_t* dfs, dfs_obj_t* obj, dfs_obj_info_t* info) {
  if (!dfs || !obj || !info) return EINVAL;
  const Inode& inode = obj->node->inode;
  const SuperblockRecord& superblock = dfs->file_system->superblock();
  *info = {};
  info->doi_oid = c_oid(inode.oid);
  if (inode.is_link()) return 0;
  const Result<placement::ObjectClass> object_class = placement::class_of(inode.oid);
  if (!object_class) return error_number(object_class.error());
  info->doi_oclass_id = object_class->id;
  info->doi_chunk_size = inode.chunk_bytes ? inode.chunk_bytes : superblock.chunk_bytes;
  if (inode.is_directory()) {
    info->doi_dir_oclass_id =
        inode.directory_class ? inode.directory_class : superblock.directory_class;
    info->doi_file_oclass_id = inode.file_class ? inode.file_class : superblock.file_class;
  }
  return 0;
}

// The hints are `dir:` or `file:` and single, min, half, max, or a class by name.
int dfs_suggest_oclass(dfs_t* dfs, const char* hint, daos_oclass_id_t* cid) {
  if (!dfs || !hint || !cid) return EINVAL;
  std::string_view rest = hint;
  const bool directory = rest.starts_with("dir:") || rest.starts_with("directory:");
  if (const size_t colon = rest.find(':'); colon != rest.npos) rest.remove_prefix(colon + 1);
  if (rest == "single" || rest == "min")
    *cid = OC_S1;
  else if (rest == "max")
    *cid = OC_SX;
  else if (rest == "half")
    *cid = directory ? OC_S1 : OC_SX;
  else {
    const Result<placement::ObjectClass> named = placement::class_by_name(rest);
    if (!named) return EINVAL;
    *cid = named->id;
  }
  return 0;
}
