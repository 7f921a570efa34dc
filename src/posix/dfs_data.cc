// daos_fs.h: the bytes of files.
#include <errno.h>

#include "posix/shell.h"

namespace varve::posix {
namespace {

// One read or write under way. Copies of the caller's lists: the caller may reuse these at once,
// the memory they point to only when the operation has ended.
template <class View>
struct Transfer {
  std::shared_ptr<FileSystem> file_system;
  NodePtr node;
  std::vector<View> memory;
  std::vector<FileRange> ranges;
  daos_size_t* read_size = nullptr;
};

template <class View, class Byte>
bool take_memory(const d_sg_list_t* list, std::vector<View>& memory) {
  if (!list || (list->sg_nr > 0 && !list->sg_iovs)) return false;
  memory.reserve(list->sg_nr);
  for (uint32_t i = 0; i < list->sg_nr; ++i) {
    const d_iov_t& iov = list->sg_iovs[i];
    if (iov.iov_len == 0) continue;
    if (!iov.iov_buf) return false;
    memory.emplace_back(static_cast<Byte*>(iov.iov_buf), iov.iov_len);
  }
  return true;
}

bool take_ranges(const dfs_iod_t* iod, std::vector<FileRange>& ranges) {
  if (!iod || (iod->iod_nr > 0 && !iod->iod_rgs)) return false;
  ranges.reserve(iod->iod_nr);
  for (daos_size_t i = 0; i < iod->iod_nr; ++i)
    if (iod->iod_rgs[i].rg_len > 0)
      ranges.push_back({iod->iod_rgs[i].rg_idx, iod->iod_rgs[i].rg_len});
  return true;
}

// The operations of libdaos::run: 0 or an errno.
int read_now(Transfer<MutableByteView> transfer, daos_event_t* event) {
  return libdaos::run(event, [transfer = std::move(transfer)](Session& session) -> Task<int> {
    Result<uint64_t> count = co_await transfer.file_system->read(session, *transfer.node,
                                                                 transfer.ranges, transfer.memory);
    if (!count) co_return error_number(count.error());
    *transfer.read_size = *count;
    co_return 0;
  });
}
int write_now(Transfer<ByteView> transfer, daos_event_t* event) {
  return libdaos::run(event, [transfer = std::move(transfer)](Session& session) -> Task<int> {
    co_return error_number(co_await transfer.file_system->write(session, *transfer.node,
                                                                transfer.ranges, transfer.memory));
  });
}
// run() answers in DAOS's numbers where it could not begin.
int to_errno(int result) { return result < 0 ? errno_of_daos(result) : result; }

// Refused here and now, not by the event.
int check_file(const dfs_obj_t* obj, bool writing) {
  if (obj->node->inode.is_directory()) return EISDIR;
  if (!obj->node->inode.is_file()) return EINVAL;
  if (!writing) return 0;
  if (!obj->file_system->mount_options().writable) return EROFS;
  return obj->node->writable ? 0 : EPERM;
}

}  // namespace
}  // namespace varve::posix

using namespace varve;
using namespace varve::posix;

int dfs_read(dfs_t* dfs, dfs_obj_t* obj, d_sg_list_t* sgl, daos_off_t off, daos_size_t* read_size,
             daos_event_t* ev) {
  if (!dfs || !obj || !read_size) return EINVAL;
  if (const int refused = check_file(obj, false)) return refused;
  Transfer<MutableByteView> transfer{dfs->file_system, obj->node, {}, {}, read_size};
  if (!take_memory<MutableByteView, std::byte>(sgl, transfer.memory)) return EINVAL;
  transfer.ranges.push_back({off, size_of(Scatter(transfer.memory))});
  return to_errno(read_now(std::move(transfer), ev));
}

int dfs_readx(dfs_t* dfs, dfs_obj_t* obj, dfs_iod_t* iod, d_sg_list_t* sgl, daos_size_t* read_size,
              daos_event_t* ev) {
  if (!dfs || !obj || !read_size) return EINVAL;
  if (const int refused = check_file(obj, false)) return refused;
  Transfer<MutableByteView> transfer{dfs->file_system, obj->node, {}, {}, read_size};
  if (!take_memory<MutableByteView, std::byte>(sgl, transfer.memory) ||
      !take_ranges(iod, transfer.ranges))
    return EINVAL;
  return to_errno(read_now(std::move(transfer), ev));
}

int dfs_write(dfs_t* dfs, dfs_obj_t* obj, d_sg_list_t* sgl, daos_off_t off, daos_event_t* ev) {
  if (!dfs || !obj) return EINVAL;
  if (const int refused = check_file(obj, true)) return refused;
  Transfer<ByteView> transfer{dfs->file_system, obj->node, {}, {}, nullptr};
  if (!take_memory<ByteView, const std::byte>(sgl, transfer.memory)) return EINVAL;
  transfer.ranges.push_back({off, size_of(Gather(transfer.memory))});
  return to_errno(write_now(std::move(transfer), ev));
}

int dfs_writex(dfs_t* dfs, dfs_obj_t* obj, dfs_iod_t* iod, d_sg_list_t* sgl, daos_event_t* ev) {
  if (!dfs || !obj) return EINVAL;
  if (const int refused = check_file(obj, true)) return refused;
  Transfer<ByteView> transfer{dfs->file_system, obj->node, {}, {}, nullptr};
  if (!take_memory<ByteView, const std::byte>(sgl, transfer.memory) ||
      !take_ranges(iod, transfer.ranges))
    return EINVAL;
  return to_errno(write_now(std::move(transfer), ev));
}

int dfs_get_size(dfs_t* dfs, dfs_obj_t* obj, daos_size_t* size) {
  if (!dfs || !obj || !size) return EINVAL;
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(*size, co_await dfs->file_system->size(session, *obj->node));
    co_return Result<void>();
  });
}

int dfs_get_size_by_oid(dfs_t* dfs, daos_obj_id_t oid, daos_size_t chunk_size, daos_size_t* size) {
  if (!dfs || !size) return EINVAL;
  return run_now([&](Session& session) -> Task<Result<void>> {
    VARVE_CO_TRY(*size,
                 co_await dfs->file_system->size_of_object(session, {oid.lo, oid.hi}, chunk_size));
    co_return Result<void>();
  });
}

int dfs_punch(dfs_t* dfs, dfs_obj_t* obj, daos_off_t offset, daos_size_t len) {
  if (!dfs || !obj) return EINVAL;
  if (const int refused = check_file(obj, true)) return refused;
  return run_now(
      [&](Session& session) { return dfs->file_system->punch(session, *obj->node, offset, len); });
}

// A write returns when it is safe: there is nothing left to wait for.
int dfs_sync(dfs_t* dfs) { return dfs ? 0 : EINVAL; }
