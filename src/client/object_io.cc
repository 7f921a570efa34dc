// Update, fetch and punch: which target, what to do about a lost answer, and where fetched bytes
// belong.
#include <algorithm>

#include "client/fetched.h"
#include "client/session.h"

namespace varve::client {
namespace {

constexpr uint64_t kCondPunch = 1, kCondDkeyInsert = 2, kCondAkeyInsert = 16;
// Fetches of arrays beyond this are made in parts, so that the list of their pieces fits a reply.
constexpr uint64_t kFetchBytesMax = 32 * kMiB;
constexpr uint32_t kDamagedMax = 2;
// A lost conditional update is recognised by its bytes only if they can hardly be somebody else's
// too.
constexpr uint64_t kTellingBytesMin = 16, kTellingBytesMax = 1 * kMiB;

Result<void> check_key(ByteView key, const char* what) {
  if (key.empty()) return Error(Code::kInvalid, std::string("the ") + what + " is empty");
  if (key.size() > object::kKeyBytesMax)
    return Error(Code::kKeyTooBig, std::string("the ") + what + " has " +
                                       std::to_string(key.size()) + " bytes; at most " +
                                       std::to_string(object::kKeyBytesMax) + " are possible");
  return {};
}

Result<uint64_t> array_bytes(const IoDescriptor& descriptor) {
  uint64_t records = 0;
  for (const object::Range& range : descriptor.ranges) {
    if (range.count == 0 || range.index + range.count < range.index)
      return Error(Code::kInvalid, "a range of an array is empty or passes the end of 64 bits");
    records += range.count;
    if (records > ~0ULL / std::max<uint64_t>(descriptor.record_size, 1) || records < range.count)
      return Error(Code::kInvalid, "the ranges of an array together pass 64 bits");
  }
  return records * descriptor.record_size;
}

Result<void> check_update(ByteView dkey, std::span<const IoDescriptor> descriptors,
                          const ChecksumFormat& container) {
  VARVE_CHECK(check_key(dkey, "dkey"));
  if (descriptors.empty()) return Error(Code::kInvalid, "an update without a single akey");
  for (const IoDescriptor& descriptor : descriptors) {
    if (descriptor.akey.size() > object::kKeyBytesMax) return check_key(descriptor.akey, "akey");
    if (descriptor.kind == object::ValueKind::kNone)
      return Error(Code::kInvalid, "an update of neither a single value nor an array");
    if (descriptor.kind == object::ValueKind::kSingle &&
        size_of(descriptor.from) > object::kSingleBytesMax)
      return Error(Code::kRecordTooBig,
                   "a single value of " + std::to_string(size_of(descriptor.from)) +
                       " bytes; at most " + std::to_string(object::kSingleBytesMax) +
                       " are possible: keep it as an array");
    if (descriptor.kind != object::ValueKind::kArray) continue;
    if (descriptor.ranges.empty())
      return Error(Code::kInvalid, "an update of an array names no range");
    if (descriptor.record_size == 0 || descriptor.record_size > ~0U)
      return Error(Code::kInvalid, "an update of an array needs a record size of 1 byte to 4 GiB");
    VARVE_TRY(const uint64_t bytes, array_bytes(descriptor));
    if (!descriptor.from.empty() && bytes != size_of(descriptor.from))
      return Error(Code::kBadIo, "the ranges take " + std::to_string(bytes) +
                                     " bytes and the buffers hold " +
                                     std::to_string(size_of(descriptor.from)));
  }
  const ChecksumFormat format = update_checksums(descriptors, container);
  const uint64_t body = encoded_update_bytes(dkey, descriptors, format);
  if (body > rpc::kBodyBytesMax)
    return Error(Code::kOverflow,
                 "the update has too many keys, ranges or bytes for one request (" +
                     std::to_string(body) + " bytes of description, " +
                     std::to_string(rpc::kBodyBytesMax) + " fit): split it");
  return {};
}

Result<void> check_fetch(ByteView dkey, std::span<const IoDescriptor> descriptors) {
  VARVE_CHECK(check_key(dkey, "dkey"));
  if (descriptors.empty()) return Error(Code::kInvalid, "a fetch without a single akey");
  for (const IoDescriptor& descriptor : descriptors) {
    if (descriptor.akey.size() > object::kKeyBytesMax) return check_key(descriptor.akey, "akey");
    if (descriptor.kind != object::ValueKind::kArray) continue;
    if (descriptor.ranges.empty())
      return Error(Code::kInvalid, "a fetch of an array names no range");
    VARVE_TRY(const uint64_t bytes, array_bytes(descriptor));
    if (!descriptor.into.empty() && bytes > size_of(descriptor.into))
      return Error(Code::kRecordTooBig, "the ranges take " + std::to_string(bytes) +
                                            " bytes and there is room for " +
                                            std::to_string(size_of(descriptor.into)));
  }
  if (encoded_fetch_bytes(dkey, descriptors) > rpc::kBodyBytesMax)
    return Error(Code::kOverflow,
                 "the fetch has too many keys or ranges for one request: split it");
  return {};
}

bool inserts(uint64_t conditions, std::span<const IoDescriptor> descriptors) {
  if (conditions & (kCondDkeyInsert | kCondAkeyInsert)) return true;
  return std::any_of(descriptors.begin(), descriptors.end(), [](const IoDescriptor& descriptor) {
    // One without bytes asks that nothing be there: that is not its own doing.
    return (descriptor.conditions & kCondAkeyInsert) != 0 && !descriptor.from.empty();
  });
}

bool appends(std::span<const IoDescriptor> descriptors) {
  return std::any_of(descriptors.begin(), descriptors.end(), [](const IoDescriptor& descriptor) {
    return (descriptor.conditions & (object::kAppend | object::kAtEnd)) != 0;
  });
}

Error outcome_unknown(const char* verb, const Error& error) {
  return Error(Code::kTimedOut,
               std::string(verb) +
                   ": the connection was lost and the answer with it, and now the server says: " +
                   std::string(error.text()) +
                   ". It is not known whether this is our own doing: look, then decide");
}

}  // namespace

ChecksumFormat SessionImpl::checksums_of(const Object& object) const {
  ChecksumFormat format = object.container->checksums;
  if (!options_.checksums) format.kind = ChecksumKind::kOff;
  return format;
}

Result<void> SessionImpl::check_open(const Object& object, bool write) const {
  const ContainerHandle& container = *object.container;
  if (container.closed.load(std::memory_order_relaxed) ||
      container.pool->closed.load(std::memory_order_relaxed))
    return Error(Code::kNoHandle, "the container or its pool is closed: open it again");
  if (write && (!container.writable || object.snapshot != kEpochMax))
    return Error(Code::kNoPermission, "the container is open for reading only");
  return {};
}

Result<Object> SessionImpl::open_object(Container container, ObjectId oid) {
  Object object;
  object.container = std::move(container);
  object.oid = oid;
  VARVE_CHECK(check_open(object, false));
  object.map = object.container->pool->map();
  VARVE_TRY(object.layout, placement::compute_layout(oid, *object.map));
  return object;
}

Result<SessionImpl::Routed> SessionImpl::route(const Object& object, uint64_t dkey_hash) const {
  return route_group(object, object.layout.group_of_hash(dkey_hash));
}

Result<SessionImpl::Routed> SessionImpl::route_group(const Object& object, uint32_t group) const {
  const PoolHandle& pool = *object.container->pool;
  if (pool.map_version.load(std::memory_order_acquire) == object.map->version)
    return Routed{object.map, object.layout.targets[group]};
  auto map = pool.map();
  // Listings of objects make their own layout: a class-less object keeps it.
  Result<placement::Layout> layout = placement::compute_layout(object.oid, *map);
  if (!layout) return std::move(layout.error());
  if (group >= layout->targets.size())
    return Error(Code::kStale, "the object has fewer groups now");
  const uint32_t target = layout->targets[group];
  return Routed{std::move(map), target};
}

Task<Result<Epoch>> SessionImpl::update(const Object& object, ByteView dkey, uint64_t conditions,
                                        std::span<IoDescriptor> descriptors) {
  VARVE_CO_CHECK(check_open(object, true));
  VARVE_CO_CHECK(check_update(dkey, descriptors, checksums_of(object)));
  if (descriptors.size() == 1)
    co_return co_await update_once(object, dkey, conditions, descriptors, descriptors[0].from);
  std::vector<ByteView> pieces;
  for (const IoDescriptor& descriptor : descriptors)
    pieces.insert(pieces.end(), descriptor.from.begin(), descriptor.from.end());
  co_return co_await update_once(object, dkey, conditions, descriptors, pieces);
}

Task<Result<Epoch>> SessionImpl::update_once(const Object& object, ByteView dkey,
                                             uint64_t conditions,
                                             std::span<IoDescriptor> descriptors, Gather bulk) {
  Attempt attempt = new_attempt(true);
  const uint64_t hash = placement::dkey_hash(dkey);
  const uint64_t bulk_bytes = size_of(bulk);
  const ChecksumFormat format = update_checksums(descriptors, checksums_of(object));
  Lease body(*this);
  uint32_t encoded_for = 0, damaged = 0;
  for (bool first = true;; first = false) {
    VARVE_CO_TRY(const Routed routed, route(object, hash));
    if (first || encoded_for != routed.map->version) {
      encoded_for = routed.map->version;
      encode_update(*body, target_of(object, encoded_for, kEpochNone), dkey, conditions,
                    descriptors, format);
    }
    const ShardCall call{&object,
                         object.container->pool.get(),
                         routed.map,
                         routed.target,
                         object::kObjectUpdate,
                         "update",
                         bulk,
                         {},
                         bulk_bytes};
    Result<rpc::Reply> reply = co_await call_shard(call, body->view(), attempt);
    if (reply) {
      Decoder decoder{ByteView(reply->body)};
      const auto epoch = decoder.get<Epoch>();
      for (IoDescriptor& descriptor : descriptors)
        if (descriptor.conditions & object::kAppend)
          descriptor.appended_at = decoder.get<uint64_t>();
      if (!decoder.done()) co_return Error(Code::kProtocol, "the answer to an update is malformed");
      object.container->note_seen(epoch);
      co_return epoch;
    }
    // Damaged on its way, and the server did not take it.
    if (reply.code() == Code::kChecksum && damaged++ < kDamagedMax) continue;
    // Where an append lies its maker finds out, who names it by a key of its own.
    if (reply.code() == Code::kExists && attempt.maybe_executed &&
        inserts(conditions, descriptors) && !appends(descriptors))
      co_return co_await settle_lost_update(object, dkey, std::move(reply.error()), descriptors);
    if (reply.code() == Code::kStale) {
      VARVE_CO_CHECK(co_await refresh_map(*object.container->pool, routed.map->version));
    }
    if (!may_retry(reply.code())) co_return std::move(reply.error());
    VARVE_CO_CHECK(co_await before_retry(attempt, reply.error(), "update"));
  }
}

// An insert was sent, its answer lost, and the second try met a value: ours if it has our bytes.
Task<Result<Epoch>> SessionImpl::settle_lost_update(const Object& object, ByteView dkey,
                                                    Error error,
                                                    std::span<IoDescriptor> descriptors) {
  uint64_t total = 0;
  for (const IoDescriptor& descriptor : descriptors) total += size_of(descriptor.from);
  if (total < kTellingBytesMin || total > kTellingBytesMax)
    co_return outcome_unknown("insert", error);
  Buffer stored(total);
  std::vector<IoDescriptor> fetches(descriptors.size());
  std::vector<MutableByteView> rooms(descriptors.size());
  uint64_t used = 0;
  for (size_t i = 0; i < descriptors.size(); ++i) {
    const uint64_t bytes = size_of(descriptors[i].from);
    rooms[i] = MutableByteView(stored).subspan(used, bytes);
    used += bytes;
    fetches[i].akey = descriptors[i].akey;
    fetches[i].kind = descriptors[i].kind;
    fetches[i].record_size =
        descriptors[i].kind == object::ValueKind::kArray ? descriptors[i].record_size : 0;
    fetches[i].ranges = descriptors[i].ranges;
    fetches[i].into = Scatter(&rooms[i], 1);
  }
  Object newest = object;
  newest.snapshot = kEpochMax;
  VARVE_CO_CHECK(co_await fetch(newest, dkey, 0, fetches));
  for (size_t i = 0; i < descriptors.size(); ++i) {
    const uint64_t bytes = rooms[i].size();
    if (fetches[i].fetched_bytes != bytes) co_return outcome_unknown("insert", error);
    uint32_t ours = 0;
    checksum_of(ChecksumKind::kCrc32, descriptors[i].from, 0, bytes, &ours);
    if (ours != crc32c(ByteView(rooms[i])))
      co_return outcome_unknown("insert", error);
  }
  co_return kEpochNone;
}

Task<Result<void>> SessionImpl::fetch(const Object& object, ByteView dkey, uint64_t conditions,
                                      std::span<IoDescriptor> descriptors) {
  VARVE_CO_CHECK(check_open(object, false));
  VARVE_CO_CHECK(check_fetch(dkey, descriptors));
  const bool one_array = descriptors.size() == 1 &&
                         descriptors[0].kind == object::ValueKind::kArray &&
                         descriptors[0].record_size > 0 && !descriptors[0].into.empty();
  if (one_array && *array_bytes(descriptors[0]) > kFetchBytesMax)
    co_return co_await fetch_halves(object, dkey, conditions, descriptors[0]);
  Result<void> fetched = co_await fetch_once(object, dkey, conditions, descriptors);
  // So many pieces that a reply does not hold the list of them: in parts, then.
  const bool too_many = fetched.code() == Code::kOverflow || fetched.code() == Code::kTruncated;
  if (too_many && one_array && *array_bytes(descriptors[0]) > descriptors[0].record_size)
    co_return co_await fetch_halves(object, dkey, conditions, descriptors[0]);
  co_return fetched;
}

Task<Result<void>> SessionImpl::fetch_halves(const Object& object, ByteView dkey,
                                             uint64_t conditions, IoDescriptor& descriptor) {
  const uint64_t records = *array_bytes(descriptor) / descriptor.record_size;
  const uint64_t left_records = records / 2;
  std::vector<object::Range> ranges[2];
  uint64_t taken = 0;
  for (const object::Range& range : descriptor.ranges) {
    const uint64_t left = std::min(range.count, left_records - std::min(taken, left_records));
    if (left) ranges[0].push_back({range.index, left});
    if (left < range.count) ranges[1].push_back({range.index + left, range.count - left});
    taken += range.count;
  }
  const uint64_t left_bytes = left_records * descriptor.record_size;
  const uint64_t skips[2] = {0, left_bytes};
  const uint64_t lengths[2] = {left_bytes, records * descriptor.record_size - left_bytes};
  descriptor.fetched_bytes = descriptor.fetched_end = 0;
  uint64_t record_size = 0;
  for (int half = 0; half < 2; ++half) {
    const std::vector<MutableByteView> room = slice(descriptor.into, skips[half], lengths[half]);
    IoDescriptor part = descriptor;
    std::vector<object::FetchedPiece> found;
    part.ranges = ranges[half];
    part.into = room;
    part.found = descriptor.found ? &found : nullptr;
    VARVE_CO_CHECK(co_await fetch(object, dkey, conditions, std::span<IoDescriptor>(&part, 1)));
    descriptor.fetched_bytes += part.fetched_bytes;
    if (part.fetched_end) descriptor.fetched_end = skips[half] + part.fetched_end;
    record_size = std::max(record_size, part.record_size);
    if (descriptor.found) {
      if (half == 0) descriptor.found->clear();
      descriptor.found->insert(descriptor.found->end(), found.begin(), found.end());
    }
  }
  descriptor.record_size = record_size;
  co_return Result<void>();
}

Task<Result<void>> SessionImpl::fetch_once(const Object& object, ByteView dkey, uint64_t conditions,
                                           std::span<IoDescriptor> descriptors) {
  Attempt attempt = new_attempt(false);
  const uint64_t hash = placement::dkey_hash(dkey);
  FetchLanding landing(descriptors);
  Lease body(*this);
  bool mismatched = false;
  for (;;) {
    VARVE_CO_TRY(const Routed routed, route(object, hash));
    encode_fetch(*body, target_of(object, routed.map->version, object.snapshot), dkey, conditions,
                 descriptors);
    const ShardCall call{&object,
                         object.container->pool.get(),
                         routed.map,
                         routed.target,
                         object::kObjectFetch,
                         "fetch",
                         {},
                         landing.into(),
                         landing.room()};
    Result<rpc::Reply> reply = co_await call_shard(call, body->view(), attempt);
    if (reply) {
      Result<void> landed = landing.land(ByteView(reply->body), reply->bulk_bytes, descriptors,
                                         checksums_of(object).kind);
      if (object.snapshot == kEpochMax) object.container->note_seen(landing.epoch());
      if (landed.code() != Code::kChecksum) co_return landed;
      // Once more: it may have been the way here. Twice means that it lies wrong over there.
      if (std::exchange(mismatched, true))
        co_return std::move(landed.error()).with("object " + object.oid.to_string());
      attempt.last_error = landed.error().text();
      continue;
    }
    if (reply.code() == Code::kStale) {
      VARVE_CO_CHECK(co_await refresh_map(*object.container->pool, routed.map->version));
    }
    if (!may_retry(reply.code())) co_return std::move(reply.error());
    VARVE_CO_CHECK(co_await before_retry(attempt, reply.error(), "fetch"));
  }
}

Task<Result<void>> SessionImpl::punch(const Object& object, std::span<const ByteView> dkeys,
                                      std::span<const ByteView> akeys, uint64_t conditions) {
  VARVE_CO_CHECK(check_open(object, true));
  if (!akeys.empty() && dkeys.size() != 1)
    co_return Error(Code::kInvalid, "akeys are punched under one dkey");
  for (const ByteView& dkey : dkeys) VARVE_CO_CHECK(check_key(dkey, "dkey"));
  const auto groups = static_cast<uint32_t>(object.layout.targets.size());
  std::vector<object::PunchRequest> requests(groups);
  for (const ByteView& dkey : dkeys) requests[object.layout.group_of(dkey)].dkeys.push_back(dkey);
  // A condition over an object of many groups holds if one of them meets it.
  bool met = groups == 1 || dkeys.size() == 1 || !(conditions & kCondPunch);
  for (uint32_t group = 0; group < groups; ++group) {
    object::PunchRequest& request = requests[group];
    if (!dkeys.empty() && request.dkeys.empty()) continue;
    request.target = target_of(object, 0, kEpochNone);
    request.scope = dkeys.empty()   ? object::PunchScope::kObject
                    : akeys.empty() ? object::PunchScope::kDkey
                                    : object::PunchScope::kAkeys;
    request.conditions = conditions;
    request.akeys.assign(akeys.begin(), akeys.end());
    Result<void> punched = co_await punch_group(object, group, std::move(request));
    if (punched.code() == Code::kNonexistent && dkeys.empty() && groups > 1) continue;
    if (!punched) co_return punched;
    met = true;
  }
  if (!met)
    co_return Error(Code::kNonexistent, "object " + object.oid.to_string() + " does not exist");
  co_return Result<void>();
}

Task<Result<void>> SessionImpl::punch_group(const Object& object, uint32_t group,
                                            object::PunchRequest request) {
  Attempt attempt = new_attempt(true);
  for (;;) {
    VARVE_CO_TRY(const Routed routed, route_group(object, group));
    request.target.map_version = routed.map->version;
    Buffer body = encode(request);
    if (body.size() > rpc::kBodyBytesMax)
      co_return Error(Code::kOverflow, "the punch names too many keys for one request: split it");
    const ShardCall call{&object,
                         object.container->pool.get(),
                         routed.map,
                         routed.target,
                         object::kObjectPunch,
                         "punch",
                         {},
                         {},
                         0};
    Result<rpc::Reply> reply = co_await call_shard(call, ByteView(body), attempt);
    if (reply) {
      VARVE_CO_TRY(const auto punched, decode<object::PunchReply>(reply->body));
      object.container->note_seen(punched.epoch);
      co_return Result<void>();
    }
    if (reply.code() == Code::kNonexistent && attempt.maybe_executed &&
        (request.conditions & kCondPunch))
      co_return outcome_unknown("punch", reply.error());
    if (reply.code() == Code::kStale) {
      VARVE_CO_CHECK(co_await refresh_map(*object.container->pool, routed.map->version));
    }
    if (!may_retry(reply.code())) co_return std::move(reply.error());
    VARVE_CO_CHECK(co_await before_retry(attempt, reply.error(), "punch"));
  }
}

}  // namespace varve::client
