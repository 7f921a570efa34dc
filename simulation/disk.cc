#include "simulation/disk.h"

#include <cstring>

namespace varve::simulation {

using device::kBlockBytes;

const DiskImage::Block* DiskImage::find(uint64_t block) const {
  const auto found = blocks_.find(block);
  return found == blocks_.end() ? nullptr : found->second.get();
}

void DiskImage::flip_bit(uint64_t block, uint32_t bit) {
  auto changed = std::make_shared<Block>();
  if (const Block* before = find(block)) *changed = *before;
  (*changed)[bit / 8 % kBlockBytes] ^= std::byte{1} << bit % 8;
  blocks_[block] = std::move(changed);
}

Disk::Disk(Executor& executor, DiskImage image, uint64_t seed, DiskFaults faults, std::string name)
    : executor_(executor), name_(std::move(name)), random_(seed), faults_(faults),
      current_(image), stable_(std::move(image)) {}

Error Disk::failed(const char* what, uint64_t offset) const {
  return Error(Code::kIo, "device " + name_ + ": " + what + " at offset " +
                              std::to_string(offset) + " failed (simulated)");
}

Task<void> Disk::begin_operation(uint64_t& counter, bool changes) {
  if (!crashed_) {
    ++counter;
    if (changes && operations_.changes() == crash_at_) crashed_ = true;
  }
  while (crashed_) co_await never_.wait();
}

Task<void> Disk::take_time() {
  const uint64_t spread = static_cast<uint64_t>((faults_.latency_max - faults_.latency_min).count());
  co_await executor_.sleep_for(faults_.latency_min + Duration(random_.below(spread + 1)));
  while (crashed_) co_await never_.wait();
}

Task<Result<void>> Disk::read(uint64_t offset, MutableByteView into) {
  VARVE_ASSERT(offset % kBlockBytes == 0 && into.size() % kBlockBytes == 0,
               "device I/O is in whole blocks");
  co_await begin_operation(operations_.reads, false);
  co_await take_time();
  if (offset + into.size() > size_bytes()) co_return failed("read past the end", offset);
  if (happens(faults_.error_one_in)) co_return failed("read", offset);
  for (uint64_t done = 0; done < into.size(); done += kBlockBytes) {
    const DiskImage::Block* block = current_.find((offset + done) / kBlockBytes);
    if (block)
      std::memcpy(into.data() + done, block->data(), kBlockBytes);
    else
      std::memset(into.data() + done, 0, kBlockBytes);
  }
  if (happens(faults_.bit_flip_one_in)) {
    const uint64_t bit = random_.below(into.size() * 8);
    into[bit / 8] ^= std::byte{1} << bit % 8;
  }
  co_return {};
}

Task<Result<void>> Disk::write(uint64_t offset, Gather from) { return store(offset, from, false); }
Task<Result<void>> Disk::write_durable(uint64_t offset, Gather from) {
  return store(offset, from, true);
}

uint64_t Disk::first_writes(uint64_t first_block, uint64_t count) const {
  uint64_t fresh = 0;
  for (uint64_t i = 0; i < count; ++i) fresh += current_.find(first_block + i) == nullptr;
  return fresh;
}

Task<Result<void>> Disk::store(uint64_t offset, Gather from, bool durable) {
  const uint64_t length = size_of(from);
  VARVE_ASSERT(offset % kBlockBytes == 0 && length % kBlockBytes == 0,
               "device I/O is in whole blocks");
  // Power may fail the moment this is submitted: what it carries is in flight then.
  Unflushed write{offset / kBlockBytes, {}, false};
  for (uint64_t done = 0; done < length; done += kBlockBytes) {
    auto block = std::make_shared<DiskImage::Block>();
    const MutableByteView into(*block);
    copy(from, Scatter(&into, 1), done);
    write.blocks.push_back(std::move(block));
  }
  if (offset + length > size_bytes()) co_return failed("write past the end", offset);
  if (current_.blocks().size() + first_writes(write.first_block, write.blocks.size()) >
      faults_.writable_blocks)
    co_return Error(Code::kNoSpace, "device " + name_ + ": it is full (simulated)");
  if (happens(faults_.misdirected_one_in))
    write.first_block = random_.below((size_bytes() - length) / kBlockBytes + 1);
  const uint64_t order = next_write_++;
  if (!crashed_) unflushed_.emplace(order, std::move(write));
  co_await begin_operation(durable ? operations_.durable_writes : operations_.writes, true);
  co_await take_time();
  Unflushed& done = unflushed_.at(order);
  if (happens(faults_.error_one_in)) co_return failed("write", offset);
  for (size_t i = 0; i < done.blocks.size(); ++i)
    current_.set(done.first_block + i, done.blocks[i]);
  done.completed = true;
  if (durable) {
    settle(order, done);
    unflushed_.erase(order);
  }
  co_return {};
}

// What was written earlier to the same block never comes back over what is stable there.
void Disk::settle_block(uint64_t order, const Unflushed& write, size_t index) {
  uint64_t& stable_order = stable_order_[write.first_block + index];
  if (stable_order > order) return;
  stable_order = order;
  stable_.set(write.first_block + index, write.blocks[index]);
}

void Disk::settle(uint64_t order, const Unflushed& write) {
  for (size_t i = 0; i < write.blocks.size(); ++i) settle_block(order, write, i);
}

Task<Result<void>> Disk::flush() {
  co_await begin_operation(operations_.flushes, true);
  std::vector<uint64_t> covered;
  for (const auto& [order, write] : unflushed_)
    if (write.completed) covered.push_back(order);
  co_await take_time();
  if (happens(faults_.error_one_in)) co_return failed("flush", 0);
  for (const uint64_t order : covered) {
    const auto found = unflushed_.find(order);
    if (found == unflushed_.end()) continue;
    settle(order, found->second);
    unflushed_.erase(found);
  }
  co_return {};
}

bool Disk::written_before(uint64_t offset, uint64_t length) {
  for (uint64_t done = 0; done < length; done += device::kBlockBytes)
    if (!current_.find((offset + done) / device::kBlockBytes)) return false;
  return true;
}

Task<Result<void>> Disk::discard(uint64_t offset, uint64_t length) {
  co_await begin_operation(operations_.discards, true);
  co_await take_time();
  co_return {};
}

DiskImage Disk::crash() {
  crashed_ = true;
  for (const auto& [order, write] : unflushed_) {
    const uint64_t fate = random_.below(3);  // kept, dropped, torn
    for (size_t i = 0; i < write.blocks.size(); ++i)
      if (fate == 0 || (fate == 2 && random_.one_in(2))) settle_block(order, write, i);
  }
  unflushed_.clear();
  return stable_;
}

}  // namespace varve::simulation
