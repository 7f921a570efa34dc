#include "store/read_table.h"

#include <algorithm>

namespace varve::store {

static_assert(ReadTable::bytes() <= 400 * 1024, "a few hundred KiB per target");

void ReadTable::note(ReadPlace place, ReadScope scope, uint64_t epoch, TransactionId reader) {
  const uint64_t at = hash(place, scope);
  newest_ = std::max(newest_, epoch);
  if (reader.is_null()) {
    uint64_t& slot = by_others_[at % kOtherSlots];
    slot = std::max(slot, epoch);
    return;
  }
  newest_by_transactions_ = std::max(newest_by_transactions_, epoch);
  Slot& slot = by_transactions_[at % kSlots];
  if (slot.reader == reader) {
    slot.first = std::max(slot.first, epoch);
  } else if (epoch >= slot.first) {
    slot.second = slot.first;
    slot.first = epoch;
    slot.reader = reader;
  } else {
    slot.second = std::max(slot.second, epoch);
  }
}

uint64_t ReadTable::newest(ReadPlace place, ReadScope scope, TransactionId writer) const {
  const uint64_t at = hash(place, scope);
  const Slot& slot = by_transactions_[at % kSlots];
  const uint64_t by_transactions = slot.reader == writer ? slot.second : slot.first;
  if (writer.is_null()) return slot.first;
  return std::max({by_transactions, by_others_[at % kOtherSlots], low_water_});
}

}  // namespace varve::store
