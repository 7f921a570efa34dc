// The first results of operations that carry an id, kept in the same store as what they changed, so
// that a resent operation is answered, not executed again. Bounded by age and number.
#pragma once

#include <deque>

#include "base/ids.h"
#include "consensus/key_value.h"

namespace varve::consensus {

class Operations {
 public:
  static constexpr size_t kKeptMax = 2048;
  static constexpr uint64_t kKeptNs = 600'000'000'000;  // a client's deadlines are far below

  // Reads what is kept.
  explicit Operations(const State& state);

  // The result that this operation of this kind had; null if it is new (or has a null client: no id).
  // kInvalid if the id was used for another kind.
  Result<const Buffer*> find(const Uuid& client, uint64_t sequence, uint16_t kind) const;
  // Adds to `batch` that the operation had this result, and the removal of what is too old. Call
  // recorded() when the batch is committed.
  void record(Batch& batch, const Uuid& client, uint64_t sequence, uint16_t kind, uint64_t now_ns,
              const Buffer& result);
  void recorded();
  size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    std::string key;
    uint64_t order = 0, at_ns = 0;
  };
  const State& state_;
  std::deque<Kept> kept_;  // oldest first
  std::deque<Kept> added_;
  size_t removed_ = 0;
  uint64_t next_order_ = 1;
};

}  // namespace varve::consensus
