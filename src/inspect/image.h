// A volume as opening it would find it, made in memory: the better superblock, the checkpoint's pages, the
// journal's batch over them, the log replayed. The device is only read. Contents are unchecked.
#pragma once

#include <map>
#include <memory>

#include "block/volume.h"
#include "inspect/log_scan.h"
#include "inspect/unchecked_heap.h"

namespace varve::inspect {

// A part of the device that decides what opening finds there.
struct Region {
  const char* name;
  uint64_t offset, length;
};

class Image {
 public:
  // What is damaged goes to `findings`, and is taken as it is. Errors: kIo; kBadFormat, kIncompatible or
  // kNonexistent where neither superblock is of any use.
  static Result<std::unique_ptr<Image>> load(device::Reader& device, Findings& findings);

  const block::Superblock& superblock() const { return superblock_; }
  const block::Geometry& geometry() const { return superblock_.geometry; }
  const UncheckedHeap& heap() const { return heap_; }
  const LogScan& log() const { return log_; }
  // Every byte that matters, without the extents.
  const std::vector<Region>& regions() const { return regions_; }
  // Of the data area, as replay would leave it. kBadFormat: outside of it.
  Result<void> read_data(uint64_t offset, MutableByteView into) const;
  bool in_data_area(const block::Extent& extent) const;

 private:
  Image(device::Reader& device, const block::Superblock& superblock)
      : device_(device), superblock_(superblock), heap_(superblock.geometry) {}
  Result<void> load_journal(Findings& findings);
  Result<void> load_pages(Findings& findings);
  Result<void> load_table(uint64_t table_block, ByteView entries, Findings& findings);
  Result<void> load_run(uint64_t first, uint64_t count, const uint32_t* crcs, Findings& findings);
  Result<void> replay(Findings& findings);
  Result<void> apply(const block::LogEntry& entry);
  // A block of the checkpoint: the journal's where it has it.
  Result<void> read_block(uint64_t offset, MutableByteView into) const;
  void add_region(const char* name, uint64_t offset, uint64_t length);

  device::Reader& device_;
  block::Superblock superblock_;
  UncheckedHeap heap_;
  LogScan log_;
  std::vector<Region> regions_;
  uint64_t must_reach_ = 0;
  std::map<uint64_t, Buffer> journal_;  // images by device offset
  std::map<uint64_t, Buffer> logged_data_;  // blocks by device offset
};

// Changes whenever a server opens the device, begins a batch of a checkpoint or ends one. An image that was
// loaded between two equal answers is of one moment, even if the device was in use: its pages did not change
// meanwhile, and the log only grew.
Result<uint64_t> generation_of(device::Reader& device);

}  // namespace varve::inspect
