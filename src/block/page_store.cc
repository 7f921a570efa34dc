#include "block/page_store.h"

#include <algorithm>
#include <cstring>

#include "base/checksum.h"
#include "runtime/wait.h"

namespace varve::block {
namespace {

constexpr uint64_t kReadBytes = 1 * kMiB;
constexpr size_t kWritesAtOnce = 32, kReadsAtOnce = 8;

// 0 stands for "never written".
uint32_t image_crc(ByteView image) { return std::max(crc32c(image), 1U); }

uint32_t directory_crc(DirectoryBlock& block) {
  block.crc = 0;
  return crc32c(bytes_of(block));
}

// How many pages are worked on before others get a turn: some 40 us.
constexpr size_t kPagesInARow = 32;

// The first error, when all have ended; none is left behind.
Task<Result<void>> all_of(std::vector<Task<Result<void>>> tasks) {
  std::vector<Result<void>> results = co_await when_all(std::move(tasks));
  for (Result<void>& result : results)
    if (!result.ok()) co_return std::move(result.error());
  co_return {};
}

Task<uint32_t> journal_crc(JournalHeader* header) {
  header->crc = 0;
  const auto* bytes = reinterpret_cast<const std::byte*>(header);
  uint32_t crc = 0;
  for (uint32_t block = 0; block <= header->count; ++block) {
    crc = crc32c(ByteView(bytes + block * kPageBytes, kPageBytes), crc);
    if (block % kPagesInARow == kPagesInARow - 1) co_await Executor::current()->yield();
  }
  co_return crc;
}

}  // namespace

PageStore::PageStore(device::Device& device, const Superblock& superblock, std::byte* arena)
    : device_(device),
      geometry_(superblock.geometry),
      volume_(superblock.volume),
      arena_(arena),
      known_batch_(superblock.journal_batch),
      known_directories_crc_(superblock.directory_crc),
      must_reach_(superblock.must_reach),
      batch_number_(superblock.journal_batch),
      table_(geometry_.table_blocks * kPageBytes),
      dirty_(geometry_.arena_bytes / kPageBytes / 8 + 8),
      directory_(geometry_.directory_blocks) {}

uint32_t PageStore::directories_crc() const {
  uint32_t crc = 0;
  for (const DirectoryBlock& block : directory_) crc = crc32c(bytes_of(block.crc), crc);
  return crc;
}

void PageStore::describe(Superblock& superblock) const {
  superblock.must_reach = must_reach_;
  superblock.journal_batch = batch_number_;
  superblock.directory_crc = directories_crc();
}

// --- reading

Task<Result<void>> PageStore::load() {
  VARVE_CO_CHECK(co_await finish_journal());
  VARVE_CO_CHECK(co_await load_directory());
  if (known_batch_ != 0 && batch_number_ == known_batch_ &&
      directories_crc() != known_directories_crc_)
    co_return Error(Code::kBadFormat, "page directory: it is not the one that checkpoint batch " +
                                          std::to_string(known_batch_) +
                                          " wrote; restore this target from its replicas");
  for (uint64_t i = 0; i < geometry_.table_blocks; ++i)
    if (table_crc(i) != 0) VARVE_CO_CHECK(co_await load_table(i));
  const uint64_t pages = geometry_.arena_bytes / kPageBytes;
  std::vector<Task<Result<void>>> runs;
  for (uint64_t page = 0; page < pages;) {
    if (page % kTableEntries == 0 && table_crc(page / kTableEntries) == 0) {
      page += kTableEntries;
      continue;
    }
    if (table()[page] == 0) {
      ++page;
      continue;
    }
    uint64_t end = page;
    while (end < pages && end - page < kReadBytes / kPageBytes && table()[end] != 0) ++end;
    runs.push_back(load_pages(page, end - page));
    if (runs.size() == kReadsAtOnce) VARVE_CO_CHECK(co_await all_of(std::exchange(runs, {})));
    page = end;
  }
  co_return co_await all_of(std::move(runs));
}

bool PageStore::is_image_offset(uint64_t offset) const {
  return offset % kPageBytes == 0 &&
         ((offset >= geometry_.directory_offset &&
           offset < geometry_.table_offset + geometry_.table_blocks * kPageBytes) ||
          (offset >= geometry_.arena_offset &&
           offset < geometry_.arena_offset + geometry_.arena_bytes));
}

// A journal that is not intact was being written: nothing of it is in place yet. Older than what
// the superblock names, it must not be repeated: newer images are in place, whose own journal never
// arrived.
Task<Result<void>> PageStore::finish_journal() {
  Batch batch;
  batch.memory = device::AlignedBuffer((1 + kJournalImagesMax) * kPageBytes);
  VARVE_CO_CHECK(co_await device_.read(geometry_.journal_offset, batch.memory.view(kPageBytes)));
  JournalHeader* header = batch.header();
  if (header->magic != kJournalMagic || header->volume != volume_ ||
      header->count > kJournalImagesMax)
    co_return {};
  const MutableByteView images =
      batch.memory.view((1 + header->count) * kPageBytes).subspan(kPageBytes);
  if (!images.empty())
    VARVE_CO_CHECK(co_await device_.read(geometry_.journal_offset + kPageBytes, images));
  const uint32_t crc = header->crc;
  const uint32_t found = co_await journal_crc(header);
  if (found != crc) co_return {};
  for (uint32_t i = 0; i < header->count; ++i)
    if (!is_image_offset(header->offsets[i]))
      co_return Error(Code::kBadFormat, "checkpoint journal: image " + std::to_string(i) +
                                            " belongs outside of the heap's pages");
  must_reach_ = std::max(must_reach_, header->must_reach);
  if (header->batch < batch_number_) co_return {};
  batch.count = header->count;
  batch_number_ = header->batch;
  VARVE_CO_CHECK(co_await write_in_place(batch));
  co_return co_await device_.flush();
}

Task<Result<void>> PageStore::load_directory() {
  device::AlignedBuffer buffer(kPageBytes);
  for (uint64_t i = 0; i < directory_.size(); ++i) {
    VARVE_CO_CHECK(
        co_await device_.read(geometry_.directory_offset + i * kPageBytes, buffer.view()));
    DirectoryBlock& block = directory_[i];
    std::memcpy(&block, buffer.data(), sizeof block);
    const bool never_written = std::all_of(buffer.data(), buffer.data() + kPageBytes,
                                           [](std::byte byte) { return byte == std::byte{0}; });
    if (never_written) continue;
    const uint32_t crc = block.crc;
    if (block.magic != kDirectoryMagic || block.index != i || directory_crc(block) != crc)
      co_return Error(Code::kBadFormat, "page directory block " + std::to_string(i) +
                                            ": its checksum does not match, it is damaged");
    block.crc = crc;
  }
  co_return {};
}

Task<Result<void>> PageStore::load_table(uint64_t table_block) {
  device::AlignedBuffer buffer(kPageBytes);
  VARVE_CO_CHECK(
      co_await device_.read(geometry_.table_offset + table_block * kPageBytes, buffer.view()));
  if (image_crc(buffer.view()) != table_crc(table_block))
    co_return Error(Code::kBadFormat, "page table block " + std::to_string(table_block) +
                                          ": its checksum does not match, it is damaged");
  std::memcpy(table_.data() + table_block * kPageBytes, buffer.data(), kPageBytes);
  co_return {};
}

Task<Result<void>> PageStore::load_pages(uint64_t first, uint64_t count) {
  // The arena is page-aligned: no copy.
  const MutableByteView into(arena_ + first * kPageBytes, count * kPageBytes);
  VARVE_CO_CHECK(co_await device_.read(page_offset(first), into));
  for (uint64_t i = 0; i < count; ++i)
    if (image_crc(into.subspan(i * kPageBytes, kPageBytes)) != table()[first + i])
      co_return Error(Code::kBadFormat,
                      "heap page " + std::to_string(first + i) + " at device offset " +
                          std::to_string(page_offset(first + i)) +
                          ": its checksum does not match, it is damaged; restore this target "
                          "from its replicas");
  co_return {};
}

// --- writing

// Copies pages into the batch, as many as fit with their table and directory blocks. Each is as it
// is between two transactions.
Task<size_t> PageStore::gather(const std::vector<uint32_t>& pages, size_t from, Batch& batch) {
  uint64_t last_table = ~0ULL, last_directory = ~0ULL;
  uint32_t tables = 0;
  size_t at = from;
  for (; at < pages.size(); ++at) {
    const uint64_t page = pages[at], table_block = page / kTableEntries;
    const uint32_t more =
        (table_block != last_table) + (table_block / kDirectoryEntries != last_directory);
    if (batch.count + 1 + tables + more > kJournalImagesMax) break;
    tables += more;
    last_table = table_block;
    last_directory = table_block / kDirectoryEntries;
    std::byte* image = batch.add(page_offset(page));
    std::memcpy(image, arena_ + page * kPageBytes, kPageBytes);
    dirty_.as<uint64_t>()[page / 64] &= ~(1ULL << page % 64);
    table()[page] = image_crc(ByteView(image, kPageBytes));
    if (batch.count % kPagesInARow == 0) co_await Executor::current()->yield();
  }
  co_return at;
}

// The blocks that hold the checksums of the images gathered.
void PageStore::add_tables(const std::vector<uint32_t>& pages, size_t from, size_t to,
                           Batch& batch) {
  uint64_t last_table = ~0ULL, last_directory = ~0ULL;
  const auto add_directory = [&] {
    if (last_directory == ~0ULL) return;
    DirectoryBlock& block = directory_[last_directory];
    block.magic = kDirectoryMagic;
    block.index = last_directory;
    block.crc = directory_crc(block);
    std::memcpy(batch.add(geometry_.directory_offset + last_directory * kPageBytes), &block,
                sizeof block);
  };
  for (size_t i = from; i < to; ++i) {
    const uint64_t table_block = pages[i] / kTableEntries;
    if (table_block == last_table) continue;
    last_table = table_block;
    std::byte* image = batch.add(geometry_.table_offset + table_block * kPageBytes);
    std::memcpy(image, table_.data() + table_block * kPageBytes, kPageBytes);
    if (table_block / kDirectoryEntries != last_directory) {
      add_directory();
      last_directory = table_block / kDirectoryEntries;
    }
    table_crc(table_block) = image_crc(ByteView(image, kPageBytes));
  }
  add_directory();
}

Task<Result<void>> PageStore::write_dirty(
    const std::function<Task<Result<Lsn>>()>& make_durable,
    const std::function<Task<Result<void>>()>& between_batches) {
  std::vector<uint32_t> pages;
  pages.swap(dirty_pages_);
  std::sort(pages.begin(), pages.end());
  Batch batch;
  batch.memory = device::AlignedBuffer((1 + kJournalImagesMax) * kPageBytes);
  for (size_t from = 0; from < pages.size();) {
    batch.count = 0;
    const size_t to = co_await gather(pages, from, batch);
    add_tables(pages, from, to, batch);
    // An image may reach the device only after the log has everything that it shows.
    VARVE_CO_TRY(const Lsn reached, co_await make_durable());
    must_reach_ = std::max(must_reach_, reached.value);
    VARVE_CO_CHECK(co_await write_batch(batch, must_reach_));
    from = to;
    if (from < pages.size()) VARVE_CO_CHECK(co_await between_batches());
  }
  co_return {};
}

Task<Result<void>> PageStore::write_batch(Batch& batch, uint64_t must_reach) {
  JournalHeader* header = batch.header();
  header->magic = kJournalMagic;
  header->count = batch.count;
  header->volume = volume_;
  header->batch = ++batch_number_;
  header->must_reach = must_reach;
  std::memset(header->padding, 0, sizeof header->padding);
  std::fill(header->offsets + batch.count, header->offsets + kJournalImagesMax, 0);
  const uint32_t crc = co_await journal_crc(header);
  header->crc = crc;
  const ByteView whole = batch.memory.view((1 + batch.count) * kPageBytes);
  VARVE_CO_CHECK(co_await device_.write_durable(geometry_.journal_offset, Gather(&whole, 1)));
  VARVE_CO_CHECK(co_await write_in_place(batch));
  co_return co_await device_.flush();
}

namespace {
Task<Result<void>> write_run(device::Device& device, uint64_t offset, ByteView run) {
  co_return co_await device.write(offset, Gather(&run, 1));
}
}  // namespace

// Neighbours in one write; several writes at once.
Task<Result<void>> PageStore::write_in_place(const Batch& batch) {
  for (uint32_t first = 0; first < batch.count;) {
    std::vector<Task<Result<void>>> writes;
    while (first < batch.count && writes.size() < kWritesAtOnce) {
      uint32_t end = first + 1;
      const uint64_t* offsets = batch.header()->offsets;
      while (end < batch.count && offsets[end] == offsets[end - 1] + kPageBytes) ++end;
      writes.push_back(write_run(device_, offsets[first],
                                 ByteView(batch.image(first), (end - first) * kPageBytes)));
      first = end;
    }
    VARVE_CO_CHECK(co_await all_of(std::move(writes)));
  }
  co_return {};
}

}  // namespace varve::block
