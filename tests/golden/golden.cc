#include "tests/golden/golden.h"

#include <isa-l/igzip_lib.h>

#include <cstring>
#include <map>

#include "base/checksum.h"
#include "block/volume.h"
#include "simulation/store_images.h"
#include "simulation/virtual_clock.h"
#include "store/store.h"

namespace varve::golden {
namespace {

using namespace store;
using simulation::DiskImage;

constexpr uint64_t kUnpackedBytesMax = 64 * kMiB;
constexpr uint64_t kCopy = uint64_t{1} << 63;

void append(std::string& to, const void* from, size_t bytes) {
  to.append(static_cast<const char*>(from), bytes);
}

class Reading {
 public:
  explicit Reading(const DiskImage& image)
      : executor_(std::make_unique<Executor>(clock_, 1)), disk_(*executor_, image, 1) {}
  ~Reading() {
    executor_.reset();
    store_.reset();
    volume_.reset();
  }

  Result<std::string> all() {
    VARVE_TRY(volume_, await(block::Volume::open(*executor_, disk_, {})));
    VARVE_TRY(store_, Store::open(*volume_));
    for (const Uuid& pool : store_->pools()) {
      VARVE_TRY(const PoolSpace space, store_->space(pool));
      line("pool " + pool.to_string() + " used " + std::to_string(space.used) + " of " +
           std::to_string(space.reserved));
      for (const Uuid& container : store_->containers(pool)) {
        line("container " + container.to_string());
        const uint64_t newest = store_->newest_epoch().value;
        VARVE_CHECK(read(*store_->find(pool, container), Epoch{newest}));
        // Of the past a checksum will do.
        for (const uint64_t back : {uint64_t{20}, uint64_t{40}}) {
          std::string now;
          now.swap(text_);
          VARVE_CHECK(read(*store_->find(pool, container), Epoch{newest - back}));
          now.swap(text_);
          line("epoch " + std::to_string(newest - back) + ": " + hex(bytes_of(crc32c(as_bytes(now)))));
        }
      }
    }
    return std::move(text_);
  }

 private:
  template <class T>
  T await(Task<T> task) {
    std::optional<T> result;
    executor_->spawn(executor_detail::store_result(std::move(task), result));
    VARVE_ASSERT(run_until(*executor_, clock_, [&] { return result.has_value(); }), "it ends");
    return std::move(*result);
  }
  void line(const std::string& words) { text_ += words + "\n"; }
  static std::string hex(ByteView bytes) {
    std::string text;
    char two[4];
    for (const std::byte byte : bytes) {
      std::snprintf(two, sizeof two, "%02x", static_cast<unsigned>(byte));
      text += two;
    }
    return text;
  }

  Result<void> read(Container& container, Epoch epoch) {
    line("epoch " + std::to_string(epoch.value));
    for (Anchor objects; !objects.end;) {
      VARVE_TRY(const auto found, store_->list_objects(container, epoch, objects, 100));
      for (const ObjectId oid : found) {
        line(" object " + oid.to_string());
        for (Anchor dkeys; !dkeys.end;) {
          VARVE_TRY(const auto page, store_->list_dkeys(container, oid, epoch, dkeys, 100));
          for (const ListedKey& dkey : page) VARVE_CHECK(read_dkey(container, oid, epoch, dkey.key));
        }
      }
    }
    return {};
  }

  Result<void> read_dkey(Container& container, ObjectId oid, Epoch epoch, ByteView dkey) {
    line("  " + hex(dkey));
    for (Anchor anchor; !anchor.end;) {
      VARVE_TRY(const auto page, store_->list_akeys(container, oid, dkey, epoch, anchor, 100));
      for (const ListedKey& akey : page) {
        std::vector<std::pair<uint64_t, uint64_t>> ranges;
        if (akey.kind == ValueKind::kArray) {
          for (Anchor at; !at.end;) {
            VARVE_TRY(const auto some,
                      store_->list_ranges(container, oid, dkey, akey.key, epoch, at, 100));
            for (const ListedRange& range : some) ranges.push_back({range.index, range.count});
          }
        }
        VARVE_CHECK(read_akey(container, oid, epoch, dkey, akey, ranges));
      }
    }
    return {};
  }

  Result<void> read_akey(Container& container, ObjectId oid, Epoch epoch, ByteView dkey,
                         const ListedKey& akey,
                         const std::vector<std::pair<uint64_t, uint64_t>>& ranges) {
    AkeyFetch one;
    one.akey = akey.key;
    one.kind = akey.kind;
    one.ranges = ranges;
    Fetch fetch;
    fetch.oid = oid;
    fetch.epoch = epoch;
    fetch.dkey = dkey;
    fetch.akeys = {&one, 1};
    VARVE_CHECK(store_->fetch(container, fetch));
    uint64_t bytes = 0;
    uint32_t checksum = 0;
    for (const FoundPiece& piece : one.pieces) {
      bytes += piece.length;
      if (piece.kind == FoundPiece::Kind::kInline) checksum = crc32c(piece.bytes, checksum);
      if (piece.kind != FoundPiece::Kind::kExtent) continue;
      device::AlignedBuffer run(round_up(piece.run_length, device::kBlockBytes));
      VARVE_CHECK(await(volume_->read(piece.run_offset, run.view())));
      checksum = crc32c(run.view().subspan(piece.skip, piece.length), checksum);
    }
    std::string words = "   " + hex(akey.key) + " " + std::to_string(bytes) + " " +
                        hex(bytes_of(checksum));
    for (const auto& [index, count] : ranges)
      words += " " + std::to_string(index) + "+" + std::to_string(count);
    line(words);
    return {};
  }

  simulation::VirtualClock clock_;
  std::unique_ptr<Executor> executor_;
  simulation::Disk disk_;
  std::unique_ptr<block::Volume> volume_;
  std::unique_ptr<Store> store_;
  std::string text_;
};

}  // namespace

std::string pack(const DiskImage& image) {
  std::string plain;
  const uint64_t size_bytes = image.size_bytes();
  append(plain, &size_bytes, sizeof size_bytes);
  std::map<DiskImage::Block, uint64_t> seen;
  for (const auto& [block, contents] : image.blocks()) {
    const DiskImage::Block zero{};
    if (*contents == zero) continue;
    const auto [first, fresh] = seen.emplace(*contents, block);
    const uint64_t number = fresh ? block : block | kCopy;
    append(plain, &number, sizeof number);
    if (fresh)
      append(plain, contents->data(), contents->size());
    else
      append(plain, &first->second, sizeof first->second);
  }
  std::string packed(plain.size() + 4096, '\0');
  isal_zstream stream;
  isal_deflate_stateless_init(&stream);
  std::vector<uint8_t> level_memory(ISAL_DEF_LVL3_DEFAULT);
  stream.level = 3;
  stream.level_buf = level_memory.data();
  stream.level_buf_size = static_cast<uint32_t>(level_memory.size());
  stream.gzip_flag = IGZIP_GZIP;
  stream.end_of_stream = 1;
  stream.flush = NO_FLUSH;
  stream.next_in = reinterpret_cast<uint8_t*>(plain.data());
  stream.avail_in = static_cast<uint32_t>(plain.size());
  stream.next_out = reinterpret_cast<uint8_t*>(packed.data());
  stream.avail_out = static_cast<uint32_t>(packed.size());
  const int status = isal_deflate_stateless(&stream);
  VARVE_ASSERT(status == COMP_OK, "there is room for it");
  packed.resize(stream.total_out);
  return packed;
}

Result<DiskImage> unpack(std::string_view packed) {
  std::string plain(kUnpackedBytesMax, '\0');
  inflate_state state;
  isal_inflate_init(&state);
  state.crc_flag = IGZIP_GZIP;
  state.next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(packed.data()));
  state.avail_in = static_cast<uint32_t>(packed.size());
  state.next_out = reinterpret_cast<uint8_t*>(plain.data());
  state.avail_out = static_cast<uint32_t>(plain.size());
  if (isal_inflate_stateless(&state) != ISAL_DECOMP_OK)
    return Error(Code::kBadFormat, "a golden image is no gzip file, or is damaged");
  plain.resize(state.total_out);
  ByteView left = as_bytes(plain);
  const auto take = [&left](void* into, size_t bytes) {
    if (left.size() < bytes) return false;
    std::memcpy(into, left.data(), bytes);
    left = left.subspan(bytes);
    return true;
  };
  uint64_t size_bytes = 0, number = 0, original = 0;
  const Error damaged(Code::kBadFormat, "a golden image does not decode");
  if (!take(&size_bytes, sizeof size_bytes)) return damaged;
  DiskImage image(size_bytes);
  while (take(&number, sizeof number)) {
    auto contents = std::make_shared<DiskImage::Block>();
    if (number & kCopy) {
      if (!take(&original, sizeof original) || !image.find(original)) return damaged;
      *contents = *image.find(original);
    } else if (!take(contents->data(), contents->size())) {
      return damaged;
    }
    number &= ~kCopy;
    if (number >= size_bytes / device::kBlockBytes) return damaged;
    image.set(number, std::move(contents));
  }
  if (!left.empty()) return damaged;
  return image;
}

Result<std::string> describe(const DiskImage& image) { return Reading(image).all(); }

DiskImage make(const Golden& golden) {
  simulation::StoreImageOptions options;
  options.disk_bytes = 16 * kMiB;
  options.log_bytes = 512 * kKiB;
  options.heap_bytes = 4 * kMiB;
  options.keys = 200;
  options.others = 24;
  options.closed = golden.closed;
  return simulation::make_store_image(options);
}

}  // namespace varve::golden
