// Client to server: one varved of one target pinned to core 0, one client pinned to core 1; updates
// and fetches of single values (64 B, 4 KiB) and of array extents (1 MiB), 1, 16 and 64 in flight,
// over TCP and the same-host path, with a memory and a file device; checksums on.
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "base/ids.h"
#include "bench/limits.h"
#include "bench/report.h"
#include "bench/server_process.h"
#include "client/client.h"
#include "runtime/wait.h"

namespace varve::bench {
namespace {

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "io bench: %s\n", what.c_str());
  std::exit(1);
}

struct Size {
  const char* name;
  uint64_t bytes;
  uint64_t keys;
};
constexpr Size kSizes[] = {{"64B", 64, 100'000}, {"4KiB", 4 * kKiB, 20'000}, {"1MiB", kMiB, 64}};
constexpr unsigned kDepths[] = {1, 16, 64};
constexpr uint64_t kPoolBytes = 3 * kGiB;
// Memory is measured in use, not when the kernel gives it: as much is written before.
constexpr uint64_t kWarmBytes = kPoolBytes * 3 / 2;

// One run of one kind of operation.
struct Run {
  client::Session& session;
  const client::Object& object;
  const Size& size;
  bool update;
  uint64_t until_ns;
  uint64_t sequence = 0;
  uint64_t done = 0, failed = 0;
  std::string failure;
  Latencies latencies;
  Buffer memory;  // of all workers
};

constexpr uint64_t kStride = 7919;  // prime to the numbers of keys

Task<Result<void>> one(Run& run, uint64_t key, MutableByteView memory) {
  const object::Range range{0, memory.size()};
  const ByteView from(memory);
  const uint64_t dkey = key + 1;
  client::IoDescriptor descriptor;
  descriptor.akey = as_bytes("a");
  if (memory.size() >= kMiB) {
    descriptor.kind = object::ValueKind::kArray;
    descriptor.record_size = 1;
    descriptor.ranges = std::span(&range, 1);
  }
  if (run.update) {
    descriptor.from = Gather(&from, 1);
    Result<Epoch> updated =
        co_await run.session.update(run.object, bytes_of(dkey), 0, std::span(&descriptor, 1));
    if (!updated) co_return std::move(updated.error());
  } else {
    descriptor.into = Scatter(&memory, 1);
    VARVE_CO_CHECK(
        co_await run.session.fetch(run.object, bytes_of(dkey), 0, std::span(&descriptor, 1)));
    if (descriptor.fetched_bytes != memory.size())
      co_return Error(Code::kMiscellaneous, "a fetch found too little");
  }
  co_return Result<void>();
}

Task<bool> worker(Run& run, unsigned number) {
  const MutableByteView memory =
      MutableByteView(run.memory).subspan(number * run.size.bytes, run.size.bytes);
  uint64_t start = now_ns();
  while (start < run.until_ns) {
    const uint64_t key = run.sequence++ * kStride % run.size.keys;
    Result<void> done = co_await one(run, key, memory);
    const uint64_t end = now_ns();
    if (!done) {
      run.failure = done.error().describe();
      ++run.failed;
      co_return false;
    }
    run.latencies.add(end - start);
    ++run.done;
    start = end;
  }
  co_return true;
}

Task<bool> run_workers(Run& run, unsigned depth) {
  std::vector<Task<bool>> workers;
  for (unsigned i = 0; i < depth; ++i) workers.push_back(worker(run, i));
  co_await when_all(std::move(workers));
  co_return run.failed == 0;
}

Task<bool> fill_some(Run& run, uint64_t first, uint64_t step, MutableByteView memory) {
  for (uint64_t key = first; key < run.size.keys; key += step) {
    Result<void> done = co_await one(run, key, memory);
    if (!done) {
      run.failure = done.error().describe();
      ++run.failed;
      co_return false;
    }
  }
  co_return true;
}
Task<bool> fill(Run& run) {
  std::vector<Task<bool>> workers;
  for (uint64_t i = 0; i < 16; ++i)
    workers.push_back(fill_some(
        run, i, 16, MutableByteView(run.memory).subspan(i * run.size.bytes, run.size.bytes)));
  co_await when_all(std::move(workers));
  co_return run.failed == 0;
}

class Bench {
 public:
  Bench(Report& report, std::string transport, std::string device)
      : report_(report), transport_(std::move(transport)), device_(std::move(device)) {}

  void run() {
    const std::string prefix = "io." + transport_ + "." + device_ + ".";
    if (!report_.wanted(prefix)) return;
    server_ = std::make_unique<ServerProcess>(report_.options().folder, device_ == "memory", 2 * kPoolBytes);
    client::Options options;
    options.addresses = server_->addresses();
    options.transport = transport_;
    auto session = client::Session::open(options);
    if (!session) give_up(session.error().describe());
    session_ = std::move(*session);
    prepare();
    for (const Size& size : kSizes) measure(prefix, size);
    session_.reset();
    server_.reset();
  }

 private:
  template <class T>
  T must(Result<T> result) {
    if (!result) give_up(result.error().describe());
    return std::move(*result);
  }

  void prepare() {
    pool::CreatePool request;
    request.label = "bench";
    request.bytes = kPoolBytes;
    must(session_->wait(session_->create_pool(request)));
    pool_ = must(session_->wait(session_->connect_pool("bench", 2)));
    container::CreateContainer container;
    container.label = "bench";
    must(session_->wait(session_->create_container(pool_, container)));
    container_ = must(session_->wait(session_->open_container(pool_, "bench", 2)));
  }

  void measure(const std::string& prefix, const Size& size) {
    const bool wanted = report_.wanted(prefix + "update." + size.name) ||
                        report_.wanted(prefix + "fetch." + size.name);
    if (!wanted) return;
    const ObjectId oid =
        placement::make_object_id({size.bytes, 0}, 2, *placement::class_by_name("S1"));
    const client::Object object = must(session_->open_object(container_, oid));
    Run filling = make_run(object, size, true, 16);
    if (!session_->wait(fill(filling))) give_up(filling.failure);
    for (bool warm = device_ != "memory" || size.bytes < kMiB; !warm;) {
      if (!session_->wait(fill(filling))) give_up(filling.failure);
      warm = (warmed_ += size.keys * size.bytes) >= kWarmBytes;
    }
    for (const char* operation : {"update", "fetch"})
      for (const unsigned depth : kDepths) {
        const std::string name =
            prefix + operation + "." + size.name + ".qd" + std::to_string(depth);
        if (report_.wanted(name)) measure_one(name, object, size, operation[0] == 'u', depth);
      }
  }

  Run make_run(const client::Object& object, const Size& size, bool update, unsigned depth) {
    Run run{*session_, object, size, update, 0, 0, 0, 0, {}, {}, {}};
    run.memory.resize(depth * size.bytes);
    for (size_t i = 0; i < run.memory.size(); ++i) run.memory[i] = static_cast<std::byte>(i * 31);
    return run;
  }

  void measure_one(const std::string& name, const client::Object& object, const Size& size,
                   bool update, unsigned depth) {
    std::vector<double> rates, p50, p99, p999, client_cpu, server_cpu, bandwidths;
    const uint64_t time_ns = report_.options().quick ? 50'000'000 : 600'000'000;
    for (int i = 0; i <= report_.options().runs; ++i) {  // the first one warms up
      Run run = make_run(object, size, update, depth);
      const double client_before = process_cpu_seconds(),
                   server_before = process_cpu_seconds(server_->pid());
      const uint64_t start = now_ns();
      run.until_ns = start + (i == 0 ? time_ns / 4 : time_ns);
      if (!session_->wait(run_workers(run, depth))) give_up(name + ": " + run.failure);
      if (i == 0) continue;
      const double seconds = static_cast<double>(now_ns() - start) * 1e-9,
                   count = static_cast<double>(run.done);
      rates.push_back(count / seconds);
      bandwidths.push_back(count * static_cast<double>(size.bytes) / seconds);
      p50.push_back(run.latencies.percentile_ns(0.5) * 1e-3);
      p99.push_back(run.latencies.percentile_ns(0.99) * 1e-3);
      p999.push_back(run.latencies.percentile_ns(0.999) * 1e-3);
      client_cpu.push_back((process_cpu_seconds() - client_before) * 1e6 / count);
      server_cpu.push_back((process_cpu_seconds(server_->pid()) - server_before) * 1e6 / count);
    }
    add_rows(name, size, update, depth, rates, bandwidths);
    report_.add(name + ".latency_p50_us", "us", p50);
    report_.add(name + ".latency_p99_us", "us", p99);
    report_.add(name + ".latency_p999_us", "us", p999);
    report_.add(name + ".client_cpu_us", "us", client_cpu);
    report_.add(name + ".server_cpu_us", "us", server_cpu);
  }

  // The rate, and what of the machine bounds it.
  void add_rows(const std::string& name, const Size& size, bool update, unsigned depth,
                const std::vector<double>& rates, const std::vector<double>& bandwidths) {
    const Limits& limits = machine_limits(report_.options().folder);
    if (size.bytes >= kMiB) {
      if (transport_ == "tcp")
        report_.add(name + ".bandwidth", "B/s", bandwidths, "tcp.stream", limits.tcp_stream);
      else
        report_.add(name + ".bandwidth", "B/s", bandwidths, "memcpy.1MiB", limits.memcpy_bytes);
      report_.add(name + ".rate", "1/s", rates);
      return;
    }
    if (depth > 1)
      report_.add(name + ".rate", "1/s", rates);
    else if (device_ == "file" && update)
      report_.add(name + ".rate", "1/s", rates, "device.write_flush.4KiB", limits.device_flushes);
    else if (transport_ == "tcp")
      report_.add(name + ".rate", "1/s", rates, "tcp.pingpong.64B", limits.tcp_pingpong);
    else
      report_.add(name + ".rate", "1/s", rates, "memory.pingpong", limits.memory_pingpong);
  }

  Report& report_;
  std::string transport_, device_;
  std::unique_ptr<ServerProcess> server_;
  std::unique_ptr<client::Session> session_;
  client::Pool pool_;
  client::Container container_;
  uint64_t warmed_ = 0;
};

// Start to first reply, memory and processor time at rest, creation of pools of any size.
void measure_server(Report& report) {
  if (!report.wanted("server.") && !report.wanted("pool.")) return;
  std::vector<double> starts, idle, resident;
  std::vector<double> creations[3];
  constexpr uint64_t kPoolBytes[3] = {1 * kGiB, 4 * kGiB, 8 * kGiB};
  for (int i = 0; i < report.options().runs; ++i) {
    const uint64_t start = now_ns();
    ServerProcess server(report.options().folder, false, 9 * kGiB);
    client::Options options;
    options.addresses = server.addresses();
    auto session = client::Session::open(options);
    if (!session) give_up(session.error().describe());
    auto system = (*session)->wait((*session)->query_system());
    if (!system) give_up(system.error().describe());
    starts.push_back(static_cast<double>(now_ns() - start) * 1e-9);
    for (int pool = 0; pool < 3; ++pool) {
      pool::CreatePool request;
      request.label = "pool" + std::to_string(pool);
      request.bytes = kPoolBytes[pool];
      const uint64_t before = now_ns();
      auto created = (*session)->wait((*session)->create_pool(request));
      if (!created) give_up(created.error().describe());
      creations[pool].push_back(static_cast<double>(now_ns() - before) * 1e-9);
      auto destroyed = (*session)->wait((*session)->destroy_pool(request.label, true, true));
      if (!destroyed) give_up(destroyed.error().describe());
    }
    const double cpu = process_cpu_seconds(server.pid());
    const uint64_t rest = now_ns();
    (*session)->wait([](Executor& executor, Duration time) -> Task<void> {
      co_await executor.sleep_for(time);
    }((*session)->executor(), report.options().quick ? 200ms : 2s));
    idle.push_back((process_cpu_seconds(server.pid()) - cpu) /
                   (static_cast<double>(now_ns() - rest) * 1e-9));
    resident.push_back(static_cast<double>(resident_bytes(server.pid())));
  }
  report.add("server.start.seconds", "s", starts);
  report.add("server.idle.cpu_fraction", "", idle);
  report.add("server.idle.resident", "B", resident);
  report.add("pool.create.1GiB.seconds", "s", creations[0]);
  report.add("pool.create.4GiB.seconds", "s", creations[1]);
  report.add("pool.create.8GiB.seconds", "s", creations[2]);
}

}  // namespace
}  // namespace varve::bench

int main(int argc, char** argv) {
  using namespace varve::bench;
  Report report(parse_options(argc, argv));
  pin_to_core(1);
  add_limit_rows(report);
  if (report.wanted("io.")) touch_memory(6 * varve::kGiB);
  for (const char* device : {"memory", "file"})
    for (const char* transport : {"tcp", "local"}) Bench(report, transport, device).run();
  measure_server(report);
  return report.finish();
}
