// ./dev sim store [--seeds N] [--seed S]: the store against its model, N seeds from S on.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "simulation/store_model.h"

int main(int argc, char** argv) {
  uint64_t seeds = 2000, first = 0;
  for (int i = 1; i < argc; i += 2) {
    const std::string argument = argv[i];
    if (i + 1 < argc && argument == "--seeds")
      seeds = std::strtoull(argv[i + 1], nullptr, 10);
    else if (i + 1 < argc && argument == "--seed")
      first = std::strtoull(argv[i + 1], nullptr, 10);
    else {
      std::fprintf(stderr, "usage: %s [--seeds N] [--seed S]\n", argv[0]);
      return 2;
    }
  }
  varve::simulation::StoreOutcome total;
  const bool good = varve::simulation::run_store_seeds(first, seeds, total);
  std::printf("store: %llu seeds, %llu operations, %llu crashes, %llu comparisons, "
              "%llu rewrites, %llu decisions, %llu reads refused, %llu answers by chance: %s\n",
              static_cast<unsigned long long>(seeds),
              static_cast<unsigned long long>(total.operations),
              static_cast<unsigned long long>(total.crashes),
              static_cast<unsigned long long>(total.compared),
              static_cast<unsigned long long>(total.rewrites),
              static_cast<unsigned long long>(total.decisions),
              static_cast<unsigned long long>(total.refused_reads),
              static_cast<unsigned long long>(total.by_chance), good ? "all agree" : "FAILED");
  return good ? 0 : 1;
}
