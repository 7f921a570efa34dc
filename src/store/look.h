// Which prepared entries an operation counts. Its own always; of others it cannot know what becomes
// of them. So it is done in three worlds: their punches have come true and their values have not;
// the other way round; neither has. Whatever happens lies between, so an answer that is the same in
// all three is the answer.
#pragma once

#include <unordered_map>

#include "store/format.h"

namespace varve::store {

// The transaction (its record) of every entry that is prepared.
using Owners = std::unordered_map<Ref, Ref>;

enum class World : uint8_t { kPunches, kValues, kNeither };

class Look {
 public:
  // `own`: the record of the transaction that looks; 0: none.
  Look(const Owners& owners, Ref own) : owners_(&owners), own_(own) {}
  // `hides`: the entry is a punch.
  bool counts(Ref entry, bool hides) {
    const auto owner = owners_->find(entry);
    VARVE_ASSERT(owner != owners_->end(), "a prepared entry belongs to a transaction");
    if (owner->second == own_) return true;
    blocker_ = owner->second;
    return hides ? world_ == World::kPunches : world_ == World::kValues;
  }
  // A transaction of another's that was met; 0: none, so the worlds are one.
  Ref blocker() const { return blocker_; }
  void forget_blocker() { blocker_ = 0; }
  void to_world(World world) { world_ = world; }
  Ref own() const { return own_; }

 private:
  const Owners* owners_;
  Ref own_;
  Ref blocker_ = 0;
  World world_ = World::kPunches;
};

}  // namespace varve::store
