// Messages of the object service, to the endpoint of one target. Hot: update and fetch are laid out so
// that neither side allocates for a small one. Views in decoded records point into the message.
//
// Checksums: of the kind and by the chunk of the container (container::integrity_of; crc32c by 32 KiB if
// nothing else was said), of each value or extent, counted from its own start; made by the client for
// updates, verified by the server against what it stored (and by the client against what it received) for
// fetches.
#pragma once

#include "base/ids.h"
#include "base/record.h"

namespace varve::object {

// 0x03xx: object service.
inline constexpr uint16_t kObjectUpdate = 0x0300, kObjectFetch = 0x0301, kObjectPunch = 0x0302,
                          kObjectListKeys = 0x0303, kObjectQuery = 0x0304, kObjectListObjects = 0x0305,
                          kObjectDiff = 0x0306;

// Bytes that one checksum covers, if nothing else was said.
inline constexpr uint32_t kChecksumChunkBytes = 32 * 1024;
// The longest dkey or akey: store::kKeyBytesMax.
inline constexpr uint32_t kKeyBytesMax = 4096;

// The largest single value: the list of its pieces has to fit a reply. Larger data is an array's.
inline constexpr uint64_t kSingleBytesMax = 64 * kMiB;

// What every request begins with.
struct Target {
  Uuid pool, container;
  Uuid container_handle;  // null: none; a stale one is refused with kNoHandle
  uint32_t map_version = 0;
  ObjectId oid;
  Epoch epoch;  // updates: kEpochNone = the target's clock decides; fetches: kEpochMax = the newest
  // The newest epoch that the client has seen of the container (kEpochNone: of none). What it writes is above,
  // wherever: so a cut at any epoch holds nothing without what came before it.
  Epoch seen;
  template <class Archive>
  void visit(Archive& archive) { archive(pool, container, container_handle, map_version, oid, epoch, seen); }
};

enum class ValueKind : uint8_t { kNone, kSingle, kArray };

// Of an akey of an update beside store::Condition: an array's one range lies behind the last record that
// is there, and its index says where it must end at the latest: kOverflow, and nothing is stored.
inline constexpr uint64_t kAppend = uint64_t{1} << 32;
// The same, but that the range lies where it says: kOverflow if the array goes on beyond its index.
inline constexpr uint64_t kAtEnd = uint64_t{1} << 33;

// (index, count) in records.
struct Range {
  uint64_t index = 0, count = 0;
};
static_assert(sizeof(Range) == 16);

// One akey of an update. Its data follows that of the akeys before it in the request's bulk; ranges in
// their order. length 0 of a single value (or `punch` of an array): punch.
struct AkeyUpdate {
  ByteView akey;
  ValueKind kind = ValueKind::kSingle;
  bool punch = false;
  uint32_t record_size = 1;      // arrays
  uint64_t single_length = 0;    // single values
  uint64_t conditions = 0;       // store::Condition, with kCondPerAkey; kAppend or kAtEnd
  std::vector<Range> ranges;     // arrays
  std::vector<uint32_t> checksums;  // words: all of single value, or all ranges in order; or none
  template <class Archive>
  void visit(Archive& archive) {
    archive(akey, kind, punch, record_size, single_length, conditions, ranges, checksums);
  }
};
struct UpdateRequest {
  Target target;
  ByteView dkey;
  uint64_t conditions = 0;  // store::Condition
  std::vector<AkeyUpdate> akeys;
  // A power of two. Larger than the container's chunk where the list would not fit a request.
  uint32_t checksum_bytes = kChecksumChunkBytes;
  template <class Archive>
  void visit(Archive& archive) { archive(target, dkey, conditions, checksum_bytes, akeys); }
};
// With kAppend eight more bytes: the index where it came to lie.
struct UpdateReply {
  Epoch epoch;  // at which it was stored
  template <class Archive>
  void visit(Archive& archive) { archive(epoch); }
};

struct AkeyFetch {
  ByteView akey;
  ValueKind kind = ValueKind::kSingle;
  uint32_t record_size = 0;   // arrays: 0 = whatever is stored
  uint64_t room = 0;          // single values: bytes the caller has room for (0: only the size is wanted)
  std::vector<Range> ranges;  // arrays
  template <class Archive>
  void visit(Archive& archive) { archive(akey, kind, record_size, room, ranges); }
};
struct FetchRequest {
  Target target;
  ByteView dkey;
  uint64_t conditions = 0;
  std::vector<AkeyFetch> akeys;
  template <class Archive>
  void visit(Archive& archive) { archive(target, dkey, conditions, akeys); }
};
// The reply's bulk is the data asked for, akey by akey, range by range, holes left out; `pieces` says what
// lies where: pieces are cut where the stored chunks are, or at multiples of that where a reply would not
// hold them all. A single value larger than the room: size only, no data (the client reports kRecordTooBig).
struct FetchedPiece {
  uint64_t length = 0;   // bytes; of the hole or of the data
  bool hole = false;
  uint32_t checksum = 0;  // of this piece's data, where it is one word
};
static_assert(sizeof(FetchedPiece) == 16);
struct FetchedAkey {
  bool found = false;
  uint32_t record_size = 0;      // arrays, as stored
  uint64_t single_length = 0;    // single values
  std::vector<FetchedPiece> pieces;
  std::vector<uint32_t> checksums;  // of the pieces with data, where one takes several words
  template <class Archive>
  void visit(Archive& archive) { archive(found, record_size, single_length, pieces, checksums); }
};
struct FetchReply {
  Epoch epoch;  // the newest that was looked at
  std::vector<FetchedAkey> akeys;
  template <class Archive>
  void visit(Archive& archive) { archive(epoch, akeys); }
};

enum class PunchScope : uint8_t { kObject, kDkey, kAkeys };
struct PunchRequest {
  Target target;
  PunchScope scope = PunchScope::kObject;
  uint64_t conditions = 0;
  std::vector<ByteView> dkeys;  // kDkey: one or more; kAkeys: one
  std::vector<ByteView> akeys;
  template <class Archive>
  void visit(Archive& archive) { archive(target, scope, conditions, dkeys, akeys); }
};

struct PunchReply {
  Epoch epoch;  // not below that of the punch
  template <class Archive>
  void visit(Archive& archive) { archive(epoch); }
};

// Where a listing goes on, on one target: store::Anchor.
// The seed of the hash that hashed keys are listed by: as the store has it (docs/formats/store.md).
inline constexpr uint64_t kKeyPlaceSeed = 0x7661727665206b65ULL;
enum class ListFrom : uint8_t { kAbove, kAt, kAtKey };
struct ListAnchor {
  bool end = false;
  uint64_t hash = 0;
  Buffer key;
  ListFrom from = ListFrom::kAbove;
  uint64_t below = 0;
  template <class Archive>
  void visit(Archive& archive) { archive(end, hash, key, from, below); }
};
enum class ListScope : uint8_t { kDkeys, kAkeys, kRanges };
struct ListRequest {
  Target target;
  ListScope scope = ListScope::kDkeys;
  ByteView dkey, akey;
  ListAnchor anchor;
  uint32_t limit = 0;        // entries
  uint32_t bytes_limit = 0;  // of keys, together; 0: what fits a reply
  template <class Archive>
  void visit(Archive& archive) { archive(target, scope, dkey, akey, anchor, limit, bytes_limit); }
};
struct ListedEntry {
  Buffer key;                          // kDkeys, kAkeys
  ValueKind kind = ValueKind::kNone;   // kAkeys
  Range range;                         // kRanges
  Epoch epoch;                         // kRanges
  template <class Archive>
  void visit(Archive& archive) { archive(key, kind, range, epoch); }
};
struct ListReply {
  std::vector<ListedEntry> entries;
  ListAnchor anchor;
  uint32_t record_size = 0;  // kRanges
  Epoch epoch;               // the newest that was looked at, here and below
  template <class Archive>
  void visit(Archive& archive) { archive(entries, anchor, record_size, epoch); }
};

struct ListObjectsRequest {
  Target target;  // oid unused
  ListAnchor anchor;
  uint32_t limit = 0;
  template <class Archive>
  void visit(Archive& archive) { archive(target, anchor, limit); }
};
struct ListObjectsReply {
  std::vector<ObjectId> objects;
  std::vector<uint64_t> places;  // of each: all targets list by this, then by the id's bytes
  ListAnchor anchor;
  Epoch epoch;
  template <class Archive>
  void visit(Archive& archive) { archive(objects, places, anchor, epoch); }
};

// Where a list of differences goes on, on one target: store::DiffAnchor.
struct DiffAnchor {
  bool end = false;
  uint8_t depth = 0;
  ObjectId oid;
  Buffer dkey, akey;
  uint64_t index = 0;
  template <class Archive>
  void visit(Archive& archive) { archive(end, depth, oid, dkey, akey, index); }
};
struct DiffRequest {
  Target target;  // oid unused; epoch: the newer of the two
  Epoch from;     // the older
  DiffAnchor anchor;
  uint32_t limit = 0;
  template <class Archive>
  void visit(Archive& archive) { archive(target, from, anchor, limit); }
};
// store::Difference.
struct Difference {
  ObjectId oid;
  Buffer dkey, akey;
  ValueKind kind = ValueKind::kNone;
  Range range;  // arrays
  bool before = false, after = false;
  template <class Archive>
  void visit(Archive& archive) { archive(oid, dkey, akey, kind, range, before, after); }
};
// No entries, and the anchor not at its end: nothing was found among those looked at.
struct DiffReply {
  std::vector<Difference> differences;
  DiffAnchor anchor;
  template <class Archive>
  void visit(Archive& archive) { archive(differences, anchor); }
};

struct QueryRequest {
  Target target;
  ByteView dkey, akey;  // empty where they are what is asked for
  // Bit 0 max dkey, 1 min dkey, 2 max akey, 3 min akey, 4 max recx, 5 min recx; 6: bytes of arrays, of
  // an object with integer dkeys. With bit 6 alone `dkey` is where to begin.
  uint8_t flags = 0;
  template <class Archive>
  void visit(Archive& archive) { archive(target, dkey, akey, flags); }
};
struct QueryReply {
  Buffer dkey, akey;
  Range range;
  uint32_t record_size = 0;
  Epoch max_epoch;     // of the object
  uint64_t bytes = 0;  // of the akey's arrays, holes left out
  Buffer bytes_next;   // the dkey from which on they are not counted yet; empty: all are
  Epoch epoch;
  template <class Archive>
  void visit(Archive& archive) {
    archive(dkey, akey, range, record_size, max_epoch, bytes, bytes_next, epoch);
  }
};

}  // namespace varve::object
