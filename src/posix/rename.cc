// Rename and exchange: the entry says where it goes (an intent with a random token), then the new
// place is written with that token in one update, which is the moment at which it happened; then the
// old entry is taken away. Whoever meets an entry with an intent looks whether its new place has the
// token, and finishes what is left: a crash at any point leaves the one or the other.
#include <sys/stat.h>

#include "base/record.h"
#include "posix/file_system.h"
#include "posix/parallel.h"

namespace varve::posix {
namespace {

constexpr int kAttempts = 16;
constexpr std::byte kOne{1};

// Being below it, or it itself. As it was when the directories were looked up.
bool lies_in(const DirectoryPtr& directory, ObjectId ancestor) {
  for (const Directory* at = directory.get(); at; at = at->parent.get())
    if (at->object.oid == ancestor) return true;
  return false;
}

Result<void> check_replacement(const Inode& moved, const Inode& replaced, std::string_view name) {
  if (moved.is_directory() && !replaced.is_directory())
    return Error(Code::kNotDirectory,
                 "'" + std::string(name) + "' is not a directory: a directory cannot replace it");
  if (!moved.is_directory() && replaced.is_directory())
    return Error(Code::kIsDirectory,
                 "'" + std::string(name) + "' is a directory: only a directory can replace it");
  return {};
}

uint64_t new_token(Session& session) {
  for (;;)
    if (const uint64_t token = session.executor().random().next()) return token;
}

// What lay at the new place of an exchange, for the old one: a value of the akey "e".
struct Exchanged {
  Buffer inode;
  std::vector<std::string> akeys;
  std::vector<Buffer> values;
  template <class Archive>
  void visit(Archive& archive) {
    archive(inode, akeys, values);
  }
};

// Two that cancel each other's renames would do so for ever in step.
Task<void> step_aside(Session& session, int attempt) {
  const uint64_t most_us = 50ULL << std::min(attempt, 10);
  co_await session.executor().sleep_for(
      std::chrono::microseconds(session.executor().random().below(most_us)));
}

bool lost_a_race(const Error& error) {
  return error.code() == Code::kExists || error.code() == Code::kNonexistent;
}
Error too_busy(std::string_view name) {
  return Error(Code::kBusy, "'" + std::string(name) +
                                "' or its new place changes all the time; try again later");
}

}  // namespace

// Of renames that are under way, or whose client died: from now on they cannot come about. Written
// down before their marks go, so that one whose new name is made all the same takes it back.
Task<Result<void>> FileSystem::cancel_renames(Session& session,
                                              const std::vector<std::string>& marks) {
  if (marks.empty()) co_return Result<void>();
  VARVE_CO_TRY(const client::Object object, open_object(session, service_oid()));
  const ByteView one(&kOne, 1);
  for (const std::string& mark : marks) {
    client::IoDescriptor descriptor = single_value(kCancelledKey, one);
    VARVE_CO_CHECK(co_await session.update(object, as_bytes(mark), 0, only(descriptor)));
  }
  co_return Result<void>();
}

Task<Result<bool>> FileSystem::is_cancelled(Session& session, uint64_t token) {
  VARVE_CO_TRY(const client::Object object, open_object(session, service_oid()));
  Result<Buffer> found =
      co_await attribute_value(session, object, rename_mark_key(token), kCancelledKey);
  if (found.code() == Code::kNonexistent) co_return false;
  if (!found) co_return std::move(found.error());
  co_return true;
}

// The old name went another way while the new one was made: the new place gets back what it had.
Task<Result<void>> FileSystem::take_back(Session& session, const Directory& to,
                                         std::string_view new_name, const Carried& moved,
                                         const Carried* replaced) {
  Result<Inode> there = co_await fetch_inode(session, to.object, new_name);
  if (there.code() == Code::kNonexistent) co_return Result<void>();
  if (!there) co_return std::move(there.error());
  if (there->rename_token != moved.inode.rename_token) co_return Result<void>();
  Result<void> done;
  if (replaced) {
    Carried now = moved;
    now.marks.clear();
    done = co_await put(session, to.object, new_name, *replaced, &now, {});
  } else {
    Erasure erasure;
    for (const auto& attribute : moved.attributes) erasure.others.push_back(attribute.first);
    done = co_await erase_entry(session, to.object, new_name, std::move(erasure));
  }
  if (!done && !lost_a_race(done.error())) co_return done;
  co_return Result<void>();
}

// The entry keeps its records; older marks go.
Task<Result<void>> FileSystem::mark_rename(Session& session, const Directory& parent,
                                           std::string_view name, const Carried& entry,
                                           const RenameIntent& intent) {
  VARVE_CO_CHECK(co_await cancel_renames(session, entry.marks));
  Inode inode = entry.inode;
  inode.renaming = true;
  const Buffer record = encode_inode(inode), rename = encode_rename(intent);
  const ByteView values[] = {record, rename, {&kOne, 1}};
  const ByteView nothing;
  const std::string mark = rename_mark_key(intent.token);
  std::vector<client::IoDescriptor> descriptors{
      single_value(kInodeKey, values[0]), single_value(kRenameKey, values[1]),
      single_value(mark, values[2]), single_value(kOccupiedKey, values[2])};
  descriptors[0].conditions = store::kCondAkeyUpdate;
  if (entry.marks.empty()) descriptors[1].conditions = store::kCondAkeyInsert;
  if (!inode.shared) {
    descriptors.push_back(single_value(kSharedKey, nothing));
    descriptors.back().conditions = store::kCondAkeyInsert;
  }
  for (const std::string& old : entry.marks) {
    descriptors.push_back(single_value(old, nothing));
    descriptors.back().conditions = store::kCondAkeyUpdate;
  }
  VARVE_CO_CHECK(co_await session.update(parent.object, as_bytes(name), store::kCondPerAkey,
                                         descriptors));
  co_return Result<void>();
}

// After a rename that did not come about. Left undone, it costs whoever looks here a second look.
Task<void> FileSystem::unmark_rename(Session& session, const Directory& parent,
                                     std::string_view name, const Carried& entry, uint64_t token) {
  Inode inode = entry.inode;
  inode.renaming = false;
  const Buffer record = encode_inode(inode);
  const ByteView record_view = record, nothing;
  const std::string mark = rename_mark_key(token);
  client::IoDescriptor descriptors[] = {single_value(kInodeKey, record_view),
                                        single_value(kRenameKey, nothing),
                                        single_value(mark, nothing)};
  descriptors[2].conditions = store::kCondAkeyUpdate;
  (void)co_await session.update(parent.object, as_bytes(name), store::kCondPerAkey, descriptors);
}

// If what was here has its new place, it is taken away from here (an exchange: replaced).
Task<Result<FileSystem::Renamed>> FileSystem::finish_rename(Session& session,
                                                            const client::Object& parent,
                                                            std::string_view name) {
  Result<Buffer> record = co_await attribute_value(session, parent, name, kRenameKey);
  if (record.code() == Code::kNonexistent) co_return Renamed::kLookAgain;
  if (!record) co_return std::move(record.error());
  VARVE_CO_TRY(const RenameIntent intent, decode_rename(*record, name));
  VARVE_CO_TRY(const client::Object directory, open_object(session, intent.parent));
  Result<Inode> there = co_await fetch_inode(session, directory, intent.name);
  if (there.code() == Code::kNonexistent) co_return Renamed::kNot;
  if (!there) co_return std::move(there.error());
  if (there->rename_token != intent.token) co_return Renamed::kNot;
  if (!mount_.writable) co_return intent.exchange ? Renamed::kNot : Renamed::kGone;
  Erasure erasure;
  erasure.mark = rename_mark_key(intent.token);
  if (!intent.exchange) {
    Result<std::vector<std::string>> others = co_await attribute_keys(session, parent, name);
    if (others.code() == Code::kNonexistent) co_return Renamed::kGone;
    if (!others) co_return std::move(others.error());
    erasure.others = std::move(*others);
    Result<void> erased = co_await erase_entry(session, parent, name, std::move(erasure));
    if (!erased && erased.code() != Code::kNonexistent) co_return std::move(erased.error());
    co_return erased ? Renamed::kGone : Renamed::kLookAgain;
  }
  Result<Buffer> saved = co_await attribute_value(session, directory, intent.name, kExchangedKey);
  if (saved.code() == Code::kNonexistent) co_return Renamed::kLookAgain;
  if (!saved) co_return std::move(saved.error());
  VARVE_CO_TRY(Exchanged exchanged, decode<Exchanged>(*saved));
  if (exchanged.akeys.size() != exchanged.values.size())
    co_return Error(Code::kBadFormat, "what an exchange left behind is damaged");
  Carried back, replaced;
  VARVE_CO_TRY(back.inode, decode_inode(exchanged.inode, name));
  for (size_t i = 0; i < exchanged.akeys.size(); ++i)
    back.attributes.emplace_back(exchanged.akeys[i], std::move(exchanged.values[i]));
  replaced.marks.push_back(erasure.mark);
  replaced.inode = *there;
  // What is here loses its extended attributes: they have gone with it.
  VARVE_CO_TRY(const std::vector<std::string> stale, co_await attribute_keys(session, parent, name));
  for (const std::string& akey : stale) replaced.attributes.emplace_back(akey, Buffer());
  replaced.inode.shared = true;  // whatever it is
  Result<void> stored = co_await put(session, parent, name, back, &replaced, {});
  if (!stored && !lost_a_race(stored.error())) co_return std::move(stored.error());
  const ByteView dkey = as_bytes(intent.name), akey = as_bytes(kExchangedKey);
  Result<void> cleared = co_await session.punch(directory, std::span<const ByteView>(&dkey, 1),
                                                std::span<const ByteView>(&akey, 1), 0);
  if (!cleared && cleared.code() != Code::kNonexistent) co_return std::move(cleared.error());
  co_return Renamed::kLookAgain;
}

Task<Result<std::optional<ObjectId>>> FileSystem::rename(Session& session, DirectoryPtr from,
                                                         std::string_view name, DirectoryPtr to,
                                                         std::string_view new_name) {
  VARVE_CO_CHECK(check_name(name));
  VARVE_CO_CHECK(check_name(new_name));
  VARVE_CO_CHECK(require_writable());
  VARVE_CO_CHECK(co_await do_duties(session));
  VARVE_CO_CHECK(require_same_quotas(*from, *to));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto renamed = co_await rename_once(session, from, name, to, new_name);
    if (renamed.code() != Code::kAgain) co_return renamed;
    co_await step_aside(session, attempt);
  }
  co_return too_busy(name);
}

// kAgain: somebody else changed one of the two meanwhile, and nothing was done.
Task<Result<std::optional<ObjectId>>> FileSystem::rename_once(Session& session, DirectoryPtr from,
                                                              std::string_view name,
                                                              DirectoryPtr to,
                                                              std::string_view new_name) {
  std::optional<ObjectId> replaced_oid;
  const bool same_place = from->object.oid == to->object.oid && name == new_name;
  if (same_place) {
    VARVE_CO_CHECK(co_await entry(session, *from, name));
    co_return replaced_oid;
  }
  auto [found, replaced] = co_await both(carry(session, *from, name, true),
                                         carry(session, *to, new_name, true));
  if (!found) co_return std::move(found.error());
  if (!replaced && replaced.code() != Code::kNonexistent) co_return std::move(replaced.error());
  Carried moved = std::move(*found);
  const Inode before = moved.inode;
  if (before.is_directory() && lies_in(to, before.oid))
    co_return Error(Code::kInvalid,
                    "the directory '" + std::string(name) + "' cannot move into itself");
  if (replaced) {
    VARVE_CO_CHECK(check_replacement(before, replaced->inode, new_name));
    // Two names of one file: nothing is to be done, says rename(2).
    if (!before.is_link() && replaced->inode.oid == before.oid) co_return replaced_oid;
    if (replaced->inode.is_directory()) {
      VARVE_CO_TRY(const DirectoryPtr directory,
                   directory_at(session, to, new_name, replaced->inode));
      Session::Anchor anchor;
      VARVE_CO_TRY(const std::vector<ListedName> left,
                   co_await list(session, *directory, anchor, 1));
      if (!left.empty())
        co_return Error(Code::kNotEmpty,
                        "the directory '" + std::string(new_name) + "' is not empty");
    }
    replaced_oid = replaced->inode.oid;
  }
  const uint64_t token = new_token(session);
  Result<void> done = co_await mark_rename(session, *from, name, moved,
                                           {token, false, to->object.oid, std::string(new_name)});
  if (!done) co_return lost_a_race(done.error()) ? Error(Code::kAgain) : std::move(done.error());
  moved.marks.clear();
  const std::string new_key = link_key(to->object.oid, new_name);
  if (replaced) done = co_await cancel_renames(session, replaced->marks);
  if (done && before.shared) done = co_await add_name(session, before.oid, new_key);
  if (done) {
    moved.inode.ctime_ns = static_cast<int64_t>(session.executor().clock().wall_ns());
    moved.inode.rename_token = token;
    done = co_await put(session, to->object, new_name, moved, replaced ? &*replaced : nullptr, {});
  }
  if (!done) {
    if (before.shared) (void)co_await drop_name(session, before.oid, new_key);
    moved.inode = before;
    co_await unmark_rename(session, *from, name, moved, token);
    co_return lost_a_race(done.error()) ? Error(Code::kAgain) : std::move(done.error());
  }
  Erasure erasure;
  erasure.mark = rename_mark_key(token);
  for (const auto& attribute : moved.attributes) erasure.others.push_back(attribute.first);
  done = co_await erase_entry(session, from->object, name, std::move(erasure));
  if (done.code() == Code::kNonexistent) {
    // Finished by somebody who met it, or cancelled.
    VARVE_CO_TRY(const bool cancelled, co_await is_cancelled(session, token));
    if (cancelled) {
      if (before.shared) (void)co_await drop_name(session, before.oid, new_key);
      VARVE_CO_CHECK(
          co_await take_back(session, *to, new_name, moved, replaced ? &*replaced : nullptr));
      co_return Error(Code::kAgain);
    }
  } else if (!done) {
    co_return std::move(done.error());
  }
  if (before.shared)
    VARVE_CO_CHECK(co_await drop_name(session, before.oid, link_key(from->object.oid, name)));
  if (replaced)
    VARVE_CO_CHECK(
        co_await release_inode(session, replaced->inode, *to, new_name));
  co_return replaced_oid;
}

Task<Result<void>> FileSystem::exchange(Session& session, DirectoryPtr first,
                                        std::string_view first_name, DirectoryPtr second,
                                        std::string_view second_name) {
  VARVE_CO_CHECK(check_name(first_name));
  VARVE_CO_CHECK(check_name(second_name));
  VARVE_CO_CHECK(require_writable());
  VARVE_CO_CHECK(co_await do_duties(session));
  VARVE_CO_CHECK(require_same_quotas(*first, *second));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Result<void> done = co_await exchange_once(session, first, first_name, second, second_name);
    if (done.code() != Code::kAgain) co_return done;
    co_await step_aside(session, attempt);
  }
  co_return too_busy(first_name);
}

// kAgain: as of rename_once().
Task<Result<void>> FileSystem::exchange_once(Session& session, DirectoryPtr first,
                                             std::string_view first_name, DirectoryPtr second,
                                             std::string_view second_name) {
  auto [found, found_other] = co_await both(carry(session, *first, first_name, true),
                                            carry(session, *second, second_name, true));
  if (!found) co_return std::move(found.error());
  if (!found_other) co_return std::move(found_other.error());
  Carried one = std::move(*found), other = std::move(*found_other);
  if (first->object.oid == second->object.oid && first_name == second_name)
    co_return Result<void>();
  if ((one.inode.is_directory() && lies_in(second, one.inode.oid)) ||
      (other.inode.is_directory() && lies_in(first, other.inode.oid)))
    co_return Error(Code::kInvalid, "a directory cannot change places with what lies below it");
  if (!one.inode.is_link() && one.inode.oid == other.inode.oid) co_return Result<void>();
  // Names of shared inodes: both have both for a while.
  const std::string first_key = link_key(first->object.oid, first_name);
  const std::string second_key = link_key(second->object.oid, second_name);
  if (one.inode.shared) VARVE_CO_CHECK(co_await add_name(session, one.inode.oid, second_key));
  if (other.inode.shared) VARVE_CO_CHECK(co_await add_name(session, other.inode.oid, first_key));
  const uint64_t token = new_token(session);
  Result<void> done =
      co_await mark_rename(session, *first, first_name, one,
                           {token, true, second->object.oid, std::string(second_name)});
  if (!done) co_return lost_a_race(done.error()) ? Error(Code::kAgain) : std::move(done.error());
  Carried moved = one;
  const auto now_ns = static_cast<int64_t>(session.executor().clock().wall_ns());
  moved.inode.ctime_ns = now_ns;
  moved.inode.rename_token = token;
  moved.marks.clear();
  VARVE_CO_CHECK(co_await cancel_renames(session, other.marks));
  Exchanged saved;
  Inode back = other.inode;
  back.ctime_ns = now_ns;
  back.rename_token = 0;
  saved.inode = encode_inode(back);
  for (auto& [akey, value] : other.attributes) {
    saved.akeys.push_back(akey);
    saved.values.push_back(value);
  }
  const Buffer exchanged = encode(saved);
  done = co_await put(session, second->object, second_name, moved, &other, exchanged);
  if (!done) {
    co_await unmark_rename(session, *first, first_name, one, token);
    co_return lost_a_race(done.error()) ? Error(Code::kAgain) : std::move(done.error());
  }
  VARVE_CO_CHECK(co_await finish_rename(session, first->object, first_name));
  if (one.inode.shared) VARVE_CO_CHECK(co_await drop_name(session, one.inode.oid, first_key));
  if (other.inode.shared) VARVE_CO_CHECK(co_await drop_name(session, other.inode.oid, second_key));
  co_return Result<void>();
}

}  // namespace varve::posix
