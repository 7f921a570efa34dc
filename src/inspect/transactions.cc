// Transactions of a container, and whether what they name is there and says so.
#include <set>

#include "inspect/store_walk.h"

namespace varve::inspect {

using namespace store;

void StoreWalk::walk_transactions(const FoundContainer& container) {
  prepared_.clear();
  knows_prepared_ = !container.destroyed;  // of those, some may be gone already
  std::set<TransactionId> seen;
  Ref previous = 0;
  for (Ref ref = container.record.transactions; ref;) {
    if (!claim("transaction", ref, sizeof(TransactionRecord))) return;
    const auto record = *heap_.read<TransactionRecord>(offset_of(ref));
    if (record.previous != previous)
      damage_at("transaction", ref, "its link to the one before is wrong");
    if (!seen.insert(record.id).second) damage_at("transaction", ref, "is there twice");
    bool unused = false;
    for (const uint8_t byte : record.reserved) unused |= byte != 0;
    if (record.state < 1 || record.state > 3 || record.id.is_null() || record.epoch == 0 || unused)
      damage_at("transaction", ref, "has an id, epoch or state that is not possible");
    if (record.epoch > place_.pool->record.newest_epoch)
      damage_at("transaction", ref, "its epoch is above its pool's newest");
    const uint32_t entries = walk_parts(record);
    const bool prepared = record.state == static_cast<uint8_t>(TransactionState::kPrepared);
    if (prepared && record.epoch <= container.record.horizon && !container.destroyed)
      damage_at("transaction", ref, "is not decided, and reclaim was there");
    if (!container.destroyed && (entries != record.entries || (!prepared && entries > 0)))
      damage_at("transaction", ref, "does not have the entries that it says it has");
    previous = ref;
    ref = record.next;
  }
}

// The number of entries.
uint32_t StoreWalk::walk_parts(const TransactionRecord& transaction) {
  uint32_t entries = 0;
  for (Ref ref = transaction.parts; ref;) {
    const char* const kName = "part of a transaction";
    const auto part = heap_.read<TransactionPart>(offset_of(ref));
    if (!part) {
      damage_at(kName, ref, "lies outside of the heap");
      return entries;
    }
    const uint32_t room = part->capacity;
    if ((room != 3 && room != 7 && room != 15 && room != 31) || part->count == 0 ||
        part->count > room) {
      damage_at(kName, ref, "has a number of entries that is not possible");
      return entries;
    }
    if (!claim(kName, ref, sizeof(TransactionPart) + room * sizeof(TransactionEntry)))
      return entries;
    for (const uint8_t byte : part->reserved)
      if (byte) damage_at(kName, ref, "has bytes set that mean nothing");
    for (uint32_t i = 0; i < part->count; ++i) {
      const auto entry = *heap_.read<TransactionEntry>(offset_of(ref) + sizeof(TransactionPart) +
                                                       i * sizeof(TransactionEntry));
      if (!prepared_.emplace(entry.record, Named{entry, transaction.epoch}).second)
        damage_at(kName, ref, "names a record that is named already");
    }
    entries += part->count;
    ref = part->older;
  }
  return entries;
}

// A record is marked as prepared if, and only if, a transaction of its epoch names it as what it is.
bool StoreWalk::check_prepared(const char* kind, Ref ref, uint32_t flags, uint64_t epoch,
                               EntryKind entry, uint64_t index) {
  const bool marked = flags & kFlagPrepared;
  if (!knows_prepared_) return marked;
  const auto named = prepared_.find(ref);
  if (named == prepared_.end()) {
    if (marked) damage_at(kind, ref, "is marked as prepared, and no transaction names it");
    return marked;
  }
  const Named& one = named->second;
  const Ref object = place_.object->ref, dkey = place_.dkey ? place_.dkey->ref : 0,
            akey = place_.akey ? place_.akey->ref : 0;
  if (!marked || one.epoch != epoch || static_cast<EntryKind>(one.entry.kind) != entry ||
      one.entry.index != index || one.entry.object != object || one.entry.dkey != dkey ||
      one.entry.akey != akey)
    damage_at(kind, ref, "is not what its transaction says");
  prepared_.erase(named);
  return marked;
}

// After all of the container: what nobody has met is not there.
void StoreWalk::check_all_met() {
  if (!knows_prepared_ || !complete_) return;
  for (const auto& [ref, named] : prepared_)
    damage_at("record", ref, "is named by a transaction of epoch " + std::to_string(named.epoch) +
                                 ", and is not there");
}

}  // namespace varve::inspect
