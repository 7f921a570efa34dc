// Files with several names. The first link() moves the inode from the entry to an object of its own,
// which also lists the names, each as an akey: the count of links is their number. A name is added
// to the list before its entry is made and leaves it after its entry went, so that the list never
// lacks one; a name too many, left by a client that died, is found by the checker.
#include "posix/file_system.h"

namespace varve::posix {
namespace {

constexpr uint32_t kPageEntries = 512;
constexpr int kAttempts = 16;
constexpr std::byte kOne{1};

}  // namespace

Task<Result<Inode>> FileSystem::shared_inode(Session& session, ObjectId file,
                                             std::string_view name) {
  VARVE_CO_TRY(const client::Object object, open_object(session, shared_inode_oid(file)));
  Result<Inode> inode = co_await fetch_inode(session, object, kSharedInodeName);
  // Its last name goes at this moment, or went with a client that died.
  if (inode.code() == Code::kNonexistent) co_return no_such_entry(name);
  if (!inode) co_return inode;
  inode->shared = inode->written = true;
  inode->renaming = false;
  co_return inode;
}

Task<Result<std::vector<std::string>>> FileSystem::link_keys(Session& session, ObjectId file) {
  VARVE_CO_TRY(const client::Object object, open_object(session, shared_inode_oid(file)));
  std::vector<std::string> keys;
  Session::Anchor anchor;
  while (!anchor.end) {
    Result<std::vector<object::ListedEntry>> page =
        co_await session.list_akeys(object, as_bytes(kSharedInodeName), anchor, kPageEntries);
    if (page.code() == Code::kNonexistent) break;
    if (!page) co_return std::move(page.error());
    for (const object::ListedEntry& akey : *page)
      if (as_text(akey.key).starts_with(kLinkPrefix)) keys.emplace_back(as_text(akey.key));
  }
  co_return keys;
}

// kNonexistent: the file's last name has gone.
Task<Result<void>> FileSystem::add_name(Session& session, ObjectId file, const std::string& key) {
  VARVE_CO_TRY(const client::Object object, open_object(session, shared_inode_oid(file)));
  // The inode stays as it is: it only must be there.
  const ByteView one(&kOne, 1);
  client::IoDescriptor descriptors[] = {single_value(key, one), single_value(kOccupiedKey, one)};
  descriptors[1].conditions = store::kCondAkeyUpdate;
  VARVE_CO_CHECK(co_await session.update(object, as_bytes(kSharedInodeName), store::kCondPerAkey,
                                         descriptors));
  co_return Result<void>();
}

// True: it was the last one, and the inode is gone too. A name that is added meanwhile finds either
// no inode, or is seen by the second look, which puts the inode back.
Task<Result<bool>> FileSystem::drop_name(Session& session, ObjectId file, const std::string& key) {
  VARVE_CO_TRY(const client::Object object, open_object(session, shared_inode_oid(file)));
  const ByteView dkey = as_bytes(kSharedInodeName), akey = as_bytes(key);
  const std::span<const ByteView> dkeys(&dkey, 1);
  Result<void> punched =
      co_await session.punch(object, dkeys, std::span<const ByteView>(&akey, 1), 0);
  if (!punched && punched.code() != Code::kNonexistent) co_return std::move(punched.error());
  VARVE_CO_TRY(std::vector<std::string> left, co_await link_keys(session, file));
  if (!left.empty()) co_return false;
  const ByteView nothing, one(&kOne, 1);
  client::IoDescriptor closing = single_value(kOccupiedKey, nothing);
  Result<Epoch> closed =
      co_await session.update(object, dkey, store::kCondAkeyUpdate, only(closing));
  if (closed.code() == Code::kNonexistent) co_return false;  // somebody else's to finish
  if (!closed) co_return std::move(closed.error());
  VARVE_CO_TRY(left, co_await link_keys(session, file));
  if (!left.empty()) {
    client::IoDescriptor opening = single_value(kOccupiedKey, one);
    VARVE_CO_CHECK(co_await session.update(object, dkey, 0, only(opening)));
    co_return false;
  }
  punched = co_await session.punch(object, dkeys, {}, 0);
  if (!punched && punched.code() != Code::kNonexistent) co_return std::move(punched.error());
  co_return true;
}

// Moves the inode of an entry to an object of its own, where `new_key` is its second name. kAgain:
// it changed meanwhile.
Task<Result<void>> FileSystem::share(Session& session, const Directory& parent,
                                     std::string_view name, const std::string& new_key) {
  VARVE_CO_TRY(Carried entry, co_await carry(session, parent, name, true));
  if (entry.inode.shared) co_return co_await add_name(session, entry.inode.oid, new_key);
  VARVE_CO_CHECK(co_await cancel_renames(session, entry.marks));
  VARVE_CO_TRY(const client::Object object,
               open_object(session, shared_inode_oid(entry.inode.oid)));
  const std::string old_key = link_key(parent.object.oid, name);
  entry.inode.shared = true;
  entry.inode.renaming = false;
  const Buffer record = encode_inode(entry.inode);
  const ByteView record_view = record, one(&kOne, 1), nothing;
  std::vector<ByteView> values;
  values.reserve(entry.attributes.size());
  for (const auto& attribute : entry.attributes) values.emplace_back(attribute.second);
  std::vector<client::IoDescriptor> inode{single_value(kInodeKey, record_view),
                                          single_value(kOccupiedKey, one),
                                          single_value(old_key, one), single_value(new_key, one)};
  for (std::string_view akey : {kModeKey, kOwnerKey, kTimesKey})
    inode.push_back(single_value(akey, nothing));
  for (size_t i = 0; i < values.size(); ++i)
    inode.push_back(single_value(entry.attributes[i].first, values[i]));
  VARVE_CO_CHECK(co_await session.update(object, as_bytes(kSharedInodeName), 0, inode));

  std::vector<client::IoDescriptor> stub{single_value(kInodeKey, record_view),
                                         single_value(kSharedKey, one),
                                         single_value(kOccupiedKey, one)};
  stub[0].conditions = store::kCondAkeyUpdate;
  stub[1].conditions = store::kCondAkeyInsert;
  for (std::string_view akey : {kModeKey, kOwnerKey, kTimesKey})
    stub.push_back(single_value(akey, nothing));
  for (const auto& attribute : entry.attributes)
    stub.push_back(single_value(attribute.first, nothing));
  stub.push_back(single_value(kRenameKey, nothing));
  if (entry.marks.empty()) stub.back().conditions = store::kCondAkeyInsert;
  for (const std::string& mark : entry.marks) {
    stub.push_back(single_value(mark, nothing));
    stub.back().conditions = store::kCondAkeyUpdate;
  }
  Result<Epoch> shared = co_await session.update(parent.object, as_bytes(name), store::kCondPerAkey,
                                                 stub);
  if (shared) co_return Result<void>();
  const bool raced = shared.code() == Code::kExists || shared.code() == Code::kNonexistent;
  if (!raced) co_return std::move(shared.error());
  // Another link() may have been faster: then the object is its own as well.
  const Result<Inode> now = co_await fetch_inode(session, parent.object, name);
  if (now && now->shared && now->oid == entry.inode.oid) co_return Result<void>();
  // Removed or renamed meanwhile; whoever did so has given the data back or carries it elsewhere.
  const ByteView dkey = as_bytes(kSharedInodeName);
  (void)co_await session.punch(object, std::span<const ByteView>(&dkey, 1), {}, 0);
  co_return Error(Code::kAgain);
}

Task<Result<void>> FileSystem::link(Session& session, const Directory& parent,
                                    std::string_view name, const Directory& new_parent,
                                    std::string_view new_name) {
  VARVE_CO_CHECK(check_name(name));
  VARVE_CO_CHECK(check_name(new_name));
  VARVE_CO_CHECK(require_writable());
  VARVE_CO_CHECK(co_await do_duties(session));
  VARVE_CO_CHECK(require_same_quotas(parent, new_parent));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Result<void> linked = co_await link_once(session, parent, name, new_parent, new_name);
    if (linked.code() != Code::kAgain) co_return linked;
  }
  co_return Error(Code::kBusy, "'" + std::string(name) + "' changes all the time; try again later");
}

Task<Result<void>> FileSystem::link_once(Session& session, const Directory& parent,
                                         std::string_view name, const Directory& new_parent,
                                         std::string_view new_name) {
  VARVE_CO_TRY(Inode inode, co_await entry(session, parent, name));
  if (inode.is_directory())
    co_return Error(Code::kNoPermission,
                    "'" + std::string(name) + "' is a directory: it has one name only");
  if (!inode.is_file())
    co_return Error(Code::kNotSupported,
                    "'" + std::string(name) + "' is a symbolic link: only files have several names");
  const Result<Inode> there = co_await entry(session, new_parent, new_name);
  if (there) co_return Error(Code::kExists, "'" + std::string(new_name) + "' exists already");
  if (there.code() != Code::kNonexistent) co_return there.error();

  const std::string new_key = link_key(new_parent.object.oid, new_name);
  Result<void> listed = inode.shared ? co_await add_name(session, inode.oid, new_key)
                                     : co_await share(session, parent, name, new_key);
  if (listed.code() == Code::kNonexistent) co_return no_such_entry(name);
  if (!listed) co_return listed;
  Carried stub;
  stub.inode = inode;
  stub.inode.shared = true;
  stub.inode.renaming = false;
  stub.inode.rename_token = 0;
  Result<void> made = co_await put(session, new_parent.object, new_name, stub, nullptr, {});
  if (!made) {
    (void)co_await drop_name(session, inode.oid, new_key);
    if (made.code() == Code::kExists)
      co_return Error(Code::kExists, "'" + std::string(new_name) + "' exists already");
  }
  co_return made;
}

// What an entry that is gone referred to: of a shared inode, one name less; else nobody refers to the
// object any more.
Task<Result<void>> FileSystem::release_inode(Session& session, const Inode& inode,
                                             const Directory& parent, std::string_view name) {
  const std::vector<std::string> keys = quota_keys(&parent, inode.uid);
  if (inode.is_directory() && quotas_.has(directory_quota_key(inode.oid)))
    VARVE_CO_CHECK(co_await drop_quota(session, directory_quota_key(inode.oid)));
  QuotaAmount amount{0, 1};
  if (inode.is_file()) {
    if (inode.shared) {
      VARVE_CO_TRY(const bool last,
                   co_await drop_name(session, inode.oid, link_key(parent.object.oid, name)));
      if (!last) co_return Result<void>();
    }
    if (!keys.empty() && inode.written) {
      VARVE_CO_TRY(const client::Object object, open_object(session, inode.oid));
      VARVE_CO_TRY(const uint64_t bytes,
                   co_await covered_bytes(session, object, inode.chunk_bytes, nullptr));
      amount.bytes = static_cast<int64_t>(bytes);
    }
    if (keep_while_open(inode.oid)) {
      VARVE_CO_CHECK(co_await orphan(session, inode.oid, true));
    } else if (inode.written) {
      VARVE_CO_TRY(const bool nobody, co_await alone(session));
      VARVE_CO_CHECK(nobody ? co_await remove_object(session, inode.oid)
                            : co_await orphan(session, inode.oid, false));
    }
  }
  if (!keys.empty()) co_await give_back(session, keys, amount);
  co_return Result<void>();
}

}  // namespace varve::posix
