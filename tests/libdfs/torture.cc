// fsx- and fsstress-like: random calls of libdfs against a model in memory, by several clients (each a
// thread with a mount of its own) on a live server. Each has a tree of its own, which the others read
// now and then; and all work on one shared tree, one call at a time, so that each sees at once what
// the others did. Files stay open while others remove them; each own tree has a quota, which must
// count what is there after every round.
//
//   dfs_torture [--seconds N] [--seed S] [--clients N]
#include <daos.h>
#include <daos_fs.h>
#include <errno.h>
#include <sys/stat.h>
#include <varve/dfs_extensions.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "client/client.h"
#include "server.h"

namespace varve::c_api {
namespace {

constexpr uint64_t kFileBytesMax = 400'000;
constexpr daos_size_t kChunkBytes = 65'536;

std::unique_ptr<Server> server;

// The first one's words count; the server ends with it.
[[noreturn]] void fail(const std::string& what) {
  static std::mutex once;
  once.lock();
  std::fprintf(stderr, "dfs_torture: %s\n", what.c_str());
  server.reset();
  std::_Exit(1);
}

struct File {
  mode_t mode = S_IFREG | 0644;
  std::string bytes;
  bool written = false;  // while it had a name
};
// Names lead to files; several may lead to one.
struct Name {
  bool directory = false;
  std::string target;  // of symbolic links
  std::shared_ptr<File> file;
};
struct Tree {
  std::string base = {};  // "/name"
  uint64_t files_limit = 0;  // a quota; 0: none
  std::map<std::string, Name> names;  // "/a/b" below the base; "" itself
};

class Client {
 public:
  Client(daos_handle_t pool, daos_handle_t container, uint64_t seed) : random_(seed) {
    must(dfs_mount(pool, container, O_RDWR, &dfs_), 0, "dfs_mount");
  }
  ~Client() {
    held_.clear();
    (void)dfs_umount(dfs_);
  }

  void limit(Tree& tree, uint64_t files) {
    Handle base;
    must(dfs_lookup(dfs_, tree.base.c_str(), O_RDWR, &base.object, nullptr, nullptr), 0,
         "open " + tree.base);
    const varve_dfs_quota quota = {0, files, 0, 0};
    must(varve_dfs_set_quota(dfs_, base.object, &quota), 0, "set_quota " + tree.base);
    tree.files_limit = files;
  }
  // What the quota counts against what is there.
  void check_quota(const Tree& tree) {
    Handle base;
    must(dfs_lookup(dfs_, tree.base.c_str(), O_RDWR, &base.object, nullptr, nullptr), 0,
         "open " + tree.base);
    varve_dfs_quota quota = {};
    must(varve_dfs_get_quota(dfs_, base.object, &quota), 0, "get_quota " + tree.base);
    uint64_t least = 0, most = 0;
    for (const File* file : files_of(tree)) {
      least += file->bytes.size();
      most += file->bytes.size() * 9 / 8 + 4096;
    }
    if (quota.files_used != count_of(tree))
      fail("the quota of " + tree.base + " counts " + std::to_string(quota.files_used) +
           " files instead of " + std::to_string(count_of(tree)));
    if (quota.bytes_used < least || quota.bytes_used > most)
      fail("the quota of " + tree.base + " counts " + std::to_string(quota.bytes_used) +
           " bytes, not between " + std::to_string(least) + " and " + std::to_string(most));
  }

  void make_base(Tree& tree) {
    must(dfs_mkdir(dfs_, nullptr, tree.base.c_str() + 1, 0755, 0), 0, "mkdir " + tree.base);
    tree.names[""].directory = true;
  }

  void one_step(Tree& tree) {
    ++steps_;
    tree_ = &tree;
    // Stopped for so long, this mount may have lost its lease, and with it what it holds.
    const auto now = std::chrono::steady_clock::now();
    if (now - std::exchange(last_step_, now) > std::chrono::seconds(20)) held_.clear();
    switch (below(25)) {
      case 22: return hold(some_file());
      case 23: return use_held();
      case 24: return drop_held();
      case 0: case 1: case 2: return create(new_path());
      case 3: case 4: return make_directory(new_path());
      case 5: return make_link(new_path());
      case 6: case 7: case 8: return write(some_file());
      case 9: case 10: return read(some_file());
      case 11: return truncate(some_file());
      case 12: case 13: return append(some_file());
      case 14: return remove(some_path());
      case 15: case 16: return rename(some_path(), below(2) ? some_path() : new_path());
      case 17: return exchange(some_path(), some_path());
      case 18: return hard_link(some_file(), new_path());
      case 19: return change_mode(some_path());
      case 20: return list(some_path());
      default: return compare(some_path());
    }
  }

  void compare_all(const Tree& tree) {
    Tree copy = tree;
    tree_ = &copy;
    for (const auto& [path, name] : tree.names) {
      compare(path);
      if (name.directory) list(path);
    }
  }
  uint64_t steps() const { return steps_; }

 private:
  // An open object that closes itself.
  struct Handle {
    dfs_obj_t* object = nullptr;
    Handle() = default;
    Handle(const Handle&) = delete;
    ~Handle() {
      if (object) (void)dfs_release(object);
    }
  };

  // A file that stays open, whatever becomes of its names.
  struct Held {
    std::unique_ptr<Handle> handle;
    std::shared_ptr<File> file;
    std::string path;
    const Tree* tree;
  };
  static std::set<const File*> files_of(const Tree& tree) {
    std::set<const File*> files;
    for (const auto& entry : tree.names)
      if (entry.second.file) files.insert(entry.second.file.get());
    return files;
  }
  // Entries below the base; a file with several names once.
  static uint64_t count_of(const Tree& tree) {
    uint64_t others = 0;
    for (const auto& entry : tree.names) others += !entry.first.empty() && !entry.second.file;
    return others + files_of(tree).size();
  }
  bool full() const { return tree_->files_limit && count_of(*tree_) >= tree_->files_limit; }

  void hold(const std::string& path) {
    if (path.empty() || held_.size() >= 4) return;
    auto handle = std::make_unique<Handle>();
    must(open_file(path, *handle), 0, "open " + path);
    held_.push_back({std::move(handle), find(path)->file, path, tree_});
  }
  // Of this tree: others' are being changed.
  Held* some_held() {
    for (Held& held : held_)
      if (held.tree == tree_ && below(2)) return &held;
    return nullptr;
  }
  void use_held() {
    Held* held = some_held();
    if (!held) return;
    const bool named = files_of(*tree_).contains(held->file.get());
    // What is written only after its removal is left to the checker: docs/internals/dfs.md.
    if (!named && held->file->written && below(3) == 0) {
      std::string bytes = random_bytes(5'000);
      const uint64_t offset = below(kFileBytesMax - bytes.size());
      d_iov_t iov;
      d_iov_set(&iov, bytes.data(), bytes.size());
      d_sg_list_t list = {1, 0, &iov};
      must(dfs_write(dfs_, held->handle->object, &list, offset, nullptr), 0,
           "write to the open " + held->path);
      std::string& expected = held->file->bytes;
      if (expected.size() < offset + bytes.size()) expected.resize(offset + bytes.size());
      expected.replace(offset, bytes.size(), bytes);
    }
    const std::string& expected = held->file->bytes;
    check_content("the open " + held->path, held->handle->object, expected, 0,
                  expected.size() + 100);
  }
  void drop_held() {
    Held* held = some_held();
    if (!held) return;
    std::swap(*held, held_.back());
    held_.pop_back();
  }

  uint64_t below(uint64_t limit) { return random_() % limit; }
  void must(int result, int expected, const std::string& what) {
    if (result == expected) return;
    fail(what + ": " + std::strerror(result) + " instead of " + std::strerror(expected));
  }
  static std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }
  static std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }
  static bool inside(const std::string& path, const std::string& directory) {
    return path.starts_with(directory + "/");
  }
  Name* find(const std::string& path) {
    const auto found = tree_->names.find(path);
    return found == tree_->names.end() ? nullptr : &found->second;
  }
  bool has_children(const std::string& path) {
    const auto next = tree_->names.lower_bound(path + "/");
    return next != tree_->names.end() && inside(next->first, path);
  }
  std::string some_path() {
    if (tree_->names.size() < 2) return new_path();
    auto at = tree_->names.begin();
    std::advance(at, 1 + below(tree_->names.size() - 1));
    return at->first;
  }
  std::string some_file() {
    for (int i = 0; i < 8; ++i) {
      const std::string path = some_path();
      const Name* name = find(path);
      if (name && name->file) return path;
    }
    return "";
  }
  std::string new_path() {
    std::vector<std::string> directories;
    for (const auto& [path, name] : tree_->names)
      if (name.directory && path.size() < 12) directories.push_back(path);
    return directories[below(directories.size())] + "/" +
           std::string(1 + below(2), static_cast<char>('a' + below(12)));
  }
  int open_directory(const std::string& path, Handle& handle) {
    mode_t mode = 0;
    return dfs_lookup(dfs_, (tree_->base + path).c_str(), O_RDWR, &handle.object, &mode, nullptr);
  }
  int open_file(const std::string& path, Handle& handle) {
    Handle parent;
    const int result = open_directory(parent_of(path), parent);
    if (result) return result;
    return dfs_open(dfs_, parent.object, name_of(path).c_str(), S_IFREG, O_RDWR | O_NOFOLLOW, 0, 0,
                    nullptr, &handle.object);
  }
  std::string random_bytes(uint64_t most) {
    std::string bytes(1 + below(most), 0);
    const uint64_t begin = random_();
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>((begin + i) * 2654435761 >> 13);
    return bytes;
  }

  void create(const std::string& path) {
    Handle parent, file;
    must(open_directory(parent_of(path), parent), 0, "parent of " + path);
    Name* there = find(path);
    const bool exclusive = below(2), cut = below(3) == 0;
    const int flags = O_CREAT | O_RDWR | O_NOFOLLOW | (exclusive ? O_EXCL : 0) | (cut ? O_TRUNC : 0);
    const int expected = !there            ? (full() ? EDQUOT : 0)
                         : exclusive       ? EEXIST
                         : there->directory ? EISDIR
                         : there->file      ? 0
                                            : ELOOP;
    must(dfs_open(dfs_, parent.object, name_of(path).c_str(), S_IFREG | 0644, flags, 0, kChunkBytes,
                  nullptr, &file.object),
         expected, "create " + path);
    if (expected != 0) return;
    if (!there)
      tree_->names[path].file = std::make_shared<File>();
    else if (cut)
      there->file->bytes.clear();
  }
  void make_directory(const std::string& path) {
    Handle parent;
    must(open_directory(parent_of(path), parent), 0, "parent of " + path);
    const bool there = find(path);
    must(dfs_mkdir(dfs_, parent.object, name_of(path).c_str(), 0755, 0),
         there ? EEXIST : full() ? EDQUOT : 0, "mkdir " + path);
    if (!there && !full()) tree_->names[path].directory = true;
  }
  void make_link(const std::string& path) {
    Handle parent, link;
    must(open_directory(parent_of(path), parent), 0, "parent of " + path);
    const bool there = find(path);
    const std::string target(1 + below(300), 'x');
    must(dfs_open(dfs_, parent.object, name_of(path).c_str(), S_IFLNK | 0777,
                  O_CREAT | O_EXCL | O_RDWR, 0, 0, target.c_str(), &link.object),
         there ? EEXIST : full() ? EDQUOT : 0, "symlink " + path);
    if (!there && !full()) tree_->names[path].target = target;
  }
  void write(const std::string& path) {
    if (path.empty()) return;
    Handle file;
    must(open_file(path, file), 0, "open " + path);
    std::string bytes = random_bytes(below(4) ? 5'000 : 150'000);
    const uint64_t offset = below(kFileBytesMax - bytes.size());
    d_iov_t iov;
    d_iov_set(&iov, bytes.data(), bytes.size());
    d_sg_list_t list = {1, 0, &iov};
    must(dfs_write(dfs_, file.object, &list, offset, nullptr), 0, "write " + path);
    find(path)->file->written = true;
    std::string& expected = find(path)->file->bytes;
    if (expected.size() < offset + bytes.size()) expected.resize(offset + bytes.size());
    expected.replace(offset, bytes.size(), bytes);
  }
  void append(const std::string& path) {
    if (path.empty()) return;
    std::string& expected = find(path)->file->bytes;
    if (expected.size() > kFileBytesMax) return;
    Handle file;
    must(open_file(path, file), 0, "open " + path);
    std::string bytes = random_bytes(below(4) ? 300 : 60'000);
    d_iov_t iov;
    d_iov_set(&iov, bytes.data(), bytes.size());
    d_sg_list_t list = {1, 0, &iov};
    daos_off_t offset = 0;
    must(varve_dfs_append(dfs_, file.object, &list, &offset), 0, "append " + path);
    if (offset != expected.size()) fail("append " + path + ": at " + std::to_string(offset));
    expected += bytes;
  }
  void read(const std::string& path) {
    if (path.empty()) return;
    Handle file;
    must(open_file(path, file), 0, "open " + path);
    const uint64_t offset = below(kFileBytesMax);
    check_bytes(path, file.object, offset, 1 + below(100'000));
  }
  void check_bytes(const std::string& path, dfs_obj_t* file, uint64_t offset, uint64_t length) {
    check_content(path, file, find(path)->file->bytes, offset, length);
  }
  void check_content(const std::string& path, dfs_obj_t* file, const std::string& expected,
                     uint64_t offset, uint64_t length) {
    std::string bytes(length, '?');
    d_iov_t iov;
    d_iov_set(&iov, bytes.data(), bytes.size());
    d_sg_list_t list = {1, 0, &iov};
    daos_size_t got = 0;
    must(dfs_read(dfs_, file, &list, offset, &got, nullptr), 0, "read " + path);
    const std::string part = offset < expected.size() ? expected.substr(offset, length) : "";
    if (got != part.size() || std::memcmp(bytes.data(), part.data(), got) != 0)
      fail("read " + path + ": other bytes than were written, or " + std::to_string(got) +
           " instead of " + std::to_string(part.size()));
  }
  void truncate(const std::string& path) {
    if (path.empty()) return;
    Handle file;
    must(open_file(path, file), 0, "open " + path);
    std::string& expected = find(path)->file->bytes;
    const uint64_t size = below(4) ? below(kFileBytesMax) : below(6) * kChunkBytes;
    if (below(2)) {
      must(dfs_punch(dfs_, file.object, size, DFS_MAX_FSIZE), 0, "truncate " + path);
      expected.resize(size);
      return;
    }
    const uint64_t length = 1 + below(100'000);
    must(dfs_punch(dfs_, file.object, size, length), 0, "punch " + path);
    if (size < expected.size() && size + length >= expected.size())
      expected.resize(size);
    else if (size < expected.size())
      expected.replace(size, length, std::string(length, '\0'));
  }
  void remove(const std::string& path) {
    Name* there = find(path);
    Handle parent;
    if (!there) return;
    must(open_directory(parent_of(path), parent), 0, "parent of " + path);
    const bool force = below(10) == 0, full = there->directory && has_children(path);
    must(dfs_remove(dfs_, parent.object, name_of(path).c_str(), force, nullptr),
         full && !force ? ENOTEMPTY : 0, "remove " + path);
    if (full && !force) return;
    std::erase_if(tree_->names, [&](const auto& entry) {
      return entry.first == path || inside(entry.first, path);
    });
  }
  void move_names(const std::string& from, const std::string& to, std::map<std::string, Name>& into) {
    std::map<std::string, Name> moved;
    for (auto& [path, name] : tree_->names)
      if (path == from || inside(path, from)) moved[to + path.substr(from.size())] = name;
    std::erase_if(tree_->names, [&](const auto& entry) {
      return entry.first == from || inside(entry.first, from);
    });
    into.merge(moved);
  }
  void rename(const std::string& from, const std::string& to) {
    const Name *moved = find(from), *replaced = find(to);
    if (!moved) return;
    Handle source, target;
    must(open_directory(parent_of(from), source), 0, "parent of " + from);
    must(open_directory(parent_of(to), target), 0, "parent of " + to);
    const bool same = from == to || (replaced && moved->file && moved->file == replaced->file);
    const int expected = same                                                        ? 0
                         : moved->directory && inside(to, from)                      ? EINVAL
                         : replaced && moved->directory && !replaced->directory      ? ENOTDIR
                         : replaced && !moved->directory && replaced->directory      ? EISDIR
                         : replaced && has_children(to)                              ? ENOTEMPTY
                                                                                     : 0;
    must(dfs_move(dfs_, source.object, name_of(from).c_str(), target.object, name_of(to).c_str(),
                  nullptr),
         expected, "rename " + from + " " + to);
    if (expected != 0 || same) return;
    tree_->names.erase(to);
    move_names(from, to, tree_->names);
  }
  void exchange(const std::string& first, const std::string& second) {
    if (!find(first) || !find(second)) return;
    Handle one, other;
    must(open_directory(parent_of(first), one), 0, "parent of " + first);
    must(open_directory(parent_of(second), other), 0, "parent of " + second);
    const bool nested = inside(first, second) || inside(second, first);
    must(dfs_exchange(dfs_, one.object, name_of(first).c_str(), other.object,
                      name_of(second).c_str()),
         nested ? EINVAL : 0, "exchange " + first + " " + second);
    if (nested || first == second) return;
    std::map<std::string, Name> aside;
    move_names(first, second, aside);
    move_names(second, first, tree_->names);
    tree_->names.merge(aside);
  }
  void hard_link(const std::string& from, const std::string& to) {
    if (from.empty()) return;
    Handle source, target;
    must(open_directory(parent_of(from), source), 0, "parent of " + from);
    must(open_directory(parent_of(to), target), 0, "parent of " + to);
    const bool there = find(to);
    must(varve_dfs_link(dfs_, source.object, name_of(from).c_str(), target.object,
                        name_of(to).c_str()),
         there ? EEXIST : 0, "link " + from + " " + to);
    if (!there) tree_->names[to].file = find(from)->file;
  }
  void change_mode(const std::string& path) {
    const Name* name = find(path);
    if (!name || !name->file) return;
    Handle parent;
    must(open_directory(parent_of(path), parent), 0, "parent of " + path);
    const mode_t mode = static_cast<mode_t>(below(01000));
    must(dfs_chmod(dfs_, parent.object, name_of(path).c_str(), mode), 0, "chmod " + path);
    name->file->mode = S_IFREG | mode;
  }
  void list(const std::string& path) {
    const Name* name = find(path);
    if (!name || !name->directory) return;
    Handle directory;
    must(open_directory(path, directory), 0, "open " + path);
    std::set<std::string> found, expected;
    struct dirent entries[5];
    daos_anchor_t anchor = DAOS_ANCHOR_INIT;
    while (!daos_anchor_is_eof(&anchor)) {
      uint32_t number = 5;
      must(dfs_readdir(dfs_, directory.object, &anchor, &number, entries), 0, "readdir " + path);
      for (uint32_t i = 0; i < number; ++i)
        if (!found.insert(entries[i].d_name).second) fail("readdir " + path + ": a name twice");
    }
    for (const auto& entry : tree_->names)
      if (!entry.first.empty() && parent_of(entry.first) == path)
        expected.insert(name_of(entry.first));
    if (found != expected)
      fail("readdir " + path + ": " + std::to_string(found.size()) + " names instead of " +
           std::to_string(expected.size()));
  }
  void compare(const std::string& path) {
    const Name* name = find(path);
    if (!name || path.empty()) return;
    Handle parent;
    must(open_directory(parent_of(path), parent), 0, "parent of " + path);
    struct stat status;
    must(dfs_stat(dfs_, parent.object, name_of(path).c_str(), &status), 0, "stat " + path);
    if (S_ISDIR(status.st_mode) != name->directory) fail("stat " + path + ": wrong type");
    if (!name->target.empty() && static_cast<size_t>(status.st_size) != name->target.size())
      fail("stat " + path + ": wrong length of a link");
    if (!name->file) return;
    uint64_t links = 0;
    for (const auto& entry : tree_->names) links += entry.second.file == name->file;
    if (status.st_mode != name->file->mode) fail("stat " + path + ": wrong mode");
    if (static_cast<uint64_t>(status.st_size) != name->file->bytes.size())
      fail("stat " + path + ": " + std::to_string(status.st_size) + " bytes instead of " +
           std::to_string(name->file->bytes.size()));
    if (status.st_nlink != links)
      fail("stat " + path + ": " + std::to_string(status.st_nlink) + " links instead of " +
           std::to_string(links));
    Handle file;
    must(open_file(path, file), 0, "open " + path);
    check_bytes(path, file.object, 0, name->file->bytes.size() + 100);
  }

  dfs_t* dfs_ = nullptr;
  std::vector<Held> held_;
  std::mt19937_64 random_;
  Tree* tree_ = nullptr;
  uint64_t steps_ = 0;
  std::chrono::steady_clock::time_point last_step_ = std::chrono::steady_clock::now();
};

void make_pool() {
  auto options = client::options_from_environment();
  auto session = client::Session::open(*options);
  if (!session) fail(session.error().describe());
  pool::CreatePool request;
  request.label = "torture";
  request.bytes = 900ULL << 20;
  auto created = (*session)->wait((*session)->create_pool(request));
  if (!created) fail(created.error().describe());
}

int run(uint64_t seconds, uint64_t seed, unsigned clients) {
  std::printf("dfs_torture: --seed %llu --seconds %llu --clients %u\n",
              static_cast<unsigned long long>(seed), static_cast<unsigned long long>(seconds),
              clients);
  std::fflush(stdout);
  server = std::make_unique<Server>(true);
  if (daos_init() != 0) fail("daos_init");
  make_pool();
  daos_handle_t pool, container;
  dfs_t* first = nullptr;
  if (daos_pool_connect("torture", nullptr, DAOS_PC_RW, &pool, nullptr, nullptr) != 0 ||
      dfs_cont_create_with_label(pool, "files", nullptr, nullptr, &container, &first) != 0)
    fail("a pool and a container");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  std::vector<Tree> trees(clients);
  Tree shared;
  shared.base = "/shared";
  std::mutex mutex;
  std::atomic<uint64_t> steps{0};
  std::atomic<bool> go_on{true};
  std::barrier together(clients, [&]() noexcept {
    go_on.store(std::chrono::steady_clock::now() < end);
  });
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < clients; ++i)
    threads.emplace_back([&, i] {
      Client client(pool, container, seed * 1000 + i);
      trees[i].base = "/own" + std::to_string(i);
      client.make_base(trees[i]);
      if (i == 0) client.make_base(shared);
      client.limit(trees[i], 60);
      together.arrive_and_wait();
      for (uint64_t round = 0; go_on.load(); ++round) {
        for (int step = 0; step < 200; ++step) {
          if (step % 4 != 0) {
            client.one_step(trees[i]);
          } else {
            const std::scoped_lock lock(mutex);
            client.one_step(shared);
          }
        }
        client.check_quota(trees[i]);
        together.arrive_and_wait();
        client.compare_all(trees[(i + round) % clients]);
        if (i == round % clients) client.compare_all(shared);
        together.arrive_and_wait();
      }
      steps.fetch_add(client.steps());
    });
  for (std::thread& thread : threads) thread.join();
  varve_dfs_check_report report;
  if (varve_dfs_check(first, DFS_CHECK_PRINT, nullptr, &report) != 0) fail("the check");
  if (report.leaked || report.ghosts || report.stale_names || report.unmarked || report.quotas)
    fail("the checker finds " + std::to_string(report.leaked) + " leaked objects, " +
         std::to_string(report.ghosts) + " ghosts, " + std::to_string(report.stale_names) +
         " stale names, " + std::to_string(report.unmarked) + " unmarked files, " +
         std::to_string(report.quotas) + " wrong quotas");
  // Nobody has anything open any more.
  if (varve_dfs_check(first, DFS_CHECK_REMOVE, nullptr, &report) != 0 || report.orphans ||
      report.leaked)
    fail("the checker leaves " + std::to_string(report.orphans) + " orphans");
  (void)dfs_umount(first);
  (void)daos_cont_close(container, nullptr);
  (void)daos_pool_disconnect(pool, nullptr);
  (void)daos_fini();
  server.reset();
  std::printf("dfs_torture: %llu calls, no difference\n",
              static_cast<unsigned long long>(steps.load()));
  return 0;
}

}  // namespace
}  // namespace varve::c_api

int main(int argc, char** argv) {
  uint64_t seconds = 60, seed = std::random_device{}() % 1'000'000, clients = 4;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    uint64_t& value = name == "--seconds" ? seconds : name == "--seed" ? seed : clients;
    if (&value == &clients && name != "--clients") {
      std::fprintf(stderr, "usage: dfs_torture [--seconds N] [--seed S] [--clients N]\n");
      return 2;
    }
    value = std::strtoull(argv[i + 1], nullptr, 10);
  }
  if (clients == 0) clients = 1;
  return varve::c_api::run(seconds, seed, static_cast<unsigned>(clients));
}
