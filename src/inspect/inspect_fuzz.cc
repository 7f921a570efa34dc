// The inspector over a sound image with hostile changes, whose page and group checksums are made right again, so
// that what lies below them is reached: it ends, says what it finds, and never believes.
#include <cstring>

#include "base/checksum.h"
#include "block/page_store.h"
#include "inspect/path.h"
#include "inspect/verify.h"
#include "simulation/store_images.h"

namespace varve::inspect {
namespace {

using block::kPageBytes;

struct Base {
  Base() {
    simulation::StoreImageOptions options;
    options.disk_bytes = 16 * kMiB;
    options.log_bytes = 1 * kMiB;
    options.heap_bytes = 4 * kMiB;
    options.keys = 60;
    options.closed = false;
    sound = simulation::flatten(simulation::make_store_image(options));
    bytes = sound;
    Findings none;
    const auto device = device::read_memory("image", sound);
    const auto image = *Image::load(*device, none);
    geometry = image->geometry();
    regions = image->regions();
    for (const Region& region : regions) total += region.length;
  }
  Buffer sound, bytes;
  block::Geometry geometry{};
  std::vector<Region> regions;
  uint64_t total = 0;
};

class Mutation {
 public:
  explicit Mutation(Base& base) : base_(base) {}
  ~Mutation() {
    for (const uint64_t block : touched_) restore(block);
    restore_range(base_.geometry.directory_offset,
                  base_.geometry.arena_offset - base_.geometry.directory_offset);
  }

  // Three bytes say where among what matters, one how much, the rest what.
  void apply(ByteView input) {
    while (input.size() >= 4) {
      const uint64_t place = (static_cast<uint64_t>(input[0]) | static_cast<uint64_t>(input[1]) << 8 |
                              static_cast<uint64_t>(input[2]) << 16) % base_.total;
      const uint64_t wanted = static_cast<uint64_t>(input[3]) % 16 + 1;
      const bool seal = static_cast<uint8_t>(input[3]) < 240;
      input = input.subspan(4);
      const ByteView change = input.first(std::min<uint64_t>(wanted, input.size()));
      input = input.subspan(change.size());
      if (!change.empty()) write(place, change, seal);
    }
  }

 private:
  void write(uint64_t place, ByteView change, bool seal) {
    size_t which = 0;
    while (place >= base_.regions[which].length) place -= base_.regions[which++].length;
    const Region& region = base_.regions[which];
    const uint64_t length = std::min<uint64_t>(change.size(), region.length - place);
    std::memcpy(base_.bytes.data() + region.offset + place, change.data(), length);
    const std::string name = region.name;
    const uint64_t first = (region.offset + place) / kPageBytes;
    const uint64_t last = (region.offset + place + length - 1) / kPageBytes;
    for (uint64_t block = first; block <= last; ++block) {
      touched_.push_back(block);
      if (!seal) continue;
      if (name == "page") seal_page(block - base_.geometry.arena_offset / kPageBytes);
      if (name == "superblock") {
        auto* superblock = reinterpret_cast<block::Superblock*>(base_.bytes.data() + block * kPageBytes);
        block::seal_superblock(*superblock);
      }
    }
    if (seal && name == "log") seal_group(region);
  }
  void seal_page(uint64_t page) {
    const auto& geometry = base_.geometry;
    auto* entries = reinterpret_cast<uint32_t*>(base_.bytes.data() + geometry.table_offset);
    entries[page] = std::max(1U, crc32c(view(geometry.arena_offset + page * kPageBytes, kPageBytes)));
    auto* directory =
        reinterpret_cast<block::DirectoryBlock*>(base_.bytes.data() + geometry.directory_offset);
    const uint64_t table = page / block::kTableEntries;
    directory->table_crcs[table] =
        std::max(1U, crc32c(view(geometry.table_offset + table * kPageBytes, kPageBytes)));
    directory->crc = 0;
    directory->crc = crc32c(bytes_of(*directory));
  }
  // The group at the region's start; later ones keep their damage.
  void seal_group(const Region& region) {
    block::GroupHeader header;
    std::memcpy(&header, base_.bytes.data() + region.offset, sizeof header);
    if (header.length < sizeof header || header.length > region.length) return;
    block::seal_group(MutableByteView(base_.bytes).subspan(region.offset, header.length));
    touched_.push_back(region.offset / kPageBytes);
  }
  ByteView view(uint64_t offset, uint64_t length) const {
    return ByteView(base_.bytes).subspan(offset, length);
  }
  void restore(uint64_t block) { restore_range(block * kPageBytes, kPageBytes); }
  void restore_range(uint64_t offset, uint64_t length) {
    std::memcpy(base_.bytes.data() + offset, base_.sound.data() + offset, length);
  }

  Base& base_;
  std::vector<uint64_t> touched_;
};

void fuzz(ByteView input) {
  static Base base;
  Mutation mutation(base);
  mutation.apply(input);
  const auto device = device::read_memory("fuzz", base.bytes);
  const auto verified = verify(*device, {true});
  VARVE_ASSERT(verified.ok() || verified.code() != Code::kIo, "memory can be read");
}

}  // namespace
}  // namespace varve::inspect

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  varve::inspect::fuzz({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
