#include "simulation/virtual_time.h"

namespace varve::simulation {

bool VirtualTime::step_all() {
  bool any = false;
  // By index: a step may make an executor join or leave.
  for (size_t i = 0; i < executors_.size(); ++i) any |= executors_[i]->step();
  return any;
}

bool VirtualTime::run_until(const std::function<bool()>& done, Instant limit) {
  while (!done()) {
    if (step_all()) continue;
    Instant next = kNever;
    for (const Executor* executor : executors_) next = std::min(next, executor->next_timer());
    if (next == kNever || next > limit) {
      if (limit != kNever) clock_.advance_to(limit);
      return done();
    }
    clock_.advance_to(next);
  }
  return true;
}

bool VirtualTime::run_for(Duration duration) {
  return run_until([] { return false; }, clock_.now() + duration);
}

}  // namespace varve::simulation
