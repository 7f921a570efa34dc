#include "bench/rocksdb.h"

#include <rocksdb/c.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/bytes.h"
#include "base/checksum.h"
#include "bench/report.h"

namespace varve::bench {
namespace {

void check(char* error) {
  if (!error) return;
  std::fprintf(stderr, "bench: rocksdb: %s\n", error);
  std::exit(1);
}

double rate_of(uint64_t operations, uint64_t start_ns) {
  return static_cast<double>(operations) * 1e9 / static_cast<double>(now_ns() - start_ns);
}

class Database {
 public:
  explicit Database(const std::string& folder)
      : folder_(folder + "/rocksdb_bench." + std::to_string(getpid())) {
    options_ = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options_, 1);
    rocksdb_options_set_compression(options_, rocksdb_no_compression);
    // All that this bench writes stays in memory tables: its fetches are lookups, not file reads.
    rocksdb_options_set_write_buffer_size(options_, 4 * kGiB);
    char* error = nullptr;
    database_ = rocksdb_open(options_, folder_.c_str(), &error);
    check(error);
    read_ = rocksdb_readoptions_create();
  }
  ~Database() {
    rocksdb_readoptions_destroy(read_);
    rocksdb_close(database_);
    rocksdb_options_destroy(options_);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  double update(uint64_t first, uint64_t records, const std::vector<char>& value, size_t batch,
                bool sync) {
    rocksdb_writeoptions_t* write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(write, sync);
    rocksdb_writebatch_t* gathered = rocksdb_writebatch_create();
    const uint64_t start = now_ns();
    for (uint64_t i = 0; i < records; i += batch) {
      rocksdb_writebatch_clear(gathered);
      for (size_t j = 0; j < batch; ++j) {
        const uint64_t key = mix64(first + i + j);
        rocksdb_writebatch_put(gathered, reinterpret_cast<const char*>(&key), sizeof key,
                               value.data(), value.size());
      }
      char* error = nullptr;
      rocksdb_write(database_, write, gathered, &error);
      check(error);
    }
    const double rate = rate_of(records, start);
    rocksdb_writebatch_destroy(gathered);
    rocksdb_writeoptions_destroy(write);
    return rate;
  }

  double fetch(uint64_t records, size_t batch) {
    std::vector<uint64_t> keys(batch);
    std::vector<const char*> names(batch);
    std::vector<size_t> name_bytes(batch, sizeof(uint64_t)), value_bytes(batch);
    std::vector<char*> values(batch), errors(batch);
    for (size_t i = 0; i < batch; ++i) names[i] = reinterpret_cast<const char*>(&keys[i]);
    uint64_t random = 0, found = 0;
    const uint64_t start = now_ns();
    for (uint64_t i = 0; i < records; i += batch) {
      for (uint64_t& key : keys) key = mix64(mix64(++random) % records);
      rocksdb_multi_get(database_, read_, batch, names.data(), name_bytes.data(), values.data(),
                        value_bytes.data(), errors.data());
      for (size_t j = 0; j < batch; ++j) {
        check(errors[j]);
        found += values[j] != nullptr;
        rocksdb_free(values[j]);
      }
    }
    const double rate = rate_of(found, start);
    if (found < records) {
      std::fprintf(stderr, "bench: rocksdb lost %lu keys\n", (unsigned long)(records - found));
      std::exit(1);
    }
    return rate;
  }

 private:
  std::string folder_;
  rocksdb_options_t* options_;
  rocksdb_readoptions_t* read_;
  rocksdb_t* database_;
};

}  // namespace

void bench_rocksdb(Report& report, uint64_t records) {
  if (!report.wanted("rocksdb.")) return;
  records = round_down(records, 64);
  const std::string folder = report.options().folder.empty() ? "." : report.options().folder;
  const std::vector<char> value(64, 7);
  const uint64_t synchronised = report.options().quick ? 3200 : 64'000;
  std::vector<double> updates, fetches, single_fetches, durable_updates;
  for (int run = 0; run < report.options().runs; ++run) {
    Database database(folder);
    updates.push_back(database.update(0, records, value, 16, false));
    fetches.push_back(database.fetch(records, 16));
    single_fetches.push_back(database.fetch(records / 4, 1));
    durable_updates.push_back(database.update(records, synchronised, value, 32, true));
  }
  const auto row = [&](const char* name, const std::vector<double>& rates, const char* ours) {
    report.add(name, "1/s", rates, ours, report.median_of(ours));
  };
  row("rocksdb.file.update.64B.batch16.rate", updates, "store.file.update.64B.rate");
  row("rocksdb.file.update.64B.sync.batch32.rate", durable_updates, "store.file.update.64B.batch32.qd1.rate");
  row("rocksdb.file.fetch.64B.batch16.rate", fetches, "store.memory.fetch.64B.rate");
  row("rocksdb.file.fetch_one.64B.rate", single_fetches, "store.memory.fetch_one.64B.rate");
}

}  // namespace varve::bench
