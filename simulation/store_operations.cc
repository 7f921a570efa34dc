#include "simulation/store_operations.h"

#include <algorithm>
#include <tuple>

#include "device/device.h"

namespace varve::simulation {

namespace {

constexpr uint64_t kArrayRecords = 48;  // most writes are below
constexpr uint64_t kFarIndex = uint64_t{1} << 41;

std::string make_key(KeyKind kind, uint64_t number) {
  if (kind == KeyKind::kInteger) {
    number *= 3;
    return std::string(reinterpret_cast<const char*>(&number), 8);
  }
  if (kind == KeyKind::kHashed) return "key " + std::to_string(number);
  // Long common prefixes, and keys that are prefixes of others.
  return "directory/" + std::string(number % 4, 'x') + (number % 5 ? std::to_string(number) : "") +
         std::string(number / 5 % 3, 'y') + std::string(number / 60, 'z') + (number ? "" : "0");
}

std::string make_bytes(Random& random, uint64_t length) {
  std::string bytes(length, 0);
  const uint64_t first = random.next();
  for (uint64_t i = 0; i < length; ++i) bytes[i] = static_cast<char>('a' + (first + i * 7) % 26);
  return bytes;
}

ByteView view(const std::string& text) { return as_bytes(std::string_view(text)); }

std::string readable(const std::string& key) {
  std::string text;
  for (const char c : key)
    text += c >= 32 && c < 127 ? std::string(1, c)
                               : "\\" + std::to_string(static_cast<unsigned char>(c));
  return text;
}

}  // namespace

StoreShape::StoreShape(Random& random) {
  constexpr uint64_t kTypes[] = {0, 4, 7, 2, 6};
  const uint64_t dkeys = random.one_in(4) ? 150 : random.one_in(2) ? 12 : 3;
  const uint64_t akeys = random.one_in(10) ? 60 : 4;
  long_values_ = random.one_in(3);
  for (uint64_t number = 0; number < 1 + random.below(4); ++number) {
    Object object;
    object.oid = {number + 1, kTypes[random.below(5)] << 56};
    object.kinds = *key_kinds(object.oid);
    for (uint64_t i = 0; i < dkeys; ++i) object.dkeys.push_back(make_key(object.kinds.dkey, i));
    for (uint64_t i = 0; i < akeys; ++i) {
      const bool array = i % 2 == 1;
      object.akeys.push_back({make_key(object.kinds.akey, i),
                              array ? ValueKind::kArray : ValueKind::kSingle,
                              static_cast<uint32_t>(array ? 1 + i % 4 * 2 : 1)});
    }
    objects_.push_back(std::move(object));
  }
}

uint64_t StoreShape::conditions(Random& random) const {
  if (!random.one_in(5)) return 0;
  constexpr uint64_t kAny[] = {kCondDkeyInsert, kCondDkeyUpdate, kCondAkeyInsert, kCondAkeyUpdate};
  return kAny[random.below(4)];
}

ModelPiece StoreShape::piece(Random& random, uint32_t record_size, uint64_t from) const {
  ModelPiece piece;
  piece.index = from + random.below(kArrayRecords / 2);
  piece.count = 1 + random.below(kArrayRecords / 3);
  if (long_values_ && random.one_in(12)) piece.count = 3000 + random.below(40000);
  if (random.one_in(5)) {
    if (random.one_in(3)) piece.count = uint64_t{1} << (20 + random.below(30));
    return piece;
  }
  piece.bytes = make_bytes(random, piece.count * record_size);
  return piece;
}

ModelOperation StoreShape::update(Random& random, uint64_t epoch) const {
  ModelOperation operation;
  const Object& object = objects_[random.below(objects_.size())];
  operation.oid = object.oid;
  operation.epoch = epoch;
  operation.conditions = conditions(random);
  operation.dkey = object.dkeys[random.below(object.dkeys.size())];
  if (random.one_in(10)) operation.conditions |= kCondPerAkey;
  const uint64_t count =
      random.one_in(3) ? 1 + random.below(std::min<uint64_t>(12, object.akeys.size())) : 1;
  const uint64_t first = random.below(object.akeys.size());
  for (uint64_t i = 0; i < count; ++i) {
    const Akey& akey = object.akeys[(first + i) % object.akeys.size()];
    ModelAkeyUpdate update;
    update.akey = akey.key;
    update.kind = akey.kind;
    update.record_size = akey.record_size;
    update.conditions = conditions(random) & (kCondAkeyInsert | kCondAkeyUpdate);
    if (akey.kind == ValueKind::kSingle) {
      const uint64_t length = random.one_in(8) ? 0 : 1 + random.below(random.one_in(5) ? 900 : 40);
      update.value = make_bytes(random, long_values_ && random.one_in(10) ? 70000 : length);
    } else {
      uint64_t from = random.one_in(20) ? kFarIndex : 0;
      for (uint64_t pieces = random.one_in(3) ? 1 + random.below(4) : 1; pieces > 0; --pieces) {
        update.pieces.push_back(piece(random, akey.record_size, from));
        from = update.pieces.back().index + update.pieces.back().count;
      }
      if (random.one_in(2)) std::reverse(update.pieces.begin(), update.pieces.end());
    }
    operation.akeys.push_back(std::move(update));
  }
  return operation;
}

ModelOperation StoreShape::punch(Random& random, uint64_t epoch) const {
  ModelOperation operation;
  const Object& object = objects_[random.below(objects_.size())];
  operation.oid = object.oid;
  operation.epoch = epoch;
  if (random.one_in(3)) operation.conditions = kCondPunch;
  operation.dkey = object.dkeys[random.below(object.dkeys.size())];
  const uint64_t dice = random.below(8);
  operation.kind = dice == 0  ? ModelOperation::Kind::kPunchObject
                   : dice < 4 ? ModelOperation::Kind::kPunchDkey
                              : ModelOperation::Kind::kPunchAkeys;
  if (operation.kind != ModelOperation::Kind::kPunchAkeys) return operation;
  const uint64_t first = random.below(object.akeys.size());
  for (uint64_t i = 0; i < 1 + random.below(3) && i < object.akeys.size(); ++i) {
    ModelAkeyUpdate akey;
    akey.akey = object.akeys[(first + i) % object.akeys.size()].key;
    operation.akeys.push_back(akey);
  }
  return operation;
}

std::vector<uint32_t> checksum_run_of(const std::string& bytes) {
  const ByteView piece = view(bytes);
  return checksum_run(Gather(&piece, 1));
}

Data StoreUpdate::Value::data() const {
  Data data;
  data.length = bytes.size();
  if (extent.offset)
    data.extent = extent;
  else
    data.bytes = view(bytes);
  data.checksums = checksums;
  return data;
}

StoreUpdate::StoreUpdate(const ModelOperation& operation, Random& random) : operation_(operation) {
  for (const ModelAkeyUpdate& akey : operation_.akeys) {
    if (akey.kind == ValueKind::kSingle) values_.push_back({akey.value, {}, {}, false});
    for (const ModelPiece& piece : akey.pieces) values_.push_back({piece.bytes, {}, {}, false});
  }
  for (Value& value : values_) value.prefers_extent = !value.bytes.empty() && random.one_in(10);
}

void StoreUpdate::build() {
  size_t next = 0;
  pieces_.resize(operation_.akeys.size());
  for (size_t i = 0; i < operation_.akeys.size(); ++i) {
    const ModelAkeyUpdate& from = operation_.akeys[i];
    AkeyUpdate akey;
    akey.akey = view(from.akey);
    akey.kind = from.kind;
    akey.record_size = from.record_size;
    akey.conditions = from.conditions;
    if (from.kind == ValueKind::kSingle) akey.single = values_[next++].data();
    for (const ModelPiece& piece : from.pieces)
      pieces_[i].push_back({piece.index, piece.count, values_[next++].data()});
    akey.pieces = pieces_[i];
    akeys_.push_back(akey);
  }
  update = {operation_.oid, Epoch{operation_.epoch}, view(operation_.dkey), operation_.conditions,
            akeys_, operation_.transaction, Epoch{operation_.uncertain_until}};
}

StorePunch::StorePunch(const ModelOperation& operation) : dkey_(operation.dkey) {
  for (const ModelAkeyUpdate& akey : operation.akeys) names_.push_back(akey.akey);
  for (const std::string& name : names_) akeys_.push_back(view(name));
  punch.scope = operation.kind == ModelOperation::Kind::kPunchObject ? Punch::Scope::kObject
                : operation.kind == ModelOperation::Kind::kPunchDkey ? Punch::Scope::kDkey
                                                                     : Punch::Scope::kAkeys;
  punch.oid = operation.oid;
  punch.epoch = Epoch{operation.epoch};
  punch.conditions = operation.conditions;
  punch.dkey = view(dkey_);
  punch.akeys = akeys_;
  punch.transaction = operation.transaction;
  punch.uncertain_until = Epoch{operation.uncertain_until};
}

std::string describe(const ModelOperation& operation) {
  constexpr const char* kKinds[] = {"update", "punch object", "punch dkey", "punch akeys",
                                    "rollback", "commit", "abort", "forget"};
  std::string text = kKinds[static_cast<int>(operation.kind)];
  if (!operation.transaction.is_null())
    text = "transaction " + std::to_string(operation.transaction.low) + ": " + text;
  if (operation.kind >= ModelOperation::Kind::kCommit) return text;
  if (operation.kind == ModelOperation::Kind::kRollback)
    return text + " to " + std::to_string(operation.rollback_to) + " at " +
           std::to_string(operation.epoch);
  text += " " + operation.oid.to_string() + " at " + std::to_string(operation.epoch) +
          (operation.uncertain_until ? " to " + std::to_string(operation.uncertain_until) : "") +
          " conditions " + std::to_string(operation.conditions) + " dkey '" +
          readable(operation.dkey) + "'";
  for (const ModelAkeyUpdate& akey : operation.akeys) {
    text += " '" + readable(akey.akey) + "'";
    if (akey.kind == ValueKind::kSingle) text += ":" + std::to_string(akey.value.size()) + "B";
    for (const ModelPiece& piece : akey.pieces)
      text += (piece.bytes.empty() ? " punch[" : " [") + std::to_string(piece.index) + "+" +
              std::to_string(piece.count) + "]";
  }
  return text;
}

namespace {

class Comparison {
 public:
  // `unsure`: there are other worlds.
  Comparison(Store& store, Container& container, const ReferenceModel& model, bool unsure,
             const ReadAt& at, Random& random, const ReadDevice& read)
      : store_(store),
        container_(container),
        model_(model),
        unsure_(unsure),
        at_(at),
        epoch_(at.epoch.value),
        random_(random),
        read_(read) {}

  std::string go(const StoreShape& shape) {
    compare_objects();
    for (const StoreShape::Object& object : shape.objects()) compare_object(object);
    return difference_;
  }

 private:
  void differ(std::string what) {
    if (difference_.empty()) difference_ = std::move(what);
  }
  // The store may not know, where the model does not.
  template <class T>
  bool unknown(const Result<T>& result) const {
    return unsure_ && result.code() == Code::kInProgress;
  }
  uint32_t page() { return static_cast<uint32_t>(1 + random_.below(random_.one_in(2) ? 5 : 300)); }

  void compare_objects() {
    std::vector<ObjectId> found;
    for (Anchor anchor; !anchor.end;) {
      const auto listed = store_.list_objects(container_, at_, anchor, page());
      if (unknown(listed)) return;
      if (!listed.ok()) return differ("list_objects: " + listed.error().describe());
      found.insert(found.end(), listed->begin(), listed->end());
    }
    std::sort(found.begin(), found.end());
    if (found != model_.objects(epoch_)) differ("the lists of objects differ");
  }

  void compare_object(const StoreShape::Object& object) {
    const std::vector<std::string> expected = model_.dkeys(object.oid, epoch_);
    std::vector<std::string> found;
    bool known = true;
    for (Anchor anchor; known && !anchor.end;) {
      const auto listed = store_.list_dkeys(container_, object.oid, at_, anchor, page());
      known = !unknown(listed);
      if (!known) break;
      if (!listed.ok()) return differ("list_dkeys: " + listed.error().describe());
      for (const ListedKey& key : *listed) found.emplace_back(as_text(key.key));
    }
    if (known)
      compare_keys(object.kinds.dkey, expected, found, "dkeys of " + object.oid.to_string());
    for (const std::string& dkey : expected) compare_dkey(object, dkey);
    const std::string& other = object.dkeys[random_.below(object.dkeys.size())];
    compare_dkey(object, other);
    if (object.kinds.dkey == KeyKind::kHashed) return;
    QueryFlags flags;
    flags.max_dkey = random_.one_in(2);
    flags.min_dkey = !flags.max_dkey;
    const auto edge = store_.query(container_, object.oid, at_, {}, {}, flags);
    if (unknown(edge)) return;
    if (edge.ok() != !expected.empty()) return differ("query of the outermost dkey");
    if (known && edge.ok() && !found.empty() &&
        as_text(edge->dkey) != (flags.max_dkey ? found.back() : found.front()))
      differ("the outermost dkey is another");
  }

  void compare_keys(KeyKind kind, std::vector<std::string> expected, std::vector<std::string> found,
                    const std::string& what) {
    const auto below = [&](const std::string& a, const std::string& b) {
      if (kind != KeyKind::kInteger) return a < b;
      uint64_t left, right;
      std::memcpy(&left, a.data(), 8);
      std::memcpy(&right, b.data(), 8);
      return left < right;
    };
    if (kind == KeyKind::kHashed) std::sort(found.begin(), found.end(), below);
    std::sort(expected.begin(), expected.end(), below);
    if (found == expected) return;
    std::string text = "the lists of " + what + " differ; store:";
    for (const std::string& key : found) text += " '" + readable(key) + "'";
    text += " model:";
    for (const std::string& key : expected) text += " '" + readable(key) + "'";
    differ(text);
  }

  void compare_dkey(const StoreShape::Object& object, const std::string& dkey) {
    std::vector<std::string> found;
    bool known = true;
    for (Anchor anchor; known && !anchor.end;) {
      const auto listed =
          store_.list_akeys(container_, object.oid, view(dkey), at_, anchor, page());
      known = !unknown(listed);
      if (!known) break;
      if (!listed.ok()) return differ("list_akeys: " + listed.error().describe());
      for (const ListedKey& key : *listed) found.emplace_back(as_text(key.key));
    }
    const std::string where = object.oid.to_string() + " '" + readable(dkey) + "'";
    if (known)
      compare_keys(object.kinds.akey, model_.akeys(object.oid, dkey, epoch_), found,
                   "akeys of " + where);
    compare_values(object, dkey, where);
  }

  void compare_values(const StoreShape::Object& object, const std::string& dkey,
                      const std::string& where) {
    std::vector<AkeyFetch> fetches(object.akeys.size());
    std::vector<std::vector<std::pair<uint64_t, uint64_t>>> ranges(object.akeys.size());
    for (size_t i = 0; i < fetches.size(); ++i) {
      const StoreShape::Akey& akey = object.akeys[i];
      fetches[i].akey = view(akey.key);
      fetches[i].kind = akey.kind;
      if (akey.kind == ValueKind::kSingle) continue;
      const uint64_t end = model_.array_end(object.oid, dkey, akey.key, epoch_);
      ranges[i].push_back({0, std::min(end + 3, kArrayRecords * 3)});
      ranges[i].push_back({kFarIndex + random_.below(5), kArrayRecords});
      if (end > 100 && end < kFarIndex)
        ranges[i].push_back({random_.below(end), 1 + random_.below(300)});
      fetches[i].ranges = ranges[i];
      compare_end(object, dkey, akey, end, where);
    }
    Result<void> result = fetch_some(object, dkey, fetches);
    const bool all = !unknown(result);
    if (all && !result.ok()) return differ("fetch of " + where + ": " + result.error().describe());
    for (size_t i = 0; i < fetches.size(); ++i) {
      // What all together cannot tell, one may.
      if (!all) result = fetch_some(object, dkey, {&fetches[i], 1});
      if (!all && unknown(result)) continue;
      if (!result.ok()) return differ("fetch of " + where + ": " + result.error().describe());
      const StoreShape::Akey& akey = object.akeys[i];
      const std::string what = where + " '" + readable(akey.key) + "'";
      if (fetches[i].found != model_.akey_visible(object.oid, dkey, akey.key, epoch_)) {
        differ(what + (fetches[i].found ? " is there" : " is not there"));
      } else if (fetches[i].found) {
        if (akey.kind == ValueKind::kSingle)
          compare_single(object, dkey, akey, fetches[i], what);
        else
          compare_array(object, dkey, akey, fetches[i], what);
      }
    }
  }

  Result<void> fetch_some(const StoreShape::Object& object, const std::string& dkey,
                          std::span<AkeyFetch> akeys) {
    Fetch fetch{object.oid, at_.epoch, view(dkey), 0, akeys, at_.transaction};
    Result<void> result;
    if (random_.one_in(2))
      result = store_.fetch(container_, fetch);
    else
      store_.fetch_batch(container_, {&fetch, 1}, {&result, 1});
    return result;
  }

  void compare_end(const StoreShape::Object& object, const std::string& dkey,
                   const StoreShape::Akey& akey, uint64_t end, const std::string& where) {
    const auto edge = store_.query(container_, object.oid, at_, view(dkey),
                                   view(akey.key), {.max_recx = true});
    if (unknown(edge)) return;
    const uint64_t found = edge.ok() ? edge->recx_index + edge->recx_count : 0;
    if (found != end)
      differ("the array " + where + " '" + readable(akey.key) + "' ends at " +
             std::to_string(found) + ", in the model at " + std::to_string(end));
    uint64_t last = 0;
    for (Anchor anchor; !anchor.end;) {
      const auto listed = store_.list_ranges(container_, object.oid, view(dkey), view(akey.key),
                                             at_, anchor, page());
      if (unknown(listed)) return;
      if (!listed.ok()) return differ("list_ranges: " + listed.error().describe());
      for (const ListedRange& range : *listed) {
        if (range.index < last) return differ("list_ranges of " + where + " is not in order");
        last = range.index + range.count;
        const ReferenceModel::Records records =
            model_.records(object.oid, dkey, akey.key, epoch_);
        if (!records(range.index) || !records(last - 1))
          return differ("list_ranges of " + where + " lists a hole");
      }
    }
    if (last != end) differ("list_ranges of " + where + " ends elsewhere");
  }

  // The bytes of a piece, checked; false if the device went away.
  bool bytes_of_piece(const FoundPiece& piece, std::string& bytes) {
    Buffer buffer;
    ByteView run = piece.run;
    device::AlignedBuffer aligned;
    if (piece.kind == FoundPiece::Kind::kExtent) {
      aligned = device::AlignedBuffer(piece.run_length);
      run = aligned.view(piece.run_length);
      // A flipped bit must be seen, and is gone the next time.
      for (int attempt = 0; attempt < 30; ++attempt) {
        if (!read_(piece.run_offset, aligned.view())) return false;
        if (verify_run(run, piece.run_checksums).ok()) break;
      }
    } else if (piece.bytes.data() != piece.run.data() + piece.skip ||
               piece.bytes.size() != piece.length) {
      differ("a piece does not lie in its run");
    }
    const Result<void> verified = verify_run(run, piece.run_checksums);
    if (!verified.ok()) differ(verified.error().describe());
    if (piece.run_checksums.empty()) differ("a stored run has no checksums");
    bytes = as_text(run.subspan(piece.skip, piece.length));
    return true;
  }

  void compare_single(const StoreShape::Object& object, const std::string& dkey,
                      const StoreShape::Akey& akey, const AkeyFetch& fetch,
                      const std::string& what) {
    const std::string* expected = model_.single(object.oid, dkey, akey.key, epoch_);
    std::string bytes;
    if (fetch.pieces.size() != 1) return differ(what + " has no value");
    if (!bytes_of_piece(fetch.pieces[0], bytes)) return;
    if (bytes != *expected) differ(what + " has another value");
    if (fetch.record_size != expected->size()) differ(what + " has another size");
  }

  void compare_array(const StoreShape::Object& object, const std::string& dkey,
                     const StoreShape::Akey& akey, const AkeyFetch& fetch,
                     const std::string& what) {
    size_t next = 0;
    const ReferenceModel::Records record_at =
        model_.records(object.oid, dkey, akey.key, epoch_);
    for (const auto& [index, count] : fetch.ranges) {
      for (uint64_t at = index; at < index + count;) {
        if (next == fetch.pieces.size()) return differ(what + ": pieces are missing");
        const FoundPiece& piece = fetch.pieces[next++];
        const uint64_t records = piece.length / akey.record_size;
        std::string bytes;
        const bool hole = piece.kind == FoundPiece::Kind::kHole;
        if (!hole && !bytes_of_piece(piece, bytes)) return;
        for (uint64_t i = 0; i < records; ++i, ++at) {
          const char* expected = record_at(at);
          if (hole != !expected)
            return differ(what + " record " + std::to_string(at) +
                          (hole ? " is a hole" : " is no hole"));
          if (expected &&
              std::memcmp(expected, bytes.data() + i * akey.record_size, akey.record_size) != 0)
            return differ(what + " record " + std::to_string(at) + " has another value");
        }
      }
    }
  }

  Store& store_;
  Container& container_;
  const ReferenceModel& model_;
  const bool unsure_;
  const ReadAt at_;
  const uint64_t epoch_;
  Random& random_;
  const ReadDevice& read_;
  std::string difference_;
};

}  // namespace

std::string compare_store(Store& store, Container& container,
                          const std::vector<ReferenceModel>& worlds, const StoreShape& shape,
                          const ReadAt& at, Random& random, const ReadDevice& read) {
  for (const ReferenceModel& world : worlds) {
    std::string difference =
        Comparison(store, container, world, worlds.size() > 1, at, random, read).go(shape);
    if (!difference.empty()) return difference;
  }
  return {};
}

namespace {
bool comes_before(const Difference& a, const Difference& b) {
  return std::tie(a.oid, a.dkey, a.akey, a.index) < std::tie(b.oid, b.dkey, b.akey, b.index);
}
bool same(const Difference& a, const Difference& b) {
  return !comes_before(a, b) && !comes_before(b, a) && a.kind == b.kind && a.count == b.count &&
         a.before == b.before && a.after == b.after;
}
std::string describe(const std::vector<Difference>& all, const char* whose) {
  std::string text = whose;
  for (const Difference& one : all)
    text += "\n  " + one.oid.to_string() + " '" + readable(std::string(as_text(one.dkey))) + "' '" +
            readable(std::string(as_text(one.akey))) + "' [" + std::to_string(one.index) + "+" +
            std::to_string(one.count) + "] " + (one.before ? "was" : "-") + " " +
            (one.after ? "is" : "-");
  return text;
}
}  // namespace

std::string compare_differences(Store& store, Container& container,
                                const std::vector<ReferenceModel>& worlds, uint64_t from,
                                uint64_t to, Random& random) {
  std::vector<Difference> found;
  for (DiffAnchor anchor; !anchor.end;) {
    const auto limit = static_cast<uint32_t>(1 + random.below(random.one_in(2) ? 3 : 100));
    auto page = store.diff(container, Epoch{from}, Epoch{to}, anchor, limit);
    if (page.code() == Code::kInProgress && worlds.size() > 1) return {};
    if (!page.ok()) return "diff: " + page.error().describe();
    if (page->size() > limit) return "a page of differences is longer than was asked for";
    for (Difference& one : *page) {
      // A page may end within a run of records.
      Difference* last = found.empty() ? nullptr : &found.back();
      if (last && one.kind == ValueKind::kArray && last->oid == one.oid && last->dkey == one.dkey &&
          last->akey == one.akey && last->index + last->count == one.index &&
          last->before == one.before && last->after == one.after)
        last->count += one.count;
      else
        found.push_back(std::move(one));
    }
  }
  std::stable_sort(found.begin(), found.end(), comes_before);
  for (const ReferenceModel& world : worlds) {
    const std::vector<Difference> expected = world.differences(from, to);
    if (!std::equal(found.begin(), found.end(), expected.begin(), expected.end(), same))
      return describe(found, "differences, store:") + describe(expected, "\nmodel:");
  }
  return {};
}

}  // namespace varve::simulation
