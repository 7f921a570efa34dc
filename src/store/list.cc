#include "store/store_impl.h"

namespace varve::store {

// Shared by all listings of keys: from the anchor on, what `visible` says, until `limit`.
template <class Visible, class Add>
void StoreImpl::list_keys(const Order& order, const TreeRoot& root, Anchor& anchor, uint32_t limit,
                          Visible visible, Add add) const {
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
    if (!visible(ref)) continue;
    if (count == limit) return;
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

Result<std::vector<ObjectId>> StoreImpl::list_objects(Container& container, Epoch epoch,
                                                      Anchor& anchor, uint32_t limit) {
  VARVE_CHECK(check_limit(anchor, limit));
  VARVE_CHECK(check_readable(container, epoch.value));
  std::vector<ObjectId> found;
  if (anchor.end) return found;
  const ReadPoint point = point_at(container, epoch.value);
  list_keys(
      {Keyed::kObject, KeyKind::kHashed}, record(container)->objects, anchor, limit,
      [&](Ref ref) {
        const auto* object = heap_.at<ObjectRecord>(ref);
        const Result<KeyKinds> kinds = key_kinds(object->oid);
        return kinds.ok() && object_visible(*object, *kinds, point);
      },
      [&](Ref ref, ByteView) { found.push_back(heap_.at<ObjectRecord>(ref)->oid); });
  return found;
}

Result<std::vector<ListedKey>> StoreImpl::list_dkeys(Container& container, ObjectId oid,
                                                     Epoch epoch, Anchor& anchor, uint32_t limit) {
  VARVE_CHECK(check_limit(anchor, limit));
  VARVE_CHECK(check_readable(container, epoch.value));
  VARVE_TRY(const KeyKinds kinds, key_kinds(oid));
  std::vector<ListedKey> found;
  if (anchor.end) return found;
  const ObjectRecord* object = find_object(container, oid);
  if (!object) {
    anchor.end = true;
    return found;
  }
  const ReadPoint point = below(point_at(container, epoch.value), object->punches);
  list_keys(
      {Keyed::kDkey, kinds.dkey}, object->dkeys, anchor, limit,
      [&](Ref ref) { return dkey_visible(*heap_.at<DkeyRecord>(ref), point); },
      [&](Ref, ByteView key) {
        found.push_back({Buffer(key.begin(), key.end()), ValueKind::kNone});
      });
  return found;
}

Result<std::vector<ListedKey>> StoreImpl::list_akeys(Container& container, ObjectId oid,
                                                     ByteView dkey, Epoch epoch, Anchor& anchor,
                                                     uint32_t limit) {
  VARVE_CHECK(check_limit(anchor, limit));
  VARVE_CHECK(check_readable(container, epoch.value));
  VARVE_TRY(const Located at, locate(container, oid, epoch.value, dkey));
  std::vector<ListedKey> found;
  if (anchor.end) return found;
  if (!at.dkey) {
    anchor.end = true;
    return found;
  }
  list_keys(
      {Keyed::kAkey, at.kinds.akey}, at.dkey->akeys, anchor, limit,
      [&](Ref ref) { return akey_visible(*heap_.at<AkeyRecord>(ref), at.point); },
      [&](Ref ref, ByteView key) {
        found.push_back({Buffer(key.begin(), key.end()),
                         static_cast<ValueKind>(heap_.at<AkeyRecord>(ref)->kind)});
      });
  return found;
}

Result<std::vector<ListedRange>> StoreImpl::list_ranges(Container& container, ObjectId oid,
                                                        ByteView dkey, ByteView akey, Epoch epoch,
                                                        Anchor& anchor, uint32_t limit) {
  VARVE_CHECK(check_limit(anchor, limit));
  VARVE_CHECK(check_readable(container, epoch.value));
  VARVE_TRY(const Located at, locate(container, oid, epoch.value, dkey));
  VARVE_CHECK(check_key(at.kinds.akey, akey, "akey"));
  std::vector<ListedRange> found;
  if (anchor.end) return found;
  anchor.end = true;
  const AkeyRecord* record = at.dkey ? find_akey(*at.dkey, at.kinds.akey, akey) : nullptr;
  if (!record) return found;
  if (static_cast<ValueKind>(record->kind) != ValueKind::kArray)
    return Error(Code::kBadType, "the akey holds a single value, which has no ranges");
  std::vector<Piece> pieces;
  anchor.end =
      ArrayView(heap_, *heap_.at<ArrayRecord>(record->value), record->record_size, at.point)
          .list(anchor.hash, limit, pieces);
  for (const Piece& piece : pieces)
    found.push_back({piece.begin, piece.end - piece.begin, Epoch{piece.stamp.epoch}});
  if (!pieces.empty()) anchor.hash = pieces.back().end;
  return found;
}

}  // namespace varve::store
