// The store alone, on one thread: batches over a memory device, and (store.file) logged to a file,
// every acknowledgement after its flush; what the index takes in memory.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/checksum.h"
#include "bench/limits.h"
#include "bench/report.h"
#include "bench/rocksdb.h"
#include "block/volume.h"
#include "runtime/wait.h"
#include "store/store.h"

namespace varve::bench {
namespace {

using namespace varve::store;

constexpr size_t kBatch = 16;

template <class T>
T must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "bench: %s\n", result.error().describe().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

double rate_of(uint64_t operations, uint64_t start_ns) {
  return static_cast<double>(operations) * 1e9 / static_cast<double>(now_ns() - start_ns);
}

struct Target {
  Target(std::unique_ptr<device::Device> opened, Executor& executor, uint64_t heap_bytes,
         uint64_t log_bytes = 64 * kMiB, block::CheckpointPolicy policy = {})
      : executor(executor), device(std::move(opened)) {
    block::FormatOptions options;
    options.heap_bytes_max = heap_bytes;
    options.log_bytes = log_bytes;
    must(executor.block_on(block::Volume::format(*device, options, true)));
    volume = must(executor.block_on(block::Volume::open(executor, *device, {}, policy)));
    store = must(Store::open(*volume));
    must(store->create_pool(pool, store->unreserved_bytes()));
    must(store->create_container(pool, pool));
    container = store->find(pool, pool);
  }
  ~Target() {
    if (volume) stop();
  }
  // In order; and as a process that is killed.
  void stop() {
    store.reset();
    must(executor.block_on(volume->close()));
    volume.reset();
    device.reset();
  }
  void kill() {
    executor.abandon();
    store.reset();
    volume.reset();
    device.reset();
  }
  uint64_t used() const { return must(store->space(pool)).used; }

  Executor& executor;
  std::unique_ptr<device::Device> device;
  std::unique_ptr<block::Volume> volume;
  std::unique_ptr<Store> store;
  Uuid pool = Uuid::from_random(1, 2);
  Container* container = nullptr;
  uint64_t epoch = 1;
};

// Some requests for single values under dkeys of one object.
struct Batch {
  Batch(size_t bytes, size_t count)
      : value(bytes, std::byte{7}),
        checksums(in_extents() ? (bytes + kChunkBytes - 1) / kChunkBytes : 1),
        keys(count),
        akeys(count),
        updates(count),
        found(count),
        fetches(count),
        results(count, Lsn{}),
        fetched(count) {
    for (size_t i = 0; i < checksums.size(); ++i)
      checksums[i] = crc32c(ByteView(value)
                                .subspan(i * kChunkBytes)
                                .first(std::min<size_t>(kChunkBytes, bytes - i * kChunkBytes)));
    for (size_t i = 0; i < count; ++i) {
      akeys[i].akey = found[i].akey = as_bytes("a");
      akeys[i].single.length = bytes;
      akeys[i].single.checksums = checksums;
      updates[i] = {kOid, Epoch{}, bytes_of(keys[i]), 0, {&akeys[i], 1}};
      fetches[i].oid = kOid;
      fetches[i].dkey = bytes_of(keys[i]);
      fetches[i].akeys = {&found[i], 1};
    }
  }
  bool in_extents() const { return value.size() >= kInlineBytesBelow; }
  // Epochs and places; extents are reserved, not written.
  void prepare(Target& target) {
    for (size_t i = 0; i < keys.size(); ++i) {
      updates[i].epoch = Epoch{++target.epoch};
      if (in_extents())
        akeys[i].single.extent = must(target.volume->reserve(value.size()));
      else
        akeys[i].single.bytes = value;
    }
  }
  Lsn update(Target& target) {
    target.store->update_batch(*target.container, updates, results);
    for (Result<Lsn>& result : results) must(result);
    return *results.back();
  }
  void update_in_memory(Target& target) {
    prepare(target);
    if (in_extents())
      for (const AkeyUpdate& akey : akeys)
        std::memcpy(target.volume->direct(akey.single.extent.offset), value.data(), value.size());
    update(target);
  }
  void fetch(Target& target) {
    target.store->fetch_batch(*target.container, fetches, fetched);
    for (size_t i = 0; i < keys.size(); ++i) {
      must(fetched[i]);
      must(verify_run(run_of(target, i), found[i].pieces[0].run_checksums));
    }
  }
  ByteView run_of(Target& target, size_t i) const {
    const FoundPiece& piece = found[i].pieces.at(0);
    if (piece.kind == FoundPiece::Kind::kInline) return piece.run;
    return {target.volume->direct(piece.run_offset), piece.run_length};
  }

  static constexpr ObjectId kOid{1, 0};
  Buffer value;
  std::vector<uint32_t> checksums;  // one for each chunk
  std::vector<uint64_t> keys;
  std::vector<AkeyUpdate> akeys;
  std::vector<Update> updates;
  std::vector<AkeyFetch> found;
  std::vector<Fetch> fetches;
  std::vector<Result<Lsn>> results;
  std::vector<Result<void>> fetched;
};

// --- memory

struct MemoryRun {
  double rate[4];
  Latencies latencies[4];
};
enum Work { kFirst, kFetch, kOverwrite, kFetchOne };
constexpr const char* kWorkNames[] = {"update", "fetch", "overwrite", "fetch_one"};

void run_memory(size_t bytes, uint64_t records, MemoryRun& run) {
  const bool inlined = bytes < kInlineBytesBelow;
  const uint64_t extents = inlined ? 0 : records * 2 * round_up(bytes, 4096);
  const uint64_t heap = 256 * kMiB + records * (inlined ? 2 * bytes + 400 : 400);
  Executor executor(machine_clock(), 1);
  Target target(must(device::open_memory(heap + extents + 256 * kMiB)), executor, heap);
  uint64_t random = 0;
  for (const Work work : {kFirst, kFetch, kFetchOne, kOverwrite}) {
    Batch batch(bytes, work == kFetchOne ? 1 : kBatch);
    const uint64_t batches = records / kBatch;
    const uint64_t start = now_ns();
    uint64_t last = start;
    for (uint64_t i = 0; i < batches; ++i) {
      for (size_t j = 0; j < batch.keys.size(); ++j)
        batch.keys[j] =
            mix64(work == kFirst ? i * kBatch + j : mix64(++random) % (batches * kBatch));
      if (work == kFirst || work == kOverwrite)
        batch.update_in_memory(target);
      else
        batch.fetch(target);
      if (i % 16 == 15) {  // one sample in sixteen: the clock costs too
        const uint64_t now = now_ns();
        run.latencies[work].add((now - last) / 16);
        last = now;
      }
    }
    run.rate[work] = rate_of(batches * batch.keys.size(), start);
  }
}

void bench_memory(Report& report, size_t bytes, const std::string& size, uint64_t records) {
  if (!report.wanted("store.memory.update." + size) && !report.wanted("store.memory.fetch." + size))
    return;
  if (bytes < kInlineBytesBelow) touch_memory(records * 500);
  const double copies = measure_memcpy_rate(bytes, 256 * kMiB);
  const double probes = measure_probe_rate(records, kBatch);
  report.add("limit.memory.memcpy." + size + ".rate", "1/s", {copies});
  report.add("limit.memory.probe." + size + ".rate", "1/s", {probes});
  std::vector<double> rates[4], p50[4], p99[4];
  for (int i = 0; i < report.options().runs; ++i) {
    auto run = std::make_unique<MemoryRun>();
    run_memory(bytes, records, *run);
    for (int work = 0; work < 4; ++work) {
      rates[work].push_back(run->rate[work]);
      p50[work].push_back(run->latencies[work].percentile_ns(0.5) / 1000);
      p99[work].push_back(run->latencies[work].percentile_ns(0.99) / 1000);
    }
  }
  for (int work = 0; work < 4; ++work) {
    const std::string name = std::string("store.memory.") + kWorkNames[work] + "." + size;
    // Bytes are the limit where there are many, lookups where there are few.
    const bool by_copy = bytes >= 4096 && work != kFetchOne;
    report.add(name + ".rate", "1/s", rates[work],
               std::string("limit.memory.") + (by_copy ? "memcpy." : "probe.") + size + ".rate",
               by_copy ? copies : probes);
    if (work == kFetchOne) continue;
    report.add(name + ".batch16.latency_p50_us", "us", p50[work]);
    report.add(name + ".batch16.latency_p99_us", "us", p99[work]);
  }
}

void bench_list(Report& report, uint64_t keys) {
  if (!report.wanted("store.memory.list.rate")) return;
  std::vector<double> rates;
  Executor executor(machine_clock(), 1);
  Target target(must(device::open_memory(1 * kGiB)), executor, 700 * kMiB);
  Batch batch(8, kBatch);
  for (uint64_t i = 0; i < keys; i += kBatch) {
    for (size_t j = 0; j < kBatch; ++j) batch.keys[j] = mix64(i + j);
    batch.update_in_memory(target);
  }
  for (int run = 0; run < report.options().runs; ++run) {
    const uint64_t start = now_ns();
    uint64_t listed = 0;
    for (Anchor anchor; !anchor.end;)
      listed +=
          must(target.store->list_dkeys(*target.container, Batch::kOid, kEpochMax, anchor, 1024))
              .size();
    rates.push_back(rate_of(listed, start));
  }
  report.add("store.memory.list.rate", "1/s", rates);
}

// --- what the index takes

void put_array(Target& target, uint64_t dkey, uint64_t index, uint64_t bytes,
               std::span<const uint32_t> checksums) {
  ArrayPiece piece{index, bytes, {}};
  piece.data.length = bytes;
  piece.data.extent = must(target.volume->reserve(bytes));
  piece.data.checksums = checksums;
  AkeyUpdate akey;
  akey.akey = as_bytes("array");
  akey.kind = ValueKind::kArray;
  akey.pieces = {&piece, 1};
  const Update update{{2, 0}, Epoch{++target.epoch}, bytes_of(dkey), 0, {&akey, 1}};
  must(target.store->update(*target.container, update));
}

void bench_index(Report& report) {
  if (!report.wanted("store.memory.index")) return;
  const uint64_t count = report.options().quick ? 10'000 : 200'000;
  Executor executor(machine_clock(), 1);
  Target target(must(device::open_memory(6 * kGiB)), executor, 512 * kMiB);
  const auto row = [&](const char* name, uint64_t before, uint64_t data, uint64_t records) {
    const double bytes =
        static_cast<double>(target.used() - before - data) / static_cast<double>(records);
    report.add(std::string("store.memory.index.") + name + ".bytes", "B", {bytes});
  };
  uint64_t before = target.used();
  Batch batch(8, kBatch);
  for (uint64_t i = 0; i < count; i += kBatch) {
    for (size_t j = 0; j < kBatch; ++j) batch.keys[j] = mix64(i + j);
    batch.update_in_memory(target);
  }
  row("value_8B", before, 0, count);  // the value included
  before = target.used();
  std::string name = "akey0000";
  for (uint64_t i = 0; i < count / 10; ++i) {
    for (size_t digit = 4, left = i; digit < 8; ++digit, left /= 26)
      name[digit] = static_cast<char>('a' + left % 26);
    for (AkeyUpdate& akey : batch.akeys) akey.akey = as_bytes(name);
    batch.updates[0].dkey = as_bytes("one dkey");
    batch.updates[0].epoch = Epoch{++target.epoch};
    must(target.store->update(*target.container, batch.updates[0]));
  }
  row("further_akey_8B", before, 0, count / 10);
  before = target.used();
  const uint32_t checksums[32] = {};
  for (uint64_t i = 0; i < count / 2; ++i) put_array(target, 1, i * 4096, 4096, {checksums, 1});
  row("array_4KiB", before, count / 2 * 4096, count / 2);
  before = target.used();
  for (uint64_t i = 0; i < 1000; ++i) put_array(target, 2, i * kMiB, kMiB, {checksums, 32});
  row("extent_1MiB", before, 1000 * kMiB, 1000);
}

// --- file

struct Load {
  uint64_t left = 0, next_key = 0;
  unsigned running = 0;
  Latencies latencies;
};

Task<Result<void>> write_extent(block::Volume& volume, block::Extent extent, ByteView data) {
  co_return co_await volume.write(extent, Gather(&data, 1));
}

Task<void> client(Target& target, Load& load, size_t bytes, size_t group) {
  Batch batch(bytes, group);
  device::AlignedBuffer data(std::max<uint64_t>(bytes, 1));
  std::memcpy(data.data(), batch.value.data(), bytes);
  while (load.left > 0) {
    load.left -= std::min<uint64_t>(load.left, group);
    const uint64_t start = now_ns();
    for (uint64_t& key : batch.keys) key = mix64(load.next_key++);
    batch.prepare(target);
    if (batch.in_extents()) {
      std::vector<Task<Result<void>>> writes;
      for (const AkeyUpdate& akey : batch.akeys)
        writes.push_back(write_extent(*target.volume, akey.single.extent, data.view(bytes)));
      std::vector<Result<void>> written = co_await when_all(std::move(writes));
      for (Result<void>& each : written) must(each);
    }
    const uint64_t needed = transaction_bytes(batch.updates);
    if (!target.volume->ready_for(needed)) must(co_await target.volume->wait_ready(needed));
    must(co_await target.volume->durable(batch.update(target)));
    load.latencies.add(now_ns() - start);
  }
  --load.running;
}

Task<void> raw_writer(device::Device& device, Load& load, uint64_t offset, uint64_t bytes,
                      uint64_t places, bool durable) {
  device::AlignedBuffer data(bytes);
  std::memset(data.data(), 1, bytes);
  const ByteView piece = data.view(bytes);
  while (load.left > 0) {
    const uint64_t place = --load.left % places;
    if (durable)
      must(co_await device.write_durable(offset + place * bytes, Gather(&piece, 1)));
    else
      must(co_await device.write(offset + place * bytes, Gather(&piece, 1)));
  }
  --load.running;
}

std::string scratch_path(const Report& report) {
  return (report.options().folder.empty() ? "." : report.options().folder) + "/store_bench." +
         std::to_string(getpid());
}

struct Scratch {
  explicit Scratch(const Report& report) : path(scratch_path(report)) {}
  ~Scratch() { unlink(path.c_str()); }
  std::unique_ptr<device::Device> open(Executor& executor, uint64_t create_bytes) const {
    device::FileOptions options;
    options.create_bytes = create_bytes;
    return must(device::open_file(executor, path, options));
  }
  const std::string path;
};

// A device in use: every block has been written once, as the file system makes the first write to a
// block that was only allocated dear.
void condition(const Scratch& scratch, uint64_t bytes) {
  Executor executor(machine_clock(), 1);
  const std::unique_ptr<device::Device> device = scratch.open(executor, bytes);
  Load load;
  load.left = bytes / kMiB;
  load.running = 8;
  for (unsigned i = 0; i < load.running; ++i)
    executor.spawn(raw_writer(*device, load, 0, kMiB, bytes / kMiB, false));
  executor.run_until([&] { return load.running == 0; });
  must(executor.block_on(device->flush()));
}

// Writes of `bytes` per second, `depth` at a time, over places written before: each durable, or all
// of them by one flush at the end.
double measure_device(device::Device& device, Executor& executor, uint64_t bytes, unsigned depth,
                      bool each_durable, uint64_t count = 2000) {
  double rate = 0;
  for (int pass = 0; pass < 2; ++pass) {
    Load load;
    const uint64_t places = 256 * kMiB / bytes;
    load.left = pass == 0 ? places : count;
    load.running = depth;
    const uint64_t writes = load.left, start = now_ns();
    for (unsigned i = 0; i < depth; ++i)
      executor.spawn(raw_writer(device, load, 128 * kMiB, bytes, places, each_durable));
    executor.run_until([&] { return load.running == 0; });
    if (!each_durable) must(executor.block_on(device.flush()));
    rate = rate_of(writes, start);
  }
  return rate;
}

struct FileCase {
  const char* name;
  size_t bytes;
  size_t group;    // updates in one transaction
  unsigned depth;  // transactions in flight
  uint64_t count;
};

void bench_file(Report& report, const FileCase& each) {
  const std::string name = std::string("store.file.update.") + each.name;
  if (!report.wanted(name)) return;
  const Scratch scratch(report);
  condition(scratch, report.options().quick ? 2 * kGiB : 8 * kGiB);
  std::vector<double> rates, logged, limits, p50, p99, p999;
  for (int run = 0; run < report.options().runs; ++run) {
    Executor executor(machine_clock(), 1);
    Target target(scratch.open(executor, 0), executor, 1 * kGiB);
    Load load;
    load.left = each.count / (report.options().quick ? 20 : 1);
    load.running = each.depth;
    const double count = static_cast<double>(load.left);
    const block::LogStatistics before = target.volume->statistics();
    const uint64_t start = now_ns();
    for (unsigned i = 0; i < each.depth; ++i)
      executor.spawn(client(target, load, each.bytes, each.group));
    executor.run_until([&] { return load.running == 0; });
    rates.push_back(rate_of(static_cast<uint64_t>(count), start));
    const block::LogStatistics after = target.volume->statistics();
    const double bytes = static_cast<double>(after.bytes - before.bytes);
    const double writes =
        static_cast<double>(std::max<uint64_t>(1, after.device_writes - before.device_writes));
    logged.push_back(bytes / count);
    p50.push_back(load.latencies.percentile_ns(0.5) / 1000);
    p99.push_back(load.latencies.percentile_ns(0.99) / 1000);
    p999.push_back(load.latencies.percentile_ns(0.999) / 1000);
    if (each.bytes >= kInlineBytesBelow) {  // the device alone, with as many values in flight
      limits.push_back(measure_device(*target.device, executor, each.bytes, each.group * each.depth,
                                      false, each.bytes == kMiB ? 4000 : 200'000));
      continue;
    }
    // The device alone, with writes as large and as many at a time as the log's.
    const uint64_t group_bytes =
        std::min<uint64_t>(kMiB, round_up(static_cast<uint64_t>(bytes / writes) + 1, 4096));
    limits.push_back(
        measure_device(*target.device, executor, group_bytes, std::min(each.depth, 8u), true) *
        count / writes);
  }
  const std::string limit = std::string("limit.file.write.") + each.name + ".rate";
  report.add(limit, "1/s", limits);
  report.add(name + ".rate", "1/s", rates, limit, median(limits));
  report.add(name + ".logged_bytes", "B", logged);
  report.add(name + ".latency_p50_us", "us", p50);
  report.add(name + ".latency_p99_us", "us", p99);
  report.add(name + ".latency_p999_us", "us", p999);
}

// --- opening

void run_clients(Target& target, Load& load, uint64_t count) {
  load.left = count;
  load.running = 16;
  for (unsigned i = 0; i < load.running; ++i) target.executor.spawn(client(target, load, 64, 32));
  target.executor.run_until([&] { return load.running == 0; });
}

Task<void> raw_reader(device::Device& device, Load& load, uint64_t offset) {
  device::AlignedBuffer data(kMiB);
  while (load.left > 0) must(co_await device.read(offset + --load.left * kMiB, data.view()));
  --load.running;
}

// Bytes per second, 1 MiB at a time, eight in flight.
double measure_read(device::Device& device, Executor& executor, uint64_t mebibytes) {
  Load load;
  load.left = mebibytes;
  load.running = 8;
  const uint64_t start = now_ns();
  for (unsigned i = 0; i < 8; ++i) executor.spawn(raw_reader(device, load, 4 * kMiB));
  executor.run_until([&] { return load.running == 0; });
  return rate_of(mebibytes * kMiB, start);
}

// A server that was killed: how fast its log is replayed.
void bench_recovery(Report& report) {
  const std::string name = "store.file.recovery.log_rate";
  if (!report.wanted(name)) return;
  const uint64_t count = report.options().quick ? 200'000 : 4'800'000;
  std::vector<double> rates, limits;
  for (int run = 0; run < report.options().runs; ++run) {
    const Scratch scratch(report);
    Executor executor(machine_clock(), 1);
    block::CheckpointPolicy never;
    never.mode = block::CheckpointPolicy::Mode::kDisabled;
    Target target(scratch.open(executor, 8 * kGiB), executor, 2 * kGiB, 2 * kGiB, never);
    Load load;
    run_clients(target, load, count);
    target.kill();
    target.device = scratch.open(executor, 0);
    limits.push_back(measure_read(*target.device, executor, report.options().quick ? 32 : 1024) /
                     1e9);
    const uint64_t start = now_ns();
    target.volume = must(executor.block_on(block::Volume::open(executor, *target.device, {})));
    rates.push_back(rate_of(target.volume->statistics().replayed_bytes, start) / 1e9);
  }
  report.add("limit.file.read.1MiB.rate", "GB/s", limits);
  report.add(name, "GB/s", rates, "limit.file.read.1MiB.rate", median(limits));
}

// A server that was stopped in order, with so many records: how long until it can answer.
void bench_open(Report& report) {
  const bool quick = report.options().quick;
  const std::string name = quick ? "store.file.open.200k.seconds" : "store.file.open.10M.seconds";
  if (!report.wanted(name)) return;
  const Scratch scratch(report);
  Executor executor(machine_clock(), 1);
  Target target(scratch.open(executor, 12 * kGiB), executor, 4 * kGiB, kGiB);
  Load load;
  run_clients(target, load, quick ? 200'000 : 10'000'000);
  target.stop();
  std::vector<double> seconds, floors;
  for (int run = 0; run < report.options().runs; ++run) {
    target.device = scratch.open(executor, 0);
    const double read_rate = measure_read(*target.device, executor, quick ? 32 : 1024);
    const uint64_t start = now_ns();
    target.volume = must(executor.block_on(block::Volume::open(executor, *target.device, {})));
    target.store = must(Store::open(*target.volume));
    seconds.push_back(static_cast<double>(now_ns() - start) / 1e9);
    floors.push_back(static_cast<double>(target.volume->use().heap_bytes) / read_rate);
    target.stop();
  }
  report.add("limit.file.read.heap.seconds", "s", floors);
  report.add(name, "s", seconds, "limit.file.read.heap.seconds", median(floors));
}

int run(int argc, char** argv) {
  Report report(parse_options(argc, argv));
  const bool quick = report.options().quick;
  bench_memory(report, 64, "64B", quick ? 100'000 : 10'000'000);
  bench_memory(report, 64, "64B.10k", 10'000);
  bench_memory(report, 4096, "4KiB", quick ? 20'000 : 200'000);
  bench_list(report, quick ? 100'000 : 1'000'000);
  bench_index(report);
  bench_file(report, {"64B", 64, 32, 16, 2'000'000});
  bench_file(report, {"64B.qd1", 64, 1, 1, 10'000});
  bench_file(report, {"64B.batch32.qd1", 64, 32, 1, 200'000});
  bench_file(report, {"4KiB", 4096, 32, 32, 400'000});
  bench_file(report, {"1MiB", kMiB, 1, 32, 4'000});
  bench_rocksdb(report, quick ? 100'000 : 2'000'000);
  bench_recovery(report);
  bench_open(report);
  return report.finish();
}

}  // namespace
}  // namespace varve::bench

int main(int argc, char** argv) { return varve::bench::run(argc, argv); }
