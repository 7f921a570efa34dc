// What the store keeps in the heap, as it lies there. Described field by field in
// docs/formats/store.md; a change here is a change of the format.
#pragma once

#include <bit>
#include <compare>

#include "base/chunk_checksum.h"
#include "base/ids.h"
#include "base/transaction_id.h"
#include "block/volume.h"

namespace varve::store {

// A heap offset in units of kRefUnit; 0: none. Bounds the heap at 64 GiB.
using Ref = uint32_t;
inline constexpr uint32_t kRefUnit = 16;

inline constexpr uint64_t kStoreMagic = 0x31726f7453767256ULL;  // "VrvStor1"
inline constexpr uint32_t kStoreVersion = 2;

// Where a write stands in the order of versions: by epoch, and within one epoch by arrival.
struct Stamp {
  uint64_t epoch = 0;
  uint16_t minor = 0;
  auto operator<=>(const Stamp&) const = default;
};
// The minor of a write below its object's newest epoch: after all that came in time.
inline constexpr uint16_t kMinorHistory = 0xffff;

// A B+-tree. height 0: `root` is the only record itself (or 0, empty); 1: a leaf; above: inner
// nodes.
struct TreeRoot {
  Ref root;
  uint8_t height;
  uint8_t reserved[3];
};
static_assert(sizeof(TreeRoot) == 8);

struct RootRecord {  // at Volume::kRoot
  uint64_t magic;
  uint32_t version;
  uint32_t reserved;
  uint64_t newest_epoch;  // of pools that are gone
  Ref pools;
  Ref dying_pools;       // destroyed, still holding space
  Ref dying_containers;  // destroyed, still holding space
  uint32_t reserved_2;
};
static_assert(sizeof(RootRecord) == 40 && sizeof(RootRecord) <= block::Volume::kRootBytes);

struct PoolRecord {
  uint64_t used_bytes;    // heap and extents
  uint64_t newest_epoch;  // beside used_bytes: one changed range per transaction
  uint64_t reserved_bytes;
  Uuid uuid;
  Ref containers;
  Ref next, previous;
  uint32_t reserved;
};
static_assert(sizeof(PoolRecord) == 56);

struct ContainerRecord {
  Uuid uuid;
  TreeRoot objects;
  Ref pool;
  Ref next, previous;
  Ref rollbacks;     // RollbackRecord, newest first
  uint64_t horizon;  // writes at or below it are refused: reclaim() has been there
  Ref transactions;  // TransactionRecord, in no order
  // Fixed at creation.
  uint8_t checksum_kind;  // ChecksumKind
  uint8_t chunk_shift;    // a checksum is over 2^chunk_shift bytes
  uint8_t flags;          // kContainer...
  uint8_t reserved;
};
static_assert(sizeof(ContainerRecord) == 56);
inline constexpr uint8_t kContainerTrustsWriters = 1;  // no comparison of what arrives
inline constexpr uint8_t kContainerNotScrubbed = 2;

// What a container's record says of its integrity.
inline void write_integrity(ContainerRecord& record, const Integrity& integrity) {
  record.checksum_kind = static_cast<uint8_t>(integrity.checksums.kind);
  record.chunk_shift = static_cast<uint8_t>(std::countr_zero(integrity.checksums.chunk_bytes));
  record.flags = (integrity.verify_on_write ? 0 : kContainerTrustsWriters) |
                 (integrity.scrub ? 0 : kContainerNotScrubbed);
}

// False, and the defaults for what is not possible: the record is damaged.
inline bool read_integrity(const ContainerRecord& record, Integrity& integrity) {
  integrity = {};
  integrity.verify_on_write = !(record.flags & kContainerTrustsWriters);
  integrity.scrub = !(record.flags & kContainerNotScrubbed);
  const uint64_t chunk = record.chunk_shift < 32 ? uint64_t{1} << record.chunk_shift : 0;
  if (record.checksum_kind >= kChecksumKinds || chunk < kChecksumChunkBytesMin ||
      chunk > kChecksumChunkBytesMax)
    return false;
  integrity.checksums.kind = static_cast<ChecksumKind>(record.checksum_kind);
  integrity.checksums.chunk_bytes = static_cast<uint32_t>(chunk);
  return true;
}

// Readers at or above `at` do not see what was written in (to, at].
struct RollbackRecord {
  uint64_t to;
  uint64_t at;
  Ref older;
  uint32_t reserved;
  uint64_t reserved_2;
};
static_assert(sizeof(RollbackRecord) == 32);

struct ObjectRecord {
  ObjectId oid;
  TreeRoot dkeys;
  Ref punches;  // PunchRecord, newest first
  uint16_t newest_minor;
  uint16_t reserved;
  uint64_t newest_epoch;
  uint64_t reserved_2;
};
static_assert(sizeof(ObjectRecord) == 48);

struct PunchRecord {
  uint64_t epoch;
  Ref older;
  uint16_t minor;
  uint16_t flags;
  Stamp stamp() const { return {epoch, minor}; }
};
static_assert(sizeof(PunchRecord) == 16);

// Followed by the key. Its first akey, with that one's first version, lies in the same allocation.
struct DkeyRecord {
  TreeRoot akeys;
  Ref punches;
  uint16_t key_length;
  uint16_t units;  // of the allocation
};
static_assert(sizeof(DkeyRecord) == 16);

// Followed by the key, then (at the next multiple of kRefUnit each) by its first version if that is
// embedded, or by its ArrayRecord and its first extent.
struct AkeyRecord {
  Ref value;  // VersionRecord, newest first; or ArrayRecord
  uint32_t record_size;
  uint8_t kind;  // ValueKind
  uint8_t reserved[3];
  uint16_t key_length;
  uint16_t units;  // of the allocation; 0: embedded in the dkey's
};
static_assert(sizeof(AkeyRecord) == 16);

enum class DataKind : uint8_t { kPunch, kInline, kExtent };
inline constexpr uint8_t kFlagEmbedded = 1;   // not an allocation of its own
inline constexpr uint8_t kFlagChecksums = 2;  // the caller gave checksums
inline constexpr uint8_t kFlagPrepared = 4;   // of a transaction that is not decided yet
// The words of the checksums are counted where they stand; else there is one for each 32 KiB.
inline constexpr uint8_t kFlagCounted = 8;
// A scrubber found that the data is not what its checksums were made of: nobody gets it any more.
inline constexpr uint8_t kFlagCorrupt = 16;

// A single value. kInline: its bytes follow; kExtent: a device place; then the words of the
// checksums if there is more than one, or they are counted.
struct VersionRecord {
  uint64_t epoch;
  Ref older;
  uint32_t length;
  uint16_t minor;
  uint8_t kind;  // DataKind
  uint8_t flags;
  uint32_t checksum;  // where there is just one; counted: the number of words
  Stamp stamp() const { return {epoch, minor}; }
};
static_assert(sizeof(VersionRecord) == 24);

// Where an extent lies: first block in the low 40 bits, blocks in the high 24.
inline constexpr unsigned kPlaceBits = 40;

inline constexpr int kArrayClasses = 4;
// Extents up to so many bytes are in tree [class]; the last takes the rest.
inline constexpr uint64_t kArrayClassBytes[kArrayClasses - 1] = {8 * kKiB, 128 * kKiB, 2 * kMiB};

struct ArrayRecord {
  TreeRoot extents[kArrayClasses];  // by first index, newest first; class by size in bytes
  uint64_t count_max;               // of the last class, in records
  uint64_t only_index;  // first index of the extent that is a tree of height 0, if one is
  Ref punches;          // RangePunchRecord, newest first
  uint8_t has_holes;    // some extent record is a punch
  uint8_t reserved[3];
};
static_assert(sizeof(ArrayRecord) == 56);

// The first index is the tree's prefix. kInline: `place` is the Ref of the bytes. `detail`: the
// checksum, or where there are several the Ref of their list; counted: of a list that begins with
// the number of its words.
struct ExtentRecord {
  uint64_t epoch;
  uint64_t count;
  uint64_t place;
  uint16_t minor;
  uint8_t kind;  // DataKind
  uint8_t flags;
  uint32_t detail;
  Stamp stamp() const { return {epoch, minor}; }
};
static_assert(sizeof(ExtentRecord) == 32);

// Punch of a range too large for an extent record.
struct RangePunchRecord {
  uint64_t epoch;
  uint64_t index;
  uint64_t end;
  Ref older;
  uint16_t minor;
  uint16_t flags;
  Stamp stamp() const { return {epoch, minor}; }
};
static_assert(sizeof(RangePunchRecord) == 32);

// --- transactions
// One transaction of a container: prepared, with what it wrote; or decided, remembered until the
// coordinator says that nobody will ask again.
struct TransactionRecord {
  TransactionId id;
  uint64_t epoch;  // of all it writes
  Ref parts;       // TransactionPart, newest first; none once it is decided
  Ref next, previous;
  uint32_t entries;  // in all parts
  uint16_t minor;    // of its next request
  uint8_t state;     // TransactionState
  uint8_t reserved[5];
};
static_assert(sizeof(TransactionRecord) == 48);

enum class EntryKind : uint8_t { kVersion, kExtent, kRangePunch, kDkeyPunch, kObjectPunch };
// A record that carries kFlagPrepared, and what it hangs on.
struct TransactionEntry {
  uint64_t index;  // kExtent: its first index
  Ref object, dkey, akey;
  Ref record;
  uint8_t kind;  // EntryKind
  uint8_t reserved[7];
};
static_assert(sizeof(TransactionEntry) == 32);

struct TransactionPart {  // followed by `capacity` entries
  Ref older;
  uint16_t capacity;
  uint16_t count;
  uint8_t reserved[8];
};
static_assert(sizeof(TransactionPart) == 16);

// --- nodes
inline constexpr uint32_t kLeafEntriesMax = 38;
struct LeafEntry {
  uint32_t prefix_low, prefix_high;
  Ref record;
  uint64_t prefix() const { return prefix_low | (static_cast<uint64_t>(prefix_high) << 32); }
};
static_assert(sizeof(LeafEntry) == 12);
// Followed by `capacity` fingerprints (0: the slot is empty), padded to 8, then as many entries,
// in no order.
struct LeafNode {
  uint8_t capacity;
  uint8_t reserved[7];
};
static_assert(sizeof(LeafNode) == 8);

inline constexpr uint32_t kInnerKeysMax = 62;
// children[i] holds what is below separator i, and at or above separator i-1. A separator is a
// prefix, and where two records of one prefix are parted, the upper one's key (a SeparatorKey).
struct InnerNode {
  uint16_t keys;
  uint8_t reserved[6];
  uint64_t prefixes[kInnerKeysMax];
  Ref children[kInnerKeysMax + 1];
  Ref separators[kInnerKeysMax];
  uint8_t padding[20];
};
static_assert(sizeof(InnerNode) == 1024);

struct SeparatorKey {  // followed by the key
  uint32_t length;
};
static_assert(sizeof(SeparatorKey) == 4);

}  // namespace varve::store
