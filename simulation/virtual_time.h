// Executors in one thread under one virtual clock: time passes only when nothing is left to do.
#pragma once

#include <functional>
#include <vector>

#include "simulation/virtual_clock.h"

namespace varve::simulation {

// The same time, with a wall clock of its own: that of one host.
class SkewedClock final : public Clock {
 public:
  SkewedClock(const Clock& base, Duration skew) : base_(base), skew_(skew) {}
  Instant now() const override { return base_.now(); }
  uint64_t wall_ns() const override {
    return base_.wall_ns() + static_cast<uint64_t>(skew_.count());
  }
  void set_skew(Duration skew) { skew_ = skew; }

 private:
  const Clock& base_;
  Duration skew_;
};

class VirtualTime {
 public:
  VirtualClock& clock() { return clock_; }
  // Executors whose clock is this one (or skewed from it). They are stepped in the order of
  // joining.
  void join(Executor& executor) { executors_.push_back(&executor); }
  void leave(Executor& executor) { std::erase(executors_, &executor); }

  // Until done() or `limit`; false then, and also if nothing is left that could ever happen.
  bool run_until(const std::function<bool()>& done, Instant limit);
  bool run_for(Duration duration);

 private:
  bool step_all();

  VirtualClock clock_;
  std::vector<Executor*> executors_;
};

}  // namespace varve::simulation
