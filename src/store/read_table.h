// Up to which epoch what was read: so that nobody writes below the feet of a reader. Volatile, of
// fixed size, never too low: places that share a slot share its epochs, which costs a restart now
// and then and never a wrong answer.
#pragma once

#include <array>
#include <memory>

#include "base/ids.h"
#include "base/transaction_id.h"

namespace varve::store {

// What a reader has looked at. kUnder...: something further down, which matters to who punches all
// of it; the others: the whole of it, which matters to who changes anything in it.
enum class ReadScope : uint8_t { kContainer, kObject, kUnderObject, kDkey, kUnderDkey, kAkey };

// The place that is read or written, from the container down.
struct ReadPlace {
  uint64_t value = 0;
  ReadPlace down(uint64_t step) const {
    const uint64_t mixed = (value ^ step) * 0x9fb21c651e98df25ULL;
    return {(mixed ^ mixed >> 32) * 0x9e3779b97f4a7c15ULL};
  }
};

class ReadTable {
 public:
  ReadTable() : by_transactions_(new Slot[kSlots]), by_others_(new uint64_t[kOtherSlots]()) {}

  // `reader` null: somebody without a transaction.
  void note(ReadPlace place, ReadScope scope, uint64_t epoch, TransactionId reader);
  // The newest epoch at which anybody but `writer` has read there. Readers without a transaction
  // count for transactions alone (a writer without one is history, or above its target's clock).
  uint64_t newest(ReadPlace place, ReadScope scope, TransactionId writer) const;
  // Nothing at or above this was read by those who count for `writer`: no need to look closer.
  uint64_t above_all(TransactionId writer) const {
    return 1 + (writer.is_null() ? newest_by_transactions_ : newest_);
  }
  // What was read before this table was made: transactions write above it.
  void set_low_water(uint64_t epoch) {
    low_water_ = epoch;
    newest_ = std::max(newest_, epoch);
  }
  static constexpr size_t bytes() { return kSlots * sizeof(Slot) + kOtherSlots * 8; }

 private:
  static constexpr size_t kSlots = 8192, kOtherSlots = 16384;
  // The newest read and whose it was; the newest of the others.
  struct Slot {
    uint64_t first = 0, second = 0;
    TransactionId reader;
  };
  static uint64_t hash(ReadPlace place, ReadScope scope) {
    return place.down(static_cast<uint64_t>(scope) + 1).value >> 40;
  }

  std::unique_ptr<Slot[]> by_transactions_;
  std::unique_ptr<uint64_t[]> by_others_;
  uint64_t newest_ = 0, newest_by_transactions_ = 0, low_water_ = 0;
};

}  // namespace varve::store
