#include "inspect/image.h"

#include <algorithm>

#include "base/checksum.h"
#include "block/page_store.h"

namespace varve::inspect {
namespace {

using block::kPageBytes;
using block::Superblock;

constexpr uint64_t kReadBytes = 1 * kMiB;

uint32_t image_crc(ByteView image) { return std::max(crc32c(image), 1U); }

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

std::string copy_name(size_t copy) { return "superblock " + std::to_string(copy + 1); }

// The better of the two copies; what is wrong with the other is a finding.
Result<Superblock> choose_superblock(device::Reader& device, Findings& findings) {
  Result<Superblock> best = Error(Code::kNonexistent);
  Result<Superblock> copies[2] = {Error(Code::kNonexistent), Error(Code::kNonexistent)};
  const uint64_t device_bytes = round_down(device.size_bytes(), kPageBytes);
  if (device_bytes < block::kSuperblockAreaBytes)
    return Error(Code::kNonexistent, "device " + device.name() + ": with " +
                                         std::to_string(device.size_bytes()) +
                                         " bytes it is too small for a volume");
  for (size_t i = 0; i < 2; ++i) {
    Buffer bytes(kPageBytes);
    VARVE_CHECK(device.read(block::kSuperblockOffsets[i], bytes));
    copies[i] = block::parse_superblock(bytes, device_bytes, copy_name(i));
    const bool better = copies[i].ok() ? !best.ok() || copies[i]->revision > best->revision
                                       : !best.ok() && best.code() == Code::kNonexistent;
    if (better) best = copies[i];
  }
  if (!best.ok()) return std::move(best.error()).with("device " + device.name());
  for (size_t i = 0; i < 2; ++i) {
    if (!copies[i].ok())
      findings.damage(copy_name(i), std::string(copies[i].error().text()) +
                                        "; the other copy is used, opening writes this one again");
    else if (copies[i]->volume != best->volume)
      findings.damage(copy_name(i), "belongs to another volume");
  }
  // The first is written before the second. A crash in between leaves the second one revision behind, and
  // each further one at the same place another.
  if (!copies[0].ok() || !copies[1].ok()) return best;
  if (copies[1]->revision > copies[0]->revision)
    findings.damage(copy_name(0), "is older than the second, which is written after it");
  else if (copies[0]->revision - copies[1]->revision > 1)
    findings.doubt(copy_name(1), "is " + std::to_string(copies[0]->revision - copies[1]->revision) +
                                     " revisions old: as many crashes during opening leave that, or a "
                                     "write that went elsewhere");
  return best;
}

Result<void> check_gaps(device::Reader& device, Findings& findings) {
  for (const uint64_t offset : block::kSuperblockOffsets) {
    Buffer gap(64 * kKiB - kPageBytes);
    VARVE_CHECK(device.read(offset + kPageBytes, gap));
    if (!all_zero(gap))
      findings.note("superblocks", "bytes that nobody uses, behind offset " +
                                       std::to_string(offset + kPageBytes) + ", are not zero");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Image>> Image::load(device::Reader& device, Findings& findings) {
  VARVE_TRY(const Superblock superblock, choose_superblock(device, findings));
  VARVE_CHECK(check_gaps(device, findings));
  std::unique_ptr<Image> image(new Image(device, superblock));
  for (const uint64_t offset : block::kSuperblockOffsets)
    image->add_region("superblock", offset, kPageBytes);
  image->must_reach_ = superblock.must_reach;
  if (superblock.geometry.log_bytes == 0)
    return Error(Code::kNotSupported, "device " + device.name() +
                                          ": the volume was made on a memory device; those do not "
                                          "outlive their server");
  VARVE_CHECK(image->load_journal(findings));
  VARVE_CHECK(image->load_pages(findings));
  VARVE_CHECK(image->replay(findings));
  return image;
}

void Image::add_region(const char* name, uint64_t offset, uint64_t length) {
  if (!regions_.empty() && regions_.back().name == name &&
      regions_.back().offset + regions_.back().length == offset)
    regions_.back().length += length;
  else
    regions_.push_back({name, offset, length});
}

// --- the checkpoint

// A batch is in the journal before the first of its images is in place, and in place before the superblock
// says must_reach. So after an orderly close the journal is intact, and so is what it covers.
Result<void> Image::load_journal(Findings& findings) {
  const block::Geometry& geometry = superblock_.geometry;
  const uint64_t at = geometry.journal_offset;
  Buffer bytes(kPageBytes);
  VARVE_CHECK(device_.read(at, bytes));
  if (all_zero(bytes)) {
    if (superblock_.must_reach != 0)
      findings.damage("checkpoint journal", "is empty, though there have been checkpoints");
    return {};
  }
  block::JournalHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  const auto not_intact = [&](const char* what) {
    if (superblock_.clean)
      findings.damage("checkpoint journal", std::string(what) + ", though the volume was closed");
    else
      findings.doubt("checkpoint journal",
                     std::string(what) + ": power failed as it was written, or it is damaged");
  };
  if (header.magic != block::kJournalMagic || header.volume != superblock_.volume ||
      header.count > block::kJournalImagesMax) {
    // Its first block is old or new, both of them headers.
    findings.damage("checkpoint journal", "its header is damaged");
    return {};
  }
  bytes.resize((1 + header.count) * kPageBytes);
  VARVE_CHECK(device_.read(at, bytes));
  add_region("journal", at, bytes.size());
  std::memset(bytes.data() + offsetof(block::JournalHeader, crc), 0, sizeof header.crc);
  if (crc32c(bytes) != header.crc) {
    not_intact("its checksum does not match");
    return {};
  }
  must_reach_ = std::max(must_reach_, header.must_reach);
  const bool in_place = header.must_reach <= superblock_.must_reach;
  Buffer there(kPageBytes);
  for (uint32_t i = 0; i < header.count; ++i) {
    const uint64_t offset = header.offsets[i];
    const bool in_tables =
        offset >= geometry.directory_offset &&
        offset < geometry.table_offset + geometry.table_blocks * kPageBytes;
    const bool in_arena = offset >= geometry.arena_offset &&
                          offset < geometry.arena_offset + geometry.arena_bytes;
    if (offset % kPageBytes != 0 || (!in_tables && !in_arena)) {
      findings.damage("checkpoint journal",
                      "image " + std::to_string(i) + " belongs outside of the heap's pages");
      continue;
    }
    const ByteView image = ByteView(bytes).subspan((1 + uint64_t{i}) * kPageBytes, kPageBytes);
    VARVE_CHECK(device_.read(offset, there));
    if (in_place && std::memcmp(there.data(), image.data(), kPageBytes) != 0)
      findings.damage("block at device offset " + std::to_string(offset),
                      "differs from its image in the journal; opening writes it again");
    journal_.emplace(offset, Buffer(image.begin(), image.end()));
  }
  return {};
}

Result<void> Image::read_block(uint64_t offset, MutableByteView into) const {
  const auto found = journal_.find(offset);
  if (found == journal_.end()) return device_.read(offset, into);
  std::memcpy(into.data(), found->second.data(), kPageBytes);
  return {};
}

Result<void> Image::load_pages(Findings& findings) {
  const block::Geometry& geometry = superblock_.geometry;
  Buffer bytes(kPageBytes), entries(kPageBytes);
  for (uint64_t i = 0; i < geometry.directory_blocks; ++i) {
    const uint64_t offset = geometry.directory_offset + i * kPageBytes;
    VARVE_CHECK(read_block(offset, bytes));
    if (all_zero(bytes)) {
      // Block 0 holds the heap's header: it is written with the first checkpoint.
      if (i == 0 && superblock_.must_reach != 0)
        findings.damage("page directory block 0", "is empty, though there have been checkpoints");
      continue;
    }
    add_region("directory", offset, kPageBytes);
    block::DirectoryBlock block;
    std::memcpy(&block, bytes.data(), sizeof block);
    const uint32_t crc = std::exchange(block.crc, 0);
    if (block.magic != block::kDirectoryMagic || block.index != i || crc32c(bytes_of(block)) != crc)
      findings.damage("page directory block " + std::to_string(i), "its checksum does not match");
    for (uint64_t k = 0; k < block::kDirectoryEntries; ++k) {
      const uint64_t table_block = i * block::kDirectoryEntries + k;
      if (block.table_crcs[k] == 0 || table_block >= geometry.table_blocks) continue;
      const uint64_t table_offset = geometry.table_offset + table_block * kPageBytes;
      VARVE_CHECK(read_block(table_offset, entries));
      add_region("table", table_offset, kPageBytes);
      if (image_crc(entries) != block.table_crcs[k])
        findings.damage("page table block " + std::to_string(table_block),
                        "its checksum does not match");
      VARVE_CHECK(load_table(table_block, entries, findings));
    }
  }
  return {};
}

Result<void> Image::load_table(uint64_t table_block, ByteView entries, Findings& findings) {
  uint32_t crcs[block::kTableEntries];
  static_assert(sizeof crcs == kPageBytes);
  std::memcpy(crcs, entries.data(), sizeof crcs);
  const uint64_t base = table_block * block::kTableEntries;
  const uint64_t pages = superblock_.geometry.arena_bytes / kPageBytes;
  const uint64_t limit = std::min(block::kTableEntries, pages - std::min(pages, base));
  for (uint64_t first = 0; first < limit;) {
    if (crcs[first] == 0) {
      ++first;
      continue;
    }
    uint64_t end = first + 1;
    while (end < limit && crcs[end] != 0 && end - first < kReadBytes / kPageBytes) ++end;
    VARVE_CHECK(load_run(base + first, end - first, crcs + first, findings));
    first = end;
  }
  return {};
}

Result<void> Image::load_run(uint64_t first, uint64_t count, const uint32_t* crcs,
                             Findings& findings) {
  const uint64_t offset = superblock_.geometry.arena_offset + first * kPageBytes;
  const MutableByteView into = heap_.writable(first * kPageBytes, count * kPageBytes);
  VARVE_CHECK(device_.read(offset, into));
  add_region("page", offset, into.size());
  for (auto at = journal_.lower_bound(offset);
       at != journal_.end() && at->first < offset + into.size(); ++at)
    std::memcpy(into.data() + (at->first - offset), at->second.data(), kPageBytes);
  for (uint64_t i = 0; i < count; ++i)
    if (image_crc(into.subspan(i * kPageBytes, kPageBytes)) != crcs[i])
      findings.damage("heap page " + std::to_string(first + i) + " at device offset " +
                          std::to_string(offset + i * kPageBytes),
                      "its checksum does not match");
  return {};
}

// --- the log

Result<void> Image::replay(Findings& findings) {
  const auto visit = [this](const block::GroupHeader&, ByteView group) {
    return block::visit_entries(group,
                                [this](const block::LogEntry& entry) { return apply(entry); });
  };
  VARVE_TRY(log_, scan_log(device_, superblock_, must_reach_, findings, visit));
  for (const block::Extent& range : log_.ranges) add_region("log", range.offset, range.length);
  return {};
}

bool Image::in_data_area(const block::Extent& extent) const {
  const block::Geometry& geometry = superblock_.geometry;
  return extent.offset % kPageBytes == 0 && extent.length % kPageBytes == 0 &&
         extent.length > 0 && extent.offset >= geometry.data_offset &&
         extent.length <= geometry.data_bytes &&
         extent.offset - geometry.data_offset <= geometry.data_bytes - extent.length;
}

Result<void> Image::apply(const block::LogEntry& entry) {
  if (entry.kind == block::LogEntry::kHeap) {
    if (entry.length == 0 || !heap_.bytes(entry.offset, entry.length))
      return Error(Code::kBadFormat, "a record leaves the heap");
    std::memcpy(heap_.writable(entry.offset, entry.length).data(), entry.bytes.data(),
                entry.length);
    return {};
  }
  if (!in_data_area({entry.offset, entry.length}))
    return Error(Code::kBadFormat, "a record leaves the data area");
  for (uint64_t done = 0; done < entry.length; done += kPageBytes) {
    if (entry.kind == block::LogEntry::kReleased) {
      logged_data_.erase(entry.offset + done);
      continue;
    }
    const ByteView block = entry.bytes.subspan(done, kPageBytes);
    logged_data_.insert_or_assign(entry.offset + done, Buffer(block.begin(), block.end()));
  }
  return {};
}

Result<void> Image::read_data(uint64_t offset, MutableByteView into) const {
  const uint64_t first = round_down(offset, kPageBytes);
  const uint64_t end = round_up(offset + into.size(), kPageBytes);
  if (into.empty()) return {};
  if (offset + into.size() < offset || !in_data_area({first, end - first}))
    return Error(Code::kBadFormat, "offset " + std::to_string(offset) + " is not in the data area");
  VARVE_CHECK(device_.read(offset, into));
  for (auto at = logged_data_.lower_bound(first); at != logged_data_.end() && at->first < end;
       ++at) {
    const uint64_t from = std::max(offset, at->first);
    const uint64_t to = std::min(offset + into.size(), at->first + kPageBytes);
    std::memcpy(into.data() + (from - offset), at->second.data() + (from - at->first), to - from);
  }
  return {};
}

Result<uint64_t> generation_of(device::Reader& device) {
  Findings ignored;
  VARVE_TRY(const Superblock superblock, choose_superblock(device, ignored));
  Buffer bytes(kPageBytes);
  VARVE_CHECK(device.read(superblock.geometry.journal_offset, bytes));
  return superblock.revision ^ hash64(bytes);
}

}  // namespace varve::inspect
