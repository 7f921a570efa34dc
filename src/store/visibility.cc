#include "base/checksum.h"
#include "store/store_impl.h"

namespace varve::store {

namespace {
enum ObjectType : uint8_t {  // daos_otype_t
  kMultiHashed,
  kObjectTable,
  kDkeyInteger,
  kAkeyInteger,
  kMultiInteger,
  kDkeyLexical,
  kAkeyLexical,
  kMultiLexical,
  kKvHashed,
  kKvInteger,
  kKvLexical,
  kArray,
  kArrayAttributes,
  kArrayBytes,
  kObjectTable2,
};
constexpr Order kObjectOrder{Keyed::kObject, KeyKind::kHashed};
}  // namespace

Result<KeyKinds> key_kinds(ObjectId oid) {
  const auto type = static_cast<uint8_t>(oid.high >> 56);
  switch (type) {
    case kMultiHashed:
    case kObjectTable:
    case kKvHashed:
    case kObjectTable2:
      return KeyKinds{};
    case kDkeyInteger:
    case kKvInteger:
    case kArray:
    case kArrayAttributes:
    case kArrayBytes:
      return KeyKinds{KeyKind::kInteger, KeyKind::kHashed};
    case kAkeyInteger:
      return KeyKinds{KeyKind::kHashed, KeyKind::kInteger};
    case kMultiInteger:
      return KeyKinds{KeyKind::kInteger, KeyKind::kInteger};
    case kDkeyLexical:
    case kKvLexical:
      return KeyKinds{KeyKind::kLexical, KeyKind::kHashed};
    case kAkeyLexical:
      return KeyKinds{KeyKind::kHashed, KeyKind::kLexical};
    case kMultiLexical:
      return KeyKinds{KeyKind::kLexical, KeyKind::kLexical};
    default:
      return Error(Code::kInvalid, "object " + oid.to_string() + " has type " +
                                       std::to_string(type) +
                                       ", which is not defined (0 to 14 are)");
  }
}

Result<void> StoreImpl::check_key(KeyKind kind, ByteView key, const char* what) {
  if (key.empty())
    return Error(Code::kInvalid, std::string("the ") + what + " is empty: give it a byte at least");
  const uint32_t most = kind == KeyKind::kLexical ? kLexicalKeyBytesMax : kKeyBytesMax;
  if (key.size() > most)
    return Error(Code::kKeyTooBig, std::string("the ") + what + " has " +
                                       std::to_string(key.size()) + " bytes; at most " +
                                       std::to_string(most) + " are possible");
  if (kind == KeyKind::kInteger && key.size() != 8)
    return Error(Code::kInvalid, std::string("the ") + what + " has " + std::to_string(key.size()) +
                                     " bytes, but the object's type asks for integers of 8");
  return {};
}

namespace {
size_t cache_slot(Ref container, ObjectId oid, size_t slots) {
  return (oid.low * 0x9e3779b97f4a7c15ULL + oid.high * 0xc2b2ae3d27d4eb4fULL + container) >> 20 &
         (slots - 1);
}
}  // namespace

ObjectRecord* StoreImpl::find_object(const Container& container, ObjectId oid) {
  CachedObject& cached = object_cache_[cache_slot(container.record, oid, object_cache_.size())];
  if (cached.container == container.record && cached.oid == oid && cached.object)
    return heap_.at<ObjectRecord>(cached.object);
  const ByteView key = bytes_of(oid);
  const Ref ref = tree_find(heap_, kObjectOrder, record(container)->objects,
                            {key_prefix(KeyKind::kHashed, key), key});
  if (ref == 0) return nullptr;
  cached = {container.record, ref, oid};
  return heap_.at<ObjectRecord>(ref);
}

void StoreImpl::cache_object(const Container& container, ObjectId oid, Ref object) {
  object_cache_[cache_slot(container.record, oid, object_cache_.size())] = {container.record,
                                                                            object, oid};
}

void StoreImpl::forget_objects() { object_cache_.assign(object_cache_.size(), {}); }

DkeyRecord* StoreImpl::find_dkey(const ObjectRecord& object, KeyKind kind, uint64_t prefix,
                                 ByteView dkey) const {
  const Ref ref = tree_find(heap_, {Keyed::kDkey, kind}, object.dkeys, {prefix, dkey});
  return ref ? heap_.at<DkeyRecord>(ref) : nullptr;
}

AkeyRecord* StoreImpl::find_akey(const DkeyRecord& dkey, KeyKind kind, ByteView akey) const {
  const TreeRoot& root = dkey.akeys;
  // One akey: its key is compared, whatever its prefix.
  const uint64_t prefix = root.height == 0 ? 0 : key_prefix(kind, akey);
  const Ref ref = tree_find(heap_, {Keyed::kAkey, kind}, root, {prefix, akey});
  return ref ? heap_.at<AkeyRecord>(ref) : nullptr;
}

Result<Located> StoreImpl::locate(const Container& container, ObjectId oid, uint64_t epoch,
                                  ByteView dkey, Look* look, Ref hint) {
  Located at;
  VARVE_TRY(at.kinds, key_kinds(oid));
  VARVE_CHECK(check_key(at.kinds.dkey, dkey, "dkey"));
  at.dkey_prefix = key_prefix(at.kinds.dkey, dkey);
  at.point = point_at(container, epoch, look);
  at.object = find_object(container, oid);
  if (!at.object) return at;
  at.point = below(at.point, at.object->punches);
  if (hint) {
    auto* record = heap_.at<DkeyRecord>(hint);
    if (record->key_length == dkey.size() && std::memcmp(record + 1, dkey.data(), dkey.size()) == 0)
      at.dkey = record;
  }
  if (!at.dkey) at.dkey = find_dkey(*at.object, at.kinds.dkey, at.dkey_prefix, dkey);
  if (at.dkey) at.point = below(at.point, at.dkey->punches);
  return at;
}

ReadPoint StoreImpl::point_of(const Located& at) const {
  ReadPoint point{at.point.epoch, {}, at.point.hidden, at.point.look};
  if (at.object) point = below(point, at.object->punches);
  if (at.dkey) point = below(point, at.dkey->punches);
  return point;
}

const AkeyRecord* StoreImpl::settled(const AkeyRecord* akey, const ReadPoint& point) const {
  if (!akey || !point.look) [[likely]]
    return akey;
  const auto counts = [&](uint64_t epoch, uint32_t flags, Ref ref) {
    return !(flags & kFlagPrepared) || (epoch <= point.epoch && point.look->counts(ref, false));
  };
  if (static_cast<ValueKind>(akey->kind) == ValueKind::kSingle) {
    for (Ref ref = akey->value; ref; ref = heap_.at<VersionRecord>(ref)->older)
      if (const auto* version = heap_.at<VersionRecord>(ref);
          counts(version->epoch, version->flags, ref))
        return akey;
    return nullptr;
  }
  const auto& array = *heap_.at<ArrayRecord>(akey->value);
  for (Ref ref = array.punches; ref; ref = heap_.at<RangePunchRecord>(ref)->older)
    if (const auto* punch = heap_.at<RangePunchRecord>(ref);
        counts(punch->epoch, punch->flags, ref))
      return akey;
  const bool none = ArrayView(heap_, array, akey->record_size, {})
                        .visit_overlapping(0, ~0ULL, [&](uint64_t, Ref ref) {
                          const auto* extent = heap_.at<ExtentRecord>(ref);
                          return !counts(extent->epoch, extent->flags, ref);
                        });
  return none ? nullptr : akey;
}

Result<void> StoreImpl::check_readable(const Container& container, uint64_t epoch) const {
  const uint64_t horizon = record(container)->horizon;
  if (epoch >= horizon || !container.snapshots_known ||
      std::binary_search(container.snapshots.begin(), container.snapshots.end(), epoch))
    return {};
  return Error(Code::kEpochTooOld, "epoch " + std::to_string(epoch) +
                                       " was merged away: container " + container.uuid.to_string() +
                                       " keeps what is at or above epoch " +
                                       std::to_string(horizon) + ", and its snapshots");
}

bool StoreImpl::akey_visible(const AkeyRecord& akey, const ReadPoint& point) const {
  if (static_cast<ValueKind>(akey.kind) == ValueKind::kSingle)
    return visible_version(heap_, akey.value, point) != nullptr;
  return ArrayView(heap_, *heap_.at<ArrayRecord>(akey.value), akey.record_size, point).visible();
}

bool StoreImpl::dkey_visible(const DkeyRecord& dkey, ReadPoint point) const {
  point = below(point, dkey.punches);
  return !tree_visit_range(
      heap_, {Keyed::kAkey, KeyKind::kHashed}, dkey.akeys, 0, ~0ULL,
      [&](uint64_t, Ref ref) { return !akey_visible(*heap_.at<AkeyRecord>(ref), point); });
}

bool StoreImpl::object_visible(const ObjectRecord& object, KeyKinds kinds,
                               const ReadPoint& from) const {
  const ReadPoint point = below(from, object.punches);
  return !tree_visit_range(
      heap_, {Keyed::kDkey, kinds.dkey}, object.dkeys, 0, ~0ULL,
      [&](uint64_t, Ref ref) { return !dkey_visible(*heap_.at<DkeyRecord>(ref), point); });
}

template <class Request>
void StoreImpl::walk(const Container& container, std::span<Request> requests, Ref* hints) {
  constexpr size_t kAtOnce = 16;
  VARVE_ASSERT(requests.size() <= kAtOnce, "batches are walked in groups");
  TreeWalk walks[kAtOnce];
  const auto run = [&] {
    for (bool all_done = false; !all_done;) {
      all_done = true;
      for (size_t i = 0; i < requests.size(); ++i) all_done &= walks[i].step(heap_);
    }
  };
  // Objects that the cache does not know.
  ContainerRecord* home = record(container);
  Ref objects[kAtOnce] = {};
  bool missing = false;
  for (size_t i = 0; i < requests.size(); ++i) {
    const ObjectId oid = requests[i].oid;
    const CachedObject& cached =
        object_cache_[cache_slot(container.record, oid, object_cache_.size())];
    if (cached.container == container.record && cached.oid == oid) {
      objects[i] = cached.object;
    } else {
      walks[i].start(heap_, kObjectOrder, home->objects,
                     key_prefix(KeyKind::kHashed, bytes_of(oid)));
      missing = true;
    }
  }
  if (missing) {
    run();
    for (size_t i = 0; i < requests.size(); ++i) {
      if (objects[i] || !walks[i].candidate()) continue;
      if (heap_.at<ObjectRecord>(walks[i].candidate())->oid == requests[i].oid)
        objects[i] = walks[i].candidate();
    }
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    walks[i] = {};
    const Result<KeyKinds> kinds = key_kinds(requests[i].oid);
    if (objects[i] && kinds.ok())
      walks[i].start(heap_, {Keyed::kDkey, kinds->dkey}, heap_.at<ObjectRecord>(objects[i])->dkeys,
                     key_prefix(kinds->dkey, requests[i].dkey));
  }
  run();
  for (size_t i = 0; i < requests.size(); ++i) {
    hints[i] = walks[i].candidate();
    walks[i] = {};
    if (!hints[i] || requests[i].akeys.empty()) continue;
    const Result<KeyKinds> kinds = key_kinds(requests[i].oid);
    const ByteView akey = requests[i].akeys[0].akey;
    walks[i].start(heap_, {Keyed::kAkey, kinds->akey}, heap_.at<DkeyRecord>(hints[i])->akeys,
                   key_prefix(kinds->akey, akey));
  }
  run();
  for (size_t i = 0; i < requests.size(); ++i)
    if (const Ref akey = walks[i].candidate())
      heap_.prefetch(heap_.at<AkeyRecord>(akey)->value, 128);
}

template void StoreImpl::walk(const Container&, std::span<Fetch>, Ref*);
template void StoreImpl::walk(const Container&, std::span<const Update>, Ref*);

}  // namespace varve::store
