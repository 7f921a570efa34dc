#include "store/store_impl.h"

namespace varve::store {
namespace {

// What one call counts, about: others wait meanwhile.
constexpr uint32_t kCountedDkeysMax = 4096, kCountedExtentsMax = 16'384;

}  // namespace

Result<bool> StoreImpl::query_array(const AkeyRecord& akey, const ReadPoint& point,
                                    QueryFlags flags, QueryResult& result) const {
  if (static_cast<ValueKind>(akey.kind) != ValueKind::kArray)
    return Error(Code::kBadType, "the akey holds a single value, which has no ranges");
  result.record_size = akey.record_size;
  const ArrayView view(heap_, *heap_.at<ArrayRecord>(akey.value), akey.record_size, point);
  Piece piece;
  if (!(flags.max_recx ? view.highest(piece) : view.lowest(piece))) return false;
  result.recx_index = piece.begin;
  result.recx_count = piece.end - piece.begin;
  return true;
}

// The akey asked for, and its range if that is wanted. False: nothing there fits.
Result<bool> StoreImpl::query_dkey(const DkeyRecord& dkey, KeyKinds kinds, ReadPoint point,
                                   ByteView akey, QueryFlags flags, QueryResult& result) const {
  const bool want_range = flags.max_recx || flags.min_recx;
  point = below(point, dkey.punches);
  if (!flags.max_akey && !flags.min_akey) {
    if (!want_range) return dkey_visible(dkey, point);
    const AkeyRecord* record = settled(find_akey(dkey, kinds.akey, akey), point);
    if (!record) return false;
    result.akey.assign(akey.begin(), akey.end());
    return query_array(*record, point, flags, result);
  }
  TreeCursor cursor(heap_, {Keyed::kAkey, kinds.akey}, dkey.akeys);
  for (flags.max_akey ? cursor.last() : cursor.first(); cursor.valid();
       flags.max_akey ? cursor.previous() : cursor.next()) {
    const auto* record = heap_.at<AkeyRecord>(cursor.record());
    if (!akey_visible(*record, point)) continue;
    KeyScratch scratch;
    const ByteView key = record_key(heap_, Keyed::kAkey, cursor.record(), scratch);
    result.akey.assign(key.begin(), key.end());
    if (!want_range) return true;
    VARVE_TRY(const bool found, query_array(*record, point, flags, result));
    if (found) return true;
  }
  return false;
}

// Of the akey's arrays, dkey by dkey in their order.
Result<void> StoreImpl::count_bytes(const ObjectRecord& object, KeyKinds kinds,
                                    const ReadPoint& point, ByteView from, ByteView akey,
                                    QueryResult& result) const {
  uint32_t dkeys = 0, extents = 0;
  TreeCursor cursor(heap_, {Keyed::kDkey, kinds.dkey}, object.dkeys);
  if (from.empty())
    cursor.first();
  else
    cursor.seek({key_prefix(kinds.dkey, from), from}, false);
  std::vector<Piece> pieces;
  for (; cursor.valid(); cursor.next()) {
    if (dkeys == kCountedDkeysMax || extents >= kCountedExtentsMax) {
      KeyScratch scratch;
      const ByteView key = record_key(heap_, Keyed::kDkey, cursor.record(), scratch);
      result.bytes_next.assign(key.begin(), key.end());
      return {};
    }
    ++dkeys;
    const auto* dkey = heap_.at<DkeyRecord>(cursor.record());
    const ReadPoint under = below(point, dkey->punches);
    const AkeyRecord* record = settled(find_akey(*dkey, kinds.akey, akey), under);
    if (!record) continue;
    if (static_cast<ValueKind>(record->kind) != ValueKind::kArray)
      return Error(Code::kBadType, "the akey holds a single value, not bytes of an array");
    const ArrayView view(heap_, *heap_.at<ArrayRecord>(record->value), record->record_size, under);
    pieces.clear();
    (void)view.list(0, ~0U, pieces);
    for (const Piece& piece : pieces)
      result.bytes += (piece.end - piece.begin) * record->record_size;
    extents += static_cast<uint32_t>(pieces.size());
  }
  return {};
}

// What is asked for narrows from dkey over akey to range. The edge dkey is the outermost under
// which the rest is found.
Result<QueryResult> StoreImpl::query_at(const ObjectRecord& object, KeyKinds kinds,
                                        const ReadPoint& from, ByteView dkey, ByteView akey,
                                        QueryFlags flags) const {
  QueryResult result;
  const ReadPoint point = below(from, object.punches);
  const bool only_bytes = flags.bytes && !flags.max_dkey && !flags.min_dkey;
  if (flags.bytes)
    VARVE_CHECK(count_bytes(object, kinds, point, only_bytes ? dkey : ByteView(), akey, result));
  if (only_bytes) return result;
  if (!flags.max_dkey && !flags.min_dkey) {
    const auto* record = find_dkey(object, kinds.dkey, key_prefix(kinds.dkey, dkey), dkey);
    if (!record) return Error(Code::kNonexistent);
    result.dkey.assign(dkey.begin(), dkey.end());
    VARVE_TRY(const bool found, query_dkey(*record, kinds, point, akey, flags, result));
    if (!found) return Error(Code::kNonexistent);
    return result;
  }
  TreeCursor cursor(heap_, {Keyed::kDkey, kinds.dkey}, object.dkeys);
  for (flags.max_dkey ? cursor.last() : cursor.first(); cursor.valid();
       flags.max_dkey ? cursor.previous() : cursor.next()) {
    VARVE_TRY(const bool found, query_dkey(*heap_.at<DkeyRecord>(cursor.record()), kinds, point,
                                           akey, flags, result));
    if (!found) continue;
    KeyScratch scratch;
    const ByteView key = record_key(heap_, Keyed::kDkey, cursor.record(), scratch);
    result.dkey.assign(key.begin(), key.end());
    return result;
  }
  return Error(Code::kNonexistent);
}

// The newest epoch alone: nobody knows it while another's entry may become the newest.
Result<QueryResult> StoreImpl::query_newest(const Container& container, const ObjectRecord& object,
                                            const ReadAt& at, Ref own) {
  Window window;
  window.own = own;
  for (const Ref ref : container.prepared) {
    if (ref == own || transaction_at(ref)->epoch > std::max(at.epoch, at.uncertain_until).value)
      continue;
    if (has_entry_in(ref, heap_.ref(&object))) return in_progress(ref);
  }
  QueryResult result;
  result.max_epoch = Epoch{object.newest_epoch};
  if (own && has_entry_in(own, heap_.ref(&object)))
    result.max_epoch = std::max(result.max_epoch, Epoch{transaction_at(own)->epoch});
  if (result.max_epoch == kEpochNone) return Error(Code::kNonexistent);
  if (result.max_epoch > at.epoch && result.max_epoch <= at.uncertain_until) {
    window.newest = result.max_epoch.value;
    VARVE_CHECK(verdict(window, false));
  }
  return result;
}

Result<QueryResult> StoreImpl::query(Container& container, ObjectId oid, const ReadAt& at,
                                     ByteView dkey, ByteView akey, QueryFlags flags) {
  VARVE_TRY(Look look, look_of(container, at));
  Look* use = container.prepared.empty() ? nullptr : &look;
  VARVE_TRY(const KeyKinds kinds, key_kinds(oid));
  const bool want_dkey = flags.max_dkey || flags.min_dkey;
  const bool want_akey = flags.max_akey || flags.min_akey;
  const bool want_range = flags.max_recx || flags.min_recx;
  if ((flags.max_dkey && flags.min_dkey) || (flags.max_akey && flags.min_akey) ||
      (flags.max_recx && flags.min_recx))
    return Error(Code::kInvalid, "a query for both the lowest and the highest: ask twice");
  if ((want_dkey && kinds.dkey == KeyKind::kHashed) ||
      (want_akey && kinds.akey == KeyKind::kHashed))
    return Error(Code::kInvalid, "hashed keys have no lowest or highest");
  if (flags.bytes && (kinds.dkey != KeyKind::kInteger || want_akey))
    return Error(Code::kInvalid, "bytes are counted under integer dkeys, of one akey");
  if ((want_range || flags.bytes) && !want_akey)
    VARVE_CHECK(check_key(kinds.akey, akey, "akey"));
  const bool whole_object = want_dkey || flags.bytes || (!want_akey && !want_range);
  if (flags.bytes && !dkey.empty()) VARVE_CHECK(check_key(kinds.dkey, dkey, "dkey"));
  if (!whole_object) VARVE_CHECK(check_key(kinds.dkey, dkey, "dkey"));
  // A lookup that finds nothing has read, too.
  if (whole_object)
    note_read(place_of(container, oid), ReadScope::kObject, at);
  else
    note_read(place_of(container, oid, kinds, dkey), ReadScope::kDkey, at);
  if (!whole_object) note_under(container, oid, at);
  const ObjectRecord* object = find_object(container, oid);
  if (!object) return Error(Code::kNonexistent);
  if (!want_dkey && !want_akey && !want_range && !flags.bytes)
    return query_newest(container, *object, at, look.own());
  const ReadPoint from = point_at(container, at.epoch.value, use);
  Result<QueryResult> result = certain(
      use, [&] { return query_at(*object, kinds, from, dkey, akey, flags); },
      same_answer<QueryResult>);
  if (at.uncertain_until > at.epoch && result.code() != Code::kInProgress) {
    Window window = missed_window(at, look.own());
    if (!container.prepared.empty() || object->newest_epoch > at.epoch.value)
      meet_object(window, *object, kinds);
    VARVE_CHECK(verdict(window, false));
  }
  if (result.ok()) result->max_epoch = Epoch{object->newest_epoch};
  return result;
}

}  // namespace varve::store
