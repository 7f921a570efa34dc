// What an inspection has found, worst first in the answer: for people and programs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace varve::inspect {

enum class Severity : uint8_t {
  kNote,    // worth knowing; nothing is lost
  kDoubt,   // a crash leaves this behind, and so does damage: they cannot be told apart
  kDamage,  // no run of the program leaves this behind
};

struct Finding {
  Severity severity = Severity::kNote;
  std::string where;  // the part of the volume: "heap page 7", "pool ..., container ..."
  std::string what;
};

class Findings {
 public:
  void note(std::string where, std::string what) {
    add(Severity::kNote, std::move(where), std::move(what));
  }
  void doubt(std::string where, std::string what) {
    add(Severity::kDoubt, std::move(where), std::move(what));
  }
  void damage(std::string where, std::string what) {
    add(Severity::kDamage, std::move(where), std::move(what));
  }
  uint64_t count(Severity severity) const { return counts_[static_cast<size_t>(severity)]; }
  bool clean() const { return count(Severity::kDamage) == 0 && count(Severity::kDoubt) == 0; }
  // The first of each severity, up to kKept.
  const std::vector<Finding>& all() const { return all_; }
  static constexpr uint64_t kKept = 200;

 private:
  void add(Severity severity, std::string where, std::string what) {
    if (++counts_[static_cast<size_t>(severity)] > kKept) return;
    all_.push_back({severity, std::move(where), std::move(what)});
  }
  uint64_t counts_[3] = {};
  std::vector<Finding> all_;
};

}  // namespace varve::inspect
