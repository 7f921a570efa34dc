// daos_obj.h: anchors of parts of a listing, and of keys.
#include "libdaos/anchors.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/checksum.h"
#include "libdaos/objects.h"

using namespace varve;
using namespace varve::libdaos;

namespace varve::libdaos {
namespace {

constexpr uint32_t kPartsMax = 4096;
constexpr uint8_t kQueryMaxDkey = 1, kQueryMinDkey = 2;  // object::QueryRequest::flags

// As daos_otype_t says.
enum class Keys { kHashed, kInteger, kLexical };
Keys dkeys_of(ObjectId oid) {
  const daos_obj_id_t id{oid.low, oid.high};
  if (daos_is_dkey_uint64(id)) return Keys::kInteger;
  return daos_is_dkey_lexical(id) ? Keys::kLexical : Keys::kHashed;
}

// What a listing orders dkeys by (docs/formats/store.md, prefixes).
uint64_t place_of(Keys keys, ByteView key) {
  uint64_t place = 0;
  if (keys == Keys::kHashed) return hash64(key, object::kKeyPlaceSeed);
  std::memcpy(&place, key.data(), std::min<size_t>(key.size(), sizeof place));
  return keys == Keys::kInteger ? place : __builtin_bswap64(place);
}

struct Bounds {
  uint64_t lowest = 0, highest = ~0ULL;
};

// Where the dkeys of an object lie now. Hashes lie everywhere.
Task<Result<Bounds>> bounds_of(client::Session& session, const client::Object& object) {
  Bounds bounds;
  const Keys keys = dkeys_of(object.oid);
  if (keys == Keys::kHashed) co_return bounds;
  auto lowest = co_await session.query(object, {}, {}, kQueryMinDkey);
  if (lowest.code() == Code::kNonexistent) co_return bounds;
  if (!lowest) co_return std::move(lowest.error());
  auto highest = co_await session.query(object, {}, {}, kQueryMaxDkey);
  if (highest.code() == Code::kNonexistent) co_return bounds;
  if (!highest) co_return std::move(highest.error());
  co_return Bounds{place_of(keys, lowest->dkey), place_of(keys, highest->dkey)};
}

// The `parts` - 1 places at which to cut; they rise, and none is 0.
std::vector<uint64_t> cuts(Bounds bounds, uint32_t parts) {
  std::vector<uint64_t> cuts;
  const unsigned __int128 span = bounds.highest - bounds.lowest;
  uint64_t last = 0;
  for (uint32_t i = 1; i < parts; ++i) {
    const auto even = bounds.lowest + static_cast<uint64_t>(span * i / parts);
    last = std::min<uint64_t>(std::max(even, last + 1), ~0ULL - (parts - i));
    cuts.push_back(last);
  }
  return cuts;
}

daos_anchor_t make_anchor(uint32_t first_group, uint32_t end_group, uint64_t from, uint64_t below) {
  client::Session::Anchor position;
  position.shard = first_group;
  position.position.hash = from;
  position.position.from = object::ListFrom::kAt;
  position.position.below = below;
  daos_anchor_t anchor = {};
  write_anchor(position, anchor);
  anchor.da_flags = end_group;
  return anchor;
}

}  // namespace

uint32_t listing_parts(const client::Object& object, uint32_t wanted) {
  const auto groups = static_cast<uint32_t>(object.layout.targets.size());
  return wanted == 0 ? groups : std::min(wanted, std::max(groups, kPartsMax));
}

Task<Result<void>> split_listing(client::Session& session, const client::Object& object,
                                 std::span<daos_anchor_t> anchors) {
  const auto groups = static_cast<uint32_t>(object.layout.targets.size());
  const auto parts = static_cast<uint32_t>(anchors.size());
  const auto first_of = [](uint64_t many, uint64_t at, uint64_t of) {
    return static_cast<uint32_t>(many * at / of);
  };
  if (parts <= groups) {
    for (uint32_t i = 0; i < parts; ++i)
      anchors[i] = make_anchor(first_of(groups, i, parts), first_of(groups, i + 1, parts), 0, 0);
    co_return Result<void>();
  }
  VARVE_CO_TRY(const Bounds bounds, co_await bounds_of(session, object));
  for (uint32_t group = 0; group < groups; ++group) {
    const uint32_t first = first_of(parts, group, groups);
    const uint32_t count = first_of(parts, group + 1, groups) - first;
    const std::vector<uint64_t> at = cuts(bounds, count);
    for (uint32_t i = 0; i < count; ++i)
      anchors[first + i] =
          make_anchor(group, group + 1, i == 0 ? 0 : at[i - 1], i + 1 == count ? 0 : at[i]);
  }
  co_return Result<void>();
}

void bound_groups(client::Object& object, const daos_anchor_t& anchor) {
  const uint32_t end = anchor.da_type == DAOS_ANCHOR_TYPE_ZERO ? 0 : anchor.da_flags;
  if (end > 0 && end < object.layout.targets.size()) object.layout.targets.resize(end);
}

Task<Result<daos_anchor_t>> anchor_at(client::Session& session, const client::Object& object,
                                      ByteView dkey, ByteView akey) {
  const bool of_akey = !akey.empty();
  const ByteView key = of_akey ? akey : dkey;
  client::Session::Anchor position;
  if (!of_akey) position.shard = object.layout.group_of(dkey);
  position.position.key.assign(key.begin(), key.end());
  position.position.from = object::ListFrom::kAtKey;
  client::Session::Anchor after = position;
  Result<std::vector<object::ListedEntry>> found = Code::kUnknown;
  if (of_akey)
    found = co_await session.list_akeys(object, dkey, after, 1);
  else
    found = co_await session.list_dkeys(object, after, 1);
  if (!found) co_return std::move(found.error());
  if (found->empty() || !std::ranges::equal(found->front().key, key))
    co_return Error(Code::kNonexistent, "the object has no such key to list from");
  daos_anchor_t anchor = {};
  write_anchor(position, anchor);
  co_return anchor;
}

}  // namespace varve::libdaos

int daos_obj_anchor_split(daos_handle_t oh, uint32_t* nr, daos_anchor_t* anchors) {
  const auto object = object_of(Kind::kObject, oh);
  if (!object) return failure(object.error());
  if (!nr) return code(Code::kInvalid);
  *nr = listing_parts((*object)->object, *nr);
  if (!anchors) return 0;
  return run(nullptr, [object = *object, nr, anchors](client::Session& session) -> Task<int> {
    co_return status(co_await split_listing(session, object->object, std::span(anchors, *nr)));
  });
}

int daos_obj_anchor_set(daos_handle_t oh, uint32_t index, daos_anchor_t* anchor) {
  const auto object = object_of(Kind::kObject, oh);
  if (!object) return failure(object.error());
  if (!anchor || index >= (*object)->object.layout.targets.size()) return code(Code::kInvalid);
  *anchor = make_anchor(index, index + 1, 0, 0);
  return 0;
}

int daos_obj_key2anchor(daos_handle_t oh, daos_handle_t th, daos_key_t* dkey, daos_key_t* akey,
                        daos_anchor_t* anchor, daos_event_t* ev) {
  const auto object = object_of(Kind::kObject, oh);
  if (!object) return failure(object.error());
  const Result<Epoch> epoch = read_epoch(th);
  if (!epoch) return failure(epoch.error());
  if (!good_key(dkey) || (akey && !good_key(akey)) || !anchor) return code(Code::kInvalid);
  return run(ev,
             [object = *object, epoch = *epoch, dkey, akey,
              anchor](client::Session& session) -> Task<int> {
               const client::Object seen = at_epoch(object->object, epoch);
               const ByteView under = akey ? view_of(*akey) : ByteView();
               auto found = co_await anchor_at(session, seen, view_of(*dkey), under);
               if (!found) co_return failure(found.error());
               *anchor = *found;
               co_return 0;
             });
}
