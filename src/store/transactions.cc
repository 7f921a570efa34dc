#include <algorithm>

#include "store/store_impl.h"

namespace varve::store {

namespace {
constexpr uint16_t kPartRooms[] = {3, 7, 15, 31};
constexpr uint32_t part_bytes(uint16_t capacity) {
  return static_cast<uint32_t>(sizeof(TransactionPart) + capacity * sizeof(TransactionEntry));
}
TransactionEntry* entries_of(TransactionPart* part) {
  return reinterpret_cast<TransactionEntry*>(part + 1);
}
Error known_as(TransactionId id, std::string_view what, Code code) {
  return Error(code, "transaction " + id.to_string() + std::string(what));
}
}  // namespace

Result<void> StoreImpl::load_transactions(Container& container) {
  for (Ref ref = record(container)->transactions; ref; ref = transaction_at(ref)->next) {
    const TransactionRecord& transaction = *transaction_at(ref);
    const auto damaged = [&](const char* what) {
      return Error(Code::kBadFormat, "the transactions of container " + container.uuid.to_string() +
                                         " are damaged at " + transaction.id.to_string() + ": " +
                                         what);
    };
    if (!container.transactions.try_emplace(transaction.id, ref).second)
      return damaged("it is there twice");
    if (transaction.state < 1 || transaction.state > 3) return damaged("its state is none");
    if (static_cast<TransactionState>(transaction.state) != TransactionState::kPrepared) continue;
    container.prepared.push_back(ref);
    uint32_t entries = 0;
    for (Ref at = transaction.parts; at; at = heap_.at<TransactionPart>(at)->older) {
      const uint32_t count = heap_.at<TransactionPart>(at)->count;
      if (count == 0 || count > 31 || (entries += count) > transaction.entries) break;
      for (uint32_t i = 0; i < count; ++i)
        owners_[entries_of(heap_.at<TransactionPart>(at))[i].record] = ref;
    }
    if (entries != transaction.entries) return damaged("its entries are not all there");
  }
  return {};
}

Result<Ref> StoreImpl::own_of(const Container& container, TransactionId id, uint64_t epoch) {
  if (id.is_null()) return Ref{0};
  if (epoch == kEpochMax.value)
    return known_as(id, " reads at no epoch in particular: give it the one it has", Code::kInvalid);
  const auto found = container.transactions.find(id);
  if (found == container.transactions.end()) return Ref{0};
  const TransactionRecord& transaction = *transaction_at(found->second);
  if (static_cast<TransactionState>(transaction.state) == TransactionState::kAborted)
    return restart(0, "transaction " + id.to_string() + " was aborted");
  if (transaction.epoch != epoch)
    return Error(Code::kInvalid, "transaction " + id.to_string() + " is at epoch " +
                                     std::to_string(transaction.epoch) +
                                     ", but asks for something at " + std::to_string(epoch));
  return found->second;
}

Result<Ref> StoreImpl::writer_of(const Container& container, TransactionId id, uint64_t epoch,
                                 size_t entries) {
  if (id.is_null()) return Ref{0};
  VARVE_TRY(const Ref own, own_of(container, id, epoch));
  if (own == 0) {
    if (container.transactions.size() < kTransactionsMax && entries <= kTransactionEntriesMax)
      return own;
    if (entries <= kTransactionEntriesMax)
      return Error(Code::kBusy, "container " + container.uuid.to_string() + " remembers " +
                                    std::to_string(kTransactionsMax) +
                                    " transactions already: forget() some");
  } else {
    const TransactionRecord& transaction = *transaction_at(own);
    if (static_cast<TransactionState>(transaction.state) == TransactionState::kCommitted)
      return known_as(id, " is committed: begin another", Code::kAlready);
    if (transaction.minor >= kMinorHistory - 1)
      return known_as(id, " has made 65534 requests here, the most", Code::kOverflow);
    if (transaction.entries + entries <= kTransactionEntriesMax) return own;
  }
  return known_as(id, " writes more than 8192 values and punches here: split it", Code::kOverflow);
}

Ref StoreImpl::begin_transaction(Container& container, TransactionId id, uint64_t epoch) {
  const Ref ref = heap_.allocate(sizeof(TransactionRecord));
  if (ref == 0) return 0;
  auto* transaction = transaction_at(ref);
  *transaction = {};
  transaction->id = id;
  transaction->epoch = epoch;
  transaction->state = static_cast<uint8_t>(TransactionState::kPrepared);
  link_front<TransactionRecord>(&record(container)->transactions, ref);
  container.transactions.emplace(id, ref);
  container.prepared.push_back(ref);
  new_transactions_.push_back({&container, id});
  return ref;
}

bool StoreImpl::add_entry(Ref ref, const TransactionEntry& entry) {
  auto* transaction = transaction_at(ref);
  auto* part = transaction->parts ? heap_.at<TransactionPart>(transaction->parts) : nullptr;
  if (!part || part->count == part->capacity) {
    const uint16_t room =
        part ? *std::upper_bound(std::begin(kPartRooms), std::end(kPartRooms) - 1, part->capacity)
             : kPartRooms[0];
    const Ref made = heap_.allocate(part_bytes(room));
    if (made == 0) return false;
    part = heap_.at<TransactionPart>(made);
    std::memset(static_cast<void*>(part), 0, part_bytes(room));
    part->older = transaction->parts;
    part->capacity = room;
    heap_.set(transaction->parts, made);
  }
  heap_.set(entries_of(part)[part->count], entry);
  heap_.set(part->count, static_cast<uint16_t>(part->count + 1));
  heap_.set(transaction->entries, transaction->entries + 1);
  owners_[entry.record] = ref;
  new_entries_.push_back(entry.record);
  return true;
}

Writing StoreImpl::writing_for(const ObjectRecord* object, uint64_t epoch, Ref ref) {
  if (ref == 0) return {stamp_for(object, epoch), 0};
  auto* transaction = transaction_at(ref);
  const uint16_t minor = transaction->minor;
  heap_.set(transaction->minor, static_cast<uint16_t>(minor + 1));
  return {{epoch, minor}, ref};
}

template <class Visit>
void StoreImpl::visit_entries(const TransactionRecord& transaction, Visit visit) const {
  for (Ref at = transaction.parts; at;) {
    auto* part = heap_.at<TransactionPart>(at);
    at = part->older;
    for (uint32_t i = part->count; i-- > 0;) visit(entries_of(part)[i]);
  }
}

bool StoreImpl::has_entry_in(Ref transaction, Ref object) const {
  bool found = false;
  visit_entries(*transaction_at(transaction),
                [&](const TransactionEntry& entry) { found |= entry.object == object; });
  return found;
}

void StoreImpl::meet_prepared(Window& window, const Container& container, Ref object,
                              Ref dkey) const {
  for (const Ref ref : container.prepared) {
    if (ref == window.own || window.blocker) continue;
    visit_entries(*transaction_at(ref), [&](const TransactionEntry& entry) {
      if (entry.object == object && (dkey == 0 || entry.dkey == dkey)) window.blocker = ref;
    });
  }
}

void StoreImpl::commit_entry(const TransactionEntry& entry) {
  const auto settle = [&](auto* record) {
    using Flags = std::remove_reference_t<decltype(record->flags)>;
    VARVE_ASSERT(record->flags & kFlagPrepared, "what a transaction names is prepared");
    heap_.set(record->flags, static_cast<Flags>(record->flags & ~kFlagPrepared));
    note_stamp(heap_.at<ObjectRecord>(entry.object), record->stamp());
  };
  switch (static_cast<EntryKind>(entry.kind)) {
    case EntryKind::kVersion:
      return settle(heap_.at<VersionRecord>(entry.record));
    case EntryKind::kExtent:
      return settle(heap_.at<ExtentRecord>(entry.record));
    case EntryKind::kRangePunch:
      return settle(heap_.at<RangePunchRecord>(entry.record));
    case EntryKind::kDkeyPunch:
    case EntryKind::kObjectPunch:
      return settle(heap_.at<PunchRecord>(entry.record));
  }
}

void StoreImpl::abort_entry(Container& container, const TransactionEntry& entry) {
  const auto drop = [&]<class Record>(Record*, Ref* head) {
    unlink_entry<Record>(heap_, head, entry.record);
    heap_.free(entry.record, sizeof(Record));
  };
  auto* akey = heap_.at<AkeyRecord>(entry.akey);
  switch (static_cast<EntryKind>(entry.kind)) {
    case EntryKind::kVersion:
      unlink_entry<VersionRecord>(heap_, &akey->value, entry.record);
      free_version(heap_, entry.record);
      break;
    case EntryKind::kExtent:
      remove_extent(heap_, heap_.at<ArrayRecord>(akey->value), akey->record_size, entry.index,
                    entry.record);
      break;
    case EntryKind::kRangePunch:
      drop(static_cast<RangePunchRecord*>(nullptr), &heap_.at<ArrayRecord>(akey->value)->punches);
      break;
    case EntryKind::kDkeyPunch:
      drop(static_cast<PunchRecord*>(nullptr), &heap_.at<DkeyRecord>(entry.dkey)->punches);
      break;
    case EntryKind::kObjectPunch:
      drop(static_cast<PunchRecord*>(nullptr), &heap_.at<ObjectRecord>(entry.object)->punches);
      break;
  }
  prune(container, entry);
}

// Keys and objects that the transaction alone had made.
void StoreImpl::prune(Container& container, const TransactionEntry& entry) {
  auto* object = heap_.at<ObjectRecord>(entry.object);
  const Result<KeyKinds> known = key_kinds(object->oid);
  const KeyKinds kinds = known.ok() ? *known : KeyKinds{};
  KeyScratch scratch;
  const auto erase = [&](Keyed keyed, KeyKind kind, TreeRoot* root, Ref ref) {
    const ByteView key = record_key(heap_, keyed, ref, scratch);
    tree_erase(heap_, {keyed, kind}, root, {key_prefix(kind, key), key});
  };
  if (entry.dkey) {
    auto* dkey = heap_.at<DkeyRecord>(entry.dkey);
    if (entry.akey) {
      auto* akey = heap_.at<AkeyRecord>(entry.akey);
      const bool single = static_cast<ValueKind>(akey->kind) == ValueKind::kSingle;
      if (single ? akey->value != 0 : !array_empty(*heap_.at<ArrayRecord>(akey->value))) return;
      erase(Keyed::kAkey, kinds.akey, &dkey->akeys, entry.akey);
      if (akey->units) heap_.free(entry.akey, akey->units * kRefUnit);
    }
    if (!tree_empty(dkey->akeys) || dkey->punches) return;
    erase(Keyed::kDkey, kinds.dkey, &object->dkeys, entry.dkey);
    heap_.free(entry.dkey, dkey->units * kRefUnit);
  }
  if (!tree_empty(object->dkeys) || object->punches) return;
  erase(Keyed::kObject, KeyKind::kHashed, &record(container)->objects, entry.object);
  heap_.free(entry.object, sizeof(ObjectRecord));
  forget_objects();
}

void StoreImpl::decide(Container& container, Ref ref, TransactionState state) {
  auto* transaction = transaction_at(ref);
  visit_entries(*transaction,
                [&](const TransactionEntry& entry) { owners_.erase(entry.record); });
  for (Ref at = transaction->parts; at;) {
    const auto* part = heap_.at<TransactionPart>(at);
    const Ref older = part->older;
    heap_.free(at, part_bytes(part->capacity));
    at = older;
  }
  heap_.change(transaction);
  transaction->parts = 0;
  transaction->entries = 0;
  transaction->state = static_cast<uint8_t>(state);
  std::erase(container.prepared, ref);
  ++container.changes;
}

Result<Lsn> StoreImpl::commit(Container& container, TransactionId id) {
  const auto found = container.transactions.find(id);
  if (found == container.transactions.end())
    return known_as(id, " is not known in container " + container.uuid.to_string() +
                            ": nothing was prepared, or it was forgotten",
                    Code::kNonexistent);
  const TransactionRecord& transaction = *transaction_at(found->second);
  const auto state = static_cast<TransactionState>(transaction.state);
  if (state == TransactionState::kCommitted) return heap_.volume().last_committed();
  if (state == TransactionState::kAborted)
    return known_as(id, " was aborted: it cannot be committed any more", Code::kCanceled);
  heap_.begin(true);
  visit_entries(transaction, [&](const TransactionEntry& entry) { commit_entry(entry); });
  decide(container, found->second, TransactionState::kCommitted);
  return finish(container, 0, false);
}

Result<Lsn> StoreImpl::abort(Container& container, TransactionId id) {
  const auto found = container.transactions.find(id);
  if (found == container.transactions.end()) return heap_.volume().last_committed();
  const TransactionRecord& transaction = *transaction_at(found->second);
  const auto state = static_cast<TransactionState>(transaction.state);
  if (state == TransactionState::kAborted) return heap_.volume().last_committed();
  if (state == TransactionState::kCommitted)
    return known_as(id, " is committed: it cannot be aborted any more", Code::kAlready);
  heap_.begin(true);
  visit_entries(transaction, [&](const TransactionEntry& entry) { abort_entry(container, entry); });
  decide(container, found->second, TransactionState::kAborted);
  return finish(container, 0, false);
}

uint64_t StoreImpl::resolve_bytes(const Container& container, TransactionId id) const {
  const auto found = container.transactions.find(id);
  const uint64_t entries =
      found == container.transactions.end() ? 0 : transaction_at(found->second)->entries;
  return kSmallTransactionBytes / 4 + entries * 512;
}

TransactionState StoreImpl::status(const Container& container, TransactionId id) const {
  const auto found = container.transactions.find(id);
  if (found == container.transactions.end()) return TransactionState::kUnknown;
  return static_cast<TransactionState>(transaction_at(found->second)->state);
}

Result<Lsn> StoreImpl::forget(Container& container, std::span<const TransactionId> ids) {
  if (ids.size() > kForgetMax)
    return Error(Code::kInvalid, std::to_string(ids.size()) + " transactions to forget: at most " +
                                     std::to_string(kForgetMax) + " at a time");
  for (const TransactionId id : ids)
    if (status(container, id) == TransactionState::kPrepared)
      return known_as(id, " is not decided yet: commit or abort it before it is forgotten",
                      Code::kBusy);
  heap_.begin(true);
  for (const TransactionId id : ids) {
    const auto found = container.transactions.find(id);
    if (found == container.transactions.end()) continue;
    unlink<TransactionRecord>(&record(container)->transactions, found->second);
    heap_.free(found->second, sizeof(TransactionRecord));
    container.transactions.erase(found);
  }
  return finish(container, 0, false);
}

std::vector<PreparedTransaction> StoreImpl::prepared(const Container& container, Epoch now) const {
  std::vector<PreparedTransaction> all;
  for (const Ref ref : container.prepared) {
    const TransactionRecord& transaction = *transaction_at(ref);
    const uint64_t age = now.value > transaction.epoch ? now.value - transaction.epoch : 0;
    all.push_back({transaction.id, Epoch{transaction.epoch}, age, transaction.entries});
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::tie(a.epoch, a.id) < std::tie(b.epoch, b.id);
  });
  return all;
}

uint64_t StoreImpl::mergeable(const Container& container, uint64_t horizon) const {
  for (const Ref ref : container.prepared)
    horizon = std::min(horizon, transaction_at(ref)->epoch - 1);
  return horizon;
}

// Of a container that is destroyed: nobody asks any more. True: all are gone.
bool StoreImpl::drain_transactions(ContainerRecord* container, uint32_t& budget) {
  while (container->transactions && budget > 0) {
    --budget;
    const Ref ref = container->transactions;
    auto* transaction = transaction_at(ref);
    if (transaction->parts) {
      const Ref part = transaction->parts;
      const uint32_t bytes = part_bytes(heap_.at<TransactionPart>(part)->capacity);
      heap_.set(transaction->parts, heap_.at<TransactionPart>(part)->older);
      heap_.free(part, bytes);
      continue;
    }
    unlink<TransactionRecord>(&container->transactions, ref);
    heap_.free(ref, sizeof(TransactionRecord));
  }
  return container->transactions == 0;
}

void StoreImpl::forget_transactions(const Container& container) {
  for (const Ref ref : container.prepared)
    visit_entries(*transaction_at(ref),
                  [&](const TransactionEntry& entry) { owners_.erase(entry.record); });
}

}  // namespace varve::store
