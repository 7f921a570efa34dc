// Time that passes only when nothing else is left to do.
#pragma once

#include <functional>

#include "runtime/executor.h"

namespace varve::simulation {

class VirtualClock final : public Clock {
 public:
  explicit VirtualClock(Instant start = {1'000'000'000}) : now_(start) {}
  Instant now() const override { return now_; }
  uint64_t wall_ns() const override { return now_.ns + 1'700'000'000'000'000'000; }
  void advance_to(Instant when) {
    if (when > now_) now_ = when;
  }

 private:
  Instant now_;
};

// Steps one executor, and time with it, until `done`; false if nothing can happen any more before that.
inline bool run_until(Executor& executor, VirtualClock& clock, const std::function<bool()>& done) {
  while (!done()) {
    if (executor.step()) continue;
    if (done()) return true;
    const Instant next = executor.next_timer();
    if (next == kNever) return false;
    clock.advance_to(next);
  }
  return true;
}

}  // namespace varve::simulation
