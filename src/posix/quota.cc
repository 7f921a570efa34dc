#include "posix/quota.h"

#include <sys/stat.h>

#include <bit>
#include <set>

#include "base/record.h"
#include "posix/file_system.h"
#include "posix/parallel.h"

namespace varve::posix {
namespace {

constexpr uint32_t kPageEntries = 512;
constexpr int kAttempts = 200;
constexpr size_t kEntriesAtOnce = 32;
// A quota that was set or taken away counts everywhere after so long.
constexpr Duration kLookEvery = 1s;
// A part of what is left that a mount takes beyond its need, and that it keeps of a limit.
constexpr int64_t kShare = 16;
constexpr uint64_t kGrainBytes = 4096;
constexpr uint64_t kCoveredDkey = 0;  // of a file's object; its chunks begin at 1

struct QuotaRecord {
  uint64_t bytes_limit = 0, files_limit = 0;
  int64_t bytes_used = 0, files_used = 0;
  template <class Archive>
  void visit(Archive& archive) {
    archive(bytes_limit, files_limit, bytes_used, files_used);
  }
};

int64_t left_of(uint64_t limit, int64_t used) {
  constexpr int64_t kMost = INT64_MAX / 4;
  if (limit == 0 || limit > static_cast<uint64_t>(kMost)) return kMost;
  return static_cast<int64_t>(limit) - used;
}
int64_t share_of(uint64_t limit, int64_t most) {
  if (limit == 0) return most;
  return std::min<int64_t>(most, static_cast<int64_t>(std::min<uint64_t>(limit, INT64_MAX)) / kShare);
}

// Files that grow are covered in steps, an eighth of their length each.
uint64_t covered_for(uint64_t end) {
  return round_up(end, std::max(kGrainBytes, std::bit_floor(end) / 8));
}

Error over_quota(const std::string& key, const QuotaRecord& quota) {
  const std::string whose = key[0] == 'u' ? "the user's quota" : "the directory's quota";
  return Error(Code::kQuota, whose + " is used up: " + std::to_string(quota.bytes_used) + " of " +
                                 std::to_string(quota.bytes_limit) + " bytes, " +
                                 std::to_string(quota.files_used) + " of " +
                                 std::to_string(quota.files_limit) +
                                 " files (0: no limit); remove something, or raise it with varve "
                                 "filesystem set-quota");
}

}  // namespace

std::string directory_quota_key(ObjectId directory) {
  return "d" + std::string(as_text(bytes_of(directory)));
}
std::string user_quota_key(uint32_t uid) { return "u" + std::string(as_text(bytes_of(uid))); }

void Quotas::set_keys(const std::vector<std::string>& keys) {
  const std::scoped_lock lock(mutex_);
  std::map<std::string, State> kept;
  for (const std::string& key : keys) kept[key] = all_[key];
  all_ = std::move(kept);
  any_.store(!all_.empty(), std::memory_order_release);
}
bool Quotas::any_user() const {
  if (!any()) return false;
  const std::scoped_lock lock(mutex_);
  const auto first = all_.lower_bound("u");
  return first != all_.end() && first->first[0] == 'u';
}
std::vector<std::string> Quotas::keys() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> keys;
  for (const auto& entry : all_) keys.push_back(entry.first);
  return keys;
}
void Quotas::forget(const std::string& key) {
  const std::scoped_lock lock(mutex_);
  all_.erase(key);
  any_.store(!all_.empty(), std::memory_order_release);
}
QuotaAmount Quotas::take(const std::string& key, QuotaAmount amount) {
  const std::scoped_lock lock(mutex_);
  const auto found = all_.find(key);
  if (found == all_.end()) return {};
  QuotaAmount& spare = found->second.spare;
  const QuotaAmount missing{std::max<int64_t>(0, amount.bytes - spare.bytes),
                            std::max<int64_t>(0, amount.files - spare.files)};
  if (missing.bytes > 0 || missing.files > 0) return missing;
  spare.bytes -= amount.bytes;
  spare.files -= amount.files;
  return {};
}
void Quotas::add(const std::string& key, QuotaAmount amount) {
  const std::scoped_lock lock(mutex_);
  const auto found = all_.find(key);
  if (found == all_.end()) return;
  found->second.spare.bytes += amount.bytes;
  found->second.spare.files += amount.files;
}
QuotaAmount Quotas::put(const std::string& key, QuotaAmount amount) {
  const std::scoped_lock lock(mutex_);
  const auto found = all_.find(key);
  if (found == all_.end()) return {};
  State& state = found->second;
  state.spare.bytes += amount.bytes;
  state.spare.files += amount.files;
  QuotaAmount surplus;
  if (state.spare.bytes > 2 * state.keep.bytes) surplus.bytes = state.spare.bytes - state.keep.bytes;
  if (state.spare.files > 2 * state.keep.files) surplus.files = state.spare.files - state.keep.files;
  state.spare.bytes -= surplus.bytes;
  state.spare.files -= surplus.files;
  return surplus;
}
void Quotas::note_limits(const std::string& key, const Quota& quota) {
  const std::scoped_lock lock(mutex_);
  const auto found = all_.find(key);
  if (found == all_.end()) return;
  found->second.keep = {share_of(quota.bytes_limit, kSpareBytesMax),
                        share_of(quota.files_limit, kSpareFilesMax)};
}
QuotaAmount Quotas::take_spare(const std::string& key) {
  const std::scoped_lock lock(mutex_);
  const auto found = all_.find(key);
  return found == all_.end() ? QuotaAmount() : std::exchange(found->second.spare, {});
}
QuotaAmount Quotas::spare(const std::string& key) const {
  const std::scoped_lock lock(mutex_);
  const auto found = all_.find(key);
  return found == all_.end() ? QuotaAmount() : found->second.spare;
}

// Which quotas there are: asked once a second, as long as something is changed here.
Task<Result<void>> FileSystem::look_for_quotas(Session& session) {
  const auto now = session.executor().now();
  uint64_t due = next_quota_look_.load();
  if (now.ns < due ||
      !next_quota_look_.compare_exchange_strong(due,
                                                (now + kLookEvery).ns))
    co_return Result<void>();
  VARVE_CO_TRY(const client::Object object, open_object(session, quota_oid()));
  std::vector<std::string> keys;
  for (Session::Anchor anchor; !anchor.end;) {
    const auto page = co_await session.list_dkeys(object, anchor, kPageEntries);
    if (page.code() == Code::kNonexistent) break;
    if (!page) co_return page.error();
    for (const object::ListedEntry& entry : *page) keys.emplace_back(as_text(entry.key));
  }
  quotas_.set_keys(keys);
  co_return Result<void>();
}

// Of what is below the directory and belongs to the user. A rename never leads out of what a
// directory's quota is about, so that it does not matter under which names the way there was found.
std::vector<std::string> FileSystem::quota_keys(const Directory* directory,
                                                std::optional<uint32_t> uid) const {
  std::vector<std::string> keys;
  if (!quotas_.any()) return keys;
  for (; directory && directory->parent; directory = directory->parent.get())
    if (std::string key = directory_quota_key(directory->object.oid); quotas_.has(key))
      keys.push_back(std::move(key));
  if (uid)
    if (std::string key = user_quota_key(*uid); quotas_.has(key)) keys.push_back(std::move(key));
  return keys;
}

Result<void> FileSystem::require_same_quotas(const Directory& from, const Directory& to) const {
  if (quota_keys(&from, std::nullopt) == quota_keys(&to, std::nullopt)) return {};
  return Error(Code::kMismatch,
               "a directory with a quota has one of the two places below it: copy instead");
}

// Changes what is counted as used; false: the quota is gone.
Task<Result<bool>> FileSystem::change_quota(
    Session& session, const std::string& key,
    const std::function<Result<void>(Quota&, QuotaAmount&)>& change) {
  VARVE_CO_TRY(const client::Object object, open_object(session, quota_oid()));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    VARVE_CO_TRY(Guarded seen, co_await read_guarded(session, object, as_bytes(key)));
    if (seen.value.empty()) {
      quotas_.forget(key);
      co_return false;
    }
    VARVE_CO_TRY(QuotaRecord record, decode<QuotaRecord>(seen.value));
    Quota quota{record.bytes_limit, record.files_limit, 0, 0};
    QuotaAmount used{record.bytes_used, record.files_used};
    Result<void> allowed = change(quota, used);
    if (allowed.code() == Code::kQuota) co_return over_quota(key, record);
    if (!allowed) co_return std::move(allowed.error());
    record = {quota.bytes_limit, quota.files_limit, std::max<int64_t>(0, used.bytes),
              std::max<int64_t>(0, used.files)};
    VARVE_CO_TRY(const bool stored, co_await replace_guarded(session, object, as_bytes(key), seen,
                                                             encode(record)));
    quotas_.note_limits(key, quota);
    if (stored) co_return true;
    const uint64_t most_us = 20ULL << std::min(attempt, 8);
    co_await session.executor().sleep_for(
        std::chrono::microseconds(session.executor().random().below(most_us)));
  }
  co_return Error(Code::kBusy, "a quota is changed by others all the time; try again later");
}

Task<Result<void>> FileSystem::charge_one(Session& session, const std::string& key,
                                          QuotaAmount amount) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const QuotaAmount missing = quotas_.take(key, amount);
    if (missing.bytes == 0 && missing.files == 0) co_return Result<void>();
    QuotaAmount got;
    VARVE_CO_TRY(const bool there,
                 co_await change_quota(
                     session, key, [&](Quota& quota, QuotaAmount& used) -> Result<void> {
                       const int64_t bytes = left_of(quota.bytes_limit, used.bytes);
                       const int64_t files = left_of(quota.files_limit, used.files);
                       if ((missing.bytes > 0 && missing.bytes > bytes) ||
                           (missing.files > 0 && missing.files > files))
                         return Code::kQuota;
                       got = missing;
                       if (missing.bytes > 0)
                         got.bytes += std::min(Quotas::kSpareBytesMax,
                                               (bytes - missing.bytes) / kShare);
                       if (missing.files > 0)
                         got.files += std::min(Quotas::kSpareFilesMax,
                                               (files - missing.files) / kShare);
                       used.bytes += got.bytes;
                       used.files += got.files;
                       return {};
                     }));
    if (!there) co_return Result<void>();
    quotas_.add(key, got);
  }
  co_return Error(Code::kBusy, "a quota is changed by others all the time; try again later");
}

// All of them, or none: kQuota.
Task<Result<void>> FileSystem::charge(Session& session, const std::vector<std::string>& keys,
                                      QuotaAmount amount) {
  for (size_t i = 0; i < keys.size(); ++i) {
    Result<void> charged = co_await charge_one(session, keys[i], amount);
    if (charged) continue;
    co_await give_back(session, {keys.begin(), keys.begin() + static_cast<ptrdiff_t>(i)}, amount);
    co_return charged;
  }
  co_return Result<void>();
}

// What cannot be told to the others stays here.
Task<void> FileSystem::give_back(Session& session, std::vector<std::string> keys,
                                 QuotaAmount amount) {
  for (const std::string& key : keys) {
    const QuotaAmount surplus = quotas_.put(key, amount);
    if (surplus.bytes == 0 && surplus.files == 0) continue;
    const auto less = [&](Quota&, QuotaAmount& used) -> Result<void> {
      used.bytes -= surplus.bytes;
      used.files -= surplus.files;
      return {};
    };
    (void)co_await change_quota(session, key, less);
  }
}

Task<Result<void>> FileSystem::return_quotas(Session& session) {
  for (const std::string& key : quotas_.keys()) {
    const QuotaAmount spare = quotas_.take_spare(key);
    if (spare.bytes == 0 && spare.files == 0) continue;
    const auto less = [&](Quota&, QuotaAmount& used) -> Result<void> {
      used.bytes -= spare.bytes;
      used.files -= spare.files;
      return {};
    };
    VARVE_CO_CHECK(co_await change_quota(session, key, less));
  }
  co_return Result<void>();
}

// How many bytes of the file count, as its object says; where nobody covered it, its size.
Task<Result<uint64_t>> FileSystem::covered_bytes(Session& session, const client::Object& file,
                                                 uint64_t chunk_bytes, Guarded* seen) {
  VARVE_CO_TRY(Guarded guard, co_await read_guarded(session, file, bytes_of(kCoveredDkey)));
  uint64_t covered = 0;
  if (guard.generation == 0) {
    VARVE_CO_TRY(const Extent found, co_await extent(session, file, chunk_bytes));
    covered = found.size;
  } else if (guard.value.size() == sizeof covered) {
    std::memcpy(&covered, guard.value.data(), sizeof covered);
  } else {
    co_return Error(Code::kBadFormat, "what a file counts for its quotas is damaged");
  }
  if (seen) *seen = std::move(guard);
  co_return covered;
}

// Before data is stored up to `end`: what that takes is counted.
Task<Result<void>> FileSystem::cover(Session& session, Node& node, uint64_t end) {
  if (!quotas_.any()) co_return Result<void>();
  const std::vector<std::string> keys = quota_keys(node.parent.get(), node.inode.uid);
  if (keys.empty() || is_removed(node.inode.oid)) co_return Result<void>();
  const uint64_t now = session.executor().now().ns;
  if (end <= node.covered.load() && now < node.covered_until.load()) co_return Result<void>();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    Guarded seen;
    VARVE_CO_TRY(const uint64_t covered,
                 co_await covered_bytes(session, node.file, node.inode.chunk_bytes, &seen));
    uint64_t target = covered;
    bool stored = true;
    if (end > covered) {
      target = covered_for(end);
      const auto need = [&] { return QuotaAmount{static_cast<int64_t>(target - covered), 0}; };
      Result<void> charged = co_await charge(session, keys, need());
      if (charged.code() == Code::kQuota && target > end) {
        target = end;
        charged = co_await charge(session, keys, need());
      }
      if (!charged) co_return charged;
      const ByteView bytes = bytes_of(target);
      Result<bool> done = co_await replace_guarded(session, node.file, bytes_of(kCoveredDkey), seen,
                                                   Buffer(bytes.begin(), bytes.end()));
      stored = done && *done;
      if (!stored) co_await give_back(session, keys, need());
      if (!done) co_return std::move(done.error());
    }
    if (!stored) continue;
    node.covered.store(target);
    node.covered_until.store(now + static_cast<uint64_t>(kLookEvery.count()));
    co_return Result<void>();
  }
  co_return Error(Code::kBusy, "'" + node.name + "' grows all the time; try again later");
}

// The file was cut.
Task<Result<void>> FileSystem::uncover(Session& session, Node& node, uint64_t old_size,
                                       uint64_t size) {
  const std::vector<std::string> keys = quota_keys(node.parent.get(), node.inode.uid);
  if (keys.empty() || is_removed(node.inode.oid)) co_return Result<void>();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    VARVE_CO_TRY(Guarded seen,
                 co_await read_guarded(session, node.file, bytes_of(kCoveredDkey)));
    uint64_t covered = 0;
    if (seen.generation == 0) {
      co_await give_back(session, keys, {static_cast<int64_t>(old_size - size), 0});
      co_return Result<void>();
    }
    if (seen.value.size() != sizeof covered) co_return Result<void>();
    std::memcpy(&covered, seen.value.data(), sizeof covered);
    const uint64_t target = round_up(size, kGrainBytes);
    if (target >= covered) co_return Result<void>();
    const ByteView bytes = bytes_of(target);
    VARVE_CO_TRY(const bool stored,
                 co_await replace_guarded(session, node.file, bytes_of(kCoveredDkey), seen,
                                          Buffer(bytes.begin(), bytes.end())));
    if (!stored) continue;
    node.covered.store(target);
    co_await give_back(session, keys, {static_cast<int64_t>(covered - target), 0});
    co_return Result<void>();
  }
  co_return Error(Code::kBusy, "'" + node.name + "' changes all the time; try again later");
}

// A new entry, which counts before it is there.
Task<Result<void>> FileSystem::insert_counted(Session& session, const Directory& parent,
                                              std::string_view name, const Inode& inode) {
  const std::vector<std::string> keys = quota_keys(&parent, inode.uid);
  if (keys.empty()) co_return co_await insert(session, parent, name, inode);
  Result<void> charged = co_await charge(session, keys, {0, 1});
  if (charged.code() == Code::kQuota) {
    const Result<Inode> there = co_await entry(session, parent, name);
    if (there) co_return Error(Code::kExists, "'" + std::string(name) + "' exists already");
  }
  if (!charged) co_return charged;
  Result<void> made = co_await insert(session, parent, name, inode);
  if (!made) co_await give_back(session, keys, {0, 1});
  co_return made;
}

// What the file counts is the new owner's, before it is.
Task<Result<void>> FileSystem::change_owner(Session& session, const Node& node, const Inode& inode,
                                            const AttributeChange& change) {
  if (!change.uid || *change.uid == inode.uid) co_return Result<void>();
  const std::vector<std::string> old = quota_keys(nullptr, inode.uid);
  const std::vector<std::string> fresh = quota_keys(nullptr, *change.uid);
  if (old.empty() && fresh.empty()) co_return Result<void>();
  QuotaAmount amount{0, 1};
  if (inode.is_file() && inode.written) {
    VARVE_CO_TRY(const uint64_t bytes,
                 co_await covered_bytes(session, node.file, inode.chunk_bytes, nullptr));
    amount.bytes = static_cast<int64_t>(bytes);
  }
  VARVE_CO_CHECK(co_await charge(session, fresh, amount));
  co_await give_back(session, old, amount);
  co_return Result<void>();
}

Task<Result<void>> FileSystem::do_duties(Session& session) {
  if (renewal_due(session)) co_await renew(session);
  if (session.executor().now().ns < next_quota_look_.load())
    co_return Result<void>();
  co_return co_await look_for_quotas(session);
}

// --- setting and counting

namespace {
struct EntryJob {
  FileSystem* file_system;
  Session* session;
  DirectoryPtr directory;
  std::string name;
  std::optional<Inode> inode;
};
Task<Result<void>> look_at(EntryJob& job) {
  Result<Inode> inode = co_await job.file_system->entry(*job.session, *job.directory, job.name);
  if (inode)
    job.inode = std::move(*inode);
  else if (inode.code() != Code::kNonexistent)
    co_return std::move(inode.error());
  co_return Result<void>();
}
}  // namespace

// What is below the directory, of that user or of all; a file with several names once.
Task<Result<QuotaAmount>> FileSystem::count_below(Session& session, DirectoryPtr top,
                                                  std::optional<uint32_t> uid) {
  QuotaAmount total;
  std::set<ObjectId> seen;
  std::vector<DirectoryPtr> waiting{std::move(top)};
  while (!waiting.empty()) {
    const DirectoryPtr directory = std::move(waiting.back());
    waiting.pop_back();
    for (Session::Anchor anchor; !anchor.end;) {
      VARVE_CO_TRY(const std::vector<ListedName> page,
                   co_await list(session, *directory, anchor, kPageEntries));
      std::vector<EntryJob> jobs;
      for (const ListedName& listed : page)
        jobs.push_back({this, &session, directory, listed.name, {}});
      VARVE_CO_CHECK(co_await for_each_limited(jobs, kEntriesAtOnce, look_at));
      for (const EntryJob& job : jobs) {
        if (!job.inode) continue;
        const Inode& inode = *job.inode;
        if (inode.is_directory()) {
          VARVE_CO_TRY(DirectoryPtr below, directory_at(session, directory, job.name, inode));
          waiting.push_back(std::move(below));
        }
        if (uid && inode.uid != *uid) continue;
        if (!inode.is_link() && !seen.insert(inode.oid).second) continue;
        ++total.files;
        if (!inode.is_file() || !inode.written) continue;
        VARVE_CO_TRY(const client::Object object, open_object(session, inode.oid));
        VARVE_CO_TRY(const uint64_t bytes,
                     co_await covered_bytes(session, object, inode.chunk_bytes, nullptr));
        total.bytes += static_cast<int64_t>(bytes);
      }
    }
  }
  co_return total;
}

Task<Result<void>> FileSystem::set_quota(Session& session, DirectoryPtr top,
                                         std::optional<uint32_t> uid, uint64_t bytes_limit,
                                         uint64_t files_limit) {
  VARVE_CO_CHECK(require_writable());
  const std::string key = uid ? user_quota_key(*uid) : directory_quota_key(top->object.oid);
  VARVE_CO_TRY(const client::Object object, open_object(session, quota_oid()));
  if (bytes_limit == 0 && files_limit == 0) {
    quotas_.forget(key);
    const ByteView dkey = as_bytes(key);
    Result<void> gone = co_await session.punch(object, std::span<const ByteView>(&dkey, 1), {}, 0);
    co_return gone.code() == Code::kNonexistent ? Result<void>() : std::move(gone);
  }
  const auto limit = [&](Quota& quota, QuotaAmount&) -> Result<void> {
    quota.bytes_limit = bytes_limit;
    quota.files_limit = files_limit;
    return {};
  };
  VARVE_CO_TRY(const bool there, co_await change_quota(session, key, limit));
  if (there) co_return Result<void>();
  Guarded nothing;
  VARVE_CO_TRY(const bool made,
               co_await replace_guarded(session, object, as_bytes(key), nothing,
                                        encode(QuotaRecord{bytes_limit, files_limit, 0, 0})));
  if (!made) co_return Error(Code::kBusy, "somebody else sets this quota just now; try again");
  // From then on everybody counts what is made; what is there is counted here.
  co_await session.executor().sleep_for(kLookEvery + kLookEvery / 4);
  next_quota_look_.store(0);
  VARVE_CO_CHECK(co_await look_for_quotas(session));
  VARVE_CO_TRY(const QuotaAmount counted,
               co_await count_below(session, uid ? root_->directory : top, uid));
  const auto add = [&](Quota&, QuotaAmount& used) -> Result<void> {
    used.bytes += counted.bytes;
    used.files += counted.files;
    return {};
  };
  VARVE_CO_CHECK(co_await change_quota(session, key, add));
  co_return Result<void>();
}

// kNoAttribute: there is none.
Task<Result<Quota>> FileSystem::quota(Session& session, ObjectId directory,
                                      std::optional<uint32_t> uid) {
  const std::string key = uid ? user_quota_key(*uid) : directory_quota_key(directory);
  VARVE_CO_TRY(const client::Object object, open_object(session, quota_oid()));
  VARVE_CO_TRY(const Guarded seen, co_await read_guarded(session, object, as_bytes(key)));
  if (seen.value.empty())
    co_return Error(Code::kNoAttribute, uid ? "the user has no quota in this file system"
                                            : "the directory has no quota of its own");
  VARVE_CO_TRY(const QuotaRecord record, decode<QuotaRecord>(seen.value));
  const QuotaAmount spare = quotas_.spare(key);
  co_return Quota{record.bytes_limit, record.files_limit,
                  static_cast<uint64_t>(std::max<int64_t>(0, record.bytes_used - spare.bytes)),
                  static_cast<uint64_t>(std::max<int64_t>(0, record.files_used - spare.files))};
}

// Nobody else works here meanwhile. A quota of a directory that is gone goes too. Returns how many
// were not what they should be.
Task<Result<uint64_t>> FileSystem::recount_quotas(
    Session& session, const std::map<ObjectId, DirectoryPtr>& directories, bool repair) {
  next_quota_look_.store(0);
  VARVE_CO_CHECK(co_await look_for_quotas(session));
  uint64_t wrong = 0;
  for (const std::string& key : quotas_.keys()) {
    DirectoryPtr top;
    std::optional<uint32_t> uid;
    ObjectId directory;
    if (key.size() == 1 + sizeof directory && key[0] == 'd') {
      std::memcpy(&directory, key.data() + 1, sizeof directory);
      const auto found = directories.find(directory);
      if (found != directories.end()) top = found->second;
    } else if (key.size() == 1 + sizeof *uid && key[0] == 'u') {
      std::memcpy(&uid.emplace(), key.data() + 1, sizeof *uid);
      top = root_->directory;
    }
    if (!top) {
      ++wrong;
      if (repair) VARVE_CO_CHECK(co_await drop_quota(session, key));
      continue;
    }
    VARVE_CO_TRY(const QuotaAmount counted, co_await count_below(session, top, uid));
    VARVE_CO_TRY(const Quota now, co_await quota(session, directory, uid));
    if (now.bytes_used == static_cast<uint64_t>(counted.bytes) &&
        now.files_used == static_cast<uint64_t>(counted.files))
      continue;
    ++wrong;
    if (!repair) continue;
    (void)quotas_.take_spare(key);
    const auto set = [&](Quota&, QuotaAmount& used) -> Result<void> {
      used = counted;
      return {};
    };
    VARVE_CO_CHECK(co_await change_quota(session, key, set));
  }
  co_return wrong;
}

Task<Result<void>> FileSystem::drop_quota(Session& session, const std::string& key) {
  quotas_.forget(key);
  VARVE_CO_TRY(const client::Object object, open_object(session, quota_oid()));
  const ByteView dkey = as_bytes(key);
  Result<void> gone = co_await session.punch(object, std::span<const ByteView>(&dkey, 1), {}, 0);
  co_return gone.code() == Code::kNonexistent ? Result<void>() : std::move(gone);
}

}  // namespace varve::posix
