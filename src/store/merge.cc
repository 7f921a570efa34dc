#include "store/merge.h"

#include <algorithm>
#include <optional>

namespace varve::store {

namespace {

bool spend(uint32_t& budget) {
  if (budget == 0) return false;
  --budget;
  return true;
}

bool is_punch(uint8_t kind) { return static_cast<DataKind>(kind) == DataKind::kPunch; }

// Some reader between the version's epoch and `until` is shown it by the punches above.
bool seen_between(const Readers& readers, Stamp stamp, uint64_t until) {
  const auto from = std::lower_bound(readers.epochs.begin(), readers.epochs.end(), stamp.epoch);
  for (auto at = from; at != readers.epochs.end() && *at < until; ++at)
    if (stamp > readers.floors[static_cast<size_t>(at - readers.epochs.begin())]) return true;
  return false;
}

}  // namespace

bool Readers::any_between(uint64_t from, uint64_t until) const {
  const auto at = std::lower_bound(epochs.begin(), epochs.end(), from);
  return at != epochs.end() && *at < until;
}

bool Readers::reach(uint64_t epoch) const {
  for (size_t reader = 0; reader < epochs.size(); ++reader)
    if (point(reader).reaches(epoch)) return true;
  return false;
}

namespace {

// What the readers make of a chain, newest first, where rollbacks part their views: shown[i] if some
// reader comes to its link i first, seen[i] if that link is above what punches hide from it.
struct Shown {
  std::vector<bool> shown, seen;
  Shown(const Readers& readers, const std::vector<Stamp>& chain)
      : shown(chain.size()), seen(chain.size()) {
    for (size_t reader = 0; reader < readers.epochs.size(); ++reader) {
      const ReadPoint point = readers.point(reader);
      size_t i = 0;
      while (i < chain.size() && !point.reaches(chain[i].epoch)) ++i;
      if (i == chain.size()) continue;
      shown[i] = true;
      if (chain[i] > point.floor) seen[i] = true;
    }
  }
};

}  // namespace

// Goes from the oldest up, so that a punch is dropped only when what it hid is gone.
void merge_versions(Heap& heap, Ref* head, const Readers& readers, uint32_t& budget, Kept& kept) {
  std::vector<Ref> chain;
  for (Ref ref = *head; ref; ref = heap.at<VersionRecord>(ref)->older) chain.push_back(ref);
  std::optional<Shown> parted;
  if (readers.parted) {
    std::vector<Stamp> stamps;
    for (const Ref ref : chain) stamps.push_back(heap.at<VersionRecord>(ref)->stamp());
    parted.emplace(readers, stamps);
  }
  bool older = false;
  for (size_t i = chain.size(); i-- > 0;) {
    const auto* version = heap.at<VersionRecord>(chain[i]);
    const uint64_t until = i == 0 ? ~0ULL : heap.at<VersionRecord>(chain[i - 1])->epoch;
    bool keep = version->epoch > readers.horizon;
    if (keep)
      kept.later |= i + 1 < chain.size() || is_punch(version->kind);
    else if (is_punch(version->kind))
      keep = older && (parted ? parted->shown[i] : readers.any_between(version->epoch, until));
    else
      keep = parted ? parted->seen[i] : seen_between(readers, version->stamp(), until);
    if (!keep && !spend(budget)) {
      keep = true;
      kept.finished = false;
      budget = 0;  // nothing newer may go either
    }
    if (keep) {
      older = true;
      kept.note(version->stamp());
      continue;
    }
    Ref* link = i == 0 ? head : &heap.at<VersionRecord>(chain[i - 1])->older;
    const Ref next = version->older;
    free_version(heap, chain[i]);
    heap.set(*link, next);
  }
  if (!kept.finished) kept.oldest = kNoStamp;  // the next call looks at all that stays
}

void merge_punches(Heap& heap, Ref* head, const Readers& readers, Stamp oldest, Kept& kept) {
  uint64_t until = ~0ULL;
  std::optional<Shown> parted;
  if (readers.parted) {
    std::vector<Stamp> stamps;
    for (Ref ref = *head; ref; ref = heap.at<PunchRecord>(ref)->older)
      stamps.push_back(heap.at<PunchRecord>(ref)->stamp());
    parted.emplace(readers, stamps);
  }
  size_t i = 0;
  for (Ref* link = head; *link; ++i) {
    auto* punch = heap.at<PunchRecord>(*link);
    bool keep = punch->epoch > readers.horizon;
    if (keep)
      kept.later = true;
    else
      keep = oldest <= punch->stamp() &&
             (parted ? parted->shown[i] : readers.any_between(punch->epoch, until));
    until = punch->epoch;
    if (keep) {
      link = &punch->older;
      continue;
    }
    const Ref gone = *link, next = punch->older;
    heap.set(*link, next);
    heap.free(gone, sizeof(PunchRecord));
  }
}

namespace {

struct Entry {
  uint64_t index, end;
  Ref ref;
  // Seen by a reader; by the one at the horizon; by those of the future.
  bool needed = false, at_horizon = false, at_end = false;
};

// Extents that begin in [from, until).
std::vector<Entry> entries_from(const Heap& heap, const ArrayRecord& array, uint64_t from,
                                uint64_t until) {
  std::vector<Entry> entries;
  const Order order = array_order(array);
  for (const TreeRoot& root : array.extents)
    tree_visit_range(heap, order, root, from, until - 1, [&](uint64_t index, Ref ref) {
      entries.push_back({index, extent_end(index, *heap.at<ExtentRecord>(ref)), ref});
      return true;
    });
  return entries;
}

bool older_data_in(const Heap& heap, const ArrayRecord& array, uint32_t record_size, uint64_t begin,
                   uint64_t end, Stamp stamp) {
  const ArrayView view(heap, array, record_size, {});
  return !view.visit_overlapping(begin, end, [&](uint64_t, Ref ref) {
    const auto* extent = heap.at<ExtentRecord>(ref);
    return is_punch(extent->kind) || extent->stamp() > stamp;
  });
}

// Sets `mark` of what of [from, until) the read point sees.
void mark_seen(const Heap& heap, const ArrayRecord& array, uint32_t record_size, ReadPoint point,
               uint64_t from, uint64_t until, std::vector<Entry>& entries, bool Entry::*mark) {
  std::vector<Piece> pieces;
  ArrayView(heap, array, record_size, point).resolve(from, until, pieces);
  std::vector<Ref> seen;
  for (const Piece& piece : pieces)
    if (piece.extent) seen.push_back(piece.extent);
  std::sort(seen.begin(), seen.end());
  for (Entry& entry : entries)
    entry.*mark |= std::binary_search(seen.begin(), seen.end(), entry.ref);
}

void merge_window(Heap& heap, ArrayRecord* array, uint32_t record_size, const Readers& readers,
                  uint64_t from, uint64_t until, Kept& kept) {
  std::vector<Entry> entries = entries_from(heap, *array, from, until);
  if (entries.empty()) return;
  uint64_t end = 0, begin = ~0ULL;
  for (const Entry& entry : entries) {
    end = std::max(end, entry.end);
    begin = std::min(begin, entry.index);
  }
  const auto mark = [&](const ReadPoint& point, bool Entry::*which) {
    mark_seen(heap, *array, record_size, point, begin, end, entries, which);
  };
  for (size_t i = 0; i < readers.epochs.size(); ++i) mark(readers.point(i), &Entry::needed);
  ReadPoint last = readers.point(readers.epochs.size() - 1);
  mark(last, &Entry::at_horizon);
  last.epoch = ~0ULL;
  mark(last, &Entry::at_end);
  std::vector<Entry> holes;
  for (Entry& entry : entries) {
    const auto* extent = heap.at<ExtentRecord>(entry.ref);
    if (is_punch(extent->kind)) {
      holes.push_back(entry);
      continue;
    }
    entry.needed |= extent->epoch > readers.horizon;
    kept.later |= !entry.at_end && (entry.at_horizon || extent->epoch > readers.horizon);
    if (entry.needed)
      kept.note(extent->stamp());
    else
      remove_extent(heap, array, record_size, entry.index, entry.ref);
  }
  for (const Entry& hole : holes) {
    const auto* extent = heap.at<ExtentRecord>(hole.ref);
    const bool keep =
        extent->epoch > readers.horizon ||
        ((!readers.parted || readers.reach(extent->epoch)) &&
         older_data_in(heap, *array, record_size, hole.index, hole.end, extent->stamp()));
    kept.later |= extent->epoch > readers.horizon;
    if (keep)
      kept.note(extent->stamp());
    else
      remove_extent(heap, array, record_size, hole.index, hole.ref);
  }
}

}  // namespace

uint64_t window_end(const Heap& heap, const ArrayRecord& array, uint64_t from, uint32_t count) {
  uint64_t until = ~0ULL;
  const Order order = array_order(array);
  for (const TreeRoot& root : array.extents) {
    TreeCursor cursor(heap, order, root);
    cursor.seek({from, {}}, false);
    for (uint32_t i = 0; i < count && cursor.valid(); ++i) cursor.next();
    if (cursor.valid()) until = std::min(until, std::max(cursor.prefix(), from + 1));
  }
  return until;
}

void merge_array(Heap& heap, ArrayRecord* array, uint32_t record_size, const Readers& readers,
                 uint64_t& next, uint32_t& budget, Kept& kept) {
  constexpr uint32_t kWindowExtents = 64;
  while (true) {
    if (budget == 0) {
      kept.finished = false;
      return;
    }
    const uint64_t until = window_end(heap, *array, next, kWindowExtents);
    merge_window(heap, array, record_size, readers, next, until, kept);
    budget -= std::min(budget, kWindowExtents);
    if (until == ~0ULL) break;
    next = until;
  }
  for (Ref* link = &array->punches; *link;) {
    auto* punch = heap.at<RangePunchRecord>(*link);
    bool keep = punch->epoch > readers.horizon;
    if (keep)
      kept.later = true;
    else
      keep = (!readers.parted || readers.reach(punch->epoch)) &&
             older_data_in(heap, *array, record_size, punch->index, punch->end, punch->stamp());
    if (keep) {
      kept.note(punch->stamp());
      link = &punch->older;
      continue;
    }
    const Ref gone = *link, older = punch->older;
    heap.set(*link, older);
    heap.free(gone, sizeof(RangePunchRecord));
  }
}

bool drain_versions(Heap& heap, Ref* head, uint32_t& budget) {
  Ref at = *head;
  while (at && spend(budget)) {
    const Ref older = heap.at<VersionRecord>(at)->older;
    free_version(heap, at);
    at = older;
  }
  heap.set(*head, at);
  return at == 0;
}

bool drain_array(Heap& heap, ArrayRecord* array, uint32_t record_size, uint32_t& budget) {
  for (TreeRoot& root : array->extents) {
    while (!tree_empty(root)) {
      if (!spend(budget)) return false;
      TreeCursor cursor(heap, array_order(*array), root);
      cursor.first();
      remove_extent(heap, array, record_size, cursor.prefix(), cursor.record());
    }
  }
  Ref at = array->punches;
  while (at && spend(budget)) {
    const Ref older = heap.at<RangePunchRecord>(at)->older;
    heap.free(at, sizeof(RangePunchRecord));
    at = older;
  }
  if (at != array->punches) heap.set(array->punches, at);
  return at == 0;
}

bool drain_punches(Heap& heap, Ref* head, uint32_t& budget) {
  Ref at = *head;
  while (at && spend(budget)) {
    const Ref older = heap.at<PunchRecord>(at)->older;
    heap.free(at, sizeof(PunchRecord));
    at = older;
  }
  heap.set(*head, at);
  return at == 0;
}

}  // namespace varve::store
