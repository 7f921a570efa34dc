// What a file system is made of in its container, byte by byte: docs/formats/dfs.md. Little-endian
// records as values of akeys; everything read is checked before it is believed.
#pragma once

#include <array>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "client/client.h"
#include "store/store.h"

namespace varve::posix {

inline constexpr uint64_t kDefaultChunkBytes = kMiB;
inline constexpr uint64_t kChunkBytesMax = kGiB;
inline constexpr uint32_t kDefaultFileClass = 0x0100ffff;       // SX
inline constexpr uint32_t kDefaultDirectoryClass = 0x01000001;  // S1
inline constexpr uint32_t kDefaultLeaseMs = 60'000;
inline constexpr size_t kNameBytesMax = 255, kPathBytesMax = 4096;

// The dkey of the superblock object that holds the superblock and, as an entry, the root directory.
inline constexpr std::string_view kRootName = "/";
// Akeys of an entry; "x:NAME" are its extended attributes, "r:TOKEN" a mark of a rename.
inline constexpr std::string_view kInodeKey = "i", kModeKey = "m", kOwnerKey = "o", kTimesKey = "t",
                                  kChildrenKey = "c", kOccupiedKey = "w", kSharedKey = "n",
                                  kRenameKey = "r", kExchangedKey = "e", kSuperblockKey = "s", kAttributePrefix = "x:",
                                  kRenameMarkPrefix = "r:";
// The dkey of a shared inode's object; its akeys are those of an entry, and "l:NAME" (name_key) for
// each of its names.
inline constexpr std::string_view kSharedInodeName = "i", kLinkPrefix = "l:";
// Of the service object: under the mark of a rename, that it was cancelled.
inline constexpr std::string_view kCancelledKey = "c";
// The akey of a file's bytes, under dkey chunk number + 1.
inline constexpr std::string_view kDataKey = "0";
// Beside it: "a:TOKEN", of one byte, names an append whose answer may have been lost.
inline constexpr std::string_view kAppendPrefix = "a:";

struct SuperblockRecord {
  static constexpr uint64_t kMagic = 0x3153464445565256;  // "VRVEDFS1"
  static constexpr uint32_t kVersion = 2;
  uint64_t magic = kMagic;
  uint32_t version = kVersion;
  uint32_t mode = 0;  // DFS_RELAXED, DFS_BALANCED
  uint64_t chunk_bytes = 0;
  uint32_t file_class = 0, directory_class = 0;
  uint64_t root_low = 0, root_high = 0;
  char hints[128] = {};  // NUL-terminated
  uint32_t lease_ms = 0;  // how long a mount counts as alive without a sign of life
  uint32_t reserved = 0;
};
static_assert(sizeof(SuperblockRecord) == 184);

struct InodeRecord {
  static constexpr uint32_t kMagic = 0x49465256;  // "VRFI"
  static constexpr uint16_t kVersion = 2;
  static constexpr uint32_t kShared = 2;    // flags: the inode is in an object of its own
  static constexpr uint32_t kRenaming = 4;  // flags: the akey "r" says where it goes
  uint32_t magic = kMagic;
  uint16_t version = kVersion;
  uint16_t target_bytes = 0;  // of a symbolic link's target, which follows the record
  uint32_t mode = 0;          // type and permissions
  uint32_t flags = 0;
  uint32_t uid = 0, gid = 0;
  uint64_t oid_low = 0, oid_high = 0;
  uint64_t chunk_bytes = 0;  // files: theirs; directories: for new files, 0: default
  uint32_t file_class = 0, directory_class = 0;  // directories: for new entries, 0: default
  int64_t mtime_ns = 0, atime_ns = 0, ctime_ns = 0;
  uint64_t mtime_epoch = 0;   // mtime_ns counts unless the object has a later epoch
  uint64_t rename_token = 0;  // of the rename that put it here; 0: none did
};
static_assert(sizeof(InodeRecord) == 96);

// Where a rename brings an entry; the new name follows.
struct RenameRecord {
  static constexpr uint32_t kMagic = 0x52465256;  // "VRFR"
  static constexpr uint16_t kMove = 0, kExchange = 1;
  uint32_t magic = kMagic;
  uint16_t name_bytes = 0;
  uint16_t kind = kMove;
  uint64_t token = 0;
  uint64_t parent_low = 0, parent_high = 0;  // the directory that the new name is in
};
static_assert(sizeof(RenameRecord) == 32);

// Later changes of single attributes, each an akey of its own: written blindly, so that two clients
// who change different attributes at once lose neither.
struct ModeRecord {
  uint32_t permissions = 0, reserved = 0;
  int64_t ctime_ns = 0;
};
struct OwnerRecord {
  uint32_t uid = 0, gid = 0;
  int64_t ctime_ns = 0;
};
struct TimesRecord {
  int64_t mtime_ns = 0, atime_ns = 0, ctime_ns = 0;
  uint64_t mtime_epoch = 0;
};
struct ChildrenRecord {
  uint64_t chunk_bytes = 0;
  uint32_t file_class = 0, directory_class = 0;
};
static_assert(sizeof(ModeRecord) == 16 && sizeof(OwnerRecord) == 16 && sizeof(TimesRecord) == 32 &&
              sizeof(ChildrenRecord) == 16);

// An entry as it stands: the inode record with its later changes applied.
struct Inode {
  uint32_t mode = 0, uid = 0, gid = 0;
  ObjectId oid;  // symbolic links have none
  uint64_t chunk_bytes = 0;
  uint32_t file_class = 0, directory_class = 0;
  int64_t mtime_ns = 0, atime_ns = 0, ctime_ns = 0;  // atime 0: never set, then it is mtime
  uint64_t mtime_epoch = 0;
  bool written = false;  // the file may hold data; false: it never did
  bool shared = false;   // it may have several names: the rest is in its inode object
  bool renaming = false;
  uint64_t rename_token = 0;
  std::string target;    // symbolic links

  bool is_directory() const;
  bool is_file() const;
  bool is_link() const;
};

// What the mounts of a file system tell each other: docs/formats/dfs.md.
ObjectId service_oid();
ObjectId mounts_oid();
ObjectId quota_oid();
// Reserved objects; the numbers of others come from Session::allocate_object_ids, with user bits 0
// in `high`.
ObjectId superblock_oid();
ObjectId root_oid(const placement::ObjectClass& directory_class);
ObjectId file_oid(uint64_t number, const placement::ObjectClass& file_class);
ObjectId directory_oid(uint64_t number, const placement::ObjectClass& directory_class);
// The object that holds the inode of a file with several names.
ObjectId shared_inode_oid(ObjectId file);
// The akey for a name of a shared inode: "l:", its directory's id (16 bytes), the name.
std::string link_key(ObjectId directory, std::string_view name);
std::string rename_mark_key(uint64_t token);

Buffer encode_inode(const Inode& inode);
// kBadFormat or kIncompatible, naming the entry.
Result<Inode> decode_inode(ByteView record, std::string_view name);
struct RenameIntent {
  uint64_t token = 0;
  bool exchange = false;
  ObjectId parent;
  std::string name;
};
Buffer encode_rename(const RenameIntent& intent);
Result<RenameIntent> decode_rename(ByteView record, std::string_view name);
Result<SuperblockRecord> decode_superblock(ByteView record);

// A single value of an entry; `value` itself must outlive the operation. Empty: punch.
client::IoDescriptor single_value(std::string_view akey, const ByteView& value);
inline std::span<client::IoDescriptor> only(client::IoDescriptor& descriptor) {
  return {&descriptor, 1};
}

// One fetch of an entry: all its records, from one point in time. Stays where it is while it is
// used.
class EntryFetch {
 public:
  // `target_room`: bytes for a symbolic link's target.
  EntryFetch(MutableByteView inode_room, bool with_superblock);
  EntryFetch(const EntryFetch&) = delete;
  EntryFetch& operator=(const EntryFetch&) = delete;
  std::span<client::IoDescriptor> descriptors() {
    return {descriptors_.data(), with_superblock_ ? 7u : 6u};
  }
  // kNonexistent without text where there is no entry.
  Result<Inode> inode(std::string_view name) const;
  // kNonexistent where there is none.
  Result<SuperblockRecord> superblock() const;

 private:
  bool present(size_t index, size_t bytes) const {
    return descriptors_[index].record_size == bytes;
  }
  bool with_superblock_;
  ModeRecord mode_;
  OwnerRecord owner_;
  TimesRecord times_;
  ChildrenRecord children_;
  uint8_t occupied_ = 0;
  SuperblockRecord superblock_;
  MutableByteView inode_room_;
  std::array<MutableByteView, 7> rooms_;
  std::array<client::IoDescriptor, 7> descriptors_;
};

}  // namespace varve::posix
