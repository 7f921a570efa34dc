// simulate --seeds N [--seed S]: whole servers in virtual time, with faults. A failing seed replays exactly.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/log.h"
#include "simulation/cluster.h"

int main(int argc, char** argv) {
  using namespace varve;
  uint64_t seeds = 100, first = 1;
  bool twice = false, verbose = false;
  for (int i = 1; i < argc; ++i) {
    const bool more = i + 1 < argc;
    if (!std::strcmp(argv[i], "--seeds") && more) {
      seeds = std::strtoull(argv[++i], nullptr, 10);
    } else if (!std::strcmp(argv[i], "--seed") && more) {
      first = std::strtoull(argv[++i], nullptr, 10);
    } else if (!std::strcmp(argv[i], "--twice")) {
      twice = true;
    } else if (!std::strcmp(argv[i], "--verbose")) {
      verbose = true;
    } else {
      std::fprintf(stderr,
                   "usage: simulate [--seeds N] [--seed FIRST] [--twice: each one again, to the "
                   "same hash] [--verbose]\n");
      return 2;
    }
  }
  if (!configure_log(verbose ? LogLevel::kDebug : LogLevel::kOff, "").ok()) return 2;
  uint64_t failed = 0, writes = 0, reads = 0, crashes = 0, checksum_errors = 0, pools = 0, virtual_ms = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    simulation::ClusterOutcome outcome = simulation::run_cluster_seed(seed);
    if (twice && outcome.failure.empty() && simulation::run_cluster_seed(seed).trace_hash != outcome.trace_hash)
      outcome.failure = "the same seed gave another history";
    if (verbose || seeds == 1)
      std::printf("seed %llu: trace %016llx, %llu writes, %llu reads, %llu crashes\n",
                  static_cast<unsigned long long>(seed), static_cast<unsigned long long>(outcome.trace_hash),
                  static_cast<unsigned long long>(outcome.writes), static_cast<unsigned long long>(outcome.reads),
                  static_cast<unsigned long long>(outcome.crashes));
    if (!outcome.failure.empty()) {
      ++failed;
      std::printf("seed %llu FAILED: %s\n", static_cast<unsigned long long>(seed), outcome.failure.c_str());
      std::fflush(stdout);
    }
    writes += outcome.writes;
    reads += outcome.reads;
    crashes += outcome.crashes;
    checksum_errors += outcome.checksum_errors;
    pools += outcome.pools;
    virtual_ms += outcome.virtual_ms;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("simulate: %llu seeds, %llu failed; %llu writes, %llu reads, %llu pool operations, %llu power failures, "
              "%llu damaged reads refused; %.1f virtual hours in %.1f s\n",
              static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(failed),
              static_cast<unsigned long long>(writes), static_cast<unsigned long long>(reads),
              static_cast<unsigned long long>(pools), static_cast<unsigned long long>(crashes),
              static_cast<unsigned long long>(checksum_errors), static_cast<double>(virtual_ms) / 3.6e6, seconds);
  return failed == 0 ? 0 : 1;
}
