// What the block layer says of damaged, truncated, full and failing disks.
#include <gtest/gtest.h>

#include <cstring>

#include "block/layout.h"
#include "block/page_store.h"
#include "block/volume.h"
#include "simulation/disk.h"
#include "simulation/virtual_clock.h"

namespace varve::simulation {
namespace {

using block::HeapOffset;
using block::Lsn;
using block::Volume;

constexpr uint64_t kDiskBytes = 8 * kMiB;
const block::Identity kIdentity{Uuid::from_random(3, 4), 1};

struct VolumeDamage : testing::Test {
  VirtualClock clock;
  std::unique_ptr<Executor> executor = std::make_unique<Executor>(clock, 1);
  std::unique_ptr<Disk> disk;
  std::unique_ptr<Volume> volume;
  DiskImage image{kDiskBytes};

  void SetUp() override {
    power_on();
    block::FormatOptions options;
    options.identity = kIdentity;
    options.log_bytes = 512 * kKiB;
    options.heap_bytes_max = 1 * kMiB;
    ASSERT_TRUE(await(Volume::format(*disk, options)).ok());
    power_off();
  }
  void TearDown() override { power_off(); }

  template <class T>
  T await(Task<T> task) {
    std::optional<T> result;
    executor->spawn(executor_detail::store_result(std::move(task), result));
    VARVE_ASSERT(run_until(*executor, clock, [&] { return result.has_value(); }), "it ends");
    return std::move(*result);
  }
  void power_on() {
    if (!executor) executor = std::make_unique<Executor>(clock, 1);
    disk = std::make_unique<Disk>(*executor, image, 1);
  }
  void power_off() {
    executor.reset();
    volume.reset();
    if (disk) image = disk->crash();
    disk.reset();
  }
  Result<void> open(const block::CheckpointPolicy& policy = {}) {
    power_on();
    auto opened = await(Volume::open(*executor, *disk, kIdentity, policy));
    if (!opened.ok()) return opened.error();
    volume = std::move(*opened);
    return {};
  }
  Lsn put(uint64_t index, uint64_t value) {
    volume->begin();
    *volume->change(volume->at<uint64_t>(Volume::kRoot) + index) = value;
    return volume->commit();
  }
  uint64_t get(uint64_t index) { return volume->at<uint64_t>(Volume::kRoot)[index]; }
  block::Geometry geometry() {
    block::Superblock block;
    std::memcpy(&block, image.find(0)->data(), sizeof block);
    return block.geometry;
  }
  void expect_refused(Code code, const char* word) {
    const Result<void> opened = open();
    ASSERT_EQ(opened.code(), code);
    EXPECT_NE(opened.error().text().find(word), std::string::npos) << opened.error().text();
    EXPECT_NE(opened.error().text().find("simulated disk"), std::string::npos);
  }
};

TEST_F(VolumeDamage, OneSuperblockIsEnough) {
  ASSERT_TRUE(open().ok());
  ASSERT_TRUE(await(volume->durable(put(0, 7))).ok());
  power_off();
  image.flip_bit(0, 1000);
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(get(0), 7u);
  power_off();
  image.flip_bit(block::kSuperblockOffsets[1] / 4096, 1000);
  ASSERT_TRUE(open().ok()) << "opening repairs the damaged copy";
}

TEST_F(VolumeDamage, BothSuperblocksDamaged) {
  image.flip_bit(0, 1000);
  image.flip_bit(block::kSuperblockOffsets[1] / 4096, 1000);
  expect_refused(Code::kBadFormat, "checksum");
  block::FormatOptions options;
  options.identity = kIdentity;
  EXPECT_EQ(await(Volume::format(*disk, options)).code(), Code::kAlready);
}

TEST_F(VolumeDamage, TruncatedDevice) {
  image.resize(kDiskBytes / 2);
  expect_refused(Code::kBadFormat, "truncated");
}

TEST_F(VolumeDamage, NeverFormatted) {
  image = DiskImage(kDiskBytes);
  expect_refused(Code::kBadFormat, "never formatted");
}

TEST_F(VolumeDamage, AcknowledgedGroupDamaged) {
  ASSERT_TRUE(open().ok());
  for (uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(await(volume->durable(put(i, i))).ok());
  power_off();
  image.flip_bit(geometry().log_offset / 4096 + 10, 8 * 70);
  expect_refused(Code::kBadFormat, "log");
}

TEST_F(VolumeDamage, HeapPageDamaged) {
  ASSERT_TRUE(open().ok());
  put(0, 7);
  ASSERT_TRUE(await(volume->close()).ok());
  power_off();
  // Opening writes the journal's images again; without it the page's own checksum speaks.
  image.set(geometry().journal_offset / 4096, std::make_shared<DiskImage::Block>());
  image.flip_bit((geometry().arena_offset + Volume::kRoot) / 4096, 5);
  expect_refused(Code::kBadFormat, "heap page 1");
}

TEST_F(VolumeDamage, TornPageIsFinishedFromTheJournal) {
  ASSERT_TRUE(open().ok());
  put(0, 7);
  ASSERT_TRUE(await(volume->close()).ok());
  power_off();
  image.flip_bit((geometry().arena_offset + Volume::kRoot) / 4096, 5);
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(get(0), 7u);
}

TEST_F(VolumeDamage, FailedDeviceTakesNothingMore) {
  ASSERT_TRUE(open().ok());
  const Lsn before = put(0, 1);
  ASSERT_TRUE(await(volume->durable(before)).ok());
  DiskFaults faults;
  faults.error_one_in = 1;
  disk->set_faults(faults);
  EXPECT_EQ(await(volume->durable(put(0, 2))).code(), Code::kIo);
  disk->set_faults({});
  EXPECT_EQ(await(volume->durable(put(0, 3))).code(), Code::kIo);
  EXPECT_FALSE(volume->ready_for(100));
  EXPECT_EQ(await(volume->wait_ready(100)).code(), Code::kIo);
  EXPECT_EQ(await(volume->close()).code(), Code::kIo);
  power_off();
  ASSERT_TRUE(open().ok());
  EXPECT_GE(get(0), 1u);
}

TEST_F(VolumeDamage, FullHeapGivesBackWhatIsFreed) {
  ASSERT_TRUE(open().ok());
  std::vector<HeapOffset> held;
  for (bool full = false; !full;) {
    ASSERT_TRUE(await(volume->wait_ready(4096)).ok());
    volume->begin();
    const Result<HeapOffset> offset = volume->allocate(3000);
    if (offset.ok()) {
      std::memset(volume->at<char>(*offset), 1, 3000);
      held.push_back(*offset);
      volume->commit();
    } else {
      EXPECT_EQ(offset.code(), Code::kNoSpace);
      volume->rollback();
      full = true;
    }
  }
  volume->begin(true);
  EXPECT_TRUE(volume->allocate(3000).ok());
  volume->free(held.front(), 3000);
  volume->rollback();
  volume->begin();
  for (const HeapOffset offset : held) volume->free(offset, 3000);
  ASSERT_TRUE(await(volume->durable(volume->commit())).ok());
  power_off();
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(volume->use().heap_bytes, 0u);
}

TEST_F(VolumeDamage, LogIsRecycledManyTimes) {
  ASSERT_TRUE(open().ok());
  for (uint64_t i = 0; i < 3000; ++i) {
    ASSERT_TRUE(await(volume->wait_ready(100)).ok());
    const Lsn lsn = put(i % 500, i);
    if (i % 3 != 0) continue;
    ASSERT_TRUE(await(volume->durable(lsn)).ok());
  }
  EXPECT_GT(volume->statistics().checkpoints, 5u);
  ASSERT_TRUE(await(volume->close()).ok());
  power_off();
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(volume->statistics().replayed_records, 0u);
  EXPECT_EQ(get(499), 2999u);
}

// The log goes round under every policy; what a crash leaves to replay is bounded by it.
TEST_F(VolumeDamage, PoliciesBoundTheLog) {
  using Mode = block::CheckpointPolicy::Mode;
  for (const Mode mode : {Mode::kLazy, Mode::kTimed, Mode::kDisabled}) {
    block::CheckpointPolicy policy{mode, 20ms, 25};
    ASSERT_TRUE(open(policy).ok());
    const uint64_t log_bytes = volume->statistics().used_bytes_max;
    uint64_t used_max = 0;
    for (uint64_t i = 0; i < 1500; ++i) {
      ASSERT_TRUE(await(volume->wait_ready(100)).ok());
      ASSERT_TRUE(await(volume->durable(put(i % 500, i))).ok());
      used_max = std::max(used_max, volume->statistics().used_bytes);
    }
    const uint64_t checkpoints = volume->statistics().checkpoints;
    if (mode == Mode::kDisabled) {
      EXPECT_GT(used_max, log_bytes * 3 / 4);
      EXPECT_LT(checkpoints, 30u);
    } else {
      EXPECT_LT(used_max, log_bytes / 2);
      EXPECT_GT(checkpoints, 30u);
    }
    // A timed one comes soon after the last change; the others wait.
    put(0, 1);
    const Instant later = clock.now() + 1s;
    executor->spawn([](Executor& executor, Instant until) -> Task<void> {
      co_await executor.sleep_until(until);
    }(*executor, later));
    ASSERT_TRUE(run_until(*executor, clock, [&] { return clock.now() >= later; }));
    EXPECT_EQ(volume->statistics().used_bytes == 0, mode == Mode::kTimed);
    while (executor->step()) {
    }
    EXPECT_EQ(executor->next_timer(), kNever) << "a volume without changes costs nothing";
    ASSERT_TRUE(await(volume->close()).ok());
    power_off();
  }
}

TEST_F(VolumeDamage, FormatCostsTheSameWhateverTheSize) {
  const auto changes = [&](uint64_t size_bytes) {
    power_off();
    image = DiskImage(size_bytes);
    power_on();
    block::FormatOptions options;
    options.identity = kIdentity;
    options.log_bytes = 512 * kKiB;
    EXPECT_TRUE(await(Volume::format(*disk, options)).ok());
    return disk->operations().changes();
  };
  EXPECT_EQ(changes(1 * kGiB), changes(1024 * kGiB));
}

}  // namespace
}  // namespace varve::simulation
