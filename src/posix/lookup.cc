#include <sys/stat.h>

#include "posix/file_system.h"

namespace varve::posix {
namespace {

constexpr int kLinksMax = 40;

// Takes the first component off `path` (slashes around it too); empty at the end.
std::string take_component(std::string& path) {
  const size_t begin = path.find_first_not_of('/');
  if (begin == path.npos) {
    path.clear();
    return {};
  }
  size_t end = path.find('/', begin);
  if (end == path.npos) end = path.size();
  std::string component = path.substr(begin, end - begin);
  path.erase(0, end);
  return component;
}
bool nothing_left(const std::string& path) { return path.find_first_not_of('/') == path.npos; }

}  // namespace

Result<NodePtr> FileSystem::make_node(Session& session, DirectoryPtr parent, std::string_view name,
                                      Inode inode, bool writable) const {
  auto node = std::make_shared<Node>();
  if (inode.is_directory()) {
    VARVE_TRY(node->directory, directory_at(session, parent, name, inode));
  } else if (inode.is_file()) {
    VARVE_TRY(node->file, open_object(session, inode.oid));
    node->written.store(inode.written, std::memory_order_relaxed);
    node->shared.store(inode.shared, std::memory_order_relaxed);
  }
  node->parent = std::move(parent);
  node->name = name;
  node->inode = std::move(inode);
  node->writable = writable;
  return node;
}

Task<Result<NodePtr>> FileSystem::node_of(Session& session, DirectoryPtr directory, bool writable) {
  if (!directory->parent->parent) co_return root_;
  VARVE_CO_TRY(Inode inode, co_await entry(session, *directory->parent, directory->name));
  if (!(inode.oid == directory->object.oid)) co_return no_such_entry(directory->name);
  co_return make_node(session, directory->parent, directory->name, std::move(inode), writable);
}

Task<Result<NodePtr>> FileSystem::lookup(Session& session, DirectoryPtr start, std::string path,
                                         bool follow, bool writable) {
  if (path.empty()) co_return Error(Code::kInvalid, "a path is empty");
  if (path.size() >= kPathBytesMax)
    co_return Error(Code::kNameTooLong, "a path is longer than 4095 bytes");
  if (!start || path.front() == '/') start = root_->directory;
  co_return co_await walk(session, std::move(start), std::move(path), follow, writable);
}

Task<Result<NodePtr>> FileSystem::walk(Session& session, DirectoryPtr at, std::string path,
                                       bool follow, bool writable) {
  int links = 0;
  for (;;) {
    const std::string name = take_component(path);
    const bool must_be_directory = !path.empty();  // "name/" names a directory
    const bool last = nothing_left(path);
    if (name.empty()) co_return co_await node_of(session, std::move(at), writable);
    if (name == ".") continue;
    if (name == "..") {
      if (at->parent->parent) at = at->parent;
      continue;
    }
    VARVE_CO_CHECK(check_name(name));
    VARVE_CO_TRY(Inode inode, co_await entry(session, *at, name));
    if (inode.is_link() && (!last || follow || must_be_directory)) {
      if (++links > kLinksMax)
        co_return Error(Code::kLinkLoop, "'" + name + "': more than 40 symbolic links on the way");
      if (inode.target.size() + path.size() >= kPathBytesMax)
        co_return Error(Code::kNameTooLong,
                        "'" + name + "': the path through this link is too long");
      if (inode.target.front() == '/') at = root_->directory;
      path = inode.target + path;
      continue;
    }
    if (!last || must_be_directory) {
      if (!inode.is_directory())
        co_return Error(Code::kNotDirectory, "'" + name + "' is not a directory");
    }
    if (last) co_return make_node(session, std::move(at), name, std::move(inode), writable);
    VARVE_CO_TRY(at, directory_at(session, at, name, inode));
  }
}

}  // namespace varve::posix
