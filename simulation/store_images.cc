#include "simulation/store_images.h"

#include <algorithm>
#include <cstring>

#include "base/checksum.h"
#include "block/volume.h"
#include "simulation/virtual_clock.h"
#include "store/store.h"

namespace varve::simulation {
namespace {

using namespace store;
using block::Volume;

constexpr uint64_t kLexical = uint64_t{7} << 56, kIntegerBoth = uint64_t{4} << 56;

class Maker {
 public:
  explicit Maker(const StoreImageOptions& options)
      : options_(options), executor_(std::make_unique<Executor>(clock_, options.seed)),
        disk_(*executor_, DiskImage(options.disk_bytes), options.seed) {}
  ~Maker() {
    executor_.reset();
    store_.reset();
    volume_.reset();
  }

  DiskImage make() {
    block::FormatOptions format;
    format.log_bytes = options_.log_bytes;
    format.heap_bytes_max = options_.heap_bytes;
    must(Volume::format(disk_, format));
    volume_ = must(Volume::open(*executor_, disk_, {}));
    store_ = *Store::open(*volume_);
    pool_ = Uuid::from_random(1, options_.seed);
    VARVE_ASSERT(store_->create_pool(pool_, 8 * kMiB).ok(), "it fits");
    VARVE_ASSERT(store_->create_pool(Uuid::from_random(2, options_.seed), kMiB).ok(), "it fits");
    container_ = make_container(3);
    Container* doomed = make_container(4);
    fill(container_, options_.keys);
    fill(doomed, options_.keys / 30);
    must(volume_->checkpoint());
    overwrite();
    VARVE_ASSERT(store_->destroy_container(pool_, Uuid::from_random(4, options_.seed)).ok(), "");
    store_->set_snapshots(*container_, {Epoch{epoch_ / 2}});
    for (int slice = 0; slice < 5; ++slice) {
      ready(4 * kSmallTransactionBytes);
      VARVE_ASSERT(store_->reclaim(Epoch{epoch_ - 50}, 30).ok(), "it goes on");
    }
    more();
    must(volume_->durable(volume_->last_committed()));
    if (options_.closed) must(volume_->close());
    return disk_.crash();
  }

 private:
  template <class T>
  std::conditional_t<std::is_void_v<T>, void, T> must(Task<Result<T>> task) {
    std::optional<Result<T>> result;
    executor_->spawn(executor_detail::store_result(std::move(task), result));
    VARVE_ASSERT(run_until(*executor_, clock_, [&] { return result.has_value(); }), "it ends");
    VARVE_ASSERT(result->ok(), "an image is made without faults");
    if constexpr (!std::is_void_v<T>) return std::move(**result);
  }
  void ready(uint64_t bytes) {
    if (!volume_->ready_for(bytes)) must(volume_->wait_ready(bytes));
  }

  Container* make_container(uint64_t number) {
    const Uuid uuid = Uuid::from_random(number, options_.seed);
    VARVE_ASSERT(store_->create_container(pool_, uuid).ok(), "it fits");
    return store_->find(pool_, uuid);
  }

  // Values of kInlineBytesBelow and more go into extents.
  Data data_of(ByteView bytes) {
    Data data;
    data.length = bytes.size();
    checksums_.push_back(checksum_run(Gather(&bytes, bytes.empty() ? 0 : 1)));
    data.checksums = checksums_.back();
    if (bytes.size() < kInlineBytesBelow) {
      data.bytes = bytes;
      return data;
    }
    data.extent = *volume_->reserve(bytes.size());
    device::AlignedBuffer buffer(data.extent.length);
    std::memset(buffer.data(), 0, buffer.size());
    std::memcpy(buffer.data(), bytes.data(), bytes.size());
    const ByteView piece = buffer.view();
    must(volume_->write(data.extent, Gather(&piece, 1)));
    return data;
  }

  void update(Container* container, ObjectId oid, ByteView dkey, const AkeyUpdate& akey,
              uint64_t epoch = 0) {
    Update update{oid, Epoch{epoch ? epoch : ++epoch_}, dkey, 0, {&akey, 1}};
    ready(transaction_bytes({&update, 1}));
    const Result<Lsn> lsn = store_->update(*container, update);
    VARVE_ASSERT(lsn.ok() || epoch, "an update in order is taken");
    checksums_.clear();
    if (++updates_ % 32 == 0) must(volume_->durable(volume_->last_committed()));
  }
  void put(Container* container, ObjectId oid, ByteView dkey, ByteView akey, ByteView value,
           uint64_t epoch = 0) {
    AkeyUpdate one;
    one.akey = akey;
    one.single = data_of(value);
    update(container, oid, dkey, one, epoch);
  }
  void write(Container* container, ObjectId oid, ByteView dkey, uint64_t index, ByteView bytes,
             uint64_t punch_count = 0) {
    ArrayPiece piece{index, punch_count ? punch_count : bytes.size(), data_of(bytes)};
    AkeyUpdate one;
    one.akey = as_bytes("array");
    one.kind = ValueKind::kArray;
    one.pieces = {&piece, 1};
    update(container, oid, dkey, one);
  }
  void punch(Container* container, ObjectId oid, ByteView dkey = {}, ByteView akey = {}) {
    Punch one;
    one.oid = oid;
    one.epoch = Epoch{++epoch_};
    one.dkey = dkey;
    if (!dkey.empty()) one.scope = Punch::Scope::kDkey;
    if (!akey.empty()) {
      one.scope = Punch::Scope::kAkeys;
      one.akeys = {&akey, 1};
    }
    ready(kSmallTransactionBytes);
    VARVE_ASSERT(store_->punch(*container, one).ok(), "a punch is taken");
  }

  // Bytes that say where they belong.
  ByteView value(uint64_t length) {
    value_.resize(length);
    const uint64_t seed = mix64(++values_);
    for (uint64_t i = 0; i < length; ++i)
      value_[i] = std::byte{static_cast<uint8_t>(seed >> i % 8 * 8)};
    return value_;
  }

  void fill(Container* container, uint64_t keys) {
    for (uint64_t i = 0; i < keys; ++i)
      put(container, kMany, bytes_of(i), as_bytes("a"), value(8 + i % 300));
    for (uint64_t i = 0; i < options_.others * 2; ++i)
      put(container, kNames, as_bytes("a common beginning, then " + std::to_string(i * 7919)),
          as_bytes(i % 2 ? "left" : "right"), value(20));
    for (uint64_t i = 0; i < options_.others; ++i) {
      put(container, kNumbers, bytes_of(i % 10), bytes_of(i), value(16));
      put(container, {100 + i, 0}, as_bytes("only"), as_bytes("one"), value(400 + i * 13));
    }
    for (uint64_t i = 0; i < options_.others / 2; ++i)
      write(container, kArrays, as_bytes("small"), i * 100, value(150));
    for (const uint64_t length : {5000, 60'000, 140'000, 300'000})
      write(container, kArrays, as_bytes("large"), length, value(length));
    write(container, kArrays, as_bytes("small"), 50, {}, 500);
    write(container, kArrays, as_bytes("large"), 10'000, {}, 4'000'000);
    put(container, kNames, as_bytes("big"), as_bytes("value"), value(100'000));
    put(container, kNames, as_bytes("big"), as_bytes("other"), value(5000));
  }

  void overwrite() {
    for (uint64_t round = 0; round < 3; ++round)
      for (uint64_t i = 0; i < options_.keys / 20; ++i)
        put(container_, kMany, bytes_of(i * 3), as_bytes("a"), value(i % 5 ? 60 + i : 0));
    for (uint64_t i = 0; i < 20; ++i) punch(container_, kMany, bytes_of(i * 50 + 1));
    punch(container_, {100, 0});
    punch(container_, kNames, as_bytes("big"), as_bytes("other"));
    punch(container_, kArrays, as_bytes("large"), as_bytes("array"));
    put(container_, {100, 0}, as_bytes("only"), as_bytes("one"), value(33));
  }

  void more() {
    const uint64_t past = epoch_ - 10;
    for (uint64_t i = 0; i < options_.others; ++i)
      put(container_, kMany, bytes_of(1'000'000 + i), as_bytes("later"), value(i));
    put(container_, kMany, bytes_of(uint64_t{5}), as_bytes("a"), value(9), past);
    write(container_, kArrays, as_bytes("large"), 0, value(40'000));
  }

  static constexpr ObjectId kMany{1, 0}, kNames{2, kLexical}, kNumbers{3, kIntegerBoth},
      kArrays{4, 0};
  const StoreImageOptions options_;
  VirtualClock clock_;
  std::unique_ptr<Executor> executor_;
  Disk disk_;
  std::unique_ptr<Volume> volume_;
  std::unique_ptr<Store> store_;
  Container* container_ = nullptr;
  Uuid pool_;
  uint64_t epoch_ = 1000, values_ = 0, updates_ = 0;
  Buffer value_;
  std::vector<std::vector<uint32_t>> checksums_;
};

}  // namespace

DiskImage make_store_image(const StoreImageOptions& options) { return Maker(options).make(); }

Result<void> ImageReader::read(uint64_t offset, MutableByteView into) {
  if (offset > image_.size_bytes() || into.size() > image_.size_bytes() - offset)
    return Error(Code::kIo, "image: it ends before offset " + std::to_string(offset));
  while (!into.empty()) {
    const uint64_t skip = offset % device::kBlockBytes;
    const uint64_t step = std::min<uint64_t>(into.size(), device::kBlockBytes - skip);
    const DiskImage::Block* block = image_.find(offset / device::kBlockBytes);
    if (block)
      std::memcpy(into.data(), block->data() + skip, step);
    else
      std::memset(into.data(), 0, step);
    into = into.subspan(step);
    offset += step;
  }
  return {};
}

Buffer flatten(const DiskImage& image) {
  Buffer bytes(image.size_bytes());
  for (const auto& [block, contents] : image.blocks())
    std::memcpy(bytes.data() + block * device::kBlockBytes, contents->data(), contents->size());
  return bytes;
}

DiskImage unflatten(ByteView bytes) {
  DiskImage image(bytes.size());
  for (uint64_t at = 0; at + device::kBlockBytes <= bytes.size(); at += device::kBlockBytes) {
    auto block = std::make_shared<DiskImage::Block>();
    std::memcpy(block->data(), bytes.data() + at, block->size());
    const bool zero = std::all_of(block->begin(), block->end(),
                                  [](std::byte byte) { return byte == std::byte{0}; });
    if (!zero) image.set(at / device::kBlockBytes, std::move(block));
  }
  return image;
}

}  // namespace varve::simulation
