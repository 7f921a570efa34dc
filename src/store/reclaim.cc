#include <algorithm>

#include "store/store_impl.h"

namespace varve::store {

namespace {
// A slice is one transaction: what it may free is bounded, so that it fits kSmallTransactionBytes.
constexpr uint32_t kSliceEntriesMax = 256;
// Enough to get to a value and do something with it.
constexpr uint32_t kSliceEntriesMin = 8;
// A slice ends early when it has so much to propose.
constexpr size_t kRewritesAtOnce = 16;
constexpr uint64_t kRewriteBytesAtOnce = 2 * kMiB;

template <class Record>
Probe probe_of(const Heap& heap, Keyed keyed, KeyKind kind, Record* record, KeyScratch& scratch) {
  const ByteView key = record_key(heap, keyed, heap.ref(record), scratch);
  return {key_prefix(kind, key), key};
}

// The first record at or above a key; null if there is none.
template <class Record>
Record* record_from(const Heap& heap, const Order& order, const TreeRoot& root, ByteView key,
                    bool have_key, bool after) {
  TreeCursor cursor(heap, order, root);
  if (have_key)
    cursor.seek({key_prefix(order.kind, key), key}, after);
  else
    cursor.first();
  return cursor.valid() ? heap.at<Record>(cursor.record()) : nullptr;
}

ByteView key_of(const DkeyRecord& dkey) {
  return {reinterpret_cast<const std::byte*>(&dkey + 1), dkey.key_length};
}
ByteView key_of(const AkeyRecord& akey) {
  return {reinterpret_cast<const std::byte*>(&akey + 1), akey.key_length};
}
bool single_extent(const ArrayRecord& array) {
  int full = 0, height = 0;
  for (const TreeRoot& root : array.extents) {
    full += !tree_empty(root);
    height = std::max<int>(height, tree_empty(root) ? 0 : root.height);
  }
  return full <= 1 && height == 0;
}
void assign(Buffer& buffer, ByteView bytes) { buffer.assign(bytes.begin(), bytes.end()); }

}  // namespace

bool StoreImpl::drain_akey(AkeyRecord* akey, uint32_t& budget) {
  if (static_cast<ValueKind>(akey->kind) == ValueKind::kSingle)
    return drain_versions(heap_, &akey->value, budget);
  return drain_array(heap_, heap_.at<ArrayRecord>(akey->value), akey->record_size, budget);
}

bool StoreImpl::drain_dkey(DkeyRecord* dkey, uint32_t& budget) {
  // The order of the kind does not matter: only the first record is ever taken, and its own prefix
  // used.
  while (!tree_empty(dkey->akeys)) {
    if (budget == 0) return false;
    --budget;
    const Order order{Keyed::kAkey, KeyKind::kHashed};
    TreeCursor cursor(heap_, order, dkey->akeys);
    cursor.first();
    auto* akey = heap_.at<AkeyRecord>(cursor.record());
    if (!drain_akey(akey, budget)) return false;
    tree_erase(heap_, order, &dkey->akeys, {cursor.prefix(), key_of(*akey)});
    if (akey->units) heap_.free(heap_.ref(akey), akey->units * kRefUnit);
  }
  return drain_punches(heap_, &dkey->punches, budget);
}

bool StoreImpl::drain_object(ObjectRecord* object, KeyKinds kinds, uint32_t& budget) {
  const Order order{Keyed::kDkey, kinds.dkey};
  while (!tree_empty(object->dkeys)) {
    if (budget == 0) return false;
    --budget;
    TreeCursor cursor(heap_, order, object->dkeys);
    cursor.first();
    auto* dkey = heap_.at<DkeyRecord>(cursor.record());
    if (!drain_dkey(dkey, budget)) return false;
    tree_erase(heap_, order, &object->dkeys, {cursor.prefix(), key_of(*dkey)});
    heap_.free(heap_.ref(dkey), dkey->units * kRefUnit);
  }
  return drain_punches(heap_, &object->punches, budget);
}

bool StoreImpl::drain_container(ContainerRecord* container, uint32_t& budget) {
  const Order order{Keyed::kObject, KeyKind::kHashed};
  while (!tree_empty(container->objects)) {
    if (budget == 0) return false;
    --budget;
    TreeCursor cursor(heap_, order, container->objects);
    cursor.first();
    auto* object = heap_.at<ObjectRecord>(cursor.record());
    const Result<KeyKinds> kinds = key_kinds(object->oid);
    if (!drain_object(object, kinds.ok() ? *kinds : KeyKinds{}, budget)) return false;
    tree_erase(heap_, order, &container->objects, {cursor.prefix(), bytes_of(object->oid)});
    heap_.free(heap_.ref(object), sizeof(ObjectRecord));
  }
  while (const Ref ref = container->rollbacks) {
    heap_.set(container->rollbacks, heap_.at<RollbackRecord>(ref)->older);
    heap_.free(ref, sizeof(RollbackRecord));
  }
  return true;
}

// Containers first: a pool's record must outlive what is accounted to it.
bool StoreImpl::reclaim_destroyed(uint32_t budget) {
  RootRecord* root = this->root();
  if (root->dying_containers == 0 && root->dying_pools == 0) return false;
  heap_.begin(true);
  Ref* list = &root->dying_containers;
  if (*list == 0) {
    const Ref dying = root->dying_pools;
    auto* pool = heap_.at<PoolRecord>(dying);
    if (pool->containers == 0) {
      VARVE_ASSERT(pool->used_bytes == 0, "an empty pool holds nothing: the accounts are exact");
      unlink<PoolRecord>(&root->dying_pools, dying);
      heap_.free(dying, sizeof(PoolRecord));
      heap_.volume().commit();
      return true;
    }
    list = &pool->containers;
  }
  const Ref ref = *list;
  auto* container = heap_.at<ContainerRecord>(ref);
  if (drain_container(container, budget) && drain_transactions(container, budget)) {
    unlink<ContainerRecord>(list, ref);
    heap_.free(ref, sizeof(ContainerRecord));
  }
  account_to(container->pool, 0);
  forget_objects();
  heap_.volume().commit();
  return true;
}

Readers StoreImpl::readers(const Container& container, uint64_t horizon, Ref object_punches,
                           Ref dkey_punches) const {
  Readers readers;
  readers.horizon = horizon;
  readers.epochs = reader_epochs(container, horizon);
  for (const uint64_t epoch : readers.epochs) {
    const ReadPoint point = below(below(point_at(container, epoch), object_punches), dkey_punches);
    readers.floors.push_back(point.floor);
    readers.hidden.push_back(point.hidden);
    readers.parted |= point.hidden != nullptr;
  }
  return readers;
}

bool StoreImpl::enough_proposed() const {
  uint64_t bytes = 0;
  for (const Rewrite& job : rewrites_) bytes += job.length;
  return rewrites_.size() >= kRewritesAtOnce || bytes >= kRewriteBytesAtOnce;
}

// First what nobody sees goes, all along the array; then along it again, what is left in pieces is
// proposed to be written again.
bool StoreImpl::merge_array_of(const AkeyRecord& akey, const Readers& readers, uint32_t& budget,
                               Kept& kept) {
  auto* array = heap_.at<ArrayRecord>(akey.value);
  if (!cursor_.planning) {
    merge_array(heap_, array, akey.record_size, readers, cursor_.next_index, budget, kept);
    if (!kept.finished) return false;
    cursor_.next_index = 0;
    cursor_.planning = true;
  }
  if (single_extent(*array) && array->punches == 0) return true;
  RewritePlanner planner(heap_, *array, akey.record_size, readers);
  while (budget > 0) {
    planner.plan(cursor_.next_index);
    budget -= std::min(budget, 1 + planner.looked_at());
    for (const std::vector<Piece>& pieces : planner.plans()) propose(akey, pieces);
    if (planner.at_end()) return true;
    cursor_.next_index = planner.next();
    if (enough_proposed()) budget = 0;
  }
  return false;
}

// True: nothing of it is left. Not finished: the cursor knows.
bool StoreImpl::merge_akey(AkeyRecord* akey, const Readers& readers, uint32_t& budget) {
  Kept kept;
  bool empty;
  if (static_cast<ValueKind>(akey->kind) == ValueKind::kSingle) {
    merge_versions(heap_, &akey->value, readers, budget, kept);
    empty = akey->value == 0;
    if (cold_bytes_ > 0 && kept.finished) propose_cold(*akey);
  } else {
    const auto* array = heap_.at<ArrayRecord>(akey->value);
    kept.finished = merge_array_of(*akey, readers, budget, kept);
    empty = array->punches == 0 &&
            std::all_of(std::begin(array->extents), std::end(array->extents), tree_empty);
  }
  cursor_.oldest_of_dkey = std::min(cursor_.oldest_of_dkey, kept.oldest);
  cursor_.later |= kept.later;
  cursor_.in_array = !kept.finished;
  if (kept.finished) {
    cursor_.next_index = 0;
    cursor_.planning = false;
    if (enough_proposed()) budget = 0;
  }
  return empty && kept.finished;
}

// True: all its akeys were looked at.
bool StoreImpl::merge_dkey(DkeyRecord* dkey, KeyKinds kinds, const Container& container,
                           const ObjectRecord& object, uint32_t& budget) {
  const Order order{Keyed::kAkey, kinds.akey};
  const Readers readers = this->readers(container, cursor_.horizon, object.punches, dkey->punches);
  while (true) {
    // An akey in hand is gone on with; if it is not there any more, with the next.
    auto* akey = record_from<AkeyRecord>(heap_, order, dkey->akeys, cursor_.akey, cursor_.have_akey,
                                         !cursor_.in_array);
    if (!akey) return true;
    if (budget == 0) return false;
    --budget;
    if (!std::ranges::equal(ByteView(cursor_.akey), key_of(*akey))) {
      cursor_.next_index = 0;
      cursor_.planning = false;
      assign(cursor_.akey, key_of(*akey));
    }
    cursor_.have_akey = true;
    const bool empty = merge_akey(akey, readers, budget);
    if (cursor_.in_array) return false;
    if (!empty) continue;
    KeyScratch scratch;
    tree_erase(heap_, order, &dkey->akeys,
               probe_of(heap_, Keyed::kAkey, kinds.akey, akey, scratch));
    if (akey->units) heap_.free(heap_.ref(akey), akey->units * kRefUnit);
  }
}

// Goes on with an object until it is done (in_object is false then) or the budget is.
void StoreImpl::merge_object(Container& container, ObjectRecord* object, uint32_t& budget) {
  const Result<KeyKinds> known = key_kinds(object->oid);
  const KeyKinds kinds = known.ok() ? *known : KeyKinds{};
  const Order order{Keyed::kDkey, kinds.dkey};
  Kept kept;
  while (auto* dkey = record_from<DkeyRecord>(heap_, order, object->dkeys, cursor_.dkey,
                                              cursor_.have_dkey, !cursor_.in_dkey)) {
    if (budget == 0) return;
    --budget;
    if (!cursor_.in_dkey) {
      assign(cursor_.dkey, key_of(*dkey));
      cursor_.have_dkey = cursor_.in_dkey = true;
      cursor_.have_akey = cursor_.in_array = cursor_.planning = false;
      cursor_.next_index = 0;
      cursor_.oldest_of_dkey = kNoStamp;
    }
    if (!merge_dkey(dkey, kinds, container, *object, budget)) return;
    const Readers readers =
        this->readers(container, cursor_.horizon, object->punches, dkey->punches);
    merge_punches(heap_, &dkey->punches, readers, cursor_.oldest_of_dkey, kept);
    cursor_.oldest_of_object = std::min(cursor_.oldest_of_object, cursor_.oldest_of_dkey);
    cursor_.in_dkey = false;
    if (!tree_empty(dkey->akeys) || dkey->punches) continue;
    KeyScratch scratch;
    tree_erase(heap_, order, &object->dkeys,
               probe_of(heap_, Keyed::kDkey, kinds.dkey, dkey, scratch));
    heap_.free(heap_.ref(dkey), dkey->units * kRefUnit);
  }
  merge_punches(heap_, &object->punches, readers(container, cursor_.horizon, object->punches, 0),
                cursor_.oldest_of_object, kept);
  cursor_.later |= kept.later;
  cursor_.in_object = cursor_.have_dkey = false;
  if (!tree_empty(object->dkeys) || object->punches) return;
  KeyScratch scratch;
  tree_erase(heap_, {Keyed::kObject, KeyKind::kHashed}, &record(container)->objects,
             probe_of(heap_, Keyed::kObject, KeyKind::kHashed, object, scratch));
  heap_.free(heap_.ref(object), sizeof(ObjectRecord));
  forget_objects();
}

void StoreImpl::merge_slice(Container& container, uint32_t budget) {
  heap_.begin(true);
  if (record(container)->horizon < cursor_.horizon)
    heap_.set(record(container)->horizon, cursor_.horizon);
  const Order order{Keyed::kObject, KeyKind::kHashed};
  while (true) {
    auto* object =
        record_from<ObjectRecord>(heap_, order, record(container)->objects, bytes_of(cursor_.oid),
                                  cursor_.have_object, !cursor_.in_object);
    if (!object) {
      cursor_.in_pass = false;
      cursor_.later |= forget_settled_rollbacks(container) && !container.rollbacks.empty();
      cursor_.later |= container.rollbacks.newest_at() > cursor_.horizon;
      container.changes_merged = cursor_.later ? cursor_.changes - 1 : cursor_.changes;
      container.horizon_merged = cursor_.horizon;
      break;
    }
    if (budget == 0) break;
    --budget;
    if (!cursor_.in_object) {
      cursor_.oid = object->oid;
      cursor_.have_object = cursor_.in_object = true;
      cursor_.have_dkey = cursor_.in_dkey = false;
      cursor_.oldest_of_object = kNoStamp;
    }
    merge_object(container, object, budget);
  }
  account_to(container.pool, 0);
  heap_.volume().commit();
}

// The container after the cursor's that has something to merge; null at the end of the round.
Container* StoreImpl::next_to_merge(uint64_t horizon) {
  for (auto& [pool_uuid, pool] : pools_) {
    if (pool_uuid < cursor_.pool || !pool.merged) continue;
    for (auto& [uuid, container] : pool.containers) {
      if (pool_uuid == cursor_.pool && uuid <= cursor_.container) continue;
      if (container->wants_merge(mergeable(*container, horizon))) return container.get();
    }
  }
  return nullptr;
}

void StoreImpl::start_pass(Container& container, uint64_t horizon) {
  cursor_ = {};
  cursor_.in_pass = true;
  cursor_.pool = container.pool_uuid;
  cursor_.container = container.uuid;
  cursor_.horizon = horizon;
  cursor_.changes = container.changes;
  cursor_.settled = settled_rollbacks(container, horizon);
}

Result<bool> StoreImpl::reclaim(Epoch horizon, uint32_t budget) {
  budget = std::clamp(budget, kSliceEntriesMin, kSliceEntriesMax);
  rewrites_.clear();
  if (reclaim_destroyed(budget)) return true;
  Container* container = nullptr;
  if (cursor_.in_pass) {
    container = find(cursor_.pool, cursor_.container);
    if (!container) cursor_.in_pass = false;
  }
  if (!container) {
    container = next_to_merge(horizon.value);
    if (!container) {
      cursor_ = {};
      return false;
    }
    start_pass(*container, mergeable(*container, horizon.value));
  }
  merge_slice(*container, budget);
  return true;
}

Result<bool> StoreImpl::aggregate(Container& container, Epoch horizon, uint32_t budget) {
  rewrites_.clear();
  const uint64_t until = mergeable(container, horizon.value);
  const bool here = cursor_.in_pass && cursor_.pool == container.pool_uuid &&
                    cursor_.container == container.uuid && cursor_.horizon >= until;
  if (!here) {
    if (!container.wants_merge(until)) return false;
    start_pass(container, until);  // another one's begins again some time
  }
  merge_slice(container, std::clamp(budget, kSliceEntriesMin, kSliceEntriesMax));
  if (cursor_.in_pass) return true;
  cursor_ = {};  // the next round begins at its beginning
  return container.wants_merge(until);
}

void StoreImpl::set_merging(const Uuid& pool, bool automatic) {
  const auto found = pools_.find(pool);
  if (found != pools_.end()) found->second.merged = automatic;
}

void StoreImpl::set_cold(Epoch before, uint32_t bytes) {
  const bool more = bytes > 0 && (cold_bytes_ == 0 || bytes < cold_bytes_);
  cold_before_ = before.value;
  cold_bytes_ = bytes;
  if (!more) return;
  for (auto& [uuid, pool] : pools_)
    for (auto& [container_uuid, container] : pool.containers) ++container->changes;
}

}  // namespace varve::store
