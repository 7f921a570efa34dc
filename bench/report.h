// What every benchmark shares: options, runs and medians, latency percentiles, rows for people and
// as JSON: [{"name","unit","median","min","max","runs","limit_name","limit","ratio"}, ...]. Names
// go from the general to the particular, the device always in them: store.memory.update.64B.rate.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace varve::bench {

struct Options {
  bool quick = false;  // smaller and shorter: shows that it works, not how fast
  int runs = 3;
  std::string json;    // file to write rows to
  std::string folder;  // for file-backed devices; default: the current one
  std::string filter;  // rows whose name contains it
};
// --quick --runs N --json FILE --folder PATH --filter TEXT; prints usage and exits on anything
// else.
Options parse_options(int argc, char** argv);

struct Row {
  std::string name, unit;
  double median = 0, min = 0, max = 0;
  int runs = 0;
  std::string limit_name;       // what of the machine bounds it, measured in the same program run
  double limit = 0, ratio = 0;  // ratio: median / limit
};

class Report {
 public:
  explicit Report(Options options) : options_(std::move(options)) {}
  const Options& options() const { return options_; }
  // True if the filter lets a row of this name (or of names that begin so) through.
  bool wanted(const std::string& name) const;
  // `runs`: one figure per run. Prints the row at once; returns the median.
  double add(const std::string& name, const std::string& unit, std::vector<double> runs,
             const std::string& limit_name = {}, double limit = 0);
  // The median of a row added before; 0 if there is none.
  double median_of(const std::string& name) const;
  // Writes the JSON file if one was asked for; the program's exit status.
  int finish() const;

 private:
  Options options_;
  std::vector<Row> rows_;
  bool headed_ = false;
};

// Latencies in nanoseconds, in buckets of 1/16 of a power of two: percentiles are right to 6 %.
class Latencies {
 public:
  void add(uint64_t ns, uint64_t times = 1);
  void merge(const Latencies& other);
  uint64_t count() const { return count_; }
  // 0.5, 0.99, 0.999; 0 if nothing was added.
  double percentile_ns(double fraction) const;

 private:
  std::array<uint64_t, 64 * 16> buckets_{};
  uint64_t count_ = 0;
};

double median(std::vector<double> values);
inline uint64_t now_ns() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count());
}
// User and system time of this process so far.
double process_cpu_seconds();
// The same of another process, from /proc; 0 if it is gone.
double process_cpu_seconds(int pid);
uint64_t resident_bytes(int pid = 0);  // 0: this process

// The machine's own limits.
// Copies per second of `bytes` each between places spread over `spread_bytes` of memory.
double measure_memcpy_rate(uint64_t bytes, uint64_t spread_bytes);
// Lookups per second in a bare open-addressed hash table of `records`, one after the other, or
// `interleaved` at a time by prefetching.
double measure_probe_rate(uint64_t records, unsigned interleaved);

}  // namespace varve::bench
