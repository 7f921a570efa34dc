// The block layer alone: transactions in memory, and logged to a file with every commit awaited.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <memory>

#include "bench/report.h"
#include "block/volume.h"
#include "runtime/wait.h"

namespace varve::bench {
namespace {

template <class T>
T must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "bench: %s\n", result.error().describe().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct Target {
  Target(std::unique_ptr<device::Device> opened, Executor& executor)
      : executor(executor), device(std::move(opened)) {
    block::FormatOptions options;
    options.heap_bytes_max = 512 * kMiB;
    must(executor.block_on(block::Volume::format(*device, options, true)));
    volume = must(executor.block_on(block::Volume::open(executor, *device, {})));
  }
  ~Target() { must(executor.block_on(volume->close())); }
  Executor& executor;
  std::unique_ptr<device::Device> device;
  std::unique_ptr<block::Volume> volume;
};

// An allocation of 64 bytes, two small changes elsewhere: what a small update does at the least.
block::Lsn small_transaction(block::Volume& volume, uint64_t number) {
  volume.begin();
  const block::HeapOffset offset = must(volume.allocate(64));
  std::memset(volume.at<char>(offset), static_cast<int>(number), 64);
  uint64_t* root = volume.at<uint64_t>(block::Volume::kRoot) + number * 7 % 500;
  *volume.change(root) = offset;
  *volume.change(volume.at<uint64_t>(block::Volume::kRoot)) = number;
  return volume.commit();
}

void bench_memory(Report& report) {
  std::vector<double> commits, allocations;
  for (int run = 0; run < report.options().runs; ++run) {
    Executor executor(machine_clock(), 1);
    Target target(must(device::open_memory(1 * kGiB)), executor);
    const uint64_t count = report.options().quick ? 100'000 : 2'000'000;
    uint64_t start = now_ns();
    for (uint64_t i = 0; i < count; ++i) small_transaction(*target.volume, i);
    commits.push_back(static_cast<double>(count) * 1e9 / static_cast<double>(now_ns() - start));
    start = now_ns();
    for (uint64_t i = 0; i < count / 16; ++i) {
      target.volume->begin();
      for (int each = 0; each < 16; ++each) must(target.volume->allocate(96));
      target.volume->commit();
    }
    allocations.push_back(static_cast<double>(now_ns() - start) /
                          static_cast<double>(count / 16 * 16));
  }
  report.add("block.memory.transaction.64B.rate", "1/s", commits);
  report.add("block.memory.allocate.96B.time", "ns", allocations);
}

struct Load {
  uint64_t left;
  uint64_t number = 0;
  uint64_t running = 0;
  uint64_t extent_bytes = 0;
  Latencies latencies;
};

Task<void> client(block::Volume& volume, Load& load) {
  device::AlignedBuffer data(std::max<uint64_t>(load.extent_bytes, 1));
  std::memset(data.data(), 1, data.size());
  const ByteView piece = data.view(load.extent_bytes);
  block::Extent previous;
  while (load.left > 0) {
    --load.left;
    const uint64_t start = now_ns();
    block::Extent extent;
    if (load.extent_bytes) {
      extent = must(volume.reserve(load.extent_bytes));
      must(co_await volume.write(extent, Gather(&piece, 1)));
    }
    if (!volume.ready_for(64 * kKiB)) must(co_await volume.wait_ready(64 * kKiB));
    if (extent.length) {
      volume.begin();
      volume.publish(extent);
      if (previous.length) volume.release(previous);
      must(co_await volume.durable(volume.commit()));
      previous = extent;
    } else {
      must(co_await volume.durable(small_transaction(volume, load.number++)));
    }
    load.latencies.add(now_ns() - start);
  }
  --load.running;
}

Task<void> raw_client(device::Device& device, Load& load, uint64_t offset) {
  device::AlignedBuffer data(4096);
  std::memset(data.data(), 1, data.size());
  const ByteView piece = data.view();
  while (load.left > 0) {
    const uint64_t block = --load.left % 4096;
    const uint64_t start = now_ns();
    must(co_await device.write_durable(offset + block * 4096, Gather(&piece, 1)));
    load.latencies.add(now_ns() - start);
  }
  --load.running;
}

struct Figures {
  double rate, p50_us;
};

Figures run_load(Target& target, Load& load, unsigned depth, bool raw) {
  load.running = depth;
  const uint64_t count = load.left, start = now_ns();
  for (unsigned i = 0; i < depth; ++i)
    target.executor.spawn(raw ? raw_client(*target.device, load, 16 * kMiB)
                              : client(*target.volume, load));
  target.executor.run_until([&] { return load.running == 0; });
  return {static_cast<double>(count) * 1e9 / static_cast<double>(now_ns() - start),
          load.latencies.percentile_ns(0.5) / 1000};
}

void bench_file(Report& report) {
  const std::string path = (report.options().folder.empty() ? "." : report.options().folder) +
                           "/block_bench." + std::to_string(getpid());
  struct Case {
    const char* name;
    unsigned depth;
    uint64_t extent_bytes;
    bool raw;
  };
  const Case cases[] = {{"device.write_durable.4KiB.qd1", 1, 0, true},
                        {"device.write_durable.4KiB.qd16", 16, 0, true},
                        {"block.file.commit.64B.qd1", 1, 0, false},
                        {"block.file.commit.64B.qd16", 16, 0, false},
                        {"block.file.commit.64B.qd64", 64, 0, false},
                        {"block.file.extent.4KiB.qd1", 1, 4096, false},
                        {"block.file.extent.4KiB.qd16", 16, 4096, false},
                        {"block.file.extent.1MiB.qd1", 1, kMiB, false},
                        {"block.file.extent.1MiB.qd8", 8, kMiB, false}};
  for (const Case& each : cases) {
    if (!report.wanted(each.name)) continue;
    std::vector<double> rates, latencies, logged;
    for (int run = 0; run < report.options().runs; ++run) {
      Executor executor(machine_clock(), 1);
      device::FileOptions options;
      options.create_bytes = 4 * kGiB;
      Target target(must(device::open_file(executor, path, options)), executor);
      unlink(path.c_str());
      Load load;
      load.left = (each.depth >= 16 ? 200'000 : 10'000) / (each.extent_bytes > 4096 ? 10 : 1);
      if (report.options().quick) load.left /= 10;
      load.extent_bytes = each.extent_bytes;
      const double count = static_cast<double>(load.left);
      const Figures figures = run_load(target, load, each.depth, each.raw);
      rates.push_back(figures.rate);
      latencies.push_back(figures.p50_us);
      logged.push_back(static_cast<double>(target.volume->statistics().bytes) / count);
    }
    report.add(std::string(each.name) + ".rate", "1/s", rates);
    report.add(std::string(each.name) + ".latency_p50", "us", latencies);
    if (!each.raw) report.add(std::string(each.name) + ".logged", "B", logged);
  }
}

}  // namespace
}  // namespace varve::bench

int main(int argc, char** argv) {
  using namespace varve::bench;
  Report report(parse_options(argc, argv));
  if (report.wanted("block.memory")) bench_memory(report);
  bench_file(report);
  return report.finish();
}
