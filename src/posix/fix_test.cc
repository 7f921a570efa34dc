#include <gtest/gtest.h>
#include <sys/stat.h>

#include "posix/fake_session.h"
#include "posix/file_system.h"

namespace varve::posix {
namespace {

class Damaged : public ::testing::Test {
 protected:
  Damaged() {
    EXPECT_TRUE(wait(FileSystem::format(session, container, {})).ok());
    auto fs = wait(mount());
    EXPECT_TRUE(fs.ok());
    OpenOptions options;
    options.mode = S_IFREG | 0640;
    options.create = options.writable = true;
    EXPECT_TRUE(wait((*fs)->open(session, (*fs)->root()->directory, "file", options)).ok());
  }
  template <class T>
  T wait(Task<T> task) {
    return executor.block_on(std::move(task));
  }
  Task<Result<std::shared_ptr<FileSystem>>> mount() {
    return FileSystem::mount(session, container, {});
  }
  Buffer& record(ObjectId object, const char* dkey, const char* akey) {
    return objects.objects[object].dkeys[dkey][akey].bytes;
  }
  Result<Inode> file(FileSystem& fs) {
    return wait(fs.entry(session, *fs.root()->directory, "file"));
  }

  Executor executor{machine_clock(), 1};
  FakeObjects objects;
  FakeSession session{executor, objects};
  client::Container container = std::make_shared<client::ContainerHandle>();
};

TEST_F(Damaged, ASuperblockIsMadeAnew) {
  EXPECT_EQ(wait(FileSystem::recreate_superblock(session, container, {})).code(), Code::kExists);
  for (const bool gone : {false, true}) {
    Buffer& superblock = record(superblock_oid(), "/", "s");
    if (gone)
      superblock.clear();
    else
      superblock[0] ^= std::byte{1};
    EXPECT_FALSE(wait(mount()).ok());
    ASSERT_TRUE(wait(FileSystem::recreate_superblock(session, container, {})).ok());
    auto fs = wait(mount());
    ASSERT_TRUE(fs.ok());
    EXPECT_TRUE(file(**fs).ok());
  }
}

TEST_F(Damaged, ARootIsLinkedAgain) {
  EXPECT_EQ(wait(FileSystem::relink_root(session, container, {})).code(), Code::kExists);
  for (const bool gone : {false, true}) {
    Buffer& root = record(superblock_oid(), "/", "i");
    if (gone)
      root.clear();
    else
      root[0] ^= std::byte{1};
    EXPECT_FALSE(wait(mount()).ok());
    ASSERT_TRUE(wait(FileSystem::relink_root(session, container, {})).ok());
    auto fs = wait(mount());
    ASSERT_TRUE(fs.ok());
    EXPECT_TRUE(file(**fs).ok());
  }
}

TEST_F(Damaged, AnEntryGetsTheTypeOfItsObject) {
  auto fs = wait(mount());
  ASSERT_TRUE(fs.ok());
  const DirectoryPtr root = (*fs)->root()->directory;
  EXPECT_FALSE(*wait((*fs)->fix_type(session, *root, "file")));
  EXPECT_EQ(wait((*fs)->fix_type(session, *root, "none")).code(), Code::kNonexistent);
  Buffer& inode = record(root->object.oid, "file", "i");
  const uint32_t wrong = S_IFDIR | 0640;
  std::memcpy(inode.data() + offsetof(InodeRecord, mode), &wrong, sizeof wrong);
  EXPECT_TRUE(*wait((*fs)->fix_type(session, *root, "file")));
  EXPECT_EQ(file(**fs)->mode, S_IFREG | 0640u);
  inode[0] ^= std::byte{1};
  EXPECT_EQ(wait((*fs)->fix_type(session, *root, "file")).code(), Code::kBadFormat);
}

}  // namespace
}  // namespace varve::posix
