// Objects and key-values.
#include "native/native.h"

namespace varve::native {
namespace {

constexpr std::string_view kValueKey = "0";  // of key-values: docs/formats/dfs.md
// Of a value whose size is not known: its first fetch has room for so much.
constexpr size_t kFirstRoomBytes = 4096;
constexpr int kFetchesMax = 4;  // of a value that grows meanwhile

constexpr auto kConditionsOfUpdates =
    static_cast<uint32_t>(v1::Condition::kDkeyInsert | v1::Condition::kDkeyUpdate |
                          v1::Condition::kAkeyInsert | v1::Condition::kAkeyUpdate);
constexpr auto kConditionsOfFetches =
    static_cast<uint32_t>(v1::Condition::kDkeyFetch | v1::Condition::kAkeyFetch);

Result<uint64_t> conditions_of(v1::Condition condition, uint32_t allowed, const char* what) {
  const auto bits = static_cast<uint32_t>(condition);
  if (bits & ~allowed)
    return Error(Code::kInvalid, std::string("it has a condition that is not one of ") + what);
  return uint64_t{bits};
}

static_assert(sizeof(v1::Extent) == sizeof(object::Range) &&
              offsetof(v1::Extent, count) == offsetof(object::Range, count));
std::span<const object::Range> ranges_of(const std::vector<v1::Extent>& extents) {
  return {reinterpret_cast<const object::Range*>(extents.data()), extents.size()};
}

// "container tank/files, object 1.2, dkey 'a'"; bytes that are no text as they would be in C.
std::string name_of(const ObjectInner& object, ByteView dkey) {
  std::string name = "container " +
                     (object.container ? object.container->name : std::string("(none)")) +
                     ", object " + object.id.to_string();
  if (dkey.empty()) return name;
  name += ", dkey '";
  for (const std::byte byte : dkey.first(std::min<size_t>(dkey.size(), 64))) {
    const auto c = static_cast<unsigned char>(byte);
    if (c >= 0x20 && c < 0x7f) {
      name += static_cast<char>(c);
    } else {
      constexpr char kDigits[] = "0123456789abcdef";
      name += std::string("\\x") + kDigits[c >> 4] + kDigits[c & 15];
    }
  }
  return name + (dkey.size() > 64 ? "...'" : "'");
}

// What a call on an object keeps: the object by pointer (see start()), its dkey by value.
struct On {
  const ObjectInner* object;
  std::string dkey;
  ByteView key() const { return as_bytes(dkey); }
};

template <class T, class Make>
v1::Future<T> on_object(const std::shared_ptr<const ObjectInner>& object, const v1::Key* dkey,
                        const v1::Bounds& bounds, Make make) {
  if (!object || !object->container) return no_handle<T>("the object");
  On on{object.get(), dkey ? dkey->text() : std::string()};
  const ObjectInner* named = object.get();
  return start<T>(
      *object->container->client, bounds, object,
      [named, key = on.dkey] { return name_of(*named, as_bytes(key)); },
      [on = std::move(on), make = std::move(make)](client::Session& session) {
        return make(session, on);
      });
}

Task<Result<v1::Epoch>> update(client::Session& session, const On& on,
                               std::span<client::IoDescriptor> descriptors,
                               v1::Condition condition) {
  if (!on.object->object) co_return Error(on.object->object.error());
  VARVE_CO_TRY(const uint64_t conditions,
               conditions_of(condition, kConditionsOfUpdates, "an update's"));
  VARVE_CO_TRY(const Epoch epoch,
               co_await session.update(*on.object->object, on.key(), conditions, descriptors));
  co_return v1::Epoch{epoch.value};
}

Task<Result<v1::Epoch>> update_one(client::Session& session, const On& on, const std::string& akey,
                                   ByteView value, v1::Condition condition) {
  client::IoDescriptor descriptor;
  descriptor.akey = as_bytes(akey);
  if (!value.empty()) descriptor.from = Gather(&value, 1);
  co_return co_await update(session, on, std::span(&descriptor, 1), condition);
}

Task<Result<v1::Epoch>> update_many(client::Session& session, const On& on,
                                    const std::vector<v1::Write>& writes, v1::Condition condition) {
  std::vector<client::IoDescriptor> descriptors(writes.size());
  std::vector<ByteView> data(writes.size());
  for (size_t i = 0; i < writes.size(); ++i) {
    client::IoDescriptor& descriptor = descriptors[i];
    descriptor.akey = as_bytes(writes[i].akey);
    data[i] = writes[i].data;
    if (!data[i].empty()) descriptor.from = Gather(&data[i], 1);
    if (writes[i].record_bytes == 0) continue;
    descriptor.kind = object::ValueKind::kArray;
    descriptor.record_size = writes[i].record_bytes;
    descriptor.ranges = ranges_of(writes[i].extents);
  }
  co_return co_await update(session, on, descriptors, condition);
}

Task<Result<uint64_t>> fetch_into(client::Session& session, const On& on, const std::string& akey,
                                  MutableByteView into) {
  if (!on.object->object) co_return Error(on.object->object.error());
  client::IoDescriptor descriptor;
  descriptor.akey = as_bytes(akey);
  if (!into.empty()) descriptor.into = Scatter(&into, 1);
  Result<void> fetched =
      co_await session.fetch(*on.object->object, on.key(), 0, std::span(&descriptor, 1));
  if (!fetched && fetched.code() == Code::kRecordTooBig)
    co_return Error(Code::kRecordTooBig, "the value has " + std::to_string(descriptor.record_size) +
                                             " bytes, the buffer " + std::to_string(into.size()));
  if (!fetched) co_return std::move(fetched.error());
  co_return descriptor.record_size;
}

Task<Result<std::vector<std::byte>>> fetch_all(client::Session& session, const On& on,
                                               const std::string& akey) {
  if (!on.object->object) co_return Error(on.object->object.error());
  Buffer value(kFirstRoomBytes);
  for (int i = 0; i < kFetchesMax; ++i) {
    const MutableByteView room(value);
    client::IoDescriptor descriptor;
    descriptor.akey = as_bytes(akey);
    descriptor.into = Scatter(&room, 1);
    Result<void> fetched =
        co_await session.fetch(*on.object->object, on.key(), 0, std::span(&descriptor, 1));
    if (fetched && descriptor.record_size == 0)
      co_return Error(Code::kNonexistent, "there is no value under akey '" + akey + "'");
    if (!fetched && fetched.code() != Code::kRecordTooBig) co_return std::move(fetched.error());
    value.resize(descriptor.record_size);
    if (fetched) co_return value;
  }
  co_return Error(Code::kBusy, "the value grows faster than it can be fetched");
}

Task<Result<std::vector<v1::Fetched>>> fetch_many(client::Session& session, const On& on,
                                                  const std::vector<v1::Read>& reads,
                                                  v1::Condition condition) {
  if (!on.object->object) co_return Error(on.object->object.error());
  VARVE_CO_TRY(const uint64_t conditions,
               conditions_of(condition, kConditionsOfFetches, "a fetch's"));
  std::vector<client::IoDescriptor> descriptors(reads.size());
  std::vector<MutableByteView> room(reads.size());
  for (size_t i = 0; i < reads.size(); ++i) {
    client::IoDescriptor& descriptor = descriptors[i];
    descriptor.akey = as_bytes(reads[i].akey);
    room[i] = reads[i].into;
    if (!room[i].empty()) descriptor.into = Scatter(&room[i], 1);
    if (reads[i].record_bytes == 0) continue;
    descriptor.kind = object::ValueKind::kArray;
    descriptor.record_size = reads[i].record_bytes;
    descriptor.ranges = ranges_of(reads[i].extents);
    descriptor.zero_holes = true;
  }
  VARVE_CO_CHECK(co_await session.fetch(*on.object->object, on.key(), conditions, descriptors));
  std::vector<v1::Fetched> fetched;
  for (const client::IoDescriptor& descriptor : descriptors)
    fetched.push_back({descriptor.fetched_bytes, descriptor.record_size});
  co_return fetched;
}

Task<Result<void>> punch(client::Session& session, const On& on, const std::string* akey,
                         v1::Condition condition) {
  if (!on.object->object) co_return Error(on.object->object.error());
  VARVE_CO_TRY(const uint64_t conditions,
               conditions_of(condition, static_cast<uint32_t>(v1::Condition::kPunch), "a punch's"));
  const ByteView dkey = on.key(), akey_bytes = akey ? as_bytes(*akey) : ByteView();
  co_return co_await session.punch(
      *on.object->object, std::span<const ByteView>(&dkey, dkey.empty() ? 0 : 1),
      std::span<const ByteView>(&akey_bytes, akey ? 1 : 0), conditions);
}

enum class Listing { kDkeys, kAkeys };
Task<Result<v1::Page<v1::ListedKey>>> list(client::Session& session, const On& on, Listing listing,
                                           const v1::Anchor& from, uint32_t limit) {
  if (!on.object->object) co_return Error(on.object->object.error());
  VARVE_CO_TRY(auto at, place_of<client::Session::Anchor>(from));
  const client::Object& object = *on.object->object;
  // Not as one expression: g++-12 destroys the temporaries of both sides of an awaiting ?:.
  Result<std::vector<object::ListedEntry>> listed = Code::kInvalid;
  if (listing == Listing::kDkeys)
    listed = co_await session.list_dkeys(object, at, limit);
  else
    listed = co_await session.list_akeys(object, on.key(), at, limit);
  v1::Page<v1::ListedKey> page;
  if (listed.code() == Code::kNonexistent) {
    page.next = v1::Anchor::at_end();
    co_return page;
  }
  if (!listed) co_return std::move(listed.error());
  for (const object::ListedEntry& entry : *listed)
    page.entries.push_back(
        {std::string(as_text(entry.key)), entry.kind == object::ValueKind::kArray});
  page.next = anchor_of(at);
  co_return page;
}

Task<Result<v1::Page<v1::ListedExtent>>> list_extents(client::Session& session, const On& on,
                                                      const std::string& akey,
                                                      const v1::Anchor& from, uint32_t limit) {
  if (!on.object->object) co_return Error(on.object->object.error());
  VARVE_CO_TRY(auto at, place_of<client::Session::Anchor>(from));
  auto listed =
      co_await session.list_ranges(*on.object->object, on.key(), as_bytes(akey), at, limit);
  v1::Page<v1::ListedExtent> page;
  if (listed.code() == Code::kNonexistent) {
    page.next = v1::Anchor::at_end();
    co_return page;
  }
  if (!listed) co_return std::move(listed.error());
  for (const object::ListedEntry& entry : *listed)
    page.entries.push_back({{entry.range.index, entry.range.count}, {entry.epoch.value}});
  page.next = anchor_of(at);
  co_return page;
}

}  // namespace
}  // namespace varve::native

namespace varve::v1 {

using client::Session;
using native::On;
using native::on_object;

ObjectId ObjectView::id() const { return inner_ ? inner_->id : ObjectId(); }

Future<uint64_t> ObjectView::fetch(Key dkey, Key akey, Buffer into, Bounds bounds) const {
  return on_object<uint64_t>(inner_, &dkey, bounds,
                             [akey = akey.text(), into](Session& session, const On& on) {
                               return native::fetch_into(session, on, akey, into);
                             });
}

Future<std::vector<std::byte>> ObjectView::fetch(Key dkey, Key akey, Bounds bounds) const {
  return on_object<std::vector<std::byte>>(inner_, &dkey, bounds,
                                           [akey = akey.text()](Session& session, const On& on) {
                                             return native::fetch_all(session, on, akey);
                                           });
}

Future<std::vector<Fetched>> ObjectView::fetch(Key dkey, std::vector<Read> reads,
                                               Condition condition, Bounds bounds) const {
  return on_object<std::vector<Fetched>>(
      inner_, &dkey, bounds, [reads = std::move(reads), condition](Session& session, const On& on) {
        return native::fetch_many(session, on, reads, condition);
      });
}

Future<Page<ListedKey>> ObjectView::list_dkeys(Anchor from, uint32_t limit, Bounds bounds) const {
  return on_object<Page<ListedKey>>(
      inner_, nullptr, bounds, [from = std::move(from), limit](Session& session, const On& on) {
        return native::list(session, on, native::Listing::kDkeys, from, limit);
      });
}

Future<Page<ListedKey>> ObjectView::list_akeys(Key dkey, Anchor from, uint32_t limit,
                                               Bounds bounds) const {
  return on_object<Page<ListedKey>>(
      inner_, &dkey, bounds, [from = std::move(from), limit](Session& session, const On& on) {
        return native::list(session, on, native::Listing::kAkeys, from, limit);
      });
}

Future<Page<ListedExtent>> ObjectView::list_extents(Key dkey, Key akey, Anchor from, uint32_t limit,
                                                    Bounds bounds) const {
  return on_object<Page<ListedExtent>>(
      inner_, &dkey, bounds,
      [akey = akey.text(), from = std::move(from), limit](Session& session, const On& on) {
        return native::list_extents(session, on, akey, from, limit);
      });
}

Future<Epoch> Object::update(Key dkey, Key akey, Bytes value, Condition condition,
                             Bounds bounds) const {
  return on_object<Epoch>(inner_, &dkey, bounds,
                          [akey = akey.text(), value, condition](Session& session, const On& on) {
                            return native::update_one(session, on, akey, value, condition);
                          });
}

Future<Epoch> Object::update(Key dkey, std::vector<Write> writes, Condition condition,
                             Bounds bounds) const {
  return on_object<Epoch>(inner_, &dkey, bounds,
                          [writes = std::move(writes), condition](Session& session, const On& on) {
                            return native::update_many(session, on, writes, condition);
                          });
}

Future<Epoch> Object::punch_extents(Key dkey, Key akey, uint64_t record_bytes,
                                    std::vector<Extent> extents, Bounds bounds) const {
  std::vector<Write> holes;
  holes.push_back(Write::records(akey, record_bytes, std::move(extents), {}));
  return update(dkey, std::move(holes), Condition::kNone, std::move(bounds));
}

Future<void> Object::punch(Condition condition, Bounds bounds) const {
  return on_object<void>(inner_, nullptr, bounds, [condition](Session& session, const On& on) {
    return native::punch(session, on, nullptr, condition);
  });
}

Future<void> Object::punch_dkey(Key dkey, Condition condition, Bounds bounds) const {
  return on_object<void>(
      inner_, &dkey, bounds,
      [condition](Session& session, const On& on) -> varve::Task<varve::Result<void>> {
        if (on.dkey.empty()) co_return varve::Error(varve::Code::kInvalid, "the dkey is empty");
        co_return co_await native::punch(session, on, nullptr, condition);
      });
}

Future<void> Object::punch_akey(Key dkey, Key akey, Condition condition, Bounds bounds) const {
  return on_object<void>(inner_, &dkey, bounds,
                         [akey = akey.text(), condition](
                             Session& session, const On& on) -> varve::Task<varve::Result<void>> {
                           if (on.dkey.empty())
                             co_return varve::Error(varve::Code::kInvalid, "the dkey is empty");
                           co_return co_await native::punch(session, on, &akey, condition);
                         });
}

Future<uint64_t> KeyValueView::get(Key key, Buffer into, Bounds bounds) const {
  return view_.fetch(key, native::kValueKey, into, std::move(bounds));
}
Future<std::vector<std::byte>> KeyValueView::get(Key key, Bounds bounds) const {
  return view_.fetch(key, native::kValueKey, std::move(bounds));
}

namespace {
Future<Epoch> put_value(const Object& object, Key key, Bytes value, Condition condition,
                        Bounds bounds) {
  std::vector<Write> writes;
  // Of no akeys at all, which is refused, rather than a punch.
  if (!value.empty()) writes.push_back(Write::single(native::kValueKey, value));
  if (writes.empty()) return object.update(key, std::move(writes), condition, std::move(bounds));
  return object.update(key, native::kValueKey, value, condition, std::move(bounds));
}
}  // namespace

Future<Epoch> KeyValue::put(Key key, Bytes value, Bounds bounds) const {
  return put_value(object_, key, value, Condition::kNone, std::move(bounds));
}
Future<Epoch> KeyValue::insert(Key key, Bytes value, Bounds bounds) const {
  return put_value(object_, key, value, Condition::kDkeyInsert, std::move(bounds));
}
Future<Epoch> KeyValue::replace(Key key, Bytes value, Bounds bounds) const {
  return put_value(object_, key, value, Condition::kDkeyUpdate, std::move(bounds));
}
Future<void> KeyValue::remove(Key key, Bounds bounds) const {
  return object_.punch_dkey(key, Condition::kPunch, std::move(bounds));
}

}  // namespace varve::v1
