#include <algorithm>

#include "base/checksum.h"
#include "placement/placement.h"

namespace varve::placement {

uint32_t jump_consistent_hash(uint64_t key, uint32_t buckets) {
  VARVE_ASSERT(buckets > 0, "a hash needs a bucket to fall into");
  int64_t bucket = -1;
  int64_t next = 0;
  while (next < buckets) {
    bucket = next;
    key = key * 2862933555777941757ULL + 1;
    const double scale = static_cast<double>(1LL << 31) / static_cast<double>((key >> 33) + 1);
    next = static_cast<int64_t>(static_cast<double>(bucket + 1) * scale);
  }
  return static_cast<uint32_t>(bucket);
}

uint64_t dkey_hash(ByteView dkey) { return hash64(dkey); }

uint32_t Layout::group_of_hash(uint64_t dkey_hash) const {
  if (targets.size() == 1) return 0;
  return jump_consistent_hash(dkey_hash, static_cast<uint32_t>(targets.size()));
}
uint32_t Layout::group_of(ByteView dkey) const {
  return targets.size() == 1 ? 0 : group_of_hash(dkey_hash(dkey));
}

Result<Layout> compute_layout(ObjectId oid, const PoolMap& map) {
  if (map.targets.empty())
    return Error(Code::kInvalid, "the pool map has no target; query the pool again");
  VARVE_TRY(const ObjectClass object_class, class_of(oid));
  const auto count = static_cast<uint32_t>(map.targets.size());
  const uint32_t groups = std::min(object_class.groups, count);
  const uint64_t hash = hash64(bytes_of(oid));
  Layout layout;
  layout.targets.reserve(groups);
  std::vector<bool> taken(count, false);
  for (uint32_t group = 0; group < groups; ++group) {
    uint32_t target = jump_consistent_hash(mix64(hash + group * 0x9e3779b97f4a7c15ULL), count);
    while (taken[target]) target = (target + 1) % count;
    taken[target] = true;
    layout.targets.push_back(target);
  }
  return layout;
}

}  // namespace varve::placement
