#include <sys/stat.h>

#include <algorithm>

#include "posix/file_system.h"

namespace varve::posix {

Task<Result<NodePtr>> FileSystem::open(Session& session, DirectoryPtr parent, std::string_view name,
                                       OpenOptions options) {
  VARVE_CO_CHECK(check_name(name));
  if (options.writable || options.create || options.truncate) {
    VARVE_CO_CHECK(require_writable());
    VARVE_CO_CHECK(co_await do_duties(session));
  }
  // An entry may come and go between the two looks at it; who loses that race four times is told
  // so.
  for (int attempt = 0; attempt < 4; ++attempt) {
    if (options.create) {
      VARVE_CO_TRY(Inode inode, co_await new_inode(session, *parent, options));
      Result<void> made = co_await insert_counted(session, *parent, name, inode);
      if (made)
        co_return make_node(session, std::move(parent), name, std::move(inode), options.writable);
      if (made.code() != Code::kExists || options.exclusive) co_return std::move(made.error());
    }
    Result<NodePtr> opened = co_await open_existing(session, parent, name, options);
    if (opened.code() != Code::kNonexistent || !options.create) co_return opened;
  }
  co_return Error(Code::kBusy,
                  "'" + std::string(name) + "' is made and removed all the time; try again later");
}

Task<Result<NodePtr>> FileSystem::open_existing(Session& session, DirectoryPtr parent,
                                                std::string_view name, OpenOptions options) {
  VARVE_CO_TRY(Inode inode, co_await entry(session, *parent, name));
  const uint32_t type = options.mode & S_IFMT;
  NodePtr node;
  if (inode.is_link() && type != S_IFLNK && type != 0) {
    if (!options.follow)
      co_return Error(Code::kLinkLoop, "'" + std::string(name) + "' is a symbolic link");
    VARVE_CO_TRY(node, co_await lookup(session, parent, std::string(name), true, options.writable));
  } else {
    VARVE_CO_TRY(node, make_node(session, parent, name, std::move(inode), options.writable));
  }
  if (type == S_IFREG && node->inode.is_directory())
    co_return Error(Code::kIsDirectory, "'" + std::string(name) + "' is a directory");
  if (type == S_IFDIR && !node->inode.is_directory())
    co_return Error(Code::kNotDirectory, "'" + std::string(name) + "' is not a directory");
  if (type == S_IFLNK && !node->inode.is_link())
    co_return Error(Code::kInvalid, "'" + std::string(name) + "' is not a symbolic link");
  if (options.truncate && node->inode.is_file()) VARVE_CO_CHECK(co_await truncate(session, *node));
  co_return node;
}

void FileSystem::opened(const NodePtr& node) {
  if (!node->inode.is_file()) return;
  const std::scoped_lock lock(open_mutex_);
  open_files_[node->inode.oid].handles.push_back(node.get());
}

bool FileSystem::closed(const Node& node) {
  if (!node.inode.is_file()) return false;
  const std::scoped_lock lock(open_mutex_);
  const auto file = open_files_.find(node.inode.oid);
  if (file == open_files_.end()) return false;
  std::vector<const Node*>& handles = file->second.handles;
  const auto handle = std::find(handles.begin(), handles.end(), &node);
  if (handle != handles.end()) handles.erase(handle);
  if (!handles.empty()) return false;
  const bool removed = file->second.removed;
  open_files_.erase(file);
  return removed;
}

bool FileSystem::keep_while_open(ObjectId file) {
  const std::scoped_lock lock(open_mutex_);
  const auto found = open_files_.find(file);
  if (found == open_files_.end()) return false;
  found->second.removed = true;
  return true;
}

bool FileSystem::is_removed(ObjectId file) const {
  const std::scoped_lock lock(open_mutex_);
  const auto found = open_files_.find(file);
  return found != open_files_.end() && found->second.removed;
}

// Where so many files are open that it takes long to tell: yes.
bool FileSystem::may_be_open(const Directory& parent, std::string_view name) const {
  constexpr size_t kFilesMax = 64;
  const std::scoped_lock lock(open_mutex_);
  if (open_files_.size() > kFilesMax) return true;
  for (const auto& [oid, file] : open_files_)
    for (const Node* node : file.handles)
      if (node->parent->object.oid == parent.object.oid && node->name == name) return true;
  return false;
}

}  // namespace varve::posix
