#include "block/data_writer.h"

#include <cstring>

namespace varve::block {

void DataWriter::write(Extent extent, Gather from) {
  auto write = std::make_shared<Write>(
      Write{extent.offset, size_of(from), next_number_++, device::AlignedBuffer(size_of(from))});
  const MutableByteView into = write->buffer.view(write->length);
  copy(from, Scatter(&into, 1));
  numbers_.insert(write->number);
  unlogged_bytes_ += write->length;
  unlogged_[extent.offset] = write;
  unwritten_[extent.offset] = write;
  queued_[extent.offset] = std::move(write);
}

void DataWriter::publish(Extent extent) {
  for (auto at = unlogged_.lower_bound(extent.offset);
       at != unlogged_.end() && at->first < extent.offset + extent.length; ++at)
    publishing_.push_back({at->first, at->second->buffer.view(at->second->length)});
}

void DataWriter::committed() {
  for (const LoggedData& data : publishing_) forget(data.offset, data.bytes.size());
  publishing_.clear();
}

void DataWriter::forget(uint64_t offset, uint64_t length) {
  auto at = unlogged_.lower_bound(offset);
  while (at != unlogged_.end() && at->first < offset + length) {
    unlogged_bytes_ -= at->second->length;
    at = unlogged_.erase(at);
  }
}

bool DataWriter::overlaps(uint64_t offset, uint64_t length) const {
  auto at = unwritten_.lower_bound(offset);
  if (at != unwritten_.end() && at->first < offset + length) return true;
  if (at == unwritten_.begin()) return false;
  --at;
  return at->first + at->second->length > offset;
}

bool DataWriter::read(uint64_t offset, MutableByteView into) const {
  auto at = unwritten_.upper_bound(offset);
  if (at == unwritten_.begin()) return false;
  --at;
  const Write& write = *at->second;
  if (offset + into.size() > write.offset + write.length) return false;
  std::memcpy(into.data(), write.buffer.data() + (offset - write.offset), into.size());
  return true;
}

Task<void> DataWriter::wait_for(uint64_t offset, uint64_t length) {
  while (!failed_ && overlaps(offset, length)) co_await finished_.wait();
}

Task<bool> DataWriter::settle() {
  const uint64_t before = next_number_;
  while (!failed_ && !numbers_.empty() && *numbers_.begin() < before) co_await finished_.wait();
  const bool any = settled_number_ < before;
  settled_number_ = before;
  co_return any;
}

Task<void> DataWriter::drain() {
  while (batches_in_flight_ > 0 || (!failed_ && !queued_.empty())) co_await finished_.wait();
}

bool DataWriter::poll() {
  bool any = false;
  while (!queued_.empty() && !failed_ && batches_in_flight_ < kBatchesInFlightMax) {
    ++batches_in_flight_;
    executor_.spawn(write_batch(*this, next_batch()));
    any = true;
  }
  return any;
}

// A run of neighbours, upwards from where the last one ended.
std::vector<DataWriter::WritePointer> DataWriter::next_batch() {
  auto at = queued_.lower_bound(cursor_);
  if (at == queued_.end()) at = queued_.begin();
  std::vector<WritePointer> batch;
  cursor_ = at->first;
  while (at != queued_.end() && at->first == cursor_ && batch.size() < kBatchPiecesMax) {
    cursor_ += at->second->length;
    batch.push_back(std::move(at->second));
    at = queued_.erase(at);
  }
  return batch;
}

Task<void> DataWriter::write_batch(DataWriter& self, std::vector<WritePointer> batch) {
  std::vector<ByteView> pieces;
  for (const WritePointer& write : batch) pieces.push_back(write->buffer.view(write->length));
  Result<void> result = co_await self.device_.write(batch.front()->offset, pieces);
  --self.batches_in_flight_;
  if (result.ok()) {
    for (const WritePointer& write : batch) {
      self.unwritten_.erase(write->offset);
      self.numbers_.erase(write->number);
    }
  } else {
    self.failed_ = true;
    self.on_failure_(std::move(result.error()));
  }
  self.finished_.notify_all();
}

}  // namespace varve::block
