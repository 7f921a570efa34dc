#include "store/array.h"

#include <algorithm>

namespace varve::store {

namespace {

int class_of(uint64_t bytes) {
  int size_class = 0;
  while (size_class < kArrayClasses - 1 && bytes > kArrayClassBytes[size_class]) ++size_class;
  return size_class;
}

// The most records that an extent of this class has.
uint64_t class_records(const ArrayRecord& array, int size_class, uint32_t record_size) {
  if (size_class == kArrayClasses - 1) return array.count_max;
  return std::max<uint64_t>(1, kArrayClassBytes[size_class] / record_size);
}

uint64_t saturating_bytes(uint64_t count, uint32_t record_size) {
  uint64_t bytes;
  return __builtin_mul_overflow(count, record_size, &bytes) ? ~0ULL : bytes;
}

bool no_extents(const ArrayRecord& array) {
  return std::all_of(std::begin(array.extents), std::end(array.extents), tree_empty);
}


}  // namespace

uint32_t checksum_list_bytes(const Heap& heap, const ExtentRecord& extent, uint64_t length) {
  if (!(extent.flags & kFlagChecksums)) return 0;
  if (extent.flags & kFlagCounted) return 4 + 4 * *heap.at<uint32_t>(extent.detail);
  const uint64_t words = checksum_count(length);
  return words > 1 ? static_cast<uint32_t>(4 * words) : 0;
}

Order array_order(const ArrayRecord& array) {
  return {Keyed::kExtent, KeyKind::kInteger, array.only_index, no_extents(array)};
}

bool build_extent(Heap& heap, ExtentRecord* extent, const ArrayPiece& piece, Stamp stamp,
                  uint8_t flags) {
  const Data& data = piece.data;
  *extent = {};
  extent->epoch = stamp.epoch;
  extent->minor = stamp.minor;
  extent->count = piece.count;
  extent->flags = flags;
  if (data.length == 0) {
    extent->kind = static_cast<uint8_t>(DataKind::kPunch);
    return true;
  }
  if (data.bytes.empty()) {
    extent->kind = static_cast<uint8_t>(DataKind::kExtent);
    extent->place = pack_place(data.extent);
    heap.publish(data.extent);
  } else {
    extent->kind = static_cast<uint8_t>(DataKind::kInline);
    const Ref bytes = heap.allocate(static_cast<uint32_t>(data.length));
    if (bytes == 0) return false;
    std::memcpy(heap.at<std::byte>(bytes), data.bytes.data(), data.length);
    extent->place = bytes;
  }
  if (data.checksums.empty()) return true;
  extent->flags |= kFlagChecksums;
  const bool counted = counts_checksums(data);
  if (data.checksums.size() == 1 && !counted) {
    extent->detail = data.checksums[0];
    return true;
  }
  const Ref list =
      heap.allocate(static_cast<uint32_t>(data.checksums.size_bytes()) + (counted ? 4 : 0));
  if (list == 0) return false;
  extent->detail = list;
  auto* words = heap.at<uint32_t>(list);
  if (counted) {
    extent->flags |= kFlagCounted;
    *words++ = static_cast<uint32_t>(data.checksums.size());
  }
  std::memcpy(words, data.checksums.data(), data.checksums.size_bytes());
  return true;
}

bool link_extent(Heap& heap, ArrayRecord* array, uint32_t record_size, uint64_t index, Ref ref) {
  const auto* extent = heap.at<ExtentRecord>(ref);
  const int size_class = class_of(saturating_bytes(extent->count, record_size));
  if (size_class == kArrayClasses - 1 && extent->count > array->count_max)
    heap.set(array->count_max, extent->count);
  if (extent->kind == static_cast<uint8_t>(DataKind::kPunch) && !array->has_holes)
    heap.set(array->has_holes, uint8_t{1});
  const Order order = array_order(*array);
  if (order.may_be_single) heap.set(array->only_index, index);
  KeyScratch scratch;
  return tree_insert(heap, order, &array->extents[size_class],
                     {index, stamp_key(extent->stamp(), scratch)}, ref);
}

bool array_empty(const ArrayRecord& array) { return array.punches == 0 && no_extents(array); }

Ref add_range_punch(Heap& heap, ArrayRecord* array, uint64_t index, uint64_t end, Stamp stamp,
                    uint8_t flags) {
  const Ref ref = heap.allocate(sizeof(RangePunchRecord));
  if (ref == 0) return 0;
  Ref* at = &array->punches;
  while (*at && heap.at<RangePunchRecord>(*at)->stamp() > stamp)
    at = &heap.at<RangePunchRecord>(*at)->older;
  *heap.at<RangePunchRecord>(ref) = {stamp.epoch, index, end, *at, stamp.minor, flags};
  heap.set(*at, ref);
  return ref;
}

bool needs_range_punch(const ArrayPiece& piece, uint32_t record_size) {
  return piece.data.length == 0 &&
         class_of(saturating_bytes(piece.count, record_size)) == kArrayClasses - 1;
}

Ref add_extent(Heap& heap, ArrayRecord* array, uint32_t record_size, const ArrayPiece& piece,
               Stamp stamp, uint8_t flags) {
  if (needs_range_punch(piece, record_size))
    return add_range_punch(heap, array, piece.index, piece.index + piece.count, stamp, flags);
  const Ref ref = heap.allocate(sizeof(ExtentRecord));
  const bool added = ref != 0 &&
                     build_extent(heap, heap.at<ExtentRecord>(ref), piece, stamp, flags) &&
                     link_extent(heap, array, record_size, piece.index, ref);
  return added ? ref : 0;
}

void free_extent(Heap& heap, uint32_t record_size, Ref ref) {
  const auto* extent = heap.at<ExtentRecord>(ref);
  const uint64_t length = extent->count * record_size;
  const auto kind = static_cast<DataKind>(extent->kind);
  if (kind == DataKind::kExtent) heap.release(unpack_place(extent->place));
  if (kind == DataKind::kInline)
    heap.free(static_cast<Ref>(extent->place), static_cast<uint32_t>(length));
  if (const uint32_t bytes = checksum_list_bytes(heap, *extent, length))
    heap.free(extent->detail, bytes);
  if (!(extent->flags & kFlagEmbedded)) heap.free(ref, sizeof(ExtentRecord));
}

void remove_extent(Heap& heap, ArrayRecord* array, uint32_t record_size, uint64_t index, Ref ref) {
  const auto* extent = heap.at<ExtentRecord>(ref);
  KeyScratch scratch;
  const int size_class = class_of(saturating_bytes(extent->count, record_size));
  tree_erase(heap, array_order(*array), &array->extents[size_class],
             {index, stamp_key(extent->stamp(), scratch)});
  free_extent(heap, record_size, ref);
}

bool ArrayView::visit_overlapping(uint64_t begin, uint64_t end, const Visit& visit) const {
  const Order order = array_order(array_);
  for (int size_class = 0; size_class < kArrayClasses; ++size_class) {
    const TreeRoot& root = array_.extents[size_class];
    if (tree_empty(root)) continue;
    const uint64_t reach = class_records(array_, size_class, record_size_);
    const uint64_t low = begin >= reach ? begin - reach + 1 : 0;
    if (!tree_visit_range(heap_, order, root, low, end - 1, [&](uint64_t index, Ref ref) {
          return extent_end(index, *heap_.at<ExtentRecord>(ref)) <= begin || visit(index, ref);
        }))
      return false;
  }
  return true;
}

bool ArrayView::has_stamp_in(uint64_t begin, uint64_t end, Stamp stamp) const {
  for (Ref ref = array_.punches; ref; ref = heap_.at<RangePunchRecord>(ref)->older) {
    const auto* punch = heap_.at<RangePunchRecord>(ref);
    if (punch->stamp() == stamp && punch->index < end && begin < punch->end) return true;
  }
  return !visit_overlapping(
      begin, end, [&](uint64_t, Ref ref) { return heap_.at<ExtentRecord>(ref)->stamp() != stamp; });
}

void ArrayView::gather(uint64_t begin, uint64_t end, std::vector<Piece>& candidates) const {
  visit_overlapping(begin, end, [&](uint64_t index, Ref ref) {
    const auto* extent = heap_.at<ExtentRecord>(ref);
    const bool hole = static_cast<DataKind>(extent->kind) == DataKind::kPunch;
    if (!point_.sees(extent->stamp()) || !point_.counts(ref, extent->flags, hole)) return true;
    candidates.push_back({std::max(index, begin), std::min(extent_end(index, *extent), end),
                          hole ? 0 : ref, index, extent->stamp()});
    return true;
  });
  for (Ref ref = array_.punches; ref; ref = heap_.at<RangePunchRecord>(ref)->older) {
    const auto* punch = heap_.at<RangePunchRecord>(ref);
    if (!point_.sees(punch->stamp()) || punch->end <= begin || punch->index >= end) continue;
    if (!point_.counts(ref, punch->flags, true)) continue;
    candidates.push_back({std::max(punch->index, begin), std::min(punch->end, end), 0, punch->index,
                          punch->stamp()});
  }
}

namespace {

void emit(std::vector<Piece>& pieces, size_t first, const Piece& piece) {
  if (pieces.size() > first) {
    Piece& last = pieces.back();
    if (last.extent == piece.extent) {
      last.end = piece.end;
      return;
    }
  }
  pieces.push_back(piece);
}

// Sweeps candidates, sorted by begin, keeping those that reach the sweep line in a heap by stamp.
void paint(std::vector<Piece>& candidates, uint64_t begin, uint64_t end,
           std::vector<Piece>& pieces) {
  const size_t first = pieces.size();
  // Of two at one stamp, the hole wins.
  const auto older = [](const Piece* a, const Piece* b) {
    return a->stamp != b->stamp ? a->stamp < b->stamp : a->extent && !b->extent;
  };
  std::vector<const Piece*> active;
  size_t next = 0;
  for (uint64_t at = begin; at < end;) {
    for (; next < candidates.size() && candidates[next].begin <= at; ++next) {
      active.push_back(&candidates[next]);
      std::push_heap(active.begin(), active.end(), older);
    }
    while (!active.empty() && active.front()->end <= at) {
      std::pop_heap(active.begin(), active.end(), older);
      active.pop_back();
    }
    uint64_t until = next < candidates.size() ? std::min(candidates[next].begin, end) : end;
    Piece piece;
    if (!active.empty()) {
      piece = *active.front();
      until = std::min(until, piece.end);
    }
    piece.begin = at;
    piece.end = until;
    emit(pieces, first, piece);
    at = until;
  }
}

}  // namespace

void ArrayView::resolve(uint64_t begin, uint64_t end, std::vector<Piece>& pieces) const {
  if (begin >= end) return;
  std::vector<Piece> candidates;
  gather(begin, end, candidates);
  if (candidates.size() == 1 && candidates[0].begin == begin && candidates[0].end == end) {
    pieces.push_back(candidates[0]);
    return;
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Piece& a, const Piece& b) { return a.begin < b.begin; });
  paint(candidates, begin, end, pieces);
}

bool ArrayView::bounds(uint64_t& begin, uint64_t& end) const {
  begin = ~0ULL;
  end = 0;
  const Order order = array_order(array_);
  for (int size_class = 0; size_class < kArrayClasses; ++size_class) {
    const TreeRoot& root = array_.extents[size_class];
    if (tree_empty(root)) continue;
    TreeCursor cursor(heap_, order, root);
    cursor.first();
    begin = std::min(begin, cursor.prefix());
    // Nothing of this class ends above the last index and the longest extent.
    cursor.last();
    const uint64_t last = cursor.prefix();
    const uint64_t reach = class_records(array_, size_class, record_size_);
    const uint64_t low = last >= reach ? last - reach + 1 : 0;
    tree_visit_range(heap_, order, root, low, last, [&](uint64_t index, Ref ref) {
      end = std::max(end, extent_end(index, *heap_.at<ExtentRecord>(ref)));
      return true;
    });
  }
  return begin < end;
}

namespace {
// Windows of the searches below begin with so many records, and double.
constexpr uint64_t kWindowRecords = 1 << 16, kHighestRecords = 256;
}  // namespace

bool ArrayView::lowest(Piece& piece) const {
  std::vector<Piece> pieces;
  list(0, 1, pieces);
  if (pieces.empty()) return false;
  piece = pieces[0];
  return true;
}

bool ArrayView::visible() const {
  if (!array_.has_holes && array_.punches == 0) {
    bool seen = false;
    const Order order = array_order(array_);
    for (const TreeRoot& root : array_.extents)
      if (!tree_visit_range(heap_, order, root, 0, ~0ULL, [&](uint64_t, Ref ref) {
            const auto* extent = heap_.at<ExtentRecord>(ref);
            seen = point_.sees(extent->stamp()) && point_.counts(ref, extent->flags, false);
            return !seen;
          }))
        return true;
    return false;
  }
  Piece piece;
  return lowest(piece);
}

bool ArrayView::highest(Piece& found) const {
  uint64_t begin, end;
  if (!bounds(begin, end)) return false;
  std::vector<Piece> pieces;
  // Small at first: an array that was appended to has many extents at its end.
  for (uint64_t window = kHighestRecords; end > begin;) {
    const uint64_t from = end - begin > window ? end - window : begin;
    pieces.clear();
    resolve(from, end, pieces);
    for (size_t i = pieces.size(); i-- > 0;) {
      if (pieces[i].extent == 0) continue;
      found = pieces[i];
      if (i == 0 && from > begin) {  // it may begin below the window
        pieces.clear();
        resolve(found.extent_index, found.end, pieces);
        found = pieces.back();
      }
      return true;
    }
    end = from;
    if (window < ~0ULL / 16) window *= 8;
  }
  return false;
}

bool ArrayView::list(uint64_t from, uint32_t limit, std::vector<Piece>& found) const {
  uint64_t begin, end;
  if (!bounds(begin, end)) return true;
  begin = std::max(begin, from);
  std::vector<Piece> pieces;
  for (uint64_t window = kWindowRecords; begin < end;) {
    const uint64_t until = end - begin > window ? begin + window : end;
    pieces.clear();
    resolve(begin, until, pieces);
    begin = until;
    for (Piece& piece : pieces) {
      if (piece.extent == 0) continue;
      if (found.size() == limit) return false;
      if (piece.end == until && until < end) {  // it may end above the window
        std::vector<Piece> whole;
        resolve(
            piece.begin,
            std::min(end, extent_end(piece.extent_index, *heap_.at<ExtentRecord>(piece.extent))),
            whole);
        piece = whole.front();
        begin = piece.end;
      }
      found.push_back(piece);
    }
    if (window < ~0ULL / 2) window *= 2;
  }
  return true;
}

FoundPiece ArrayView::found(const Piece& piece) const {
  FoundPiece found;
  found.length = (piece.end - piece.begin) * record_size_;
  if (piece.extent == 0) return found;
  const auto* extent = heap_.at<ExtentRecord>(piece.extent);
  found.run_length = extent->count * record_size_;
  found.run_index = piece.extent_index;
  found.corrupt = extent->flags & kFlagCorrupt;
  found.skip = (piece.begin - piece.extent_index) * record_size_;
  if (static_cast<DataKind>(extent->kind) == DataKind::kInline) {
    found.kind = FoundPiece::Kind::kInline;
    found.run = {heap_.at<std::byte>(static_cast<Ref>(extent->place)), found.run_length};
    found.bytes = found.run.subspan(found.skip, found.length);
  } else {
    found.kind = FoundPiece::Kind::kExtent;
    found.run_offset = unpack_place(extent->place).offset;
  }
  if (extent->flags & kFlagChecksums) {
    const uint32_t bytes = checksum_list_bytes(heap_, *extent, found.run_length);
    found.run_checksums = {&extent->detail, 1};
    if (bytes > 0) found.run_checksums = {heap_.at<const uint32_t>(extent->detail), bytes / 4};
    if (extent->flags & kFlagCounted) found.run_checksums = found.run_checksums.subspan(1);
  }
  return found;
}

}  // namespace varve::store
