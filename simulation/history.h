// What clients did to registers and what they saw, checked while it happens. A register is written by
// one client at a time and read by all; each write has a version, which its value shows.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace varve::simulation {

class Register {
 public:
  // The writer begins version `latest() + 1`, and returns it.
  uint64_t begin_write();
  void acknowledge(uint64_t version);
  // It is not known whether it happened.
  void give_up(uint64_t version);
  // A read begins: what it may see depends on what was known then.
  uint64_t begin_read() const { return known_; }
  // It saw this version. Empty, or why that must not be. `begun`: of begin_read().
  std::string end_read(uint64_t version, uint64_t begun);

  uint64_t latest() const { return latest_; }
  uint64_t known() const { return known_; }

 private:
  uint64_t latest_ = 0;        // begun
  uint64_t known_ = 0;         // acknowledged, or seen by a reader: nothing older may be seen after
  std::set<uint64_t> in_doubt_;  // given up; only those above known_ can still turn up
};

}  // namespace varve::simulation
