// Quotas, and files that are removed while they are open, by several mounts on the fake session.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "posix/fake_session.h"
#include "posix/file_system.h"
#include "runtime/wait.h"

namespace varve::posix {
namespace {

class ManyMounts : public ::testing::Test {
 protected:
  ManyMounts() {
    FormatOptions options;
    options.chunk_bytes = 64 * kKiB;
    options.lease_ms = 200;
    EXPECT_TRUE(wait(FileSystem::format(session, container, options)).ok());
    fs = mount();
  }
  template <class T>
  T wait(Task<T> task) {
    return executor.block_on(std::move(task));
  }
  std::shared_ptr<FileSystem> mount(uint32_t uid = 5) {
    MountOptions options;
    options.uid = uid;
    auto mounted = wait(FileSystem::mount(session, container, options));
    EXPECT_TRUE(mounted.ok());
    return *mounted;
  }
  static Task<Result<void>> pass(Executor& executor, Duration time) {
    co_await executor.sleep_for(time);
    co_return Result<void>();
  }
  Result<NodePtr> open(FileSystem& of, DirectoryPtr parent, std::string_view name,
                       bool create = true) {
    OpenOptions options;
    options.mode = S_IFREG | 0644;
    options.create = create;
    options.writable = true;
    auto node = wait(of.open(session, parent, name, options));
    if (node) of.opened(*node);
    return node;
  }
  Result<void> write(FileSystem& of, const NodePtr& node, uint64_t offset, size_t length) {
    const Buffer bytes(length, std::byte{7});
    const ByteView view = bytes;
    const FileRange range{offset, length};
    return wait(of.write(session, *node, {&range, 1}, {&view, 1}));
  }
  uint64_t read(FileSystem& of, const NodePtr& node) {
    Buffer bytes(1000);
    const MutableByteView view = bytes;
    const FileRange range{0, bytes.size()};
    auto count = wait(of.read(session, *node, {&range, 1}, {&view, 1}));
    EXPECT_TRUE(count.ok());
    return count.ok() && (*count == 0 || bytes[0] == std::byte{7}) ? *count : 0;
  }
  void close(FileSystem& of, const NodePtr& node) {
    if (of.closed(*node)) {
      EXPECT_TRUE(wait(of.release_orphan(session, node->inode.oid)).ok());
    }
  }
  Result<void> remove(FileSystem& of, DirectoryPtr parent, std::string_view name) {
    auto removed = wait(of.remove(session, parent, name, false, 0, false));
    return removed ? Result<void>() : Result<void>(removed.error());
  }
  NodePtr directory(FileSystem& of, DirectoryPtr parent, std::string name) {
    EXPECT_TRUE(wait(of.make_directory(session, *parent, name, 0755, 0)).ok());
    auto node = wait(of.lookup(session, parent, name, true, true));
    EXPECT_TRUE(node.ok());
    return *node;
  }
  bool stored(const NodePtr& node) {
    const auto found = objects.objects.find(node->inode.oid);
    return found != objects.objects.end() && !found->second.dkeys.empty();
  }
  Quota quota(FileSystem& of, const DirectoryPtr& top, std::optional<uint32_t> uid = {}) {
    auto found = wait(of.quota(session, top ? top->object.oid : ObjectId(), uid));
    EXPECT_TRUE(found.ok());
    return found.ok() ? *found : Quota();
  }
  DirectoryPtr root(FileSystem& of) { return of.root()->directory; }

  Executor executor{machine_clock(), 1};
  FakeObjects objects;
  FakeSession session{executor, objects};
  client::Container container = std::make_shared<client::ContainerHandle>();
  std::shared_ptr<FileSystem> fs;
};

TEST_F(ManyMounts, AFileRemovedElsewhereStaysReadableUntilItIsClosed) {
  auto other = mount();
  NodePtr mine = *open(*fs, root(*fs), "file");
  ASSERT_TRUE(write(*fs, mine, 0, 100).ok());
  ASSERT_TRUE(remove(*other, root(*other), "file").ok());
  EXPECT_EQ(open(*fs, root(*fs), "file", false).code(), Code::kNonexistent);
  // For several leases, as long as it is used within each.
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(wait(pass(executor, 60ms)).ok());
    EXPECT_EQ(read(*fs, mine), 100u);
    ASSERT_TRUE(open(*other, root(*other), "another").ok());  // the other one renews, and collects
  }
  auto status = wait(fs->status(session, *mine));
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->links, 0u);
  EXPECT_EQ(status->size, 100u);
  ASSERT_TRUE(write(*fs, mine, 100, 50).ok());
  EXPECT_EQ(read(*fs, mine), 150u);
  close(*fs, mine);
  // A lease after its removal nobody has it: gone, by whoever passes.
  EXPECT_FALSE(stored(mine));
  auto report = wait(other->check(session, {}));
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->leaked, 0u);
  EXPECT_EQ(report->orphans, 0u);
}

TEST_F(ManyMounts, AnOpenerThatIsKilledLosesItAfterItsLease) {
  auto other = mount();
  NodePtr mine = *open(*fs, root(*fs), "file");
  ASSERT_TRUE(write(*fs, mine, 0, 100).ok());
  ASSERT_TRUE(remove(*other, root(*other), "file").ok());
  EXPECT_TRUE(stored(mine));
  const auto begin = executor.now();
  while (stored(mine) && executor.now() < begin + 5s) {
    ASSERT_TRUE(wait(pass(executor, 20ms)).ok());
    ASSERT_TRUE(open(*other, root(*other), "another").ok());
  }
  EXPECT_FALSE(stored(mine));
  EXPECT_GE(executor.now() - begin, 200ms);
}

TEST_F(ManyMounts, TheOnlyMountRemovesAtOnce) {
  NodePtr node = *open(*fs, root(*fs), "file");
  ASSERT_TRUE(write(*fs, node, 0, 100).ok());
  close(*fs, node);
  ASSERT_TRUE(remove(*fs, root(*fs), "file").ok());
  EXPECT_FALSE(stored(node));
  // One that left is none.
  auto other = mount();
  NodePtr theirs = *open(*other, root(*other), "file");
  ASSERT_TRUE(write(*other, theirs, 0, 100).ok());
  ASSERT_TRUE(wait(other->leave(session)).ok());
  ASSERT_TRUE(remove(*fs, root(*fs), "file").ok());
  EXPECT_FALSE(stored(theirs));
}

TEST_F(ManyMounts, WhatTheLastMountLeavesBehindGoesWithIt) {
  auto other = mount();
  NodePtr node = *open(*fs, root(*fs), "file");
  ASSERT_TRUE(write(*fs, node, 0, 100).ok());
  ASSERT_TRUE(remove(*other, root(*other), "file").ok());
  ASSERT_TRUE(wait(other->leave(session)).ok());
  EXPECT_EQ(read(*fs, node), 100u);
  ASSERT_TRUE(wait(fs->leave(session)).ok());
  EXPECT_FALSE(stored(node));
}

TEST_F(ManyMounts, AQuotaOfADirectoryHoldsBelowIt) {
  NodePtr top = directory(*fs, root(*fs), "top");
  NodePtr below = directory(*fs, top->directory, "below");
  NodePtr file = *open(*fs, below->directory, "file");
  ASSERT_TRUE(write(*fs, file, 0, 10'000).ok());
  ASSERT_TRUE(wait(fs->set_quota(session, top->directory, {}, 100'000, 5)).ok());
  Quota now = quota(*fs, top->directory);
  EXPECT_EQ(now.files_used, 2u);
  EXPECT_EQ(now.bytes_used, 10'000u);
  EXPECT_TRUE(open(*fs, top->directory, "3").ok());
  EXPECT_TRUE(open(*fs, below->directory, "4").ok());
  EXPECT_TRUE(wait(fs->make_directory(session, *below->directory, "5", 0755, 0)).ok());
  EXPECT_EQ(open(*fs, below->directory, "6").code(), Code::kQuota);
  EXPECT_EQ(wait(fs->make_directory(session, *top->directory, "6", 0755, 0)).code(), Code::kQuota);
  EXPECT_TRUE(open(*fs, below->directory, "4").ok()) << "what is there can be opened";
  EXPECT_TRUE(open(*fs, root(*fs), "outside").ok());
  EXPECT_EQ(quota(*fs, top->directory).files_used, 5u);
  ASSERT_TRUE(remove(*fs, below->directory, "4").ok());
  EXPECT_TRUE(open(*fs, below->directory, "6").ok());
  // Bytes: to the last one.
  EXPECT_EQ(write(*fs, file, 99'990, 11).code(), Code::kQuota);
  EXPECT_TRUE(write(*fs, file, 99'990, 10).ok());
  EXPECT_EQ(quota(*fs, top->directory).bytes_used, 100'000u);
  NodePtr six = *open(*fs, below->directory, "6");
  EXPECT_EQ(write(*fs, six, 0, 1).code(), Code::kQuota);
  ASSERT_TRUE(wait(fs->set_size(session, *file, 4096)).ok());
  EXPECT_TRUE(write(*fs, six, 0, 1).ok());
  EXPECT_EQ(quota(*fs, top->directory).bytes_used, 8192u);
  ASSERT_TRUE(wait(fs->set_size(session, *file, 0)).ok());
  EXPECT_EQ(quota(*fs, top->directory).bytes_used, 4096u);
  // What would lead in or out is refused.
  EXPECT_EQ(wait(fs->rename(session, top->directory, "3", root(*fs), "3")).code(), Code::kMismatch);
  EXPECT_EQ(wait(fs->link(session, *root(*fs), "outside", *top->directory, "in")).code(),
            Code::kMismatch);
  EXPECT_TRUE(wait(fs->rename(session, top->directory, "3", below->directory, "3")).ok());
  EXPECT_EQ(quota(*fs, top->directory).files_used, 5u);
  ASSERT_TRUE(wait(fs->set_quota(session, top->directory, {}, 0, 0)).ok());
  EXPECT_EQ(wait(fs->quota(session, top->directory->object.oid, {})).code(), Code::kNoAttribute);
  EXPECT_TRUE(open(*fs, below->directory, "7").ok());
}

TEST_F(ManyMounts, AQuotaOfAUserFollowsItsFiles) {
  ASSERT_TRUE(wait(fs->set_quota(session, nullptr, 5, 0, 3)).ok());
  ASSERT_TRUE(wait(fs->set_quota(session, nullptr, 6, 0, 3)).ok());
  auto other = mount(6);
  for (const char* name : {"1", "2", "3"}) EXPECT_TRUE(open(*fs, root(*fs), name).ok());
  EXPECT_EQ(open(*fs, root(*fs), "4").code(), Code::kQuota);
  EXPECT_TRUE(open(*other, root(*other), "4").ok());
  AttributeChange change;
  change.uid = 6;
  auto node = wait(fs->lookup(session, nullptr, "/1", true, true));
  ASSERT_TRUE(node.ok());
  EXPECT_TRUE(wait(fs->set_attributes(session, **node, change)).ok());
  EXPECT_TRUE(open(*fs, root(*fs), "5").ok());
  EXPECT_EQ(open(*fs, root(*fs), "6").code(), Code::kQuota);
  EXPECT_EQ(quota(*fs, nullptr, 5).files_used, 3u);
  EXPECT_TRUE(remove(*other, root(*other), "1").ok()) << "whose it is, counts";
  ASSERT_TRUE(wait(other->leave(session)).ok());
  EXPECT_EQ(quota(*fs, nullptr, 6).files_used, 1u);
}

Task<bool> fill(Session& session, FileSystem& of, int client, int* made) {
  for (int i = 0; i < 200; ++i) {
    OpenOptions options;
    options.mode = S_IFREG | 0644;
    options.create = options.exclusive = options.writable = true;
    const std::string name = std::to_string(client) + "." + std::to_string(i);
    auto node = co_await of.open(session, of.root()->directory, name, options);
    if (node.code() == Code::kQuota) co_return true;
    EXPECT_TRUE(node.ok()) << (node.ok() ? "" : node.error().describe());
    if (!node) co_return false;
    ++*made;
  }
  co_return true;
}

TEST_F(ManyMounts, ManyMountsNeverPassAQuotaAndComeCloseToIt) {
  constexpr int kClients = 6;
  constexpr uint64_t kLimit = 320;
  ASSERT_TRUE(wait(fs->set_quota(session, root(*fs), {}, 0, kLimit)).ok());
  std::vector<std::shared_ptr<FileSystem>> mounts;
  std::vector<Task<bool>> tasks;
  int made = 0;
  for (int i = 0; i < kClients; ++i) {
    mounts.push_back(mount());
    tasks.push_back(fill(session, *mounts.back(), i, &made));
  }
  for (bool done : wait(when_all(std::move(tasks)))) EXPECT_TRUE(done);
  EXPECT_LE(made, static_cast<int>(kLimit));
  EXPECT_GE(made, static_cast<int>(kLimit - kClients * kLimit / 16));
  for (auto& one : mounts) ASSERT_TRUE(wait(one->leave(session)).ok());
  EXPECT_EQ(quota(*fs, root(*fs)).files_used, static_cast<uint64_t>(made));
  // A client that is killed takes what it had ready with it, until the check counts anew.
  auto killed = mount();
  if (made < static_cast<int>(kLimit)) EXPECT_TRUE(open(*killed, root(*killed), "last").ok());
  CheckOptions options;
  options.repair = options.remove = true;
  ASSERT_TRUE(wait(fs->check(session, options)).ok());
  auto report = wait(fs->check(session, {}));
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->quotas, 0u);
}

}  // namespace
}  // namespace varve::posix
