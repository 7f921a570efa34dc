#include "store/store_impl.h"

namespace varve::store {

Result<Lsn> StoreImpl::punch(Container& container, const Punch& punch) {
  const uint64_t epoch = punch.epoch.value;
  if (punch.epoch == kEpochNone || punch.epoch == kEpochMax)
    return Error(Code::kInvalid, "a punch at epoch " + std::to_string(epoch));
  if (epoch <= write_floor(container))
    return Error(Code::kTransactionRestart, "epoch " + std::to_string(epoch) +
                                                " was merged already: punch with a newer epoch");
  if (punch.scope == Punch::Scope::kObject) return punch_object(container, punch);
  VARVE_TRY(Located at, locate(container, punch.oid, epoch, punch.dkey));
  if (punch.scope == Punch::Scope::kAkeys) return punch_akeys(container, punch, at);
  const bool there = at.dkey && dkey_visible(*at.dkey, at.point);
  if (!there) return punched_nothing(punch);
  const Stamp stamp = stamp_for(at.object, epoch);
  heap_.begin(true);
  if (!add_punch(heap_, &at.dkey->punches, stamp)) return punch_failed();
  note_stamp(at.object, stamp);
  ++container.changes;
  return finish(container, epoch, false);
}

Result<Lsn> StoreImpl::punched_nothing(const Punch& punch) const {
  if (punch.conditions & kCondPunch) return Error(Code::kNonexistent);
  return heap_.volume().last_committed();
}

Error StoreImpl::punch_failed() {
  rollback();
  return heap_.error();
}

Result<Lsn> StoreImpl::punch_object(Container& container, const Punch& punch) {
  VARVE_TRY(const KeyKinds kinds, key_kinds(punch.oid));
  ObjectRecord* object = find_object(container, punch.oid);
  if (!object || !object_visible(*object, kinds, point_at(container, punch.epoch.value))) return punched_nothing(punch);
  const Stamp stamp = stamp_for(object, punch.epoch.value);
  heap_.begin(true);
  if (!add_punch(heap_, &object->punches, stamp)) return punch_failed();
  note_stamp(object, stamp);
  ++container.changes;
  return finish(container, punch.epoch.value, false);
}

Result<Lsn> StoreImpl::punch_akeys(Container& container, const Punch& punch, Located& at) {
  std::vector<AkeyRecord*> there;
  for (const ByteView key : punch.akeys) {
    VARVE_CHECK(check_key(at.kinds.akey, key, "akey"));
    AkeyRecord* akey = at.dkey ? find_akey(*at.dkey, at.kinds.akey, key) : nullptr;
    if (akey && akey_visible(*akey, at.point))
      there.push_back(akey);
    else if (punch.conditions & kCondPunch)
      return Error(Code::kNonexistent);
  }
  if (there.empty()) return punched_nothing(punch);
  const Stamp stamp = stamp_for(at.object, punch.epoch.value);
  heap_.begin(true);
  for (AkeyRecord* akey : there) {
    const bool done =
        static_cast<ValueKind>(akey->kind) == ValueKind::kSingle
            ? add_version(heap_, &akey->value, Data{}, stamp)
            : add_range_punch(heap_, heap_.at<ArrayRecord>(akey->value), 0, ~0ULL, stamp);
    if (!done) return punch_failed();
  }
  note_stamp(at.object, stamp);
  ++container.changes;
  return finish(container, punch.epoch.value, false);
}

}  // namespace varve::store
