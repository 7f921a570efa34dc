// Who stands in whose way: docs/internals/mvcc.md.
#include <algorithm>

#include "base/checksum.h"
#include "store/store_impl.h"

namespace varve::store {

Error StoreImpl::in_progress(Ref ref) {
  const TransactionRecord& transaction = *transaction_at(ref);
  conflict_ = {transaction.id, kEpochNone};
  return Error(Code::kInProgress,
               "transaction " + transaction.id.to_string() + ", prepared at epoch " +
                   std::to_string(transaction.epoch) +
                   ", is in the way: try again when it is committed or aborted");
}

Error StoreImpl::restart(uint64_t at, std::string text) {
  conflict_ = {{}, Epoch{at}};
  text += at ? "; restart at epoch " + std::to_string(at) + " or above" : "; restart it";
  return Error(Code::kTransactionRestart, std::move(text));
}

Result<Look> StoreImpl::look_of(const Container& container, const ReadAt& at) {
  VARVE_CHECK(check_readable(container, at.epoch.value));
  VARVE_TRY(const Ref own, own_of(container, at.transaction, at.epoch.value));
  if (const uint64_t back = container.rollbacks.newest_at();
      back > at.epoch.value && back <= at.uncertain_until.value)
    return restart(back, "the container may have been rolled back before");
  return Look(owners_, own);
}

void StoreImpl::meet(Window& window, uint64_t epoch, uint32_t flags, Ref entry) const {
  const bool within = epoch >= window.from && epoch <= window.until;
  if (flags & kFlagPrepared) {
    const Ref owner = owners_.find(entry)->second;
    if (owner != window.own && (window.any_prepared || within)) window.blocker = owner;
  } else if (within) {
    window.newest = std::max(window.newest, epoch);
  }
}

// What is prepared stands at the head of its chain: nothing newer was let in.
template <class Record>
void StoreImpl::meet_chain(Window& window, Ref head) const {
  for (Ref ref = head; ref; ref = heap_.at<Record>(ref)->older) {
    const auto* record = heap_.at<Record>(ref);
    meet(window, record->epoch, record->flags, ref);
    if (record->epoch < window.from && !(record->flags & kFlagPrepared)) return;
  }
}

void StoreImpl::meet_akey(Window& window, const AkeyRecord& akey, Ranges ranges) const {
  if (static_cast<ValueKind>(akey.kind) == ValueKind::kSingle)
    return meet_chain<VersionRecord>(window, akey.value);
  const auto& array = *heap_.at<ArrayRecord>(akey.value);
  const ArrayView view(heap_, array, akey.record_size, {});
  static constexpr std::pair<uint64_t, uint64_t> kAll{0, ~0ULL};
  if (ranges.empty()) ranges = {&kAll, 1};
  for (const auto& [begin, end] : ranges) {
    view.visit_overlapping(begin, end, [&](uint64_t, Ref ref) {
      const auto* extent = heap_.at<ExtentRecord>(ref);
      meet(window, extent->epoch, extent->flags, ref);
      return true;
    });
    for (Ref ref = array.punches; ref; ref = heap_.at<RangePunchRecord>(ref)->older) {
      const auto* punch = heap_.at<RangePunchRecord>(ref);
      if (punch->index < end && begin < punch->end) meet(window, punch->epoch, punch->flags, ref);
    }
  }
}

void StoreImpl::meet_dkey(Window& window, const DkeyRecord& dkey) const {
  meet_chain<PunchRecord>(window, dkey.punches);
  tree_visit_range(heap_, {Keyed::kAkey, KeyKind::kHashed}, dkey.akeys, 0, ~0ULL,
                   [&](uint64_t, Ref ref) {
                     meet_akey(window, *heap_.at<AkeyRecord>(ref), {});
                     return true;
                   });
}

void StoreImpl::meet_object(Window& window, const ObjectRecord& object, KeyKinds kinds) const {
  meet_chain<PunchRecord>(window, object.punches);
  tree_visit_range(heap_, {Keyed::kDkey, kinds.dkey}, object.dkeys, 0, ~0ULL,
                   [&](uint64_t, Ref ref) {
                     meet_dkey(window, *heap_.at<DkeyRecord>(ref));
                     return true;
                   });
}

Result<void> StoreImpl::verdict(const Window& window, bool writes) {
  if (window.blocker) return in_progress(window.blocker);
  if (window.newest == 0) return {};
  const std::string newest = std::to_string(window.newest);
  if (writes)
    return restart(window.newest + 1, "what is there was written at epoch " + newest + " by another");
  return restart(window.newest, "what was written at epoch " + newest +
                                    " may have been there before, as clocks are uncertain");
}

// Reads: what may have been missed.
Window StoreImpl::missed_window(const ReadAt& at, Ref own) {
  Window window;
  window.from = at.epoch.value + 1;
  window.until = at.uncertain_until.value;
  window.own = own;
  return window;
}

Result<void> StoreImpl::check_update_conflicts(const Container& container, const Located& at,
                                               const Update& update, Ref own) {
  if (!at.object) return {};
  Window window;
  window.from = update.epoch.value;
  window.until = update.transaction.is_null() ? update.uncertain_until.value : ~0ULL;
  window.own = own;
  window.any_prepared = true;
  if (container.prepared.empty() && (window.until < window.from ||
                                     at.object->newest_epoch < window.from)) [[likely]]
    return {};
  meet_chain<PunchRecord>(window, at.object->punches);
  if (at.dkey) {
    meet_chain<PunchRecord>(window, at.dkey->punches);
    std::vector<std::pair<uint64_t, uint64_t>> ranges;
    for (const AkeyUpdate& akey : update.akeys) {
      const AkeyRecord* record = find_akey(*at.dkey, at.kinds.akey, akey.akey);
      if (!record) continue;
      ranges.clear();
      const bool alike = static_cast<ValueKind>(record->kind) == akey.kind &&
                         (akey.kind == ValueKind::kSingle || record->record_size == akey.record_size);
      if (alike)  // another kind or size: nothing of another's may be in the whole akey
        for (const ArrayPiece& piece : akey.pieces)
          ranges.push_back({piece.index, piece.index + piece.count});
      meet_akey(window, *record, ranges);
    }
  }
  return verdict(window, true);
}

// A punch changes all that lies under what it names.
Result<void> StoreImpl::check_punch_conflicts(const Container& container, const Located& at,
                                              const Punch& punch, Ref own) {
  if (!at.object) return {};
  Window window;
  window.from = punch.epoch.value;
  window.until = punch.transaction.is_null() ? punch.uncertain_until.value : ~0ULL;
  window.own = own;
  window.any_prepared = true;
  const bool newer =
      window.until >= window.from && at.object->newest_epoch >= window.from;
  if (container.prepared.empty() && !newer) return {};
  meet_chain<PunchRecord>(window, at.object->punches);
  if (punch.scope == Punch::Scope::kObject) {
    meet_prepared(window, container, heap_.ref(at.object), 0);
    if (newer && window.until == ~0ULL)
      window.newest = std::max(window.newest, at.object->newest_epoch);
    else if (newer)
      meet_object(window, *at.object, at.kinds);
  } else if (at.dkey) {
    meet_chain<PunchRecord>(window, at.dkey->punches);
    if (punch.scope == Punch::Scope::kDkey) {
      meet_prepared(window, container, heap_.ref(at.object), heap_.ref(at.dkey));
      if (newer) meet_dkey(window, *at.dkey);
    }
    for (const ByteView key : punch.akeys)
      if (const AkeyRecord* akey = find_akey(*at.dkey, at.kinds.akey, key))
        meet_akey(window, *akey, {});
  }
  return verdict(window, true);
}

ReadPlace StoreImpl::place_of(const Container& container, ObjectId oid, KeyKinds kinds,
                              ByteView dkey) const {
  // A lexical prefix is shared by many keys.
  const uint64_t step =
      kinds.dkey == KeyKind::kInteger ? key_prefix(kinds.dkey, dkey) : hash64(dkey);
  return place_of(container, oid).down(step);
}

ReadPlace StoreImpl::place_of(ReadPlace dkey, ByteView akey) { return dkey.down(hash64(akey)); }

void StoreImpl::note_read(ReadPlace place, ReadScope scope, const ReadAt& at) {
  const uint64_t epoch = at.transaction.is_null() ? at.clock.value : at.epoch.value;
  if (epoch) reads_.note(place, scope, epoch, at.transaction);
}

void StoreImpl::note_under(const Container& container, ObjectId oid, const ReadAt& at) {
  note_read(place_of(container, oid), ReadScope::kUnderObject, at);
}

// `update` for what both kinds of writes have; no akeys: a punch of the dkey, or (no dkey) of the
// object.
Result<void> StoreImpl::check_reads(const Container& container, ObjectId oid, ByteView dkey,
                                    KeyKinds kinds, std::span<const ByteView> akeys,
                                    uint64_t epoch, TransactionId writer) {
  if (epoch >= reads_.above_all(writer)) [[likely]]
    return {};
  const ReadPlace object = place_of(container, oid);
  uint64_t newest = std::max(reads_.newest(place_of(container), ReadScope::kContainer, writer),
                             reads_.newest(object, ReadScope::kObject, writer));
  const auto add = [&](ReadPlace place, ReadScope scope) {
    newest = std::max(newest, reads_.newest(place, scope, writer));
  };
  if (dkey.empty()) {
    add(object, ReadScope::kUnderObject);
  } else {
    const ReadPlace place = place_of(container, oid, kinds, dkey);
    add(place, ReadScope::kDkey);
    if (akeys.empty()) add(place, ReadScope::kUnderDkey);
    for (const ByteView akey : akeys) add(place_of(place, akey), ReadScope::kAkey);
  }
  if (newest < epoch) return {};
  return restart(newest + 1, "object " + oid.to_string() + " was read at epoch " +
                                 std::to_string(newest) + ", not below the write at " +
                                 std::to_string(epoch));
}

template void StoreImpl::meet_chain<PunchRecord>(Window&, Ref) const;

}  // namespace varve::store
