// The store over the heap. One operation, one file: store.cc (pools and containers), update.cc,
// fetch.cc, punch.cc, list.cc, query.cc, rollback.cc, diff.cc, reclaim.cc, rewrite.cc, holdings.cc,
// transactions.cc; visibility.cc and conflicts.cc are what they share.
#pragma once

#include <deque>
#include <map>
#include <unordered_map>

#include "store/read_table.h"
#include "store/rewrite_plan.h"

namespace varve::store {

// Volatile side of a container.
class Container {
 public:
  Uuid pool_uuid, uuid;
  Ref record = 0, pool = 0;
  Integrity integrity;
  bool snapshots_known = false;
  std::vector<uint64_t> snapshots;  // ascending
  Rollbacks rollbacks;
  // Counts what may have left something to merge; and the count, with the horizon, up to which a
  // pass has merged.
  uint64_t changes = 1, changes_merged = 0, horizon_merged = 0;
  // `horizon`: as mergeable() says.
  bool wants_merge(uint64_t horizon) const {
    return snapshots_known && changes != changes_merged && horizon > horizon_merged;
  }
  // By id, and those that are not decided.
  std::unordered_map<TransactionId, Ref> transactions;
  std::vector<Ref> prepared;
};

// Where reclaim() stands in a pass over one container.
struct MergeCursor {
  bool in_pass = false;
  Uuid pool, container;
  uint64_t horizon = 0;
  uint64_t changes = 0;  // the container's, when the pass began
  bool later = false;    // the pass left something for a later one
  // What is in hand, and what it is: its children from the given key on.
  bool have_object = false, in_object = false, have_dkey = false, in_dkey = false,
       have_akey = false, in_array = false, planning = false;
  ObjectId oid;
  Buffer dkey, akey;
  uint64_t next_index = 0;
  Stamp oldest_of_object = kNoStamp, oldest_of_dkey = kNoStamp;
  std::vector<uint64_t> settled;  // rollbacks (by `at`) that hide nothing after this pass
};

// What one request writes at, and for whom.
struct Writing {
  Stamp stamp;
  Ref transaction = 0;  // TransactionRecord; 0: committed at once
  uint8_t flags() const { return transaction ? kFlagPrepared : 0; }
};

// What of others stands where something is written, or was perhaps missed by who reads.
struct Window {
  uint64_t from = 0, until = 0;  // committed entries count at these epochs
  Ref own = 0;
  bool any_prepared = false;  // prepared ones count at every epoch
  Ref blocker = 0;            // a transaction of another's
  uint64_t newest = 0;        // committed
};
using Ranges = std::span<const std::pair<uint64_t, uint64_t>>;  // (begin, end) in records

// What an operation on one dkey has found.
struct Located {
  KeyKinds kinds;
  ObjectRecord* object = nullptr;
  DkeyRecord* dkey = nullptr;
  uint64_t dkey_prefix = 0;
  // At the operation's epoch: what object and dkey punches hide.
  ReadPoint point;
};

class StoreImpl final : public Store {
 public:
  explicit StoreImpl(block::Volume& volume) : heap_(volume), object_cache_(kObjectCache) {}
  Result<void> load(Epoch clock);

  Result<Lsn> create_pool(const Uuid& pool, uint64_t reserved_bytes) override;
  Result<Lsn> destroy_pool(const Uuid& pool) override;
  std::vector<Uuid> pools() const override;
  Result<PoolSpace> space(const Uuid& pool) const override;
  uint64_t unreserved_bytes() const override;
  Holdings count_holdings(std::optional<Uuid> pool) const override;
  Result<Lsn> create_container(const Uuid& pool, const Uuid& container,
                               const Integrity& integrity) override;
  Result<Lsn> destroy_container(const Uuid& pool, const Uuid& container) override;
  std::vector<Uuid> containers(const Uuid& pool) const override;
  Container* find(const Uuid& pool, const Uuid& container) override;
  const Integrity& integrity(const Container& container) const override {
    return container.integrity;
  }

  Result<Lsn> update(Container& container, const Update& update) override;
  void update_batch(Container& container, std::span<const Update> updates,
                    std::span<Result<Lsn>> results) override;
  Result<void> fetch(Container& container, Fetch& fetch) override;
  void fetch_batch(Container& container, std::span<Fetch> fetches,
                   std::span<Result<void>> results) override;
  Result<Lsn> punch(Container& container, const Punch& punch) override;
  bool scrub(const Container& container, ScrubCursor& cursor, uint32_t budget,
             std::vector<ScrubRun>& runs) const override;
  Result<Lsn> mark_corrupt(Container& container, const ScrubRun& run) override;

  const Conflict& last_conflict() const override { return conflict_; }
  Result<Lsn> commit(Container& container, TransactionId id) override;
  Result<Lsn> abort(Container& container, TransactionId id) override;
  uint64_t resolve_bytes(const Container& container, TransactionId id) const override;
  TransactionState status(const Container& container, TransactionId id) const override;
  Result<Lsn> forget(Container& container, std::span<const TransactionId> ids) override;
  std::vector<PreparedTransaction> prepared(const Container& container, Epoch now) const override;

  Result<std::vector<ObjectId>> list_objects(Container& container, const ReadAt& at, Anchor& anchor,
                                             uint32_t limit) override;
  Result<std::vector<ListedKey>> list_dkeys(Container& container, ObjectId oid, const ReadAt& at,
                                            Anchor& anchor, uint32_t limit) override;
  Result<std::vector<ListedKey>> list_akeys(Container& container, ObjectId oid, ByteView dkey,
                                            const ReadAt& at, Anchor& anchor,
                                            uint32_t limit) override;
  Result<std::vector<ListedRange>> list_ranges(Container& container, ObjectId oid, ByteView dkey,
                                               ByteView akey, const ReadAt& at, Anchor& anchor,
                                               uint32_t limit) override;
  Result<QueryResult> query(Container& container, ObjectId oid, const ReadAt& at, ByteView dkey,
                            ByteView akey, QueryFlags flags) override;

  Epoch newest_epoch() const override;
  void set_snapshots(Container& container, std::vector<Epoch> snapshots) override;
  Result<Lsn> rollback(Container& container, Epoch to, Epoch at) override;
  Result<std::vector<Difference>> diff(Container& container, Epoch from, Epoch to,
                                       DiffAnchor& anchor, uint32_t limit) override;
  Result<bool> reclaim(Epoch horizon, uint32_t budget) override;
  void set_merging(const Uuid& pool, bool automatic) override;
  Result<bool> aggregate(Container& container, Epoch horizon, uint32_t budget) override;
  void set_cold(Epoch before, uint32_t bytes) override;
  std::optional<Rewrite> take_rewrite() override;
  Result<Lsn> finish_rewrite(const Rewrite& job, const Data& data) override;

 private:
  struct PoolState {
    Ref record = 0;
    std::map<Uuid, std::unique_ptr<Container>> containers;
    bool merged = true;  // by reclaim() itself
  };
  static constexpr size_t kObjectCache = 1024;
  struct CachedObject {
    Ref container = 0, object = 0;
    ObjectId oid;
  };

  // --- store.cc
  RootRecord* root() const { return heap_.volume().at<RootRecord>(block::Volume::kRoot); }
  Result<void> load_pool(Ref ref);
  template <class Record>
  void link_front(Ref* head, Ref ref);
  template <class Record>
  void unlink(Ref* head, Ref ref);
  uint64_t held_bytes() const;

  // --- visibility.cc
  ContainerRecord* record(const Container& container) const {
    return heap_.at<ContainerRecord>(container.record);
  }
  static Result<void> check_key(KeyKind kind, ByteView key, const char* what);
  ObjectRecord* find_object(const Container& container, ObjectId oid);
  void cache_object(const Container& container, ObjectId oid, Ref object);
  void forget_objects();
  DkeyRecord* find_dkey(const ObjectRecord& object, KeyKind kind, uint64_t prefix,
                        ByteView dkey) const;
  AkeyRecord* find_akey(const DkeyRecord& dkey, KeyKind kind, ByteView akey) const;
  // `hint`: a dkey record to try before the tree.
  Result<Located> locate(const Container& container, ObjectId oid, uint64_t epoch, ByteView dkey,
                         Look* look, Ref hint = 0);
  // Located::point anew, in the world that the look is in.
  ReadPoint point_of(const Located& at) const;
  Result<void> check_readable(const Container& container, uint64_t epoch) const;
  bool akey_visible(const AkeyRecord& akey, const ReadPoint& point) const;
  // `point`: the floor of what is above.
  bool dkey_visible(const DkeyRecord& dkey, ReadPoint point) const;
  bool object_visible(const ObjectRecord& object, KeyKinds kinds, const ReadPoint& point) const;
  ReadPoint point_at(const Container& container, uint64_t epoch, Look* look = nullptr) const {
    const Rollbacks& rollbacks = container.rollbacks;
    return {epoch, {}, rollbacks.empty() ? nullptr : rollbacks.hidden(epoch), look};
  }
  // Writes at or below it come too late: reclaim has merged there, or a rollback hides it.
  uint64_t write_floor(const Container& container) const {
    return std::max(record(container)->horizon, container.rollbacks.newest_at());
  }
  ReadPoint below(const ReadPoint& point, Ref punches) const {
    return {point.epoch, std::max(point.floor, newest_punch(heap_, punches, point)), point.hidden,
            point.look};
  }
  // The akey if it counts: not where all it holds is prepared by others, who may take it away.
  const AkeyRecord* settled(const AkeyRecord* akey, const ReadPoint& point) const;
  // Looks up the dkeys of several requests at once, prefetching; hints[i] as locate() takes them.
  template <class Request>
  void walk(const Container& container, std::span<Request> requests, Ref* hints);

  // --- update.cc
  Result<void> check_update(const Container& container, const Update& update);
  Result<void> check_conditions(const Located& at, const ReadPoint& point,
                                const Update& update) const;
  // All that decides whether the update may be done, in the order of docs/internals/mvcc.md.
  Result<void> check_located(Container& container, const Located& at, const Update& update,
                             Ref own);
  Result<void> check_existence(const Located& at, const Update& update);
  // Inside a transaction. False in `changed`: nothing was there to change.
  Result<void> apply(Container& container, Located& at, const Update& update, Ref own,
                     bool& changed);
  Result<void> apply_akey(Container& container, Located& at, const AkeyUpdate& update,
                          const Writing& writing, bool& changed);
  bool enter(const Located& at, Ref akey, Ref record, EntryKind kind, uint64_t index,
             const Writing& writing);
  bool write_single(const Located& at, AkeyRecord* akey, const Data& data, const Writing& writing);
  bool write_piece(const Located& at, AkeyRecord* akey, const ArrayPiece& piece,
                   const Writing& writing);
  Ref make_akey(const Located& located, Ref at, const AkeyUpdate& update, const Writing& writing);
  ObjectRecord* make_object(Container& container, ObjectId oid);
  bool make_dkey(Located& at, const Update& update, size_t first, const Writing& writing);
  static size_t entries_made(const Update& update);
  Result<Located> admit(Container& container, const Update& update, Ref hint, Look& look);
  Stamp stamp_for(const ObjectRecord* object, uint64_t epoch) const;
  void note_stamp(ObjectRecord* object, Stamp stamp);
  // Accounts for the transaction and commits it, or rolls back.
  Result<Lsn> finish(Container& container, uint64_t newest, bool bounded);
  Result<void> check_space(const Container& container) const;
  void account_to(Ref pool, uint64_t newest);
  void rollback();

  // --- fetch.cc
  Result<void> fetch_hinted(Container& container, Fetch& fetch, Ref hint);
  Result<void> fetch_carefully(Container& container, Fetch& fetch, Ref hint);
  Result<void> fetch_at(const Located& at, const ReadPoint& point, Fetch& fetch) const;
  Result<void> fetch_missed(const Container& container, const Located& at, const Fetch& fetch,
                            Ref own);

  // --- punch.cc
  // The akeys to punch; nothing for other scopes. False in `there`: there is nothing to punch.
  Result<std::vector<AkeyRecord*>> find_punched(const Punch& punch, const Located& at,
                                                bool& there) const;
  Result<void> check_punch_conflicts(const Container& container, const Located& at,
                                     const Punch& punch, Ref own);
  bool apply_punch(const Punch& punch, Located& at, std::span<AkeyRecord* const> akeys,
                   const Writing& writing);

  // --- transactions.cc
  Result<void> load_transactions(Container& container);
  TransactionRecord* transaction_at(Ref ref) const { return heap_.at<TransactionRecord>(ref); }
  // The transaction's record (0: none yet) for who reads at an epoch; for who writes so many
  // entries. Errors say why it may not.
  Result<Ref> own_of(const Container& container, TransactionId id, uint64_t epoch);
  Result<Ref> writer_of(const Container& container, TransactionId id, uint64_t epoch,
                        size_t entries);
  // Inside a transaction of the heap; 0, false: heap full.
  Ref begin_transaction(Container& container, TransactionId id, uint64_t epoch);
  bool add_entry(Ref transaction, const TransactionEntry& entry);
  // What a request writes at: stamps of a transaction count its own requests.
  Writing writing_for(const ObjectRecord* object, uint64_t epoch, Ref transaction);
  void commit_entry(const TransactionEntry& entry);
  void abort_entry(Container& container, const TransactionEntry& entry);
  void prune(Container& container, const TransactionEntry& entry);
  bool has_entry_in(Ref transaction, Ref object) const;
  template <class Visit>  // newest first
  void visit_entries(const TransactionRecord& transaction, Visit visit) const;
  void decide(Container& container, Ref ref, TransactionState state);
  bool drain_transactions(ContainerRecord* container, uint32_t& budget);
  void forget_transactions(const Container& container);
  // What is not to be merged, nor anything above it: below the oldest that is prepared.
  uint64_t mergeable(const Container& container, uint64_t horizon) const;

  // --- conflicts.cc
  Error in_progress(Ref transaction);
  Error restart(uint64_t at, std::string text);
  // Does `f` in all worlds if there are several: its answer, or kInProgress where they differ.
  template <class F, class Same>
  std::invoke_result_t<F> certain(Look* look, F f, Same same);
  // What readers begin with: may they, and as whom.
  Result<Look> look_of(const Container& container, const ReadAt& at);
  void meet(Window& window, uint64_t epoch, uint32_t flags, Ref entry) const;
  template <class Record>
  void meet_chain(Window& window, Ref head) const;
  // `ranges`: of an array, none: all of it.
  void meet_akey(Window& window, const AkeyRecord& akey, Ranges ranges) const;
  void meet_dkey(Window& window, const DkeyRecord& dkey) const;
  void meet_object(Window& window, const ObjectRecord& object, KeyKinds kinds) const;
  // Prepared entries of others in an object (dkey 0) or a dkey.
  void meet_prepared(Window& window, const Container& container, Ref object, Ref dkey) const;
  Result<void> verdict(const Window& window, bool writes);
  static Window missed_window(const ReadAt& at, Ref own);
  Result<void> check_update_conflicts(const Container& container, const Located& at,
                                      const Update& update, Ref own);
  ReadPlace place_of(const Container& container) const { return ReadPlace{}.down(container.record); }
  ReadPlace place_of(const Container& container, ObjectId oid) const {
    return place_of(container).down(oid.low).down(oid.high);
  }
  ReadPlace place_of(const Container& container, ObjectId oid, KeyKinds kinds, ByteView dkey) const;
  static ReadPlace place_of(ReadPlace dkey, ByteView akey);
  // Notes that something at a place was looked at; nothing for who is nobody.
  void note_read(ReadPlace place, ReadScope scope, const ReadAt& at);
  void note_under(const Container& container, ObjectId oid, const ReadAt& at);
  Result<void> check_reads(const Container& container, ObjectId oid, ByteView dkey, KeyKinds kinds,
                           std::span<const ByteView> akeys, uint64_t epoch,
                           TransactionId writer);

  // --- list.cc
  template <class Visible, class Add>
  Result<void> list_keys(const Order& order, const TreeRoot& root, Anchor& anchor, uint32_t limit,
                         Result<void>& state, Visible visible, Add add) const;
  template <class Sees, class Meets>
  bool seen_surely(Look* look, const ReadAt& at, Ref own, Result<void>& state, Sees sees,
                   Meets meets);

  // --- query.cc
  Result<bool> query_dkey(const DkeyRecord& dkey, KeyKinds kinds, ReadPoint point, ByteView akey,
                          QueryFlags flags, QueryResult& result) const;
  Result<bool> query_array(const AkeyRecord& akey, const ReadPoint& point, QueryFlags flags,
                           QueryResult& result) const;
  Result<QueryResult> query_at(const ObjectRecord& object, KeyKinds kinds, const ReadPoint& from,
                               ByteView dkey, ByteView akey, QueryFlags flags) const;
  Result<void> count_bytes(const ObjectRecord& object, KeyKinds kinds, const ReadPoint& point,
                           ByteView from, ByteView akey, QueryResult& result) const;
  Result<QueryResult> query_newest(const Container& container, const ObjectRecord& object,
                                   const ReadAt& at, Ref own);

  // --- rollback.cc
  static constexpr size_t kRollbacksMax = 64;
  Result<void> load_rollbacks(Container& container);
  // At whose epochs a merge up to the horizon must leave all as it is.
  std::vector<uint64_t> reader_epochs(const Container& container, uint64_t horizon) const;
  // Those (by `at`) that hide nothing any more once a pass up to the horizon is through.
  std::vector<uint64_t> settled_rollbacks(const Container& container, uint64_t horizon) const;
  // At the end of the pass that found them settled. False: there were none.
  bool forget_settled_rollbacks(Container& container);

  // --- diff.cc
  class DiffWalk;

  // --- reclaim.cc
  // Each works inside a transaction and takes from `budget`; true: it is all gone.
  bool drain_akey(AkeyRecord* akey, uint32_t& budget);
  bool drain_dkey(DkeyRecord* dkey, uint32_t& budget);
  bool drain_object(ObjectRecord* object, KeyKinds kinds, uint32_t& budget);
  bool drain_container(ContainerRecord* container, uint32_t& budget);
  // True: there was something destroyed, and a slice of it was freed.
  bool reclaim_destroyed(uint32_t budget);
  Container* next_to_merge(uint64_t horizon);
  void start_pass(Container& container, uint64_t horizon);
  void merge_slice(Container& container, uint32_t budget);
  void merge_object(Container& container, ObjectRecord* object, uint32_t& budget);
  bool merge_dkey(DkeyRecord* dkey, KeyKinds kinds, const Container& container,
                  const ObjectRecord& object, uint32_t& budget);
  bool merge_akey(AkeyRecord* akey, const Readers& readers, uint32_t& budget);
  // False: the budget was used up.
  bool merge_array_of(const AkeyRecord& akey, const Readers& readers, uint32_t& budget, Kept& kept);
  Readers readers(const Container& container, uint64_t horizon, Ref object_punches,
                  Ref dkey_punches) const;

  // --- rewrite.cc
  bool enough_proposed() const;
  Rewrite& propose();
  void propose(const AkeyRecord& akey, const std::vector<Piece>& pieces);
  void propose_cold(const AkeyRecord& akey);
  Result<void> replace_version(AkeyRecord* akey, const Rewrite& job, const Data& data);
  Result<void> replace_extents(const AkeyRecord& akey, const Readers& readers, const Rewrite& job,
                               const Data& data);

  Heap heap_;
  std::map<Uuid, PoolState> pools_;
  std::vector<CachedObject> object_cache_;
  MergeCursor cursor_;
  std::deque<Rewrite> rewrites_;
  uint64_t cold_before_ = 0;
  uint32_t cold_bytes_ = 0;
  // --- transactions
  struct NewTransaction {
    Container* container;
    TransactionId id;
  };
  Owners owners_;
  // Of the heap's transaction in hand: taken back if it is rolled back.
  std::vector<Ref> new_entries_;
  std::vector<NewTransaction> new_transactions_;
  ReadTable reads_;
  Conflict conflict_;
};

template <class F, class Same>
std::invoke_result_t<F> StoreImpl::certain(Look* look, F f, Same same) {
  std::invoke_result_t<F> answer = f();
  if (!look || !look->blocker()) [[likely]]
    return answer;
  bool all_same = true;
  for (const World world : {World::kValues, World::kNeither}) {
    look->to_world(world);
    all_same = all_same && same(answer, f());
  }
  look->to_world(World::kPunches);
  const Ref blocker = look->blocker();
  look->forget_blocker();
  if (all_same) return answer;
  return in_progress(blocker);
}

// Whether two answers are the same answer.
template <class T>
bool same_answer(const Result<T>& a, const Result<T>& b) {
  if (a.code() != b.code()) return false;
  if constexpr (!std::is_void_v<T>) return !a.ok() || *a == *b;
  return true;
}

}  // namespace varve::store
