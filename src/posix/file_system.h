// A file system in one container, as coroutines over client::Session. A FileSystem and its nodes
// are shared by threads: each call names the session it runs on. Names are single components unless
// said otherwise. Errors: kNonexistent, kExists, kNotDirectory, kIsDirectory, kNotEmpty, kLinkLoop,
// kNameTooLong, kReadOnly, kNoPermission, kInvalid, and those of the session.
//
// What takes several updates leaves an intent first, which whoever meets it finishes: a crash leaves
// a rename done or not done (docs/internals/dfs.md).
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "client/client.h"
#include "posix/guarded.h"
#include "posix/layout.h"
#include "posix/quota.h"

namespace varve::posix {

using client::Session;

// A directory one can work in, and where it was found.
struct Directory {
  client::Object object;
  std::shared_ptr<const Directory> parent;  // null: the superblock's, which holds the root
  std::string name;
  // For what is created here; 0: the file system's defaults.
  uint64_t chunk_bytes = 0;
  uint32_t file_class = 0, directory_class = 0;
  // The last one that was removed here had data or more names than one: a guess about the next.
  mutable std::atomic<bool> occupied{false};
};
using DirectoryPtr = std::shared_ptr<const Directory>;

// What this handle's last append was named by (append.cc): the next one takes that name away.
struct AppendName {
  uint64_t chunk = 0;
  std::string akey;
};
class LastAppend {
 public:
  std::optional<AppendName> take() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(name_, std::nullopt);
  }
  void put(AppendName name) {
    const std::scoped_lock lock(mutex_);
    name_ = std::move(name);
  }

 private:
  std::mutex mutex_;
  std::optional<AppendName> name_;
};

// An open file, directory or symbolic link: its entry as of the time of opening.
struct Node {
  DirectoryPtr parent;
  std::string name;
  Inode inode;
  DirectoryPtr directory;  // of directories
  client::Object file;     // of files
  bool writable = false;
  std::atomic<bool> written{false};  // the entry is known to say that there may be data
  std::atomic<bool> shared{false};   // the inode is known to be in an object of its own
  LastAppend last_append;
  // Quotas count the file up to there, which is believed until then (steady time).
  std::atomic<uint64_t> covered{0};
  std::atomic<uint64_t> covered_until{0};
};
using NodePtr = std::shared_ptr<Node>;

struct Status {
  Inode inode;
  uint64_t size = 0;
  uint64_t stored_bytes = 0;  // of files: holes left out
  uint64_t links = 1;  // names; 0: it was removed while open
  int64_t mtime_ns = 0, atime_ns = 0, ctime_ns = 0;
};

struct FormatOptions {
  uint64_t chunk_bytes = 0;  // 0: the default, here and below
  uint32_t file_class = 0, directory_class = 0;
  uint32_t mode = 0;
  uint32_t root_permissions = 0755;
  uint32_t uid = 0, gid = 0;
  std::string hints;
  // How long a mount that shows no sign of life counts as alive: what was removed while it had it
  // open is kept for so long.
  uint32_t lease_ms = 60'000;
};
struct MountOptions {
  bool writable = true;
  uint32_t uid = 0, gid = 0;   // owner of what is created
  Epoch snapshot = kEpochMax;  // another one: read-only
  bool format_if_empty = false;
};
struct OpenOptions {
  uint32_t mode = 0;  // type and permissions; S_IFMT bits 0: whatever is there
  bool create = false, exclusive = false, truncate = false, writable = false, follow = true;
  uint32_t object_class = 0;  // of what is created
  uint64_t chunk_bytes = 0;
  std::string_view target;  // of a symbolic link that is created
};
// What set_attributes() changes.
struct AttributeChange {
  std::optional<uint32_t> permissions, uid, gid;
  std::optional<int64_t> mtime_ns, atime_ns;
  std::optional<uint64_t> size;
};
struct SpaceReport {
  uint64_t pool_bytes = 0, pool_free_bytes = 0;
  uint64_t file_bytes = 0, objects = 0;  // of the file system; 0 if not counted
};
struct FileRange {
  uint64_t offset = 0, length = 0;
};
struct ListedName {
  std::string name;
  Status status;  // list_with_status() only
};

enum class LockChange : uint8_t { kShared, kExclusive, kRelease, kRenew };
// What a check does, and what it found.
struct CheckOptions {
  bool repair = false;  // what can be put right without asking
  bool remove = false, relink = false;  // objects that no path leads to
  std::string lost_name;                // relink: the directory below /lost+found
  std::function<void(ObjectId)> each;   // of these objects
};
struct CheckReport {
  uint64_t directories = 0, files = 0, links = 0, leaked = 0, relinked = 0, removed = 0;
  uint64_t ghosts = 0;       // names without an inode
  uint64_t stale_names = 0;  // of files with several names: listed and not there, or the reverse
  uint64_t unmarked = 0;     // files with data whose entry says that there is none
  uint64_t orphans = 0;      // files without a name that a mount had open, or may have
  uint64_t quotas = 0;       // that did not count what there is
};

class FileSystem {
 public:
  // Makes an empty file system in the container; kExists if there is one.
  static Task<Result<void>> format(Session& session, client::Container container,
                                   FormatOptions options);
  // kNonexistent (no file system there), kBadFormat, kIncompatible.
  static Task<Result<std::shared_ptr<FileSystem>>> mount(Session& session,
                                                         client::Container container,
                                                         MountOptions options);

  const SuperblockRecord& superblock() const { return superblock_; }
  const client::Container& container() const { return container_; }
  const MountOptions& mount_options() const { return mount_; }
  const NodePtr& root() const { return root_; }

  // --- names (lookup.cc, open.cc)
  // Walks `path` from `start` (from the root if it begins with '/' ), through symbolic links; the
  // last component's link is followed if `follow`.
  Task<Result<NodePtr>> lookup(Session& session, DirectoryPtr start, std::string path, bool follow,
                               bool writable);
  Task<Result<NodePtr>> open(Session& session, DirectoryPtr parent, std::string_view name,
                             OpenOptions options);
  // Only the entry, nothing followed: one round trip, two where it has several names. Finishes a
  // rename that was cut off here.
  Task<Result<Inode>> entry(Session& session, const Directory& parent, std::string_view name);
  Result<NodePtr> make_node(Session& session, DirectoryPtr parent, std::string_view name,
                            Inode inode, bool writable) const;

  // --- directories (directory.cc, rename.cc)
  Task<Result<void>> make_directory(Session& session, const Directory& parent,
                                    std::string_view name, uint32_t permissions,
                                    uint32_t object_class);
  // Up to `limit` names; `anchor` moves. Names made or removed meanwhile may or may not be there.
  // `end_shard`: the first part of the directory that is not listed; 0: all are.
  Task<Result<std::vector<ListedName>>> list(Session& session, const Directory& directory,
                                             Session::Anchor& anchor, uint32_t limit,
                                             uint32_t end_shard = 0);
  Task<Result<std::vector<ListedName>>> list_with_status(Session& session,
                                                         const Directory& directory,
                                                         Session::Anchor& anchor, uint32_t limit,
                                                         uint32_t end_shard = 0);
  // A directory must be empty, unless `force` removes all below it. `only_type`: S_IFMT bits that
  // it must have, 0: any. Returns the object's id; none for a file that is empty if not `want_oid`,
  // which is faster.
  Task<Result<ObjectId>> remove(Session& session, DirectoryPtr parent, std::string_view name,
                                bool force, uint32_t only_type = 0, bool want_oid = true);
  // Another name for a file (links.cc). kNoPermission for directories, kNotSupported for links.
  Task<Result<void>> link(Session& session, const Directory& parent, std::string_view name,
                          const Directory& new_parent, std::string_view new_name);
  // Replaces what has the new name, as rename(2). Returns the replaced object's id, or nothing.
  Task<Result<std::optional<ObjectId>>> rename(Session& session, DirectoryPtr from,
                                               std::string_view name, DirectoryPtr to,
                                               std::string_view new_name);
  Task<Result<void>> exchange(Session& session, DirectoryPtr first, std::string_view first_name,
                              DirectoryPtr second, std::string_view second_name);

  // --- attributes (attributes.cc, extended_attributes.cc)
  Task<Result<Status>> status(Session& session, const Directory& parent, std::string_view name);
  // The node's entry must still be this node's: kNonexistent after a rename or removal.
  Task<Result<Status>> status(Session& session, const Node& node);
  Task<Result<Status>> status_of(Session& session, Inode inode);
  // Returns the status after the change.
  Task<Result<Status>> set_attributes(Session& session, const Node& node, AttributeChange change);
  // For what is created in this directory later (a file: kNotDirectory). 0: unchanged.
  Task<Result<void>> set_children_defaults(Session& session, const Node& node,
                                           uint32_t object_class, uint64_t chunk_bytes);
  Task<Result<void>> set_extended_attribute(Session& session, const Node& node,
                                            std::string_view name, ByteView value, bool must_be_new,
                                            bool must_exist);
  Task<Result<Buffer>> extended_attribute(Session& session, const Node& node,
                                          std::string_view name);
  Task<Result<void>> remove_extended_attribute(Session& session, const Node& node,
                                               std::string_view name);
  Task<Result<std::vector<std::string>>> extended_attributes(Session& session, const Node& node);

  // --- file data (file_io.cc, file_size.cc). What spans refer to is the caller's again when the
  // task ends. Atomic by chunk. `from` holds the ranges' bytes in their order.
  Task<Result<void>> write(Session& session, Node& node, std::span<const FileRange> ranges,
                           Gather from);
  // Holes read as zeros. Returns how many bytes of the ranges lie before the end of the file.
  Task<Result<uint64_t>> read(Session& session, const Node& node, std::span<const FileRange> ranges,
                              Scatter into);
  Task<Result<uint64_t>> size(Session& session, const Node& node);
  Task<Result<uint64_t>> size_of_object(Session& session, ObjectId oid, uint64_t chunk_bytes);
  Task<Result<void>> set_size(Session& session, Node& node, uint64_t size);
  // Writes at the end, wherever that is by then; returns where it came to lie (append.cc). Whole, up
  // to a chunk's length.
  Task<Result<uint64_t>> append(Session& session, Node& node, Gather from);
  // Zeros [offset, offset + length) if the file goes on beyond it, else cuts the file at `offset`.
  Task<Result<void>> punch(Session& session, Node& node, uint64_t offset, uint64_t length);

  // --- locks of files across clients (lock.cc): leases of `owner`, a number of this mount's own.
  Duration lease() const;
  // False: others hold it (kRenew: the owner does not hold it any more).
  Task<Result<bool>> change_lock(Session& session, const Node& node, uint64_t owner,
                                 LockChange change);
  // Waits until the session's deadline if `wait`: kTimedOut.
  Task<Result<bool>> lock(Session& session, const Node& node, uint64_t owner, bool exclusive,
                          bool wait);

  // --- open files of this mount (open.cc): what is removed meanwhile keeps its data until the last
  // handle is closed.
  void opened(const NodePtr& node);
  // True: its name is gone, and nobody here has it open any more: release_orphan() is due.
  bool closed(const Node& node);

  // --- files removed while other mounts may have them open (presence.cc)
  Task<Result<void>> release_orphan(Session& session, ObjectId oid);
  // The last call of a mount: gives back what it holds of files and quotas.
  Task<Result<void>> leave(Session& session);

  // --- quotas (quota.cc): of the directory and all below it, or of a user (`uid`; then of the whole
  // file system). Setting one that is new waits until all mounts know of it, and counts what is
  // there. Both limits 0: away with it.
  Task<Result<void>> set_quota(Session& session, DirectoryPtr top, std::optional<uint32_t> uid,
                               uint64_t bytes_limit, uint64_t files_limit);
  // kNoAttribute: there is none.
  Task<Result<Quota>> quota(Session& session, ObjectId directory, std::optional<uint32_t> uid);

  // --- space.cc: of the pool; with `count` also what the container's objects hold.
  Task<Result<SpaceReport>> space(Session& session, bool count);

  // --- fix.cc. What a mount needs, made anew; kExists: it is good.
  static Task<Result<void>> recreate_superblock(Session& session, client::Container container,
                                                FormatOptions options);
  static Task<Result<void>> relink_root(Session& session, client::Container container,
                                        FormatOptions options);
  // Whether the entry's type was not that of its object; now it is.
  Task<Result<bool>> fix_type(Session& session, const Directory& parent, std::string_view name);

  // --- check.cc
  Task<Result<CheckReport>> check(Session& session, CheckOptions options);

 private:
  // What a mount does now and then, as it works: renews its lease, looks which quotas there are.
  bool renewal_due(Session& session) const {
    return session.executor().now().ns >=
           next_renewal_.load(std::memory_order_relaxed);
  }
  Task<Result<void>> do_duties(Session& session);
  // --- presence.cc
  Duration lease_guard() const;
  Task<Result<void>> announce(Session& session);
  Task<void> renew(Session& session);
  Task<Result<bool>> alone(Session& session);
  Task<Result<void>> orphan(Session& session, ObjectId oid, bool open_here);
  Task<Result<bool>> is_orphan(Session& session, ObjectId oid);
  Task<Result<void>> settle_orphan(Session& session, ObjectId oid, bool nobody);
  struct OrphanJob;
  static Task<Result<void>> settle_job(OrphanJob& job);
  Task<Result<void>> hold_open_files(Session& session);
  Task<Result<void>> collect(Session& session, bool nobody, uint32_t limit);
  Task<Result<void>> collect_all(Session& session, bool nobody);
  Task<Result<std::vector<ObjectId>>> orphans(Session& session);
  // --- quota.cc
  Task<Result<void>> look_for_quotas(Session& session);
  std::vector<std::string> quota_keys(const Directory* directory,
                                      std::optional<uint32_t> uid) const;
  Result<void> require_same_quotas(const Directory& from, const Directory& to) const;
  Task<Result<bool>> change_quota(Session& session, const std::string& key,
                                  const std::function<Result<void>(Quota&, QuotaAmount&)>& change);
  Task<Result<void>> charge_one(Session& session, const std::string& key, QuotaAmount amount);
  Task<Result<void>> charge(Session& session, const std::vector<std::string>& keys,
                            QuotaAmount amount);
  Task<void> give_back(Session& session, std::vector<std::string> keys, QuotaAmount amount);
  Task<Result<void>> return_quotas(Session& session);
  Task<Result<uint64_t>> covered_bytes(Session& session, const client::Object& file,
                                       uint64_t chunk_bytes, Guarded* seen);
  Task<Result<void>> cover(Session& session, Node& node, uint64_t end);
  Task<Result<void>> uncover(Session& session, Node& node, uint64_t old_size, uint64_t size);
  Task<Result<QuotaAmount>> count_below(Session& session, DirectoryPtr top,
                                        std::optional<uint32_t> uid);
  Task<Result<uint64_t>> recount_quotas(Session& session,
                                        const std::map<ObjectId, DirectoryPtr>& directories,
                                        bool repair);
  Task<Result<void>> drop_quota(Session& session, const std::string& key);
  Task<Result<void>> insert_counted(Session& session, const Directory& parent,
                                    std::string_view name, const Inode& inode);
  Task<Result<void>> change_owner(Session& session, const Node& node, const Inode& inode,
                                  const AttributeChange& change);
  Task<Result<void>> remove_object(Session& session, ObjectId oid);

  struct CheckState;
  Task<Result<void>> check_tree(Session& session, DirectoryPtr top, CheckState& state);
  Task<Result<DirectoryPtr>> check_entry(Session& session, DirectoryPtr parent,
                                         std::string_view name, CheckState& state);
  Task<Result<void>> check_names(Session& session, CheckState& state);
  Task<Result<std::vector<ObjectId>>> leaked_objects(Session& session, const CheckState& state);
  Task<Result<DirectoryPtr>> lost_directory(Session& session, std::string_view name);
  Task<Result<void>> relink(Session& session, const Directory& lost, ObjectId oid);
  Task<Result<uint64_t>> append_part(Session& session, Node& node, Gather from);
  Task<Result<std::optional<uint64_t>>> append_within(Session& session, Node& node, uint64_t chunk,
                                                      Gather from);
  Task<Result<std::optional<uint64_t>>> find_append(Session& session, const Node& node,
                                                    uint64_t chunk, const std::string& akey);
  Task<Result<bool>> append_across(Session& session, const Node& node, uint64_t offset,
                                   Gather from);
  Task<Result<bool>> finish_append(Session& session, const Node& node, uint64_t chunk);
  Task<Result<void>> forget_append(Session& session, const Node& node, uint64_t chunk);
  struct Extent {
    uint64_t size = 0;
    uint64_t stored_bytes = 0;  // extent(..., true) only
    Epoch epoch;  // newest change of the object; kEpochNone: none
  };
  // An entry with all its akeys, to be written under another name.
  struct Carried {
    Inode inode;
    std::vector<std::pair<std::string, Buffer>> attributes;  // by akey
    std::vector<std::string> marks;                          // akeys of renames
  };

  static Result<SuperblockRecord> superblock_of(const FormatOptions& options);
  Result<void> require_writable() const;
  Result<client::Object> open_object(Session& session, ObjectId oid) const;
  Result<DirectoryPtr> directory_at(Session& session, DirectoryPtr parent, std::string_view name,
                                    const Inode& inode) const;
  Task<Result<uint64_t>> allocate_number(Session& session);
  Task<Result<Inode>> new_inode(Session& session, const Directory& parent, OpenOptions options);
  Task<Result<void>> insert(Session& session, const Directory& parent, std::string_view name,
                            const Inode& inode);
  Task<Result<NodePtr>> open_existing(Session& session, DirectoryPtr parent, std::string_view name,
                                      OpenOptions options);
  Task<Result<NodePtr>> walk(Session& session, DirectoryPtr at, std::string path, bool follow,
                             bool writable);
  Task<Result<NodePtr>> node_of(Session& session, DirectoryPtr directory, bool writable);
  Task<Result<void>> remove_children(Session& session, DirectoryPtr directory);
  // --- entries.cc
  Task<Result<Inode>> fetch_inode(Session& session, const client::Object& object,
                                  std::string_view dkey);
  Task<Result<Inode>> settle(Session& session, const client::Object& parent, std::string_view name,
                             Inode inode);
  Task<Result<Carried>> carry(Session& session, const Directory& parent, std::string_view name,
                              bool with_values);
  Task<Result<void>> put(Session& session, const client::Object& parent, std::string_view name,
                         const Carried& entry, const Carried* replaced, ByteView exchanged);
  struct Erasure {
    std::string mark;  // an akey that must be there; empty: none must
    bool unless_occupied = false, unless_shared = false, unless_renaming = false;
    std::vector<std::string> others;  // akeys that go too
  };
  // kNonexistent: no entry, or no mark; kExists: it is occupied, shared or being renamed.
  Task<Result<void>> erase_entry(Session& session, const client::Object& parent,
                                 std::string_view name, Erasure erasure);
  Task<Result<void>> update_records(Session& session, const Node& node,
                                    std::vector<client::IoDescriptor> descriptors);
  // --- rename.cc
  // What became of an entry that was to be renamed: it is still this; gone; something else.
  enum class Renamed : uint8_t { kNot, kGone, kLookAgain };
  Task<Result<Renamed>> finish_rename(Session& session, const client::Object& parent,
                                      std::string_view name);
  Task<Result<void>> cancel_renames(Session& session, const std::vector<std::string>& marks);
  Task<Result<bool>> is_cancelled(Session& session, uint64_t token);
  Task<Result<void>> take_back(Session& session, const Directory& to, std::string_view new_name,
                               const Carried& moved, const Carried* replaced);
  Task<Result<void>> mark_rename(Session& session, const Directory& parent, std::string_view name,
                                 const Carried& entry, const RenameIntent& intent);
  Task<void> unmark_rename(Session& session, const Directory& parent, std::string_view name,
                           const Carried& entry, uint64_t token);
  Task<Result<std::optional<ObjectId>>> rename_once(Session& session, DirectoryPtr from,
                                                    std::string_view name, DirectoryPtr to,
                                                    std::string_view new_name);
  Task<Result<void>> exchange_once(Session& session, DirectoryPtr first,
                                   std::string_view first_name, DirectoryPtr second,
                                   std::string_view second_name);
  // --- links.cc
  Task<Result<Inode>> shared_inode(Session& session, ObjectId file, std::string_view name);
  Task<Result<std::vector<std::string>>> link_keys(Session& session, ObjectId file);
  Task<Result<void>> share(Session& session, const Directory& parent, std::string_view name,
                           const std::string& new_key);
  Task<Result<void>> link_once(Session& session, const Directory& parent, std::string_view name,
                               const Directory& new_parent, std::string_view new_name);
  Task<Result<void>> add_name(Session& session, ObjectId file, const std::string& key);
  Task<Result<bool>> drop_name(Session& session, ObjectId file, const std::string& key);
  // What an entry that is gone from this place referred to.
  Task<Result<void>> release_inode(Session& session, const Inode& inode, const Directory& parent,
                                   std::string_view name);
  Task<Result<ObjectId>> remove_entry(Session& session, DirectoryPtr parent, std::string_view name,
                                      bool force, uint32_t only_type);
  Task<Result<void>> remove_empty(Session& session, DirectoryPtr parent, std::string_view name,
                                  const Carried& entry);
  Task<Result<Extent>> extent(Session& session, const client::Object& object, uint64_t chunk_bytes,
                              bool count_bytes = false);
  Task<Result<Extent>> extent_by_listing(Session& session, const client::Object& object,
                                         uint64_t chunk_bytes);
  Task<Result<Epoch>> newest_epoch(Session& session, ObjectId oid);
  Task<Result<void>> mark_written(Session& session, Node& node);
  Task<Result<void>> remove_range(Session& session, const Node& node, uint64_t offset,
                                  uint64_t end);
  Task<Result<void>> touch(Session& session, const Node& node);
  Task<Result<Buffer>> attribute_value(Session& session, const client::Object& object,
                                       std::string_view name, std::string_view akey);
  Task<Result<std::vector<std::string>>> attribute_keys(Session& session,
                                                        const client::Object& object,
                                                        std::string_view name);
  Task<Result<bool>> became_shared(Session& session, const Node& node);
  Task<Result<void>> truncate(Session& session, Node& node);
  Task<Result<void>> update_record(Session& session, const Node& node, std::string_view akey,
                                   ByteView record);
  Task<Result<void>> store_ranges(Session& session, Node& node, std::span<const FileRange> ranges,
                                  Gather from);

  client::Container container_;
  MountOptions mount_;
  SuperblockRecord superblock_;
  NodePtr root_;
  Uuid mount_id_;  // of this mount, random
  // True: it is open here, and its data goes when it is closed.
  bool keep_while_open(ObjectId file);
  bool is_removed(ObjectId file) const;
  bool may_be_open(const Directory& parent, std::string_view name) const;
  struct OpenFile {
    std::vector<const Node*> handles;
    bool removed = false;
  };
  mutable std::mutex open_mutex_;
  std::map<ObjectId, OpenFile> open_files_;
  std::string announced_;            // the akey that says that this mount lives
  Session::Anchor collected_;        // where the collection of orphans goes on
  std::atomic<bool> more_orphans_{false};
  std::atomic<uint64_t> next_renewal_{~0ULL}, next_quota_look_{~0ULL};  // steady time
  Quotas quotas_;
  std::mutex numbers_mutex_;
  uint64_t next_number_ = 0, numbers_end_ = 0;
};

// One component of a path: kInvalid (empty, "." or "..", with a slash or NUL), kNameTooLong.
Result<void> check_name(std::string_view name);
Error no_such_entry(std::string_view name);

}  // namespace varve::posix
