// Many threads of one process on one handle: one varved of one target pinned to core 0, blocking
// threads of one client that share core 1, one pool, container, object and mount handle for all.
// What a thread waits for, another uses: the rate should rise until one of the two cores is full.
// Memory device, checksums on.
#include <errno.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>

#include "bench/limits.h"
#include "bench/report.h"
#include "bench/server_process.h"
#include "daos.h"
#include "daos_fs.h"
#include "libdaos/handles.h"

namespace varve::bench {
namespace {

void must(int result, const char* what) {
  if (result == 0) return;
  std::fprintf(stderr, "threads bench: %s failed: %d\n", what, result);
  std::exit(1);
}

// Work of one thread: its number, and which of its operations.
using One = std::function<void(unsigned, uint64_t)>;

struct Figures {
  std::vector<double> rates, client_cpu, server_cpu, client_busy, server_busy;
};

class Bench {
 public:
  Bench(Report& report, std::string transport)
      : report_(report), transport_(std::move(transport)), quick_(report.options().quick) {}

  void run() {
    if (!report_.wanted("c." + transport_ + ".memory.") &&
        !report_.wanted("dfs." + transport_ + ".memory."))
      return;
    server_ = std::make_unique<ServerProcess>(report_.options().folder, true);
    std::string addresses;
    for (const std::string& address : server_->addresses())
      addresses += (addresses.empty() ? "" : ",") + address;
    setenv("VARVE_ADDRESS", addresses.c_str(), 1);
    setenv("VARVE_TRANSPORT", transport_.c_str(), 1);
    must(daos_init(), "daos_init");
    open_all();
    for (const unsigned threads : {1u, 2u, 4u, 8u}) {
      measure_objects(threads);
      measure_files(threads);
    }
    must(daos_obj_close(object_, nullptr), "daos_obj_close");
    must(dfs_umount(dfs_), "dfs_umount");
    must(daos_cont_close(container_, nullptr), "daos_cont_close");
    must(daos_pool_disconnect(pool_, nullptr), "daos_pool_disconnect");
    must(daos_fini(), "daos_fini");
    server_.reset();
  }

 private:
  void open_all() {
    auto session = libdaos::thread_session();
    if (!session) must(EIO, "a session");
    pool::CreatePool request;
    request.label = "bench";
    request.bytes = uint64_t{3} << 30;
    auto created = (*session)->wait((*session)->create_pool(request));
    if (!created) must(EIO, created.error().describe().c_str());
    must(daos_pool_connect("bench", nullptr, DAOS_PC_RW, &pool_, nullptr, nullptr),
         "daos_pool_connect");
    must(dfs_cont_create_with_label(pool_, "files", nullptr, nullptr, &container_, &dfs_),
         "dfs_cont_create");
    daos_obj_id_t oid{1, 0};
    must(daos_obj_generate_oid(container_, &oid, DAOS_OT_DKEY_UINT64, OC_S1, 0, 0),
         "daos_obj_generate_oid");
    must(daos_obj_open(container_, oid, DAOS_OO_RW, &object_, nullptr), "daos_obj_open");
  }

  // Runs one(thread, i), `each` times in each of the threads, which begin together.
  void time(Figures& figures, unsigned threads, uint64_t each, const One& one) {
    std::vector<std::thread> running;
    std::atomic<unsigned> ready{0};
    std::atomic<bool> go{false};
    for (unsigned thread = 0; thread < threads; ++thread)
      running.emplace_back([&, thread] {
        one(thread, 0);  // its connections
        ready.fetch_add(1);
        while (!go.load()) std::this_thread::yield();
        for (uint64_t i = 0; i < each; ++i) one(thread, i);
      });
    while (ready.load() < threads) std::this_thread::yield();
    const double client = process_cpu_seconds(), server = process_cpu_seconds(server_->pid());
    const uint64_t start = now_ns();
    go.store(true);
    for (std::thread& thread : running) thread.join();
    const double seconds = static_cast<double>(now_ns() - start) * 1e-9;
    const auto n = static_cast<double>(each * threads);
    const double client_cpu = process_cpu_seconds() - client;
    const double server_cpu = process_cpu_seconds(server_->pid()) - server;
    figures.rates.push_back(n / seconds);
    figures.client_cpu.push_back(client_cpu * 1e6 / n);
    figures.server_cpu.push_back(server_cpu * 1e6 / n);
    figures.client_busy.push_back(client_cpu / seconds);
    figures.server_busy.push_back(server_cpu / seconds);
  }

  void measure(const std::string& kind, const char* operation, unsigned threads, uint64_t each,
               const One& one) {
    const std::string name = kind + "." + transport_ + ".memory." + operation;
    const std::string row = name + ".threads" + std::to_string(threads);
    if (!report_.wanted(row)) return;
    Figures figures;
    for (int run = 0; run < report_.options().runs; ++run) time(figures, threads, each, one);
    // Its limit is what one thread does.
    report_.add(row + ".rate", "1/s", figures.rates, threads > 1 ? name + ".threads1" : "",
                threads > 1 ? report_.median_of(name + ".threads1.rate") : 0);
    report_.add(row + ".client_cpu_us", "us", figures.client_cpu);
    report_.add(row + ".server_cpu_us", "us", figures.server_cpu);
    report_.add(row + ".client_cores", "cores", figures.client_busy);
    report_.add(row + ".server_cores", "cores", figures.server_busy);
  }

  void measure_objects(unsigned threads) {
    const uint64_t each = (quick_ ? 2000 : 100'000) / threads;
    struct Call {
      uint64_t dkey_number = 0;
      char akey_text = 'a';
      char value[64] = {};
      daos_key_t dkey;
      daos_iod_t iod{};
      d_iov_t iov;
      d_sg_list_t list{1, 0, nullptr};
      void prepare(unsigned thread, uint64_t i) {
        dkey_number = thread << 20 | i % 10'000;
        d_iov_set(&dkey, &dkey_number, sizeof dkey_number);
        d_iov_set(&iod.iod_name, &akey_text, 1);
        iod.iod_type = DAOS_IOD_SINGLE;
        iod.iod_nr = 1;
        iod.iod_size = sizeof value;
        d_iov_set(&iov, value, sizeof value);
        list.sg_iovs = &iov;
      }
    };
    measure("c", "update.64B", threads, each, [this](unsigned thread, uint64_t i) {
      thread_local Call call;
      call.prepare(thread, i);
      must(daos_obj_update(object_, DAOS_TX_NONE, 0, &call.dkey, 1, &call.iod, &call.list, nullptr),
           "daos_obj_update");
    });
    measure("c", "fetch.64B", threads, each, [this](unsigned thread, uint64_t i) {
      thread_local Call call;
      call.prepare(thread, i);
      must(daos_obj_fetch(object_, DAOS_TX_NONE, 0, &call.dkey, 1, &call.iod, &call.list, nullptr,
                          nullptr),
           "daos_obj_fetch");
    });
  }

  // As mdtest with many threads: a directory for each.
  void measure_files(unsigned threads) {
    const uint64_t each = (quick_ ? 1000 : 20'000) / threads;
    std::vector<dfs_obj_t*> directories(threads);
    for (unsigned thread = 0; thread < threads; ++thread) {
      const std::string name = std::to_string(threads) + "." + std::to_string(thread);
      must(dfs_mkdir(dfs_, nullptr, name.c_str(), 0755, 0), "dfs_mkdir");
      must(dfs_lookup(dfs_, ("/" + name).c_str(), O_RDWR, &directories[thread], nullptr, nullptr),
           "dfs_lookup");
      for (uint64_t i = 0; i < kFiles; ++i) {
        dfs_obj_t* file;
        must(dfs_open(dfs_, directories[thread], std::to_string(i).c_str(), S_IFREG | 0644,
                      O_CREAT | O_RDWR, 0, 0, nullptr, &file),
             "create");
        must(dfs_release(file), "dfs_release");
      }
    }
    measure("dfs", "stat", threads, each, [&](unsigned thread, uint64_t i) {
      struct stat status;
      must(dfs_stat(dfs_, directories[thread], std::to_string(i % kFiles).c_str(), &status),
           "dfs_stat");
    });
    std::atomic<uint64_t> round{0};
    measure("dfs", "create", threads, each, [&](unsigned thread, uint64_t) {
      thread_local uint64_t made = 0;
      dfs_obj_t* file;
      const std::string name =
          "new" + std::to_string(round.fetch_add(1)) + "." + std::to_string(made++);
      must(dfs_open(dfs_, directories[thread], name.c_str(), S_IFREG | 0644,
                    O_CREAT | O_EXCL | O_RDWR, 0, 0, nullptr, &file),
           "create");
      must(dfs_release(file), "dfs_release");
    });
    for (dfs_obj_t* directory : directories) must(dfs_release(directory), "dfs_release");
  }

  static constexpr uint64_t kFiles = 1000;
  Report& report_;
  std::string transport_;
  bool quick_;
  std::unique_ptr<ServerProcess> server_;
  daos_handle_t pool_, container_, object_;
  dfs_t* dfs_ = nullptr;
};

}  // namespace
}  // namespace varve::bench

int main(int argc, char** argv) {
  using namespace varve::bench;
  Report report(parse_options(argc, argv));
  pin_to_core(1);
  for (const char* transport : {"local", "tcp"}) Bench(report, transport).run();
  return report.finish();
}
