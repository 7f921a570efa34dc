#include "store/store_impl.h"

namespace varve::store {

Result<std::vector<AkeyRecord*>> StoreImpl::find_punched(const Punch& punch, const Located& at,
                                                         bool& there) const {
  std::vector<AkeyRecord*> akeys;
  if (punch.scope == Punch::Scope::kObject) {
    there = at.object && object_visible(*at.object, at.kinds, at.point);
  } else if (punch.scope == Punch::Scope::kDkey) {
    there = at.dkey && dkey_visible(*at.dkey, at.point);
  } else {
    for (const ByteView key : punch.akeys) {
      VARVE_CHECK(check_key(at.kinds.akey, key, "akey"));
      AkeyRecord* akey = at.dkey ? find_akey(*at.dkey, at.kinds.akey, key) : nullptr;
      if (akey && akey_visible(*akey, at.point))
        akeys.push_back(akey);
      else if (punch.conditions & kCondPunch)
        return Error(Code::kNonexistent);
    }
    there = !akeys.empty();
  }
  if (!there && (punch.conditions & kCondPunch)) return Error(Code::kNonexistent);
  return akeys;
}

// False: heap full.
bool StoreImpl::apply_punch(const Punch& punch, Located& at, std::span<AkeyRecord* const> akeys,
                            const Writing& writing) {
  TransactionEntry entry{};
  entry.object = heap_.ref(at.object);
  const auto done = [&](Ref record, EntryKind kind) {
    entry.record = record;
    entry.kind = static_cast<uint8_t>(kind);
    return record != 0 && (writing.transaction == 0 || add_entry(writing.transaction, entry));
  };
  if (punch.scope == Punch::Scope::kObject)
    return done(add_punch(heap_, &at.object->punches, writing.stamp, writing.flags()),
                EntryKind::kObjectPunch);
  entry.dkey = heap_.ref(at.dkey);
  if (punch.scope == Punch::Scope::kDkey)
    return done(add_punch(heap_, &at.dkey->punches, writing.stamp, writing.flags()),
                EntryKind::kDkeyPunch);
  for (AkeyRecord* akey : akeys) {
    entry.akey = heap_.ref(akey);
    const bool added =
        static_cast<ValueKind>(akey->kind) == ValueKind::kSingle
            ? done(add_version(heap_, &akey->value, Data{}, writing.stamp, writing.flags()),
                   EntryKind::kVersion)
            : done(add_range_punch(heap_, heap_.at<ArrayRecord>(akey->value), 0, ~0ULL,
                                   writing.stamp, writing.flags()),
                   EntryKind::kRangePunch);
    if (!added) return false;
  }
  return true;
}

Result<Lsn> StoreImpl::punch(Container& container, const Punch& punch) {
  const uint64_t epoch = punch.epoch.value;
  if (punch.epoch == kEpochNone || punch.epoch == kEpochMax)
    return Error(Code::kInvalid, "a punch at epoch " + std::to_string(epoch));
  if (const uint64_t floor = write_floor(container); epoch <= floor)
    return restart(floor + 1, "epoch " + std::to_string(epoch) + " is settled already");
  const size_t entries = std::max<size_t>(1, punch.akeys.size());
  VARVE_TRY(Ref own, writer_of(container, punch.transaction, epoch, entries));
  Look look(owners_, own);
  Located at;
  if (punch.scope == Punch::Scope::kObject) {
    VARVE_TRY(at.kinds, key_kinds(punch.oid));
    at.point = point_at(container, epoch, container.prepared.empty() ? nullptr : &look);
    at.object = find_object(container, punch.oid);
  } else {
    VARVE_TRY(at, locate(container, punch.oid, epoch, punch.dkey,
                         container.prepared.empty() ? nullptr : &look));
  }
  VARVE_CHECK(check_punch_conflicts(container, at, punch, own));
  // A punch looks first whether anything is there.
  bool there = false;
  Result<std::vector<AkeyRecord*>> akeys = find_punched(punch, at, there);
  if (!akeys.ok() && akeys.code() != Code::kNonexistent) return std::move(akeys.error());
  const bool whole = punch.scope == Punch::Scope::kObject;
  const ByteView dkey = whole ? ByteView() : punch.dkey;
  if (there)
    VARVE_CHECK(check_reads(container, punch.oid, dkey, at.kinds, punch.akeys, epoch,
                            punch.transaction));
  const ReadAt reader(punch.epoch, punch.transaction, kEpochNone, punch.epoch);
  if (whole) {
    note_read(place_of(container, punch.oid), ReadScope::kObject, reader);
  } else {
    const ReadPlace place = place_of(container, punch.oid, at.kinds, dkey);
    const bool all = punch.scope == Punch::Scope::kDkey;
    note_read(place, all ? ReadScope::kDkey : ReadScope::kUnderDkey, reader);
    for (const ByteView akey : punch.akeys) note_read(place_of(place, akey), ReadScope::kAkey, reader);
    note_under(container, punch.oid, reader);
  }
  if (!akeys.ok()) return std::move(akeys.error());
  const bool begins = !punch.transaction.is_null() && own == 0;
  if (!there && !begins) return heap_.volume().last_committed();
  heap_.begin(true);
  if (begins) own = begin_transaction(container, punch.transaction, epoch);
  bool done = !begins || own != 0;
  if (done && there) {
    const Writing writing = writing_for(at.object, epoch, own);
    done = apply_punch(punch, at, *akeys, writing);
    if (done && own == 0) note_stamp(at.object, writing.stamp);
    ++container.changes;
  }
  if (!done) {
    rollback();
    return heap_.error();
  }
  return finish(container, epoch, false);
}

}  // namespace varve::store
