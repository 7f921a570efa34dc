#include "store/rollback.h"

#include <algorithm>

#include "store/store_impl.h"

namespace varve::store {

void Rollbacks::add(Rollback rollback) {
  VARVE_ASSERT(rollback.to < rollback.at && rollback.at > newest_at(), "rollbacks come in order");
  // A reader here sees what the reader at `to` saw, and nothing between.
  const Hidden* before = hidden(rollback.to);
  Hidden ranges = before ? *before : Hidden();
  ranges.push_back({rollback.to, rollback.at});
  layers_.push_back({rollback, std::move(ranges)});
}

std::vector<Rollback> Rollbacks::all() const {
  std::vector<Rollback> rollbacks;
  for (const Layer& layer : layers_) rollbacks.push_back(layer.rollback);
  return rollbacks;
}

void Rollbacks::remove(uint64_t at) {
  const std::vector<Rollback> rollbacks = all();
  layers_.clear();
  for (const Rollback& rollback : rollbacks)
    if (rollback.at != at) add(rollback);
}

const Hidden* Rollbacks::hidden(uint64_t epoch) const {
  for (size_t i = layers_.size(); i-- > 0;)
    if (layers_[i].rollback.at <= epoch) return &layers_[i].hidden;
  return nullptr;
}

uint64_t Rollbacks::common(uint64_t a, uint64_t b) const {
  static const Hidden kNothing;
  const Hidden* of_a = hidden(a);
  const Hidden* of_b = hidden(b);
  if (!of_a) of_a = &kNothing;
  if (!of_b) of_b = &kNothing;
  for (size_t i = 0;; ++i) {
    // Both have seen the same so far: up to where does each go on seeing?
    const uint64_t top_a = i < of_a->size() ? (*of_a)[i].above : a;
    const uint64_t top_b = i < of_b->size() ? (*of_b)[i].above : b;
    if (top_a != top_b) return std::min(top_a, top_b);
    if (i >= of_a->size() || i >= of_b->size()) return top_a;
    const uint64_t low_a = (*of_a)[i].until, low_b = (*of_b)[i].until;
    if (low_a != low_b) return std::min(low_a, low_b);
  }
}

Result<void> StoreImpl::load_rollbacks(Container& container) {
  std::vector<Rollback> newest_first;
  for (Ref ref = record(container)->rollbacks; ref; ref = heap_.at<RollbackRecord>(ref)->older) {
    const auto* layer = heap_.at<RollbackRecord>(ref);
    if (layer->to >= layer->at ||
        (!newest_first.empty() && layer->at >= newest_first.back().at))
      return Error(Code::kBadFormat, "the rollbacks of container " + container.uuid.to_string() +
                                         " are damaged at epoch " + std::to_string(layer->at));
    newest_first.push_back({layer->to, layer->at});
  }
  for (size_t i = newest_first.size(); i-- > 0;) container.rollbacks.add(newest_first[i]);
  return {};
}

Result<Lsn> StoreImpl::rollback(Container& container, Epoch to, Epoch at) {
  if (to >= at || at == kEpochMax)
    return Error(Code::kInvalid, "a rollback to epoch " + std::to_string(to.value) + " at epoch " +
                                     std::to_string(at.value) + ": it must lead back");
  const std::vector<Rollback> before = container.rollbacks.all();
  for (const Rollback& done : before)
    if (done.to == to.value && done.at == at.value) return heap_.volume().last_committed();
  const uint64_t floor = std::max(record(container)->horizon, container.rollbacks.newest_at());
  if (at.value <= floor)
    return Error(Code::kTransactionRestart, "a rollback at epoch " + std::to_string(at.value) +
                                                ", but epoch " + std::to_string(floor) +
                                                " is settled already: try again with a newer one");
  VARVE_CHECK(check_readable(container, to.value));
  // It would be hidden when it is committed, or has looked at what is taken back.
  if (!container.prepared.empty()) return in_progress(container.prepared.front());
  if (const uint64_t above = reads_.above_all({}); at.value < above)
    return restart(above, "transactions have read above epoch " + std::to_string(at.value));
  if (before.size() >= kRollbacksMax)
    return Error(Code::kBusy, "container " + container.uuid.to_string() + " has " +
                                  std::to_string(before.size()) +
                                  " rollbacks whose space is not given back yet: destroy the "
                                  "snapshots that lie between, and try again later");
  heap_.begin(true);
  const Ref ref = heap_.allocate(sizeof(RollbackRecord));
  if (ref == 0) {
    StoreImpl::rollback();
    return heap_.error();
  }
  ContainerRecord* home = record(container);
  *heap_.at<RollbackRecord>(ref) = {to.value, at.value, home->rollbacks, 0, 0};
  heap_.set(home->rollbacks, ref);
  container.rollbacks.add({to.value, at.value});
  ++container.changes;
  return finish(container, at.value, false);
}

// The pass has removed all that was written in their ranges.
bool StoreImpl::forget_settled_rollbacks(Container& container) {
  for (const uint64_t at : cursor_.settled) {
    Ref* link = &record(container)->rollbacks;
    while (*link && heap_.at<RollbackRecord>(*link)->at != at)
      link = &heap_.at<RollbackRecord>(*link)->older;
    if (*link == 0) continue;
    const Ref gone = *link;
    heap_.set(*link, heap_.at<RollbackRecord>(gone)->older);
    heap_.free(gone, sizeof(RollbackRecord));
    container.rollbacks.remove(at);
  }
  return !cursor_.settled.empty();
}

namespace {

// Whether readers at these epochs see the same without the layer at `at`, of all that some of them
// sees: the rest is gone.
bool same_without(const Rollbacks& rollbacks, uint64_t at, const std::vector<uint64_t>& readers) {
  Rollbacks without = rollbacks;
  without.remove(at);
  std::vector<uint64_t> bounds = {0};
  for (const Rollback& rollback : rollbacks.all()) {
    bounds.push_back(rollback.to);
    bounds.push_back(rollback.at);
  }
  std::sort(bounds.begin(), bounds.end());
  const auto sees = [](const Rollbacks& by, uint64_t reader, uint64_t epoch) {
    const Hidden* hidden = by.hidden(reader);
    return !hidden || !hides(*hidden, epoch);
  };
  // Between two bounds all epochs are alike.
  for (size_t i = 0; i + 1 < bounds.size(); ++i) {
    bool seen = false, parted = false;
    for (const uint64_t reader : readers) {
      if (reader <= bounds[i]) continue;
      const bool now = sees(rollbacks, reader, bounds[i + 1]);
      seen |= now;
      parted |= now != sees(without, reader, bounds[i + 1]);
    }
    if (seen && parted) return false;
  }
  return true;
}

}  // namespace

std::vector<uint64_t> StoreImpl::settled_rollbacks(const Container& container,
                                                   uint64_t horizon) const {
  std::vector<uint64_t> settled;
  if (container.rollbacks.empty()) return settled;
  const std::vector<uint64_t> epochs = reader_epochs(container, horizon);
  Rollbacks left = container.rollbacks;
  for (const Rollback& rollback : container.rollbacks.all()) {
    if (rollback.at > horizon || !same_without(left, rollback.at, epochs)) continue;
    left.remove(rollback.at);
    settled.push_back(rollback.at);
  }
  return settled;
}

// Ascending, the horizon last.
std::vector<uint64_t> StoreImpl::reader_epochs(const Container& container,
                                               uint64_t horizon) const {
  std::vector<uint64_t> epochs;
  for (const uint64_t epoch : container.snapshots)
    if (epoch < horizon) epochs.push_back(epoch);
  // Behind a rollback that is still to come, the horizon's view gives way to an older one.
  if (!container.rollbacks.empty()) {
    for (const Rollback& rollback : container.rollbacks.all())
      if (rollback.at > horizon && rollback.to < horizon) epochs.push_back(rollback.to);
    std::sort(epochs.begin(), epochs.end());
  }
  epochs.push_back(horizon);
  return epochs;
}

}  // namespace varve::store
