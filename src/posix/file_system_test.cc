#include "posix/file_system.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>

#include "posix/fake_session.h"
#include "runtime/wait.h"

namespace varve::posix {
namespace {

class FileSystemTest : public ::testing::Test {
 protected:
  FileSystemTest() {
    FormatOptions options;
    options.chunk_bytes = 64;
    EXPECT_TRUE(wait(FileSystem::format(session, container, options)).ok());
    MountOptions mount;
    mount.uid = 7;
    mount.gid = 8;
    auto mounted = wait(FileSystem::mount(session, container, mount));
    EXPECT_TRUE(mounted.ok());
    fs = *mounted;
    root = fs->root()->directory;
  }
  template <class T>
  T wait(Task<T> task) {
    return executor.block_on(std::move(task));
  }
  NodePtr create(DirectoryPtr directory, std::string_view name) {
    OpenOptions options;
    options.mode = S_IFREG | 0644;
    options.create = options.exclusive = options.writable = true;
    auto node = wait(fs->open(session, directory, name, options));
    EXPECT_TRUE(node.ok()) << (node.ok() ? "" : node.error().describe());
    return node.ok() ? *node : nullptr;
  }
  NodePtr find(std::string path, bool follow = true) {
    auto node = wait(fs->lookup(session, nullptr, path, follow, true));
    return node.ok() ? *node : nullptr;
  }
  Result<void> write(NodePtr node, uint64_t offset, std::string_view text) {
    const FileRange range{offset, text.size()};
    const ByteView bytes = as_bytes(text);
    return wait(fs->write(session, *node, {&range, 1}, {&bytes, 1}));
  }
  std::string read(NodePtr node, uint64_t offset, size_t length) {
    std::string text(length, '?');
    const FileRange range{offset, length};
    const MutableByteView bytes(reinterpret_cast<std::byte*>(text.data()), length);
    auto count = wait(fs->read(session, *node, {&range, 1}, {&bytes, 1}));
    EXPECT_TRUE(count.ok());
    text.resize(count.ok() ? *count : 0);
    return text;
  }
  Status status(std::string_view name) {
    auto result = wait(fs->status(session, *root, name));
    EXPECT_TRUE(result.ok()) << name;
    return result.ok() ? *result : Status();
  }
  Code status_code(std::string_view name) { return wait(fs->status(session, *root, name)).code(); }
  std::set<std::string> names(const Directory& directory, uint32_t page = 3) {
    std::set<std::string> found;
    Session::Anchor anchor;
    while (!anchor.end) {
      auto listed = wait(fs->list(session, directory, anchor, page));
      EXPECT_TRUE(listed.ok());
      for (auto& name : *listed) EXPECT_TRUE(found.insert(name.name).second);
    }
    return found;
  }

  Executor executor{machine_clock(), 1};
  FakeObjects objects;
  FakeSession session{executor, objects};
  client::Container container = std::make_shared<client::ContainerHandle>();
  std::shared_ptr<FileSystem> fs;
  DirectoryPtr root;
};

TEST_F(FileSystemTest, FormatsOnceAndMountsWhatIsThere) {
  EXPECT_EQ(wait(FileSystem::format(session, container, {})).code(), Code::kExists);
  EXPECT_EQ(fs->superblock().chunk_bytes, 64u);
  EXPECT_TRUE(S_ISDIR(fs->root()->inode.mode));
  FakeObjects empty;
  FakeSession other(executor, empty);
  EXPECT_EQ(wait(FileSystem::mount(other, container, {})).code(), Code::kNonexistent);
  MountOptions options;
  options.format_if_empty = true;
  EXPECT_TRUE(wait(FileSystem::mount(other, container, options)).ok());
}

TEST_F(FileSystemTest, RefusesADamagedSuperblock) {
  auto& dkey = objects.objects[superblock_oid()].dkeys["/"];
  dkey["s"].bytes[0] ^= std::byte{1};
  EXPECT_EQ(wait(FileSystem::mount(session, container, {})).code(), Code::kBadFormat);
  dkey["s"].bytes[0] ^= std::byte{1};
  dkey["s"].bytes[8] = std::byte{9};
  EXPECT_EQ(wait(FileSystem::mount(session, container, {})).code(), Code::kIncompatible);
}

TEST_F(FileSystemTest, CreateStatAndOpenTakeOneRoundTripEach) {
  create(root, "warm");  // fetches numbers
  const uint64_t before = objects.calls;
  create(root, "file");
  EXPECT_EQ(objects.calls - before, 1u);
  const Status found = status("file");
  EXPECT_EQ(objects.calls - before, 2u);
  EXPECT_EQ(found.inode.mode, S_IFREG | 0644u);
  EXPECT_EQ(found.inode.uid, 7u);
  EXPECT_EQ(found.inode.gid, 8u);
  EXPECT_EQ(found.size, 0u);
  EXPECT_TRUE(find("/file"));
  EXPECT_EQ(objects.calls - before, 3u);
  EXPECT_TRUE(wait(fs->remove(session, root, "file", false, 0, false)).ok());
  EXPECT_EQ(objects.calls - before, 4u);
  EXPECT_EQ(status_code("file"), Code::kNonexistent);
}

// The table of docs/internals/dfs.md.
TEST_F(FileSystemTest, CallsTakeTheRequestsThatTheDocumentTells) {
  create(root, "warm");
  const auto requests = [&](auto&& call) {
    const uint64_t before = objects.calls;
    call();
    return objects.calls - before;
  };
  NodePtr file;
  EXPECT_EQ(requests([&] { file = create(root, "file"); }), 1u);
  EXPECT_EQ(requests([&] { (void)wait(fs->make_directory(session, *root, "dir", 0755, 0)); }), 1u);
  EXPECT_EQ(requests([&] { (void)find("/file"); }), 1u);
  EXPECT_EQ(requests([&] { (void)status("file"); }), 1u);
  EXPECT_EQ(requests([&] { (void)write(file, 0, "data"); }), 2u) << "side by side";
  EXPECT_EQ(requests([&] { (void)write(file, 0, "data"); }), 1u);
  EXPECT_EQ(requests([&] { (void)read(file, 0, 4); }), 1u);
  EXPECT_EQ(requests([&] { (void)read(file, 0, 5); }), 2u);
  EXPECT_EQ(requests([&] { (void)status("file"); }), 2u);
  EXPECT_EQ(requests([&] { (void)names(*root, 100); }), 1u);
  AttributeChange change;
  change.permissions = 0600;
  EXPECT_EQ(requests([&] { (void)wait(fs->set_attributes(session, *find("/warm"), change)); }),
            1u + 2u);
  // Look at both (entry and names of akeys, side by side), three updates.
  EXPECT_EQ(requests([&] { (void)wait(fs->rename(session, root, "warm", root, "cold")); }), 4u + 3u);
  EXPECT_EQ(requests([&] { (void)wait(fs->remove(session, root, "file", false)); }), 2u + 3u)
      << "entry, the mounts that live, object";
  EXPECT_EQ(requests([&] { (void)wait(fs->remove(session, root, "dir", false)); }), 2u + 3u);
  OpenOptions existing;
  existing.mode = S_IFREG;
  existing.writable = true;
  EXPECT_EQ(requests([&] { (void)wait(fs->open(session, root, "cold", existing)); }), 1u);
  NodePtr log = create(root, "log");
  const std::string line = "line";
  const ByteView bytes = as_bytes(line);
  const auto append = [&] { EXPECT_TRUE(wait(fs->append(session, *log, Gather(&bytes, 1))).ok()); };
  append();
  EXPECT_EQ(requests(append), 2u);
  EXPECT_EQ(requests([&] { (void)wait(fs->link(session, *root, "log", *root, "second")); }), 6u + 1u)
      << "two looks at the first name are side by side";
  EXPECT_EQ(requests([&] { (void)wait(fs->link(session, *root, "log", *root, "third")); }), 5u);
  std::shared_ptr<FileSystem> other;
  EXPECT_EQ(requests([&] { other = *wait(FileSystem::mount(session, container, {})); }), 3u);
  EXPECT_EQ(requests([&] { (void)wait(other->leave(session)); }), 3u);
  create(root, "empty");
  root->occupied.store(false);
  EXPECT_EQ(requests([&] { (void)wait(fs->remove(session, root, "empty", false, 0, false)); }), 1u);
}

TEST_F(FileSystemTest, FilesHaveSeveralNames) {
  NodePtr file = create(root, "one");
  ASSERT_TRUE(write(file, 0, "data").ok());
  ASSERT_TRUE(wait(fs->set_extended_attribute(session, *file, "user.a", as_bytes("1"), false,
                                              false))
                  .ok());
  ASSERT_TRUE(wait(fs->make_directory(session, *root, "dir", 0755, 0)).ok());
  DirectoryPtr dir = find("/dir")->directory;
  const auto link = [&](DirectoryPtr from, std::string_view name, DirectoryPtr to,
                        std::string_view other) {
    return wait(fs->link(session, *from, name, *to, other)).code();
  };
  EXPECT_EQ(link(root, "dir", root, "x"), Code::kNoPermission);
  EXPECT_EQ(link(root, "none", root, "x"), Code::kNonexistent);
  EXPECT_EQ(link(root, "one", root, "dir"), Code::kExists);
  EXPECT_EQ(link(root, "one", dir, "two"), Code::kOk);
  EXPECT_EQ(link(dir, "two", root, "three"), Code::kOk);
  EXPECT_EQ(status("one").links, 3u);
  NodePtr two = find("/dir/two");
  EXPECT_EQ(two->inode.oid, file->inode.oid);
  EXPECT_EQ(read(two, 0, 10), "data");
  // Attributes are one inode's, through the old handle as well.
  AttributeChange change;
  change.permissions = 0400;
  change.mtime_ns = 77;
  ASSERT_TRUE(wait(fs->set_attributes(session, *file, change)).ok());
  EXPECT_EQ(status("three").inode.mode, S_IFREG | 0400u);
  EXPECT_EQ(status("three").mtime_ns, 77);
  ASSERT_TRUE(wait(fs->set_extended_attribute(session, *two, "user.b", as_bytes("2"), false, false))
                  .ok());
  EXPECT_EQ(wait(fs->extended_attributes(session, *file))->size(), 2u);
  EXPECT_EQ(wait(fs->extended_attributes(session, *find("/three")))->size(), 2u);
  ASSERT_TRUE(wait(fs->remove_extended_attribute(session, *file, "user.a")).ok());
  // Between two names of one file, rename does nothing.
  ASSERT_TRUE(wait(fs->rename(session, root, "one", root, "three")).ok());
  EXPECT_EQ(status("one").links, 3u);
  ASSERT_TRUE(wait(fs->rename(session, root, "one", dir, "moved")).ok());
  EXPECT_EQ(status("three").links, 3u);
  ASSERT_TRUE(wait(fs->remove(session, root, "three", false)).ok());
  ASSERT_TRUE(wait(fs->remove(session, dir, "two", false)).ok());
  NodePtr moved = find("/dir/moved");
  EXPECT_EQ(wait(fs->status(session, *moved))->links, 1u);
  EXPECT_EQ(read(moved, 0, 10), "data");
  ASSERT_TRUE(wait(fs->remove(session, root, "dir", true)).ok());
  ASSERT_TRUE(wait(fs->leave(session)).ok());
  EXPECT_TRUE(objects.objects[file->inode.oid].dkeys.empty());
  for (const auto& [oid, object] : objects.objects)
    for (const auto& [dkey, akeys] : object.dkeys)
      for (const auto& [akey, value] : akeys)
        EXPECT_TRUE(!value.exists() || dkey == "/") << oid.to_string() << " " << dkey;
}

TEST_F(FileSystemTest, ExclusiveCreateRefusesAndPlainCreateOpens) {
  NodePtr first = create(root, "file");
  OpenOptions options;
  options.mode = S_IFREG | 0600;
  options.create = options.writable = true;
  auto second = wait(fs->open(session, root, "file", options));
  ASSERT_TRUE(second.ok());
  EXPECT_EQ((*second)->inode.oid, first->inode.oid);
  EXPECT_EQ((*second)->inode.mode, S_IFREG | 0644u);
  options.exclusive = true;
  EXPECT_EQ(wait(fs->open(session, root, "file", options)).code(), Code::kExists);
}

TEST_F(FileSystemTest, RefusesBadNames) {
  OpenOptions options;
  options.mode = S_IFREG | 0600;
  options.create = true;
  EXPECT_EQ(wait(fs->open(session, root, "", options)).code(), Code::kInvalid);
  EXPECT_EQ(wait(fs->open(session, root, ".", options)).code(), Code::kInvalid);
  EXPECT_EQ(wait(fs->open(session, root, "..", options)).code(), Code::kInvalid);
  EXPECT_EQ(wait(fs->open(session, root, "a/b", options)).code(), Code::kInvalid);
  EXPECT_EQ(wait(fs->open(session, root, std::string_view("a\0b", 3), options)).code(),
            Code::kInvalid);
  EXPECT_EQ(wait(fs->open(session, root, std::string(256, 'a'), options)).code(),
            Code::kNameTooLong);
  EXPECT_TRUE(wait(fs->open(session, root, std::string(255, 'a'), options)).ok());
}

TEST_F(FileSystemTest, WritesAndReadsAcrossChunks) {
  NodePtr file = create(root, "file");
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>('a' + i % 26);
  ASSERT_TRUE(write(file, 30, text).ok());
  EXPECT_EQ(status("file").size, 1030u);
  EXPECT_EQ(read(file, 30, 1000), text);
  EXPECT_EQ(read(file, 0, 40), std::string(30, '\0') + text.substr(0, 10));
  EXPECT_EQ(read(file, 1000, 500), text.substr(970));
  EXPECT_EQ(read(file, 1030, 10), "");
  EXPECT_EQ(read(file, 5000, 10), "");
  ASSERT_TRUE(write(file, 2000, "end").ok());
  EXPECT_EQ(read(file, 1028, 980), text.substr(998) + std::string(970, '\0') + "end");
}

TEST_F(FileSystemTest, ScatteredRangesKeepTheirOrder) {
  NodePtr file = create(root, "file");
  const FileRange ranges[] = {{100, 3}, {10, 2}, {63, 2}};
  const ByteView pieces[] = {as_bytes("abcd"), as_bytes("efg")};
  ASSERT_TRUE(wait(fs->write(session, *file, ranges, pieces)).ok());
  EXPECT_EQ(read(file, 100, 3), "abc");
  EXPECT_EQ(read(file, 10, 2), "de");
  EXPECT_EQ(read(file, 63, 2), "fg");
  char into[7] = {};
  const MutableByteView rooms[] = {{reinterpret_cast<std::byte*>(into), 2},
                                   {reinterpret_cast<std::byte*>(into) + 2, 5}};
  auto count = wait(fs->read(session, *file, ranges, rooms));
  ASSERT_TRUE(count.ok());
  EXPECT_EQ(*count, 7u);
  EXPECT_EQ(std::string(into, 7), "abcdefg");
}

TEST_F(FileSystemTest, RefusesRangesThatDoNotFit) {
  NodePtr file = create(root, "file");
  const ByteView two = as_bytes("xy");
  FileRange range{0, 3};
  EXPECT_EQ(wait(fs->write(session, *file, {&range, 1}, {&two, 1})).code(), Code::kInvalid);
  range = {~0ULL - 1, 2};
  EXPECT_EQ(wait(fs->write(session, *file, {&range, 1}, {&two, 1})).code(), Code::kOverflow);
}

TEST_F(FileSystemTest, CutsAndExtends) {
  NodePtr file = create(root, "file");
  ASSERT_TRUE(write(file, 0, std::string(300, 'x')).ok());
  ASSERT_TRUE(wait(fs->set_size(session, *file, 100)).ok());
  EXPECT_EQ(status("file").size, 100u);
  EXPECT_EQ(read(file, 0, 400), std::string(100, 'x'));
  ASSERT_TRUE(wait(fs->set_size(session, *file, 200)).ok());
  EXPECT_EQ(read(file, 90, 400), std::string(10, 'x') + std::string(100, '\0'));
  ASSERT_TRUE(wait(fs->punch(session, *file, 10, 20)).ok());
  EXPECT_EQ(read(file, 0, 40), std::string(10, 'x') + std::string(20, '\0') + std::string(10, 'x'));
  ASSERT_TRUE(wait(fs->punch(session, *file, 50, 1000)).ok());
  EXPECT_EQ(status("file").size, 50u);
  ASSERT_TRUE(wait(fs->punch(session, *file, 60, ~0ULL)).ok());
  EXPECT_EQ(status("file").size, 60u);
  ASSERT_TRUE(wait(fs->set_size(session, *file, 0)).ok());
  EXPECT_EQ(status("file").size, 0u);
  EXPECT_EQ(read(file, 0, 10), "");
}

TEST_F(FileSystemTest, CuttingInsideAHoleKeepsTheExactSize) {
  NodePtr file = create(root, "file");
  ASSERT_TRUE(write(file, 0, "abc").ok());
  ASSERT_TRUE(write(file, 1000, "z").ok());
  ASSERT_TRUE(wait(fs->set_size(session, *file, 500)).ok());
  EXPECT_EQ(status("file").size, 500u);
  EXPECT_EQ(read(file, 0, 600), "abc" + std::string(497, '\0'));
}

TEST_F(FileSystemTest, DirectoriesListRemoveAndRefuse) {
  ASSERT_TRUE(wait(fs->make_directory(session, *root, "dir", 0750, 0)).ok());
  EXPECT_EQ(wait(fs->make_directory(session, *root, "dir", 0750, 0)).code(), Code::kExists);
  DirectoryPtr dir = find("/dir")->directory;
  for (int i = 0; i < 10; ++i) create(dir, "f" + std::to_string(i));
  EXPECT_EQ(names(*dir).size(), 10u);
  EXPECT_EQ(names(*root), std::set<std::string>{"dir"});
  EXPECT_EQ(wait(fs->remove(session, root, "dir", false)).code(), Code::kNotEmpty);
  EXPECT_EQ(wait(fs->remove(session, root, "dir", false, S_IFREG)).code(), Code::kIsDirectory);
  Session::Anchor anchor;
  auto listed = wait(fs->list_with_status(session, *dir, anchor, 100));
  ASSERT_TRUE(listed.ok());
  EXPECT_EQ(listed->size(), 10u);
  EXPECT_EQ(listed->front().status.inode.mode, S_IFREG | 0644u);
  ASSERT_TRUE(wait(fs->make_directory(session, *dir, "deeper", 0755, 0)).ok());
  create(find("/dir/deeper")->directory, "leaf");
  EXPECT_TRUE(wait(fs->remove(session, root, "dir", true)).ok());
  EXPECT_TRUE(names(*root).empty());
}

TEST_F(FileSystemTest, WalksLinksAndDots) {
  ASSERT_TRUE(wait(fs->make_directory(session, *root, "a", 0755, 0)).ok());
  DirectoryPtr a = find("/a")->directory;
  ASSERT_TRUE(wait(fs->make_directory(session, *a, "b", 0755, 0)).ok());
  NodePtr file = create(find("/a/b")->directory, "file");
  const auto link = [&](DirectoryPtr where, std::string_view name, std::string_view target) {
    OpenOptions options;
    options.mode = S_IFLNK | 0777;
    options.create = options.exclusive = true;
    options.target = target;
    return wait(fs->open(session, where, name, options)).ok();
  };
  ASSERT_TRUE(link(root, "absolute", "/a/b"));
  ASSERT_TRUE(link(a, "relative", "../a/./b/file"));
  ASSERT_TRUE(link(root, "loop", "loop"));
  ASSERT_TRUE(link(root, "long", "/" + std::string(1000, '/') + "a/b/file"));
  const std::string slashes = "//a//b///file";
  for (const char* path :
       {"/a/b/file", "/absolute/file", "/a/relative", "/a/../a/b/file", "/../a/b/file", "/long"})
    EXPECT_TRUE(find(path) && find(path)->inode.oid == file->inode.oid) << path;
  EXPECT_TRUE(find(slashes));
  EXPECT_TRUE(find("/a/relative", false)->inode.is_link());
  EXPECT_EQ(find("/a/relative", false)->inode.target, "../a/./b/file");
  EXPECT_EQ(status("long").size, 1009u);
  const auto code = [&](std::string path) {
    return wait(fs->lookup(session, nullptr, path, true, true)).code();
  };
  EXPECT_EQ(code("/loop"), Code::kLinkLoop);
  EXPECT_EQ(code("/a/b/file/x"), Code::kNotDirectory);
  EXPECT_EQ(code("/a/b/file/"), Code::kNotDirectory);
  EXPECT_EQ(code("/a/none"), Code::kNonexistent);
  EXPECT_EQ(code(""), Code::kInvalid);
  EXPECT_EQ(code("/" + std::string(300, 'n')), Code::kNameTooLong);
  EXPECT_EQ(find("/")->inode.oid, fs->root()->inode.oid);
  EXPECT_EQ(find("/a/b/..")->inode.oid, a->object.oid);
}

TEST_F(FileSystemTest, RenamesAndReplaces) {
  NodePtr first = create(root, "first");
  ASSERT_TRUE(write(first, 0, "first").ok());
  NodePtr second = create(root, "second");
  ASSERT_TRUE(write(second, 0, "second").ok());
  ASSERT_TRUE(
      wait(fs->set_extended_attribute(session, *first, "user.a", as_bytes("1"), false, false))
          .ok());
  ASSERT_TRUE(
      wait(fs->set_extended_attribute(session, *second, "user.b", as_bytes("2"), false, false))
          .ok());
  auto replaced = wait(fs->rename(session, root, "first", root, "second"));
  ASSERT_TRUE(replaced.ok());
  EXPECT_EQ(**replaced, second->inode.oid);
  EXPECT_EQ(names(*root), std::set<std::string>{"second"});
  NodePtr now = find("/second");
  EXPECT_EQ(read(now, 0, 100), "first");
  EXPECT_EQ(*wait(fs->extended_attributes(session, *now)), std::vector<std::string>{"user.a"});
  EXPECT_TRUE(objects.objects[second->inode.oid].dkeys.empty());
  ASSERT_TRUE(wait(fs->make_directory(session, *root, "dir", 0755, 0)).ok());
  DirectoryPtr dir = find("/dir")->directory;
  ASSERT_TRUE(wait(fs->make_directory(session, *dir, "below", 0755, 0)).ok());
  EXPECT_EQ(wait(fs->rename(session, root, "dir", find("/dir/below")->directory, "dir")).code(),
            Code::kInvalid);
  EXPECT_EQ(wait(fs->rename(session, root, "second", root, "dir")).code(), Code::kIsDirectory);
  EXPECT_EQ(wait(fs->rename(session, root, "dir", root, "second")).code(), Code::kNotDirectory);
  EXPECT_EQ(wait(fs->rename(session, root, "none", root, "x")).code(), Code::kNonexistent);
  ASSERT_TRUE(wait(fs->rename(session, root, "second", dir, "moved")).ok());
  EXPECT_EQ(read(find("/dir/moved"), 0, 100), "first");
  ASSERT_TRUE(wait(fs->rename(session, root, "dir", root, "dir")).ok());
  EXPECT_TRUE(find("/dir/moved"));
}

TEST_F(FileSystemTest, AFileRenamedBeforeItsFirstWriteStillShowsItsSize) {
  NodePtr file = create(root, "old");
  ASSERT_TRUE(wait(fs->rename(session, root, "old", root, "new")).ok());
  ASSERT_TRUE(write(file, 0, "data").ok());
  EXPECT_EQ(status("new").size, 4u);
  EXPECT_EQ(status_code("old"), Code::kNonexistent);
}

TEST_F(FileSystemTest, Exchanges) {
  NodePtr first = create(root, "first");
  ASSERT_TRUE(wait(fs->make_directory(session, *root, "dir", 0755, 0)).ok());
  const ObjectId dir = find("/dir")->inode.oid;
  ASSERT_TRUE(wait(fs->exchange(session, root, "first", root, "dir")).ok());
  EXPECT_EQ(find("/dir")->inode.oid, first->inode.oid);
  EXPECT_EQ(find("/first")->inode.oid, dir);
  EXPECT_EQ(wait(fs->exchange(session, root, "first", root, "none")).code(), Code::kNonexistent);
}

TEST_F(FileSystemTest, ExplicitTimesReadBackExactlyUntilTheNextWrite) {
  NodePtr file = create(root, "file");
  ASSERT_TRUE(write(file, 0, "data").ok());
  AttributeChange change;
  change.mtime_ns = 123'456'789;
  change.atime_ns = 987'654'321;
  change.permissions = 0400;
  change.uid = 99;
  ASSERT_TRUE(wait(fs->set_attributes(session, *file, change)).ok());
  Status now = status("file");
  EXPECT_EQ(now.mtime_ns, 123'456'789);
  EXPECT_EQ(now.atime_ns, 987'654'321);
  EXPECT_EQ(now.inode.mode, S_IFREG | 0400u);
  EXPECT_EQ(now.inode.uid, 99u);
  EXPECT_EQ(now.inode.gid, 8u);
  EXPECT_EQ(now.size, 4u);
  ASSERT_TRUE(write(file, 0, "more").ok());
  EXPECT_GT(status("file").mtime_ns, 1'000'000'000'000);
  ASSERT_TRUE(wait(fs->make_directory(session, *root, "dir", 0755, 0)).ok());
  NodePtr dir = find("/dir");
  create(dir->directory, "inside");
  ASSERT_TRUE(wait(fs->set_attributes(session, *dir, change)).ok());
  EXPECT_EQ(status("dir").mtime_ns, 123'456'789);
  create(dir->directory, "another");
  EXPECT_GT(status("dir").mtime_ns, 1'000'000'000'000);
}

TEST_F(FileSystemTest, ConcurrentChangesOfDifferentAttributesLoseNeither) {
  NodePtr file = create(root, "file");
  AttributeChange mode, owner;
  mode.permissions = 0111;
  owner.uid = 5;
  std::vector<Task<Result<Status>>> tasks;
  tasks.push_back(fs->set_attributes(session, *file, mode));
  tasks.push_back(fs->set_attributes(session, *file, owner));
  for (auto& result : wait(when_all(std::move(tasks)))) EXPECT_TRUE(result.ok());
  EXPECT_EQ(status("file").inode.mode, S_IFREG | 0111u);
  EXPECT_EQ(status("file").inode.uid, 5u);
}

TEST_F(FileSystemTest, ExtendedAttributes) {
  NodePtr file = create(root, "file");
  const auto set = [&](std::string_view name, std::string_view value, bool fresh = false,
                       bool there = false) {
    return wait(fs->set_extended_attribute(session, *file, name, as_bytes(value), fresh, there))
        .code();
  };
  const auto get = [&](std::string_view name) {
    auto value = wait(fs->extended_attribute(session, *file, name));
    return value.ok() ? std::string(as_text(*value)) : std::string(code_name(value.code()));
  };
  EXPECT_EQ(set("user.a", "x", false, true), Code::kNoAttribute);
  EXPECT_EQ(set("user.a", "x", true), Code::kOk);
  EXPECT_EQ(set("user.a", "y", true), Code::kExists);
  EXPECT_EQ(set("user.a", std::string(5000, 'z'), false, true), Code::kOk);
  EXPECT_EQ(set("user.empty", ""), Code::kOk);
  EXPECT_EQ(set("", "v"), Code::kInvalid);
  EXPECT_EQ(set(std::string(256, 'n'), "v"), Code::kNameTooLong);
  EXPECT_EQ(set("big", std::string(65537, 'n')), Code::kRecordTooBig);
  EXPECT_EQ(get("user.a"), std::string(5000, 'z'));
  EXPECT_EQ(get("user.empty"), "");
  EXPECT_EQ(get("user.none"), "ENODATA");
  EXPECT_EQ(wait(fs->extended_attributes(session, *file))->size(), 2u);
  EXPECT_TRUE(wait(fs->remove_extended_attribute(session, *file, "user.a")).ok());
  EXPECT_EQ(wait(fs->remove_extended_attribute(session, *file, "user.a")).code(),
            Code::kNoAttribute);
  EXPECT_EQ(wait(fs->extended_attributes(session, *file))->size(), 1u);
  EXPECT_TRUE(
      wait(fs->set_extended_attribute(session, *fs->root(), "on.root", as_bytes("r"), false, false))
          .ok());
}

TEST_F(FileSystemTest, DefaultsOfADirectoryReachItsChildren) {
  ASSERT_TRUE(wait(fs->make_directory(session, *root, "dir", 0755, 0)).ok());
  ASSERT_TRUE(wait(fs->set_children_defaults(session, *find("/dir"), 0x01000002, 128)).ok());
  NodePtr file = create(find("/dir")->directory, "file");
  EXPECT_EQ(file->inode.chunk_bytes, 128u);
  EXPECT_EQ(placement::class_of(file->inode.oid)->id, 0x01000002u);
  EXPECT_EQ(wait(fs->set_children_defaults(session, *file, 0, 128)).code(), Code::kNotDirectory);
}

TEST_F(FileSystemTest, AReadOnlyMountRefusesEveryChange) {
  create(root, "file");
  MountOptions options;
  options.writable = false;
  auto mounted = wait(FileSystem::mount(session, container, options));
  ASSERT_TRUE(mounted.ok());
  FileSystem& read_only = **mounted;
  DirectoryPtr top = read_only.root()->directory;
  OpenOptions open_options;
  open_options.mode = S_IFREG | 0600;
  EXPECT_TRUE(wait(read_only.open(session, top, "file", open_options)).ok());
  open_options.writable = true;
  EXPECT_EQ(wait(read_only.open(session, top, "file", open_options)).code(), Code::kReadOnly);
  EXPECT_EQ(wait(read_only.make_directory(session, *top, "d", 0755, 0)).code(), Code::kReadOnly);
  EXPECT_EQ(wait(read_only.remove(session, top, "file", false)).code(), Code::kReadOnly);
  EXPECT_EQ(wait(read_only.rename(session, top, "file", top, "g")).code(), Code::kReadOnly);
}

TEST_F(FileSystemTest, DamagedEntriesAreRefusedNotBelieved) {
  create(root, "file");
  Buffer& record = objects.objects[root->object.oid].dkeys["file"]["i"].bytes;
  const Buffer good = record;
  for (size_t i = 0; i < good.size(); ++i) {
    record = good;
    record[i] ^= std::byte{0xff};
    (void)wait(fs->status(session, *root, "file"));
  }
  record = good;
  record.resize(40);
  EXPECT_EQ(status_code("file"), Code::kBadFormat);
  record = good;
  record.push_back(std::byte{1});
  EXPECT_EQ(status_code("file"), Code::kBadFormat);
}

}  // namespace
}  // namespace varve::posix
