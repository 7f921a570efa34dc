#include "command/tree_copy.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "command/output.h"

namespace varve::command {
namespace {

// Threads that take work until there is none; work may add work. The first error ends it.
class WorkQueue {
 public:
  using Work = std::function<Result<void>()>;

  void add(Work work) {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
    wake_.notify_one();
  }
  Result<void> run(const CopyOptions& options, const CopyTotals& totals) {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < options.threads; ++i) threads.emplace_back([this] { take(); });
    if (options.progress) show(totals);
    for (std::thread& thread : threads) thread.join();
    if (error_) return std::move(*error_);
    return {};
  }

 private:
  void take() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return !queue_.empty() || busy_ == 0 || error_; });
      if (error_ || queue_.empty()) break;
      // Newest first: directories are finished before others are begun, so the queue stays short.
      Work work = std::move(queue_.back());
      queue_.pop_back();
      ++busy_;
      lock.unlock();
      Result<void> result = work();
      lock.lock();
      --busy_;
      if (!result.ok() && !error_) error_ = std::make_unique<Error>(std::move(result.error()));
      wake_.notify_all();
    }
    finished_ = true;
    wake_.notify_all();
  }
  void show(const CopyTotals& totals) {
    const auto start = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, std::chrono::milliseconds(500), [this] { return finished_; }))
      print(totals, start, '\r');
    print(totals, start, '\n');
  }
  static void print(const CopyTotals& totals, std::chrono::steady_clock::time_point start,
                    char end) {
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double bytes = static_cast<double>(totals.bytes.load()),
                 files = static_cast<double>(totals.files.load());
    std::fprintf(stderr, "\r  %.0f files, %s, %.1f s, %.0f files/s, %s/s   %c", files,
                 format_bytes(totals.bytes).c_str(), seconds, seconds > 0 ? files / seconds : 0.0,
                 format_bytes(static_cast<uint64_t>(seconds > 0 ? bytes / seconds : 0)).c_str(),
                 end);
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Work> queue_;
  unsigned busy_ = 0;
  bool finished_ = false;
  std::unique_ptr<Error> error_;
};

struct Descriptor {
  int number;
  explicit Descriptor(int opened) : number(opened) {}
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

std::string join(const std::string& directory, const char* name) {
  return directory == "/" ? directory + name : directory + "/" + name;
}

std::pair<std::string, std::string> split(const std::string& path) {
  const size_t slash = path.rfind('/');
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

Result<void> set_attributes(dfs_t* dfs, dfs_obj_t* object, const struct stat& from) {
  struct stat to = from;
  const int flags = DFS_SET_ATTR_MODE | DFS_SET_ATTR_MTIME;
  if (const int failed = dfs_osetattr(dfs, object, &to, flags))
    return from_errno(failed, "mode and time");
  return {};
}

struct CopyIn {
  dfs_t* dfs;
  const CopyOptions& options;
  CopyTotals& totals;
  WorkQueue queue;

  Result<void> file(const std::string& from, const struct stat& from_stat, dfs_obj_t* parent,
                    const std::string& name) {
    Descriptor input(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
    if (input.number < 0) return from_errno(errno, "'" + from + "'");
    OpenObject object;
    if (const int failed =
            dfs_open(dfs, parent, name.c_str(), S_IFREG | (from_stat.st_mode & 07777),
                     O_RDWR | O_CREAT | O_TRUNC, 0, 0, nullptr, object.out()))
      return from_errno(failed, "'" + name + "' in the container");
    std::vector<char> buffer(std::min<uint64_t>(
        options.buffer_bytes, std::max<uint64_t>(1, static_cast<uint64_t>(from_stat.st_size))));
    for (uint64_t offset = 0;;) {
      const ssize_t got = ::read(input.number, buffer.data(), buffer.size());
      if (got < 0) return from_errno(errno, "'" + from + "'");
      if (got == 0) break;
      d_iov_t piece;
      d_iov_set(&piece, buffer.data(), static_cast<size_t>(got));
      d_sg_list_t pieces{1, 0, &piece};
      if (const int failed = dfs_write(dfs, object.get(), &pieces, offset, nullptr))
        return from_errno(failed, "writing '" + name + "'");
      offset += static_cast<uint64_t>(got);
      totals.bytes += static_cast<uint64_t>(got);
      if (offset == static_cast<uint64_t>(from_stat.st_size) && buffer.size() >= offset) break;
    }
    ++totals.files;
    return set_attributes(dfs, object.get(), from_stat);
  }

  Result<void> symlink(const std::string& from, dfs_obj_t* parent, const std::string& name) {
    char target[4096];
    const ssize_t length = ::readlink(from.c_str(), target, sizeof target - 1);
    if (length < 0) return from_errno(errno, "'" + from + "'");
    target[length] = 0;
    OpenObject object;
    int failed = dfs_open(dfs, parent, name.c_str(), S_IFLNK | 0777, O_RDWR | O_CREAT | O_EXCL, 0,
                          0, target, object.out());
    if (failed == EEXIST) {
      failed = dfs_remove(dfs, parent, name.c_str(), false, nullptr);
      if (!failed)
        failed = dfs_open(dfs, parent, name.c_str(), S_IFLNK | 0777, O_RDWR | O_CREAT | O_EXCL, 0,
                          0, target, object.out());
    }
    if (failed) return from_errno(failed, "symlink '" + name + "'");
    ++totals.symlinks;
    return {};
  }

  // A directory's time is set when its last entry is in: the last holder does it.
  struct Directory {
    CopyIn& copy;
    OpenObject object;
    struct stat from;
    std::shared_ptr<Directory> parent;
    ~Directory() { (void)set_attributes(copy.dfs, object.get(), from); }
  };

  Result<void> directory(const std::string& from, const struct stat& from_stat,
                         std::shared_ptr<Directory> parent, dfs_obj_t* parent_object,
                         const std::string& name) {
    auto made = std::shared_ptr<Directory>(new Directory{*this, {}, from_stat, parent});
    if (name.empty()) {
      if (const int failed = dfs_lookup(dfs, "/", O_RDWR, made->object.out(), nullptr, nullptr))
        return from_errno(failed, "/");
    } else {
      int failed = dfs_mkdir(dfs, parent_object, name.c_str(), from_stat.st_mode & 07777, 0);
      if (failed && failed != EEXIST) return from_errno(failed, "directory '" + name + "'");
      failed = dfs_lookup_rel(dfs, parent_object, name.c_str(), O_RDWR, made->object.out(), nullptr,
                              nullptr);
      if (failed) return from_errno(failed, "directory '" + name + "'");
    }
    ++totals.directories;
    std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(from.c_str()), ::closedir);
    if (!entries) return from_errno(errno, "'" + from + "'");
    while (const dirent* entry = ::readdir(entries.get())) {
      const std::string child = entry->d_name;
      if (child == "." || child == "..") continue;
      const std::string path = join(from, child.c_str());
      queue.add([this, path, child, made]() -> Result<void> {
        return any(path, made, made->object.get(), child);
      });
    }
    return {};
  }

  Result<void> any(const std::string& from, std::shared_ptr<Directory> parent,
                   dfs_obj_t* parent_object, const std::string& name) {
    struct stat from_stat {};
    if (::lstat(from.c_str(), &from_stat)) return from_errno(errno, "'" + from + "'");
    if (S_ISDIR(from_stat.st_mode)) return directory(from, from_stat, parent, parent_object, name);
    if (S_ISLNK(from_stat.st_mode)) return symlink(from, parent_object, name);
    if (S_ISREG(from_stat.st_mode)) return file(from, from_stat, parent_object, name);
    return Error(Code::kNotSupported,
                 "'" + from + "' is neither file, directory nor symlink; leave it out");
  }
};

struct CopyOut {
  dfs_t* dfs;
  const CopyOptions& options;
  CopyTotals& totals;
  WorkQueue queue;

  static Result<void> set_local(const std::string& to, const struct stat& from) {
    const timespec times[2] = {from.st_mtim, from.st_mtim};
    if (!S_ISLNK(from.st_mode) && ::chmod(to.c_str(), from.st_mode & 07777))
      return from_errno(errno, "'" + to + "'");
    if (::utimensat(AT_FDCWD, to.c_str(), times, AT_SYMLINK_NOFOLLOW))
      return from_errno(errno, "'" + to + "'");
    return {};
  }

  Result<void> file(OpenObject& object, const struct stat& from, const std::string& to) {
    Descriptor output(::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (output.number < 0) return from_errno(errno, "'" + to + "'");
    const uint64_t size = static_cast<uint64_t>(from.st_size);
    std::vector<char> buffer(std::max<uint64_t>(1, std::min<uint64_t>(size, options.buffer_bytes)));
    for (uint64_t offset = 0; offset < size;) {
      d_iov_t piece;
      d_iov_set(&piece, buffer.data(), buffer.size());
      d_sg_list_t pieces{1, 0, &piece};
      daos_size_t got = 0;
      if (const int failed = dfs_read(dfs, object.get(), &pieces, offset, &got, nullptr))
        return from_errno(failed, "reading for '" + to + "'");
      if (got == 0)
        return Error(Code::kDataLoss, "'" + to + "': the container has " + std::to_string(offset) +
                                          " of " + std::to_string(size) + " bytes");
      for (size_t done = 0; done < got;) {
        const ssize_t written = ::pwrite(output.number, buffer.data() + done, got - done,
                                         static_cast<off_t>(offset + done));
        if (written < 0) return from_errno(errno, "'" + to + "'");
        done += static_cast<size_t>(written);
      }
      offset += got;
      totals.bytes += got;
    }
    ++totals.files;
    return set_local(to, from);
  }

  struct Directory {
    OpenObject object;
    struct stat from;
    std::string to;
    std::shared_ptr<Directory> parent;
    ~Directory() { (void)set_local(to, from); }
  };

  Result<void> directory(OpenObject object, const struct stat& from, const std::string& to,
                         std::shared_ptr<Directory> parent) {
    if (::mkdir(to.c_str(), 0700) && errno != EEXIST) return from_errno(errno, "'" + to + "'");
    auto made = std::make_shared<Directory>();
    made->object = std::move(object);
    made->from = from;
    made->to = to;
    made->parent = std::move(parent);
    ++totals.directories;
    daos_anchor_t anchor{};
    while (!daos_anchor_is_eof(&anchor)) {
      dirent entries[128];
      uint32_t count = 128;
      if (const int failed = dfs_readdir(dfs, made->object.get(), &anchor, &count, entries))
        return from_errno(failed, "listing for '" + to + "'");
      for (uint32_t i = 0; i < count; ++i) {
        const std::string name = entries[i].d_name;
        queue.add([this, made, name]() -> Result<void> {
          OpenObject child;
          struct stat stat {};
          if (const int failed = dfs_lookup_rel(dfs, made->object.get(), name.c_str(),
                                                O_RDONLY | O_NOFOLLOW, child.out(), nullptr, &stat))
            return from_errno(failed, "'" + name + "' in the container");
          return any(std::move(child), stat, join(made->to, name.c_str()), made);
        });
      }
    }
    return {};
  }

  Result<void> any(OpenObject object, const struct stat& from, const std::string& to,
                   std::shared_ptr<Directory> parent) {
    if (S_ISDIR(from.st_mode)) return directory(std::move(object), from, to, std::move(parent));
    if (S_ISREG(from.st_mode)) return file(object, from, to);
    if (!S_ISLNK(from.st_mode))
      return Error(Code::kNotSupported, "'" + to + "' is neither file, directory nor symlink");
    char target[4097] = {};
    daos_size_t size = sizeof target - 1;
    if (const int failed = dfs_get_symlink_value(object.get(), target, &size))
      return from_errno(failed, "symlink for '" + to + "'");
    ::unlink(to.c_str());
    if (::symlink(target, to.c_str())) return from_errno(errno, "'" + to + "'");
    ++totals.symlinks;
    return {};
  }
};

}  // namespace

Result<void> copy_in(const std::string& from, dfs_t* dfs, const std::string& to,
                     const CopyOptions& options, CopyTotals& totals) {
  CopyIn copy{dfs, options, totals, {}};
  const auto [parent_path, name] = split(to);
  OpenObject parent;
  if (const int failed =
          dfs_lookup(dfs, parent_path.c_str(), O_RDWR, parent.out(), nullptr, nullptr))
    return from_errno(failed, "directory '" + parent_path + "' in the container");
  const std::string leaf = name;
  copy.queue.add([&]() -> Result<void> { return copy.any(from, nullptr, parent.get(), leaf); });
  return copy.queue.run(options, totals);
}

Result<void> copy_out(dfs_t* dfs, const std::string& from, const std::string& to,
                      const CopyOptions& options, CopyTotals& totals) {
  CopyOut copy{dfs, options, totals, {}};
  copy.queue.add([&]() -> Result<void> {
    OpenObject object;
    struct stat stat {};
    if (const int failed =
            dfs_lookup(dfs, from.c_str(), O_RDONLY | O_NOFOLLOW, object.out(), nullptr, &stat))
      return from_errno(failed, "'" + from + "' in the container");
    return copy.any(std::move(object), stat, to, nullptr);
  });
  return copy.queue.run(options, totals);
}

}  // namespace varve::command
