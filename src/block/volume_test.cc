#include "block/volume.h"

#include <gtest/gtest.h>

#include <cstring>

#include "runtime/wait.h"

namespace varve::block {
namespace {

const Identity kIdentity{Uuid::from_random(1, 2), 3};

struct MemoryVolume : testing::Test {
  Executor executor{machine_clock(), 1};
  std::unique_ptr<device::Device> device = std::move(*device::open_memory(512 * kMiB));
  std::unique_ptr<Volume> volume;

  void SetUp() override {
    FormatOptions options;
    options.identity = kIdentity;
    ASSERT_TRUE(executor.block_on(Volume::format(*device, options)).ok());
    open();
  }
  void open() {
    volume.reset();
    auto opened = executor.block_on(Volume::open(executor, *device, kIdentity));
    ASSERT_TRUE(opened.ok()) << opened.error().describe();
    volume = std::move(*opened);
  }
};

TEST_F(MemoryVolume, KeepsCommittedTransactions) {
  volume->begin();
  const HeapOffset offset = *volume->allocate(100);
  std::memcpy(volume->at<char>(offset), "varve", 6);
  *volume->change(volume->at<HeapOffset>(Volume::kRoot)) = offset;
  const Lsn lsn = volume->commit();
  EXPECT_TRUE(volume->is_durable(lsn));
  volume->begin();
  *volume->change(volume->at<HeapOffset>(Volume::kRoot)) = 0;
  volume->free(offset, 100);
  volume->rollback();
  ASSERT_TRUE(executor.block_on(volume->close()).ok());
  open();
  const HeapOffset found = *volume->at<HeapOffset>(Volume::kRoot);
  EXPECT_EQ(found, offset);
  EXPECT_STREQ(volume->at<char>(found), "varve");
}

TEST_F(MemoryVolume, ExtentsArePinnedAndReused) {
  const uint64_t all = volume->use().extent_bytes_max;
  const Extent extent = *volume->reserve(all);
  EXPECT_EQ(volume->reserve(1).code(), Code::kNoSpace);
  volume->begin();
  volume->publish(extent);
  volume->commit();
  {
    const Volume::Pin pin = volume->pin();
    volume->begin();
    volume->release({extent.offset, 64 * kKiB});
    volume->commit();
    EXPECT_EQ(volume->reserve(4096).code(), Code::kNoSpace);
  }
  const Extent part = *volume->reserve(64 * kKiB);
  EXPECT_EQ(part.offset, extent.offset);
  volume->cancel(part);
  EXPECT_EQ(volume->use().extent_bytes, all - 64 * kKiB);
}

TEST_F(MemoryVolume, RollbackUndoesPublishAndRelease) {
  const Extent first = *volume->reserve(8192), second = *volume->reserve(8192);
  volume->begin();
  volume->publish(first);
  volume->commit();
  volume->begin();
  volume->release(first);
  volume->publish(second);
  volume->rollback();
  volume->cancel(second);
  EXPECT_EQ(volume->use().extent_bytes, 8192u);
  ASSERT_TRUE(executor.block_on(volume->close()).ok());
  open();
  EXPECT_EQ(volume->use().extent_bytes, 8192u);
}

TEST_F(MemoryVolume, RefusesOthers) {
  FormatOptions options;
  options.identity = kIdentity;
  EXPECT_EQ(executor.block_on(Volume::format(*device, options)).code(), Code::kAlready);
  Identity other = kIdentity;
  other.system = Uuid::from_random(5, 5);
  options.identity = other;
  EXPECT_EQ(executor.block_on(Volume::format(*device, options)).code(), Code::kIdMismatch);
  EXPECT_EQ(executor.block_on(Volume::open(executor, *device, other)).code(), Code::kIdMismatch);
  EXPECT_TRUE(*executor.block_on(Volume::is_formatted(*device)));
}

}  // namespace
}  // namespace varve::block
