// The format as released: images made by an earlier build are opened, read whole, inspected, and damaged.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "block/layout.h"
#include "block/page_store.h"
#include "inspect/verify.h"
#include "simulation/store_images.h"
#include "tests/golden/golden.h"

namespace varve::golden {
namespace {

using simulation::DiskImage;

std::string read_file(const std::string& name) {
  std::ifstream file(std::string(GOLDEN_FOLDER) + "/" + name, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name << " is not there: ./dev golden makes it";
  return text.str();
}

DiskImage load(const Golden& golden) {
  auto image = unpack(read_file(std::string(golden.name) + ".img.gz"));
  EXPECT_TRUE(image.ok()) << image.error().describe();
  return image.ok() ? *image : DiskImage(0);
}

TEST(Golden, IsReadWhole) {
  for (const Golden& golden : kGoldens) {
    const auto text = describe(load(golden));
    ASSERT_TRUE(text.ok()) << text.error().describe();
    EXPECT_TRUE(*text == read_file(std::string(golden.name) + ".txt"))
        << golden.name << ": something else is read than was written; if the format changed, so must its "
        << "version, and then ./dev golden";
  }
}

TEST(Golden, IsSound) {
  for (const Golden& golden : kGoldens) {
    const DiskImage image = load(golden);
    simulation::ImageReader device(image);
    const auto verified = inspect::verify(device, {true});
    ASSERT_TRUE(verified.ok()) << verified.error().describe();
    for (const inspect::Finding& finding : verified->findings.all())
      ADD_FAILURE() << golden.name << ": " << finding.where << ": " << finding.what;
    EXPECT_GT(verified->checksums, 300u);
  }
}

// One kind of damage each, what opening says of it, and what the inspector says.
struct Damage {
  const char* what;
  bool closed;
  std::function<void(DiskImage& image, const block::Geometry& geometry)> make;
  Code opening;         // kOk: it opens all the same
  const char* says;     // opening
  const char* finding;  // the inspector, in place or text
};

void clear(DiskImage& image, uint64_t offset) {
  image.set(offset / device::kBlockBytes, std::make_shared<DiskImage::Block>());
}
void flip(DiskImage& image, uint64_t offset) {
  image.flip_bit(offset / device::kBlockBytes, static_cast<uint32_t>(offset % device::kBlockBytes * 8));
}

const Damage kDamages[] = {
    {"a superblock", true, [](auto& image, auto&) { flip(image, 1000); }, Code::kOk, "", "superblock 1"},
    {"both superblocks", true,
     [](auto& image, auto&) {
       flip(image, 1000);
       flip(image, block::kSuperblockOffsets[1] + 1000);
     },
     Code::kBadFormat, "checksum does not match", ""},
    {"a later version", true,
     [](auto& image, auto&) {
       for (const uint64_t offset : block::kSuperblockOffsets) {
         auto block = std::make_shared<DiskImage::Block>(*image.find(offset / device::kBlockBytes));
         auto* superblock = reinterpret_cast<block::Superblock*>(block->data());
         superblock->version += 1;
         block::seal_superblock(*superblock);
         image.set(offset / device::kBlockBytes, block);
       }
     },
     Code::kIncompatible, "format version", ""},
    {"half the device", true, [](auto& image, auto&) { image.resize(image.size_bytes() / 2); },
     Code::kBadFormat, "truncated", ""},
    {"a heap page", true,
     [](auto& image, auto& geometry) {
       clear(image, geometry.journal_offset);
       flip(image, geometry.arena_offset + block::Volume::kRoot + 8);
     },
     Code::kBadFormat, "heap page 1", "heap page 1"},
    {"a heap page of which the journal has an image", true,
     [](auto& image, auto& geometry) {
       block::JournalHeader journal;
       std::memcpy(&journal, image.find(geometry.journal_offset / device::kBlockBytes)->data(), sizeof journal);
       flip(image, journal.offsets[0] + 8);
     },
     Code::kOk, "", "image in the journal"},
    {"the page table", true,
     [](auto& image, auto& geometry) {
       clear(image, geometry.journal_offset);
       flip(image, geometry.table_offset + 8);
     },
     Code::kBadFormat, "page table block 0", "page table block 0"},
    {"the page directory", true,
     [](auto& image, auto& geometry) {
       clear(image, geometry.journal_offset);
       flip(image, geometry.directory_offset + 100);
     },
     Code::kBadFormat, "page directory block 0", "page directory block 0"},
    {"an acknowledged group of the log", false,
     [](auto& image, auto& geometry) {
       inspect::Findings ignored;
       simulation::ImageReader device(image);
       const auto loaded = *inspect::Image::load(device, ignored);
       flip(image, loaded->log().ranges.front().offset + 100);
       (void)geometry;
     },
     Code::kBadFormat, "log: group", "log group"},
};

TEST(Golden, DamageHasItsName) {
  for (const Damage& damage : kDamages) {
    SCOPED_TRACE(damage.what);
    DiskImage image = load(kGoldens[damage.closed ? 0 : 1]);
    block::Superblock superblock;
    ASSERT_TRUE(image.find(0));
    std::memcpy(&superblock, image.find(0)->data(), sizeof superblock);
    damage.make(image, superblock.geometry);
    const auto opened = describe(image);
    ASSERT_EQ(opened.code(), damage.opening) << (opened.ok() ? "" : opened.error().describe());
    if (!opened.ok())
      EXPECT_NE(opened.error().text().find(damage.says), std::string::npos) << opened.error().text();
    simulation::ImageReader device(image);
    const auto verified = inspect::verify(device, {});
    EXPECT_EQ(verified.ok(), *damage.finding != 0);
    if (!verified.ok()) {
      EXPECT_EQ(verified.code(), damage.opening);
      continue;
    }
    bool found = false;
    for (const inspect::Finding& finding : verified->findings.all())
      found |= finding.severity == inspect::Severity::kDamage &&
               (finding.where + ": " + finding.what).find(damage.finding) != std::string::npos;
    EXPECT_TRUE(found);
  }
}

}  // namespace
}  // namespace varve::golden
