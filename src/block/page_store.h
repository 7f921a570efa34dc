// The arena's pages on the device: images with checksums, written in batches that a journal makes
// whole. A batch is in the journal, durably, before the first of its images is overwritten in
// place; opening writes the journal's batch again. So every image is old or new, never torn.
#pragma once

#include <functional>
#include <vector>

#include "block/layout.h"
#include "block/lazy_memory.h"
#include "device/device.h"
#include "runtime/task.h"

namespace varve::block {

inline constexpr uint64_t kJournalMagic = 0x4c4e524a56524156;  // "VARVJRNL"
inline constexpr uint32_t kDirectoryMagic = 0x52494456;        // "VDIR"

struct JournalHeader {
  uint64_t magic;
  uint32_t crc;  // crc32c of this block (this field zero) and of the images behind it
  uint32_t count;
  Uuid volume;
  uint64_t batch;
  uint64_t must_reach;                  // the images hold changes logged up to this position
  uint64_t offsets[kJournalImagesMax];  // where on the device each image belongs
  std::byte padding[16];
};
static_assert(sizeof(JournalHeader) == kPageBytes);

// The checksums of kDirectoryEntries blocks of the page table. 0: that block was never written.
struct DirectoryBlock {
  uint32_t magic;
  uint32_t crc;  // crc32c of this block, this field zero
  uint64_t index;
  uint32_t table_crcs[kDirectoryEntries];
};
static_assert(sizeof(DirectoryBlock) == kPageBytes);

class PageStore {
 public:
  PageStore(device::Device& device, const Superblock& superblock, std::byte* arena);

  // Finishes the journal's batch, then reads every image into the arena. kBadFormat names what is
  // damaged.
  Task<Result<void>> load();
  // What replay must reach, for the images to make sense.
  uint64_t must_reach() const { return must_reach_; }
  // What the superblock says of the images that are in place: that older ones, or none, are not
  // taken for them.
  void describe(Superblock& superblock) const;

  void mark_dirty(HeapOffset offset, uint64_t length) {
    for (uint64_t page = offset / kPageBytes; page <= (offset + length - 1) / kPageBytes; ++page) {
      uint64_t& word = dirty_.as<uint64_t>()[page / 64];
      const uint64_t bit = 1ULL << page % 64;
      if (word & bit) continue;
      word |= bit;
      dirty_pages_.push_back(static_cast<uint32_t>(page));
    }
  }
  size_t dirty_count() const { return dirty_pages_.size(); }

  // Writes every page that is dirty now. `make_durable` waits for the log up to its present end,
  // and returns that end; called outside transactions. `between_batches` writes the superblock,
  // described anew.
  Task<Result<void>> write_dirty(const std::function<Task<Result<Lsn>>()>& make_durable,
                                 const std::function<Task<Result<void>>()>& between_batches);

 private:
  struct Batch {
    device::AlignedBuffer memory;  // the journal's header, then the images
    uint32_t count = 0;
    JournalHeader* header() const { return reinterpret_cast<JournalHeader*>(memory.data()); }
    std::byte* image(uint32_t index) const { return memory.data() + (1 + index) * kPageBytes; }
    std::byte* add(uint64_t device_offset) {
      VARVE_ASSERT(count < kJournalImagesMax, "a batch fits the journal");
      header()->offsets[count] = device_offset;
      return image(count++);
    }
  };

  uint64_t page_offset(uint64_t page) const { return geometry_.arena_offset + page * kPageBytes; }
  uint32_t* table() const { return table_.as<uint32_t>(); }
  uint32_t& table_crc(uint64_t table_block) {
    return directory_[table_block / kDirectoryEntries].table_crcs[table_block % kDirectoryEntries];
  }
  Task<size_t> gather(const std::vector<uint32_t>& pages, size_t from, Batch& batch);
  void add_tables(const std::vector<uint32_t>& pages, size_t from, size_t to, Batch& batch);
  Task<Result<void>> write_batch(Batch& batch, uint64_t must_reach);
  Task<Result<void>> write_in_place(const Batch& batch);
  Task<Result<void>> finish_journal();
  Task<Result<void>> load_directory();
  Task<Result<void>> load_table(uint64_t table_block);
  Task<Result<void>> load_pages(uint64_t first, uint64_t count);
  bool is_image_offset(uint64_t offset) const;

  device::Device& device_;
  const Geometry geometry_;
  const Uuid volume_;
  std::byte* const arena_;
  uint32_t directories_crc() const;

  const uint64_t known_batch_;  // in place, the superblock says
  const uint32_t known_directories_crc_;
  uint64_t must_reach_;
  uint64_t batch_number_ = 0;
  LazyMemory table_;  // crc of each page's image, 0: never written
  LazyMemory dirty_;  // one bit a page
  std::vector<uint32_t> dirty_pages_;
  std::vector<DirectoryBlock> directory_;
};

}  // namespace varve::block
