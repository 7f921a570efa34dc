#include "device/device.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "runtime/wait.h"

namespace varve::device {
namespace {

std::string scratch_directory() {
  const char* chosen = std::getenv("VARVE_SCRATCH");
  return chosen ? chosen : std::filesystem::current_path().string();
}

struct FileDeviceTest : testing::Test {
  std::string path = scratch_directory() + "/device_test." + std::to_string(getpid());
  Executor executor{machine_clock(), 1};
  ~FileDeviceTest() override { std::filesystem::remove(path); }

  std::unique_ptr<Device> open(uint64_t create_bytes = 8 * kMiB) {
    FileOptions options;
    options.create_bytes = create_bytes;
    auto device = open_file(executor, path, options);
    EXPECT_TRUE(device.ok()) << device.error().describe();
    return std::move(*device);
  }
};

TEST_F(FileDeviceTest, WritesAreReadBackInPieces) {
  auto device = open();
  EXPECT_EQ(device->size_bytes(), 8 * kMiB);
  AlignedBuffer first(kBlockBytes), second(3 * kBlockBytes), back(4 * kBlockBytes);
  std::memset(first.data(), 1, first.size());
  std::memset(second.data(), 2, second.size());
  const ByteView pieces[] = {first.view(), second.view()};
  ASSERT_TRUE(executor.block_on(device->write(kBlockBytes, pieces)).ok());
  ASSERT_TRUE(executor.block_on(device->flush()).ok());
  ASSERT_TRUE(executor.block_on(device->read(kBlockBytes, back.view())).ok());
  EXPECT_EQ(std::memcmp(back.data(), first.data(), first.size()), 0);
  EXPECT_EQ(std::memcmp(back.data() + first.size(), second.data(), second.size()), 0);
  const ByteView piece = second.view();
  ASSERT_TRUE(executor.block_on(device->write_durable(0, Gather(&piece, 1))).ok());
  ASSERT_TRUE(executor.block_on(device->read(0, back.view())).ok());
  EXPECT_EQ(back.data()[2 * kBlockBytes], std::byte{2});
}

Task<Result<void>> write_block(Device& device, uint64_t block) {
  AlignedBuffer buffer(kBlockBytes);
  std::memset(buffer.data(), static_cast<int>(block & 0xff), buffer.size());
  const ByteView piece = buffer.view();
  co_return co_await device.write_durable(block * kBlockBytes, Gather(&piece, 1));
}

Task<uint64_t> write_many(Device& device, uint64_t count) {
  std::vector<Task<Result<void>>> tasks;
  for (uint64_t i = 0; i < count; ++i) tasks.push_back(write_block(device, i));
  const std::vector<Result<void>> results = co_await when_all(std::move(tasks));
  co_return static_cast<uint64_t>(std::count_if(results.begin(), results.end(),
                                                [](const Result<void>& r) { return r.ok(); }));
}

TEST_F(FileDeviceTest, MoreInFlightThanTheRingHolds) {
  auto device = open();
  EXPECT_EQ(executor.block_on(write_many(*device, 2000)), 2000u);
  AlignedBuffer back(kBlockBytes);
  ASSERT_TRUE(executor.block_on(device->read(1999 * kBlockBytes, back.view())).ok());
  EXPECT_EQ(back.data()[0], std::byte{1999 & 0xff});
}

TEST_F(FileDeviceTest, KnowsWhatWasWritten) {
  auto device = open();
  EXPECT_FALSE(device->written_before(0, kBlockBytes));
  AlignedBuffer buffer(4 * kBlockBytes);
  const ByteView piece = buffer.view();
  ASSERT_TRUE(executor.block_on(device->write(0, Gather(&piece, 1))).ok());
  ASSERT_TRUE(executor.block_on(device->flush()).ok());
  EXPECT_TRUE(device->written_before(0, 4 * kBlockBytes));
  EXPECT_TRUE(device->written_before(kBlockBytes, kBlockBytes));
  EXPECT_FALSE(device->written_before(3 * kBlockBytes, 2 * kBlockBytes));
  EXPECT_FALSE(device->written_before(1 * kMiB, kBlockBytes));
}

TEST_F(FileDeviceTest, SecondOpenerIsToldWhoHoldsIt) {
  auto device = open();
  const auto second = open_file(executor, path, {});
  ASSERT_EQ(second.code(), Code::kBusy);
  const std::string text(second.error().text());
  EXPECT_NE(text.find(path), std::string::npos) << text;
  EXPECT_NE(text.find("process " + std::to_string(getpid())), std::string::npos) << text;
  device.reset();
  EXPECT_TRUE(open_file(executor, path, {}).ok());
}

TEST_F(FileDeviceTest, ReadPastATruncatedEndIsAnError) {
  auto device = open();
  std::filesystem::resize_file(path, 1 * kMiB);
  AlignedBuffer back(2 * kBlockBytes);
  const Result<void> result = executor.block_on(device->read(1 * kMiB - kBlockBytes, back.view()));
  EXPECT_EQ(result.code(), Code::kIo);
}

TEST_F(FileDeviceTest, ErrorsNameThePath) {
  const auto missing = open_file(executor, path, {});
  ASSERT_EQ(missing.code(), Code::kNoEntry);
  EXPECT_NE(missing.error().text().find(path), std::string::npos);
  FileOptions huge;
  huge.create_bytes = 1ULL << 46;
  const auto full = open_file(executor, path, huge);
  ASSERT_EQ(full.code(), Code::kNoSpace) << full.error().describe();
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(open_file(executor, "/dev/null", {}).code(), Code::kInvalid);
}

TEST_F(FileDeviceTest, ExecutorMayGoFirst) {
  auto own = std::make_unique<Executor>(machine_clock(), 1);
  FileOptions options;
  options.create_bytes = 8 * kMiB;
  auto device = std::move(*open_file(*own, path, options));
  uint64_t blocks = 64;
  for (uint64_t i = 0; i < blocks; ++i)
    own->spawn([](Device& device, uint64_t block) -> Task<void> {
      const Result<void> result = co_await write_block(device, block);
      EXPECT_TRUE(result.ok());
    }(*device, i));
  own->step();
  device.reset();  // waits for the kernel; the frames end with their executor
  own.reset();
}

TEST(MemoryDevice, ReadsWhatWasWritten) {
  Executor executor{machine_clock(), 1};
  auto device = std::move(*open_memory(1 * kMiB));
  AlignedBuffer buffer(kBlockBytes);
  std::memset(buffer.data(), 9, buffer.size());
  const ByteView piece = buffer.view();
  ASSERT_TRUE(executor.block_on(device->write(kBlockBytes, Gather(&piece, 1))).ok());
  EXPECT_EQ(*device->direct(kBlockBytes), std::byte{9});
  EXPECT_EQ(*device->direct(0), std::byte{0});
  ASSERT_TRUE(executor.block_on(device->discard(kBlockBytes, kBlockBytes)).ok());
  EXPECT_FALSE(device->persistent());
}

TEST(AlignedBuffer, IsRecycled) {
  const std::byte* first = AlignedBuffer(5000).data();
  const AlignedBuffer second(8192);
  EXPECT_EQ(second.data(), first);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second.data()) % kBlockBytes, 0u);
}

}  // namespace
}  // namespace varve::device
