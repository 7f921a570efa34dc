#include <algorithm>

#include "store/store_impl.h"

namespace varve::store {

namespace {

Result<void> fetch_array(const Heap& heap, const AkeyRecord& record, const ReadPoint& point,
                         AkeyFetch& akey) {
  if (akey.record_size != 0 && akey.record_size != record.record_size)
    return Error(Code::kRecordSize, "the array has records of " +
                                        std::to_string(record.record_size) + " bytes, not " +
                                        std::to_string(akey.record_size));
  akey.record_size = record.record_size;
  const ArrayView view(heap, *heap.at<ArrayRecord>(record.value), record.record_size, point);
  std::vector<Piece> pieces;
  for (const auto& [index, count] : akey.ranges) {
    uint64_t end, bytes;
    if (__builtin_add_overflow(index, count, &end) ||
        __builtin_mul_overflow(count, record.record_size, &bytes))
      return Error(Code::kInvalid, "an array range of " + std::to_string(count) + " records at " +
                                       std::to_string(index) + " ends above 2^64-1");
    pieces.clear();
    view.resolve(index, end, pieces);
    for (const Piece& piece : pieces) {
      akey.pieces.push_back(view.found(piece));
      akey.found |= piece.extent != 0;
    }
  }
  if (!akey.found) akey.found = view.visible();
  if (!akey.found) akey.pieces.clear();
  return {};
}

Result<void> fetch_akey(const Heap& heap, const AkeyRecord& record, const ReadPoint& point,
                        AkeyFetch& akey) {
  if (static_cast<ValueKind>(record.kind) != akey.kind)
    return Error(Code::kBadType, "the akey holds the other kind of value (single value or array)");
  if (akey.kind == ValueKind::kArray) return fetch_array(heap, record, point, akey);
  const VersionRecord* version = visible_version(heap, record.value, point);
  if (!version) return {};
  akey.found = true;
  akey.record_size = version->length;
  akey.pieces.push_back(found_value(*version));
  return {};
}

bool same_pieces(const AkeyFetch& a, const AkeyFetch& b) {
  return a.found == b.found && a.record_size == b.record_size &&
         std::equal(a.pieces.begin(), a.pieces.end(), b.pieces.begin(), b.pieces.end(),
                    [](const FoundPiece& one, const FoundPiece& other) {
                      return one.kind == other.kind && one.length == other.length &&
                             one.bytes.data() == other.bytes.data() &&
                             one.run_offset == other.run_offset && one.skip == other.skip;
                    });
}

}  // namespace

Result<void> StoreImpl::fetch_at(const Located& at, const ReadPoint& point, Fetch& fetch) const {
  if ((fetch.conditions & kCondDkeyFetch) && !(at.dkey && dkey_visible(*at.dkey, point)))
    return Error(Code::kNonexistent);
  for (AkeyFetch& akey : fetch.akeys) {
    akey.found = false;
    akey.pieces.clear();
    VARVE_CHECK(check_key(at.kinds.akey, akey.akey, "akey"));
    const AkeyRecord* record =
        at.dkey ? settled(find_akey(*at.dkey, at.kinds.akey, akey.akey), point) : nullptr;
    if (record) VARVE_CHECK(fetch_akey(heap_, *record, point, akey));
    if (akey.kind == ValueKind::kSingle && !akey.found) akey.record_size = 0;
    if ((fetch.conditions & kCondAkeyFetch) && !akey.found) return Error(Code::kNonexistent);
  }
  return {};
}

Result<void> StoreImpl::fetch_hinted(Container& container, Fetch& fetch, Ref hint) {
  if (!fetch.transaction.is_null() || !container.prepared.empty() ||
      (fetch.clock.value | fetch.uncertain_until.value) != 0)
    return fetch_carefully(container, fetch, hint);
  VARVE_CHECK(check_readable(container, fetch.epoch.value));
  VARVE_TRY(const Located at,
            locate(container, fetch.oid, fetch.epoch.value, fetch.dkey, nullptr, hint));
  return fetch_at(at, at.point, fetch);
}

// Where transactions are about, or the reader has something to say.
Result<void> StoreImpl::fetch_carefully(Container& container, Fetch& fetch, Ref hint) {
  const ReadAt reader(fetch.epoch, fetch.transaction, fetch.uncertain_until, fetch.clock);
  VARVE_TRY(Look look, look_of(container, reader));
  Look* use = container.prepared.empty() ? nullptr : &look;
  VARVE_TRY(const Located at,
            locate(container, fetch.oid, fetch.epoch.value, fetch.dkey, use, hint));
  Result<void> result = fetch_at(at, at.point, fetch);
  if (use && use->blocker()) {
    const std::vector<AkeyFetch> first(fetch.akeys.begin(), fetch.akeys.end());
    bool same = true;
    for (const World world : {World::kValues, World::kNeither}) {
      use->to_world(world);
      const Result<void> other = fetch_at(at, point_of(at), fetch);
      same = same && result.code() == other.code() &&
             (!result.ok() ||
              std::equal(first.begin(), first.end(), fetch.akeys.begin(), same_pieces));
    }
    if (!same) return in_progress(use->blocker());
  }
  if (reader.uncertain_until > reader.epoch)
    VARVE_CHECK(fetch_missed(container, at, fetch, look.own()));
  if (!result.ok() && result.code() != Code::kNonexistent) return result;
  const ReadPlace place = place_of(container, fetch.oid, at.kinds, fetch.dkey);
  if (fetch.conditions & kCondDkeyFetch) note_read(place, ReadScope::kDkey, reader);
  for (const AkeyFetch& akey : fetch.akeys)
    note_read(place_of(place, akey.akey), ReadScope::kAkey, reader);
  note_read(place, ReadScope::kUnderDkey, reader);
  note_under(container, fetch.oid, reader);
  return result;
}

// What a fetch may not have seen because clocks differ.
Result<void> StoreImpl::fetch_missed(const Container& container, const Located& at,
                                     const Fetch& fetch, Ref own) {
  if (!at.object) return {};
  if (container.prepared.empty() && at.object->newest_epoch <= fetch.epoch.value) return {};
  Window window = missed_window({fetch.epoch, {}, fetch.uncertain_until}, own);
  meet_chain<PunchRecord>(window, at.object->punches);
  if (at.dkey && (fetch.conditions & kCondDkeyFetch)) {
    meet_dkey(window, *at.dkey);
  } else if (at.dkey) {
    meet_chain<PunchRecord>(window, at.dkey->punches);
    std::vector<std::pair<uint64_t, uint64_t>> ranges;
    for (const AkeyFetch& akey : fetch.akeys) {
      const AkeyRecord* record = find_akey(*at.dkey, at.kinds.akey, akey.akey);
      if (!record) continue;
      ranges.clear();
      for (const auto& [index, count] : akey.ranges) ranges.push_back({index, index + count});
      meet_akey(window, *record, ranges);
    }
  }
  return verdict(window, false);
}

Result<void> StoreImpl::fetch(Container& container, Fetch& fetch) {
  return fetch_hinted(container, fetch, 0);
}

void StoreImpl::fetch_batch(Container& container, std::span<Fetch> fetches,
                            std::span<Result<void>> results) {
  VARVE_ASSERT(fetches.size() == results.size(), "one result for each fetch");
  constexpr size_t kAtOnce = 16;
  for (size_t from = 0; from < fetches.size(); from += kAtOnce) {
    const auto group = fetches.subspan(from, std::min(kAtOnce, fetches.size() - from));
    Ref hints[kAtOnce] = {};
    walk(container, group, hints);
    for (size_t i = 0; i < group.size(); ++i)
      results[from + i] = fetch_hinted(container, group[i], hints[i]);
  }
}

}  // namespace varve::store
