// daos_obj_verify: with one replica of everything, what can be compared is data and its checksums.
#include "daos_obj.h"
#include "libdaos/objects.h"

using namespace varve;
using namespace varve::libdaos;

namespace varve::libdaos {
namespace {

constexpr uint32_t kPage = 256;
constexpr uint64_t kReadBytes = kMiB;

using client::Object;
using client::Session;

Task<Result<void>> read_single(Session& session, const Object& object, ByteView dkey,
                               ByteView akey) {
  client::IoDescriptor descriptor;
  descriptor.akey = akey;
  VARVE_CO_CHECK(co_await session.fetch(object, dkey, 0, {&descriptor, 1}));
  if (descriptor.record_size == 0) co_return Result<void>();
  Buffer value(descriptor.record_size);
  const MutableByteView room(value);
  descriptor.into = Scatter(&room, 1);
  Result<void> fetched = co_await session.fetch(object, dkey, 0, {&descriptor, 1});
  // Replaced by a larger one meanwhile: that one was written whole just now.
  if (fetched.code() == Code::kRecordTooBig) co_return Result<void>();
  co_return fetched;
}

Task<Result<void>> read_range(Session& session, const Object& object, ByteView dkey, ByteView akey,
                              uint64_t record_size, object::Range range, Buffer& memory) {
  const uint64_t records = std::max<uint64_t>(1, kReadBytes / record_size);
  while (range.count > 0) {
    const object::Range part{range.index, std::min(range.count, records)};
    memory.resize(part.count * record_size);
    const MutableByteView room(memory);
    client::IoDescriptor descriptor;
    descriptor.akey = akey;
    descriptor.kind = object::ValueKind::kArray;
    descriptor.record_size = record_size;
    descriptor.ranges = {&part, 1};
    descriptor.into = Scatter(&room, 1);
    VARVE_CO_CHECK(co_await session.fetch(object, dkey, 0, {&descriptor, 1}));
    range = {range.index + part.count, range.count - part.count};
  }
  co_return Result<void>();
}

Task<Result<void>> read_array(Session& session, const Object& object, ByteView dkey,
                              ByteView akey) {
  Session::Anchor anchor;
  Buffer memory;
  while (!anchor.end) {
    uint32_t record_size = 0;
    VARVE_CO_TRY(const auto ranges,
                 co_await session.list_ranges(object, dkey, akey, anchor, kPage, &record_size));
    if (record_size == 0) continue;
    for (const object::ListedEntry& entry : ranges)
      VARVE_CO_CHECK(
          co_await read_range(session, object, dkey, akey, record_size, entry.range, memory));
  }
  co_return Result<void>();
}

Task<Result<void>> read_akeys(Session& session, const Object& object, ByteView dkey) {
  Session::Anchor anchor;
  while (!anchor.end) {
    VARVE_CO_TRY(const auto akeys, co_await session.list_akeys(object, dkey, anchor, kPage));
    for (const object::ListedEntry& entry : akeys) {
      const ByteView akey(entry.key);
      if (entry.kind == object::ValueKind::kArray)
        VARVE_CO_CHECK(co_await read_array(session, object, dkey, akey));
      else
        VARVE_CO_CHECK(co_await read_single(session, object, dkey, akey));
    }
  }
  co_return Result<void>();
}

Task<Result<void>> read_object(Session& session, const Object& object) {
  Session::Anchor anchor;
  while (!anchor.end) {
    VARVE_CO_TRY(const auto dkeys, co_await session.list_dkeys(object, anchor, kPage));
    for (const object::ListedEntry& entry : dkeys)
      VARVE_CO_CHECK(co_await read_akeys(session, object, ByteView(entry.key)));
  }
  co_return Result<void>();
}

}  // namespace
}  // namespace varve::libdaos

int daos_obj_verify(daos_handle_t coh, daos_obj_id_t oid, daos_epoch_t epoch) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (daos_obj_id_is_nil(oid)) return code(Code::kInvalid);
  return run(nullptr, [container = *container, oid, epoch](Session& session) -> Task<int> {
    Result<Object> object = session.open_object(container, oid_of(oid));
    if (!object) co_return failure(object.error());
    if (epoch != 0) object->snapshot = Epoch{epoch};
    co_return status(co_await read_object(session, *object));
  });
}
