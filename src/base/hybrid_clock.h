// The hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014) that epochs come
// from. A value is wall nanoseconds since 1 January 1970, its lowest kLogicalBits replaced by a
// counter: readings of one clock rise strictly, and a reading after observe(e) is above e.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/ids.h"

namespace varve {

class HybridClock {
 public:
  static constexpr unsigned kLogicalBits = 8;
  // Two clocks that differ by more are an error, not a surprise (DAOS: 1 s).
  static constexpr uint64_t kSkewGuardNs = 1'000'000'000;

  // `wall_ns`: the wall clock's reading now.
  Epoch now(uint64_t wall_ns) {
    last_ = std::max(last_ + 1, wall_ns & ~((uint64_t{1} << kLogicalBits) - 1));
    return Epoch{last_};
  }
  // Takes in an epoch that another clock made; kClockSkew where it is beyond the guard, and news.
  Result<void> observe(Epoch epoch, uint64_t wall_ns) {
    if (epoch.value <= last_) return {};
    if (epoch.value > wall_ns + kSkewGuardNs) return Error(Code::kClockSkew);
    last_ = std::max(last_, epoch.value);
    return {};
  }
  // After a restart: nothing that was handed out before may be handed out again.
  void not_before(Epoch epoch) { last_ = std::max(last_, epoch.value); }

 private:
  uint64_t last_ = 0;
};

}  // namespace varve
