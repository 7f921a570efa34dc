#include "block/heap_volume.h"

namespace varve::block {

HeapVolume::HeapVolume(Executor& executor, device::Device& device, const Superblock& superblock)
    : executor_(executor), device_(device), superblock_(superblock),
      heap_(device.direct(superblock.geometry.arena_offset), superblock.geometry.chunks_offset,
            superblock.geometry.chunk_count),
      extents_(heap_, device.direct(superblock.geometry.arena_offset),
               superblock.geometry.bitmap_offset, superblock.geometry.data_offset,
               superblock.geometry.data_bytes / device::kBlockBytes) {
  base_ = device.direct(superblock.geometry.arena_offset);
}
HeapVolume::~HeapVolume() = default;

Task<Result<void>> HeapVolume::recover() {
  if (heap_.header()->magic == 0) heap_.initialize();
  VARVE_CO_CHECK(heap_.load());
  extents_.load();
  co_return {};
}

Task<Result<void>> HeapVolume::close() { co_return {}; }
bool HeapVolume::ready_for(uint64_t) { return true; }
Task<Result<void>> HeapVolume::wait_ready(uint64_t) { co_return {}; }

Lsn HeapVolume::commit() {
  heap_.commit(false);
  ++last_committed_.value;
  durable_ = last_committed_;
  extents_.committed(last_committed_);
  extents_.settle(durable_);
  return last_committed_;
}

void HeapVolume::rollback() {
  heap_.rollback();
  extents_.rolled_back();
}

Task<Result<void>> HeapVolume::durable(Lsn) { co_return {}; }

Result<Extent> HeapVolume::reserve(uint64_t bytes) { return extents_.reserve(bytes, device_.name()); }
void HeapVolume::publish(Extent extent) { extents_.publish(extent); }
void HeapVolume::release(Extent extent) { extents_.release(extent); }

Task<Result<void>> HeapVolume::write(Extent extent, Gather from) {
  VARVE_ASSERT(size_of(from) <= extent.length, "what is written fits the extent");
  return device_.write(extent.offset, from);
}

Task<Result<void>> HeapVolume::read(uint64_t offset, MutableByteView into) {
  return device_.read(offset, into);
}

SpaceUse HeapVolume::use() const {
  return {heap_.allocated_bytes(), heap_.capacity_bytes(), extents_.used_bytes(),
          extents_.capacity_bytes()};
}
LogStatistics HeapVolume::statistics() const { return statistics_; }
Task<Result<void>> HeapVolume::checkpoint() { co_return {}; }

}  // namespace varve::block
