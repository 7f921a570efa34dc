#include "store/rewrite_plan.h"

#include <algorithm>

namespace varve::store {

namespace {
// An extent's record with its place in the tree.
constexpr uint64_t kExtentHeapBytes = sizeof(ExtentRecord) + sizeof(LeafEntry) + 1;
// A rewrite of few bytes is not worth it for the blocks alone.
constexpr uint64_t kGainBytesMin = 4096;

uint64_t list_bytes(uint64_t length) {
  const uint64_t count = checksum_count(length);
  return count > 1 ? round_up(4 * count, kRefUnit) : 0;
}
// What data of such a length takes when it is written as one.
uint64_t bytes_when_written(uint64_t length) {
  const uint64_t unit = length < kInlineBytesBelow ? kRefUnit : device::kBlockBytes;
  return kExtentHeapBytes + list_bytes(length) + round_up(length, unit);
}
}  // namespace

uint64_t RewritePlanner::held_by(const Source& source) const {
  const auto* extent = heap_.at<ExtentRecord>(source.ref);
  const uint64_t data = static_cast<DataKind>(extent->kind) == DataKind::kInline
                            ? round_up(source.bytes, kRefUnit)
                            : unpack_place(extent->place).length;
  return kExtentHeapBytes + list_bytes(source.bytes) + data;
}

RewritePlanner::Source* RewritePlanner::find(Ref ref) {
  const auto at =
      std::lower_bound(sources_.begin(), sources_.end(), ref,
                       [](const Source& source, Ref wanted) { return source.ref < wanted; });
  return at != sources_.end() && at->ref == ref ? &*at : nullptr;
}

void RewritePlanner::note_seen_by(size_t reader, uint64_t begin, uint64_t end) {
  std::vector<Piece> pieces;
  ArrayView(heap_, array_, record_size_, readers_.point(reader)).resolve(begin, end, pieces);
  for (const Piece& piece : pieces) {
    Source* source = piece.extent ? find(piece.extent) : nullptr;
    if (!source) continue;
    source->lowest = std::min(source->lowest, piece.begin);
    source->highest = std::max(source->highest, piece.end);
  }
}

// What the reader at the horizon sees of the range, and where else any reader sees the same
// extents.
void RewritePlanner::look(uint64_t from, uint64_t until) {
  pieces_.clear();
  sources_.clear();
  ArrayView(heap_, array_, record_size_, readers_.point(readers_.epochs.size() - 1))
      .resolve(from, until, pieces_);
  uint64_t begin = ~0ULL, end = 0;
  for (const Piece& piece : pieces_) {
    if (piece.extent == 0) continue;
    const auto* extent = heap_.at<ExtentRecord>(piece.extent);
    uint64_t bytes;
    if (__builtin_mul_overflow(extent->count, record_size_, &bytes) || bytes > kRewriteBytesMax)
      continue;
    begin = std::min(begin, piece.extent_index);
    end = std::max(end, extent_end(piece.extent_index, *extent));
    sources_.push_back({piece.extent, bytes, bytes_of(piece)});
  }
  std::sort(sources_.begin(), sources_.end(),
            [](const Source& a, const Source& b) { return a.ref < b.ref; });
  size_t kept = 0;
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (kept > 0 && sources_[kept - 1].ref == sources_[i].ref)
      sources_[kept - 1].seen_bytes += sources_[i].seen_bytes;
    else
      sources_[kept++] = sources_[i];
  }
  sources_.resize(kept);
  if (kept == 0) return;
  for (size_t i = 0; i < readers_.epochs.size(); ++i) note_seen_by(i, begin, end);
}

bool RewritePlanner::usable(const Piece& piece) {
  const Source* source = piece.extent ? find(piece.extent) : nullptr;
  if (!source) return false;
  // Large, and most of it is seen: there is nothing to gain.
  return source->bytes < kRewriteBytes / 2 || source->seen_bytes < source->bytes / 4 * 3;
}

bool RewritePlanner::seen_elsewhere(const Piece& piece, uint64_t begin, uint64_t end) {
  const Source* source = find(piece.extent);
  return source->lowest < begin || source->highest > end;
}

bool RewritePlanner::seen_together(const Piece& a, const Piece& b) const {
#ifdef VARVE_PLANT_rewrite_over_reader
  return true;
#endif
  if (!readers_.parted) {
    const uint64_t oldest = std::min(a.stamp.epoch, b.stamp.epoch);
    const uint64_t newest = std::max(a.stamp.epoch, b.stamp.epoch);
    return oldest == newest || !readers_.any_between(oldest, newest);
  }
  for (size_t reader = 0; reader < readers_.epochs.size(); ++reader)
    if (readers_.point(reader).sees(a.stamp) != readers_.point(reader).sees(b.stamp)) return false;
  return true;
}

// Where rollbacks part the views, one reader may see something over a piece that is older than the
// new extent, and hidden from the reader at the horizon.
bool RewritePlanner::covered_alike(size_t first, size_t last) const {
  if (!readers_.parted) return true;
  Stamp newest;
  for (size_t i = first; i < last; ++i) newest = std::max(newest, pieces_[i].stamp);
  std::vector<Piece> seen;
  for (size_t reader = 0; reader < readers_.epochs.size(); ++reader) {
    const ReadPoint point = readers_.point(reader);
    if (!point.sees(newest)) continue;
    seen.clear();
    ArrayView(heap_, array_, record_size_, point)
        .resolve(pieces_[first].begin, pieces_[last - 1].end, seen);
    size_t at = first;
    for (const Piece& piece : seen) {
      while (pieces_[at].end <= piece.begin) ++at;
      for (size_t i = at; i < last && pieces_[i].begin < piece.end; ++i)
        if (piece.extent != pieces_[i].extent && (piece.extent == 0 || piece.stamp <= newest))
          return false;
    }
  }
  return true;
}

bool RewritePlanner::replaceable(uint64_t begin, uint64_t end, std::vector<Piece>& pieces) {
  look(begin, end);
  pieces = pieces_;
  const Piece *oldest = nullptr, *newest = nullptr;
  for (const Piece& piece : pieces_) {
    if (piece.extent == 0 || !find(piece.extent) || seen_elsewhere(piece, begin, end)) return false;
    if (!oldest || piece.stamp < oldest->stamp) oldest = &piece;
    if (!newest || piece.stamp > newest->stamp) newest = &piece;
    if (readers_.parted && !seen_together(pieces_.front(), piece)) return false;
  }
  return seen_together(*oldest, *newest) && covered_alike(0, pieces_.size());
}

// Where a group that begins with a usable piece ends.
size_t RewritePlanner::group_end(size_t first) {
  uint64_t bytes = 0, reach = 0;
  size_t last = first, oldest = first, newest = first;
  for (; last < pieces_.size() && last - first < kRewritePiecesMax; ++last) {
    const Piece& piece = pieces_[last];
    if (!usable(piece)) break;
    if (bytes >= kRewriteBytes && reach <= piece.begin) break;
    if (piece.stamp < pieces_[oldest].stamp) oldest = last;
    if (piece.stamp > pieces_[newest].stamp) newest = last;
    if (!seen_together(pieces_[oldest], pieces_[newest]) ||
        (readers_.parted && !seen_together(pieces_[first], piece)) ||
        bytes + bytes_of(piece) > kRewriteBytesMax)
      break;
    bytes += bytes_of(piece);
    reach = std::max(reach, find(piece.extent)->highest);
  }
  return last;
}

bool RewritePlanner::worth(size_t first, size_t last, size_t& largest) {
  std::vector<std::pair<Ref, uint64_t>> seen;
  for (size_t i = first; i < last; ++i) seen.push_back({pieces_[i].extent, bytes_of(pieces_[i])});
  std::sort(seen.begin(), seen.end());
  uint64_t count = 0, length = 0, held = 0, most = 0, of_one = 0;
  for (size_t i = 0; i < seen.size(); ++i) {
    const bool another = i == 0 || seen[i - 1].first != seen[i].first;
    if (another) {
      ++count;
      of_one = 0;
      held += held_by(*find(seen[i].first));
    }
    of_one += seen[i].second;
    length += seen[i].second;
    most = std::max(most, of_one);
  }
  largest = first;
  for (size_t i = first; i < last; ++i)
    if (bytes_of(pieces_[i]) > bytes_of(pieces_[largest])) largest = i;
  const uint64_t written = bytes_when_written(length);
  const bool gives_back = held >= written + std::max(length / 4, kGainBytesMin);
  const bool joins = count >= 2 && most <= length / 2 && written <= held + held / 8;
  return gives_back || joins;
}

// Pieces [first, last) as one rewrite, or parts of them.
void RewritePlanner::split(size_t first, size_t last) {
  if (first == last) return;
  const uint64_t begin = pieces_[first].begin, end = pieces_[last - 1].end;
  size_t largest = first;
  for (size_t i = first; i < last; ++i) {
    if (!seen_elsewhere(pieces_[i], begin, end)) continue;
    split(first, i);
    split(i + 1, last);
    return;
  }
  if (worth(first, last, largest)) {
    if (covered_alike(first, last))
      plans_.emplace_back(pieces_.begin() + static_cast<long>(first),
                          pieces_.begin() + static_cast<long>(last));
    return;
  }
  if (last - first < 3) return;
  split(first, largest);
  split(largest + 1, last);
}

void RewritePlanner::plan(uint64_t from) {
  plans_.clear();
  next_ = window_end(heap_, array_, from, kPlanExtents);
  look(from, next_);
  for (size_t at = 0; at < pieces_.size();) {
    if (!usable(pieces_[at])) {
      ++at;
      continue;
    }
    const size_t end = group_end(at);
    if (end == at) {  // too large by itself
      ++at;
      continue;
    }
    // Cut off by the end of what was looked at: once more, with what follows.
    const bool open = end == pieces_.size() && next_ != ~0ULL && end - at < kRewritePiecesMax;
    if (open && pieces_[at].begin > from) {
      next_ = pieces_[at].begin;
      return;
    }
    split(at, end);
    at = end;
  }
}

}  // namespace varve::store
