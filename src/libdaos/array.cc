// daos_array.h.
#include "daos_array.h"

#include "libdaos/arrays.h"
#include "libdaos/objects.h"

using namespace varve;
using namespace varve::libdaos;

namespace varve::libdaos {
namespace {

constexpr uint64_t kChunkBytesDefault = kMiB;

Result<std::shared_ptr<OpenArray>> array_of(daos_handle_t handle) {
  VARVE_CHECK(require_initialized());
  auto array = find<OpenArray>(Kind::kArray, handle);
  if (!array) return Error(Code::kNoHandle, "the array handle is closed or was never opened");
  return array;
}

Result<std::shared_ptr<OpenArray>> make_array(client::Session& session, client::Container container,
                                              daos_obj_id_t oid, bool writable, uint64_t cell,
                                              uint64_t chunk) {
  VARVE_TRY(client::Object object, session.open_object(std::move(container), oid_of(oid)));
  auto array = std::make_shared<OpenArray>();
  array->object = std::move(object);
  array->cell_bytes = cell;
  array->chunk_cells = chunk;
  array->writable = writable;
  return array;
}

bool good_ranges(const daos_array_iod_t* iod) {
  if (!iod || (iod->arr_nr > 0 && !iod->arr_rgs)) return false;
  for (daos_size_t i = 0; i < iod->arr_nr; ++i) {
    constexpr uint64_t kMax = uint64_t{1} << 63;
    const daos_range_t& range = iod->arr_rgs[i];
    if (range.rg_idx >= kMax || range.rg_len >= kMax - range.rg_idx) return false;
  }
  return true;
}

// Bytes that the ranges take; 2^64 - 1 if they do not fit.
uint64_t bytes_in(const daos_array_iod_t* iod, uint64_t cell_bytes) {
  uint64_t cells = 0, bytes = 0;
  for (const object::Range& range : ranges_of(iod))
    if (__builtin_add_overflow(cells, range.count, &cells)) return ~0ULL;
  return __builtin_mul_overflow(cells, cell_bytes, &bytes) ? ~0ULL : bytes;
}

bool writes(unsigned mode) { return (mode & (DAOS_OO_RW | DAOS_OO_EXCL)) != 0; }

int no_permission(const char* what) {
  return failure(
      Error(Code::kNoPermission, std::string(what) + ": the array is open for reading only"));
}

}  // namespace
}  // namespace varve::libdaos

int daos_array_create(daos_handle_t coh, daos_obj_id_t oid, daos_handle_t th, daos_size_t cell_size,
                      daos_size_t chunk_size, daos_handle_t* oh, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (const Result<void> writable = check_writable(th); !writable) return failure(writable.error());
  if (!oh || cell_size == 0 || chunk_size == 0 || daos_obj_id2type(oid) != DAOS_OT_ARRAY)
    return code(Code::kInvalid);
  return run(ev,
             [container = *container, oid, cell_size, chunk_size,
              oh](client::Session& session) -> Task<int> {
               auto array = make_array(session, container, oid, true, cell_size, chunk_size);
               if (!array) co_return failure(array.error());
               const Result<void> stored =
                   co_await client::store_array_attributes(session, **array);
               if (!stored) co_return failure(stored.error());
               *oh = register_handle(Kind::kArray, std::move(*array));
               co_return 0;
             });
}

int daos_array_open(daos_handle_t coh, daos_obj_id_t oid, daos_handle_t th, unsigned int mode,
                    daos_size_t* cell_size, daos_size_t* chunk_size, daos_handle_t* oh,
                    daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  const auto type = daos_obj_id2type(oid);
  if (!oh || !cell_size || !chunk_size || (type != DAOS_OT_ARRAY && type != DAOS_OT_ARRAY_BYTE))
    return code(Code::kInvalid);
  return run(ev, [=, container = *container](client::Session& session) -> Task<int> {
    auto array = make_array(session, container, oid, writes(mode), 1, kChunkBytesDefault);
    if (!array) co_return failure(array.error());
    const Result<void> loaded = co_await client::load_array_attributes(session, **array);
    if (!loaded) co_return failure(loaded.error());
    *cell_size = (*array)->cell_bytes;
    *chunk_size = (*array)->chunk_cells.load();
    *oh = register_handle(Kind::kArray, std::move(*array));
    co_return 0;
  });
}

int daos_array_open_with_attr(daos_handle_t coh, daos_obj_id_t oid, daos_handle_t th,
                              unsigned int mode, daos_size_t cell_size, daos_size_t chunk_size,
                              daos_handle_t* oh, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  const auto type = daos_obj_id2type(oid);
  if (!oh || cell_size == 0 || chunk_size == 0 ||
      (type != DAOS_OT_ARRAY_ATTR && type != DAOS_OT_ARRAY_BYTE))
    return code(Code::kInvalid);
  return run(ev, [=, container = *container](client::Session& session) -> Task<int> {
    auto array = make_array(session, container, oid, writes(mode), cell_size, chunk_size);
    if (!array) co_return failure(array.error());
    *oh = register_handle(Kind::kArray, std::move(*array));
    co_return 0;
  });
}

int daos_array_close(daos_handle_t oh, daos_event_t* ev) {
  return close_object(Kind::kArray, oh, ev);
}

int daos_array_read(daos_handle_t oh, daos_handle_t th, daos_array_iod_t* iod, d_sg_list_t* sgl,
                    daos_event_t* ev) {
  const auto array = array_of(oh);
  if (!array) return failure(array.error());
  const Result<Epoch> epoch = read_epoch(th);
  if (!epoch) return failure(epoch.error());
  if (!good_ranges(iod) || !sgl) return code(Code::kInvalid);
  if (bytes_in(iod, (*array)->cell_bytes) > room_of(sgl)) return code(Code::kRecordTooBig);
  return run(ev, [array = *array, epoch = *epoch, iod, sgl](client::Session& session) -> Task<int> {
    const uint64_t bytes = bytes_in(iod, array->cell_bytes);
    iod->arr_nr_read = iod->arr_nr_short_read = 0;
    if (bytes == 0) co_return 0;
    Pieces<MutableByteView> room;
    uint64_t left = bytes;
    for (uint32_t i = 0; i < sgl->sg_nr && left > 0; ++i) {
      const uint64_t take = std::min<uint64_t>(sgl->sg_iovs[i].iov_buf_len, left);
      if (take > 0 && !sgl->sg_iovs[i].iov_buf) co_return code(Code::kInvalid);
      room.add({static_cast<std::byte*>(sgl->sg_iovs[i].iov_buf), take});
      left -= take;
    }
    const SeenObject seen(array->object, epoch);
    const Result<uint64_t> read =
        co_await client::read_array(session, *array, *seen, ranges_of(iod), room.span());
    if (!read) co_return failure(read.error());
    iod->arr_nr_read = *read;
    iod->arr_nr_short_read = bytes / array->cell_bytes - *read;
    set_filled(sgl, bytes);
    co_return 0;
  });
}

int daos_array_write(daos_handle_t oh, daos_handle_t th, daos_array_iod_t* iod, d_sg_list_t* sgl,
                     daos_event_t* ev) {
  const auto array = array_of(oh);
  if (!array) return failure(array.error());
  if (const Result<void> writable = check_writable(th); !writable) return failure(writable.error());
  if (!(*array)->writable) return no_permission("write");
  if (!good_ranges(iod) || !sgl) return code(Code::kInvalid);
  return run(ev, [array = *array, iod, sgl](client::Session& session) -> Task<int> {
    Pieces<ByteView> data;
    const uint64_t bytes = bytes_in(iod, array->cell_bytes);
    if (bytes == 0) co_return 0;
    if (!add_data(sgl, bytes, data))
      co_return failure(Error(Code::kBadIo, "an array write's buffers hold less than its ranges"));
    co_return status(co_await client::write_array(session, *array, ranges_of(iod), data.span()));
  });
}

int daos_array_punch(daos_handle_t oh, daos_handle_t th, daos_array_iod_t* iod, daos_event_t* ev) {
  const auto array = array_of(oh);
  if (!array) return failure(array.error());
  if (const Result<void> writable = check_writable(th); !writable) return failure(writable.error());
  if (!(*array)->writable) return no_permission("punch");
  if (!good_ranges(iod)) return code(Code::kInvalid);
  return run(ev, [array = *array, iod](client::Session& session) -> Task<int> {
    co_return status(co_await client::punch_array(session, *array, ranges_of(iod)));
  });
}

int daos_array_get_size(daos_handle_t oh, daos_handle_t th, daos_size_t* size, daos_event_t* ev) {
  const auto array = array_of(oh);
  if (!array) return failure(array.error());
  const Result<Epoch> epoch = read_epoch(th);
  if (!epoch) return failure(epoch.error());
  if (!size) return code(Code::kInvalid);
  return run(ev, [array = *array, epoch = *epoch, size](client::Session& session) -> Task<int> {
    const SeenObject seen(array->object, epoch);
    const Result<client::ArrayExtent> extent =
        co_await client::array_extent(session, *array, *seen);
    if (!extent) co_return failure(extent.error());
    *size = extent->cells;
    co_return 0;
  });
}

int daos_array_stat(daos_handle_t oh, daos_handle_t th, daos_array_stbuf_t* stbuf,
                    daos_event_t* ev) {
  const auto array = array_of(oh);
  if (!array) return failure(array.error());
  const Result<Epoch> epoch = read_epoch(th);
  if (!epoch) return failure(epoch.error());
  if (!stbuf) return code(Code::kInvalid);
  return run(ev, [array = *array, epoch = *epoch, stbuf](client::Session& session) -> Task<int> {
    const SeenObject seen(array->object, epoch);
    const Result<client::ArrayExtent> extent =
        co_await client::array_extent(session, *array, *seen);
    if (!extent) co_return failure(extent.error());
    *stbuf = {extent->cells, extent->newest.value};
    co_return 0;
  });
}

int daos_array_set_size(daos_handle_t oh, daos_handle_t th, daos_size_t size, daos_event_t* ev) {
  const auto array = array_of(oh);
  if (!array) return failure(array.error());
  if (const Result<void> writable = check_writable(th); !writable) return failure(writable.error());
  if (!(*array)->writable) return no_permission("set_size");
  if (size >= uint64_t{1} << 63) return code(Code::kInvalid);
  return run(ev, [array = *array, size](client::Session& session) -> Task<int> {
    co_return status(co_await client::resize_array(session, *array, size));
  });
}

int daos_array_destroy(daos_handle_t oh, daos_handle_t th, daos_event_t* ev) {
  const auto array = array_of(oh);
  if (!array) return failure(array.error());
  if (const Result<void> writable = check_writable(th); !writable) return failure(writable.error());
  if (!(*array)->writable) return no_permission("destroy");
  return run(ev, [array = *array](client::Session& session) -> Task<int> {
    co_return status(co_await session.punch(array->object, {}, {}, 0));
  });
}

int daos_array_get_attr(daos_handle_t oh, daos_size_t* chunk_size, daos_size_t* cell_size) {
  const auto array = array_of(oh);
  if (!array) return failure(array.error());
  if (!chunk_size || !cell_size) return code(Code::kInvalid);
  *chunk_size = (*array)->chunk_cells.load();
  *cell_size = (*array)->cell_bytes;
  return 0;
}

int daos_array_update_chunk_size(daos_handle_t oh, daos_size_t chunk_size) {
  const auto array = array_of(oh);
  if (!array) return failure(array.error());
  if (chunk_size == 0) return code(Code::kInvalid);
  (*array)->chunk_cells = chunk_size;
  return 0;
}
