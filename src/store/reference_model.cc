#include "store/reference_model.h"

#include <algorithm>
#include <tuple>

namespace varve::store {

namespace {
Stamp newest_below(const std::vector<Stamp>& punches, uint64_t epoch) {
  Stamp newest;
  for (const Stamp punch : punches)
    if (punch.epoch <= epoch) newest = std::max(newest, punch);
  return newest;
}
bool has_data(const ModelAkeyUpdate& update) {
  if (update.kind == ValueKind::kSingle) return !update.value.empty();
  return std::any_of(update.pieces.begin(), update.pieces.end(),
                     [](const ModelPiece& piece) { return !piece.bytes.empty(); });
}
}  // namespace

ReferenceModel::Found ReferenceModel::find(ObjectId oid, const std::string& dkey,
                                           const std::string& akey, uint64_t epoch) const {
  Found found;
  const Objects& objects = objects_at(epoch);
  const auto object = objects.find(oid);
  if (object == objects.end()) return found;
  found.object = &*object->second;
  found.floor = newest_below(found.object->punches, epoch);
  const auto under = found.object->dkeys.find(dkey);
  if (under == found.object->dkeys.end()) return found;
  found.dkey = &*under->second;
  found.floor = std::max(found.floor, newest_below(found.dkey->punches, epoch));
  const auto last = found.dkey->akeys.find(akey);
  if (last != found.dkey->akeys.end()) found.akey = &last->second;
  return found;
}

const ReferenceModel::Version* ReferenceModel::visible(const Akey& akey, Stamp floor,
                                                       uint64_t epoch) {
  for (const Version& version : akey.versions) {
    if (version.stamp.epoch > epoch) continue;
    return version.stamp > floor && !version.value.empty() ? &version : nullptr;
  }
  return nullptr;
}

const ReferenceModel::Write* ReferenceModel::visible(const Akey& akey, Stamp floor, uint64_t index,
                                                     uint64_t epoch) {
  const Write* newest = nullptr;
  for (const Write& write : akey.writes) {
    if (write.stamp.epoch > epoch || write.stamp <= floor) continue;
    if (index < write.piece.index || index - write.piece.index >= write.piece.count) continue;
    // Of two at one stamp, the punch wins.
    if (!newest || write.stamp > newest->stamp ||
        (write.stamp == newest->stamp && write.piece.bytes.empty()))
      newest = &write;
  }
  return newest && !newest->piece.bytes.empty() ? newest : nullptr;
}

bool ReferenceModel::array_visible(const Akey& akey, Stamp floor, uint64_t epoch) {
  return array_end(akey, floor, epoch) > 0;
}

// The highest visible record is the last of some write, or lies just below where another begins.
uint64_t ReferenceModel::array_end(const Akey& akey, Stamp floor, uint64_t epoch) {
  std::vector<uint64_t> ends;
  for (const Write& write : akey.writes) {
    if (!write.piece.bytes.empty()) ends.push_back(write.piece.index + write.piece.count);
    if (write.piece.index > 0) ends.push_back(write.piece.index);
  }
  std::sort(ends.rbegin(), ends.rend());
  for (const uint64_t end : ends)
    if (visible(akey, floor, end - 1, epoch)) return end;
  return 0;
}

const std::string* ReferenceModel::single(ObjectId oid, const std::string& dkey,
                                          const std::string& akey, uint64_t epoch) const {
  const Found found = find(oid, dkey, akey, epoch);
  const Version* version = found.akey ? visible(*found.akey, found.floor, epoch) : nullptr;
  return version ? &version->value : nullptr;
}

ReferenceModel::Records ReferenceModel::records(ObjectId oid, const std::string& dkey,
                                                const std::string& akey, uint64_t epoch) const {
  return [found = find(oid, dkey, akey, epoch), epoch](uint64_t index) -> const char* {
    const Write* write = found.akey ? visible(*found.akey, found.floor, index, epoch) : nullptr;
    return write ? &write->piece.bytes[(index - write->piece.index) * found.akey->record_size]
                 : nullptr;
  };
}

uint64_t ReferenceModel::array_end(ObjectId oid, const std::string& dkey, const std::string& akey,
                                   uint64_t epoch) const {
  const Found found = find(oid, dkey, akey, epoch);
  return found.akey ? array_end(*found.akey, found.floor, epoch) : 0;
}

bool ReferenceModel::akey_visible(ObjectId oid, const std::string& dkey, const std::string& akey,
                                  uint64_t epoch) const {
  const Found found = find(oid, dkey, akey, epoch);
  if (!found.akey) return false;
  if (found.akey->kind == ValueKind::kSingle) return visible(*found.akey, found.floor, epoch);
  return array_visible(*found.akey, found.floor, epoch);
}

std::vector<std::string> ReferenceModel::akeys(ObjectId oid, const std::string& dkey,
                                               uint64_t epoch) const {
  std::vector<std::string> keys;
  const Found found = find(oid, dkey, "", epoch);
  if (!found.dkey) return keys;
  for (const auto& [key, akey] : found.dkey->akeys)
    if (akey_visible(oid, dkey, key, epoch)) keys.push_back(key);
  return keys;
}

bool ReferenceModel::dkey_visible(ObjectId oid, const std::string& dkey, uint64_t epoch) const {
  return !akeys(oid, dkey, epoch).empty();
}

std::vector<std::string> ReferenceModel::dkeys(ObjectId oid, uint64_t epoch) const {
  std::vector<std::string> keys;
  const Objects& objects = objects_at(epoch);
  const auto object = objects.find(oid);
  if (object == objects.end()) return keys;
  for (const auto& [key, dkey] : object->second->dkeys)
    if (dkey_visible(oid, key, epoch)) keys.push_back(key);
  return keys;
}

std::vector<ObjectId> ReferenceModel::objects(uint64_t epoch) const {
  std::vector<ObjectId> oids;
  for (const auto& [oid, object] : objects_at(epoch))
    if (!dkeys(oid, epoch).empty()) oids.push_back(oid);
  return oids;
}

Stamp ReferenceModel::stamp_for(const Object* object, const ModelOperation& operation) {
  const uint64_t epoch = operation.epoch;
  if (operation.prepared_minor) return {epoch, *operation.prepared_minor};
  if (!object || epoch > object->newest.epoch) return {epoch, 0};
  if (epoch < object->newest.epoch) return {epoch, kMinorHistory};
  return {epoch, static_cast<uint16_t>(object->newest.minor + 1)};
}

void ReferenceModel::note(Object& object, Stamp stamp) {
  object.newest = std::max(object.newest, stamp);
  newest_epoch_ = std::max(newest_epoch_, stamp.epoch);
}

Code ReferenceModel::check(const ModelOperation& operation) const {
  if (operation.prepared_minor) return Code::kOk;
  if (operation.kind != ModelOperation::Kind::kUpdate) {
    if (!(operation.conditions & kCondPunch)) return Code::kOk;
    const size_t named = std::max<size_t>(1, operation.akeys.size());
    return footprint(operation).size() < named ? Code::kNonexistent : Code::kOk;
  }
  const auto failed = [](uint64_t conditions, uint64_t insert, uint64_t update, bool there) {
    if ((conditions & insert) && there) return Code::kExists;
    if ((conditions & update) && !there) return Code::kNonexistent;
    return Code::kOk;
  };
  const Code dkey = failed(operation.conditions, kCondDkeyInsert, kCondDkeyUpdate,
                           dkey_visible(operation.oid, operation.dkey, operation.epoch));
  if (dkey != Code::kOk) return dkey;
  const bool per_akey = operation.conditions & kCondPerAkey;
  for (const ModelAkeyUpdate& update : operation.akeys) {
    const Code akey = failed(
        per_akey ? update.conditions : operation.conditions, kCondAkeyInsert, kCondAkeyUpdate,
        akey_visible(operation.oid, operation.dkey, update.akey, operation.epoch));
    if (akey != Code::kOk) return akey;
  }
  return Code::kOk;
}

Code ReferenceModel::update(const ModelOperation& operation) {
  if (const Code code = check(operation); code != Code::kOk) return code;
  const auto existing = objects().find(operation.oid);
  const bool known = existing != objects().end();
  const Stamp stamp = stamp_for(known ? &*existing->second : nullptr, operation);
  // History in an array, over other history of the very same epoch: refused.
  for (const ModelAkeyUpdate& update : operation.akeys) {
    const Found found = find(operation.oid, operation.dkey, update.akey, operation.epoch);
    if (stamp.minor != kMinorHistory || !found.akey) continue;
    for (const Write& write : found.akey->writes)
      for (const ModelPiece& piece : update.pieces)
        if (write.stamp == stamp && piece.index < write.piece.index + write.piece.count &&
            write.piece.index < piece.index + piece.count)
          return Code::kTransactionRestart;
  }
  bool changed = false;
  Object object = known ? *existing->second : Object{};
  for (const ModelAkeyUpdate& update : operation.akeys) {
    const bool there = operation.prepared_minor ||
                       akey_visible(operation.oid, operation.dkey, update.akey, operation.epoch);
    if (!there && !has_data(update)) continue;
    changed = true;
    Akey& akey = object.dkeys[operation.dkey].change().akeys[update.akey];
    akey.kind = update.kind;
    akey.record_size = update.record_size;
    if (update.kind == ValueKind::kSingle) {
      const auto at = std::find_if(akey.versions.begin(), akey.versions.end(),
                                   [&](const Version& version) { return version.stamp <= stamp; });
      akey.versions.insert(at, {stamp, update.value});
    }
    for (const ModelPiece& piece : update.pieces)
      if (there || !piece.bytes.empty()) akey.writes.push_back({stamp, piece});
  }
  if (!changed) return Code::kOk;
  note(object, stamp);
  objects()[operation.oid] = std::move(object);
  return Code::kOk;
}

Code ReferenceModel::punch(const ModelOperation& operation) {
  if (const Code code = check(operation); code != Code::kOk) return code;
  const std::vector<ModelPlace> places = footprint(operation);
  if (places.empty()) return Code::kOk;
  Object& object = objects()[operation.oid].change();
  const Stamp stamp = stamp_for(&object, operation);
  for (const ModelPlace& place : places) {
    if (place.dkey.empty()) {
      object.punches.push_back(stamp);
    } else if (place.akey.empty()) {
      object.dkeys[place.dkey].change().punches.push_back(stamp);
    } else {
      Akey& akey = object.dkeys[place.dkey].change().akeys[place.akey];
      const auto at = std::find_if(akey.versions.begin(), akey.versions.end(),
                                   [&](const Version& version) { return version.stamp <= stamp; });
      if (akey.kind == ValueKind::kSingle)
        akey.versions.insert(at, {stamp, ""});
      else
        akey.writes.push_back({stamp, {0, ~0ULL, ""}});
    }
  }
  note(object, stamp);
  return Code::kOk;
}

std::vector<ModelPlace> ReferenceModel::footprint(const ModelOperation& operation) const {
  using Kind = ModelOperation::Kind;
  const ObjectId oid = operation.oid;
  const bool prepared = operation.prepared_minor.has_value();
  std::vector<ModelPlace> places;
  if (operation.kind == Kind::kPunchObject && (prepared || !dkeys(oid, operation.epoch).empty()))
    places.push_back({oid});
  if (operation.kind == Kind::kPunchDkey &&
      (prepared || dkey_visible(oid, operation.dkey, operation.epoch)))
    places.push_back({oid, operation.dkey});
  for (const ModelAkeyUpdate& update : operation.akeys) {
    const bool there = prepared || akey_visible(oid, operation.dkey, update.akey, operation.epoch);
    if (there ? update.pieces.empty() : !update.value.empty())
      places.push_back({oid, operation.dkey, update.akey});
    for (const ModelPiece& piece : update.pieces)
      if (there || !piece.bytes.empty())
        places.push_back(
            {oid, operation.dkey, update.akey, piece.index, piece.index + piece.count});
  }
  return places;
}

const ReferenceModel::Objects& ReferenceModel::objects_at(uint64_t epoch) const {
  const Era* era = &eras_.front();
  for (const Era& later : eras_)
    if (later.begin <= epoch) era = &later;
  return era->objects;
}

Code ReferenceModel::rollback(const ModelOperation& operation) {
  Era era{operation.epoch, objects_at(operation.rollback_to)};
  const auto later = [&](const auto& what) { return what.stamp.epoch > operation.rollback_to; };
  const auto later_stamp = [&](Stamp stamp) { return stamp.epoch > operation.rollback_to; };
  for (auto& [oid, object] : era.objects) {
    std::erase_if(object.change().punches, later_stamp);
    for (auto& [dkey, under] : object.change().dkeys) {
      std::erase_if(under.change().punches, later_stamp);
      for (auto& [key, akey] : under.change().akeys) {
        std::erase_if(akey.versions, later);
        std::erase_if(akey.writes, later);
      }
    }
  }
  eras_.push_back(std::move(era));
  newest_epoch_ = std::max(newest_epoch_, operation.epoch);
  return Code::kOk;
}

// Between two bounds of writes nothing changes from record to record.
void ReferenceModel::compare_array(const Akey& akey, Stamp floor, uint64_t from, const Akey* now,
                                   Stamp floor_now, uint64_t to, std::vector<Difference>& found) {
  std::vector<uint64_t> bounds;
  const auto add = [&](const Akey& of) {
    for (const Write& write : of.writes) {
      bounds.push_back(write.piece.index);
      bounds.push_back(write.piece.index + write.piece.count);
    }
  };
  add(akey);
  if (now) add(*now);
  std::sort(bounds.begin(), bounds.end());
  bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
  const size_t first = found.size();
  for (size_t i = 0; i + 1 < bounds.size(); ++i) {
    const Write* was = visible(akey, floor, bounds[i], from);
    const Write* is = now ? visible(*now, floor_now, bounds[i], to) : nullptr;
    if (was == is || (was && is && was->stamp == is->stamp)) continue;
    const bool before = was, after = is;
    if (found.size() > first) {
      Difference& last = found.back();
      if (last.index + last.count == bounds[i] && last.before == before && last.after == after) {
        last.count = bounds[i + 1] - last.index;
        continue;
      }
    }
    Difference run;
    run.kind = ValueKind::kArray;
    run.index = bounds[i];
    run.count = bounds[i + 1] - bounds[i];
    run.before = before;
    run.after = after;
    found.push_back(std::move(run));
  }
}

std::vector<Difference> ReferenceModel::differences(uint64_t from, uint64_t to) const {
  // Every akey that either knows.
  std::map<std::tuple<ObjectId, std::string, std::string>, int> all;
  for (const uint64_t epoch : {from, to})
    for (const auto& [oid, object] : objects_at(epoch))
      for (const auto& [dkey, under] : object->dkeys)
        for (const auto& [key, akey] : under->akeys) all[{oid, dkey, key}];
  std::vector<Difference> found;
  for (const auto& [name, unused] : all) {
    const auto& [oid, dkey, key] = name;
    const Found was = find(oid, dkey, key, from), is = find(oid, dkey, key, to);
    const Akey& some = was.akey ? *was.akey : *is.akey;
    const size_t first = found.size();
    if (some.kind == ValueKind::kSingle) {
      const Version* before = was.akey ? visible(*was.akey, was.floor, from) : nullptr;
      const Version* after = is.akey ? visible(*is.akey, is.floor, to) : nullptr;
      if (before == after || (before && after && before->stamp == after->stamp)) continue;
      Difference one;
      one.kind = ValueKind::kSingle;
      one.before = before;
      one.after = after;
      found.push_back(std::move(one));
    } else if (was.akey) {
      compare_array(*was.akey, was.floor, from, is.akey, is.floor, to, found);
    } else {
      compare_array({}, {}, from, is.akey, is.floor, to, found);
    }
    for (size_t i = first; i < found.size(); ++i) {
      found[i].oid = oid;
      const ByteView bytes[] = {as_bytes(dkey), as_bytes(key)};
      found[i].dkey.assign(bytes[0].begin(), bytes[0].end());
      found[i].akey.assign(bytes[1].begin(), bytes[1].end());
    }
  }
  return found;
}

bool overlap(const ModelPlace& a, const ModelPlace& b) {
  const auto meet = [](const auto& one, const auto& other, const auto& all) {
    return one == all || other == all || one == other;
  };
  return meet(a.oid, b.oid, ObjectId{}) && meet(a.dkey, b.dkey, std::string()) &&
         meet(a.akey, b.akey, std::string()) && a.begin < b.end && b.begin < a.end;
}

std::set<uint64_t> ReferenceModel::epochs_at(const ModelPlace& place) const {
  std::set<uint64_t> epochs;
  const auto add = [&](const ModelPlace& where, uint64_t epoch) {
    if (overlap(place, where)) epochs.insert(epoch);
  };
  for (const auto& [oid, object] : eras_.back().objects) {
    for (const Stamp punch : object->punches) add({oid}, punch.epoch);
    for (const auto& [dkey, under] : object->dkeys) {
      for (const Stamp punch : under->punches) add({oid, dkey}, punch.epoch);
      for (const auto& [key, akey] : under->akeys) {
        for (const Version& version : akey.versions) add({oid, dkey, key}, version.stamp.epoch);
        for (const Write& write : akey.writes)
          add({oid, dkey, key, write.piece.index, write.piece.index + write.piece.count},
              write.stamp.epoch);
      }
    }
  }
  return epochs;
}

Code ReferenceModel::apply(const ModelOperation& operation) {
  if (operation.kind == ModelOperation::Kind::kRollback) return rollback(operation);
  if (operation.kind == ModelOperation::Kind::kUpdate) return update(operation);
  return punch(operation);
}

}  // namespace varve::store
