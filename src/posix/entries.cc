// Entries of directories as records: reading one, writing one under a name, taking one away.
#include <sys/stat.h>

#include "posix/file_system.h"
#include "posix/parallel.h"

namespace varve::posix {
namespace {

constexpr uint32_t kPageEntries = 128;
constexpr std::byte kOne{1};
constexpr int kAttempts = 16;

constexpr uint64_t unless(bool not_wanted, uint64_t condition) { return not_wanted ? 0 : condition; }

}  // namespace

// All records of an inode, from one point in time.
Task<Result<Inode>> FileSystem::fetch_inode(Session& session, const client::Object& object,
                                            std::string_view dkey) {
  std::byte room[sizeof(InodeRecord) + 160];  // with most targets of links
  {
    EntryFetch fetch(room, false);
    Result<void> fetched = co_await session.fetch(object, as_bytes(dkey), 0, fetch.descriptors());
    if (fetched) {
      Result<Inode> inode = fetch.inode(dkey);
      if (inode.code() == Code::kNonexistent) co_return no_such_entry(dkey);
      if (inode.code() != Code::kRecordTooBig) co_return inode;
    } else if (fetched.code() == Code::kNonexistent) {
      co_return no_such_entry(dkey);
    } else if (fetched.code() != Code::kRecordTooBig) {
      co_return std::move(fetched.error());
    }
  }
  Buffer large(sizeof(InodeRecord) + kPathBytesMax);
  EntryFetch fetch(large, false);
  VARVE_CO_CHECK(co_await session.fetch(object, as_bytes(dkey), 0, fetch.descriptors()));
  Result<Inode> inode = fetch.inode(dkey);
  if (inode.code() == Code::kNonexistent) co_return no_such_entry(dkey);
  co_return inode;
}

Task<Result<Inode>> FileSystem::entry(Session& session, const Directory& parent,
                                      std::string_view name) {
  if (renewal_due(session)) co_await renew(session);
  Result<Inode> inode = co_await fetch_inode(session, parent.object, name);
  if (!inode || (!inode->shared && !inode->renaming)) co_return inode;
  co_return co_await settle(session, parent.object, name, std::move(*inode));
}

// What an entry says that is not the whole truth by itself.
Task<Result<Inode>> FileSystem::settle(Session& session, const client::Object& parent,
                                       std::string_view name, Inode inode) {
  for (int attempt = 0; inode.renaming; ++attempt) {
    VARVE_CO_TRY(const Renamed renamed, co_await finish_rename(session, parent, name));
    if (renamed == Renamed::kGone) co_return no_such_entry(name);
    if (renamed == Renamed::kNot) break;
    if (attempt == kAttempts)
      co_return Error(Code::kBusy, "'" + std::string(name) + "' changes all the time; try again");
    VARVE_CO_TRY(inode, co_await fetch_inode(session, parent, name));
  }
  inode.renaming = false;
  if (inode.shared) co_return co_await shared_inode(session, inode.oid, name);
  co_return inode;
}

// kAgain: it changed meanwhile.
Task<Result<FileSystem::Carried>> FileSystem::carry(Session& session, const Directory& parent,
                                                    std::string_view name, bool with_values) {
  const auto keys_of = [](Session& on, const client::Object& object,
                          std::string_view dkey) -> Task<Result<std::vector<std::string>>> {
    std::vector<std::string> keys;
    Session::Anchor anchor;
    while (!anchor.end) {
      Result<std::vector<object::ListedEntry>> page =
          co_await on.list_akeys(object, as_bytes(dkey), anchor, kPageEntries);
      if (page.code() == Code::kNonexistent) break;
      if (!page) co_return std::move(page.error());
      for (const object::ListedEntry& akey : *page) keys.emplace_back(as_text(akey.key));
    }
    co_return keys;
  };
  auto [inode, keys] =
      co_await both(entry(session, parent, name), keys_of(session, parent.object, name));
  if (!inode) co_return std::move(inode.error());
  if (!keys) co_return std::move(keys.error());
  Carried carried;
  carried.inode = std::move(*inode);
  for (std::string& key : *keys) {
    if (key.starts_with(kRenameMarkPrefix))
      carried.marks.push_back(std::move(key));
    else if (key.starts_with(kAttributePrefix))
      carried.attributes.emplace_back(std::move(key), Buffer());
  }
  if (with_values)
    for (auto& [akey, value] : carried.attributes) {
      Result<Buffer> found = co_await attribute_value(session, parent.object, name, akey);
      if (found.code() == Code::kNonexistent) co_return Code::kAgain;
      if (!found) co_return std::move(found.error());
      value = std::move(*found);
    }
  co_return carried;
}

// Makes the entry under this name, in one update that also takes away what an older one left there
// and holds only if `replaced` (null: nothing) is still what is there: else kExists or kNonexistent.
Task<Result<void>> FileSystem::put(Session& session, const client::Object& parent,
                                   std::string_view name, const Carried& entry,
                                   const Carried* replaced, ByteView exchanged) {
  const Buffer record = encode_inode(entry.inode);
  const ByteView nothing, record_view = record, one(&kOne, 1);
  std::vector<ByteView> values;
  values.reserve(entry.attributes.size());
  for (const auto& attribute : entry.attributes) values.emplace_back(attribute.second);
  std::vector<client::IoDescriptor> descriptors;
  const auto add = [&](std::string_view akey, const ByteView& value, uint64_t condition = 0) {
    descriptors.push_back(single_value(akey, value));
    descriptors.back().conditions = condition;
  };
  add(kInodeKey, record_view, replaced ? store::kCondAkeyUpdate : store::kCondAkeyInsert);
  for (std::string_view akey : {kModeKey, kOwnerKey, kTimesKey, kChildrenKey}) add(akey, nothing);
  // Whoever has the file open marks its old name: never trust the lack of a mark from here on.
  const bool bare = entry.inode.is_link() && entry.attributes.empty() && exchanged.empty();
  add(kOccupiedKey, bare ? nothing : one);
  add(kSharedKey, entry.inode.shared ? one : nothing,
      unless(replaced && replaced->inode.shared, store::kCondAkeyInsert));
  add(kRenameKey, nothing, unless(replaced && !replaced->marks.empty(), store::kCondAkeyInsert));
  add(kExchangedKey, exchanged);
  for (size_t i = 0; i < values.size(); ++i) add(entry.attributes[i].first, values[i]);
  if (replaced) {
    for (const std::string& mark : replaced->marks) add(mark, nothing, store::kCondAkeyUpdate);
    for (const auto& stale : replaced->attributes) {
      bool kept = false;
      for (const auto& attribute : entry.attributes) kept = kept || attribute.first == stale.first;
      if (!kept) add(stale.first, nothing);
    }
  }
  VARVE_CO_CHECK(co_await session.update(parent, as_bytes(name), store::kCondPerAkey, descriptors));
  co_return Result<void>();
}

Task<Result<void>> FileSystem::erase_entry(Session& session, const client::Object& parent,
                                           std::string_view name, Erasure erasure) {
  const ByteView nothing;
  std::vector<client::IoDescriptor> descriptors;
  descriptors.reserve(10 + erasure.others.size());
  const auto add = [&](std::string_view akey, uint64_t condition = 0) {
    descriptors.push_back(single_value(akey, nothing));
    descriptors.back().conditions = condition;
  };
  add(kInodeKey, store::kCondAkeyUpdate);
  add(kOccupiedKey, unless(!erasure.unless_occupied, store::kCondAkeyInsert));
  for (std::string_view akey : {kModeKey, kOwnerKey, kTimesKey}) add(akey);
  // What is not occupied has none of these.
  if (!erasure.unless_occupied) {
    add(kSharedKey, unless(!erasure.unless_shared, store::kCondAkeyInsert));
    add(kRenameKey, unless(!erasure.unless_renaming, store::kCondAkeyInsert));
    for (std::string_view akey : {kChildrenKey, kExchangedKey}) add(akey);
    if (!erasure.mark.empty()) add(erasure.mark, store::kCondAkeyUpdate);
    for (const std::string& other : erasure.others) add(other);
  }
  VARVE_CO_CHECK(co_await session.update(parent, as_bytes(name), store::kCondPerAkey, descriptors));
  co_return Result<void>();
}

// Records of an inode, wherever it is by now: its entry, or its object.
Task<Result<void>> FileSystem::update_records(Session& session, const Node& node,
                                              std::vector<client::IoDescriptor> descriptors) {
  const ByteView nothing;
  const uint64_t conditions = store::kCondDkeyUpdate | store::kCondPerAkey;
  if (!node.shared.load(std::memory_order_acquire)) {
    descriptors.push_back(single_value(kSharedKey, nothing));
    descriptors.back().conditions = store::kCondAkeyInsert;
    Result<Epoch> stored = co_await session.update(node.parent->object, as_bytes(node.name),
                                                   conditions, descriptors);
    if (stored) co_return Result<void>();
    if (stored.code() == Code::kNonexistent) co_return no_such_entry(node.name);
    if (stored.code() != Code::kExists || !node.inode.is_file()) co_return std::move(stored.error());
    VARVE_CO_TRY(const bool moved, co_await became_shared(session, node));
    if (!moved) co_return std::move(stored.error());
    descriptors.pop_back();
  }
  VARVE_CO_TRY(const client::Object object, open_object(session, shared_inode_oid(node.inode.oid)));
  Result<Epoch> stored =
      co_await session.update(object, as_bytes(kSharedInodeName), conditions, descriptors);
  if (stored.code() == Code::kNonexistent) co_return no_such_entry(node.name);
  if (!stored) co_return std::move(stored.error());
  co_return Result<void>();
}

// The file got a second name since it was opened.
Task<Result<bool>> FileSystem::became_shared(Session& session, const Node& node) {
  if (node.shared.load(std::memory_order_acquire) || !node.inode.is_file()) co_return false;
  Result<Inode> now = co_await fetch_inode(session, node.parent->object, node.name);
  if (now.code() == Code::kNonexistent) co_return false;
  if (!now) co_return std::move(now.error());
  if (!now->shared || !(now->oid == node.inode.oid)) co_return false;
  const_cast<Node&>(node).shared.store(true, std::memory_order_release);
  co_return true;
}

Task<Result<void>> FileSystem::update_record(Session& session, const Node& node,
                                             std::string_view akey, ByteView record) {
  std::vector<client::IoDescriptor> descriptors{single_value(akey, record)};
  co_return co_await update_records(session, node, std::move(descriptors));
}

}  // namespace varve::posix
