#include "inspect/store_walk.h"

#include <algorithm>
#include <cstdio>
#include <set>


namespace varve::inspect {
namespace {

using namespace store;

uint64_t allocated(uint64_t bytes) { return round_up(bytes, kRefUnit); }
DataKind kind_of(uint8_t kind) { return static_cast<DataKind>(kind); }
bool is_kind(uint8_t kind) { return kind <= static_cast<uint8_t>(DataKind::kExtent); }

constexpr uint8_t kFlagsKnown =
    kFlagEmbedded | kFlagChecksums | kFlagPrepared | kFlagCounted | kFlagCorrupt;
constexpr uint8_t kContainerFlagsKnown = kContainerTrustsWriters | kContainerNotScrubbed;
// Bytes that may be inline; extents are of at most 2^34 bytes.
constexpr uint64_t kInlineBytesMax = 32 * kKiB;
constexpr uint64_t kExtentBytesMax = uint64_t{1} << 34;

std::string number(uint64_t value) { return std::to_string(value); }

block::Extent extent_of(uint64_t place) {
  return {(place & ((uint64_t{1} << kPlaceBits) - 1)) * device::kBlockBytes,
          (place >> kPlaceBits) * device::kBlockBytes};
}

}  // namespace

std::string key_text(KeyKind kind, ByteView key) {
  if (kind == KeyKind::kInteger && key.size() == 8) return number(key_prefix(kind, key));
  std::string text;
  for (const std::byte byte : key) {
    const char letter = static_cast<char>(byte);
    char escaped[8];
    if (letter > ' ' && letter < 127 && letter != '%' && letter != '/') {
      text += letter;
    } else {
      std::snprintf(escaped, sizeof escaped, "%%%02x", static_cast<unsigned>(byte));
      text += escaped;
    }
  }
  return text;
}

std::string Place::describe() const {
  if (!pool) return "store";
  std::string text = "pool " + pool->record.uuid.to_string();
  if (container) text += ", container " + container->record.uuid.to_string();
  if (object) text += ", object " + object->record.oid.to_string();
  if (dkey) text += ", dkey " + key_text(object->kinds.dkey, dkey->key).substr(0, 80);
  if (akey) text += ", akey " + key_text(object->kinds.akey, akey->key).substr(0, 80);
  return text;
}

// --- what every record is checked for

bool StoreWalk::claim(const char* kind, Ref ref, uint64_t bytes) {
  if (charge_) *charge_ += allocated(bytes);
  const char* wrong = allocations_.claim(offset_of(ref), allocated(bytes));
  if (wrong) damage_at(kind, ref, wrong);
  return !wrong;
}

bool StoreWalk::claim_extent(const char* kind, Ref ref, const block::Extent& extent) {
  if (charge_) *charge_ += extent.length;
  const char* wrong = allocations_.claim_extent(extent);
  if (wrong)
    damage_at(kind, ref, "names " + number(extent.length) + " bytes at device offset " +
                             number(extent.offset) + ": that " + wrong);
  return !wrong;
}

template <class Record>
std::optional<Record> StoreWalk::read(const char* kind, Ref ref) {
  const auto record = heap_.read<Record>(offset_of(ref));
  if (!record) damage_at(kind, ref, "lies outside of the heap");
  return record;
}

void StoreWalk::check_stamp(const char* kind, Ref ref, Stamp stamp, Stamp above, bool prepared) {
  if (stamp.epoch == 0) damage_at(kind, ref, "has epoch 0");
  if (stamp > above)
    damage_at(kind, ref, "has epoch " + number(stamp.epoch) + ", below " + number(above.epoch) +
                             " in its chain");
  if (!prepared && place_.object && stamp.epoch > place_.object->record.newest_epoch)
    damage_at(kind, ref, "has epoch " + number(stamp.epoch) + ", its object ends at " +
                             number(place_.object->record.newest_epoch));
}

bool StoreWalk::counts(uint64_t length) const {
  return format_.words(length) != ChecksumFormat().words(length);
}

bool StoreWalk::read_checksums(const char* kind, Ref ref, uint64_t offset, FoundData& data) {
  const uint64_t count = format_.words(data.length);
  const auto list = heap_.bytes(offset, 4 * count);
  if (!list) {
    damage_at(kind, ref, "has its checksums outside of the heap");
    return false;
  }
  data.checksums.resize(count);
  std::memcpy(data.checksums.data(), list->data(), list->size());
  return true;
}

// --- pools and containers

void StoreWalk::run(Visitor& visitor) {
  visitor_ = &visitor;
  const auto root = *heap_.read<RootRecord>(block::Volume::kRoot);
  if (root.magic == kKeyValueMagic)
    return findings_.note("system volume", "holds the services' keys, and no store");
  const auto page = *heap_.bytes(block::Volume::kRoot, block::Volume::kRootBytes);
  const auto behind = page.subspan(root.magic ? sizeof(RootRecord) : 0);
  if (std::any_of(behind.begin(), behind.end(), [](std::byte byte) { return byte != std::byte{}; }))
    damage("its root has bytes set that mean nothing");
  if (root.magic == 0) return;
  if (root.magic != kStoreMagic) return damage("its root's magic number is wrong");
  if (root.version != kStoreVersion)
    return damage("has format version " + number(root.version) + ", this program knows " +
                  number(kStoreVersion));
  if (root.reserved || root.reserved_2) damage("its root has bytes set that mean nothing");
  walk_pools(root.pools, false);
  walk_pools(root.dying_pools, true);
  for (auto& [ref, pool] : pools_) {
    place_ = {};
    place_.pool = &pool;
    if (wanted(visitor.pool(pool))) walk_containers(pool.record.containers, pool.destroyed, ref);
  }
  place_ = {};
  walk_containers(root.dying_containers, true, 0);
  for (auto& [ref, pool] : pools_) {
    place_ = {};
    place_.pool = &pool;
    if (complete_ && charged_[ref] != pool.record.used_bytes)
      damage("says that it uses " + number(pool.record.used_bytes) + " bytes; what it holds is " +
             number(charged_[ref]));
  }
}

void StoreWalk::walk_pools(Ref first, bool destroyed) {
  std::set<Uuid> seen;
  Ref previous = 0;
  for (Ref ref = first; ref;) {
    place_ = {};
    charge_ = nullptr;
    if (!claim("pool", ref, sizeof(PoolRecord))) return;
    const FoundPool pool{*read<PoolRecord>("pool", ref), ref, destroyed};
    FoundPool& kept = pools_.emplace(ref, pool).first->second;
    place_.pool = &kept;
    if (pool.record.previous != previous) damage("its link to the pool before is wrong");
    if (pool.record.reserved) damage("has bytes set that mean nothing");
    if (!destroyed && !seen.insert(pool.record.uuid).second) damage("is there twice");
    previous = ref;
    ref = pool.record.next;
  }
}

// `owner` 0: destroyed ones, of any pool.
void StoreWalk::walk_containers(Ref first, bool destroyed, Ref owner) {
  std::set<Uuid> seen;
  Ref previous = 0;
  for (Ref ref = first; ref;) {
    const auto record = read<ContainerRecord>("container", ref);
    if (!record) return;
    const FoundContainer container{*record, ref, destroyed};
    const auto pool = pools_.find(record->pool);
    if (pool == pools_.end() || (owner && pool->first != owner)) {
      damage_at("container", ref, "names a pool that it is not in");
      return;
    }
    place_ = {};
    place_.pool = &pool->second;
    charge_ = &charged_[pool->first];
    if (!claim("container", ref, sizeof(ContainerRecord))) return;
    place_.container = &container;
    if (record->previous != previous) damage("its link to the container before is wrong");
    Integrity integrity;
    if (record->reserved) damage("has bytes set that mean nothing");
    if (!read_integrity(*record, integrity) || (record->flags & ~kContainerFlagsKnown))
      damage("has checksums of a kind or flags that are not possible");
    format_ = integrity.checksums;
    walk_rollbacks(record->rollbacks);
    walk_transactions(container);
    if (owner && !seen.insert(record->uuid).second) damage("is there twice");
    if (wanted(visitor_->container(place_, container))) walk_container(container);
    check_all_met();
    place_.container = nullptr;
    charge_ = nullptr;
    previous = ref;
    ref = record->next;
  }
}

void StoreWalk::walk_rollbacks(Ref first) {
  uint64_t above = ~uint64_t{0};
  for (Ref ref = first; ref;) {
    if (!claim("rollback", ref, sizeof(RollbackRecord))) return;
    const auto rollback = *heap_.read<RollbackRecord>(offset_of(ref));
    if (rollback.to >= rollback.at || rollback.at >= above || rollback.reserved ||
        rollback.reserved_2)
      damage_at("rollback", ref, "has epochs that are not possible");
    above = rollback.at;
    ref = rollback.older;
  }
}

void StoreWalk::walk_container(const FoundContainer& container) {
  walk_tree(container.record.objects, {Keyed::kObject, KeyKind::kHashed},
            [this](uint64_t, Ref ref) { walk_object(ref); });
}

// --- objects, dkeys, akeys

void StoreWalk::walk_object(Ref ref) {
  if (!claim("object", ref, sizeof(ObjectRecord))) return;
  FoundObject object;
  object.record = *heap_.read<ObjectRecord>(offset_of(ref));
  object.ref = ref;
  place_.object = &object;
  const Result<KeyKinds> kinds = key_kinds(object.record.oid);
  if (kinds.ok())
    object.kinds = *kinds;
  else
    damage("has a type that is not defined");
  if (object.record.reserved || object.record.reserved_2) damage("has bytes set that mean nothing");
  if (object.record.newest_epoch > place_.pool->record.newest_epoch)
    damage("its newest epoch is above its pool's");
  if (wanted(visitor_->object(place_, object))) {
    walk_punches(object.record.punches);
    walk_tree(object.record.dkeys, {Keyed::kDkey, object.kinds.dkey},
              [this](uint64_t, Ref dkey) { walk_dkey(dkey); });
  }
  place_.object = nullptr;
}

void StoreWalk::walk_punches(Ref first) {
  Stamp above{~uint64_t{0}, 0xffff};
  for (Ref ref = first; ref;) {
    if (!claim("punch", ref, sizeof(PunchRecord))) return;
    const auto punch = *heap_.read<PunchRecord>(offset_of(ref));
    const bool prepared = check_prepared(
        "punch", ref, punch.flags, punch.epoch,
        place_.dkey ? EntryKind::kDkeyPunch : EntryKind::kObjectPunch, 0);
    check_stamp("punch", ref, punch.stamp(), above, prepared);
    if (punch.flags & ~kFlagPrepared) damage_at("punch", ref, "has bytes set that mean nothing");
    visitor_->punch(place_, punch);
    above = punch.stamp();
    ref = punch.older;
  }
}

void StoreWalk::walk_dkey(Ref ref) {
  const auto record = read<DkeyRecord>("dkey", ref);
  if (!record) return;
  const uint64_t own = allocated(sizeof(DkeyRecord) + record->key_length);
  const uint64_t bytes = uint64_t{record->units} * kRefUnit;
  if (record->key_length > kKeyBytesMax || bytes < own + sizeof(AkeyRecord))
    return damage_at("dkey", ref, "has lengths that contradict each other");
  if (!claim("dkey", ref, bytes)) return;
  const FoundDkey dkey{*record, ref,
                       *heap_.bytes(offset_of(ref) + sizeof(DkeyRecord), record->key_length)};
  place_.dkey = &dkey;
  if (place_.object->kinds.dkey == KeyKind::kInteger && dkey.key.size() != 8)
    damage("is an integer key of " + number(dkey.key.size()) + " bytes");
  if (wanted(visitor_->dkey(place_, dkey))) {
    walk_punches(record->punches);
    walk_tree(record->akeys, {Keyed::kAkey, place_.object->kinds.akey},
              [this](uint64_t, Ref akey) { walk_akey(akey); });
  }
  place_.dkey = nullptr;
}

void StoreWalk::walk_akey(Ref ref) {
  const auto record = read<AkeyRecord>("akey", ref);
  if (!record) return;
  const FoundDkey& dkey = *place_.dkey;
  const uint64_t own = allocated(sizeof(AkeyRecord) + record->key_length);
  uint64_t end = offset_of(ref) + uint64_t{record->units} * kRefUnit;
  if (record->units == 0) {
    const uint64_t expected =
        offset_of(dkey.ref) + allocated(sizeof(DkeyRecord) + dkey.record.key_length);
    end = offset_of(dkey.ref) + uint64_t{dkey.record.units} * kRefUnit;
    if (offset_of(ref) != expected)
      return damage_at("akey", ref, "says that it is embedded in its dkey, and is not");
    if (const char* wrong = allocations_.claim_embedded(offset_of(ref), own))
      return damage_at("akey", ref, wrong);
  }
  if (record->key_length > kKeyBytesMax || offset_of(ref) + own > end)
    return damage_at("akey", ref, "has lengths that contradict each other");
  if (record->units != 0 && !claim("akey", ref, uint64_t{record->units} * kRefUnit)) return;
  const FoundAkey akey{*record, ref,
                       *heap_.bytes(offset_of(ref) + sizeof(AkeyRecord), record->key_length)};
  place_.akey = &akey;
  if (record->reserved[0] || record->reserved[1] || record->reserved[2])
    damage("has bytes set that mean nothing");
  if (place_.object->kinds.akey == KeyKind::kInteger && akey.key.size() != 8)
    damage("is an integer key of " + number(akey.key.size()) + " bytes");
  const Ref behind = static_cast<Ref>((offset_of(ref) + own) / kRefUnit);
  if (wanted(visitor_->akey(place_, akey))) {
    if (record->kind == static_cast<uint8_t>(ValueKind::kSingle)) {
      if (record->record_size) damage("is a single value with a record size");
      walk_versions(record->value, behind, end);
    } else if (record->kind == static_cast<uint8_t>(ValueKind::kArray)) {
      walk_array(akey, behind, end);
    } else {
      damage("is neither a single value nor an array");
    }
  }
  place_.akey = nullptr;
}

// --- single values

// Their epochs fall; equal ones follow the order of arrival, backwards.
void StoreWalk::walk_versions(Ref first, Ref embedded, uint64_t holder_end) {
  Stamp above{~uint64_t{0}, 0xffff};
  for (Ref ref = first; ref;) {
    FoundVersion version;
    // Where nothing is embedded, another allocation may follow at that place.
    const bool is_embedded = ref == embedded && offset_of(ref) < holder_end;
    if (!read_version(ref, is_embedded, holder_end, version)) return;
    const VersionRecord& record = version.record;
    const bool prepared =
        check_prepared("version", ref, record.flags, record.epoch, EntryKind::kVersion, 0);
    check_stamp("version", ref, record.stamp(), above, prepared);
    visitor_->version(place_, version);
    above = version.record.stamp();
    ref = version.record.older;
  }
}

bool StoreWalk::read_version(Ref ref, bool embedded, uint64_t limit, FoundVersion& version) {
  const char* const kName = "version";
  const auto record = read<VersionRecord>(kName, ref);
  if (!record) return false;
  version.record = *record;
  version.ref = ref;
  const bool checksums = record->flags & kFlagChecksums;
  const uint64_t count = format_.words(record->length);
  const bool counted = checksums && counts(record->length);
  if (!is_kind(record->kind) || counted != ((record->flags & kFlagCounted) != 0) ||
      (record->flags & ~kFlagsKnown) != 0 ||
      record->length > kSingleValueBytesMax ||
      ((record->length == 0) != (kind_of(record->kind) == DataKind::kPunch)) ||
      (kind_of(record->kind) == DataKind::kInline && record->length > kInlineBytesMax)) {
    damage_at(kName, ref, "has a kind, flags or a length that are not possible");
    return false;
  }
  const DataKind kind = kind_of(record->kind);
  uint64_t bytes = sizeof(VersionRecord), list = 0;
  if (kind != DataKind::kPunch) {
    bytes += kind == DataKind::kExtent ? 8 : record->length;
    if (checksums && (count > 1 || counted)) {
      list = round_up(bytes, 4);
      bytes = list + 4 * count;
    }
  }
  if (((record->flags & kFlagEmbedded) != 0) != embedded) {
    damage_at(kName, ref, "is embedded in its akey and does not say so, or the reverse");
    return false;
  }
  if (embedded) {
    const char* wrong = offset_of(ref) + bytes > limit ? "is longer than what it is embedded in"
                                                       : allocations_.claim_embedded(offset_of(ref), bytes);
    if (wrong) damage_at(kName, ref, wrong);
    if (wrong) return false;
  } else if (!claim(kName, ref, bytes)) {
    return false;
  }
  if (counted && record->checksum != count)
    damage_at(kName, ref, "has another number of checksums than its length asks for");
  if (((kind == DataKind::kPunch || !checksums || (count > 1 && !counted)) && record->checksum != 0) ||
      (kind == DataKind::kPunch && checksums))
    damage_at(kName, ref, "has a checksum of nothing");
  version.data.length = record->length;
  version.data.format = format_;
  const uint64_t payload = offset_of(ref) + sizeof(VersionRecord);
  if (kind == DataKind::kInline) version.data.bytes = *heap_.bytes(payload, record->length);
  if (kind == DataKind::kExtent) {
    version.data.extent = extent_of(*heap_.read<uint64_t>(payload));
    if (version.data.extent.length < record->length)
      damage_at(kName, ref, "is longer than its extent");
    if (!claim_extent(kName, ref, version.data.extent)) version.data.extent = {};
  }
  if (list)
    read_checksums(kName, ref, offset_of(ref) + list, version.data);
  else if (checksums && kind != DataKind::kPunch)
    version.data.checksums = {record->checksum};
  return true;
}

// --- arrays

void StoreWalk::walk_array(const FoundAkey& akey, Ref embedded, uint64_t holder_end) {
  const uint64_t own = allocated(sizeof(ArrayRecord));
  if (akey.record.record_size == 0) damage("is an array with records of 0 bytes");
  if (akey.record.value != embedded || offset_of(embedded) + own + sizeof(ExtentRecord) > holder_end)
    return damage("its array record is not where it belongs");
  if (const char* wrong = allocations_.claim_embedded(offset_of(embedded), own))
    return damage_at("array", embedded, wrong);
  const auto array = *heap_.read<ArrayRecord>(offset_of(embedded));
  if (array.has_holes > 1 || array.reserved[0] || array.reserved[1] || array.reserved[2])
    damage_at("array", embedded, "has bytes set that mean nothing");
  const Ref first_extent = embedded + static_cast<Ref>(own / kRefUnit);
  Order order{Keyed::kExtent, KeyKind::kInteger, array.only_index, true};
  for (int size_class = 0; size_class < kArrayClasses; ++size_class)
    walk_tree(array.extents[size_class], order, [&](uint64_t index, Ref ref) {
      walk_extent(array, size_class, index, ref, first_extent);
    });
  walk_range_punches(array.punches);
}

void StoreWalk::walk_extent(const ArrayRecord& array, int size_class, uint64_t index, Ref ref,
                            Ref embedded) {
  const char* const kName = "extent";
  FoundExtent extent;
  const auto record = read<ExtentRecord>(kName, ref);
  if (!record) return;
  extent.record = *record;
  extent.ref = ref;
  extent.index = index;
  uint64_t end, bytes;
  const bool overflows =
      __builtin_add_overflow(index, record->count, &end) ||
      __builtin_mul_overflow(record->count, uint64_t{place_.akey->record.record_size}, &bytes);
  const bool is_embedded = record->flags & kFlagEmbedded;
  if (overflows || record->count == 0 || !is_kind(record->kind) ||
      (record->flags & ~kFlagsKnown) != 0 ||
      ((record->flags & kFlagCounted) != 0) !=
          ((record->flags & kFlagChecksums) && counts(bytes)) ||
      is_embedded != (ref == embedded))
    return damage_at(kName, ref, "has a kind, flags or a length that are not possible");
  if (is_embedded) {
    if (const char* wrong = allocations_.claim_embedded(offset_of(ref), sizeof(ExtentRecord)))
      return damage_at(kName, ref, wrong);
  } else if (!claim(kName, ref, sizeof(ExtentRecord))) {
    return;
  }
  const bool prepared =
      check_prepared(kName, ref, record->flags, record->epoch, EntryKind::kExtent, index);
  check_stamp(kName, ref, record->stamp(), {~uint64_t{0}, 0xffff}, prepared);
  int expected = 0;
  while (expected < kArrayClasses - 1 && bytes > kArrayClassBytes[expected]) ++expected;
  if (expected != size_class) damage_at(kName, ref, "is in the tree of another size");
  if (size_class == kArrayClasses - 1 && record->count > array.count_max)
    damage_at(kName, ref, "is longer than its array knows");
  const DataKind kind = kind_of(record->kind);
  const bool checksums = record->flags & kFlagChecksums;
  if (kind == DataKind::kPunch) {
    if (!array.has_holes) damage_at(kName, ref, "is a punch, in an array that knows of none");
    if (record->place || record->detail || checksums)
      damage_at(kName, ref, "is a punch that holds something");
    visitor_->extent(place_, extent);
    return;
  }
  extent.data.length = bytes;
  extent.data.format = format_;
  if (bytes > (kind == DataKind::kInline ? kInlineBytesMax : kExtentBytesMax))
    return damage_at(kName, ref, "has a length that is not possible");
  if (kind == DataKind::kInline) {
    const Ref at = static_cast<Ref>(record->place);
    if (at != record->place) return damage_at(kName, ref, "has its bytes outside of the heap");
    if (!claim("inline bytes", at, bytes)) return;
    extent.data.bytes = *heap_.bytes(offset_of(at), bytes);
  } else {
    extent.data.extent = extent_of(record->place);
    if (extent.data.extent.length < bytes) damage_at(kName, ref, "is longer than its place");
    if (!claim_extent(kName, ref, extent.data.extent)) extent.data.extent = {};
  }
  const bool counted = record->flags & kFlagCounted;
  const uint64_t words = format_.words(bytes);
  if (checksums && (words > 1 || counted)) {
    const uint64_t list = offset_of(record->detail), skip = counted ? 4 : 0;
    if (claim("checksums", record->detail, 4 * words + skip)) {
      if (counted && *heap_.read<uint32_t>(list) != words)
        damage_at(kName, ref, "has another number of checksums than its length asks for");
      read_checksums(kName, ref, list + skip, extent.data);
    }
  } else if (checksums) {
    extent.data.checksums = {record->detail};
  } else if (record->detail) {
    damage_at(kName, ref, "has a checksum of nothing");
  }
  visitor_->extent(place_, extent);
}

void StoreWalk::walk_range_punches(Ref first) {
  Stamp above{~uint64_t{0}, 0xffff};
  for (Ref ref = first; ref;) {
    if (!claim("range punch", ref, sizeof(RangePunchRecord))) return;
    const auto punch = *heap_.read<RangePunchRecord>(offset_of(ref));
    const bool prepared = check_prepared("range punch", ref, punch.flags, punch.epoch,
                                         EntryKind::kRangePunch, 0);
    check_stamp("range punch", ref, punch.stamp(), above, prepared);
    if (punch.index >= punch.end || (punch.flags & ~kFlagPrepared))
      damage_at("range punch", ref, "has bounds that are not possible");
    visitor_->range_punch(place_, punch);
    above = punch.stamp();
    ref = punch.older;
  }
}

}  // namespace varve::inspect
