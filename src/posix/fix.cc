// What a damaged superblock, root or entry is made anew from: its neighbours, and the ids of objects.
#include <sys/stat.h>

#include "posix/file_system.h"

namespace varve::posix {
namespace {

constexpr uint8_t kHashedType = 0, kByteArrayType = 13;

// The records of the superblock's dkey, each good or not.
struct Top {
  Result<SuperblockRecord> superblock = Code::kNonexistent;
  Result<Inode> root = Code::kNonexistent;
};
Task<Result<Top>> read_top(Session& session, const client::Object& object) {
  Buffer room(sizeof(InodeRecord) + kPathBytesMax);
  EntryFetch fetch(room, true);
  const Result<void> fetched =
      co_await session.fetch(object, as_bytes(kRootName), 0, fetch.descriptors());
  Top top;
  // A record that is too long is damaged.
  if (!fetched && fetched.code() != Code::kNonexistent && fetched.code() != Code::kRecordTooBig)
    co_return fetched.error();
  if (!fetched) co_return top;
  top.superblock = fetch.superblock();
  top.root = fetch.inode(kRootName);
  co_return top;
}

}  // namespace

Task<Result<void>> FileSystem::recreate_superblock(Session& session, client::Container container,
                                                   FormatOptions options) {
  VARVE_CO_TRY(const client::Object object, session.open_object(container, superblock_oid()));
  VARVE_CO_TRY(const Top top, co_await read_top(session, object));
  if (top.superblock)
    co_return Error(Code::kExists, "the superblock of container " + container->uuid.to_string() +
                                       " is good: there is nothing to put right");
  VARVE_CO_TRY(SuperblockRecord superblock, superblock_of(options));
  ObjectId root;
  if (top.root) {
    root = top.root->oid;
  } else {
    VARVE_CO_TRY(const placement::ObjectClass directory_class,
                 placement::class_by_id(superblock.directory_class));
    root = root_oid(directory_class);
  }
  superblock.root_low = root.low;
  superblock.root_high = root.high;
  const ByteView value = bytes_of(superblock);
  client::IoDescriptor descriptor = single_value(kSuperblockKey, value);
  VARVE_CO_CHECK(co_await session.update(object, as_bytes(kRootName), 0, only(descriptor)));
  co_return Result<void>();
}

Task<Result<void>> FileSystem::relink_root(Session& session, client::Container container,
                                           FormatOptions options) {
  VARVE_CO_TRY(const client::Object object, session.open_object(container, superblock_oid()));
  VARVE_CO_TRY(const Top top, co_await read_top(session, object));
  if (!top.superblock)
    co_return Error(Code::kBadFormat, "the superblock of container " + container->uuid.to_string() +
                                          " is damaged or gone: recreate it first");
  const ObjectId root{top.superblock->root_low, top.superblock->root_high};
  if (top.root && top.root->is_directory() && top.root->oid == root)
    co_return Error(Code::kExists, "the root of container " + container->uuid.to_string() +
                                       " is good: there is nothing to put right");
  Inode inode;
  inode.mode = S_IFDIR | (options.root_permissions & 07777);
  inode.uid = options.uid;
  inode.gid = options.gid;
  inode.oid = root;
  inode.mtime_ns = inode.ctime_ns = static_cast<int64_t>(session.executor().clock().wall_ns());
  const Buffer record = encode_inode(inode);
  const ByteView value = record;
  client::IoDescriptor descriptor = single_value(kInodeKey, value);
  VARVE_CO_CHECK(co_await session.update(object, as_bytes(kRootName), 0, only(descriptor)));
  co_return Result<void>();
}

// The object's id tells what the entry is, whatever its record says.
Task<Result<bool>> FileSystem::fix_type(Session& session, const Directory& parent,
                                        std::string_view name) {
  VARVE_CO_CHECK(check_name(name));
  VARVE_CO_CHECK(require_writable());
  Result<Buffer> found = co_await attribute_value(session, parent.object, name, kInodeKey);
  if (found.code() == Code::kNonexistent) co_return no_such_entry(name);
  if (!found) co_return std::move(found.error());
  InodeRecord record;
  if (found->size() < sizeof record)
    co_return Error(Code::kBadFormat, "the entry '" + std::string(name) +
                                          "' is too short to be put right: remove it with a check");
  std::memcpy(&record, found->data(), sizeof record);
  if (record.magic != InodeRecord::kMagic || record.version != InodeRecord::kVersion)
    co_return Error(Code::kBadFormat, "the entry '" + std::string(name) +
                                          "' is no inode record of this version");
  const ObjectId oid{record.oid_low, record.oid_high};
  const auto type = static_cast<uint8_t>(oid.high >> 56);
  const bool has_object = oid.low != 0 || oid.high != 0;
  uint32_t mode = S_IFLNK;
  if (has_object && type == kByteArrayType)
    mode = S_IFREG;
  else if (has_object && type == kHashedType)
    mode = S_IFDIR;
  else if (has_object || found->size() == sizeof record)
    co_return Error(Code::kBadFormat, "the entry '" + std::string(name) +
                                          "' has neither a file's nor a directory's object, nor a "
                                          "link's target");
  if ((record.mode & S_IFMT) == mode) co_return false;
  record.mode = mode | (record.mode & 07777);
  if (mode != S_IFREG) record.chunk_bytes = 0;
  if (mode == S_IFREG && record.chunk_bytes == 0) record.chunk_bytes = superblock_.chunk_bytes;
  if (mode != S_IFLNK) {
    record.target_bytes = 0;
    found->resize(sizeof record);
  }
  std::memcpy(found->data(), &record, sizeof record);
  VARVE_CO_CHECK(decode_inode(*found, name));
  const ByteView value = *found;
  client::IoDescriptor descriptor = single_value(kInodeKey, value);
  descriptor.conditions = store::kCondAkeyUpdate;
  VARVE_CO_CHECK(co_await session.update(parent.object, as_bytes(name), store::kCondPerAkey,
                                         only(descriptor)));
  co_return true;
}

}  // namespace varve::posix
