#include "posix/fake_session.h"

#include <algorithm>

namespace varve::posix {

using client::IoDescriptor;
using object::ListedEntry;
using Entries = std::vector<ListedEntry>;

bool FakeObjects::Value::exists() const { return array ? end() > 0 : !bytes.empty(); }
uint64_t FakeObjects::Value::end() const {
  for (uint64_t i = present.size(); i > 0; --i)
    if (present[i - 1]) return i;
  return 0;
}

namespace {

std::string key_text(ByteView key) { return std::string(as_text(key)); }

bool any_exists(const FakeObjects::Akeys& akeys) {
  return std::any_of(akeys.begin(), akeys.end(),
                     [](const auto& akey) { return akey.second.exists(); });
}

Buffer gathered(Gather from) {
  Buffer bytes;
  for (ByteView piece : from) bytes.insert(bytes.end(), piece.begin(), piece.end());
  return bytes;
}

void store_array(FakeObjects::Value& value, const IoDescriptor& io, bool punch) {
  const Buffer bytes = gathered(io.from);
  size_t at = 0;
  value.array = true;
  for (const object::Range& range : io.ranges) {
    const uint64_t end = range.index + range.count;
    if (value.bytes.size() < end) value.bytes.resize(end), value.present.resize(end);
    for (uint64_t i = range.index; i < end; ++i) {
      value.present[i] = !punch;
      if (!punch) value.bytes[i] = bytes.at(at++);
    }
  }
}

void fetch_array(const FakeObjects::Value* value, IoDescriptor& io) {
  Buffer bytes;
  std::vector<bool> filled;
  io.fetched_end = io.fetched_bytes = 0;
  for (const object::Range& range : io.ranges)
    for (uint64_t i = range.index; i < range.index + range.count; ++i) {
      const bool there = value && i < value->present.size() && value->present[i];
      bytes.push_back(there ? value->bytes[i] : std::byte{0});
      filled.push_back(there);
      if (there) io.fetched_end = bytes.size(), ++io.fetched_bytes;
    }
  size_t at = 0;
  for (MutableByteView piece : io.into)
    for (std::byte& byte : piece) {
      if (at < bytes.size() && (filled[at] || io.zero_holes)) byte = bytes[at];
      ++at;
    }
}

}  // namespace

FakeObjects::Akeys* FakeSession::find(const client::Object& object, ByteView dkey) {
  const auto found = store_.objects.find(object.oid);
  if (found == store_.objects.end()) return nullptr;
  const auto entry = found->second.dkeys.find(key_text(dkey));
  return entry == found->second.dkeys.end() || !any_exists(entry->second) ? nullptr
                                                                          : &entry->second;
}

Task<Result<uint64_t>> FakeSession::allocate_object_ids(client::Container, uint64_t count) {
  if (co_await round_trip()) co_return Code::kCanceled;
  store_.next_number += count;
  co_return store_.next_number - count;
}

Result<client::Object> FakeSession::open_object(client::Container container, ObjectId oid) {
  VARVE_CHECK(placement::class_of(oid));
  client::Object object;
  object.container = std::move(container);
  object.oid = oid;
  return object;
}

Task<Result<Epoch>> FakeSession::update(const client::Object& object, ByteView dkey,
                                        uint64_t conditions, std::span<IoDescriptor> descriptors) {
  if (co_await round_trip()) co_return Code::kCanceled;
  FakeObjects::Akeys* akeys = find(object, dkey);
  if (conditions & store::kCondDkeyInsert && akeys) co_return Code::kExists;
  if (conditions & store::kCondDkeyUpdate && !akeys) co_return Code::kNonexistent;
  for (const IoDescriptor& io : descriptors) {
    const auto found = akeys ? akeys->find(key_text(io.akey)) : FakeObjects::Akeys::iterator();
    const bool there = akeys && found != akeys->end() && found->second.exists();
    const uint64_t wanted = conditions & store::kCondPerAkey ? io.conditions : conditions;
    if (wanted & store::kCondAkeyInsert && there) co_return Code::kExists;
    if (wanted & store::kCondAkeyUpdate && !there) co_return Code::kNonexistent;
    const uint64_t array_end = there ? found->second.end() : 0;
    if (io.conditions & object::kAppend && array_end + io.ranges[0].count > io.ranges[0].index)
      co_return Code::kOverflow;
    if (io.conditions & object::kAtEnd && array_end > io.ranges[0].index)
      co_return Code::kOverflow;
  }
  FakeObjects::Object& stored = store_.objects[object.oid];
  FakeObjects::Akeys& target = stored.dkeys[key_text(dkey)];
  for (IoDescriptor& io : descriptors) {
    FakeObjects::Value& value = target[key_text(io.akey)];
    if (io.conditions & object::kAppend) {
      IoDescriptor placed = io;
      const object::Range range{io.appended_at = value.end(), io.ranges[0].count};
      placed.ranges = std::span<const object::Range>(&range, 1);
      store_array(value, placed, false);
    } else if (io.kind == object::ValueKind::kArray)
      store_array(value, io, size_of(io.from) == 0);
    else
      value.array = false, value.bytes = gathered(io.from);
  }
  stored.newest_epoch = store_.clock += 1000;
  co_return Epoch{stored.newest_epoch};
}

Task<Result<void>> FakeSession::fetch(const client::Object& object, ByteView dkey, uint64_t,
                                      std::span<IoDescriptor> descriptors) {
  if (co_await round_trip()) co_return Code::kCanceled;
  FakeObjects::Akeys* akeys = find(object, dkey);
  bool too_big = false;
  for (IoDescriptor& io : descriptors) {
    const auto found = akeys ? akeys->find(key_text(io.akey)) : FakeObjects::Akeys::iterator();
    const FakeObjects::Value* value =
        akeys && found != akeys->end() && found->second.exists() ? &found->second : nullptr;
    if (io.kind == object::ValueKind::kArray) {
      fetch_array(value, io);
      continue;
    }
    io.record_size = value ? value->bytes.size() : 0;
    if (io.record_size > size_of(io.into)) {
      too_big = true;
    } else if (value) {
      const ByteView bytes = value->bytes;
      io.fetched_bytes = copy(Gather(&bytes, 1), io.into);
    }
  }
  co_return too_big ? Result<void>(Code::kRecordTooBig) : Result<void>();
}

Task<Result<void>> FakeSession::punch(const client::Object& object, std::span<const ByteView> dkeys,
                                      std::span<const ByteView> akeys, uint64_t conditions) {
  if (co_await round_trip()) co_return Code::kCanceled;
  FakeObjects::Object& stored = store_.objects[object.oid];
  for (ByteView dkey : dkeys) {
    FakeObjects::Akeys* there = find(object, dkey);
    bool missing = !there;
    for (ByteView akey : akeys)
      missing = missing || !there->count(key_text(akey)) || !there->at(key_text(akey)).exists();
    if (conditions & store::kCondPunch && missing) co_return Code::kNonexistent;
  }
  stored.newest_epoch = store_.clock += 1000;
  if (dkeys.empty()) stored.dkeys.clear();
  for (ByteView dkey : dkeys) {
    if (akeys.empty())
      stored.dkeys.erase(key_text(dkey));
    else if (FakeObjects::Akeys* there = find(object, dkey))
      for (ByteView akey : akeys) there->erase(key_text(akey));
  }
  co_return Result<void>();
}

Task<Result<Entries>> FakeSession::list_dkeys(const client::Object& object, Anchor& anchor,
                                              uint32_t limit, uint32_t) {
  if (co_await round_trip()) co_return Code::kCanceled;
  Entries entries;
  const std::string after(as_text(anchor.position.key));
  for (const auto& [dkey, akeys] : store_.objects[object.oid].dkeys) {
    if ((!after.empty() && dkey <= after) || !any_exists(akeys)) continue;
    if (entries.size() == limit) co_return entries;
    entries.emplace_back().key.assign(as_bytes(dkey).begin(), as_bytes(dkey).end());
    anchor.position.key = entries.back().key;
  }
  anchor.end = true;
  co_return entries;
}

Task<Result<std::vector<ObjectId>>> FakeSession::list_objects(client::Container, Epoch,
                                                              Anchor& anchor, uint32_t) {
  if (co_await round_trip()) co_return Code::kCanceled;
  std::vector<ObjectId> oids;
  for (const auto& [oid, object] : store_.objects)
    if (std::any_of(object.dkeys.begin(), object.dkeys.end(),
                    [](const auto& dkey) { return any_exists(dkey.second); }))
      oids.push_back(oid);
  anchor.end = true;
  co_return oids;
}

Task<Result<Entries>> FakeSession::list_akeys(const client::Object& object, ByteView dkey,
                                              Anchor& anchor, uint32_t, uint32_t) {
  if (co_await round_trip()) co_return Code::kCanceled;
  Entries entries;
  anchor.end = true;
  FakeObjects::Akeys* akeys = find(object, dkey);
  if (!akeys) co_return Code::kNonexistent;
  for (const auto& [akey, value] : *akeys)
    if (value.exists())
      entries.emplace_back().key.assign(as_bytes(akey).begin(), as_bytes(akey).end());
  co_return entries;
}

Task<Result<object::QueryReply>> FakeSession::query(const client::Object& object, ByteView dkey,
                                                    ByteView akey, uint8_t) {
  if (co_await round_trip()) co_return Code::kCanceled;
  object::QueryReply reply;
  const auto found = store_.objects.find(object.oid);
  if (found == store_.objects.end()) co_return Code::kNonexistent;
  reply.max_epoch = Epoch{found->second.newest_epoch};
  uint64_t highest = 0;
  for (const auto& [key, akeys] : found->second.dkeys) {
    const auto data = akeys.find(key_text(akey));
    if (key.size() != 8 || data == akeys.end() || (!dkey.empty() && key != as_text(dkey))) continue;
    uint64_t number;
    std::memcpy(&number, key.data(), 8);
    for (const bool there : data->second.present) reply.bytes += there;
    // As a server that takes the highest key without looking whether all below it are holes.
    if (number < highest) continue;
    highest = number;
    reply.dkey.assign(as_bytes(key).begin(), as_bytes(key).end());
    const uint64_t end = data->second.end();
    reply.range = end ? object::Range{end - 1, 1} : object::Range{};
  }
  co_return reply;
}

}  // namespace varve::posix
