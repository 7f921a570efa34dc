#include "bench/report.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/checksum.h"

namespace varve::bench {

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool has_value = i + 1 < argc;
    if (argument == "--quick")
      options.quick = true;
    else if (argument == "--runs" && has_value)
      options.runs = std::max(1, std::atoi(argv[++i]));
    else if (argument == "--json" && has_value)
      options.json = argv[++i];
    else if (argument == "--folder" && has_value)
      options.folder = argv[++i];
    else if (argument == "--filter" && has_value)
      options.filter = argv[++i];
    else {
      std::fprintf(stderr,
                   "%s: '%s' is not known; usage: %s [--quick] [--runs N] [--json FILE] "
                   "[--folder PATH] [--filter TEXT]\n",
                   argv[0], argument.c_str(), argv[0]);
      std::exit(argument == "--help" ? 0 : 2);
    }
  }
  return options;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

bool Report::wanted(const std::string& name) const {
  return options_.filter.empty() || name.find(options_.filter) != std::string::npos ||
         options_.filter.find(name) == 0;
}

double Report::add(const std::string& name, const std::string& unit, std::vector<double> runs,
                   const std::string& limit_name, double limit) {
  Row row{name, unit, median(runs), 0, 0, static_cast<int>(runs.size()), limit_name, limit, 0};
  if (!runs.empty()) {
    row.min = *std::min_element(runs.begin(), runs.end());
    row.max = *std::max_element(runs.begin(), runs.end());
  }
  if (limit > 0) row.ratio = row.median / limit;
  if (!headed_)
    std::printf("%-52s %-6s %14s %14s %14s  %s\n", "name", "unit", "median", "min", "max", "limit");
  headed_ = true;
  std::printf("%-52s %-6s %14.6g %14.6g %14.6g", name.c_str(), unit.c_str(), row.median, row.min,
              row.max);
  if (limit > 0) std::printf("  %.3f of %s (%.6g)", row.ratio, limit_name.c_str(), limit);
  std::printf("\n");
  std::fflush(stdout);
  rows_.push_back(row);
  return row.median;
}

namespace {
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}
std::string number(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}
}  // namespace

double Report::median_of(const std::string& name) const {
  for (const Row& row : rows_)
    if (row.name == name) return row.median;
  return 0;
}

int Report::finish() const {
  if (options_.json.empty()) return 0;
  std::ofstream file(options_.json);
  file << "[";
  for (size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = rows_[i];
    file << (i ? ",\n " : "\n ") << "{\"name\": " << quoted(row.name)
         << ", \"unit\": " << quoted(row.unit) << ", \"median\": " << number(row.median)
         << ", \"min\": " << number(row.min) << ", \"max\": " << number(row.max)
         << ", \"runs\": " << row.runs << ", \"limit_name\": " << quoted(row.limit_name)
         << ", \"limit\": " << number(row.limit) << ", \"ratio\": " << number(row.ratio) << "}";
  }
  file << "\n]\n";
  file.close();
  if (file) return 0;
  std::fprintf(stderr, "bench: cannot write %s: %s\n", options_.json.c_str(), std::strerror(errno));
  return 1;
}

void Latencies::add(uint64_t ns, uint64_t times) {
  size_t bucket = ns;
  if (ns >= 16) {
    const int exponent = 63 - __builtin_clzll(ns);
    bucket = static_cast<size_t>(exponent - 3) * 16 + ((ns >> (exponent - 4)) & 15);
  }
  buckets_[std::min(bucket, buckets_.size() - 1)] += times;
  count_ += times;
}

void Latencies::merge(const Latencies& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
}

double Latencies::percentile_ns(double fraction) const {
  const auto wanted = static_cast<uint64_t>(fraction * static_cast<double>(count_));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen == 0 || seen <= wanted) continue;
    if (bucket < 16) return static_cast<double>(bucket);
    const int exponent = static_cast<int>(bucket / 16) + 3;
    return (16.5 + static_cast<double>(bucket % 16)) * static_cast<double>(1ULL << (exponent - 4));
  }
  return 0;
}

double process_cpu_seconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

double process_cpu_seconds(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return 0;
  const size_t close = line.rfind(')');  // the name before it may hold spaces
  unsigned long long user = 0, system = 0;
  if (close == std::string::npos ||
      std::sscanf(line.c_str() + close + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                  &user, &system) != 2)
    return 0;
  return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

uint64_t resident_bytes(int pid) {
  std::ifstream file(pid ? "/proc/" + std::to_string(pid) + "/statm" : "/proc/self/statm");
  uint64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

namespace {
// Zeroed memory with transparent huge pages where the machine has them, as the heap has.
class Memory {
 public:
  explicit Memory(uint64_t bytes) : bytes_(bytes) {
    at_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at_ == MAP_FAILED) {
      std::fprintf(stderr, "bench: no memory for %llu bytes\n",
                   static_cast<unsigned long long>(bytes));
      std::exit(1);
    }
    madvise(at_, bytes, MADV_HUGEPAGE);
  }
  ~Memory() { munmap(at_, bytes_); }
  template <class T>
  T* as() {
    return static_cast<T*>(at_);
  }

 private:
  void* at_;
  uint64_t bytes_;
};
}  // namespace

double measure_memcpy_rate(uint64_t bytes, uint64_t spread_bytes) {
  Memory from(spread_bytes), to(spread_bytes);
  std::memset(from.as<char>(), 1, spread_bytes);
  std::memset(to.as<char>(), 2, spread_bytes);
  const uint64_t places = spread_bytes / bytes;
  const uint64_t copies =
      std::max<uint64_t>(1000, std::min<uint64_t>(4'000'000, (2ULL << 30) / bytes));
  const uint64_t start = now_ns();
  for (uint64_t i = 0; i < copies; ++i) {
    const uint64_t place = mix64(i) % places * bytes;
    std::memcpy(to.as<char>() + place, from.as<char>() + place, bytes);
    asm volatile("" ::: "memory");
  }
  return static_cast<double>(copies) * 1e9 / static_cast<double>(now_ns() - start);
}

double measure_probe_rate(uint64_t records, unsigned interleaved) {
  struct Slot {
    uint64_t key, value;
  };
  uint64_t slots = 16;
  while (slots < records * 2) slots *= 2;
  Memory memory(slots * sizeof(Slot));
  Slot* table = memory.as<Slot>();
  for (uint64_t key = 1; key <= records; ++key) {
    uint64_t at = mix64(key) & (slots - 1);
    while (table[at].key) at = (at + 1) & (slots - 1);
    table[at] = {key, key};
  }
  const uint64_t lookups = 4'000'000;
  uint64_t sum = 0, random = 1;
  std::vector<uint64_t> keys(interleaved);
  const uint64_t start = now_ns();
  for (uint64_t done = 0; done < lookups; done += interleaved) {
    for (uint64_t& key : keys) {
      key = mix64(++random) % records + 1;
      __builtin_prefetch(&table[mix64(key) & (slots - 1)]);
    }
    for (const uint64_t key : keys) {
      uint64_t at = mix64(key) & (slots - 1);
      while (table[at].key != key) at = (at + 1) & (slots - 1);
      sum += table[at].value;
    }
  }
  const double rate = static_cast<double>(lookups) * 1e9 / static_cast<double>(now_ns() - start);
  return sum == 0 ? 0 : rate;
}

}  // namespace varve::bench
