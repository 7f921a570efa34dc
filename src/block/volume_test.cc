#include "block/volume.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstring>
#include <filesystem>

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

// On a real file: every transaction awaited, the process "killed", opened again.
struct FileVolume : testing::Test {
  std::string path = std::filesystem::current_path() / ("volume_test." + std::to_string(getpid()));
  Executor executor{machine_clock(), 1};
  std::unique_ptr<device::Device> device;
  std::unique_ptr<Volume> volume;

  ~FileVolume() override { std::filesystem::remove(path); }
  void open_device() {
    device::FileOptions options;
    options.create_bytes = 128 * kMiB;
    device = std::move(*device::open_file(executor, path, options));
  }
  void open() {
    auto opened = executor.block_on(Volume::open(executor, *device, kIdentity));
    ASSERT_TRUE(opened.ok()) << opened.error().describe();
    volume = std::move(*opened);
  }
  void kill() {
    executor.abandon();
    volume.reset();
    device.reset();
  }
};

Task<void> fill(Volume& volume, uint64_t count, uint64_t extent_bytes, uint64_t& done) {
  device::AlignedBuffer buffer(extent_bytes);
  for (uint64_t i = 0; i < count; ++i) {
    const Result<Extent> extent = volume.reserve(extent_bytes);
    std::memset(buffer.data(), static_cast<int>(i), buffer.size());
    const ByteView piece = buffer.view();
    const Result<void> written = co_await volume.write(*extent, Gather(&piece, 1));
    const Result<void> ready = co_await volume.wait_ready(4096);
    volume.begin();
    volume.publish(*extent);
    auto* root = volume.change(volume.at<Extent>(Volume::kRoot) + i % 20);
    if (root->length) volume.release(*root);
    *root = *extent;
    const Lsn lsn = volume.commit();
    const Result<void> durable = co_await volume.durable(lsn);
    if (!written.ok() || !ready.ok() || !durable.ok()) break;
    ++done;
  }
}

TEST_F(FileVolume, AcknowledgedWritesSurviveTheProcess) {
  open_device();
  FormatOptions options;
  options.identity = kIdentity;
  options.log_bytes = 1 * kMiB;
  options.heap_bytes_max = 16 * kMiB;
  ASSERT_TRUE(executor.block_on(Volume::format(*device, options)).ok());
  open();
  for (const uint64_t extent_bytes : {8 * kKiB, 256 * kKiB}) {
    uint64_t done = 0;
    executor.spawn(fill(*volume, 60, extent_bytes, done));
    ASSERT_TRUE(executor.run_until([&] { return done == 60; },
                                   machine_clock().now() + std::chrono::seconds(120)));
    kill();
    open_device();
    open();
    device::AlignedBuffer buffer(extent_bytes);
    for (uint64_t i = 40; i < 60; ++i) {
      const Extent extent = volume->at<Extent>(Volume::kRoot)[i % 20];
      ASSERT_EQ(extent.length, extent_bytes);
      ASSERT_TRUE(executor.block_on(volume->read(extent.offset, buffer.view())).ok());
      ASSERT_EQ(buffer.data()[0], std::byte{static_cast<uint8_t>(i)})
          << i << " of " << extent_bytes;
      ASSERT_EQ(buffer.data()[extent_bytes - 1], std::byte{static_cast<uint8_t>(i)})
          << i << " of " << extent_bytes;
    }
    EXPECT_EQ(volume->use().extent_bytes, 20 * extent_bytes);
  }
  EXPECT_GT(volume->statistics().replayed_records, 0u);
  ASSERT_TRUE(executor.block_on(volume->close()).ok());
}

Task<Result<void>> write_filled(Volume& volume, Extent extent, const device::AlignedBuffer& data) {
  const ByteView piece = data.view();
  co_return co_await volume.write(extent, Gather(&piece, 1));
}

// All at a time, one transaction, durable.
Task<Result<void>> write_burst(Volume& volume, std::span<const Extent> extents,
                               std::span<const device::AlignedBuffer> data) {
  std::vector<Task<Result<void>>> writes;
  for (size_t i = 0; i < extents.size(); ++i)
    writes.push_back(write_filled(volume, extents[i], data[i]));
  for (Result<void>& result : co_await when_all(std::move(writes)))
    VARVE_CO_CHECK(std::move(result));
  VARVE_CO_CHECK(co_await volume.wait_ready(64 * kKiB));
  volume.begin();
  for (const Extent& extent : extents) volume.publish(extent);
  co_return co_await volume.durable(volume.commit());
}

TEST_F(FileVolume, ABurstOfSmallWritesIsNotLogged) {
  open_device();
  FormatOptions options;
  options.identity = kIdentity;
  options.heap_bytes_max = 16 * kMiB;
  options.log_bytes = 32 * kMiB;
  ASSERT_TRUE(executor.block_on(Volume::format(*device, options)).ok());
  open();
  constexpr size_t kCount = 256;
  std::vector<Extent> extents;
  std::vector<device::AlignedBuffer> data;
  for (size_t i = 0; i < kCount; ++i) {
    extents.push_back(*volume->reserve(device::kBlockBytes));
    data.emplace_back(device::kBlockBytes);
    std::memset(data.back().data(), static_cast<int>(i), device::kBlockBytes);
  }
  const LogStatistics before = volume->statistics();
  ASSERT_TRUE(executor.block_on(write_burst(*volume, extents, data)).ok());
  EXPECT_LT(volume->statistics().bytes - before.bytes, kCount * device::kBlockBytes / 4);
  EXPECT_GT(volume->statistics().bytes - before.bytes, device::kBlockBytes);  // its first few
  kill();
  open_device();
  open();
  device::AlignedBuffer back(device::kBlockBytes);
  for (size_t i = 0; i < kCount; ++i) {
    ASSERT_TRUE(executor.block_on(volume->read(extents[i].offset, back.view())).ok());
    ASSERT_EQ(std::memcmp(back.data(), data[i].data(), back.size()), 0) << i;
  }
  ASSERT_TRUE(executor.block_on(volume->close()).ok());
}

}  // namespace
}  // namespace varve::block
