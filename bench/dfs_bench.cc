// Files through libdfs, as mdtest and IOR use it: one varved of one target pinned to core 0, one
// blocking client pinned to core 1, over TCP and the same-host path, with a memory and a file
// device; checksums on.
#include <errno.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>

#include "bench/limits.h"
#include "bench/report.h"
#include "bench/server_process.h"
#include "daos.h"
#include "daos_fs.h"
#include "libdaos/handles.h"
#include "varve/dfs_extensions.h"

namespace varve::bench {
namespace {

void must(int result, const char* what) {
  if (result == 0) return;
  std::fprintf(stderr, "dfs bench: %s failed: %d\n", what, result);
  std::exit(1);
}

std::string name_of(uint64_t number) { return "file." + std::to_string(number); }

// Figures of one operation, run by run.
struct Figures {
  std::vector<double> rates, bandwidths, p50, p99, client_cpu, server_cpu;
};

class Bench {
 public:
  Bench(Report& report, std::string transport, std::string device)
      : report_(report),
        prefix_("dfs." + transport + "." + device + "."),
        local_(transport == "local"),
        durable_(device == "file"),
        quick_(report.options().quick) {}

  void run() {
    if (!report_.wanted(prefix_)) return;
    server_ =
        std::make_unique<ServerProcess>(report_.options().folder, !durable_, uint64_t{6} << 30);
    std::string addresses;
    for (const std::string& address : server_->addresses())
      addresses += (addresses.empty() ? "" : ",") + address;
    setenv("VARVE_ADDRESS", addresses.c_str(), 1);
    setenv("VARVE_TRANSPORT", local_ ? "local" : "tcp", 1);
    must(daos_init(), "daos_init");
    create_pool();
    must(daos_pool_connect("bench", nullptr, DAOS_PC_RW, &pool_, nullptr, nullptr),
         "daos_pool_connect");
    must(dfs_cont_create_with_label(pool_, "files", nullptr, nullptr, &container_, &dfs_),
         "dfs_cont_create");
    measure_names();
    measure_many_clients();
    measure_large_directory();
    for (const unsigned clients : {1u, 8u}) measure_appends(clients);
    measure_data("4KiB", 4096, quick_ ? 4 * kMiB : 64 * kMiB);
    measure_data("1MiB", kMiB, quick_ ? 32 * kMiB : 512 * kMiB);
    must(dfs_umount(dfs_), "dfs_umount");
    must(daos_cont_close(container_, nullptr), "daos_cont_close");
    must(daos_pool_disconnect(pool_, nullptr), "daos_pool_disconnect");
    must(daos_fini(), "daos_fini");
    server_.reset();
  }

 private:
  // The C interface has no call for it.
  void create_pool() {
    auto session = libdaos::thread_session();
    if (!session) must(EIO, "a session");
    pool::CreatePool request;
    request.label = "bench";
    request.bytes = uint64_t{5} << 30;
    auto created = (*session)->wait((*session)->create_pool(request));
    if (!created) must(EIO, created.error().describe().c_str());
  }

  // Runs one(i) for each i below count; the first run of several warms up and does not count.
  void time(Figures& figures, bool counts, uint64_t count, uint64_t bytes,
            const std::function<void(uint64_t)>& one) {
    Latencies latencies;
    const double client = process_cpu_seconds(), server = process_cpu_seconds(server_->pid());
    const uint64_t start = now_ns();
    uint64_t last = start;
    for (uint64_t i = 0; i < count; ++i) {
      one(i);
      const uint64_t now = now_ns();
      latencies.add(now - last);
      last = now;
    }
    if (!counts) return;
    const double seconds = static_cast<double>(last - start) * 1e-9, n = static_cast<double>(count);
    figures.rates.push_back(n / seconds);
    figures.bandwidths.push_back(n * static_cast<double>(bytes) / seconds);
    figures.p50.push_back(latencies.percentile_ns(0.5) * 1e-3);
    figures.p99.push_back(latencies.percentile_ns(0.99) * 1e-3);
    figures.client_cpu.push_back((process_cpu_seconds() - client) * 1e6 / n);
    figures.server_cpu.push_back((process_cpu_seconds(server_->pid()) - server) * 1e6 / n);
  }

  // `durable`: every operation waits for the device.
  void add(const std::string& name, const Figures& figures, uint64_t bytes, bool durable) {
    const Limits& limits = machine_limits(report_.options().folder);
    const std::string row = prefix_ + name;
    if (bytes >= kMiB) {
      if (local_)
        report_.add(row + ".bandwidth", "B/s", figures.bandwidths, "memcpy.1MiB",
                    limits.memcpy_bytes);
      else
        report_.add(row + ".bandwidth", "B/s", figures.bandwidths, "tcp.stream", limits.tcp_stream);
    } else if (durable_ && durable) {
      report_.add(row + ".rate", "1/s", figures.rates, "device.write_flush.4KiB",
                  limits.device_flushes);
    } else if (local_) {
      report_.add(row + ".rate", "1/s", figures.rates, "memory.pingpong", limits.memory_pingpong);
    } else {
      report_.add(row + ".rate", "1/s", figures.rates, "tcp.pingpong.64B", limits.tcp_pingpong);
    }
    report_.add(row + ".latency_p50_us", "us", figures.p50);
    report_.add(row + ".latency_p99_us", "us", figures.p99);
    report_.add(row + ".client_cpu_us", "us", figures.client_cpu);
    report_.add(row + ".server_cpu_us", "us", figures.server_cpu);
  }

  // As mdtest: make them all, look at them all, remove them all; in one directory.
  void measure_names() {
    bool wanted = false;
    for (const char* row : {"create", "stat", "open", "readdir", "remove"})
      wanted |= report_.wanted(prefix_ + row);
    if (!wanted) return;
    const uint64_t count = quick_ ? 1000 : durable_ ? 5000 : 20000;
    must(dfs_mkdir(dfs_, nullptr, "names", 0755, 0), "dfs_mkdir");
    dfs_obj_t* directory;
    must(dfs_lookup(dfs_, "/names", O_RDWR, &directory, nullptr, nullptr), "dfs_lookup");
    Figures create, stat, open, readdir, remove;
    for (int run = 0; run <= report_.options().runs; ++run) {
      const bool counts = run > 0;
      time(create, counts, count, 0, [&](uint64_t i) {
        dfs_obj_t* file;
        must(dfs_open(dfs_, directory, name_of(i).c_str(), S_IFREG | 0644,
                      O_CREAT | O_EXCL | O_RDWR, 0, 0, nullptr, &file),
             "create");
        must(dfs_release(file), "dfs_release");
      });
      time(stat, counts, count, 0, [&](uint64_t i) {
        struct stat status;
        must(dfs_stat(dfs_, directory, name_of(i * 7919 % count).c_str(), &status), "dfs_stat");
      });
      time(open, counts, count, 0, [&](uint64_t i) {
        dfs_obj_t* file;
        must(dfs_open(dfs_, directory, name_of(i).c_str(), S_IFREG, O_RDONLY, 0, 0, nullptr, &file),
             "dfs_open");
        must(dfs_release(file), "dfs_release");
      });
      list_all(directory, count, counts, readdir);
      time(remove, counts, count, 0, [&](uint64_t i) {
        must(dfs_remove(dfs_, directory, name_of(i).c_str(), false, nullptr), "dfs_remove");
      });
    }
    must(dfs_release(directory), "dfs_release");
    add("create", create, 0, true);
    add("stat", stat, 0, false);
    add("open", open, 0, false);
    report_.add(prefix_ + "readdir.rate", "1/s", readdir.rates);
    add("remove", remove, 0, true);
  }

  void list_all(dfs_obj_t* directory, uint64_t count, bool counts, Figures& figures) {
    static struct dirent entries[1024];
    daos_anchor_t anchor = DAOS_ANCHOR_INIT;
    uint64_t seen = 0;
    const uint64_t start = now_ns();
    while (!daos_anchor_is_eof(&anchor)) {
      uint32_t number = 1024;
      must(dfs_readdir(dfs_, directory, &anchor, &number, entries), "dfs_readdir");
      seen += number;
    }
    if (seen != count) must(EIO, "dfs_readdir (not all of the names)");
    if (counts)
      figures.rates.push_back(static_cast<double>(seen) /
                              (static_cast<double>(now_ns() - start) * 1e-9));
  }

  // Sixteen threads, each in a directory of its own: durable creations share flushes.
  void measure_many_clients() {
    constexpr unsigned kClients = 16;
    if (!report_.wanted(prefix_ + "create.16_clients")) return;
    const uint64_t each = quick_ ? 50 : 1000;
    std::vector<double> rates;
    for (int run = 0; run < report_.options().runs; ++run) {
      std::vector<std::thread> threads;
      std::atomic<unsigned> ready{0};
      std::atomic<bool> go{false};
      for (unsigned client = 0; client < kClients; ++client)
        threads.emplace_back([&, client] {
          const std::string name = "many" + std::to_string(run) + "." + std::to_string(client);
          dfs_obj_t *directory, *file;
          must(dfs_mkdir(dfs_, nullptr, name.c_str(), 0755, 0), "dfs_mkdir");
          must(dfs_lookup(dfs_, ("/" + name).c_str(), O_RDWR, &directory, nullptr, nullptr),
               "dfs_lookup");
          ready.fetch_add(1);
          while (!go.load()) std::this_thread::yield();
          for (uint64_t i = 0; i < each; ++i) {
            must(dfs_open(dfs_, directory, name_of(i).c_str(), S_IFREG | 0644,
                          O_CREAT | O_EXCL | O_RDWR, 0, 0, nullptr, &file),
                 "create");
            must(dfs_release(file), "dfs_release");
          }
          must(dfs_release(directory), "dfs_release");
        });
      while (ready.load() < kClients) std::this_thread::yield();
      const uint64_t start = now_ns();
      go.store(true);
      for (std::thread& thread : threads) thread.join();
      rates.push_back(static_cast<double>(each * kClients) /
                      (static_cast<double>(now_ns() - start) * 1e-9));
    }
    report_.add(prefix_ + "create.16_clients.rate", "1/s", rates);
  }

  // One directory that grows to a million entries: the first 10 thousand beside the last.
  void measure_large_directory() {
    constexpr uint64_t kPart = 10'000;
    if (durable_ || !report_.wanted(prefix_ + "names.")) return;
    const uint64_t count = quick_ ? 2 * kPart : 1'000'000;
    const std::string size = quick_ ? "20k" : "1M";
    must(dfs_mkdir(dfs_, nullptr, "large", 0755, 0), "dfs_mkdir");
    dfs_obj_t* directory;
    must(dfs_lookup(dfs_, "/large", O_RDWR, &directory, nullptr, nullptr), "dfs_lookup");
    const auto create = [&](uint64_t i) {
      dfs_obj_t* file;
      must(dfs_open(dfs_, directory, name_of(i).c_str(), S_IFREG | 0644, O_CREAT | O_EXCL | O_RDWR,
                    0, 0, nullptr, &file),
           "create");
      must(dfs_release(file), "dfs_release");
    };
    const auto remove = [&](uint64_t i) {
      must(dfs_remove(dfs_, directory, name_of(i).c_str(), false, nullptr), "dfs_remove");
    };
    const auto part = [&](const std::string& row, uint64_t begin, uint64_t length, const auto& one) {
      Figures figures;
      for (uint64_t at = begin; at < begin + length; at += kPart)
        time(figures, true, kPart, 0, [&](uint64_t i) { one(at + i); });
      report_.add(prefix_ + "names." + row + ".rate", "1/s", figures.rates);
    };
    const auto stats = [&](const std::string& row, uint64_t among) {
      part(row, 0, 3 * kPart, [&](uint64_t i) {
        struct stat status;
        must(dfs_stat(dfs_, directory, name_of(i * 7919 % among).c_str(), &status), "dfs_stat");
      });
    };
    for (uint64_t i = 0; i < kPart; ++i) create(i);  // warms up
    for (uint64_t i = 0; i < kPart; ++i) remove(i);
    part("create.10k", 0, kPart, create);
    stats("stat.10k", kPart);
    for (uint64_t i = kPart; i < count - kPart; ++i) create(i);
    part("create." + size, count - kPart, kPart, create);
    stats("stat." + size, count);
    part("remove." + size, 0, kPart, remove);
    for (uint64_t i = kPart; i < count - kPart; ++i) remove(i);
    part("remove.10k", count - kPart, kPart, remove);
    must(dfs_release(directory), "dfs_release");
  }

  // Clients, each a thread with a mount of its own, that append 128 bytes at a time to one file.
  void measure_appends(unsigned clients) {
    const std::string row = "append." + std::to_string(clients) + "_clients.128B.rate";
    if (!report_.wanted(prefix_ + row)) return;
    const uint64_t each = (quick_ ? 200 : durable_ ? 1000 : 10'000) / clients;
    std::vector<double> rates;
    for (int run = 0; run < report_.options().runs; ++run) {
      const std::string name = "log" + std::to_string(clients) + "." + std::to_string(run);
      dfs_obj_t* made;
      must(dfs_open(dfs_, nullptr, name.c_str(), S_IFREG | 0644, O_CREAT | O_RDWR, 0, 0, nullptr,
                    &made),
           "dfs_open");
      std::atomic<unsigned> ready{0};
      std::atomic<bool> go{false};
      std::vector<std::thread> threads;
      for (unsigned client = 0; client < clients; ++client)
        threads.emplace_back([&] {
          dfs_t* mount;
          dfs_obj_t* file;
          must(dfs_mount(pool_, container_, O_RDWR, &mount), "dfs_mount");
          must(dfs_open(mount, nullptr, name.c_str(), S_IFREG, O_RDWR, 0, 0, nullptr, &file),
               "dfs_open");
          char bytes[128] = {1};
          d_iov_t iov;
          d_iov_set(&iov, bytes, sizeof bytes);
          d_sg_list_t list = {1, 0, &iov};
          ready.fetch_add(1);
          while (!go.load()) std::this_thread::yield();
          for (uint64_t i = 0; i < each; ++i)
            must(varve_dfs_append(mount, file, &list, nullptr), "varve_dfs_append");
          must(dfs_release(file), "dfs_release");
          must(dfs_umount(mount), "dfs_umount");
        });
      while (ready.load() < clients) std::this_thread::yield();
      const uint64_t start = now_ns();
      go.store(true);
      for (std::thread& thread : threads) thread.join();
      rates.push_back(static_cast<double>(each * clients) /
                      (static_cast<double>(now_ns() - start) * 1e-9));
      daos_size_t size = 0;
      must(dfs_get_size(dfs_, made, &size), "dfs_get_size");
      if (size != each * clients * 128) must(EIO, "varve_dfs_append (not all is there)");
      must(dfs_release(made), "dfs_release");
    }
    report_.add(prefix_ + row, "1/s", rates);
  }

  // As IOR: one file, in blocks of one size, in order and all over it.
  void measure_data(const char* size_name, uint64_t bytes, uint64_t file_bytes) {
    for (const char* order : {"sequential", "random"}) {
      const std::string write = std::string("write.") + size_name + "." + order;
      const std::string read = std::string("read.") + size_name + "." + order;
      if (!report_.wanted(prefix_ + write) && !report_.wanted(prefix_ + read)) continue;
      const bool random = order[0] == 'r';
      const uint64_t blocks = file_bytes / bytes,
                     count = durable_ && bytes < kMiB ? std::min<uint64_t>(blocks, 4000) : blocks;
      std::vector<char> memory(bytes);
      for (uint64_t i = 0; i < bytes; ++i) memory[i] = static_cast<char>(i * 31);
      d_iov_t iov;
      d_iov_set(&iov, memory.data(), bytes);
      d_sg_list_t list = {1, 0, &iov};
      dfs_obj_t* file;
      must(dfs_open(dfs_, nullptr, (std::string(order) + size_name).c_str(), S_IFREG | 0644,
                    O_CREAT | O_RDWR, 0, 0, nullptr, &file),
           "dfs_open");
      const auto offset = [&](uint64_t i) { return (random ? i * 7919 % count : i) * bytes; };
      Figures writes, reads;
      // Memory is measured in use, not when the kernel gives it.
      for (; bytes >= kMiB && !durable_ && !quick_ && warmed_ < kWarmBytes; warmed_ += count * bytes)
        for (uint64_t i = 0; i < count; ++i)
          must(dfs_write(dfs_, file, &list, offset(i), nullptr), "dfs_write");
      for (int run = 0; run <= report_.options().runs; ++run) {
        time(writes, run > 0, count, bytes, [&](uint64_t i) {
          must(dfs_write(dfs_, file, &list, offset(i), nullptr), "dfs_write");
        });
        time(reads, run > 0, count, bytes, [&](uint64_t i) {
          daos_size_t got = 0;
          must(dfs_read(dfs_, file, &list, offset(i), &got, nullptr), "dfs_read");
          if (got != bytes) must(EIO, "dfs_read (short)");
        });
      }
      add(write, writes, bytes, true);
      add(read, reads, bytes, false);
      must(dfs_release(file), "dfs_release");
      must(dfs_remove(dfs_, nullptr, (std::string(order) + size_name).c_str(), false, nullptr),
           "dfs_remove");
    }
  }

  Report& report_;
  std::string prefix_;
  bool local_, durable_, quick_;
  static constexpr uint64_t kWarmBytes = uint64_t{6} << 30;
  uint64_t warmed_ = 0;
  std::unique_ptr<ServerProcess> server_;
  daos_handle_t pool_, container_;
  dfs_t* dfs_ = nullptr;
};

}  // namespace
}  // namespace varve::bench

int main(int argc, char** argv) {
  using namespace varve::bench;
  Report report(parse_options(argc, argv));
  pin_to_core(1);
  add_limit_rows(report);
  for (const char* device : {"memory", "file"})
    for (const char* transport : {"tcp", "local"}) Bench(report, transport, device).run();
  return report.finish();
}
