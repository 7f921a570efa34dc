// Data written again in one piece: what reclaim() proposes, and its exchange in the end.
#include <algorithm>

#include "store/store_impl.h"

namespace varve::store {

namespace {

Error changed() {
  return Error(Code::kAgain, "what was to be written again has changed meanwhile");
}

void take_found(const FoundPiece& found, Rewrite::Source& source) {
  source.inlined = found.kind == FoundPiece::Kind::kInline;
  source.run_offset = found.run_offset;
  source.run_length = found.run_length;
  source.skip = found.skip;
  source.length = found.length;
  if (source.inlined) source.run.assign(found.run.begin(), found.run.end());
  source.run_checksums.assign(found.run_checksums.begin(), found.run_checksums.end());
}

bool is_source(const Heap& heap, const Piece& piece, const Rewrite::Source& source) {
  const auto* extent = heap.at<ExtentRecord>(piece.extent);
  return piece.begin == source.index && piece.end - piece.begin == source.count &&
         piece.extent_index == source.extent_index && extent->epoch == source.epoch &&
         extent->minor == source.minor && extent->place == source.place &&
         (static_cast<DataKind>(extent->kind) == DataKind::kInline) == source.inlined;
}

}  // namespace

std::optional<Rewrite> StoreImpl::take_rewrite() {
  if (rewrites_.empty()) return std::nullopt;
  std::optional<Rewrite> job(std::move(rewrites_.front()));
  rewrites_.pop_front();
  return job;
}

// The cursor says whose akey it is.
Rewrite& StoreImpl::propose() {
  Rewrite& job = rewrites_.emplace_back();
  job.pool = cursor_.pool;
  job.container = cursor_.container;
  job.oid = cursor_.oid;
  job.dkey = cursor_.dkey;
  job.akey = cursor_.akey;
  job.horizon = cursor_.horizon;
  job.checksums = find(cursor_.pool, cursor_.container)->integrity.checksums;
  return job;
}

void StoreImpl::propose(const AkeyRecord& akey, const std::vector<Piece>& pieces) {
  Rewrite& job = propose();
  const ArrayView view(heap_, *heap_.at<ArrayRecord>(akey.value), akey.record_size, {});
  for (const Piece& piece : pieces) {
    const auto* extent = heap_.at<ExtentRecord>(piece.extent);
    Rewrite::Source& source = job.sources.emplace_back();
    source.index = piece.begin;
    source.count = piece.end - piece.begin;
    source.extent_index = piece.extent_index;
    source.epoch = extent->epoch;
    source.minor = extent->minor;
    source.place = extent->place;
    take_found(view.found(piece), source);
    job.length += source.length;
  }
  job.in_extent = job.length >= kInlineBytesBelow;
}

Result<void> StoreImpl::replace_extents(const AkeyRecord& akey, const Readers& readers,
                                        const Rewrite& job, const Data& data) {
  auto* array = heap_.at<ArrayRecord>(akey.value);
  const uint64_t begin = job.sources.front().index;
  const uint64_t end = job.sources.back().index + job.sources.back().count;
  std::vector<Piece> pieces;
  RewritePlanner planner(heap_, *array, akey.record_size, readers);
  if (!planner.replaceable(begin, end, pieces)) return changed();
  if (!std::equal(pieces.begin(), pieces.end(), job.sources.begin(), job.sources.end(),
                  [&](const Piece& piece, const Rewrite::Source& source) {
                    return is_source(heap_, piece, source);
                  }))
    return changed();
  Stamp newest;
  for (const Piece& piece : pieces) newest = std::max(newest, piece.stamp);
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece& a, const Piece& b) { return a.extent < b.extent; });
  heap_.begin(true);
  for (size_t i = 0; i < pieces.size(); ++i)
    if (i == 0 || pieces[i].extent != pieces[i - 1].extent)
      remove_extent(heap_, array, akey.record_size, pieces[i].extent_index, pieces[i].extent);
  if (!add_extent(heap_, array, akey.record_size, {begin, end - begin, data}, newest)) {
    rollback();
    return heap_.error();
  }
  return {};
}

// Values of the heap that nobody has written for long. A version is taken as it is: who sees it
// does not matter.
void StoreImpl::propose_cold(const AkeyRecord& akey) {
  for (Ref ref = akey.value; ref;) {
    const auto* version = heap_.at<VersionRecord>(ref);
    const bool large = static_cast<DataKind>(version->kind) == DataKind::kInline &&
                       version->length >= cold_bytes_ && !(version->flags & kFlagEmbedded);
    if (large && version->epoch <= std::min(cold_before_, cursor_.horizon)) {
      Rewrite& job = propose();
      job.kind = ValueKind::kSingle;
      job.length = version->length;
      Rewrite::Source& source = job.sources.emplace_back();
      source.epoch = version->epoch;
      source.minor = version->minor;
      source.place = ref;
      take_found(found_value(*version), source);
    } else if (large) {
      cursor_.later = true;
    }
    ref = version->older;
  }
}

Result<void> StoreImpl::replace_version(AkeyRecord* akey, const Rewrite& job, const Data& data) {
  const Rewrite::Source& source = job.sources.front();
  Ref* link = &akey->value;
  while (*link && *link != source.place) link = &heap_.at<VersionRecord>(*link)->older;
  if (*link == 0) return changed();
  const Ref old = *link;
  const auto* version = heap_.at<VersionRecord>(old);
  if (version->stamp() != Stamp{source.epoch, source.minor} || version->length != job.length ||
      static_cast<DataKind>(version->kind) != DataKind::kInline)
    return changed();
  heap_.begin(true);
  const Ref fresh = heap_.allocate(version_bytes(data));
  if (fresh == 0) {
    rollback();
    return heap_.error();
  }
  build_version(heap_.at<VersionRecord>(fresh), data, version->stamp(), 0);
  heap_.at<VersionRecord>(fresh)->older = version->older;
  publish_version(heap_, data);
  heap_.set(*link, fresh);
  free_version(heap_, old);
  return {};
}

Result<Lsn> StoreImpl::finish_rewrite(const Rewrite& job, const Data& data) {
  VARVE_ASSERT(data.length == job.length && !job.sources.empty(), "a job is given back whole");
  Container* container = find(job.pool, job.container);
  if (!container) return changed();
  VARVE_TRY(const Located at, locate(*container, job.oid, job.horizon, job.dkey, nullptr));
  AkeyRecord* akey = at.dkey ? find_akey(*at.dkey, at.kinds.akey, job.akey) : nullptr;
  if (!akey || static_cast<ValueKind>(akey->kind) != job.kind) return changed();
  if (job.kind == ValueKind::kSingle) {
    VARVE_CHECK(replace_version(akey, job, data));
  } else {
    const Readers readers =
        this->readers(*container, job.horizon, at.object->punches, at.dkey->punches);
    VARVE_CHECK(replace_extents(*akey, readers, job, data));
  }
  ++container->changes;  // what is larger now may be joined again
  return finish(*container, 0, heap_.taken() > 0);
}

}  // namespace varve::store
