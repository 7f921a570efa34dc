#include <algorithm>

#include "store/store_impl.h"

namespace varve::store {

namespace {

// Keys and objects that one call looks at.
constexpr uint32_t kLooksMax = 8192;
constexpr uint64_t kWindowRecords = 1 << 16;

void assign(Buffer& buffer, ByteView bytes) { buffer.assign(bytes.begin(), bytes.end()); }

// Runs of records that two views of one array show differently, from `from` on. True: to the end;
// else `from` is where to go on.
class RangeDiff {
 public:
  RangeDiff(const ArrayView& before, const ArrayView& after) : before_(before), after_(after) {}

  bool list(uint64_t& from, uint32_t limit, std::vector<Difference>& runs) {
    uint64_t begin, end;
    if (!before_.bounds(begin, end)) return true;
    begin = std::max(begin, from);
    const size_t first = runs.size();
    for (uint64_t window = kWindowRecords; begin < end;) {
      const uint64_t until = end - begin > window ? begin + window : end;
      if (!zip(begin, until, first, limit, runs)) {
        from = begin_of_rest_;
        return false;
      }
      begin = until;
      if (window < ~0ULL / 2) window *= 2;
    }
    return true;
  }

 private:
  bool zip(uint64_t begin, uint64_t until, size_t first, uint32_t limit,
           std::vector<Difference>& runs) {
    std::vector<Piece> before, after;
    before_.resolve(begin, until, before);
    after_.resolve(begin, until, after);
    for (size_t i = 0, j = 0; i < before.size() && j < after.size();) {
      const uint64_t end = std::min(before[i].end, after[j].end);
      if (before[i].extent != after[j].extent) {
        const bool was = before[i].extent != 0, is = after[j].extent != 0;
        Difference* last = runs.size() > first ? &runs.back() : nullptr;
        if (last && last->index + last->count == begin && last->before == was &&
            last->after == is) {
          last->count = end - last->index;
        } else {
          if (runs.size() == limit) {
            begin_of_rest_ = begin;
            return false;
          }
          Difference run;
          run.kind = ValueKind::kArray;
          run.index = begin;
          run.count = end - begin;
          run.before = was;
          run.after = is;
          runs.push_back(std::move(run));
        }
      }
      begin = end;
      if (before[i].end == end) ++i;
      if (after[j].end == end) ++j;
    }
    return true;
  }

  const ArrayView& before_;
  const ArrayView& after_;
  uint64_t begin_of_rest_ = 0;
};

}  // namespace

// One page: goes down to where the anchor is, and on from there.
class StoreImpl::DiffWalk {
 public:
  DiffWalk(const StoreImpl& store, const Container& container, uint64_t from, uint64_t to,
           DiffAnchor& anchor, uint32_t limit)
      : store_(store),
        heap_(store.heap_),
        before_(store.point_at(container, from)),
        after_(store.point_at(container, to)),
        common_(container.rollbacks.common(from, to)),
        anchor_(anchor),
        limit_(limit) {}

  std::vector<Difference> go(const TreeRoot& objects) {
    TreeCursor cursor(heap_, {Keyed::kObject, KeyKind::kHashed}, objects);
    if (anchor_.depth == 0) {
      cursor.first();
    } else {
      const ByteView key = bytes_of(anchor_.oid);
      cursor.seek({key_prefix(KeyKind::kHashed, key), key}, anchor_.depth == 1);
    }
    for (; cursor.valid(); cursor.next()) {
      const auto* object = heap_.at<ObjectRecord>(cursor.record());
      if (anchor_.depth > 1 && object->oid != anchor_.oid) anchor_.depth = 1;
      if (full()) return std::move(found_);
      if (anchor_.depth <= 1) anchor_.oid = object->oid;
      // Nothing written where the two views part.
      if (object->newest_epoch > common_ && !one_object(*object)) return std::move(found_);
      anchor_.depth = 1;
    }
    anchor_.end = true;
    return std::move(found_);
  }

 private:
  // Nothing more fits, or enough was looked at: the anchor says where to go on.
  bool full() { return found_.size() >= limit_ || ++looks_ > kLooksMax; }

  // False: the page is full, here and below.
  bool one_object(const ObjectRecord& object) {
    const Result<KeyKinds> known = key_kinds(object.oid);
    const KeyKinds kinds = known.ok() ? *known : KeyKinds{};
    const ReadPoint before = store_.below(before_, object.punches),
                    after = store_.below(after_, object.punches);
    TreeCursor cursor(heap_, {Keyed::kDkey, kinds.dkey}, object.dkeys);
    if (anchor_.depth <= 1)
      cursor.first();
    else
      cursor.seek({key_prefix(kinds.dkey, anchor_.dkey), ByteView(anchor_.dkey)},
                  anchor_.depth == 2);
    for (; cursor.valid(); cursor.next()) {
      KeyScratch scratch;
      const ByteView key = record_key(heap_, Keyed::kDkey, cursor.record(), scratch);
      if (anchor_.depth > 2 && !std::ranges::equal(key, anchor_.dkey)) anchor_.depth = 2;
      // With nothing of the object done, depth 1 would leave it out.
      if (anchor_.depth > 1 && full()) return false;
      if (anchor_.depth <= 2) assign(anchor_.dkey, key);
      const auto* dkey = heap_.at<DkeyRecord>(cursor.record());
      if (!one_dkey(*dkey, kinds, store_.below(before, dkey->punches),
                    store_.below(after, dkey->punches)))
        return false;
      anchor_.depth = 2;
    }
    return true;
  }

  bool one_dkey(const DkeyRecord& dkey, KeyKinds kinds, const ReadPoint& before,
                const ReadPoint& after) {
    TreeCursor cursor(heap_, {Keyed::kAkey, kinds.akey}, dkey.akeys);
    if (anchor_.depth <= 2)
      cursor.first();
    else
      cursor.seek({key_prefix(kinds.akey, anchor_.akey), ByteView(anchor_.akey)},
                  anchor_.depth == 3);
    for (; cursor.valid(); cursor.next()) {
      KeyScratch scratch;
      const ByteView key = record_key(heap_, Keyed::kAkey, cursor.record(), scratch);
      if (anchor_.depth > 3 && !std::ranges::equal(key, anchor_.akey)) anchor_.depth = 3;
      if (anchor_.depth > 2 && full()) return false;
      if (anchor_.depth <= 3) assign(anchor_.akey, key);
      if (!one_akey(*heap_.at<AkeyRecord>(cursor.record()), before, after)) return false;
      anchor_.depth = 3;
    }
    return true;
  }

  bool one_akey(const AkeyRecord& akey, const ReadPoint& before, const ReadPoint& after) {
    const size_t first = found_.size();
    bool done = true;
    if (static_cast<ValueKind>(akey.kind) == ValueKind::kSingle) {
      const VersionRecord* was = visible_version(heap_, akey.value, before);
      const VersionRecord* is = visible_version(heap_, akey.value, after);
      if (was != is) {
        Difference one;
        one.kind = ValueKind::kSingle;
        one.before = was != nullptr;
        one.after = is != nullptr;
        found_.push_back(std::move(one));
      }
    } else {
      const auto& array = *heap_.at<ArrayRecord>(akey.value);
      uint64_t from = anchor_.depth == 4 ? anchor_.index : 0;
      const ArrayView old_view(heap_, array, akey.record_size, before),
          new_view(heap_, array, akey.record_size, after);
      done = RangeDiff(old_view, new_view).list(from, limit_, found_);
      if (!done) {
        anchor_.depth = 4;
        anchor_.index = from;
      }
    }
    for (size_t i = first; i < found_.size(); ++i) {
      found_[i].oid = anchor_.oid;
      found_[i].dkey = anchor_.dkey;
      found_[i].akey = anchor_.akey;
    }
    return done;
  }

  const StoreImpl& store_;
  const Heap& heap_;
  const ReadPoint before_, after_;
  const uint64_t common_;
  DiffAnchor& anchor_;
  const uint32_t limit_;
  uint32_t looks_ = 0;
  std::vector<Difference> found_;
};

Result<std::vector<Difference>> StoreImpl::diff(Container& container, Epoch from, Epoch to,
                                                DiffAnchor& anchor, uint32_t limit) {
  if (limit == 0)
    return Error(Code::kInvalid, "a list of at most 0 differences: ask for one at least");
  if (from > to)
    return Error(Code::kInvalid, "the differences between epochs " + std::to_string(from.value) +
                                     " and " + std::to_string(to.value) +
                                     ": name the older one first");
  VARVE_CHECK(check_readable(container, from.value));
  VARVE_CHECK(check_readable(container, to.value));
  for (const Ref transaction : container.prepared)
    if (transaction_at(transaction)->epoch <= to.value && transaction_at(transaction)->entries > 0)
      return in_progress(transaction);
  if (anchor.end) return std::vector<Difference>();
  return DiffWalk(*this, container, from.value, to.value, anchor, limit)
      .go(record(container)->objects);
}

}  // namespace varve::store
