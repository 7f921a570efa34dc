// The store over the heap. One operation, one file: store.cc (pools and containers), update.cc,
// fetch.cc, punch.cc, list.cc, query.cc, rollback.cc, diff.cc, reclaim.cc, rewrite.cc, holdings.cc;
// visibility.cc is what they share.
#pragma once

#include <deque>
#include <map>
#include <unordered_map>

#include "store/rewrite_plan.h"

namespace varve::store {

// Volatile side of a container.
class Container {
 public:
  Uuid pool_uuid, uuid;
  Ref record = 0, pool = 0;
  bool snapshots_known = false;
  std::vector<uint64_t> snapshots;  // ascending
  Rollbacks rollbacks;
  // Counts what may have left something to merge; and the count, with the horizon, up to which a
  // pass has merged.
  uint64_t changes = 1, changes_merged = 0, horizon_merged = 0;
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
  Result<void> load();

  Result<Lsn> create_pool(const Uuid& pool, uint64_t reserved_bytes) override;
  Result<Lsn> destroy_pool(const Uuid& pool) override;
  std::vector<Uuid> pools() const override;
  Result<PoolSpace> space(const Uuid& pool) const override;
  uint64_t unreserved_bytes() const override;
  Holdings count_holdings(std::optional<Uuid> pool) const override;
  Result<Lsn> create_container(const Uuid& pool, const Uuid& container) override;
  Result<Lsn> destroy_container(const Uuid& pool, const Uuid& container) override;
  std::vector<Uuid> containers(const Uuid& pool) const override;
  Container* find(const Uuid& pool, const Uuid& container) override;

  Result<Lsn> update(Container& container, const Update& update) override;
  void update_batch(Container& container, std::span<const Update> updates,
                    std::span<Result<Lsn>> results) override;
  Result<void> fetch(Container& container, Fetch& fetch) override;
  void fetch_batch(Container& container, std::span<Fetch> fetches,
                   std::span<Result<void>> results) override;
  Result<Lsn> punch(Container& container, const Punch& punch) override;

  Result<std::vector<ObjectId>> list_objects(Container& container, Epoch epoch, Anchor& anchor,
                                             uint32_t limit) override;
  Result<std::vector<ListedKey>> list_dkeys(Container& container, ObjectId oid, Epoch epoch,
                                            Anchor& anchor, uint32_t limit) override;
  Result<std::vector<ListedKey>> list_akeys(Container& container, ObjectId oid, ByteView dkey,
                                            Epoch epoch, Anchor& anchor, uint32_t limit) override;
  Result<std::vector<ListedRange>> list_ranges(Container& container, ObjectId oid, ByteView dkey,
                                               ByteView akey, Epoch epoch, Anchor& anchor,
                                               uint32_t limit) override;
  Result<QueryResult> query(Container& container, ObjectId oid, Epoch epoch, ByteView dkey,
                            ByteView akey, QueryFlags flags) override;

  Epoch newest_epoch() const override;
  void set_snapshots(Container& container, std::vector<Epoch> snapshots) override;
  Result<Lsn> rollback(Container& container, Epoch to, Epoch at) override;
  Result<std::vector<Difference>> diff(Container& container, Epoch from, Epoch to,
                                       DiffAnchor& anchor, uint32_t limit) override;
  Result<bool> reclaim(Epoch horizon, uint32_t budget) override;
  std::optional<Rewrite> take_rewrite() override;
  Result<Lsn> finish_rewrite(const Rewrite& job, const Data& data) override;

 private:
  struct PoolState {
    Ref record = 0;
    std::map<Uuid, std::unique_ptr<Container>> containers;
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
                         Ref hint = 0);
  Result<void> check_readable(const Container& container, uint64_t epoch) const;
  bool akey_visible(const AkeyRecord& akey, const ReadPoint& point) const;
  // `point`: the floor of what is above.
  bool dkey_visible(const DkeyRecord& dkey, ReadPoint point) const;
  bool object_visible(const ObjectRecord& object, KeyKinds kinds, const ReadPoint& point) const;
  ReadPoint point_at(const Container& container, uint64_t epoch) const {
    return {epoch, {}, container.rollbacks.empty() ? nullptr : container.rollbacks.hidden(epoch)};
  }
  // Writes at or below it come too late: reclaim has merged there, or a rollback hides it.
  uint64_t write_floor(const Container& container) const {
    return std::max(record(container)->horizon, container.rollbacks.newest_at());
  }
  ReadPoint below(const ReadPoint& point, Ref punches) const {
    return {point.epoch, std::max(point.floor, newest_punch(heap_, punches, point)), point.hidden};
  }
  // Looks up the dkeys of several requests at once, prefetching; hints[i] as locate() takes them.
  template <class Request>
  void walk(const Container& container, std::span<Request> requests, Ref* hints);

  // --- update.cc
  Result<void> check_update(const Container& container, const Update& update) const;
  Result<void> check_conditions(const Located& at, uint64_t conditions, const Update& update) const;
  // Inside a transaction. False in `changed`: nothing was there to change.
  Result<void> apply(Container& container, Located& at, const Update& update, bool& changed);
  Result<void> apply_akey(Container& container, Located& at, const AkeyUpdate& update, Stamp stamp,
                          bool& changed);
  Result<void> apply_pieces(AkeyRecord* akey, const AkeyUpdate& update, size_t first, Stamp stamp);
  Ref make_akey(Ref at, const AkeyUpdate& update, Stamp stamp);
  ObjectRecord* make_object(Container& container, ObjectId oid);
  bool make_dkey(Located& at, const Update& update, size_t first, Stamp stamp);
  Stamp stamp_for(const ObjectRecord* object, uint64_t epoch) const;
  void note_stamp(ObjectRecord* object, Stamp stamp);
  Result<Lsn> update_located(Container& container, Located& at, const Update& update);
  // Accounts for the transaction and commits it, or rolls back.
  Result<Lsn> finish(Container& container, uint64_t newest, bool bounded);
  Result<void> check_space(const Container& container) const;
  void account_to(Ref pool, uint64_t newest);
  void rollback();

  // --- fetch.cc
  Result<void> fetch_hinted(const Container& container, Fetch& fetch, Ref hint);

  // --- punch.cc
  Result<Lsn> punch_object(Container& container, const Punch& punch);
  Result<Lsn> punch_akeys(Container& container, const Punch& punch, Located& at);
  Result<Lsn> punched_nothing(const Punch& punch) const;
  Error punch_failed();

  // --- list.cc
  template <class Visible, class Add>
  void list_keys(const Order& order, const TreeRoot& root, Anchor& anchor, uint32_t limit,
                 Visible visible, Add add) const;

  // --- query.cc
  Result<bool> query_dkey(const DkeyRecord& dkey, KeyKinds kinds, ReadPoint point, ByteView akey,
                          QueryFlags flags, QueryResult& result) const;
  Result<bool> query_array(const AkeyRecord& akey, const ReadPoint& point, QueryFlags flags,
                           QueryResult& result) const;

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
  void propose(const AkeyRecord& akey, const std::vector<Piece>& pieces);
  Result<void> replace_extents(const AkeyRecord& akey, const Readers& readers, const Rewrite& job,
                               const Data& data);

  Heap heap_;
  std::map<Uuid, PoolState> pools_;
  std::vector<CachedObject> object_cache_;
  MergeCursor cursor_;
  std::deque<Rewrite> rewrites_;
};

}  // namespace varve::store
