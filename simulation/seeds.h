// How many seeds a test runs: $VARVE_SEEDS if set, else its own number times $VARVE_SEEDS_FACTOR.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace varve::simulation {

inline uint64_t seed_count(uint64_t normally) {
  if (const char* given = std::getenv("VARVE_SEEDS")) return std::strtoull(given, nullptr, 10);
  const char* factor = std::getenv("VARVE_SEEDS_FACTOR");
  return normally * (factor ? std::strtoull(factor, nullptr, 10) : 1);
}

}  // namespace varve::simulation
