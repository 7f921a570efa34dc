// What the store holds, found by walking it: against the accounts, and against the volume's map of
// extents.
#include "store/store_impl.h"

namespace varve::store {

namespace {

class Counter {
 public:
  explicit Counter(const Heap& heap) : heap_(heap) {}

  void container(Ref ref) {
    const auto* record = heap_.at<ContainerRecord>(ref);
    take(sizeof(ContainerRecord));
    for (Ref at = record->rollbacks; at; at = heap_.at<RollbackRecord>(at)->older)
      take(sizeof(RollbackRecord));
    for (Ref at = record->transactions; at; at = heap_.at<TransactionRecord>(at)->next)
      transaction(*heap_.at<TransactionRecord>(at));
    each<ObjectRecord>({Keyed::kObject, KeyKind::kHashed}, record->objects,
                       [this](const ObjectRecord& object) { this->object(object); });
  }
  // The containers of a list that belong to `pool`, if that is given.
  void containers(Ref first, Ref pool) {
    for (Ref ref = first; ref; ref = heap_.at<ContainerRecord>(ref)->next)
      if (pool == 0 || heap_.at<ContainerRecord>(ref)->pool == pool) container(ref);
  }
  Holdings holdings;

 private:
  void take(uint64_t bytes) { holdings.heap_bytes += round_up(bytes, kRefUnit); }
  void take(block::Extent extent) {
    holdings.extent_bytes += extent.length;
    holdings.extents.push_back(extent);
  }

  template <class Record, class Visit>
  void each(Order order, const TreeRoot& root, Visit visit) {
    holdings.heap_bytes += tree_bytes(heap_, root);
    tree_visit_range(heap_, order, root, 0, ~0ULL, [&](uint64_t, Ref ref) {
      visit(*heap_.at<Record>(ref));
      return true;
    });
  }

  void transaction(const TransactionRecord& transaction) {
    take(sizeof(TransactionRecord));
    for (Ref at = transaction.parts; at;) {
      const auto* part = heap_.at<TransactionPart>(at);
      take(sizeof(TransactionPart) + part->capacity * sizeof(TransactionEntry));
      at = part->older;
    }
  }

  void punches(Ref first) {
    for (Ref ref = first; ref; ref = heap_.at<PunchRecord>(ref)->older) take(sizeof(PunchRecord));
  }

  void object(const ObjectRecord& object) {
    take(sizeof(ObjectRecord));
    punches(object.punches);
    each<DkeyRecord>({Keyed::kDkey, KeyKind::kHashed}, object.dkeys,
                     [this](const DkeyRecord& dkey) { this->dkey(dkey); });
  }

  void dkey(const DkeyRecord& dkey) {
    take(uint64_t{dkey.units} * kRefUnit);
    punches(dkey.punches);
    each<AkeyRecord>({Keyed::kAkey, KeyKind::kHashed}, dkey.akeys,
                     [this](const AkeyRecord& akey) { this->akey(akey); });
  }

  void akey(const AkeyRecord& akey) {
    take(uint64_t{akey.units} * kRefUnit);
    if (static_cast<ValueKind>(akey.kind) == ValueKind::kSingle)
      versions(akey.value);
    else
      array(*heap_.at<ArrayRecord>(akey.value), akey.record_size);
  }

  void versions(Ref first) {
    for (Ref ref = first; ref;) {
      const auto* version = heap_.at<VersionRecord>(ref);
      if (!(version->flags & kFlagEmbedded)) take(version_bytes(*version));
      if (static_cast<DataKind>(version->kind) == DataKind::kExtent) take(version_extent(*version));
      ref = version->older;
    }
  }

  void array(const ArrayRecord& array, uint32_t record_size) {
    for (const TreeRoot& root : array.extents)
      each<ExtentRecord>(array_order(array), root, [&](const ExtentRecord& extent) {
        this->extent(extent, extent.count * record_size);
      });
    for (Ref ref = array.punches; ref; ref = heap_.at<RangePunchRecord>(ref)->older)
      take(sizeof(RangePunchRecord));
  }

  void extent(const ExtentRecord& extent, uint64_t length) {
    if (!(extent.flags & kFlagEmbedded)) take(sizeof(ExtentRecord));
    const auto kind = static_cast<DataKind>(extent.kind);
    if (kind == DataKind::kExtent) take(unpack_place(extent.place));
    if (kind == DataKind::kInline) take(length);
    if (const uint32_t bytes = checksum_list_bytes(heap_, extent, length)) take(bytes);
  }

  const Heap& heap_;
};

}  // namespace

Holdings StoreImpl::count_holdings(std::optional<Uuid> pool) const {
  Counter counter(heap_);
  if (pool) {
    const auto found = pools_.find(*pool);
    if (found == pools_.end()) return {};
    counter.containers(heap_.at<PoolRecord>(found->second.record)->containers, 0);
    counter.containers(root()->dying_containers, found->second.record);
    return std::move(counter.holdings);
  }
  for (const Ref first : {root()->pools, root()->dying_pools})
    for (Ref ref = first; ref; ref = heap_.at<PoolRecord>(ref)->next)
      counter.containers(heap_.at<PoolRecord>(ref)->containers, 0);
  counter.containers(root()->dying_containers, 0);
  return std::move(counter.holdings);
}

}  // namespace varve::store
