// What of a value's history nobody can see any more, and its removal. Readers are at the snapshots
// below the horizon, at the horizon itself, and anywhere above.
#pragma once

#include "store/array.h"

namespace varve::store {

inline constexpr Stamp kNoStamp{~0ULL, 0xffff};

struct Readers {
  uint64_t horizon = 0;
  std::vector<uint64_t> epochs;  // ascending, the horizon last
  std::vector<Stamp> floors;     // what punches above hide from each
  std::vector<const Hidden*> hidden;  // what rollbacks hide from each
  bool parted = false;                // some of `hidden` is not null
  // Some reader is at or above `from` and below `until`.
  bool any_between(uint64_t from, uint64_t until) const;
  // The reader as one sees from there, under the punches above.
  ReadPoint point(size_t reader) const {
    return {epochs[reader], floors[reader], hidden[reader]};
  }
  // Some reader's view goes through this epoch.
  bool reach(uint64_t epoch) const;
};

struct Kept {
  Stamp oldest = kNoStamp;  // of all that stays
  bool later = false;       // something will go when the horizon has moved
  bool finished = true;     // false: the budget was used up
  void note(Stamp stamp) { oldest = std::min(oldest, stamp); }
};

// Each takes a unit of `budget` for what it looks at or frees, and stops, safely, at 0.
void merge_versions(Heap& heap, Ref* head, const Readers& readers, uint32_t& budget, Kept& kept);
// From index `next` on, which moves; `kept` adds up over the calls.
void merge_array(Heap& heap, ArrayRecord* array, uint32_t record_size, const Readers& readers,
                 uint64_t& next, uint32_t& budget, Kept& kept);
// Where a window from index `from` ends that holds not many more than `count` extents; ~0: with the
// array.
uint64_t window_end(const Heap& heap, const ArrayRecord& array, uint64_t from, uint32_t count);
// `oldest`: of what stays beneath the punches. kept.oldest is not touched.
void merge_punches(Heap& heap, Ref* head, const Readers& readers, Stamp oldest, Kept& kept);

// Frees what a destroyed thing holds, a unit of budget each. True: all of it.
bool drain_versions(Heap& heap, Ref* head, uint32_t& budget);
bool drain_array(Heap& heap, ArrayRecord* array, uint32_t record_size, uint32_t& budget);
bool drain_punches(Heap& heap, Ref* head, uint32_t& budget);

}  // namespace varve::store
