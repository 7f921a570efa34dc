// daos_*_local2global and global2local: handles that one process opens and others of the same job
// use.
#include <cstring>

#include "base/record.h"
#include "daos_array.h"
#include "daos_cont.h"
#include "daos_pool.h"
#include "libdaos/arrays.h"
#include "libdaos/objects.h"

using namespace varve;
using namespace varve::libdaos;

namespace varve::libdaos {
namespace {

// Programs carry these from process to process as they are: same version on both sides.
struct GlobalPool {
  static constexpr uint64_t kMagic = 0x314c4f4f50565256;  // "VRVPOOL1"
  uint64_t magic = kMagic;
  Uuid uuid, handle;
  uint32_t flags = 0;
  template <class Archive>
  void visit(Archive& archive) {
    archive(magic, uuid, handle, flags);
  }
};
struct GlobalContainer {
  static constexpr uint64_t kMagic = 0x31544e4f43565256;  // "VRVCONT1"
  uint64_t magic = kMagic;
  Uuid pool, uuid, handle;
  bool writable = true;
  template <class Archive>
  void visit(Archive& archive) {
    archive(magic, pool, uuid, handle, writable);
  }
};
struct GlobalArray {
  static constexpr uint64_t kMagic = 0x3159525241475256;  // "VRGARRY1"
  uint64_t magic = kMagic;
  ObjectId oid;
  uint64_t cell_bytes = 0, chunk_cells = 0;
  template <class Archive>
  void visit(Archive& archive) {
    archive(magic, oid, cell_bytes, chunk_cells);
  }
};

// Without a buffer: how large it must be.
template <class Record>
int give(const Record& record, d_iov_t* glob) {
  const Buffer bytes = encode(record);
  if (!glob->iov_buf) {
    glob->iov_buf_len = bytes.size();
    return 0;
  }
  if (glob->iov_buf_len < bytes.size()) {
    glob->iov_buf_len = bytes.size();
    return code(Code::kTruncated);
  }
  std::memcpy(glob->iov_buf, bytes.data(), bytes.size());
  glob->iov_len = bytes.size();
  return 0;
}

template <class Record>
Result<Record> take(const d_iov_t& glob) {
  if (!glob.iov_buf || glob.iov_len > glob.iov_buf_len)
    return Error(Code::kInvalid, "no global handle was given");
  VARVE_TRY(Record record, decode<Record>(view_of(glob)));
  if (record.magic != Record::kMagic)
    return Error(Code::kInvalid, "the bytes are no global handle of this kind");
  return record;
}

}  // namespace
}  // namespace varve::libdaos

int daos_pool_local2global(daos_handle_t poh, d_iov_t* glob) {
  const Result<client::Pool> pool = pool_of(poh);
  if (!pool) return failure(pool.error());
  if (!glob) return code(Code::kInvalid);
  GlobalPool record;
  record.uuid = (*pool)->uuid;
  record.handle = (*pool)->handle;
  record.flags = (*pool)->flags;
  return give(record, glob);
}

int daos_pool_global2local(d_iov_t glob, daos_handle_t* poh) {
  if (!poh) return code(Code::kInvalid);
  const Result<GlobalPool> record = take<GlobalPool>(glob);
  if (!record) return failure(record.error());
  return run(nullptr, [record = *record, poh](client::Session& session) -> Task<int> {
    auto queried = co_await session.query_pool(record.uuid.to_string());
    if (!queried) co_return failure(queried.error());
    auto pool = std::make_shared<client::PoolHandle>();
    pool->uuid = record.uuid;
    pool->handle = record.handle;
    pool->flags = record.flags;
    pool->borrowed = true;
    pool->label = queried->info.label;
    pool->info = std::move(queried->info);
    pool->replace_map(std::move(queried->map));
    *poh = register_handle(Kind::kPool, std::move(pool));
    co_return 0;
  });
}

int daos_cont_local2global(daos_handle_t coh, d_iov_t* glob) {
  const Result<client::Container> container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (!glob) return code(Code::kInvalid);
  GlobalContainer record;
  record.pool = (*container)->pool->uuid;
  record.uuid = (*container)->uuid;
  record.handle = (*container)->handle;
  record.writable = (*container)->writable;
  return give(record, glob);
}

int daos_cont_global2local(daos_handle_t poh, d_iov_t glob, daos_handle_t* coh) {
  const Result<client::Pool> pool = pool_of(poh);
  if (!pool) return failure(pool.error());
  if (!coh) return code(Code::kInvalid);
  const Result<GlobalContainer> record = take<GlobalContainer>(glob);
  if (!record) return failure(record.error());
  if (record->pool != (*pool)->uuid)
    return failure(Error(Code::kInvalid, "the global handle is of a container in another pool"));
  return run(nullptr, [pool = *pool, record = *record, coh](client::Session& session) -> Task<int> {
    auto queried = co_await session.query_container(pool, record.uuid.to_string());
    if (!queried) co_return failure(queried.error());
    const auto integrity = container::integrity_of(queried->properties);
    if (!integrity) co_return failure(integrity.error());
    auto container = std::make_shared<client::ContainerHandle>();
    container->checksums = integrity->checksums;
    container->pool = pool;
    container->uuid = record.uuid;
    container->handle = record.handle;
    container->writable = record.writable;
    container->borrowed = true;
    container->info = std::move(*queried);
    *coh = register_handle(Kind::kContainer, std::move(container));
    co_return 0;
  });
}

int daos_array_local2global(daos_handle_t oh, d_iov_t* glob) {
  const auto array = find<OpenArray>(Kind::kArray, oh);
  if (!array) return code(Code::kNoHandle);
  if (!glob) return code(Code::kInvalid);
  GlobalArray record;
  record.oid = array->object.oid;
  record.cell_bytes = array->cell_bytes;
  record.chunk_cells = array->chunk_cells.load();
  return give(record, glob);
}

int daos_array_global2local(daos_handle_t coh, d_iov_t glob, unsigned int mode, daos_handle_t* oh) {
  const Result<client::Container> container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (!oh) return code(Code::kInvalid);
  const Result<GlobalArray> record = take<GlobalArray>(glob);
  if (!record) return failure(record.error());
  if (record->cell_bytes == 0 || record->chunk_cells == 0) return code(Code::kInvalid);
  return run(
      nullptr,
      [container = *container, record = *record, mode, oh](client::Session& session) -> Task<int> {
        Result<client::Object> object = session.open_object(container, record.oid);
        if (!object) co_return failure(object.error());
        auto array = std::make_shared<OpenArray>();
        array->object = std::move(*object);
        array->cell_bytes = record.cell_bytes;
        array->chunk_cells = record.chunk_cells;
        array->writable =
            (mode == 0 || (mode & (DAOS_OO_RW | DAOS_OO_EXCL))) && container->writable;
        *oh = register_handle(Kind::kArray, std::move(array));
        co_return 0;
      });
}
