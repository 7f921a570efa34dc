#include "block/volume.h"

#include <cstring>

#include "block/heap_volume.h"
#include "block/layout.h"

namespace varve::block {
namespace {

// Both copies as they lie on the device.
struct SuperblockImages {
  std::array<device::AlignedBuffer, 2> blocks;
};

Task<Result<SuperblockImages>> read_superblocks(device::Device& device) {
  SuperblockImages images;
  if (device.size_bytes() < kSuperblockAreaBytes)
    co_return Error(Code::kNoSpace, "device " + device.name() + ": with " +
                                        std::to_string(device.size_bytes()) +
                                        " bytes it is too small for a volume");
  for (size_t i = 0; i < images.blocks.size(); ++i) {
    images.blocks[i] = device::AlignedBuffer(kPageBytes);
    VARVE_CO_CHECK(co_await device.read(kSuperblockOffsets[i], images.blocks[i].view()));
  }
  co_return std::move(images);
}

bool has_magic(const device::AlignedBuffer& block) {
  uint64_t magic;
  std::memcpy(&magic, block.data(), sizeof magic);
  return magic == kSuperblockMagic;
}

// The newest intact copy. Errors: kNonexistent (neither is there), else what is wrong with the first.
Result<Superblock> choose_superblock(const SuperblockImages& images, const device::Device& device) {
  Result<Superblock> best = Error(Code::kNonexistent);
  for (size_t i = 0; i < images.blocks.size(); ++i) {
    Result<Superblock> copy =
        parse_superblock(images.blocks[i].view(), device.size_bytes(),
                         "device " + device.name() + ", superblock " + std::to_string(i + 1));
    const bool better = copy.ok() ? !best.ok() || copy->revision > best->revision
                                  : !best.ok() && best.code() == Code::kNonexistent;
    if (better) best = std::move(copy);
  }
  return best;
}

// Zeroes what a fresh volume expects to read as zero.
Task<Result<void>> clear(device::Device& device, uint64_t offset, uint64_t length) {
  constexpr uint64_t kPieceBytes = 1 * kMiB;
  const device::AlignedBuffer zeros(kPieceBytes);
  std::memset(zeros.data(), 0, kPieceBytes);
  for (uint64_t done = 0; done < length; done += kPieceBytes) {
    const ByteView piece = zeros.view(std::min(kPieceBytes, length - done));
    VARVE_CO_CHECK(co_await device.write(offset + done, Gather(&piece, 1)));
  }
  co_return {};
}

Result<void> refuse_format(const Result<Superblock>& found, const device::Device& device,
                           const Identity& identity) {
  const std::string prefix = "device " + device.name() + ": ";
  if (!found.ok())
    return Error(Code::kAlready, prefix + "carries a superblock that cannot be read (" +
                                     std::string(found.error().text()) +
                                     "); format with force if its data may go");
  if (found->system != identity.system)
    return Error(Code::kIdMismatch, prefix + "belongs to system " + found->system.to_string() +
                                        ", not to " + identity.system.to_string() +
                                        "; format with force if its data may go");
  return Error(Code::kAlready, prefix + "is formatted already, as target " +
                                   std::to_string(found->target) + " of this system");
}

Task<Result<void>> write_format(device::Device& device, Superblock block) {
  const Geometry& geometry = block.geometry;
  // Neither copy of an older superblock may speak while the rest is in pieces.
  VARVE_CO_CHECK(co_await clear(device, 0, kSuperblockAreaBytes));
  VARVE_CO_CHECK(co_await device.flush());
  if (geometry.log_bytes == 0) {
    VARVE_CO_CHECK(co_await device.discard(geometry.arena_offset, geometry.arena_bytes));
  } else {
    VARVE_CO_CHECK(co_await clear(device, geometry.journal_offset,
                                  (1 + kJournalImagesMax) * kPageBytes));
    VARVE_CO_CHECK(co_await clear(device, geometry.log_offset, geometry.log_bytes));
    VARVE_CO_CHECK(co_await clear(device, geometry.directory_offset,
                                  geometry.directory_blocks * kPageBytes));
    VARVE_CO_CHECK(co_await device.flush());
  }
  seal_superblock(block);
  device::AlignedBuffer buffer(kPageBytes);
  std::memcpy(buffer.data(), &block, sizeof block);
  const ByteView view = buffer.view();
  for (const uint64_t offset : kSuperblockOffsets)
    VARVE_CO_CHECK(co_await device.write_durable(offset, Gather(&view, 1)));
  co_return {};
}

}  // namespace

Task<Result<bool>> Volume::is_formatted(device::Device& device) {
  VARVE_CO_TRY(SuperblockImages images, co_await read_superblocks(device));
  co_return has_magic(images.blocks[0]) || has_magic(images.blocks[1]);
}

Task<Result<void>> Volume::format(device::Device& device, const FormatOptions& given,
                                  bool overwrite) {
  const FormatOptions options = given;
  VARVE_CO_TRY(SuperblockImages images, co_await read_superblocks(device));
  if (!overwrite && (has_magic(images.blocks[0]) || has_magic(images.blocks[1])))
    VARVE_CO_CHECK(refuse_format(choose_superblock(images, device), device, options.identity));
  Superblock block{};
  VARVE_CO_TRY(block.geometry, plan_geometry(device, options));
  block.magic = kSuperblockMagic;
  block.version = kFormatVersion;
  block.system = options.identity.system;
  block.target = options.identity.target;
  Random& random = Executor::current()->random();
  const uint64_t high = random.next();
  block.volume = Uuid::from_random(high, random.next());
  block.clean = 1;
  block.revision = 1;
  co_return co_await write_format(device, block);
}

Task<Result<std::unique_ptr<Volume>>> Volume::open(Executor& executor, device::Device& device,
                                                   const Identity& given,
                                                   const CheckpointPolicy& given_policy) {
  const Identity identity = given;
  const CheckpointPolicy policy = given_policy;
  VARVE_CO_TRY(SuperblockImages images, co_await read_superblocks(device));
  Result<Superblock> found = choose_superblock(images, device);
  if (!found.ok() && found.code() == Code::kNonexistent)
    co_return Error(Code::kBadFormat, "device " + device.name() +
                                          ": no superblock is there; it was never formatted, or "
                                          "both copies are damaged");
  if (!found.ok()) co_return std::move(found.error());
  if (found->system != identity.system || found->target != identity.target)
    co_return Error(Code::kIdMismatch,
                    "device " + device.name() + ": belongs to target " +
                        std::to_string(found->target) + " of system " + found->system.to_string() +
                        ", not to target " + std::to_string(identity.target) + " of system " +
                        identity.system.to_string() + "; give the path of the right device");
  if ((found->geometry.log_bytes != 0) != device.persistent())
    co_return Error(Code::kBadFormat, "device " + device.name() +
                                          ": the volume was made for another kind of device");
  auto volume = std::make_unique<HeapVolume>(executor, device, *found, policy);
  Result<void> recovered = co_await volume->recover();
  if (!recovered.ok())
    co_return std::move(recovered.error()).with("device " + device.name());
  co_return std::unique_ptr<Volume>(std::move(volume));
}

}  // namespace varve::block
