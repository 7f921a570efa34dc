#include "block/burst_writer.h"

namespace varve::block {

bool BurstWriter::wants(uint64_t bytes) {
  this_step_bytes_ += bytes;
  return this_step_bytes_ + under_way_bytes_ > bytes_min_;
}

Task<Result<void>> BurstWriter::write(uint64_t offset, Gather from) {
  Write write{from, size_of(from), {}, {}};
  under_way_bytes_ += write.length;
  queued_.emplace(offset, &write);
  while (!write.result) co_await write.ended.wait();
  under_way_bytes_ -= write.length;
  co_return std::move(*write.result);
}

bool BurstWriter::poll() {
  this_step_bytes_ = 0;
  bool any = false;
  while (!queued_.empty() && batches_in_flight_ < kBatchesInFlightMax) {
    // A run of neighbours, upwards from where the last one ended.
    auto at = queued_.lower_bound(cursor_);
    if (at == queued_.end()) at = queued_.begin();
    const uint64_t offset = cursor_ = at->first;
    std::vector<Write*> batch;
    while (at != queued_.end() && at->first == cursor_ && batch.size() < kPiecesMax &&
           cursor_ - offset < kBatchBytesMax) {
      cursor_ += at->second->length;
      batch.push_back(at->second);
      at = queued_.erase(at);
    }
    ++batches_in_flight_;
    executor_.spawn(write_batch(offset, std::move(batch)));
    any = true;
  }
  return any;
}

Task<void> BurstWriter::write_batch(uint64_t offset, std::vector<Write*> batch) {
  const Gate::Guard guard(gate_);
  std::vector<ByteView> pieces;
  for (const Write* write : batch)
    pieces.insert(pieces.end(), write->from.begin(), write->from.end());
  const Result<void> result = co_await device_.write(offset, pieces);
  --batches_in_flight_;
  for (Write* write : batch) {
    write->result = result;
    write->ended.notify_all();
  }
}

Task<void> BurstWriter::drain() { return gate_.close(); }

}  // namespace varve::block
