// The versioned object store of one target (DAOS: VOS): pool -> container -> object -> dkey -> akey
// -> versions of a single value, or of array extents, each at its epoch. Punches are versions too.
// Synchronous over the heap; large values are named by the extents that the caller wrote before.
// Rules: docs/internals/store.md. Format: docs/formats/store.md.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/chunk_checksum.h"
#include "base/ids.h"
#include "base/transaction_id.h"
#include "block/volume.h"

namespace varve::store {

using block::Lsn;

inline constexpr uint32_t kKeyBytesMax = 4096;
inline constexpr uint32_t kLexicalKeyBytesMax = 80;
inline constexpr uint64_t kSingleValueBytesMax = 1 * kGiB;
// Bytes that one checksum covers, if nothing else was said when the container was made.
inline constexpr uint32_t kChunkBytes = ChecksumFormat().chunk_bytes;
// Values shorter than this live in the heap (DAOS: data_thresh).
inline constexpr uint32_t kInlineBytesBelow = 4096;

// How a key is ordered and compared; decided by the object type in the object id.
enum class KeyKind : uint8_t { kHashed, kInteger, kLexical };
struct KeyKinds {
  KeyKind dkey = KeyKind::kHashed, akey = KeyKind::kHashed;
};
// From bits 56..63 of ObjectId::high (daos_otype_t). kInvalid for a type that is not defined.
Result<KeyKinds> key_kinds(ObjectId oid);

// Conditions, evaluated before anything changes (values of DAOS_COND_*, daos_obj.h).
enum Condition : uint64_t {
  kCondPunch = 1 << 0,
  kCondDkeyInsert = 1 << 1,
  kCondDkeyUpdate = 1 << 2,
  kCondDkeyFetch = 1 << 3,
  kCondAkeyInsert = 1 << 4,
  kCondAkeyUpdate = 1 << 5,
  kCondAkeyFetch = 1 << 6,
  kCondPerAkey = 1 << 7,
};

// A run of bytes with its checksums in the container's format: inline bytes, or an extent whose
// first `length` bytes it is.
struct Data {
  uint64_t length = 0;
  ByteView bytes;                       // inline (copied into the heap), or empty
  block::Extent extent;                 // reserved and written by the caller; published by update()
  std::span<const uint32_t> checksums;  // ChecksumFormat::words(length) of them, or none
};

enum class ValueKind : uint8_t { kNone, kSingle, kArray };

struct ArrayPiece {
  uint64_t index = 0, count = 0;  // records
  Data data;                      // count * record_size bytes; length 0: punch of the range
};
struct AkeyUpdate {
  ByteView akey;
  ValueKind kind = ValueKind::kSingle;
  uint32_t record_size = 1;            // arrays; kRecordSize if it differs from what is stored
  uint64_t conditions = 0;             // with kCondPerAkey
  Data single;                         // kSingle; length 0: punch of the value
  std::span<const ArrayPiece> pieces;  // kArray
};
struct Update {
  ObjectId oid;
  // Below the object's newest epoch: history, kept in order. At or below what reclaim() has merged:
  // kTransactionRestart.
  Epoch epoch;
  ByteView dkey;
  uint64_t conditions = 0;
  std::span<const AkeyUpdate> akeys;
  // Not null: what is written is prepared, and counts for that transaction alone until commit().
  // All its requests are at one epoch, in one container.
  TransactionId transaction = {};
  // Clocks may differ by so much: what another committed above `epoch` and not above this is
  // answered with kTransactionRestart. kEpochNone: clocks are exact.
  Epoch uncertain_until = kEpochNone;
};

// One piece of what a fetch found, in the order asked for.
struct FoundPiece {
  enum class Kind : uint8_t { kHole, kInline, kExtent } kind = Kind::kHole;
  uint64_t length = 0;  // bytes
  ByteView bytes;       // kInline: in the heap, valid until the next transaction begins. Its stored
                        // checksums (below) are over the whole stored run that holds it.
  // kExtent: the stored run begins at run_offset on the device; this piece is [skip, skip+length)
  // of it.
  uint64_t run_offset = 0, run_length = 0, skip = 0;
  uint64_t run_index = 0;                   // arrays: the run's first record
  bool corrupt = false;                     // marked: not to be given to anybody
  ByteView run;                             // kInline: the whole stored run
  std::span<const uint32_t> run_checksums;  // of the whole run; in the heap, same validity
};
struct AkeyFetch {
  ByteView akey;
  ValueKind kind = ValueKind::kSingle;
  uint32_t record_size =
      0;  // out for kSingle: the value's size; arrays: in/out, 0 = whatever is stored
  std::span<const std::pair<uint64_t, uint64_t>> ranges;  // arrays: (index, count) in records
  // Out: the pieces; `found` false: no such akey, or punched, at this epoch.
  bool found = false;
  std::vector<FoundPiece> pieces;
};
// From where and as whom something is read.
struct ReadAt {
  ReadAt(Epoch at) : epoch(at) {}
  ReadAt(Epoch at, TransactionId who, Epoch until = kEpochNone, Epoch now = kEpochNone)
      : epoch(at), transaction(who), uncertain_until(until), clock(now) {}
  Epoch epoch;
  // Not null: sees what it has written itself, and nobody may write below its feet any more. Its
  // epoch is not kEpochMax then.
  TransactionId transaction;
  Epoch uncertain_until;  // as in Update
  // Of a reader without a transaction: what its clock says. No transaction may write at or below
  // it any more where this has read.
  Epoch clock;
};

struct Fetch {
  ObjectId oid;
  Epoch epoch = kEpochMax;
  ByteView dkey;
  uint64_t conditions = 0;
  std::span<AkeyFetch> akeys;
  TransactionId transaction = {};      // these: as in ReadAt
  Epoch uncertain_until = kEpochNone;
  Epoch clock = kEpochNone;
};

// kObject: all; kDkey: one dkey; kAkeys: some akeys of one dkey.
struct Punch {
  enum class Scope : uint8_t { kObject, kDkey, kAkeys } scope = Scope::kObject;
  ObjectId oid;
  Epoch epoch;
  uint64_t conditions = 0;  // kCondPunch: kNonexistent if what is named does not exist
  ByteView dkey;
  std::span<const ByteView> akeys;
  TransactionId transaction = {};      // as in Update
  Epoch uncertain_until = kEpochNone;  // as in Update
};

// --- transactions
enum class TransactionState : uint8_t { kUnknown, kPrepared, kCommitted, kAborted };

// A transaction that waits for its coordinator's word.
struct PreparedTransaction {
  TransactionId id;
  Epoch epoch;
  uint64_t age_ns = 0;   // of its epoch
  uint32_t entries = 0;  // versions, extents and punches
};

// What stood in the way of a request that was answered with kInProgress (the transaction) or
// kTransactionRestart (the epoch at least to restart at; kEpochNone: any newer one).
struct Conflict {
  TransactionId transaction;
  Epoch restart_at;
};

// Of one container, undecided and decided ones; kBusy beyond.
inline constexpr size_t kTransactionsMax = 65536;
// Of one transaction: kOverflow beyond.
inline constexpr uint32_t kTransactionEntriesMax = 8192;
// Of one forget().
inline constexpr size_t kForgetMax = 512;

// Where a listing goes on: opaque, as DAOS's anchors. Default: from the start. Resumable for ever;
// an entry that exists all the while is listed exactly once.
struct Anchor {
  enum class From : uint8_t { kAbove, kAt, kAtKey };
  bool end = false;
  uint64_t hash = 0;
  Buffer key;  // the last key listed, for ordered kinds and hash ties
  // Whether (hash, key) itself is still to be listed; kAtKey: `hash` is to be worked out.
  From from = From::kAbove;
  // Places (hashes; integer keys; the first 8 bytes of lexical ones) at or above it are another
  // part's. 0: no such bound. Listings of ranges have none.
  uint64_t below = 0;
  template <class Archive>
  void visit(Archive& archive) {
    archive(end, hash, key, from, below);
  }
};
struct ListedKey {
  Buffer key;
  ValueKind kind = ValueKind::kNone;  // akeys only
};
struct ListedRange {
  uint64_t index = 0, count = 0;
  Epoch epoch;
  bool operator==(const ListedRange&) const = default;
};

// What is at the ends of an object, a dkey or an akey (daos_obj_query_key).
struct QueryFlags {
  bool max_dkey = false, min_dkey = false, max_akey = false, min_akey = false, max_recx = false,
       min_recx = false;
  // How many bytes the arrays of the akey show, under all integer dkeys; alone: from the dkey on.
  bool bytes = false;
};
struct QueryResult {
  Buffer dkey, akey;
  uint64_t recx_index = 0, recx_count = 0;
  uint32_t record_size = 0;
  Epoch max_epoch;  // the newest that is committed, or the reader's own
  uint64_t bytes = 0;
  Buffer bytes_next;  // the dkey to go on from; a call looks at a bounded number; empty: done
  bool operator==(const QueryResult&) const = default;
};

// What list_objects() orders by, the same on every target; among equals, the id's bytes decide.
uint64_t object_place(ObjectId oid);

// Where a list of differences goes on: opaque, resumable for ever.
struct DiffAnchor {
  bool end = false;
  // How much of the rest counts: 1 objects above oid, 2 dkeys above in it, 3 akeys above in that, 4
  // records of that akey from index on.
  uint8_t depth = 0;
  ObjectId oid;
  Buffer dkey, akey;
  uint64_t index = 0;
};
// A single value, or a run of array records, that is not the same at two epochs: written between
// (be it with the same bytes), punched, or rolled back.
struct Difference {
  ObjectId oid;
  Buffer dkey, akey;
  ValueKind kind = ValueKind::kNone;
  uint64_t index = 0, count = 0;       // kArray
  bool before = false, after = false;  // whether it is there at either
};

struct PoolSpace {
  uint64_t reserved = 0, used = 0;  // bytes; used: heap and extents
};

// What is held, counted by walking all of it.
struct Holdings {
  uint64_t heap_bytes = 0, extent_bytes = 0;
  std::vector<block::Extent> extents;
};

// The most that a transaction of these changes in the heap: for Volume::ready_for(), which the
// caller of update(), update_batch() (all in one transaction) and punch() asks before.
uint64_t transaction_bytes(std::span<const Update> updates);
inline constexpr uint64_t kSmallTransactionBytes = 64 * kKiB;  // enough for anything but updates

// The first byte of the first chunk of `run` that these checksums were not made of; run.size() if
// there is none. As many words as the format asks for.
uint64_t find_damage(ByteView run, std::span<const uint32_t> checksums,
                     const ChecksumFormat& format);
// Whether `run` is what these checksums were made of. kChecksum: names the first chunk that is
// damaged. No checksums: nothing to compare, good.
Result<void> verify_run(ByteView run, std::span<const uint32_t> checksums,
                        const ChecksumFormat& format = {});
// The checksums of a run.
std::vector<uint32_t> checksum_run(Gather run, const ChecksumFormat& format = {});

// What reclaim() proposes: data of one akey to be read, verified and written again as one run, which
// then takes the place of all that held it. Self-contained: it outlives transactions.
struct Rewrite {
  struct Source {
    // Arrays: the records that it shows, and the first of the stored extent.
    uint64_t index = 0, count = 0, extent_index = 0;
    // Which write that was, and where its bytes are: what must still be so in the end.
    uint64_t epoch = 0, place = 0;
    uint16_t minor = 0;
    // Bytes [skip, skip + length) of a run of run_length: at run_offset of the device, or `run`.
    bool inlined = false;
    uint64_t run_offset = 0, run_length = 0, skip = 0, length = 0;
    Buffer run;
    std::vector<uint32_t> run_checksums;
  };
  Uuid pool, container;
  ObjectId oid;
  Buffer dkey, akey;
  ValueKind kind = ValueKind::kArray;
  uint64_t horizon = 0;
  ChecksumFormat checksums;     // of the container
  std::vector<Source> sources;  // in order, without gaps; one for a single value
  uint64_t length = 0;          // of all, in bytes
  bool in_extent = true;        // the new run belongs on the device, not in the heap
};

// A stored run, by what it is found again: to be compared with its checksums.
struct ScrubRun {
  ObjectId oid;
  Buffer dkey, akey;
  ValueKind kind = ValueKind::kSingle;
  uint64_t index = 0;  // arrays: its first record
  uint64_t epoch = 0;
  uint16_t minor = 0;
  bool inlined = false;                        // in the heap, and found to be damaged already
  uint64_t offset = 0, length = 0;             // else on the device
  std::vector<uint32_t> checksums;
};
// Where a scrubber stands in a container; default: at its beginning.
struct ScrubCursor {
  bool have_object = false, in_object = false, have_dkey = false, in_dkey = false,
       have_akey = false, in_akey = false;
  ObjectId oid;
  Buffer dkey, akey;
  int size_class = 0;
  uint64_t next_index = 0;
};

class Container;  // one container of one pool on this target; owned by the store

class Store {
 public:
  virtual ~Store() = default;
  // An empty volume is made into an empty store. `clock`: what the caller's clock says; nobody may
  // write in a transaction at or below it (or below newest_epoch()) any more, since nobody knows
  // what was read before.
  static Result<std::unique_ptr<Store>> open(block::Volume& volume, Epoch clock = kEpochNone);

  // Space is reserved at creation: kNoSpace if the volume has less left unreserved. O(1).
  virtual Result<Lsn> create_pool(const Uuid& pool, uint64_t reserved_bytes) = 0;
  // Gone at once; the space comes back by reclaim().
  virtual Result<Lsn> destroy_pool(const Uuid& pool) = 0;
  virtual std::vector<Uuid> pools() const = 0;
  virtual Result<PoolSpace> space(const Uuid& pool) const = 0;
  virtual uint64_t unreserved_bytes() const = 0;
  // What the containers of a pool hold, destroyed ones too: to the byte what space() says. Without a
  // pool: those of all, whose extents are then just what the volume has published. Walks everything.
  virtual Holdings count_holdings(std::optional<Uuid> pool) const = 0;

  // kExists / kNonexistent as one would think.
  virtual Result<Lsn> create_container(const Uuid& pool, const Uuid& container,
                                       const Integrity& integrity = {}) = 0;
  virtual Result<Lsn> destroy_container(const Uuid& pool, const Uuid& container) = 0;
  virtual std::vector<Uuid> containers(const Uuid& pool) const = 0;
  // Null if there is none. Valid until it is destroyed: look it up again after a suspension.
  virtual Container* find(const Uuid& pool, const Uuid& container) = 0;
  // As it was made; what is written carries checksums in this format, or none.
  virtual const Integrity& integrity(const Container& container) const = 0;

  // All or nothing. On success the extents named are published; on failure they are still reserved.
  // kNoSpace when the pool's reservation is used up (names the pool's numbers). Wait on the Lsn
  // before acknowledging.
  virtual Result<Lsn> update(Container& container, const Update& update) = 0;
  // Many at once, lookups interleaved: results[i] is for updates[i].
  virtual void update_batch(Container& container, std::span<const Update> updates,
                            std::span<Result<Lsn>> results) = 0;
  virtual Result<void> fetch(Container& container, Fetch& fetch) = 0;
  virtual void fetch_batch(Container& container, std::span<Fetch> fetches,
                           std::span<Result<void>> results) = 0;
  virtual Result<Lsn> punch(Container& container, const Punch& punch) = 0;

  // --- transactions: docs/internals/mvcc.md
  // Any of the reads and writes here may answer kInProgress or kTransactionRestart: then this says
  // more, until the next call. Of a batch: of one of those that got such an answer.
  virtual const Conflict& last_conflict() const = 0;
  // What the transaction wrote counts for all from now on; kNonexistent if the id is not known,
  // kCanceled if it was aborted. Ask Volume::ready_for(resolve_bytes()) before, as for abort().
  virtual Result<Lsn> commit(Container& container, TransactionId id) = 0;
  // What it wrote is gone, and its space. kAlready if it was committed; an unknown id is fine.
  virtual Result<Lsn> abort(Container& container, TransactionId id) = 0;
  virtual uint64_t resolve_bytes(const Container& container, TransactionId id) const = 0;
  // Decided ones are remembered until forget().
  virtual TransactionState status(const Container& container, TransactionId id) const = 0;
  // Unknown ids are fine; kBusy, and nothing done, if one is still prepared; kInvalid beyond
  // kForgetMax.
  virtual Result<Lsn> forget(Container& container, std::span<const TransactionId> ids) = 0;
  // All that are prepared, oldest first; `now`: from which ages are counted.
  virtual std::vector<PreparedTransaction> prepared(const Container& container,
                                                    Epoch now) const = 0;

  // Up to `limit` entries visible at `at`, from `anchor` on, which moves. In key order for
  // integer and lexical kinds, else in an order of the store's own.
  virtual Result<std::vector<ObjectId>> list_objects(Container& container, const ReadAt& at,
                                                     Anchor& anchor, uint32_t limit) = 0;
  virtual Result<std::vector<ListedKey>> list_dkeys(Container& container, ObjectId oid,
                                                    const ReadAt& at, Anchor& anchor,
                                                    uint32_t limit) = 0;
  virtual Result<std::vector<ListedKey>> list_akeys(Container& container, ObjectId oid,
                                                    ByteView dkey, const ReadAt& at, Anchor& anchor,
                                                    uint32_t limit) = 0;
  virtual Result<std::vector<ListedRange>> list_ranges(Container& container, ObjectId oid,
                                                       ByteView dkey, ByteView akey,
                                                       const ReadAt& at, Anchor& anchor,
                                                       uint32_t limit) = 0;
  virtual Result<QueryResult> query(Container& container, ObjectId oid, const ReadAt& at,
                                    ByteView dkey, ByteView akey, QueryFlags flags) = 0;

  // The container becomes, for all that is read and written above `at`, what it was at `to`. A
  // layer, not a change: O(1), whatever was written since, and readers below `at` see what they
  // saw. Done already: success. kEpochTooOld: `to` was merged away. kTransactionRestart: `at` is
  // not above all that was merged or rolled back. kBusy: too many layers wait for reclaim().
  virtual Result<Lsn> rollback(Container& container, Epoch to, Epoch at) = 0;
  // What differs between two epochs at which the container is readable, from <= to: up to `limit`
  // entries, from `anchor` on, which moves; fewer, even none, is not the end (anchor.end is): a
  // call looks at a bounded number of keys. Looks at every object once and, in those written since
  // `from` (or since what a rollback took back), at every key.
  virtual Result<std::vector<Difference>> diff(Container& container, Epoch from, Epoch to,
                                               DiffAnchor& anchor, uint32_t limit) = 0;

  // The newest epoch ever written to any container here; a restarted engine's clock starts above
  // it.
  virtual Epoch newest_epoch() const = 0;

  // Epochs at which a container must stay readable; others may be merged away by reclaim(), which
  // leaves a container alone until this was called once since open().
  virtual void set_snapshots(Container& container, std::vector<Epoch> snapshots) = 0;
  // One slice of background work (at most `budget` entries looked at): merges versions that no
  // snapshot and nobody reading at or above `horizon` can see, and frees what destroyed pools,
  // containers and punched keys held. True: there is more to do.
  virtual Result<bool> reclaim(Epoch horizon, uint32_t budget) = 0;
  // Whether reclaim() merges the containers of a pool (at first it does); aggregate() does anyway.
  virtual void set_merging(const Uuid& pool, bool automatic) = 0;
  // A slice as of reclaim(), but of this container only. True: there is more to do.
  virtual Result<bool> aggregate(Container& container, Epoch horizon, uint32_t budget) = 0;
  // Single values in the heap of at least so many bytes, written at or below `before`, are proposed
  // to be moved to the device. 0 bytes, as at first: none are.
  virtual void set_cold(Epoch before, uint32_t bytes) = 0;
  // What the last reclaim() proposes to write again; the next call of it forgets what nobody took.
  // The bytes stay where they are while a Pin made before the next transaction exists.
  virtual std::optional<Rewrite> take_rewrite() = 0;
  // Puts `data` (job.length bytes, verified and written by the caller) in the place of the sources,
  // in one transaction. kAgain: they are not what they were; kNoSpace. After any error the extent is
  // still reserved.
  virtual Result<Lsn> finish_rewrite(const Rewrite& job, const Data& data) = 0;

  // Stored runs from the cursor on, which moves, about `budget` records of them; runs that carry no
  // checksums or are marked are left out. False: that was the last. Pin the volume before.
  virtual bool scrub(const Container& container, ScrubCursor& cursor, uint32_t budget,
                     std::vector<ScrubRun>& runs) const = 0;
  // From now on readers of it are refused. kNonexistent: it is gone meanwhile, or marked already.
  virtual Result<Lsn> mark_corrupt(Container& container, const ScrubRun& run) = 0;
};

}  // namespace varve::store
