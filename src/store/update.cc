#include <algorithm>

#include "base/checksum.h"
#include "store/store_impl.h"

namespace varve::store {

namespace {

// A first version up to so large is embedded beside its key: an overwritten one wastes its space
// until the key goes.
constexpr uint32_t kEmbeddedBytesMax = 288;
// Bytes that may be given inline; beyond, values belong into extents.
constexpr uint64_t kInlineBytesMax = 32 * kKiB;
constexpr uint64_t kArrayRecordBytes = round_up(sizeof(ArrayRecord), kRefUnit);

Error invalid(std::string text) { return Error(Code::kInvalid, std::move(text)); }

Result<void> check_data(const Data& data, uint64_t length_max, const ChecksumFormat& format) {
  if (data.length == 0) return {};
  if (data.length > length_max)
    return invalid("a value of " + std::to_string(data.length) + " bytes: at most " +
                   std::to_string(length_max) + " are possible");
  if (!data.bytes.empty()) {
    if (data.bytes.size() != data.length || data.length > kInlineBytesMax)
      return invalid("inline data of " + std::to_string(data.bytes.size()) +
                     " bytes for a length of " + std::to_string(data.length) +
                     ": they must agree, and " + std::to_string(kInlineBytesMax) +
                     " is the most; write larger ones to an extent");
  } else if (data.extent.offset == 0 || data.extent.length < data.length) {
    return invalid("a value of " + std::to_string(data.length) + " bytes names an extent of " +
                   std::to_string(data.extent.length) +
                   ": reserve and write an extent that holds it");
  }
  if (!data.checksums.empty() && data.checksums.size() != format.words(data.length))
    return invalid(std::to_string(data.checksums.size()) + " words of checksums for " +
                   std::to_string(data.length) + " bytes: one " + checksum_name(format.kind) +
                   " for each " + std::to_string(format.chunk_bytes) + " is needed, or none");
  return {};
}

Result<void> check_pieces(const AkeyUpdate& akey, const ChecksumFormat& format) {
  if (akey.record_size == 0) return invalid("an array with records of 0 bytes");
  if (akey.pieces.empty()) return invalid("an array update without pieces");
  for (const ArrayPiece& piece : akey.pieces) {
    uint64_t end, bytes;
    if (piece.count == 0 || __builtin_add_overflow(piece.index, piece.count, &end))
      return invalid("an array piece of " + std::to_string(piece.count) + " records at " +
                     std::to_string(piece.index) + ": it must not be empty, nor end above 2^64-1");
    if (piece.data.length == 0) continue;
    if (__builtin_mul_overflow(piece.count, akey.record_size, &bytes) || bytes != piece.data.length)
      return Error(Code::kBadIo, std::to_string(piece.count) + " records of " +
                                     std::to_string(akey.record_size) + " bytes do not make " +
                                     std::to_string(piece.data.length) + " bytes");
    VARVE_CHECK(check_data(piece.data, uint64_t{1} << 34, format));
  }
  if (akey.pieces.size() == 1) return {};
  bool ascending = true;
  for (size_t i = 1; i < akey.pieces.size() && ascending; ++i)
    ascending = akey.pieces[i - 1].index + akey.pieces[i - 1].count <= akey.pieces[i].index;
  if (ascending) return {};
  std::vector<std::pair<uint64_t, uint64_t>> sorted;
  for (const ArrayPiece& piece : akey.pieces)
    sorted.push_back({piece.index, piece.index + piece.count});
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 1; i < sorted.size(); ++i)
    if (sorted[i - 1].second > sorted[i].first)
      return invalid("array pieces of one request overlap at record " +
                     std::to_string(sorted[i].first));
  return {};
}

bool has_data(const AkeyUpdate& akey) {
  if (akey.kind == ValueKind::kSingle) return akey.single.length > 0;
  return std::any_of(akey.pieces.begin(), akey.pieces.end(),
                     [](const ArrayPiece& piece) { return piece.data.length > 0; });
}

size_t first_data_piece(const AkeyUpdate& akey) {
  size_t first = 0;
  while (akey.pieces[first].data.length == 0) ++first;
  return first;
}

bool same_bytes(ByteView a, ByteView b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<void> check_unique(std::span<const AkeyUpdate> akeys) {
  const auto twice = [] { return invalid("one request names an akey twice: join its pieces"); };
  if (akeys.size() <= 8) {
    for (size_t i = 1; i < akeys.size(); ++i)
      for (size_t j = 0; j < i; ++j)
        if (same_bytes(akeys[i].akey, akeys[j].akey)) return twice();
    return {};
  }
  std::vector<std::string_view> keys;
  for (const AkeyUpdate& akey : akeys) keys.push_back(as_text(akey.akey));
  std::sort(keys.begin(), keys.end());
  if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) return twice();
  return {};
}

uint32_t key_record_bytes(size_t record, size_t key) {
  return Heap::allocated(static_cast<uint32_t>(record + key));
}

bool embeds_version(const AkeyUpdate& update) {
  return update.kind == ValueKind::kSingle && version_bytes(update.single) <= kEmbeddedBytesMax;
}
// An akey record with its key and what is embedded in it.
uint32_t akey_bytes(const AkeyUpdate& update) {
  uint32_t bytes = key_record_bytes(sizeof(AkeyRecord), update.akey.size());
  if (update.kind == ValueKind::kArray)
    bytes += kArrayRecordBytes + sizeof(ExtentRecord);
  else if (embeds_version(update))
    bytes += version_bytes(update.single);
  return Heap::allocated(bytes);
}

}  // namespace

uint64_t transaction_bytes(std::span<const Update> updates) {
  uint64_t bytes = 8 * kKiB;
  for (const Update& update : updates) {
    // A leaf and its fingerprints, inner nodes now and then, records.
    bytes += 4 * kKiB + update.dkey.size();
    for (const AkeyUpdate& akey : update.akeys) {
      bytes += 2 * kKiB + akey.akey.size() + akey.single.bytes.size() +
               akey.single.checksums.size_bytes();
      for (const ArrayPiece& piece : akey.pieces)
        bytes += 512 + piece.data.bytes.size() + piece.data.checksums.size_bytes();
      if (!update.transaction.is_null())
        bytes += (1 + akey.pieces.size()) * 2 * sizeof(TransactionEntry);
    }
  }
  return bytes;
}

Result<void> StoreImpl::check_update(const Container& container, const Update& update) {
  VARVE_TRY(const KeyKinds kinds, key_kinds(update.oid));
  if (update.epoch == kEpochNone || update.epoch == kEpochMax)
    return invalid("an update at epoch " + std::to_string(update.epoch.value));
  if (const uint64_t floor = write_floor(container); update.epoch.value <= floor)
    return restart(floor + 1,
                   "epoch " + std::to_string(update.epoch.value) + " is settled already");
  if (update.akeys.empty()) return invalid("an update without akeys");
  const ChecksumFormat& format = container.integrity.checksums;
  for (const AkeyUpdate& akey : update.akeys) {
    VARVE_CHECK(check_key(kinds.akey, akey.akey, "akey"));
    if (akey.kind == ValueKind::kSingle)
      VARVE_CHECK(check_data(akey.single, kSingleValueBytesMax, format));
    else if (akey.kind == ValueKind::kArray)
      VARVE_CHECK(check_pieces(akey, format));
    else
      return invalid("an akey update must say whether it is a single value or an array");
  }
  return update.akeys.size() == 1 ? Result<void>() : check_unique(update.akeys);
}

Result<void> StoreImpl::check_conditions(const Located& at, const ReadPoint& point,
                                         const Update& update) const {
  const uint64_t conditions = update.conditions;
  const bool per_akey = conditions & kCondPerAkey;
  if (conditions & (kCondDkeyInsert | kCondDkeyUpdate)) {
    const bool there = at.dkey && dkey_visible(*at.dkey, point);
    if ((conditions & kCondDkeyInsert) && there) return Error(Code::kExists);
    if ((conditions & kCondDkeyUpdate) && !there) return Error(Code::kNonexistent);
  }
  for (const AkeyUpdate& akey : update.akeys) {
    const uint64_t wanted =
        (per_akey ? akey.conditions : conditions) & (kCondAkeyInsert | kCondAkeyUpdate);
    const AkeyRecord* record = at.dkey ? find_akey(*at.dkey, at.kinds.akey, akey.akey) : nullptr;
    if (record && static_cast<ValueKind>(record->kind) != akey.kind)
      return Error(Code::kBadType,
                   "the akey holds the other kind of value (single value or array)");
    if (record && akey.kind == ValueKind::kArray && record->record_size != akey.record_size)
      return Error(Code::kRecordSize, "the array has records of " +
                                          std::to_string(record->record_size) + " bytes, not " +
                                          std::to_string(akey.record_size));
    if (!wanted) continue;
    const bool there = record && akey_visible(*record, point);
    if ((wanted & kCondAkeyInsert) && there) return Error(Code::kExists);
    if ((wanted & kCondAkeyUpdate) && !there) return Error(Code::kNonexistent);
  }
  return {};
}

namespace {
bool has_punch(const AkeyUpdate& akey) {
  if (akey.kind == ValueKind::kSingle) return akey.single.length == 0;
  return std::any_of(akey.pieces.begin(), akey.pieces.end(),
                     [](const ArrayPiece& piece) { return piece.data.length == 0; });
}
}  // namespace

// Punches count where something is visible: that must be known.
Result<void> StoreImpl::check_existence(const Located& at, const Update& update) {
  for (const AkeyUpdate& akey : update.akeys) {
    if (!at.dkey || !has_punch(akey)) continue;
    const AkeyRecord* record = find_akey(*at.dkey, at.kinds.akey, akey.akey);
    if (!record) continue;
    VARVE_CHECK(certain(
        at.point.look, [&]() -> Result<bool> { return akey_visible(*record, point_of(at)); },
        same_answer<bool>));
  }
  return {};
}

Result<void> StoreImpl::check_located(Container& container, const Located& at,
                                      const Update& update, Ref own) {
  VARVE_CHECK(check_update_conflicts(container, at, update, own));
  Result<void> conditions = [&]() -> Result<void> {
    if (!at.point.look) return check_conditions(at, at.point, update);
    VARVE_CHECK(check_existence(at, update));
    return certain(
        at.point.look, [&] { return check_conditions(at, point_of(at), update); },
        same_answer<void>);
  }();
  if (!conditions.ok() && conditions.code() != Code::kExists &&
      conditions.code() != Code::kNonexistent)
    return conditions;
  const uint64_t of_dkey = update.conditions & (kCondDkeyInsert | kCondDkeyUpdate);
  if (of_dkey && at.dkey && update.uncertain_until > update.epoch) {
    Window window = missed_window({update.epoch, {}, update.uncertain_until}, own);
    meet_dkey(window, *at.dkey);
    VARVE_CHECK(verdict(window, false));
  }
  if (conditions.ok() && update.epoch.value < reads_.above_all(update.transaction)) {
    std::vector<ByteView> akeys;
    for (const AkeyUpdate& akey : update.akeys) akeys.push_back(akey.akey);
    VARVE_CHECK(check_reads(container, update.oid, update.dkey, at.kinds, akeys,
                            update.epoch.value, update.transaction));
  }
  const bool punches = std::any_of(update.akeys.begin(), update.akeys.end(), has_punch);
  if (update.conditions || punches) {
    const ReadAt reader(update.epoch, update.transaction, kEpochNone, update.epoch);
    const ReadPlace place = place_of(container, update.oid, at.kinds, update.dkey);
    note_read(place, of_dkey ? ReadScope::kDkey : ReadScope::kUnderDkey, reader);
    for (const AkeyUpdate& akey : update.akeys)
      note_read(place_of(place, akey.akey), ReadScope::kAkey, reader);
    note_under(container, update.oid, reader);
  }
  return conditions;
}

Stamp StoreImpl::stamp_for(const ObjectRecord* object, uint64_t epoch) const {
  if (!object || epoch > object->newest_epoch) return {epoch, 0};
  if (epoch < object->newest_epoch) return {epoch, kMinorHistory};
  return {epoch, static_cast<uint16_t>(std::min(object->newest_minor + 1, kMinorHistory - 1))};
}

void StoreImpl::note_stamp(ObjectRecord* object, Stamp stamp) {
  if (stamp <= Stamp{object->newest_epoch, object->newest_minor} ||
      stamp.epoch < object->newest_epoch)
    return;
  constexpr uint32_t kFrom = offsetof(ObjectRecord, newest_minor);
  constexpr uint32_t kTo = offsetof(ObjectRecord, newest_epoch) + sizeof(uint64_t);
  heap_.change(&object->newest_minor, kTo - kFrom);
  object->newest_epoch = stamp.epoch;
  object->newest_minor = stamp.minor;
}

ObjectRecord* StoreImpl::make_object(Container& container, ObjectId oid) {
  const Ref ref = heap_.allocate(sizeof(ObjectRecord));
  if (ref == 0) return nullptr;
  auto* object = heap_.at<ObjectRecord>(ref);
  *object = {};
  object->oid = oid;
  const ByteView key = bytes_of(oid);
  if (!tree_insert(heap_, {Keyed::kObject, KeyKind::kHashed}, &record(container)->objects,
                   {key_prefix(KeyKind::kHashed, key), key}, ref))
    return nullptr;
  cache_object(container, oid, ref);
  return object;
}

// What a transaction has written is named by it. False: heap full.
bool StoreImpl::enter(const Located& at, Ref akey, Ref record, EntryKind kind, uint64_t index,
                      const Writing& writing) {
  if (writing.transaction == 0) [[likely]]
    return true;
  TransactionEntry entry{};
  entry.index = index;
  entry.object = heap_.ref(at.object);
  entry.dkey = heap_.ref(at.dkey);
  entry.akey = akey;
  entry.record = record;
  entry.kind = static_cast<uint8_t>(kind);
  return add_entry(writing.transaction, entry);
}

bool StoreImpl::write_single(const Located& at, AkeyRecord* akey, const Data& data,
                             const Writing& writing) {
  const Ref version = add_version(heap_, &akey->value, data, writing.stamp, writing.flags());
  return version && enter(at, heap_.ref(akey), version, EntryKind::kVersion, 0, writing);
}

bool StoreImpl::write_piece(const Located& at, AkeyRecord* akey, const ArrayPiece& piece,
                            const Writing& writing) {
  const Ref extent = add_extent(heap_, heap_.at<ArrayRecord>(akey->value), akey->record_size,
                                piece, writing.stamp, writing.flags());
  const bool range = needs_range_punch(piece, akey->record_size);
  return extent && enter(at, heap_.ref(akey), extent,
                         range ? EntryKind::kRangePunch : EntryKind::kExtent,
                         range ? 0 : piece.index, writing);
}

// Builds an akey record with its first value at `at`; 0: heap full.
Ref StoreImpl::make_akey(const Located& located, Ref at, const AkeyUpdate& update,
                         const Writing& writing) {
  auto* akey = heap_.at<AkeyRecord>(at);
  *akey = {};
  akey->kind = static_cast<uint8_t>(update.kind);
  akey->key_length = static_cast<uint16_t>(update.akey.size());
  std::memcpy(akey + 1, update.akey.data(), update.akey.size());
  const Ref behind = at + key_record_bytes(sizeof(AkeyRecord), update.akey.size()) / kRefUnit;
  const auto flags = static_cast<uint8_t>(kFlagEmbedded | writing.flags());
  if (update.kind == ValueKind::kSingle) {
    if (!embeds_version(update))
      return write_single(located, akey, update.single, writing) ? at : 0;
    build_version(heap_.at<VersionRecord>(behind), update.single, writing.stamp, flags);
    publish_version(heap_, update.single);
    akey->value = behind;
    return enter(located, at, behind, EntryKind::kVersion, 0, writing) ? at : 0;
  }
  akey->record_size = update.record_size;
  akey->value = behind;
  auto* array = heap_.at<ArrayRecord>(behind);
  *array = {};
  const Ref extent = behind + kArrayRecordBytes / kRefUnit;
  const size_t first = first_data_piece(update);
  const ArrayPiece& piece = update.pieces[first];
  if (!build_extent(heap_, heap_.at<ExtentRecord>(extent), piece, writing.stamp, flags)) return 0;
  if (!link_extent(heap_, array, update.record_size, piece.index, extent)) return 0;
  if (!enter(located, at, extent, EntryKind::kExtent, piece.index, writing)) return 0;
  // Without punches: nobody saw what they name.
  for (size_t i = first + 1; i < update.pieces.size(); ++i)
    if (update.pieces[i].data.length > 0 && !write_piece(located, akey, update.pieces[i], writing))
      return 0;
  return at;
}

bool StoreImpl::make_dkey(Located& at, const Update& update, size_t first,
                          const Writing& writing) {
  const AkeyUpdate& akey = update.akeys[first];
  const uint32_t own = key_record_bytes(sizeof(DkeyRecord), update.dkey.size());
  const uint32_t bytes = own + akey_bytes(akey);
  const Ref ref = heap_.allocate(bytes);
  if (ref == 0) return false;
  auto* dkey = heap_.at<DkeyRecord>(ref);
  *dkey = {};
  dkey->key_length = static_cast<uint16_t>(update.dkey.size());
  dkey->units = static_cast<uint16_t>(bytes / kRefUnit);
  std::memcpy(dkey + 1, update.dkey.data(), update.dkey.size());
  at.dkey = dkey;
  dkey->akeys.root = make_akey(at, ref + own / kRefUnit, akey, writing);
  if (dkey->akeys.root == 0) return false;
  return tree_insert(heap_, {Keyed::kDkey, at.kinds.dkey}, &at.object->dkeys,
                     {at.dkey_prefix, update.dkey}, ref);
}

Result<void> StoreImpl::apply_akey(Container& container, Located& at, const AkeyUpdate& update,
                                   const Writing& writing, bool& changed) {
  const Stamp stamp = writing.stamp;
  AkeyRecord* akey = find_akey(*at.dkey, at.kinds.akey, update.akey);
  if (!akey) {
    if (!has_data(update)) return {};
    changed = true;
    const uint32_t bytes = akey_bytes(update);
    const Ref ref = heap_.allocate(bytes);
    if (ref == 0 || make_akey(at, ref, update, writing) == 0) return heap_.error();
    heap_.at<AkeyRecord>(ref)->units = static_cast<uint16_t>(bytes / kRefUnit);
    if (!tree_insert(heap_, {Keyed::kAkey, at.kinds.akey}, &at.dkey->akeys,
                     {key_prefix(at.kinds.akey, update.akey), update.akey}, ref))
      return heap_.error();
    return {};
  }
  if (update.kind == ValueKind::kSingle) {
    if (update.single.length == 0 && !akey_visible(*akey, at.point)) return {};
    changed = true;
    ++container.changes;
    if (!write_single(at, akey, update.single, writing)) return heap_.error();
    return {};
  }
  auto* array = heap_.at<ArrayRecord>(akey->value);
  if (stamp.minor >= kMinorHistory - 1) {
    const ArrayView view(heap_, *array, akey->record_size, {});
    for (const ArrayPiece& piece : update.pieces)
      if (view.has_stamp_in(piece.index, piece.index + piece.count, stamp))
        return Error(Code::kTransactionRestart,
                     "an array was written at epoch " + std::to_string(stamp.epoch) +
                         " before, below its newest: write again with a newer epoch");
  }
  // Punches of a range count only where something was visible before this request.
  const bool was_visible = akey_visible(*akey, at.point);
  for (const ArrayPiece& piece : update.pieces) {
    if (piece.data.length == 0 && !was_visible) continue;
    changed = true;
    ++container.changes;  // it hides something, or may be joined with what is beside it
    if (!write_piece(at, akey, piece, writing)) return heap_.error();
  }
  return {};
}

Result<void> StoreImpl::apply(Container& container, Located& at, const Update& update, Ref own,
                              bool& changed) {
  if (!update.transaction.is_null() && own == 0) {
    own = begin_transaction(container, update.transaction, update.epoch.value);
    if (own == 0) return heap_.error();
    changed = true;  // it is known from now on, even if it finds nothing to do
  }
  const Writing writing = writing_for(at.object, update.epoch.value, own);
  bool wrote = false;
  size_t first = update.akeys.size();
  if (!at.dkey) {
    first = 0;
    while (first < update.akeys.size() && !has_data(update.akeys[first])) ++first;
    if (first == update.akeys.size()) return {};
    if (!at.object) at.object = make_object(container, update.oid);
    if (!at.object || !make_dkey(at, update, first, writing)) return heap_.error();
    wrote = true;
  }
  for (size_t i = 0; i < update.akeys.size(); ++i)
    if (i != first) VARVE_CHECK(apply_akey(container, at, update.akeys[i], writing, wrote));
  if (wrote && own == 0) note_stamp(at.object, writing.stamp);
  changed |= wrote;
  return {};
}

Result<void> StoreImpl::check_space(const Container& container) const {
  const auto* pool = heap_.at<PoolRecord>(container.pool);
  const int64_t taken = heap_.taken();
  if (taken <= 0 || pool->used_bytes + static_cast<uint64_t>(taken) <= pool->reserved_bytes)
    return {};
  return Error(Code::kNoSpace, "pool " + pool->uuid.to_string() + " has used " +
                                   std::to_string(pool->used_bytes) + " of its " +
                                   std::to_string(pool->reserved_bytes) +
                                   " bytes on this target: punch data, or make the pool larger");
}

void StoreImpl::account_to(Ref pool_ref, uint64_t newest) {
  auto* pool = heap_.at<PoolRecord>(pool_ref);
  if (heap_.taken() == 0 && newest <= pool->newest_epoch) return;
  heap_.change(&pool->used_bytes, 16);
  pool->used_bytes += static_cast<uint64_t>(heap_.taken());
  pool->newest_epoch = std::max(pool->newest_epoch, newest);
  heap_.forget_taken();
}

void StoreImpl::rollback() {
  heap_.volume().rollback();
  forget_objects();
  for (const Ref entry : new_entries_) owners_.erase(entry);
  for (const NewTransaction& made : new_transactions_) {
    const auto found = made.container->transactions.find(made.id);
    std::erase(made.container->prepared, found->second);
    made.container->transactions.erase(found);
  }
  new_entries_.clear();
  new_transactions_.clear();
}

Result<Lsn> StoreImpl::finish(Container& container, uint64_t newest, bool bounded) {
  if (bounded) {
    Result<void> enough = check_space(container);
    if (!enough.ok()) {
      rollback();
      return std::move(enough.error());
    }
  }
  account_to(container.pool, newest);
  if (!new_entries_.empty()) new_entries_.clear();
  if (!new_transactions_.empty()) new_transactions_.clear();
  return heap_.volume().commit();
}

size_t StoreImpl::entries_made(const Update& update) {
  if (update.transaction.is_null()) return 0;
  size_t entries = 0;
  for (const AkeyUpdate& akey : update.akeys) entries += 1 + akey.pieces.size();
  return entries;
}

// All that may refuse it. `look` is what Located::point refers to.
Result<Located> StoreImpl::admit(Container& container, const Update& update, Ref hint,
                                 Look& look) {
  VARVE_CHECK(check_update(container, update));
  VARVE_TRY(const Ref own, writer_of(container, update.transaction, update.epoch.value,
                                     entries_made(update)));
  look = Look(owners_, own);
  Look* use = container.prepared.empty() ? nullptr : &look;
  VARVE_TRY(const Located at,
            locate(container, update.oid, update.epoch.value, update.dkey, use, hint));
  VARVE_CHECK(check_located(container, at, update, own));
  return at;
}

Result<Lsn> StoreImpl::update(Container& container, const Update& update) {
  Look look(owners_, 0);
  VARVE_TRY(Located at, admit(container, update, 0, look));
  bool changed = false;
  heap_.begin();
  Result<void> applied = apply(container, at, update, look.own(), changed);
  if (!applied.ok() || !changed) {
    rollback();
    if (applied.ok()) return heap_.volume().last_committed();
    return std::move(applied.error());
  }
  return finish(container, update.epoch.value, true);
}

void StoreImpl::update_batch(Container& container, std::span<const Update> updates,
                             std::span<Result<Lsn>> results) {
  VARVE_ASSERT(updates.size() == results.size(), "one result for each update");
  constexpr size_t kAtOnce = 16;
  uint64_t newest = 0;
  bool failed = false;
  heap_.begin();
  for (size_t from = 0; from < updates.size() && !failed; from += kAtOnce) {
    const auto group = updates.subspan(from, std::min(kAtOnce, updates.size() - from));
    Ref hints[kAtOnce] = {};
    walk(container, group, hints);
    for (size_t i = 0; i < group.size() && !failed; ++i) {
      const Update& update = group[i];
      const auto one = [&]() -> Result<void> {
        Look look(owners_, 0);
        VARVE_TRY(Located at, admit(container, update, hints[i], look));
        bool changed = false;
        Result<void> applied = apply(container, at, update, look.own(), changed);
        failed = !applied.ok();
        if (changed) newest = std::max(newest, update.epoch.value);
        return applied;
      };
      Result<void> result = one();
      if (!result.ok())
        results[from + i] = std::move(result.error());
      else
        results[from + i] = Lsn{};
    }
  }
  if (!failed && newest == 0) {  // nothing changed
    rollback();
    for (Result<Lsn>& result : results)
      if (result.ok()) result = heap_.volume().last_committed();
    return;
  }
  if (!failed) {
    const Result<Lsn> lsn = finish(container, newest, true);
    if (lsn.ok()) {
      for (Result<Lsn>& result : results)
        if (result.ok()) result = *lsn;
      return;
    }
  } else {
    rollback();
  }
  // Out of space somewhere: one by one, so that each has its own fate.
  for (size_t i = 0; i < updates.size(); ++i) results[i] = update(container, updates[i]);
}

}  // namespace varve::store
