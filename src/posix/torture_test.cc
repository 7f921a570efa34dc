// Random operations on a file system and on a model of one (a map of paths), compared after every
// step and, whole, every so often. Several workers at once, each in a directory of its own.
//
// VARVE_TORTURE=POOL/CONTAINER runs it on a real server; VARVE_TORTURE_STEPS, VARVE_TORTURE_SEED.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <map>
#include <set>

#include "posix/fake_session.h"
#include "posix/file_system.h"
#include "runtime/wait.h"

namespace varve::posix {
namespace {

struct ModelNode {
  uint32_t mode = 0;
  std::string bytes, target;
  std::map<std::string, std::string> attributes;
  std::optional<int64_t> mtime_ns;  // set explicitly, and nothing written since
  ObjectId oid;
};
using Model = std::map<std::string, ModelNode>;  // by path below the worker's directory; "" itself

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }
std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }
bool below(const std::string& path, const std::string& directory) {
  return path.starts_with(directory + "/");
}

class Worker {
 public:
  Worker(Session& session, std::shared_ptr<FileSystem> fs, std::string base, uint64_t seed)
      : session_(session), fs_(std::move(fs)), base_(std::move(base)), random_(seed) {}

  Task<bool> run(int steps) {
    Result<void> made =
        co_await fs_->make_directory(session_, *fs_->root()->directory, base_.substr(1), 0755, 0);
    EXPECT_TRUE(made.ok());
    model_[""].mode = S_IFDIR | 0755;
    for (int step = 0; step < steps && !failed(); ++step) {
      co_await one_step();
      if (step % 50 == 49) co_await compare_all();
    }
    if (!failed()) co_await compare_all();
    co_return !failed();
  }

 private:
  bool failed() const { return ::testing::Test::HasFailure(); }
  std::string random_path() {
    std::string path;
    const uint64_t depth = 1 + random_.below(3);
    for (uint64_t i = 0; i < depth; ++i)
      path += "/" + std::string(1, static_cast<char>('a' + random_.below(4)));
    return path;
  }
  // Mostly one that is there.
  std::string some_path() {
    if (model_.size() < 2 || random_.one_in(5)) return random_path();
    auto at = model_.begin();
    std::advance(at, 1 + random_.below(model_.size() - 1));
    return at->first;
  }
  // A name, mostly new, in a directory that is there.
  std::string new_path() {
    std::vector<std::string> directories;
    for (const auto& [path, node] : model_)
      if (S_ISDIR(node.mode) && path.size() < 8) directories.push_back(path);
    return directories[random_.below(directories.size())] + "/" +
           static_cast<char>('a' + random_.below(8));
  }
  ModelNode* find(const std::string& path) {
    const auto found = model_.find(path);
    return found == model_.end() ? nullptr : &found->second;
  }
  bool is_directory(const std::string& path) {
    const ModelNode* node = find(path);
    return node && S_ISDIR(node->mode);
  }
  bool has_children(const std::string& path) {
    const auto next = model_.lower_bound(path + "/");
    return next != model_.end() && below(next->first, path);
  }
  std::string random_bytes(uint64_t most) {
    std::string bytes(1 + random_.below(most), 0);
    for (char& byte : bytes) byte = static_cast<char>(random_.next());
    return bytes;
  }
  // What a change in a directory does to its own explicit time.
  void touched(const std::string& path) { model_[parent_of(path)].mtime_ns.reset(); }

  Task<Result<NodePtr>> open(std::string path) {
    return fs_->lookup(session_, nullptr, base_ + path, false, true);
  }
  // Null (with the code expected of every operation on it) if the parent is no directory.
  Task<Result<DirectoryPtr>> directory(std::string path) {
    VARVE_CO_TRY(const NodePtr node, co_await open(path));
    if (!node->directory) co_return Error(Code::kNotDirectory, path);
    co_return node->directory;
  }

  Task<void> one_step() {
    const std::string path = some_path();

    switch (random_.below(20)) {
      case 0:
      case 1:
      case 2:
        co_return co_await create(random_.one_in(4) ? path : new_path());
      case 3:
      case 4:
        co_return co_await make_directory(new_path());
      case 5:
        co_return co_await make_link(new_path());
      case 6:
      case 7:
      case 8:
        co_return co_await write(path);
      case 9:
      case 10:
        co_return co_await read(path);
      case 11:
      case 12:
        co_return co_await resize(path);
      case 13:
        co_return co_await remove(path);
      case 14:
        co_return co_await rename(path, random_.one_in(2) ? some_path() : new_path());
      case 15:
        co_return co_await exchange(path, some_path());
      case 16:
        co_return co_await set_attributes(path);
      case 17:
        co_return co_await change_attribute(path);
      default:
        co_return co_await compare(path);
    }
  }

  Task<void> create(std::string path) {
    Result<DirectoryPtr> where = co_await directory(parent_of(path));
    EXPECT_EQ(where.ok(), is_directory(parent_of(path)));
    if (!where) co_return;
    OpenOptions options;
    options.mode = S_IFREG | 0644;
    options.create = options.writable = true;
    options.exclusive = random_.one_in(2);
    options.truncate = random_.one_in(3);
    options.follow = false;
    ModelNode* there = find(path);
    Result<NodePtr> opened = co_await fs_->open(session_, *where, name_of(path), options);
    if (there && options.exclusive)
      EXPECT_EQ(opened.code(), Code::kExists) << path;
    else if (there && S_ISDIR(there->mode))
      EXPECT_EQ(opened.code(), Code::kIsDirectory);
    else if (there && S_ISLNK(there->mode))
      EXPECT_EQ(opened.code(), Code::kLinkLoop);
    else
      EXPECT_TRUE(opened.ok());
    if (!opened) co_return;
    if (!there) {
      touched(path);
      model_[path] = {S_IFREG | 0644, "", "", {}, {}, (*opened)->inode.oid};
    } else if (options.truncate) {
      touched(path);
      if ((*opened)->written.load()) there->mtime_ns.reset();
      there->bytes.clear();
    }
  }

  Task<void> make_directory(std::string path) {
    Result<DirectoryPtr> where = co_await directory(parent_of(path));
    if (!where) co_return;
    Result<void> made = co_await fs_->make_directory(session_, **where, name_of(path), 0700, 0);
    EXPECT_EQ(made.ok(), !find(path));
    if (made) touched(path), model_[path].mode = S_IFDIR | 0700;
  }

  Task<void> make_link(std::string path) {
    Result<DirectoryPtr> where = co_await directory(parent_of(path));
    if (!where) co_return;
    OpenOptions options;
    options.mode = S_IFLNK | 0777;
    options.create = options.exclusive = true;
    const std::string target(1 + random_.below(400), 't');
    options.target = target;
    options.follow = false;
    Result<NodePtr> made = co_await fs_->open(session_, *where, name_of(path), options);
    EXPECT_EQ(made.ok(), !find(path));
    if (!made) co_return;
    touched(path);
    model_[path] = {S_IFLNK | 0777, "", target, {}, {}, {}};
  }

  Task<void> write(std::string path) {
    ModelNode* there = find(path);
    Result<NodePtr> node = co_await open(path);
    EXPECT_EQ(node.ok(), there != nullptr) << path;
    if (!there || !node || !S_ISREG(there->mode)) co_return;
    std::vector<FileRange> ranges;
    std::string all;
    uint64_t offset = random_.below(600);
    for (uint64_t i = 0; i < 1 + random_.below(3); ++i) {
      const std::string bytes = random_bytes(200);
      ranges.push_back({offset, bytes.size()});
      if (there->bytes.size() < offset + bytes.size()) there->bytes.resize(offset + bytes.size());
      there->bytes.replace(offset, bytes.size(), bytes);
      all += bytes;
      offset += bytes.size() + random_.below(100);
    }
    const ByteView pieces[] = {as_bytes(all).first(all.size() / 2),
                               as_bytes(all).subspan(all.size() / 2)};
    if (!(*node)->written.load()) touched(path);
    there->mtime_ns.reset();
    EXPECT_TRUE((co_await fs_->write(session_, **node, ranges, pieces)).ok());
    co_await compare(path);
  }

  Task<void> read(std::string path) {
    ModelNode* there = find(path);
    if (!there || !S_ISREG(there->mode)) co_return;
    Result<NodePtr> node = co_await open(path);
    EXPECT_TRUE(node.ok());
    if (!node) co_return;
    std::string bytes(1 + random_.below(500), '?');
    const FileRange range{random_.below(800), bytes.size()};
    const MutableByteView room(reinterpret_cast<std::byte*>(bytes.data()), bytes.size());
    Result<uint64_t> count = co_await fs_->read(
        session_, **node, std::span<const FileRange>(&range, 1), Scatter(&room, 1));
    EXPECT_TRUE(count.ok());
    if (!count) co_return;
    bytes.resize(*count);
    EXPECT_EQ(bytes, range.offset < there->bytes.size()
                         ? there->bytes.substr(range.offset, range.length)
                         : "")
        << path;
  }

  Task<void> resize(std::string path) {
    ModelNode* there = find(path);
    if (!there || !S_ISREG(there->mode)) co_return;
    Result<NodePtr> node = co_await open(path);
    EXPECT_TRUE(node.ok());
    if (!node) co_return;
    const uint64_t offset = random_.below(900), length = random_.below(300);
    if (random_.one_in(2)) {
      EXPECT_TRUE((co_await fs_->set_size(session_, **node, offset)).ok());
      there->bytes.resize(offset);
    } else {
      EXPECT_TRUE((co_await fs_->punch(session_, **node, offset, length)).ok());
      const uint64_t size = there->bytes.size();
      if (length > 0 && offset < size && offset + length >= size)
        there->bytes.resize(offset);
      else if (offset < size)
        there->bytes.replace(offset, length, std::string(length, '\0'));
    }
    touched(path);
    there->mtime_ns.reset();
    co_await compare(path);
  }

  Task<void> remove(std::string path) {
    Result<DirectoryPtr> where = co_await directory(parent_of(path));
    if (!where) co_return;
    const bool force = random_.one_in(8), there = find(path), full = there && has_children(path);
    Result<ObjectId> removed = co_await fs_->remove(session_, *where, name_of(path), force);
    if (!there)
      EXPECT_EQ(removed.code(), Code::kNonexistent);
    else if (full && !force)
      EXPECT_EQ(removed.code(), Code::kNotEmpty);
    else
      EXPECT_TRUE(removed.ok());
    if (!removed) co_return;
    std::erase_if(
        model_, [&](const auto& entry) { return entry.first == path || below(entry.first, path); });
    touched(path);
  }

  Task<void> rename(std::string from, std::string to) {
    Result<DirectoryPtr> source = co_await directory(parent_of(from));
    Result<DirectoryPtr> target = co_await directory(parent_of(to));
    if (!source || !target) co_return;
    const ModelNode *moved = find(from), *replaced = find(to);
    auto renamed = co_await fs_->rename(session_, *source, name_of(from), *target, name_of(to));
    if (!moved)
      EXPECT_EQ(renamed.code(), Code::kNonexistent);
    else if (from == to)
      EXPECT_TRUE(renamed.ok());
    else if (S_ISDIR(moved->mode) && below(to, from))
      EXPECT_EQ(renamed.code(), Code::kInvalid);
    else if (replaced && S_ISDIR(moved->mode) && !S_ISDIR(replaced->mode))
      EXPECT_EQ(renamed.code(), Code::kNotDirectory);
    else if (replaced && !S_ISDIR(moved->mode) && S_ISDIR(replaced->mode))
      EXPECT_EQ(renamed.code(), Code::kIsDirectory);
    else if (replaced && has_children(to))
      EXPECT_EQ(renamed.code(), Code::kNotEmpty);
    else
      EXPECT_TRUE(renamed.ok()) << from << " " << to;
    if (!renamed || from == to) co_return;
    model_.erase(to);
    move_tree(from, to, model_, model_);
    touched(from);
    touched(to);
  }

  static void move_tree(const std::string& from, const std::string& to, Model& source,
                        Model& target) {
    Model moved;
    for (auto& [path, node] : source)
      if (path == from || below(path, from)) moved[to + path.substr(from.size())] = node;
    std::erase_if(
        source, [&](const auto& entry) { return entry.first == from || below(entry.first, from); });
    target.merge(moved);
  }

  Task<void> exchange(std::string first, std::string second) {
    Result<DirectoryPtr> one = co_await directory(parent_of(first));
    Result<DirectoryPtr> other = co_await directory(parent_of(second));
    if (!one || !other) co_return;
    auto done = co_await fs_->exchange(session_, *one, name_of(first), *other, name_of(second));
    if (!find(first) || !find(second))
      EXPECT_EQ(done.code(), Code::kNonexistent);
    else if (below(first, second) || below(second, first))
      EXPECT_EQ(done.code(), Code::kInvalid);
    else
      EXPECT_TRUE(done.ok());
    if (!done || first == second) co_return;
    Model aside;
    move_tree(first, second, model_, aside);
    move_tree(second, first, model_, model_);
    model_.merge(aside);
    touched(first);
    touched(second);
  }

  Task<void> set_attributes(std::string path) {
    ModelNode* there = find(path);
    if (!there) co_return;
    Result<NodePtr> node = co_await open(path);
    EXPECT_TRUE(node.ok());
    if (!node) co_return;
    AttributeChange change;
    if (random_.one_in(2)) change.permissions = static_cast<uint32_t>(random_.below(01000));
    if (random_.one_in(2))
      change.mtime_ns = static_cast<int64_t>(random_.below(1'000'000'000'000'000));
    EXPECT_TRUE((co_await fs_->set_attributes(session_, **node, change)).ok());
    if (change.permissions) there->mode = (there->mode & S_IFMT) | *change.permissions;
    if (change.mtime_ns) there->mtime_ns = change.mtime_ns;
    if (change.permissions || change.mtime_ns) touched(path);
    co_await compare(path);
  }

  Task<void> change_attribute(std::string path) {
    ModelNode* there = find(path);
    if (!there) co_return;
    Result<NodePtr> node = co_await open(path);
    EXPECT_TRUE(node.ok());
    if (!node) co_return;
    const std::string name = "user." + std::to_string(random_.below(3));
    if (random_.one_in(3)) {
      Result<void> removed = co_await fs_->remove_extended_attribute(session_, **node, name);
      EXPECT_EQ(removed.ok(), there->attributes.erase(name) > 0);
      if (removed) touched(path);
      co_return;
    }
    const std::string value = random_bytes(300);
    EXPECT_TRUE((co_await fs_->set_extended_attribute(session_, **node, name, as_bytes(value),
                                                      false, false))
                    .ok());
    there->attributes[name] = value;
    touched(path);
  }

  Task<void> compare(std::string path) {
    Result<NodePtr> node = co_await open(path);
    const ModelNode* there = find(path);
    EXPECT_EQ(node.ok(), there != nullptr) << path;
    if (!node || !there) co_return;
    Result<Status> status = co_await fs_->status(session_, **node);
    EXPECT_TRUE(status.ok()) << path;
    if (!status) co_return;
    EXPECT_EQ(status->inode.mode, there->mode) << path;
    if (S_ISREG(there->mode)) EXPECT_EQ(status->size, there->bytes.size()) << path;
    EXPECT_EQ(status->inode.target, there->target);
    if (there->mtime_ns) EXPECT_EQ(status->mtime_ns, *there->mtime_ns) << path;
  }

  Task<void> compare_all() {
    for (const auto& [path, expected] : model_) {
      co_await compare(path);
      Result<NodePtr> node = co_await open(path);
      EXPECT_TRUE(node.ok()) << path;
      if (!node || failed()) co_return;
      if (S_ISREG(expected.mode)) {
        std::string bytes(expected.bytes.size() + 10, '?');
        const FileRange range{0, bytes.size()};
        const MutableByteView room(reinterpret_cast<std::byte*>(bytes.data()), bytes.size());
        Result<uint64_t> count = co_await fs_->read(
            session_, **node, std::span<const FileRange>(&range, 1), Scatter(&room, 1));
        EXPECT_TRUE(count.ok());
        bytes.resize(count.ok() ? *count : 0);
        EXPECT_TRUE(bytes == expected.bytes) << path;
      }
      if (S_ISDIR(expected.mode)) co_await compare_names(path, *(*node)->directory);
      co_await compare_attributes(**node, expected);
    }
  }

  Task<void> compare_names(std::string path, const Directory& directory) {
    std::set<std::string> names, expected;
    Session::Anchor anchor;
    while (!anchor.end) {
      auto page = co_await fs_->list(session_, directory, anchor, 2);
      EXPECT_TRUE(page.ok());
      if (!page) co_return;
      for (const ListedName& name : *page) EXPECT_TRUE(names.insert(name.name).second);
    }
    for (const auto& entry : model_)
      if (!entry.first.empty() && parent_of(entry.first) == path)
        expected.insert(name_of(entry.first));
    EXPECT_EQ(names, expected) << path;
  }

  Task<void> compare_attributes(const Node& node, const ModelNode& expected) {
    auto names = co_await fs_->extended_attributes(session_, node);
    EXPECT_TRUE(names.ok());
    if (!names) co_return;
    EXPECT_EQ(names->size(), expected.attributes.size());
    for (const auto& [name, value] : expected.attributes) {
      Result<Buffer> found = co_await fs_->extended_attribute(session_, node, name);
      EXPECT_TRUE(found.ok());
      if (found) EXPECT_EQ(as_text(*found), value);
    }
  }

  Session& session_;
  std::shared_ptr<FileSystem> fs_;
  std::string base_;
  Random random_;
  Model model_;
};

void torture(Session& session, std::shared_ptr<FileSystem> fs, uint64_t seed, int workers,
             int steps) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::vector<std::unique_ptr<Worker>> all;
  std::vector<Task<bool>> tasks;
  for (int i = 0; i < workers; ++i) {
    all.push_back(std::make_unique<Worker>(session, fs,
                                           "/w" + std::to_string(seed) + "-" + std::to_string(i),
                                           seed * 100 + static_cast<uint64_t>(i)));
    tasks.push_back(all.back()->run(steps));
  }
  session.wait(when_all(std::move(tasks)));
  if (::testing::Test::HasFailure()) return;
  for (int i = 0; i < workers; ++i)
    EXPECT_TRUE(session
                    .wait(fs->remove(session, fs->root()->directory,
                                     "w" + std::to_string(seed) + "-" + std::to_string(i), true))
                    .ok());
}

TEST(Torture, RandomOperationsMatchAModel) {
  for (uint64_t seed = 1; seed <= 40 && !::testing::Test::HasFailure(); ++seed) {
    Executor executor(machine_clock(), seed);
    FakeObjects objects;
    FakeSession session(executor, objects);
    const auto container = std::make_shared<client::ContainerHandle>();
    FormatOptions options;
    options.chunk_bytes = 64;
    ASSERT_TRUE(session.wait(FileSystem::format(session, container, options)).ok());
    auto fs = session.wait(FileSystem::mount(session, container, {}));
    ASSERT_TRUE(fs.ok());
    torture(session, *fs, seed, 3, 400);
    // Nothing is left of what was removed.
    ASSERT_TRUE(session.wait((*fs)->leave(session)).ok());
    size_t left = 0;
    for (const auto& [oid, object] : objects.objects)
      for (const auto& dkey : object.dkeys)
        for (const auto& akey : dkey.second) left += akey.second.exists();
    EXPECT_EQ(left, 2u) << "the superblock and the root's entry";
  }
}

TEST(Torture, OnARealServer) {
  const char* where = std::getenv("VARVE_TORTURE");
  if (!where) GTEST_SKIP() << "VARVE_TORTURE=POOL/CONTAINER is not set";
  const auto number = [](const char* name, uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
  };
  const std::string place = where, pool_name = place.substr(0, place.find('/'));
  auto options = client::options_from_environment();
  ASSERT_TRUE(options.ok());
  auto session = Session::open(*options);
  ASSERT_TRUE(session.ok()) << session.error().describe();
  auto pool = (*session)->wait((*session)->connect_pool(pool_name, 2));
  ASSERT_TRUE(pool.ok()) << pool.error().describe();
  auto container =
      (*session)->wait((*session)->open_container(*pool, place.substr(place.find('/') + 1), 2));
  ASSERT_TRUE(container.ok()) << container.error().describe();
  MountOptions mount;
  mount.format_if_empty = true;
  auto fs = (*session)->wait(FileSystem::mount(**session, *container, mount));
  ASSERT_TRUE(fs.ok()) << fs.error().describe();
  torture(**session, *fs, number("VARVE_TORTURE_SEED", machine_random() % 1'000'000), 4,
          static_cast<int>(number("VARVE_TORTURE_STEPS", 1000)));
}

}  // namespace
}  // namespace varve::posix
