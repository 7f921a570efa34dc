// daos_obj.h, daos_cont.h: the table of a snapshot's objects. The list itself is read from the
// targets; marks are kept in an object of the container whose type says so (listings of objects
// leave it out): a dkey for each id, the mark as the value of one akey.
#include <cstring>

#include "daos_cont.h"
#include "daos_obj.h"
#include "libdaos/objects.h"
#include "placement/placement.h"
#include "runtime/wait.h"

using namespace varve;
using namespace varve::libdaos;

namespace varve::libdaos {
namespace {

constexpr uint32_t kOnePageMax = 1024, kFetchesAtOnce = 64;
constexpr std::string_view kMarkKey = "mark";

struct ObjectTable {
  client::Container container;
  Epoch epoch;
  client::Object marks;
};

// A mark is stored behind a byte, for it may be empty.
struct Mark {
  bool there = false;
  uint64_t length = 0;
  std::array<std::byte, 1 + DAOS_OIT_MARKER_MAX_LEN> bytes{};
};

Task<Result<void>> check_snapshot(client::Session& session, client::Container container,
                                  Epoch epoch) {
  VARVE_CO_TRY(const auto snapshots, co_await session.list_snapshots(container));
  for (const container::Snapshot& snapshot : snapshots)
    if (snapshot.epoch == epoch) co_return Result<void>();
  co_return Error(Code::kNonexistent,
                  "the container has no snapshot at epoch " + std::to_string(epoch.value) +
                      ": a table of objects is one of a snapshot's");
}

Result<client::Object> marks_of(client::Session& session, client::Container container,
                                Epoch epoch) {
  VARVE_TRY(const placement::ObjectClass wide, placement::class_by_id(OC_SX));
  return session.open_object(
      container, placement::make_object_id({epoch.value, 0}, DAOS_OT_OIT_V2, wide));
}

ByteView key_of(const daos_obj_id_t& oid) {
  return {reinterpret_cast<const std::byte*>(&oid), sizeof oid};
}

Task<Result<void>> fetch_mark(client::Session& session, const ObjectTable& table,
                              const daos_obj_id_t& oid, Mark& mark) {
  const MutableByteView room = mark.bytes;
  client::IoDescriptor descriptor;
  descriptor.akey = as_bytes(kMarkKey);
  descriptor.into = Scatter(&room, 1);
  VARVE_CO_CHECK(co_await session.fetch(table.marks, key_of(oid), 0,
                                        std::span<client::IoDescriptor>(&descriptor, 1)));
  mark.there = descriptor.fetched_bytes > 0;
  mark.length = mark.there ? descriptor.fetched_bytes - 1 : 0;
  co_return Result<void>();
}

Task<Result<void>> fetch_marks(client::Session& session, const ObjectTable& table,
                               std::span<const daos_obj_id_t> oids, std::vector<Mark>& marks) {
  marks.assign(oids.size(), {});
  for (size_t from = 0; from < oids.size(); from += kFetchesAtOnce) {
    std::vector<Task<Result<void>>> fetches;
    for (size_t i = from; i < std::min(oids.size(), from + kFetchesAtOnce); ++i)
      fetches.push_back(fetch_mark(session, table, oids[i], marks[i]));
    auto results = co_await when_all(std::move(fetches));
    for (Result<void>& result : results)
      if (!result.ok()) co_return std::move(result);
  }
  co_return Result<void>();
}

Task<Result<void>> set_mark(client::Session& session, const ObjectTable& table, daos_obj_id_t oid,
                            ByteView marker) {
  VARVE_CO_TRY(client::Object object, session.open_object(table.container, oid_of(oid)));
  object.snapshot = table.epoch;
  client::Session::Anchor anchor;
  VARVE_CO_TRY(const auto keys, co_await session.list_dkeys(object, anchor, 1));
  if (keys.empty())
    co_return Error(Code::kNonexistent, "the snapshot has no object " + oid_of(oid).to_string());
  Buffer value(1);
  value.insert(value.end(), marker.begin(), marker.end());
  const ByteView bytes = value;
  client::IoDescriptor descriptor;
  descriptor.akey = as_bytes(kMarkKey);
  descriptor.from = Gather(&bytes, 1);
  auto written = co_await session.update(table.marks, key_of(oid), 0,
                                         std::span<client::IoDescriptor>(&descriptor, 1));
  if (!written) co_return std::move(written.error());
  co_return Result<void>();
}

using Keep = std::function<bool(const daos_obj_id_t&, Mark&)>;

// Fills the caller's array with what `keep` (null: all) lets pass, page by page.
Task<int> list(client::Session& session, std::shared_ptr<ObjectTable> table, daos_obj_id_t* oids,
               uint32_t* nr, daos_anchor_t* anchor, Keep keep) {
  client::Session::Anchor position = read_anchor(*anchor);
  const uint32_t wanted = std::min(*nr, kOnePageMax);
  *nr = 0;
  while (*nr < wanted && !position.end) {
    auto listed =
        co_await session.list_objects(table->container, table->epoch, position, wanted - *nr);
    if (!listed) co_return failure(listed.error());
    std::vector<daos_obj_id_t> page;
    for (const ObjectId oid : *listed) page.push_back({oid.low, oid.high});
    std::vector<Mark> marks(page.size());
    if (keep) {
      const Result<void> fetched = co_await fetch_marks(session, *table, page, marks);
      if (!fetched) co_return failure(fetched.error());
    }
    for (size_t i = 0; i < page.size(); ++i)
      if (!keep || keep(page[i], marks[i])) oids[(*nr)++] = page[i];
  }
  write_anchor(position, *anchor);
  co_return 0;
}

int start_list(daos_handle_t oh, daos_obj_id_t* oids, uint32_t* oids_nr, daos_anchor_t* anchor,
               Keep keep, daos_event_t* ev) {
  const auto table = find<ObjectTable>(Kind::kObjectIterator, oh);
  if (!table) return code(Code::kNoHandle);
  if (!oids || !oids_nr || *oids_nr == 0 || !anchor) return code(Code::kInvalid);
  return run(ev,
             [table, oids, oids_nr, anchor, keep](client::Session& session) -> Task<int> {
               co_return co_await list(session, table, oids, oids_nr, anchor, keep);
             });
}

}  // namespace
}  // namespace varve::libdaos

int daos_oit_open(daos_handle_t coh, daos_epoch_t epoch, daos_handle_t* oh, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (!oh) return code(Code::kInvalid);
  return run(ev, [container = *container, epoch, oh](client::Session& session) -> Task<int> {
    const Result<void> there = co_await check_snapshot(session, container, Epoch{epoch});
    if (!there) co_return failure(there.error());
    Result<client::Object> marks = marks_of(session, container, Epoch{epoch});
    if (!marks) co_return failure(marks.error());
    *oh = register_handle(Kind::kObjectIterator,
                          std::make_shared<ObjectTable>(
                              ObjectTable{container, {epoch}, std::move(*marks)}));
    co_return 0;
  });
}

int daos_oit_close(daos_handle_t oh, daos_event_t* ev) {
  if (!close_handle(Kind::kObjectIterator, oh)) return code(Code::kNoHandle);
  return run(ev, [](client::Session&) -> Task<int> { co_return 0; });
}

int daos_oit_list(daos_handle_t oh, daos_obj_id_t* oids, uint32_t* oids_nr, daos_anchor_t* anchor,
                  daos_event_t* ev) {
  return start_list(oh, oids, oids_nr, anchor, nullptr, ev);
}

int daos_oit_list_unmarked(daos_handle_t oh, daos_obj_id_t* oids, uint32_t* oids_nr,
                           daos_anchor_t* anchor, daos_event_t* ev) {
  const Keep unmarked = [](const daos_obj_id_t&, Mark& mark) { return !mark.there; };
  return start_list(oh, oids, oids_nr, anchor, unmarked, ev);
}

int daos_oit_list_filter(daos_handle_t oh, daos_obj_id_t* oids, uint32_t* oids_nr,
                         daos_anchor_t* anchor, daos_oit_filter_cb filter, daos_event_t* ev) {
  if (!filter) return code(Code::kInvalid);
  const Keep keep = [filter](const daos_obj_id_t& oid, Mark& mark) {
    d_iov_t marker{};
    if (mark.there) d_iov_set(&marker, mark.bytes.data() + 1, mark.length);
    return filter(oid, &marker) != 0;
  };
  return start_list(oh, oids, oids_nr, anchor, keep, ev);
}

int daos_oit_mark(daos_handle_t oh, daos_obj_id_t oid, d_iov_t* marker, daos_event_t* ev) {
  const auto table = find<ObjectTable>(Kind::kObjectIterator, oh);
  if (!table) return code(Code::kNoHandle);
  if (daos_obj_id_is_nil(oid) ||
      (marker && (marker->iov_len > DAOS_OIT_MARKER_MAX_LEN ||
                  (marker->iov_len > 0 && !marker->iov_buf))))
    return code(Code::kInvalid);
  return run(ev, [table, oid, marker](client::Session& session) -> Task<int> {
    const ByteView bytes = marker ? view_of(*marker) : ByteView();
    co_return status(co_await set_mark(session, *table, oid, bytes));
  });
}

// The list needs no making. `name` is the snapshot's own business.
int daos_cont_snap_oit_create(daos_handle_t coh, daos_epoch_t epoch, char* name, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  return run(ev, [container = *container, epoch](client::Session& session) -> Task<int> {
    co_return status(co_await check_snapshot(session, container, Epoch{epoch}));
  });
}

// Its marks go; the handle stays the caller's to close.
int daos_cont_snap_oit_destroy(daos_handle_t coh, daos_handle_t oh, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  const auto table = find<ObjectTable>(Kind::kObjectIterator, oh);
  if (!table) return code(Code::kNoHandle);
  if (table->container->uuid != (*container)->uuid) return code(Code::kInvalid);
  return run(ev, [table](client::Session& session) -> Task<int> {
    co_return status(co_await session.punch(table->marks, {}, {}, 0));
  });
}
