// What goes over the groups of an object: listings one after the other, queries over all of them.
#include <algorithm>

#include "client/session.h"

namespace varve::client {
namespace {

// Bits of object::QueryRequest::flags.
constexpr uint8_t kMaxDkey = 1, kMinDkey = 2, kMaxAkey = 4, kMinAkey = 8, kMaxRange = 16,
                  kMinRange = 32;
// A server counts its own overhead of entries and allows for one entry's.
constexpr uint64_t kSlack = 64;
// daos_otype_t of bits 56..63 whose dkeys are 64-bit integers.
bool integer_dkeys(ObjectId oid) {
  const uint64_t type = oid.high >> 56;
  return type == 2 || type == 4 || type == 9 || (type >= 11 && type <= 13);
}

bool dkey_less(const Buffer& left, const Buffer& right, bool integer) {
  if (integer && left.size() == sizeof(uint64_t) && right.size() == sizeof(uint64_t)) {
    uint64_t a, b;
    std::memcpy(&a, left.data(), sizeof a);
    std::memcpy(&b, right.data(), sizeof b);
    return a < b;
  }
  return std::lexicographical_compare(left.begin(), left.end(), right.begin(), right.end());
}

uint64_t bytes_of_keys(const std::vector<object::ListedEntry>& entries) {
  uint64_t bytes = 0;
  for (const object::ListedEntry& entry : entries) bytes += entry.key.size();
  return bytes;
}

}  // namespace

Task<Result<std::vector<object::ListedEntry>>> SessionImpl::list(
    const Object& object, object::ListScope scope, ByteView dkey, ByteView akey, Anchor& anchor,
    uint32_t limit, uint32_t bytes_limit, uint32_t* record_size) {
  VARVE_CO_CHECK(check_open(object, false));
  std::vector<object::ListedEntry> entries;
  if (limit == 0) co_return Error(Code::kInvalid, "a listing of no entries at all was asked for");
  const bool over_groups = scope == object::ListScope::kDkeys;
  const uint32_t groups = static_cast<uint32_t>(object.layout.targets.size());
  uint64_t bytes = 0;
  while (!anchor.end && entries.size() < limit) {
    // What is left is not worth a request.
    if (bytes_limit && bytes > bytes_limit - bytes_limit / 4) break;
    const uint32_t group = over_groups ? anchor.shard : object.layout.group_of(dkey);
    if (group >= groups) co_return Error(Code::kInvalid, "the anchor belongs to another object");
    object::ListRequest request{
        target_of(object, 0, object.snapshot), scope, dkey, akey, anchor.position, 0, 0};
    request.limit = limit - static_cast<uint32_t>(entries.size());
    if (bytes_limit)
      request.bytes_limit =
          static_cast<uint32_t>(std::max<uint64_t>(bytes_limit - bytes, kSlack + 1) - kSlack);
    Result<object::ListReply> reply = co_await ask_group<object::ListReply>(
        object, group, object::kObjectListKeys, "listing", request);
    if (!reply) co_return std::move(reply.error());
    if (record_size && reply->record_size) *record_size = reply->record_size;
    const uint64_t more = bytes_of_keys(reply->entries);
    // The first entry of a reply comes however long it is: the next call begins with it.
    if (bytes_limit && bytes + more > bytes_limit && !entries.empty()) break;
    if (reply->entries.empty() && !reply->anchor.end)
      co_return Error(Code::kProtocol,
                      "a listing makes no progress; are both sides of one version?");
    bytes += more;
    std::move(reply->entries.begin(), reply->entries.end(), std::back_inserter(entries));
    anchor.position = std::move(reply->anchor);
    if (!anchor.position.end) continue;
    anchor.position = {};
    anchor.end = !over_groups || ++anchor.shard >= groups;
  }
  co_return entries;
}

Task<Result<std::vector<object::ListedEntry>>> SessionImpl::list_dkeys(const Object& object,
                                                                       Anchor& anchor,
                                                                       uint32_t limit,
                                                                       uint32_t bytes_limit) {
  return list(object, object::ListScope::kDkeys, {}, {}, anchor, limit, bytes_limit, nullptr);
}

Task<Result<std::vector<object::ListedEntry>>> SessionImpl::list_akeys(
    const Object& object, ByteView dkey, Anchor& anchor, uint32_t limit, uint32_t bytes_limit) {
  return list(object, object::ListScope::kAkeys, dkey, {}, anchor, limit, bytes_limit, nullptr);
}

Task<Result<std::vector<object::ListedEntry>>> SessionImpl::list_ranges(
    const Object& object, ByteView dkey, ByteView akey, Anchor& anchor, uint32_t limit,
    uint32_t* record_size) {
  return list(object, object::ListScope::kRanges, dkey, akey, anchor, limit, 0, record_size);
}

Task<Result<std::vector<ObjectId>>> SessionImpl::list_objects(Container container, Epoch epoch,
                                                              Anchor& anchor, uint32_t limit) {
  if (limit == 0) co_return Error(Code::kInvalid, "a listing of no objects at all was asked for");
  // Every target is a group of its own here.
  Object all;
  all.container = container;
  all.snapshot = epoch;
  VARVE_CO_CHECK(check_open(all, false));
  std::vector<ObjectId> objects;
  while (!anchor.end && objects.size() < limit) {
    const auto map = container->pool->map();
    if (anchor.shard >= map->targets.size())
      co_return Error(Code::kInvalid, "the anchor belongs to another pool");
    all.map = map;
    all.layout.targets.assign(1, anchor.shard);
    object::ListObjectsRequest request{target_of(all, map->version, epoch), anchor.position, 0};
    request.limit = limit - static_cast<uint32_t>(objects.size());
    Attempt attempt = new_attempt(false);
    Buffer body = encode(request);
    const ShardCall call{&all,
                         container->pool.get(),
                         map,
                         anchor.shard,
                         object::kObjectListObjects,
                         "listing of objects",
                         {},
                         {},
                         0};
    Result<rpc::Reply> reply = co_await call_shard(call, ByteView(body), attempt);
    while (!reply && may_retry(reply.code()) && reply.code() != Code::kStale) {
      VARVE_CO_CHECK(co_await before_retry(attempt, reply.error(), call.verb));
      reply = co_await call_shard(call, ByteView(body), attempt);
    }
    if (!reply && reply.code() == Code::kStale) {
      VARVE_CO_CHECK(co_await refresh_map(*container->pool, map->version));
      continue;
    }
    if (!reply) co_return std::move(reply.error());
    VARVE_CO_TRY(auto listed, decode<object::ListObjectsReply>(reply->body));
    // An object of several groups is listed by each: the target of its first group speaks for it.
    for (const ObjectId oid : listed.objects) {
      Result<placement::Layout> layout = placement::compute_layout(oid, *map);
      if (!layout || layout->targets.empty() || layout->targets.size() == 1)
        objects.push_back(oid);
      else if (std::find(objects.begin(), objects.end(), oid) == objects.end())
        objects.push_back(oid);
    }
    anchor.position = std::move(listed.anchor);
    if (!anchor.position.end) continue;
    anchor.position = {};
    anchor.end = ++anchor.shard >= map->targets.size();
  }
  co_return objects;
}

Task<Result<object::QueryReply>> SessionImpl::query(const Object& object, ByteView dkey,
                                                    ByteView akey, uint8_t flags) {
  VARVE_CO_CHECK(check_open(object, false));
  const bool all_groups = dkey.empty();
  const bool integer = integer_dkeys(object.oid);
  object::QueryReply best;
  bool found = false;
  const uint32_t first = all_groups ? 0 : object.layout.group_of(dkey);
  const uint32_t end = all_groups ? static_cast<uint32_t>(object.layout.targets.size()) : first + 1;
  for (uint32_t group = first; group < end; ++group) {
    object::QueryRequest request{target_of(object, 0, object.snapshot), dkey, akey, flags};
    Result<object::QueryReply> reply = co_await ask_group<object::QueryReply>(
        object, group, object::kObjectQuery, "query of keys", request);
    if (!reply && reply.code() == Code::kNonexistent && all_groups) continue;
    if (!reply) co_return std::move(reply.error());
    const Epoch newest = std::max(best.max_epoch, reply->max_epoch);
    const bool has_key = !all_groups || !reply->dkey.empty() || !(flags & (kMaxDkey | kMinDkey));
    const bool better = !found ||
                        ((flags & kMaxDkey) && dkey_less(best.dkey, reply->dkey, integer)) ||
                        ((flags & kMinDkey) && dkey_less(reply->dkey, best.dkey, integer));
    if (has_key && better) {
      best = std::move(*reply);
      found = true;
    }
    best.max_epoch = newest;
  }
  if (!found && (flags & (kMaxDkey | kMinDkey | kMaxAkey | kMinAkey | kMaxRange | kMinRange)))
    co_return Error(Code::kNonexistent, "object " + object.oid.to_string() + " has no such key");
  co_return best;
}

}  // namespace varve::client
