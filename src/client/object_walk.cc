// What goes over the groups of an object: listings one after the other, queries over all of them.
#include <algorithm>
#include <cstring>
#include <optional>

#include "client/session.h"

namespace varve::client {
namespace {

// Bits of object::QueryRequest::flags.
constexpr uint8_t kMaxDkey = 1, kMinDkey = 2, kMaxAkey = 4, kMinAkey = 8, kMaxRange = 16,
                  kMinRange = 32, kBytes = 64;
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

namespace {

// Objects that keep the marks of a table of objects (types 1 and 14) are no content.
bool is_table(ObjectId oid) {
  const uint64_t type = oid.high >> 56;
  return type == 1 || type == 14;
}

struct PlacedObject {
  uint64_t place = 0;
  ObjectId oid;
  // As the targets order them.
  bool operator<(const PlacedObject& other) const {
    if (place != other.place) return place < other.place;
    return std::memcmp(&oid, &other.oid, sizeof oid) < 0;
  }
};

}  // namespace

Task<Result<std::vector<ObjectId>>> SessionImpl::list_objects(Container container, Epoch epoch,
                                                              Anchor& anchor, uint32_t limit) {
  if (limit == 0) co_return Error(Code::kInvalid, "a listing of no objects at all was asked for");
  VARVE_CO_CHECK(check_handle(container));
  std::vector<ObjectId> objects;
  while (!anchor.end && objects.size() < limit) {
    // All targets from the same place on: what one of them does not reach, none may skip.
    const auto targets = static_cast<uint32_t>(container->pool->map()->targets.size());
    const uint32_t wanted = limit - static_cast<uint32_t>(objects.size());
    std::vector<PlacedObject> found;
    std::optional<PlacedObject> reached;
    for (uint32_t target = 0; target < targets; ++target) {
      object::ListObjectsRequest request{{}, anchor.position, 0};
      request.target.epoch = epoch;
      request.limit = std::max(wanted / targets + 1, std::min(wanted, 64u));
      VARVE_CO_TRY(auto listed,
                   co_await ask_target<object::ListObjectsReply>(
                       container, target, object::kObjectListObjects, "listing of objects", request));
      if (listed.places.size() != listed.objects.size() ||
          (listed.objects.empty() && !listed.anchor.end))
        co_return Error(Code::kProtocol, "a listing does not go on");
      for (size_t i = 0; i < listed.objects.size(); ++i)
        found.push_back({listed.places[i], listed.objects[i]});
      if (!listed.anchor.end && (!reached || found.back() < *reached)) reached = found.back();
    }
    std::sort(found.begin(), found.end());
    anchor.end = !reached;
    const PlacedObject* last = nullptr;
    for (const PlacedObject& one : found) {
      if (reached && *reached < one) break;
      // An object of several groups is listed by several targets.
      if (last && last->oid == one.oid) continue;
      if (objects.size() == limit) {
        anchor.end = false;
        break;
      }
      last = &one;
      if (!is_table(one.oid)) objects.push_back(one.oid);
    }
    if (!last) continue;
    const ByteView key = bytes_of(last->oid);
    anchor.position = {};
    anchor.position.hash = last->place;
    anchor.position.key.assign(key.begin(), key.end());
  }
  co_return objects;
}

Task<Result<std::vector<object::Difference>>> SessionImpl::list_differences(Container container,
                                                                            Epoch from, Epoch to,
                                                                            DiffAnchor& anchor,
                                                                            uint32_t limit) {
  if (limit == 0) co_return Error(Code::kInvalid, "a list of no differences at all was asked for");
  VARVE_CO_CHECK(check_handle(container));
  std::vector<object::Difference> differences;
  while (!anchor.end && differences.size() < limit) {
    object::DiffRequest request;
    request.target.epoch = to;
    request.from = from;
    request.anchor = anchor.position;
    request.limit = limit - static_cast<uint32_t>(differences.size());
    VARVE_CO_TRY(auto listed,
                 co_await ask_target<object::DiffReply>(container, anchor.shard, object::kObjectDiff,
                                                        "list of differences", request));
    for (object::Difference& one : listed.differences)
      if (!is_table(one.oid)) differences.push_back(std::move(one));
    anchor.position = std::move(listed.anchor);
    if (!anchor.position.end) continue;
    anchor.position = {};
    anchor.end = ++anchor.shard >= container->pool->map()->targets.size();
  }
  co_return differences;
}

Task<Result<object::QueryReply>> SessionImpl::query(const Object& object, ByteView dkey,
                                                    ByteView akey, uint8_t flags) {
  VARVE_CO_CHECK(check_open(object, false));
  const bool all_groups = dkey.empty();
  const bool integer = integer_dkeys(object.oid);
  object::QueryReply best;
  uint64_t bytes = 0;
  bool found = false;
  const uint32_t first = all_groups ? 0 : object.layout.group_of(dkey);
  const uint32_t end = all_groups ? static_cast<uint32_t>(object.layout.targets.size()) : first + 1;
  for (uint32_t group = first; group < end; ++group) {
    object::QueryRequest request{target_of(object, 0, object.snapshot), dkey, akey, flags};
    Result<object::QueryReply> reply = co_await ask_group<object::QueryReply>(
        object, group, object::kObjectQuery, "query of keys", request);
    if (!reply && reply.code() == Code::kNonexistent && all_groups) continue;
    if (!reply) co_return std::move(reply.error());
    bytes += reply->bytes;
    for (Buffer from = std::move(reply->bytes_next); !from.empty();) {
      request.dkey = from;
      request.flags = kBytes;
      VARVE_CO_TRY(object::QueryReply more,
                   co_await ask_group<object::QueryReply>(object, group, object::kObjectQuery,
                                                          "query of bytes", request));
      bytes += more.bytes;
      from = std::move(more.bytes_next);
    }
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
  best.bytes = bytes;
  if (!found && (flags & (kMaxDkey | kMinDkey | kMaxAkey | kMinAkey | kMaxRange | kMinRange)))
    co_return Error(Code::kNonexistent, "object " + object.oid.to_string() + " has no such key");
  co_return best;
}

}  // namespace varve::client
