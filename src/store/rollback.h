// What rollbacks hide. A rollback of a container to epoch `to`, made at epoch `at`, is a layer: it
// changes no version. Readers at or above `at` do not see what was written in (to, at]; readers
// below do. Nothing is written at or below `at` afterwards.
#pragma once

#include <cstdint>
#include <vector>

namespace varve::store {

// Epochs in (above, until] are hidden.
struct HiddenRange {
  uint64_t above = 0, until = 0;
  bool operator==(const HiddenRange&) const = default;
};
// Ascending, apart from each other.
using Hidden = std::vector<HiddenRange>;

inline bool hides(const Hidden& hidden, uint64_t epoch) {
  for (const HiddenRange& range : hidden)
    if (epoch > range.above && epoch <= range.until) return true;
  return false;
}

struct Rollback {
  uint64_t to = 0, at = 0;
};

// The rollbacks of one container that still hide something.
class Rollbacks {
 public:
  // `at` rises from one to the next; to < at.
  void add(Rollback rollback);
  void remove(uint64_t at);
  bool empty() const { return layers_.empty(); }
  // Oldest first.
  std::vector<Rollback> all() const;
  // 0: none.
  uint64_t newest_at() const { return layers_.empty() ? 0 : layers_.back().rollback.at; }

  // What a reader at `epoch` does not see; null: nothing is hidden. Valid until the next change.
  const Hidden* hidden(uint64_t epoch) const;
  // The highest epoch up to which (itself included) readers at `a` and at `b` see the same
  // versions.
  uint64_t common(uint64_t a, uint64_t b) const;

 private:
  struct Layer {
    Rollback rollback;
    Hidden hidden;  // from readers at or above rollback.at, and below the next layer's
  };
  std::vector<Layer> layers_;
};

}  // namespace varve::store
