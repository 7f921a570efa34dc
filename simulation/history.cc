#include "simulation/history.h"

#include <algorithm>

namespace varve::simulation {

uint64_t Register::begin_write() { return ++latest_; }

void Register::acknowledge(uint64_t version) {
  known_ = std::max(known_, version);
  in_doubt_.erase(version);
}

void Register::give_up(uint64_t version) {
  if (version > known_) in_doubt_.insert(version);
}

std::string Register::end_read(uint64_t version, uint64_t begun) {
  if (version < begun)
    return "version " + std::to_string(version) + " was read after version " + std::to_string(begun) +
           " had been acknowledged or seen: a write is lost";
  if (version > latest_)
    return "version " + std::to_string(version) + " was read, the newest that was ever begun is " +
           std::to_string(latest_);
  known_ = std::max(known_, version);
  return "";
}

}  // namespace varve::simulation
