#include "store/store_impl.h"

namespace varve::store {

// Shared by all listings of keys: from the anchor on, what `visible` says, until `limit`. `state`
// is what `visible` leaves: an error ends the listing.
template <class Visible, class Add>
Result<void> StoreImpl::list_keys(const Order& order, const TreeRoot& root, Anchor& anchor,
                                  uint32_t limit, Result<void>& state, Visible visible,
                                  Add add) const {
  TreeCursor cursor(heap_, order, root);
  if (anchor.from == Anchor::From::kAtKey) anchor.hash = key_prefix(order.kind, anchor.key);
  if (anchor.key.empty() && anchor.hash == 0)
    cursor.first();
  else
    cursor.seek({anchor.hash, ByteView(anchor.key)}, anchor.from == Anchor::From::kAbove);
  uint32_t count = 0;
  for (; cursor.valid(); cursor.next()) {
    if (anchor.below && cursor.prefix() >= anchor.below) break;
    const Ref ref = cursor.record();
    if (!visible(ref)) {
      if (!state.ok()) [[unlikely]]
        return std::move(state);
      continue;
    }
    if (count == limit) return {};
    KeyScratch scratch;
    const ByteView key = record_key(heap_, order.keyed, ref, scratch);
    add(ref, key);
    if (++count == limit) {
      anchor.from = Anchor::From::kAbove;
      anchor.hash = cursor.prefix();
      anchor.key.assign(key.begin(), key.end());
    }
  }
  anchor.end = true;
  return {};
}

// Whether something can be seen, for a reader who may meet prepared entries, or may have missed
// some: `sees` looks, `meets` fills a window with what is there. False with an error in `state`
// where it cannot be said.
template <class Sees, class Meets>
bool StoreImpl::seen_surely(Look* look, const ReadAt& at, Ref own, Result<void>& state, Sees sees,
                            Meets meets) {
  const Result<bool> seen =
      certain(look, [&]() -> Result<bool> { return sees(); }, same_answer<bool>);
  if (!seen.ok()) {
    state = seen.error();
    return false;
  }
  if (at.uncertain_until > at.epoch) {
    Window window = missed_window(at, own);
    meets(window);
    state = verdict(window, false);
  }
  return state.ok() && *seen;
}

namespace {
Result<void> check_limit(const Anchor& anchor, uint32_t limit) {
  if (anchor.from == Anchor::From::kAtKey && anchor.key.empty())
    return Error(Code::kInvalid, "a listing from an empty key on");
  if (limit == 0)
    return Error(Code::kInvalid, "a listing of at most 0 entries: ask for one at least");
  return {};
}
}  // namespace

uint64_t object_place(ObjectId oid) { return key_prefix(KeyKind::kHashed, bytes_of(oid)); }

Result<std::vector<ObjectId>> StoreImpl::list_objects(Container& container, const ReadAt& at,
                                                      Anchor& anchor, uint32_t limit) {
  VARVE_CHECK(check_limit(anchor, limit));
  VARVE_TRY(Look look, look_of(container, at));
  Look* use = container.prepared.empty() ? nullptr : &look;
  std::vector<ObjectId> found;
  if (anchor.end) return found;
  Result<void> state;
  const ReadPoint point = point_at(container, at.epoch.value, use);
  VARVE_CHECK(list_keys(
      {Keyed::kObject, KeyKind::kHashed}, record(container)->objects, anchor, limit, state,
      [&](Ref ref) {
        const auto* object = heap_.at<ObjectRecord>(ref);
        const Result<KeyKinds> kinds = key_kinds(object->oid);
        if (!kinds.ok()) return false;
        return seen_surely(
            use, at, look.own(), state, [&] { return object_visible(*object, *kinds, point); },
            [&](Window& window) { meet_object(window, *object, *kinds); });
      },
      [&](Ref ref, ByteView) { found.push_back(heap_.at<ObjectRecord>(ref)->oid); }));
  note_read(place_of(container), ReadScope::kContainer, at);
  return found;
}

Result<std::vector<ListedKey>> StoreImpl::list_dkeys(Container& container, ObjectId oid,
                                                     const ReadAt& at, Anchor& anchor,
                                                     uint32_t limit) {
  VARVE_CHECK(check_limit(anchor, limit));
  VARVE_TRY(Look look, look_of(container, at));
  Look* use = container.prepared.empty() ? nullptr : &look;
  VARVE_TRY(const KeyKinds kinds, key_kinds(oid));
  std::vector<ListedKey> found;
  if (anchor.end) return found;
  note_read(place_of(container, oid), ReadScope::kObject, at);
  const ObjectRecord* object = find_object(container, oid);
  if (!object) {
    anchor.end = true;
    return found;
  }
  Result<void> state;
  const ReadPoint from = point_at(container, at.epoch.value, use);
  const ReadPoint point = below(from, object->punches);
  const bool plain = !use && at.uncertain_until <= at.epoch;
  VARVE_CHECK(list_keys(
      {Keyed::kDkey, kinds.dkey}, object->dkeys, anchor, limit, state,
      [&](Ref ref) {
        const auto& dkey = *heap_.at<DkeyRecord>(ref);
        if (plain) return dkey_visible(dkey, point);
        return seen_surely(
            use, at, look.own(), state,
            [&] { return dkey_visible(dkey, below(from, object->punches)); },
            [&](Window& window) {
              meet_chain<PunchRecord>(window, object->punches);
              meet_dkey(window, dkey);
            });
      },
      [&](Ref, ByteView key) {
        found.push_back({Buffer(key.begin(), key.end()), ValueKind::kNone});
      }));
  return found;
}

Result<std::vector<ListedKey>> StoreImpl::list_akeys(Container& container, ObjectId oid,
                                                     ByteView dkey, const ReadAt& at,
                                                     Anchor& anchor, uint32_t limit) {
  VARVE_CHECK(check_limit(anchor, limit));
  VARVE_TRY(Look look, look_of(container, at));
  Look* use = container.prepared.empty() ? nullptr : &look;
  VARVE_TRY(const Located place, locate(container, oid, at.epoch.value, dkey, use));
  std::vector<ListedKey> found;
  if (anchor.end) return found;
  note_read(place_of(container, oid, place.kinds, dkey), ReadScope::kDkey, at);
  note_under(container, oid, at);
  if (!place.dkey) {
    anchor.end = true;
    return found;
  }
  Result<void> state;
  const bool plain = !use && at.uncertain_until <= at.epoch;
  VARVE_CHECK(list_keys(
      {Keyed::kAkey, place.kinds.akey}, place.dkey->akeys, anchor, limit, state,
      [&](Ref ref) {
        const auto& akey = *heap_.at<AkeyRecord>(ref);
        if (plain) return akey_visible(akey, place.point);
        return seen_surely(
            use, at, look.own(), state, [&] { return akey_visible(akey, point_of(place)); },
            [&](Window& window) {
              meet_chain<PunchRecord>(window, place.object->punches);
              meet_chain<PunchRecord>(window, place.dkey->punches);
              meet_akey(window, akey, {});
            });
      },
      [&](Ref ref, ByteView key) {
        found.push_back({Buffer(key.begin(), key.end()),
                         static_cast<ValueKind>(heap_.at<AkeyRecord>(ref)->kind)});
      }));
  return found;
}

Result<std::vector<ListedRange>> StoreImpl::list_ranges(Container& container, ObjectId oid,
                                                        ByteView dkey, ByteView akey,
                                                        const ReadAt& at, Anchor& anchor,
                                                        uint32_t limit) {
  VARVE_CHECK(check_limit(anchor, limit));
  VARVE_TRY(Look look, look_of(container, at));
  Look* use = container.prepared.empty() ? nullptr : &look;
  VARVE_TRY(const Located place, locate(container, oid, at.epoch.value, dkey, use));
  VARVE_CHECK(check_key(place.kinds.akey, akey, "akey"));
  std::vector<ListedRange> found;
  if (anchor.end) return found;
  const AkeyRecord* record = place.dkey ? find_akey(*place.dkey, place.kinds.akey, akey) : nullptr;
  bool end = true;
  const auto list = [&]() -> Result<std::vector<ListedRange>> {
    std::vector<ListedRange> ranges;
    const ReadPoint point = point_of(place);
    end = true;
    const AkeyRecord* there = settled(record, point);
    if (!there) return ranges;
    if (static_cast<ValueKind>(there->kind) != ValueKind::kArray)
      return Error(Code::kBadType, "the akey holds a single value, which has no ranges");
    std::vector<Piece> pieces;
    end = ArrayView(heap_, *heap_.at<ArrayRecord>(there->value), there->record_size, point)
              .list(anchor.hash, limit, pieces);
    for (const Piece& piece : pieces)
      ranges.push_back({piece.begin, piece.end - piece.begin, Epoch{piece.stamp.epoch}});
    return ranges;
  };
  VARVE_TRY(found, certain(use, list, same_answer<std::vector<ListedRange>>));
  if (at.uncertain_until > at.epoch && place.object) {
    Window window = missed_window(at, look.own());
    meet_chain<PunchRecord>(window, place.object->punches);
    if (place.dkey) meet_chain<PunchRecord>(window, place.dkey->punches);
    if (record) meet_akey(window, *record, {});
    VARVE_CHECK(verdict(window, false));
  }
  anchor.end = end;
  if (!found.empty()) anchor.hash = found.back().index + found.back().count;
  const ReadPlace read = place_of(container, oid, place.kinds, dkey);
  note_read(place_of(read, akey), ReadScope::kAkey, at);
  note_read(read, ReadScope::kUnderDkey, at);
  note_under(container, oid, at);
  return found;
}

}  // namespace varve::store
