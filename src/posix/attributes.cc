#include <sys/stat.h>

#include <algorithm>

#include "posix/file_system.h"

namespace varve::posix {

// Newest change of any of an object's data: epochs are wall nanoseconds (base/hybrid_clock.h).
Task<Result<Epoch>> FileSystem::newest_epoch(Session& session, ObjectId oid) {
  VARVE_CO_TRY(const client::Object object, open_object(session, oid));
  Result<object::QueryReply> reply = co_await session.query(object, {}, {}, 0);
  if (reply.code() == Code::kNonexistent) co_return kEpochNone;
  if (!reply) co_return std::move(reply.error());
  co_return reply->max_epoch;
}

Task<Result<Status>> FileSystem::status_of(Session& session, Inode inode) {
  Status status;
  Epoch epoch = kEpochNone;
  if (inode.is_link()) {
    status.size = inode.target.size();
  } else if (inode.is_directory()) {
    VARVE_CO_TRY(epoch, co_await newest_epoch(session, inode.oid));
  } else if (inode.written) {
    VARVE_CO_TRY(const client::Object object, open_object(session, inode.oid));
    VARVE_CO_TRY(const Extent found, co_await extent(session, object, inode.chunk_bytes, true));
    status.size = found.size;
    status.stored_bytes = found.stored_bytes;
    epoch = found.epoch;
  }
  if (inode.shared) {
    VARVE_CO_TRY(const std::vector<std::string> names, co_await link_keys(session, inode.oid));
    status.links = names.size();
  }
  status.mtime_ns =
      epoch.value > inode.mtime_epoch ? static_cast<int64_t>(epoch.value) : inode.mtime_ns;
  status.atime_ns = inode.atime_ns ? inode.atime_ns : status.mtime_ns;
  status.ctime_ns =
      epoch.value > inode.mtime_epoch ? std::max(inode.ctime_ns, status.mtime_ns) : inode.ctime_ns;
  status.inode = std::move(inode);
  co_return status;
}

Task<Result<Status>> FileSystem::status(Session& session, const Directory& parent,
                                        std::string_view name) {
  VARVE_CO_TRY(Inode inode, co_await entry(session, parent, name));
  co_return co_await status_of(session, std::move(inode));
}

Task<Result<Status>> FileSystem::status(Session& session, const Node& node) {
  Result<Inode> inode = co_await entry(session, *node.parent, node.name);
  const bool gone = inode ? !(inode->oid == node.inode.oid) : inode.code() == Code::kNonexistent;
  bool orphaned = gone && is_removed(node.inode.oid);
  if (gone && !orphaned && node.inode.is_file()) {
    VARVE_CO_TRY(orphaned, co_await is_orphan(session, node.inode.oid));
  }
  if (orphaned) {
    Inode last = node.inode;
    last.shared = false;
    last.written = true;
    VARVE_CO_TRY(Status status, co_await status_of(session, std::move(last)));
    status.links = 0;
    co_return status;
  }
  if (gone) co_return no_such_entry(node.name);
  if (!inode) co_return std::move(inode.error());
  co_return co_await status_of(session, std::move(*inode));
}

Task<Result<Status>> FileSystem::set_attributes(Session& session, const Node& node,
                                                AttributeChange change) {
  VARVE_CO_CHECK(require_writable());
  VARVE_CO_CHECK(co_await do_duties(session));
  VARVE_CO_TRY(Inode inode, co_await entry(session, *node.parent, node.name));
  if (!(inode.oid == node.inode.oid)) co_return no_such_entry(node.name);
  VARVE_CO_CHECK(co_await change_owner(session, node, inode, change));
  const auto now_ns = static_cast<int64_t>(session.executor().clock().wall_ns());
  if (change.size) {
    if (!inode.is_file())
      co_return Error(Code::kInvalid, "'" + node.name + "' is not a file: it has no size to set");
    VARVE_CO_CHECK(co_await set_size(session, const_cast<Node&>(node), *change.size));
    inode.written = true;
  }
  const ModeRecord mode{change.permissions.value_or(0) & 07777, 0, now_ns};
  const OwnerRecord owner{change.uid.value_or(inode.uid), change.gid.value_or(inode.gid), now_ns};
  TimesRecord times{inode.mtime_ns, change.atime_ns.value_or(inode.atime_ns), now_ns,
                    inode.mtime_epoch};
  if (change.mtime_ns) {
    times.mtime_ns = *change.mtime_ns;
    // Everything stored up to now is older than this explicit time; any later write is newer.
    if (!inode.is_link() && (inode.written || inode.is_directory())) {
      VARVE_CO_TRY(const Epoch newest, co_await newest_epoch(session, inode.oid));
      times.mtime_epoch = std::max(times.mtime_epoch, newest.value);
    }
  }
  const ByteView values[] = {bytes_of(mode), bytes_of(owner), bytes_of(times)};
  std::vector<client::IoDescriptor> descriptors;
  if (change.permissions) descriptors.push_back(single_value(kModeKey, values[0]));
  if (change.uid || change.gid) descriptors.push_back(single_value(kOwnerKey, values[1]));
  if (change.mtime_ns || change.atime_ns) descriptors.push_back(single_value(kTimesKey, values[2]));
  if (!descriptors.empty()) {
    VARVE_CO_CHECK(co_await update_records(session, node, std::move(descriptors)));
    inode.ctime_ns = std::max(inode.ctime_ns, now_ns);
  }
  if (change.permissions) inode.mode = (inode.mode & S_IFMT) | mode.permissions;
  inode.uid = owner.uid;
  inode.gid = owner.gid;
  inode.mtime_ns = times.mtime_ns;
  inode.atime_ns = times.atime_ns;
  inode.mtime_epoch = times.mtime_epoch;
  co_return co_await status_of(session, std::move(inode));
}

Task<Result<void>> FileSystem::set_children_defaults(Session& session, const Node& node,
                                                     uint32_t object_class, uint64_t chunk_bytes) {
  VARVE_CO_CHECK(require_writable());
  if (!node.inode.is_directory())
    co_return Error(Code::kNotDirectory,
                    "'" + node.name + "' is not a directory: only these have defaults");
  if (object_class) VARVE_CO_CHECK(placement::class_by_id(object_class));
  if (chunk_bytes > kChunkBytesMax)
    co_return Error(Code::kInvalid, "the chunk size is above 1 GiB");
  VARVE_CO_TRY(const Inode inode, co_await entry(session, *node.parent, node.name));
  ChildrenRecord record{chunk_bytes ? chunk_bytes : inode.chunk_bytes,
                        object_class ? object_class : inode.file_class,
                        object_class ? object_class : inode.directory_class};
  co_return co_await update_record(session, node, kChildrenKey, bytes_of(record));
}

}  // namespace varve::posix
