#include "inspect/path.h"

namespace varve::inspect {

Result<Path> Path::parse(const std::string& text) {
  Path path;
  for (size_t from = 0; from < text.size();) {
    const size_t slash = std::min(text.find('/', from), text.size());
    if (slash > from) path.parts_.push_back(text.substr(from, slash - from));
    from = slash + 1;
  }
  if (path.parts_.size() > kValueLevel)
    return Error(Code::kInvalid, "'" + text +
                                     "' has too many parts: it is pool/container/object/dkey/akey, or "
                                     "the beginning of that; write a '/' within a key as %2f");
  return path;
}

bool Path::matches(size_t level, const std::string& name, uint64_t index) const {
  const std::string& part = parts_[level];
  if (part == name || part == "[" + std::to_string(index) + "]") return true;
  return level <= kContainerLevel && part.size() >= 4 && name.starts_with(part);
}

bool PathVisitor::step(Level level, const std::string& name, const Place& place) {
  const uint64_t index = counters_[level]++;
  counters_[level + 1] = 0;
  if (level < path_.size() && !path_.matches(level, name, index)) return false;
  const bool chosen = level + size_t{1} == path_.size();
  found_ |= chosen;
  if (level + size_t{1} < path_.size()) return true;
  return entry({level, chosen, index, name}, place);
}

bool PathVisitor::pool(const FoundPool& pool) {
  Place place;
  place.pool = &pool;
  return step(kPoolLevel, pool.record.uuid.to_string(), place);
}
bool PathVisitor::container(const Place& place, const FoundContainer& container) {
  Place here = place;
  here.container = &container;
  // Destroyed ones come apart from their pools.
  if (path_.size() > kPoolLevel && !path_.matches(kPoolLevel, place.pool->record.uuid.to_string(), ~0ULL) &&
      container.destroyed)
    return false;
  return step(kContainerLevel, container.record.uuid.to_string(), here);
}
bool PathVisitor::object(const Place& place, const FoundObject& object) {
  Place here = place;
  here.object = &object;
  return step(kObjectLevel, object.record.oid.to_string(), here);
}
bool PathVisitor::dkey(const Place& place, const FoundDkey& dkey) {
  Place here = place;
  here.dkey = &dkey;
  return step(kDkeyLevel, key_text(place.object->kinds.dkey, dkey.key), here);
}
bool PathVisitor::akey(const Place& place, const FoundAkey& akey) {
  Place here = place;
  here.akey = &akey;
  return step(kAkeyLevel, key_text(place.object->kinds.akey, akey.key), here);
}

}  // namespace varve::inspect
