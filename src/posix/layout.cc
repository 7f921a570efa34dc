#include "posix/layout.h"

#include <sys/stat.h>

#include <algorithm>

namespace varve::posix {
namespace {

// daos_otype_t: hashed keys for directories; integer dkeys and bytes for files.
constexpr uint8_t kHashedType = 0, kByteArrayType = 13;
// User bits of `high` that mark the reserved objects, and objects of shared inodes.
constexpr uint64_t kReserved = 1, kSharedInode = 2;

Error damaged(std::string_view name, const char* what) {
  return Error(Code::kBadFormat, "the entry '" + std::string(name) + "' is damaged: " + what +
                                     "; restore it from a snapshot or remove it");
}

template <class T>
MutableByteView room_for(T& value) {
  return {reinterpret_cast<std::byte*>(&value), sizeof(T)};
}

}  // namespace

bool Inode::is_directory() const { return S_ISDIR(mode); }
bool Inode::is_file() const { return S_ISREG(mode); }
bool Inode::is_link() const { return S_ISLNK(mode); }

ObjectId superblock_oid() {
  const placement::ObjectClass single{kDefaultDirectoryClass, placement::Redundancy::kNone, 1, 1};
  return placement::make_object_id({0, kReserved}, kHashedType, single);
}
namespace {
ObjectId reserved_oid(uint64_t number) {
  const placement::ObjectClass single{kDefaultDirectoryClass, placement::Redundancy::kNone, 1, 1};
  return placement::make_object_id({number, kReserved}, kHashedType, single);
}
}  // namespace
ObjectId service_oid() { return reserved_oid(2); }
ObjectId mounts_oid() { return reserved_oid(3); }
ObjectId quota_oid() { return reserved_oid(4); }
ObjectId root_oid(const placement::ObjectClass& directory_class) {
  return placement::make_object_id({1, kReserved}, kHashedType, directory_class);
}
ObjectId file_oid(uint64_t number, const placement::ObjectClass& file_class) {
  return placement::make_object_id({number, 0}, kByteArrayType, file_class);
}
ObjectId directory_oid(uint64_t number, const placement::ObjectClass& directory_class) {
  return placement::make_object_id({number, 0}, kHashedType, directory_class);
}

ObjectId shared_inode_oid(ObjectId file) {
  const placement::ObjectClass single{kDefaultDirectoryClass, placement::Redundancy::kNone, 1, 1};
  return placement::make_object_id({file.low, kSharedInode}, kHashedType, single);
}

std::string link_key(ObjectId directory, std::string_view name) {
  std::string key(kLinkPrefix);
  key += as_text(bytes_of(directory));
  key += name;
  return key;
}

std::string rename_mark_key(uint64_t token) {
  std::string key(kRenameMarkPrefix);
  key += as_text(bytes_of(token));
  return key;
}

Buffer encode_rename(const RenameIntent& intent) {
  RenameRecord record;
  record.name_bytes = static_cast<uint16_t>(intent.name.size());
  record.kind = intent.exchange ? RenameRecord::kExchange : RenameRecord::kMove;
  record.token = intent.token;
  record.parent_low = intent.parent.low;
  record.parent_high = intent.parent.high;
  Buffer buffer(sizeof record + intent.name.size());
  std::memcpy(buffer.data(), &record, sizeof record);
  std::memcpy(buffer.data() + sizeof record, intent.name.data(), intent.name.size());
  return buffer;
}

Result<RenameIntent> decode_rename(ByteView bytes, std::string_view name) {
  RenameRecord record;
  if (bytes.size() < sizeof record) return damaged(name, "its rename's record is too short");
  std::memcpy(&record, bytes.data(), sizeof record);
  if (record.magic != RenameRecord::kMagic || record.token == 0 ||
      record.kind > RenameRecord::kExchange)
    return damaged(name, "its rename's record is not one");
  if (record.name_bytes == 0 || record.name_bytes > kNameBytesMax ||
      bytes.size() != sizeof record + record.name_bytes)
    return damaged(name, "its rename's record has a wrong length");
  return RenameIntent{record.token,
                      record.kind == RenameRecord::kExchange,
                      {record.parent_low, record.parent_high},
                      std::string(as_text(bytes.subspan(sizeof record)))};
}

Buffer encode_inode(const Inode& inode) {
  VARVE_ASSERT(inode.target.size() <= kPathBytesMax, "targets are checked when a link is made");
  InodeRecord record;
  record.target_bytes = static_cast<uint16_t>(inode.target.size());
  record.mode = inode.mode;
  record.flags = (inode.shared ? InodeRecord::kShared : 0) |
                 (inode.renaming ? InodeRecord::kRenaming : 0);
  record.uid = inode.uid;
  record.gid = inode.gid;
  record.oid_low = inode.oid.low;
  record.oid_high = inode.oid.high;
  record.chunk_bytes = inode.chunk_bytes;
  record.file_class = inode.file_class;
  record.directory_class = inode.directory_class;
  record.mtime_ns = inode.mtime_ns;
  record.atime_ns = inode.atime_ns;
  record.ctime_ns = inode.ctime_ns;
  record.mtime_epoch = inode.mtime_epoch;
  record.rename_token = inode.rename_token;
  Buffer buffer(sizeof record + inode.target.size());
  std::memcpy(buffer.data(), &record, sizeof record);
  std::memcpy(buffer.data() + sizeof record, inode.target.data(), inode.target.size());
  return buffer;
}

Result<Inode> decode_inode(ByteView bytes, std::string_view name) {
  InodeRecord record;
  if (bytes.size() < sizeof record) return damaged(name, "its record is too short");
  std::memcpy(&record, bytes.data(), sizeof record);
  if (record.magic != InodeRecord::kMagic) return damaged(name, "its magic number is wrong");
  if (record.version != InodeRecord::kVersion)
    return Error(Code::kIncompatible, "the entry '" + std::string(name) + "' has format version " +
                                          std::to_string(record.version) +
                                          ", this program knows version 2");
  if (bytes.size() != sizeof record + record.target_bytes)
    return damaged(name, "its length is wrong");
  if (!S_ISREG(record.mode) && !S_ISDIR(record.mode) && !S_ISLNK(record.mode))
    return damaged(name, "it has no known type");
  if (S_ISREG(record.mode) && (record.chunk_bytes == 0 || record.chunk_bytes > kChunkBytesMax))
    return damaged(name, "its chunk size is out of range");
  if (S_ISLNK(record.mode) != (record.target_bytes > 0))
    return damaged(name, "its link target is wrong");
  if ((record.flags & InodeRecord::kShared) && !S_ISREG(record.mode))
    return damaged(name, "it is no file and yet has an inode object");
  Inode inode;
  inode.mode = record.mode;
  inode.uid = record.uid;
  inode.gid = record.gid;
  inode.oid = {record.oid_low, record.oid_high};
  inode.chunk_bytes = record.chunk_bytes;
  inode.file_class = record.file_class;
  inode.directory_class = record.directory_class;
  inode.mtime_ns = record.mtime_ns;
  inode.atime_ns = record.atime_ns;
  inode.ctime_ns = record.ctime_ns;
  inode.mtime_epoch = record.mtime_epoch;
  inode.shared = (record.flags & InodeRecord::kShared) != 0;
  inode.renaming = (record.flags & InodeRecord::kRenaming) != 0;
  inode.rename_token = record.rename_token;
  inode.target = as_text(bytes.subspan(sizeof record));
  return inode;
}

Result<SuperblockRecord> decode_superblock(ByteView bytes) {
  SuperblockRecord record;
  if (bytes.size() != sizeof record)
    return Error(Code::kBadFormat, "the superblock has a wrong length");
  std::memcpy(&record, bytes.data(), sizeof record);
  if (record.magic != SuperblockRecord::kMagic)
    return Error(Code::kBadFormat,
                 "the superblock's magic number is wrong: the container holds no file "
                 "system of ours, or is damaged");
  if (record.version != SuperblockRecord::kVersion)
    return Error(Code::kIncompatible, "the file system has format version " +
                                          std::to_string(record.version) +
                                          ", this program knows version 2: use the program that made it");
  if (record.chunk_bytes == 0 || record.chunk_bytes > kChunkBytesMax)
    return Error(Code::kBadFormat, "the superblock's chunk size is out of range");
  record.hints[sizeof record.hints - 1] = 0;
  return record;
}

client::IoDescriptor single_value(std::string_view akey, const ByteView& value) {
  client::IoDescriptor descriptor;
  descriptor.akey = as_bytes(akey);
  descriptor.record_size = value.size();
  descriptor.from = Gather(&value, 1);
  return descriptor;
}

EntryFetch::EntryFetch(MutableByteView inode_room, bool with_superblock)
    : with_superblock_(with_superblock), inode_room_(inode_room) {
  rooms_ = {inode_room_,         room_for(mode_),    room_for(owner_),     room_for(times_),
            room_for(children_), room_for(occupied_), room_for(superblock_)};
  constexpr std::array<std::string_view, 7> kKeys{
      kInodeKey, kModeKey, kOwnerKey, kTimesKey, kChildrenKey, kOccupiedKey, kSuperblockKey};
  for (size_t i = 0; i < rooms_.size(); ++i) {
    descriptors_[i].akey = as_bytes(kKeys[i]);
    descriptors_[i].into = Scatter(&rooms_[i], 1);
  }
}

Result<Inode> EntryFetch::inode(std::string_view name) const {
  const uint64_t length = descriptors_[0].record_size;
  if (length == 0) return Code::kNonexistent;
  if (length > inode_room_.size()) return Code::kRecordTooBig;
  VARVE_TRY(Inode inode, decode_inode(ByteView(inode_room_).first(length), name));
  if (present(1, sizeof mode_)) {
    inode.mode = (inode.mode & S_IFMT) | (mode_.permissions & ~uint32_t{S_IFMT});
    inode.ctime_ns = std::max(inode.ctime_ns, mode_.ctime_ns);
  }
  if (present(2, sizeof owner_)) {
    inode.uid = owner_.uid;
    inode.gid = owner_.gid;
    inode.ctime_ns = std::max(inode.ctime_ns, owner_.ctime_ns);
  }
  if (present(3, sizeof times_)) {
    inode.mtime_ns = times_.mtime_ns;
    inode.atime_ns = times_.atime_ns;
    inode.mtime_epoch = times_.mtime_epoch;
    inode.ctime_ns = std::max(inode.ctime_ns, times_.ctime_ns);
  }
  if (present(4, sizeof children_)) {
    inode.chunk_bytes = children_.chunk_bytes;
    inode.file_class = children_.file_class;
    inode.directory_class = children_.directory_class;
  }
  if (descriptors_[5].record_size > 0) inode.written = true;
  return inode;
}

Result<SuperblockRecord> EntryFetch::superblock() const {
  if (descriptors_[6].record_size == 0) return Code::kNonexistent;
  if (descriptors_[6].record_size != sizeof superblock_)
    return Error(Code::kBadFormat, "the superblock has a wrong length");
  return decode_superblock(bytes_of(superblock_));
}

}  // namespace varve::posix
