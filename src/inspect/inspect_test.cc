// What the inspector says of sound images, and of damaged ones.
#include <gtest/gtest.h>

#include <cstdio>

#include "base/checksum.h"
#include "block/page_store.h"
#include "inspect/verify.h"
#include "runtime/clock.h"
#include "simulation/seeds.h"
#include "simulation/store_images.h"

namespace varve::inspect {
namespace {

using block::kPageBytes;
using simulation::StoreImageOptions;

Buffer image_of(bool closed, uint64_t keys = 3000) {
  StoreImageOptions options;
  options.closed = closed;
  options.keys = keys;
  return simulation::flatten(simulation::make_store_image(options));
}

Result<Verified> verify_bytes(ByteView bytes) {
  const auto device = device::read_memory("image", bytes);
  return verify(*device, {true});
}

std::string worst(const Findings& findings) {
  std::string text;
  for (const Finding& finding : findings.all())
    if (finding.severity != Severity::kNote && text.size() < 2000)
      text += finding.where + ": " + finding.what + "\n";
  return text;
}

TEST(Inspect, SoundImagesAreSound) {
  for (const bool closed : {true, false}) {
    const Buffer bytes = image_of(closed);
    const auto verified = verify_bytes(bytes);
    ASSERT_TRUE(verified.ok()) << verified.error().describe();
    EXPECT_TRUE(verified->findings.clean()) << worst(verified->findings);
    EXPECT_EQ(verified->pools, 2u);
    EXPECT_EQ(verified->containers, 2u);
    EXPECT_GT(verified->dkeys, 3000u);
    EXPECT_GT(verified->versions, 3500u);
    EXPECT_GT(verified->extents, 60u);
    EXPECT_GT(verified->checksums, 3500u);
    EXPECT_GT(verified->data_bytes, 100'000u);
    EXPECT_EQ(verified->log.groups > 0, !closed);
  }
}

TEST(Inspect, WhatIsNoVolumeIsRefused) {
  Buffer zeros(8 * kMiB);
  EXPECT_EQ(verify_bytes(zeros).code(), Code::kNonexistent);
  EXPECT_EQ(verify_bytes(ByteView(zeros).first(5000)).code(), Code::kNonexistent);
  Buffer bytes = image_of(true, 10);
  bytes.resize(bytes.size() / 2);
  EXPECT_EQ(verify_bytes(bytes).code(), Code::kBadFormat);
}

TEST(Inspect, ValuesOnTheDeviceAreComparedIfAsked) {
  Buffer bytes = image_of(true, 10);
  Findings findings;
  auto device = device::read_memory("image", bytes);
  const uint64_t data_offset = (*Image::load(*device, findings))->geometry().data_offset;
  // Extents of the first values; blocks that nobody uses matter to nobody.
  for (uint64_t at = data_offset; at < data_offset + 64 * kPageBytes; at += kPageBytes)
    bytes[at + 7] ^= std::byte{1};
  const auto without = verify(*device, {false}), with = verify(*device, {true});
  EXPECT_TRUE(without->findings.clean());
  EXPECT_GT(with->findings.count(Severity::kDamage), 0u);
}

// Damage of all sizes at random places of what matters.
struct Damage {
  uint64_t offset, length;
  std::string kind;
};

Damage damage_somewhere(Random& random, Buffer& bytes, const std::vector<Region>& regions) {
  uint64_t total = 0;
  for (const Region& region : regions) total += region.length;
  uint64_t at = random.below(total);
  size_t which = 0;
  while (at >= regions[which].length) at -= regions[which++].length;
  const Region& region = regions[which];
  Damage damage{region.offset + at, 1, region.name};
  const uint64_t dice = random.below(4);
  if (dice == 0) {
    bytes[damage.offset] ^= std::byte{static_cast<uint8_t>(1u << random.below(8))};
    return damage;
  }
  if (dice == 1) damage.length = 1 + random.below(8);
  if (dice == 2) damage.length = 512;
  if (dice == 3) damage.length = kPageBytes;
  damage.offset = round_down(damage.offset, dice == 1 ? 1 : damage.length);
  damage.length = std::min(damage.length, region.offset + region.length - damage.offset);
  const bool zero = random.one_in(2);
  bool changed = false;
  for (uint64_t i = 0; i < damage.length; ++i) {
    const auto fresh = std::byte{static_cast<uint8_t>(zero ? 0 : random.next())};
    changed |= bytes[damage.offset + i] != fresh;
    bytes[damage.offset + i] = fresh;
  }
  if (!changed) bytes[damage.offset] ^= std::byte{1};
  return damage;
}

// What counts as metadata is what Image::regions() names: both superblocks; the journal's batch; the
// directory, the table and the pages that have images; the log's groups from the tail to its end. The rest
// of these areas (a used-up part of the log, journal blocks behind the batch, pages without an image) is
// never read as anything: damage there is none.
TEST(Inspect, RandomDamageIsFound) {
  uint64_t tried = 0, found = 0, doubted = 0, refused = 0;
  std::map<std::string, uint64_t> missed;
  for (const bool closed : {true, false}) {
    const Buffer sound = image_of(closed, 1000);
    Findings none;
    const auto device = device::read_memory("image", sound);
    const std::vector<Region> regions = (*Image::load(*device, none))->regions();
    Buffer bytes = sound;
    for (uint64_t seed = 0; seed < 1000; ++seed) {
      Random random(seed + 5000 * closed);
      const Damage damage = damage_somewhere(random, bytes, regions);
      const auto verified = verify_bytes(bytes);
      ++tried;
      if (!verified.ok())
        ++refused;
      else if (verified->findings.count(Severity::kDamage))
        ++found;
      else if (verified->findings.count(Severity::kDoubt))
        ++doubted;
      else
        ++missed[damage.kind + " at " + std::to_string(damage.offset) + "+" + std::to_string(damage.length)];
      std::memcpy(bytes.data() + damage.offset, sound.data() + damage.offset, damage.length);
    }
  }
  const double share = static_cast<double>(found + doubted + refused) / static_cast<double>(tried);
  std::printf("damage: %llu tried, %llu found, %llu refused, %llu doubted: %.2f %% found\n",
              static_cast<unsigned long long>(tried), static_cast<unsigned long long>(found),
              static_cast<unsigned long long>(refused), static_cast<unsigned long long>(doubted),
              share * 100);
  for (const auto& [kind, count] : missed)
    std::printf("  missed in %s: %llu\n", kind.c_str(), static_cast<unsigned long long>(count));
  EXPECT_GE(share, 0.99);
}

// Damage that has right checksums: memory that went bad before a checkpoint, or an error of the program.
// Here only the structure can tell.
void seal_pages(Buffer& bytes, const block::Geometry& geometry, uint64_t page) {
  auto* entries = reinterpret_cast<uint32_t*>(bytes.data() + geometry.table_offset);
  entries[page] = std::max(
      crc32c(ByteView(bytes).subspan(geometry.arena_offset + page * kPageBytes, kPageBytes)), 1U);
  auto* directory = reinterpret_cast<block::DirectoryBlock*>(bytes.data() + geometry.directory_offset);
  const uint64_t table_block = page / block::kTableEntries;
  directory->table_crcs[table_block] = std::max(
      crc32c(ByteView(bytes).subspan(geometry.table_offset + table_block * kPageBytes, kPageBytes)),
      1U);
  directory->crc = 0;
  directory->crc = crc32c(bytes_of(*directory));
}

TEST(Inspect, DamageBelowChecksumsNeverCrashes) {
  Buffer sound = image_of(true, 1000);
  Findings none;
  const auto device = device::read_memory("image", sound);
  const auto image = *Image::load(*device, none);
  const block::Geometry geometry = image->geometry();
  // Without a journal, whose images would be taken instead.
  auto* superblock = reinterpret_cast<block::Superblock*>(sound.data());
  superblock->must_reach = 0;
  block::seal_superblock(*superblock);
  std::memcpy(sound.data() + block::kSuperblockOffsets[1], superblock, sizeof *superblock);
  std::memset(sound.data() + geometry.journal_offset, 0, kPageBytes);
  std::vector<Region> pages;
  for (const Region& region : image->regions())
    if (region.name == std::string("page")) pages.push_back(region);
  Buffer bytes = sound;
  uint64_t found = 0;
  const uint64_t tries = 1000;
  const uint64_t tables = geometry.arena_offset - geometry.directory_offset;
  for (uint64_t seed = 0; seed < tries; ++seed) {
    Random random(seed);
    const Damage damage = damage_somewhere(random, bytes, pages);
    for (uint64_t at = round_down(damage.offset, kPageBytes); at < damage.offset + damage.length;
         at += kPageBytes)
      seal_pages(bytes, geometry, (at - geometry.arena_offset) / kPageBytes);
    const auto verified = verify_bytes(bytes);
    ASSERT_TRUE(verified.ok());
    found += verified->findings.count(Severity::kDamage) > 0;
    std::memcpy(bytes.data() + damage.offset, sound.data() + damage.offset, damage.length);
    std::memcpy(bytes.data() + geometry.directory_offset, sound.data() + geometry.directory_offset,
                tables);
  }
  std::printf("damage with right checksums: %llu of %llu found\n",
              static_cast<unsigned long long>(found), static_cast<unsigned long long>(tries));
  EXPECT_GT(found, tries / 2);
}

}  // namespace
}  // namespace varve::inspect
