// A disk in virtual time, with the faults that real ones have. What a completed write leaves behind at
// a crash is decided then: every write that no flush covers is kept, dropped or torn between blocks,
// each on its own; a flush covers what had completed before it began, a durable write itself alone.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "device/device.h"
#include "runtime/wait.h"

namespace varve::simulation {

// What is on the platter: blocks never written read as zero. Copies share their blocks.
class DiskImage {
 public:
  using Block = std::array<std::byte, device::kBlockBytes>;
  using BlockPointer = std::shared_ptr<const Block>;
  explicit DiskImage(uint64_t size_bytes) : size_bytes_(size_bytes) {}
  uint64_t size_bytes() const { return size_bytes_; }
  // Null: never written.
  const Block* find(uint64_t block) const;
  void set(uint64_t block, BlockPointer contents) { blocks_[block] = std::move(contents); }
  void flip_bit(uint64_t block, uint32_t bit);
  void resize(uint64_t size_bytes) { size_bytes_ = size_bytes; }
  const std::map<uint64_t, BlockPointer>& blocks() const { return blocks_; }

 private:
  uint64_t size_bytes_;
  std::map<uint64_t, BlockPointer> blocks_;
};

// Each "one_in": once in so many operations on average; 0: never.
struct DiskFaults {
  Duration latency_min = 20us, latency_max = 400us;
  uint64_t error_one_in = 0;        // fails with kIo; of a write, any part may be there after a crash
  uint64_t bit_flip_one_in = 0;     // a read returns one wrong bit, this time
  uint64_t misdirected_one_in = 0;  // a write lands somewhere else, and says that it went well
  uint64_t writable_blocks = ~0ULL; // blocks that may be written for the first time; then kNoSpace
};

struct DiskOperations {
  uint64_t reads = 0, writes = 0, durable_writes = 0, flushes = 0, discards = 0;
  uint64_t changes() const { return writes + durable_writes + flushes + discards; }
};

// Destroy its executor first (then its operations end), or let all of them end.
class Disk final : public device::Device {
 public:
  Disk(Executor& executor, DiskImage image, uint64_t seed, DiskFaults faults = {},
       std::string name = "simulated disk");

  device::Kind kind() const override { return device::Kind::kSimulated; }
  const std::string& name() const override { return name_; }
  uint64_t size_bytes() const override { return current_.size_bytes(); }
  bool persistent() const override { return true; }
  Task<Result<void>> read(uint64_t offset, MutableByteView into) override;
  Task<Result<void>> write(uint64_t offset, Gather from) override;
  Task<Result<void>> write_durable(uint64_t offset, Gather from) override;
  Task<Result<void>> flush() override;
  Task<Result<void>> discard(uint64_t offset, uint64_t length) override;
  bool written_before(uint64_t offset, uint64_t length) override;

  // Power fails when operation number `changes` (counting writes, flushes and discards from 1) is
  // submitted; 0: never.
  void crash_at(uint64_t changes) { crash_at_ = changes; }
  bool crashed() const { return crashed_; }
  // Power fails now, if it has not yet: no operation ever ends again. What survives, decided by the seed.
  DiskImage crash();
  // As if everything had been flushed.
  const DiskImage& contents() const { return current_; }
  const DiskOperations& operations() const { return operations_; }
  void set_faults(const DiskFaults& faults) { faults_ = faults; }

 private:
  // A write that no flush covers yet.
  struct Unflushed {
    uint64_t first_block;
    std::vector<DiskImage::BlockPointer> blocks;
    bool completed;
  };

  Task<Result<void>> store(uint64_t offset, Gather from, bool durable);
  // Counts the operation; suspends for ever once power has failed.
  Task<void> begin_operation(uint64_t& counter, bool changes);
  Task<void> take_time();
  Error failed(const char* what, uint64_t offset) const;
  bool happens(uint64_t one_in) { return one_in && random_.one_in(one_in); }
  void settle(uint64_t order, const Unflushed& write);
  void settle_block(uint64_t order, const Unflushed& write, size_t index);
  uint64_t first_writes(uint64_t first_block, uint64_t count) const;

  Executor& executor_;
  std::string name_;
  Random random_;
  DiskFaults faults_;
  DiskImage current_;  // what a read sees
  DiskImage stable_;   // what survives
  std::map<uint64_t, uint64_t> stable_order_;  // by block: the write that is stable there
  std::map<uint64_t, Unflushed> unflushed_;    // by order of submission, from 1
  uint64_t next_write_ = 1;
  DiskOperations operations_;
  uint64_t crash_at_ = 0;
  bool crashed_ = false;
  Signal never_;
};

}  // namespace varve::simulation
