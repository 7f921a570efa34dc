// The store alone, on one thread: batches of 16 over a memory device, and (store.file) logged to a file,
// every acknowledgement after its flush.
#include <cstdio>
#include <functional>
#include <memory>

#include "base/checksum.h"
#include "bench/report.h"
#include "block/volume.h"
#include "runtime/executor.h"
#include "store/store.h"

namespace varve::bench {
namespace {

using namespace varve::store;

constexpr size_t kBatch = 16;

struct Target {
  Target(Clock& clock, std::unique_ptr<device::Device> opened, uint64_t heap_bytes)
      : executor(clock, 1), device(std::move(opened)) {
    block::FormatOptions options;
    options.heap_bytes_max = heap_bytes;
    must(executor.block_on(block::Volume::format(*device, options, true)));
    volume = must(executor.block_on(block::Volume::open(executor, *device, {})));
    store = must(Store::open(*volume));
    const uint64_t bytes = store->unreserved_bytes();
    must(store->create_pool(pool, bytes));
    must(store->create_container(pool, pool));
    container = store->find(pool, pool);
  }
  ~Target() {
    store.reset();
    if (!executor.block_on(volume->close()).ok()) std::fprintf(stderr, "bench: close failed\n");
  }
  template <class T>
  static T must(Result<T> result) {
    if (!result.ok()) {
      std::fprintf(stderr, "bench: %s\n", result.error().describe().c_str());
      std::exit(1);
    }
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }

  Executor executor;
  std::unique_ptr<device::Device> device;
  std::unique_ptr<block::Volume> volume;
  std::unique_ptr<Store> store;
  Uuid pool = Uuid::from_random(1, 2);
  Container* container = nullptr;
  uint64_t epoch = 1;
};

// A batch of single values under integer-named hashed dkeys of one object.
struct Batch {
  explicit Batch(size_t bytes) : value(bytes, std::byte{7}), checksum(crc32c(ByteView(value))) {
    for (size_t i = 0; i < kBatch; ++i) {
      akeys[i].akey = as_bytes("a");
      akeys[i].single.length = bytes;
      akeys[i].single.checksums = {&checksum, 1};
      updates[i] = {ObjectId{1, 0}, Epoch{}, bytes_of(keys[i]), 0, {&akeys[i], 1}};
      found[i].akey = as_bytes("a");
      fetches[i].oid = ObjectId{1, 0};
      fetches[i].dkey = bytes_of(keys[i]);
      fetches[i].akeys = {&found[i], 1};
      results.emplace_back(Lsn{});
    }
  }
  void update(Target& target) {
    for (size_t i = 0; i < kBatch; ++i) {
      updates[i].epoch = Epoch{++target.epoch};
      if (value.size() < kInlineBytesBelow) {
        akeys[i].single.bytes = value;
        continue;
      }
      const block::Extent extent = Target::must(target.volume->reserve(value.size()));
      akeys[i].single.extent = extent;
      if (std::byte* direct = target.volume->direct(extent.offset))
        std::memcpy(direct, value.data(), value.size());
    }
    target.store->update_batch(*target.container, updates, results);
    for (Result<Lsn>& result : results) Target::must(result);
  }
  void fetch(Target& target) {
    Result<void> fetched[kBatch];
    target.store->fetch_batch(*target.container, fetches, fetched);
    for (size_t i = 0; i < kBatch; ++i) {
      Target::must(fetched[i]);
      const FoundPiece& piece = found[i].pieces.at(0);
      const ByteView run = piece.kind == FoundPiece::Kind::kInline
                               ? piece.run
                               : ByteView(target.volume->direct(piece.run_offset), piece.run_length);
      Target::must(verify_run(run, piece.run_checksums));
    }
  }

  Buffer value;
  uint32_t checksum;
  std::array<uint64_t, kBatch> keys{};
  std::array<AkeyUpdate, kBatch> akeys;
  std::array<Update, kBatch> updates;
  std::array<AkeyFetch, kBatch> found;
  std::array<Fetch, kBatch> fetches;
  std::vector<Result<Lsn>> results;
};

struct Rates {
  std::vector<double> first, overwrite, fetch, index_bytes;
};

double rate_of(uint64_t operations, uint64_t start_ns) {
  return static_cast<double>(operations) * 1e9 / static_cast<double>(now_ns() - start_ns);
}

void run_memory(size_t bytes, uint64_t records, Rates& rates) {
  const uint64_t extents = bytes < kInlineBytesBelow ? 0 : records * 2 * round_up(bytes, 4096);
  const uint64_t heap = 256 * kMiB + records * (bytes < kInlineBytesBelow ? 2 * bytes + 400 : 400);
  Target target(machine_clock(), Target::must(device::open_memory(heap + extents + 256 * kMiB)), heap);
  Batch batch(bytes);
  const uint64_t batches = records / kBatch;
  uint64_t start = now_ns();
  for (uint64_t i = 0; i < batches; ++i) {
    for (size_t j = 0; j < kBatch; ++j) batch.keys[j] = mix64(i * kBatch + j);
    batch.update(target);
  }
  rates.first.push_back(rate_of(batches * kBatch, start));
  const PoolSpace space = Target::must(target.store->space(target.pool));
  const uint64_t data = bytes < kInlineBytesBelow ? bytes : round_up(bytes, 4096);
  rates.index_bytes.push_back(static_cast<double>(space.used) / static_cast<double>(batches * kBatch) -
                              static_cast<double>(data));
  uint64_t random = 0;
  const auto pick = [&] {
    for (uint64_t& key : batch.keys) key = mix64(mix64(++random) % (batches * kBatch));
  };
  start = now_ns();
  for (uint64_t i = 0; i < batches; ++i) {
    pick();
    batch.fetch(target);
  }
  rates.fetch.push_back(rate_of(batches * kBatch, start));
  start = now_ns();
  for (uint64_t i = 0; i < batches; ++i) {
    pick();
    batch.update(target);
  }
  rates.overwrite.push_back(rate_of(batches * kBatch, start));
}

void bench_memory(Report& report, size_t bytes, const std::string& size, uint64_t records) {
  const double copies = measure_memcpy_rate(bytes, 256 * kMiB);
  const double probes = measure_probe_rate(records, kBatch);
  report.add("limit.memory.memcpy." + size + ".rate", "1/s", {copies});
  report.add("limit.memory.probe." + size + ".rate", "1/s", {probes});
  Rates rates;
  for (int run = 0; run < report.options().runs; ++run) run_memory(bytes, records, rates);
  const std::string prefix = "store.memory.";
  report.add(prefix + "update." + size + ".rate", "1/s", rates.first, "limit.memory.memcpy." + size + ".rate", copies);
  report.add(prefix + "overwrite." + size + ".rate", "1/s", rates.overwrite,
             "limit.memory.memcpy." + size + ".rate", copies);
  report.add(prefix + "fetch." + size + ".rate", "1/s", rates.fetch, "limit.memory.probe." + size + ".rate", probes);
  report.add(prefix + "index." + size + ".bytes_per_record", "B", rates.index_bytes);
}

int run(int argc, char** argv) {
  Report report(parse_options(argc, argv));
  const bool quick = report.options().quick;
  bench_memory(report, 64, "64B", quick ? 100'000 : 2'000'000);
  bench_memory(report, 4096, "4KiB", quick ? 20'000 : 200'000);
  return report.finish();
}

}  // namespace
}  // namespace varve::bench

int main(int argc, char** argv) { return varve::bench::run(argc, argv); }
