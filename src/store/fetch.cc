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

}  // namespace

Result<void> StoreImpl::fetch_hinted(const Container& container, Fetch& fetch, Ref hint) {
  VARVE_CHECK(check_readable(container, fetch.epoch.value));
  VARVE_TRY(const Located at, locate(container, fetch.oid, fetch.epoch.value, fetch.dkey, hint));
  if ((fetch.conditions & kCondDkeyFetch) && !(at.dkey && dkey_visible(*at.dkey, at.point)))
    return Error(Code::kNonexistent);
  for (AkeyFetch& akey : fetch.akeys) {
    akey.found = false;
    akey.pieces.clear();
    VARVE_CHECK(check_key(at.kinds.akey, akey.akey, "akey"));
    const AkeyRecord* record = at.dkey ? find_akey(*at.dkey, at.kinds.akey, akey.akey) : nullptr;
    if (record) VARVE_CHECK(fetch_akey(heap_, *record, at.point, akey));
    if (akey.kind == ValueKind::kSingle && !akey.found) akey.record_size = 0;
    if ((fetch.conditions & kCondAkeyFetch) && !akey.found) return Error(Code::kNonexistent);
  }
  return {};
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
