// What giving space back costs those who write meanwhile: latencies of updates with and without the
// background of the object service, on a file; the destruction of a million objects; and the
// allocator of extents after ten million operations.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/checksum.h"
#include "bench/report.h"
#include "object/service.h"

namespace varve::bench {
namespace {

using namespace varve::store;

template <class T>
T must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "bench: %s\n", result.error().describe().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

double seconds_since(uint64_t start_ns) { return static_cast<double>(now_ns() - start_ns) / 1e9; }

struct Target {
  Target(Report& report, Executor& executor) : executor(executor) {
    const std::string path = (report.options().folder.empty() ? "." : report.options().folder) +
                             "/reclaim_bench." + std::to_string(getpid());
    device::FileOptions options;
    options.create_bytes = 4 * kGiB;
    device = must(device::open_file(executor, path, options));
    unlink(path.c_str());
    block::FormatOptions format;
    format.heap_bytes_max = 1 * kGiB;
    must(executor.block_on(block::Volume::format(*device, format, true)));
    volume = must(executor.block_on(block::Volume::open(executor, *device, {})));
    store = must(Store::open(*volume));
    must(store->create_pool(pool, store->unreserved_bytes()));
    make_container();
    service = std::make_unique<object::Service>(executor, *volume, *store, "bench");
  }
  ~Target() {
    must(executor.block_on(stop()));
    service.reset();
    store.reset();
    must(executor.block_on(volume->close()));
  }
  void make_container() {
    must(store->create_container(pool, pool));
    container = store->find(pool, pool);
    store->set_snapshots(*container, {});
  }
  Task<Result<void>> stop() {
    co_await service->stop();
    co_return Result<void>();
  }
  Epoch next_epoch() {
    last_epoch = std::max(Epoch{last_epoch.value + 1}, service->advance_epoch(kEpochNone));
    return last_epoch;
  }
  void ready(uint64_t bytes) {
    if (!volume->ready_for(bytes)) must(executor.block_on(volume->wait_ready(bytes)));
  }

  Executor& executor;
  std::unique_ptr<device::Device> device;
  std::unique_ptr<block::Volume> volume;
  std::unique_ptr<Store> store;
  std::unique_ptr<object::Service> service;
  Uuid pool = Uuid::from_random(1, 2);
  Container* container = nullptr;
  Epoch last_epoch;
};

// Some updates of 64 B values in one transaction, over a fixed set of keys.
struct Group {
  explicit Group(size_t count)
      : value(64, std::byte{7}), checksum(crc32c(ByteView(value))), keys(count), akeys(count),
        updates(count), results(count, Lsn{}) {
    for (size_t i = 0; i < count; ++i) {
      akeys[i].akey = as_bytes("a");
      akeys[i].single = {value.size(), value, {}, {&checksum, 1}};
      updates[i] = {{1, 0}, Epoch{}, bytes_of(keys[i]), 0, {&akeys[i], 1}};
    }
  }
  Lsn store(Target& target) {
    for (Update& update : updates) update.epoch = target.next_epoch();
    target.store->update_batch(*target.container, updates, results);
    for (Result<Lsn>& result : results) must(result);
    return *results.back();
  }
  Buffer value;
  uint32_t checksum;
  std::vector<uint64_t> keys;
  std::vector<AkeyUpdate> akeys;
  std::vector<Update> updates;
  std::vector<Result<Lsn>> results;
};

// Values overwritten, and arrays in small pieces: work for a pass of reclaim.
void fill(Target& target, uint64_t values, uint64_t pieces) {
  Group group(32);
  for (int round = 0; round < 2; ++round)
    for (uint64_t i = 0; i < values; i += group.keys.size()) {
      for (size_t j = 0; j < group.keys.size(); ++j) group.keys[j] = mix64(i + j);
      target.ready(transaction_bytes(group.updates));
      group.store(target);
    }
  device::AlignedBuffer data(4096);
  std::memset(data.data(), 5, data.size());
  const ByteView bytes = data.view();
  const std::vector<uint32_t> checksums = checksum_run(Gather(&bytes, 1));
  for (uint64_t i = 0; i < pieces; ++i) {
    const uint64_t dkey = i / 1024;
    ArrayPiece piece{i % 1024 * 4096, 4096, {4096, {}, {}, checksums}};
    piece.data.extent = must(target.volume->reserve(4096));
    must(target.executor.block_on(target.volume->write(piece.data.extent, Gather(&bytes, 1))));
    AkeyUpdate akey;
    akey.akey = as_bytes("array");
    akey.kind = ValueKind::kArray;
    akey.pieces = {&piece, 1};
    const Update update{{2, 0}, target.next_epoch(), bytes_of(dkey), 0, {&akey, 1}};
    target.ready(transaction_bytes({&update, 1}));
    must(target.store->update(*target.container, update));
  }
  must(target.executor.block_on(target.volume->durable(target.volume->last_committed())));
}

struct Load {
  uint64_t left = 0, next = 0;
  unsigned running = 0;
  Latencies latencies;
};

Task<void> writer(Target& target, Load& load, size_t count, uint64_t keys) {
  Group group(count);
  while (load.left > 0) {
    load.left -= std::min<uint64_t>(load.left, count);
    const uint64_t start = now_ns();
    for (uint64_t& key : group.keys) key = mix64(mix64(++load.next) % keys);
    const uint64_t bytes = transaction_bytes(group.updates);
    if (!target.volume->ready_for(bytes)) must(co_await target.volume->wait_ready(bytes));
    must(co_await target.volume->durable(group.store(target)));
    load.latencies.add(now_ns() - start);
  }
  --load.running;
}

double p99_us(Target& target, uint64_t count, size_t group, unsigned depth, uint64_t keys) {
  Load load;
  load.left = count;
  load.running = depth;
  for (unsigned i = 0; i < depth; ++i) target.executor.spawn(writer(target, load, group, keys));
  target.executor.run_until([&] { return load.running == 0; });
  return load.latencies.percentile_ns(0.99) / 1000;
}

void bench_latency(Report& report, const std::string& suffix, size_t group, unsigned depth,
                   uint64_t count) {
  const std::string name = "store.file.update.64B" + suffix;
  if (!report.wanted(name)) return;
  const bool quick = report.options().quick;
  const uint64_t values = quick ? 20'000 : 400'000, pieces = quick ? 2'000 : 20'000;
  if (quick) count /= 20;
  std::vector<double> quiet, busy, share;
  for (int run = 0; run < report.options().runs; ++run) {
    Executor executor(machine_clock(), 1);
    Target target(report, executor);
    fill(target, values, pieces);
    quiet.push_back(p99_us(target, count, group, depth, values));
    target.service->wake_reclaim();
    executor.spawn(target.service->reclaim_in_background());
    busy.push_back(p99_us(target, count, group, depth, values));
    share.push_back(static_cast<double>(target.service->counters().rewritten_bytes) / 1e6);
  }
  report.add(name + ".quiet_p99_us", "us", quiet);
  report.add(name + ".reclaim_p99_us", "us", busy, name + ".quiet_p99_us", median(quiet));
  report.add(name + ".reclaim_rewritten_meanwhile", "MB", share);
}

void bench_destroy(Report& report) {
  if (!report.wanted("store.file.destroy")) return;
  const uint64_t count = report.options().quick ? 20'000 : 1'000'000;
  Executor executor(machine_clock(), 1);
  Target target(report, executor);
  Group group(32);
  for (uint64_t i = 0; i < count; i += group.keys.size()) {
    for (size_t j = 0; j < group.keys.size(); ++j) {
      group.keys[j] = j;
      group.updates[j].oid = {i + j + 1, 0};
    }
    target.ready(transaction_bytes(group.updates));
    group.store(target);
  }
  must(executor.block_on(target.volume->durable(target.volume->last_committed())));
  const uint64_t empty = 0, start = now_ns();
  const Lsn lsn = must(target.store->destroy_container(target.pool, target.pool));
  must(executor.block_on(target.volume->durable(lsn)));
  report.add("store.file.destroy.1M_objects.latency_us", "us", {seconds_since(start) * 1e6});
  target.service->wake_reclaim();
  executor.spawn(target.service->reclaim_in_background());
  executor.run_until([&] { return must(target.store->space(target.pool)).used == empty; });
  report.add("store.file.destroy.1M_objects.space_back_s", "s", {seconds_since(start)});
}

// Extents of 4 KiB to 1 MiB come and go at random on a device that is kept nine tenths full.
void bench_extents(Report& report) {
  if (!report.wanted("block.memory.extents")) return;
  const uint64_t count = report.options().quick ? 100'000 : 10'000'000;
  Executor executor(machine_clock(), 1);
  const auto device = must(device::open_memory(2 * kGiB));
  block::FormatOptions format;
  format.heap_bytes_max = 64 * kMiB;
  must(executor.block_on(block::Volume::format(*device, format, true)));
  const auto volume = must(executor.block_on(block::Volume::open(executor, *device, {})));
  std::vector<block::Extent> live;
  uint64_t bytes = 0, refused = 0, random = 1;
  const uint64_t full = volume->use().extent_bytes_max / 10 * 9;
  const uint64_t start = now_ns();
  for (uint64_t i = 0; i < count; ++i) {
    random = mix64(random + i);
    const uint64_t wanted = (1 + random % (random >> 32 & 15 ? 8 : 256)) * 4096;
    volume->begin();
    if (bytes + wanted <= full && (live.empty() || random >> 40 & 1)) {
      const auto extent = volume->reserve(wanted);
      if (extent.ok()) {
        volume->publish(*extent);
        live.push_back(*extent);
        bytes += wanted;
      } else {
        ++refused;
      }
    } else {
      std::swap(live[random % live.size()], live.back());
      volume->release(live.back());
      bytes -= live.back().length;
      live.pop_back();
    }
    volume->commit();
  }
  report.add("block.memory.extents.rate", "1/s", {static_cast<double>(count) / seconds_since(start)});
  report.add("block.memory.extents.refused", "", {static_cast<double>(refused)});
  if (volume->use().extent_bytes != bytes) {
    std::fprintf(stderr, "bench: extents leaked: %llu bytes are in use, %llu are known\n",
                 static_cast<unsigned long long>(volume->use().extent_bytes),
                 static_cast<unsigned long long>(bytes));
    std::exit(1);
  }
  must(executor.block_on(volume->close()));
}

int run(int argc, char** argv) {
  Report report(parse_options(argc, argv));
  bench_latency(report, ".qd1", 1, 1, 20'000);
  bench_latency(report, "", 32, 16, 1'500'000);
  bench_destroy(report);
  bench_extents(report);
  return report.finish();
}

}  // namespace
}  // namespace varve::bench

int main(int argc, char** argv) { return varve::bench::run(argc, argv); }
