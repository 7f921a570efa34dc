// The block layer against a plain model: random transactions and extents by several writers, power
// failing at any operation of the device, recovery included. What was acknowledged is there
// afterwards; what was not is there whole or not at all, and only with everything before it.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "base/checksum.h"
#include "block/volume.h"
#include "simulation/disk.h"
#include "simulation/seeds.h"
#include "simulation/virtual_clock.h"

namespace varve::simulation {
namespace {

using block::Extent;
using block::HeapOffset;
using block::Volume;

constexpr uint64_t kDiskBytes = 8 * kMiB;
constexpr size_t kSlots = 32;
const block::Identity kIdentity{Uuid::from_random(1, 2), 0};

// One named thing: a heap allocation or an extent, filled by its seed. bytes 0: none.
struct Slot {
  uint64_t bytes = 0;
  uint64_t seed = 0;
  bool is_extent = false;
  bool operator==(const Slot&) const = default;
};
using State = std::array<Slot, kSlots>;

// The same, as it lies in the volume's root.
struct StoredSlot {
  uint64_t offset;
  uint64_t bytes;
  uint64_t seed;
  uint64_t is_extent;
};
struct Root {
  uint64_t transaction;
  StoredSlot slots[kSlots];
};
static_assert(sizeof(Root) <= Volume::kRootBytes);

void fill(std::byte* at, uint64_t bytes, uint64_t seed) {
  for (uint64_t i = 0; i < bytes; ++i)
    at[i] = std::byte{static_cast<uint8_t>(mix64(seed + i / 8) >> i % 8 * 8)};
}

bool is_filled(const std::byte* at, uint64_t bytes, uint64_t seed) {
  for (uint64_t i = 0; i < bytes; ++i)
    if (at[i] != std::byte{static_cast<uint8_t>(mix64(seed + i / 8) >> i % 8 * 8)}) return false;
  return true;
}

struct Outcome {
  bool refused = false;  // an error instead of an answer, with faults that allow it
  std::string failure;   // empty: all is well
  uint64_t transactions = 0;
};

class ModelRun {
 public:
  ModelRun(uint64_t seed, const DiskFaults& faults) : random_(seed), faults_(faults) {
    using Mode = block::CheckpointPolicy::Mode;
    policy_.mode = std::array{Mode::kLazy, Mode::kTimed, Mode::kDisabled}[seed / 4 % 3];
    policy_.interval = std::chrono::microseconds(200 << seed % 8);
    policy_.threshold_percent = static_cast<uint32_t>(10 + seed % 5 * 20);
    history_.push_back(State{});
  }

  Outcome go() {
    if (!format()) return outcome_;
    const uint64_t rounds = 2 + random_.below(5);
    for (uint64_t round = 0; round < rounds && outcome_.failure.empty(); ++round)
      if (!one_round(round + 1 == rounds)) break;
    outcome_.transactions = history_.size() - 1;
    return outcome_;
  }

 private:
  struct Machine {
    explicit Machine(ModelRun& run)
        : executor(std::make_unique<Executor>(clock, run.random_.next())),
          disk(*executor, run.image_, run.random_.next(), run.faults_) {}
    // Power off: coroutines first, then what they refer to.
    ~Machine() {
      executor.reset();
      volume.reset();
    }
    VirtualClock clock;
    std::unique_ptr<Executor> executor;
    Disk disk;
    std::unique_ptr<Volume> volume;
  };

  void fail(std::string what) {
    if (outcome_.failure.empty()) outcome_.failure = std::move(what);
  }
  // With faults an error may take the place of an answer, but never of a wrong answer.
  bool excused(const Error& error) {
    if (error.code() == Code::kIo && faults_.error_one_in) return true;
    if (faults_.bit_flip_one_in || faults_.misdirected_one_in) return outcome_.refused = true;
    fail(error.describe());
    return false;
  }

  // Ends with the task, or with power.
  template <class T>
  std::optional<T> await(Machine& machine, Task<T> task) {
    std::optional<T> result;
    machine.executor->spawn(executor_detail::store_result(std::move(task), result));
    run_until(*machine.executor, machine.clock,
              [&] { return result.has_value() || machine.disk.crashed(); });
    return result;
  }

  bool format() {
    const DiskFaults faults = std::exchange(faults_, DiskFaults{});
    Machine machine(*this);
    block::FormatOptions options;
    options.identity = kIdentity;
    options.log_bytes = (320 + random_.below(4) * 64) * kKiB;
    options.heap_bytes_max = 1 * kMiB;
    const auto result = await(machine, Volume::format(machine.disk, options));
    if (!result || !result->ok()) fail("format");
    image_ = machine.disk.crash();
    faults_ = faults;
    return outcome_.failure.empty();
  }

  // Open (perhaps losing power there), check, work until power fails. False: no further round.
  bool one_round(bool last) {
    Machine machine(*this);
    if (!last && random_.one_in(3)) machine.disk.crash_at(1 + random_.below(12));
    auto opened = await(machine, Volume::open(*machine.executor, machine.disk, kIdentity, policy_));
    if (!opened) {
      image_ = machine.disk.crash();
      return true;
    }
    if (!opened->ok()) {
      const bool go_on = excused(opened->error());
      image_ = machine.disk.crash();
      return go_on && !outcome_.refused;
    }
    machine.volume = std::move(**opened);
    if (!check(machine)) return false;
    if (!machine.disk.crashed())
      machine.disk.crash_at(machine.disk.operations().changes() + 1 +
                            random_.below(last ? 400 : 150));
    work(machine, last);
    image_ = machine.disk.crash();
    return true;
  }

  // --- checking

  bool check(Machine& machine) {
    const Root& root = *machine.volume->at<Root>(Volume::kRoot);
    const uint64_t found = root.transaction;
    if (found >= history_.size()) return fail("a transaction from nowhere"), false;
    if (found < acknowledged_ && !faults_.misdirected_one_in)
      return fail("lost: transaction " + std::to_string(acknowledged_) + " was acknowledged, " +
                  std::to_string(found) + " is the last there"),
             false;
    history_.resize(found + 1);
    acknowledged_ = found;
    uint64_t extent_bytes = 0;
    for (size_t i = 0; i < kSlots; ++i) {
      const StoredSlot& stored = root.slots[i];
      const Slot slot{stored.bytes, stored.seed, stored.is_extent != 0};
      if (!(slot == history_.back()[i]))
        return fail("slot " + std::to_string(i) + " is not as transaction " +
                    std::to_string(found) + " left it"),
               false;
      if (slot.is_extent) extent_bytes += slot.bytes;
      if (slot.bytes && !check_contents(machine, i, stored)) return false;
    }
    if (machine.volume->use().extent_bytes != extent_bytes)
      return fail("extents in use do not add up"), false;
    return true;
  }

  bool check_contents(Machine& machine, size_t index, const StoredSlot& stored) {
    if (!stored.is_extent) {
      if (is_filled(machine.volume->base() + stored.offset, stored.bytes, stored.seed)) return true;
      return fail("heap bytes of slot " + std::to_string(index) + " are wrong"), false;
    }
    device::AlignedBuffer buffer(stored.bytes);
    const auto result =
        await(machine, machine.volume->read(stored.offset, buffer.view(stored.bytes)));
    if (!result) return true;  // power failed
    if (!result->ok()) return excused(result->error());
    if (is_filled(buffer.data(), stored.bytes, stored.seed)) return true;
    if (faults_.bit_flip_one_in || faults_.misdirected_one_in)
      return true;  // the object layer's to see
    return fail("extent of slot " + std::to_string(index) + " has wrong bytes"), false;
  }

  // --- working

  void work(Machine& machine, bool last) {
    const uint64_t writers = 1 + random_.below(6);
    uint64_t running = writers;
    for (uint64_t i = 0; i < writers; ++i)
      machine.executor->spawn(writer(*this, machine, running, 10 + random_.below(60)));
    run_until(*machine.executor, machine.clock,
              [&] { return running == 0 || machine.disk.crashed(); });
    if (!last || machine.disk.crashed()) return;
    machine.disk.crash_at(0);
    if (const auto closed = await(machine, machine.volume->close()); closed && !closed->ok())
      excused(closed->error());
  }

  struct Prepared {
    size_t slot;
    Slot now;
    Extent extent;
  };

  static Task<void> writer(ModelRun& run, Machine& machine, uint64_t& running,
                           uint64_t transactions) {
    for (uint64_t i = 0; i < transactions; ++i)
      if (!co_await run.transact(machine)) break;
    --running;
  }

  // False after an error of the device.
  Task<bool> transact(Machine& machine) {
    Volume& volume = *machine.volume;
    std::vector<Prepared> prepared;
    for (uint64_t count = random_.below(3); count > 0; --count) {
      const bool good = co_await prepare_extent(volume, prepared);
      if (!good) co_return false;
    }
    for (uint64_t count = 1 + random_.below(4); count > 0; --count) {
      const uint64_t bytes =
          random_.one_in(12) ? 4000 + random_.below(20000) : 1 + random_.below(600);
      prepared.push_back({random_.below(kSlots), {bytes, random_.next(), false}, {}});
    }
    constexpr uint64_t kChangeBytesMax = 110'000;
    if (!volume.ready_for(kChangeBytesMax)) {
      const Result<void> ready = co_await volume.wait_ready(kChangeBytesMax);
      if (!ready.ok()) co_return excused(ready.error()) && false;
    }
    const uint64_t number = history_.size();
    const block::Lsn lsn = apply(volume, prepared);
    if (random_.one_in(20)) {
      const Result<void> done = co_await volume.checkpoint();
      if (!done.ok()) co_return excused(done.error()) && false;
    }
    if (!random_.one_in(4)) {
      const Result<void> durable = co_await volume.durable(lsn);
      if (!durable.ok()) co_return excused(durable.error()) && false;
      if (!volume.is_durable(lsn)) fail("durable() came back too early");
      if (number < history_.size()) acknowledged_ = std::max(acknowledged_, number);
    }
    co_return true;
  }

  Task<bool> prepare_extent(Volume& volume, std::vector<Prepared>& prepared) {
    const uint64_t bytes = (1 + random_.below(random_.one_in(4) ? 40 : 3)) * device::kBlockBytes;
    const Result<Extent> extent = volume.reserve(bytes);
    if (!extent.ok()) co_return true;  // full for now
    const uint64_t seed = random_.next();
    device::AlignedBuffer buffer(bytes);
    fill(buffer.data(), bytes, seed);
    const ByteView piece = buffer.view(bytes);
    const Result<void> written = co_await volume.write(*extent, Gather(&piece, 1));
    if (!written.ok()) co_return excused(written.error()) && false;
    prepared.push_back({random_.below(kSlots), {bytes, seed, true}, *extent});
    co_return true;
  }

  // One transaction, rolled back first once in a while.
  block::Lsn apply(Volume& volume, const std::vector<Prepared>& prepared) {
    if (random_.one_in(6)) {
      State ignored = history_.back();
      volume.begin();
      for (const Prepared& each : prepared) change_slot(volume, each, ignored);
      volume.rollback();
    }
    State state = history_.back();
    volume.begin();
    std::vector<Extent> unused;
    for (const Prepared& each : prepared)
      if (!change_slot(volume, each, state) && each.now.is_extent) unused.push_back(each.extent);
    volume.change(volume.at<Root>(Volume::kRoot))->transaction = history_.size();
    history_.push_back(state);
    const block::Lsn lsn = volume.commit();
    for (const Extent& extent : unused) volume.cancel(extent);
    return lsn;
  }

  // Puts the new thing into its slot and frees what was there. False if there was no room.
  bool change_slot(Volume& volume, const Prepared& prepared, State& state) {
    Root& root = *volume.at<Root>(Volume::kRoot);
    uint64_t offset = prepared.extent.offset;
    if (!prepared.now.is_extent) {
      const Result<HeapOffset> allocated =
          volume.allocate(static_cast<uint32_t>(prepared.now.bytes));
      if (!allocated.ok()) return false;
      offset = *allocated;
      fill(volume.base() + offset, prepared.now.bytes, prepared.now.seed);
    } else {
      volume.publish(prepared.extent);
    }
    StoredSlot& slot = *volume.change(&root.slots[prepared.slot]);
    if (slot.bytes && slot.is_extent)
      volume.release({slot.offset, slot.bytes});
    else if (slot.bytes)
      volume.free(slot.offset, static_cast<uint32_t>(slot.bytes));
    slot = {offset, prepared.now.bytes, prepared.now.seed, prepared.now.is_extent};
    state[prepared.slot] = prepared.now;
    return true;
  }

  Random random_;
  DiskFaults faults_;
  block::CheckpointPolicy policy_;
  DiskImage image_{kDiskBytes};
  std::vector<State> history_;  // by transaction number
  uint64_t acknowledged_ = 0;   // every transaction up to this one was
  Outcome outcome_;
};

TEST(VolumeModel, SurvivesCrashesAnywhere) {
  uint64_t transactions = 0;
  for (uint64_t seed = 0; seed < seed_count(500); ++seed) {
    DiskFaults faults;
    if (seed % 4 == 3) faults.error_one_in = 300;
    const Outcome outcome = ModelRun(seed, faults).go();
    transactions += outcome.transactions;
    ASSERT_EQ(outcome.failure, "") << "seed " << seed;
  }
  EXPECT_GT(transactions, seed_count(500) * 20);
}

TEST(VolumeModel, DamageIsRefusedOrHarmless) {
  uint64_t refused = 0;
  for (uint64_t seed = 0; seed < seed_count(500) * 2; ++seed) {  // 218 and 748 were not
    DiskFaults faults;
    if (seed % 2)
      faults.bit_flip_one_in = 50;
    else
      faults.misdirected_one_in = 100;
    const Outcome outcome = ModelRun(seed, faults).go();
    refused += outcome.refused;
    ASSERT_EQ(outcome.failure, "") << "seed " << seed;
  }
  EXPECT_GT(refused, seed_count(500) / 20);
}

}  // namespace
}  // namespace varve::simulation
