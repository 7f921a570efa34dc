#include <sys/stat.h>

#include "posix/file_system.h"

namespace varve::posix {

Task<Result<NodePtr>> FileSystem::open(Session& session, DirectoryPtr parent, std::string_view name,
                                       OpenOptions options) {
  VARVE_CO_CHECK(check_name(name));
  if (options.writable || options.create || options.truncate) VARVE_CO_CHECK(require_writable());
  // An entry may come and go between the two looks at it; who loses that race four times is told
  // so.
  for (int attempt = 0; attempt < 4; ++attempt) {
    if (options.create) {
      VARVE_CO_TRY(Inode inode, co_await new_inode(session, *parent, options));
      Result<void> made = co_await insert(session, *parent, name, inode);
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

}  // namespace varve::posix
