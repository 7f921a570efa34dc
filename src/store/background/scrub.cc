// What is stored, run by run, for those who compare it; and the mark of what is damaged.
#include "store/store_impl.h"

namespace varve::store {

namespace {

// Readers of the device take so much at a time.
constexpr uint64_t kBytesAtOnce = 4 * kMiB;

void assign(Buffer& buffer, ByteView bytes) { buffer.assign(bytes.begin(), bytes.end()); }

// The record in hand, or the first behind the last one; null at the end.
template <class Record>
Record* record_at(const Heap& heap, const Order& order, const TreeRoot& root, ByteView key,
                  bool have_key, bool after) {
  TreeCursor cursor(heap, order, root);
  if (have_key)
    cursor.seek({key_prefix(order.kind, key), key}, after);
  else
    cursor.first();
  return cursor.valid() ? heap.at<Record>(cursor.record()) : nullptr;
}

class Scrub {
 public:
  Scrub(const Heap& heap, const ChecksumFormat& format, ScrubCursor& at, uint32_t budget,
        std::vector<ScrubRun>& runs)
      : heap_(heap), format_(format), at_(at), budget_(budget), runs_(runs) {}

  // Each goes on where the cursor is; true: to the end.
  bool objects(const TreeRoot& root) {
    const Order order{Keyed::kObject, KeyKind::kHashed};
    while (auto* object = record_at<ObjectRecord>(heap_, order, root, bytes_of(at_.oid),
                                                  at_.have_object, !at_.in_object)) {
      if (!spend()) return false;
      if (!at_.in_object || object->oid != at_.oid) at_.in_dkey = at_.have_dkey = false;
      at_.oid = object->oid;
      at_.have_object = at_.in_object = true;
      const Result<KeyKinds> kinds = key_kinds(object->oid);
      if (!dkeys(object->dkeys, kinds.ok() ? *kinds : KeyKinds{})) return false;
      at_.in_object = false;
    }
    return true;
  }

 private:
  bool spend() {
    if (budget_ == 0 || bytes_ >= kBytesAtOnce) return false;
    --budget_;
    return true;
  }

  bool dkeys(const TreeRoot& root, KeyKinds kinds) {
    const Order order{Keyed::kDkey, kinds.dkey};
    KeyScratch scratch;
    while (auto* dkey = record_at<DkeyRecord>(heap_, order, root, at_.dkey, at_.have_dkey,
                                              !at_.in_dkey)) {
      if (!spend()) return false;
      const ByteView key = record_key(heap_, Keyed::kDkey, heap_.ref(dkey), scratch);
      if (!at_.in_dkey || as_text(key) != as_text(at_.dkey)) at_.in_akey = at_.have_akey = false;
      assign(at_.dkey, key);
      at_.have_dkey = at_.in_dkey = true;
      if (!akeys(dkey->akeys, kinds.akey)) return false;
      at_.in_dkey = false;
    }
    return true;
  }

  bool akeys(const TreeRoot& root, KeyKind kind) {
    const Order order{Keyed::kAkey, kind};
    KeyScratch scratch;
    while (auto* akey = record_at<AkeyRecord>(heap_, order, root, at_.akey, at_.have_akey,
                                              !at_.in_akey)) {
      if (!spend()) return false;
      const ByteView key = record_key(heap_, Keyed::kAkey, heap_.ref(akey), scratch);
      if (!at_.in_akey || as_text(key) != as_text(at_.akey)) {
        at_.size_class = 0;
        at_.next_index = 0;
      }
      assign(at_.akey, key);
      at_.have_akey = at_.in_akey = true;
      if (static_cast<ValueKind>(akey->kind) == ValueKind::kSingle)
        versions(akey->value);
      else if (!extents(*heap_.at<ArrayRecord>(akey->value), akey->record_size))
        return false;
      at_.in_akey = false;
    }
    return true;
  }

  void versions(Ref first) {
    for (Ref ref = first; ref; ref = heap_.at<VersionRecord>(ref)->older) {
      const auto* version = heap_.at<VersionRecord>(ref);
      if (static_cast<DataKind>(version->kind) != DataKind::kPunch)
        add(found_value(*version), version->stamp(), ValueKind::kSingle);
    }
  }

  // All of one index together, so that the next one is where to go on.
  bool extents(const ArrayRecord& array, uint32_t record_size) {
    const ArrayView view(heap_, array, record_size, {});
    for (; at_.size_class < kArrayClasses; ++at_.size_class, at_.next_index = 0) {
      TreeCursor cursor(heap_, array_order(array), array.extents[at_.size_class]);
      cursor.seek({at_.next_index, {}}, false);
      uint64_t last = ~0ULL;
      for (; cursor.valid(); cursor.next()) {
        const uint64_t index = cursor.prefix();
        if (index != last && !spend()) {
          at_.next_index = index;
          return false;
        }
        last = index;
        const auto* extent = heap_.at<ExtentRecord>(cursor.record());
        if (static_cast<DataKind>(extent->kind) == DataKind::kPunch) continue;
        const Piece whole{index, extent_end(index, *extent), cursor.record(), index,
                          extent->stamp()};
        add(view.found(whole), extent->stamp(), ValueKind::kArray);
      }
    }
    return true;
  }

  void add(const FoundPiece& found, Stamp stamp, ValueKind kind) {
    if (found.corrupt || found.run_checksums.empty()) return;
    const bool inlined = found.kind == FoundPiece::Kind::kInline;
    if (inlined && find_damage(found.run, found.run_checksums, format_) == found.run_length) return;
    ScrubRun& run = runs_.emplace_back();
    run.oid = at_.oid;
    run.dkey = at_.dkey;
    run.akey = at_.akey;
    run.kind = kind;
    run.index = found.run_index;
    run.epoch = stamp.epoch;
    run.minor = stamp.minor;
    run.inlined = inlined;
    run.offset = found.run_offset;
    run.length = found.run_length;
    run.checksums.assign(found.run_checksums.begin(), found.run_checksums.end());
    bytes_ += run.length;
  }

  const Heap& heap_;
  const ChecksumFormat& format_;
  ScrubCursor& at_;
  uint32_t budget_;
  uint64_t bytes_ = 0;
  std::vector<ScrubRun>& runs_;
};

template <class Record>
bool is_run(const Record& record, const ScrubRun& run, uint64_t offset) {
  return record.stamp() == Stamp{run.epoch, run.minor} && !(record.flags & kFlagCorrupt) &&
         (static_cast<DataKind>(record.kind) == DataKind::kInline) == run.inlined &&
         (run.inlined || offset == run.offset);
}

// The flags of the run's record; null if there is none.
uint8_t* find_flags(const Heap& heap, const AkeyRecord& akey, const ScrubRun& run) {
  if (run.kind == ValueKind::kSingle) {
    for (Ref ref = akey.value; ref; ref = heap.at<VersionRecord>(ref)->older) {
      auto* version = heap.at<VersionRecord>(ref);
      if (static_cast<DataKind>(version->kind) != DataKind::kPunch &&
          is_run(*version, run, found_value(*version).run_offset))
        return &version->flags;
    }
    return nullptr;
  }
  uint8_t* flags = nullptr;
  const ArrayView view(heap, *heap.at<ArrayRecord>(akey.value), akey.record_size, {});
  view.visit_overlapping(run.index, run.index + 1, [&](uint64_t index, Ref ref) {
    auto* extent = heap.at<ExtentRecord>(ref);
    const bool data = static_cast<DataKind>(extent->kind) != DataKind::kPunch;
    if (data && index == run.index && is_run(*extent, run, unpack_place(extent->place).offset))
      flags = &extent->flags;
    return flags == nullptr;
  });
  return flags;
}

}  // namespace

bool StoreImpl::scrub(const Container& container, ScrubCursor& cursor, uint32_t budget,
                      std::vector<ScrubRun>& runs) const {
  Scrub scrub(heap_, container.integrity.checksums, cursor, budget, runs);
  return !scrub.objects(record(container)->objects);
}

Result<Lsn> StoreImpl::mark_corrupt(Container& container, const ScrubRun& run) {
  VARVE_TRY(const Located at, locate(container, run.oid, ~0ULL, run.dkey, nullptr));
  const AkeyRecord* akey = at.dkey ? find_akey(*at.dkey, at.kinds.akey, run.akey) : nullptr;
  uint8_t* flags = akey && static_cast<ValueKind>(akey->kind) == run.kind
                       ? find_flags(heap_, *akey, run)
                       : nullptr;
  if (!flags) return Error(Code::kNonexistent);
  heap_.begin(true);
  heap_.set(*flags, static_cast<uint8_t>(*flags | kFlagCorrupt));
  return heap_.volume().commit();
}

}  // namespace varve::store
