// Files that were removed while a mount may have them open. Each mount that may open files says so
// under the mounts' dkey, for the length of a lease, and renews it as it works. Who takes a file's
// last name away while other mounts live leaves an orphan behind instead of giving the data back;
// each mount, when it renews its lease, puts a hold on those orphans that it has open. What was
// orphaned a lease ago and is held by nobody, anybody collects: its openers have closed it, or are
// dead, or have not done anything for a lease. The server knows nothing of all this.
#include <algorithm>

#include "posix/file_system.h"
#include "posix/parallel.h"

namespace varve::posix {
namespace {

constexpr std::string_view kMountsName = "m", kOrphanPrefix = "o", kRemovedPrefix = "t",
                           kHoldPrefix = "h";
constexpr uint32_t kPageEntries = 512, kMountsAtOnce = 64;
// Orphans that an orphaning call collects when there are too many for the renewals.
constexpr uint32_t kCollectedAtOnce = 4;
constexpr size_t kOrphansAtOnce = 16;
constexpr std::byte kOne{1};

int64_t wall_ns(Session& session) {
  return static_cast<int64_t>(session.executor().clock().wall_ns());
}

// PREFIX, the mount (none for kRemovedPrefix), and a time: akeys that a listing tells all of.
std::string timed_key(std::string_view prefix, const Uuid* mount, int64_t time_ns) {
  std::string key(prefix);
  if (mount) key += as_text(bytes_of(*mount));
  return key.append(as_text(bytes_of(time_ns)));
}
struct TimedKey {
  Uuid mount;
  int64_t time_ns = 0;
};
std::optional<TimedKey> parse_timed(ByteView key, std::string_view prefix, bool with_mount) {
  TimedKey found;
  const size_t mount_bytes = with_mount ? sizeof found.mount : 0;
  if (!as_text(key).starts_with(prefix) ||
      key.size() != prefix.size() + mount_bytes + sizeof found.time_ns)
    return std::nullopt;
  if (with_mount) std::memcpy(&found.mount, key.data() + prefix.size(), mount_bytes);
  std::memcpy(&found.time_ns, key.data() + prefix.size() + mount_bytes, sizeof found.time_ns);
  return found;
}

std::string orphan_name(ObjectId oid) {
  return std::string(kOrphanPrefix) + std::string(as_text(bytes_of(oid)));
}

Task<Result<std::vector<std::string>>> all_akeys(Session& session, const client::Object& object,
                                                 std::string_view dkey) {
  std::vector<std::string> keys;
  Session::Anchor anchor;
  while (!anchor.end) {
    const auto page =
        co_await session.list_akeys(object, as_bytes(dkey), anchor, kPageEntries);
    if (page.code() == Code::kNonexistent) break;
    if (!page) co_return page.error();
    for (const object::ListedEntry& akey : *page) keys.emplace_back(as_text(akey.key));
  }
  co_return keys;
}

// Stores `fresh` (may be empty: nothing), takes the others away.
Task<Result<void>> replace_keys(Session& session, const client::Object& object,
                                std::string_view dkey, const std::string& fresh,
                                const std::vector<std::string>& old) {
  const ByteView one(&kOne, 1), nothing;
  std::vector<client::IoDescriptor> descriptors;
  if (!fresh.empty()) descriptors.push_back(single_value(fresh, one));
  for (const std::string& key : old)
    if (key != fresh) descriptors.push_back(single_value(key, nothing));
  if (descriptors.empty()) co_return Result<void>();
  VARVE_CO_CHECK(co_await session.update(object, as_bytes(dkey), 0, descriptors));
  co_return Result<void>();
}

}  // namespace

// A wall clock may be so much behind another.
Duration FileSystem::lease_guard() const { return std::min<Duration>(1s, lease() / 10); }

Task<Result<void>> FileSystem::announce(Session& session) {
  if (!container_->writable || mount_.snapshot != kEpochMax) co_return Result<void>();
  next_renewal_.store((session.executor().now() + lease() / 2).ns);
  VARVE_CO_TRY(const client::Object object, open_object(session, mounts_oid()));
  const int64_t until_ns = wall_ns(session) + std::chrono::nanoseconds(lease()).count();
  const std::string fresh = timed_key("", &mount_id_, until_ns);
  std::vector<std::string> old;
  {
    const std::scoped_lock lock(open_mutex_);
    if (!announced_.empty()) old.push_back(announced_);
  }
  VARVE_CO_CHECK(co_await replace_keys(session, object, kMountsName, fresh, old));
  const std::scoped_lock lock(open_mutex_);
  announced_ = fresh;
  co_return Result<void>();
}

// Of several callers one does it.
Task<void> FileSystem::renew(Session& session) {
  const auto now = session.executor().now();
  uint64_t due = next_renewal_.load();
  const uint64_t retry = (now + lease() / 4).ns;
  if (now.ns < due || !next_renewal_.compare_exchange_strong(due, retry))
    co_return;
  Result<void> done = co_await announce(session);
  if (done) {
    const Result<bool> nobody = co_await alone(session);
    const bool more = more_orphans_.load(std::memory_order_relaxed);
    done = nobody ? co_await collect(session, *nobody, kPageEntries) : Result<void>(nobody.error());
    // What one page does not tell of all orphans, the open files tell.
    if (done && (more || more_orphans_.load(std::memory_order_relaxed)))
      done = co_await hold_open_files(session);
  }
  if (!done) next_renewal_.store(retry);
}

// No other mount lives; takes away what dead ones have left.
Task<Result<bool>> FileSystem::alone(Session& session) {
  VARVE_CO_TRY(const client::Object object, open_object(session, mounts_oid()));
  const int64_t dead_ns = wall_ns(session) - std::chrono::nanoseconds(lease_guard()).count();
  std::vector<std::string> stale;
  bool nobody = true;
  for (Session::Anchor anchor; nobody && !anchor.end;) {
    const auto page = co_await session.list_akeys(object, as_bytes(kMountsName), anchor,
                                                  kMountsAtOnce);
    if (page.code() == Code::kNonexistent) break;
    if (!page) co_return page.error();
    for (const object::ListedEntry& akey : *page) {
      const std::optional<TimedKey> other = parse_timed(akey.key, "", true);
      if (!other || other->mount == mount_id_) continue;
      if (other->time_ns < dead_ns)
        stale.emplace_back(as_text(akey.key));
      else
        nobody = false;
    }
  }
  if (mount_.writable) (void)co_await replace_keys(session, object, kMountsName, "", stale);
  co_return nobody;
}

// The last name of this file is gone.
Task<Result<void>> FileSystem::orphan(Session& session, ObjectId oid, bool open_here) {
  VARVE_CO_TRY(const client::Object object, open_object(session, mounts_oid()));
  const ByteView one(&kOne, 1);
  const int64_t now_ns = wall_ns(session);
  const std::string removed = timed_key(kRemovedPrefix, nullptr, now_ns);
  const std::string hold = timed_key(
      kHoldPrefix, &mount_id_, now_ns + std::chrono::nanoseconds(lease()).count());
  client::IoDescriptor descriptors[] = {single_value(removed, one), single_value(hold, one)};
  const std::string dkey = orphan_name(oid);
  VARVE_CO_CHECK(co_await session.update(
      object, as_bytes(dkey), 0,
      std::span<client::IoDescriptor>(descriptors, open_here ? 2 : 1)));
  if (more_orphans_.load(std::memory_order_relaxed))
    VARVE_CO_CHECK(co_await collect(session, false, kCollectedAtOnce));
  co_return Result<void>();
}

Task<Result<bool>> FileSystem::is_orphan(Session& session, ObjectId oid) {
  VARVE_CO_TRY(const client::Object object, open_object(session, mounts_oid()));
  VARVE_CO_TRY(const std::vector<std::string> keys,
               co_await all_akeys(session, object, orphan_name(oid)));
  co_return !keys.empty();
}

// Holds it if it is open here, else collects it if nobody does: `nobody` is alive, or it is time.
Task<Result<void>> FileSystem::settle_orphan(Session& session, ObjectId oid, bool nobody) {
  VARVE_CO_TRY(const client::Object object, open_object(session, mounts_oid()));
  const std::string dkey = orphan_name(oid);
  VARVE_CO_TRY(const std::vector<std::string> keys, co_await all_akeys(session, object, dkey));
  if (keys.empty()) co_return Result<void>();
  const int64_t now_ns = wall_ns(session), lease_ns = std::chrono::nanoseconds(lease()).count();
  const int64_t guard_ns = std::chrono::nanoseconds(lease_guard()).count();
  std::vector<std::string> mine;
  bool held = false, due = nobody;
  for (const std::string& key : keys) {
    if (const auto hold = parse_timed(as_bytes(key), kHoldPrefix, true)) {
      if (hold->mount == mount_id_)
        mine.push_back(key);
      else
        held = held || (!nobody && hold->time_ns + guard_ns >= now_ns);
    } else if (const auto removed = parse_timed(as_bytes(key), kRemovedPrefix, false)) {
      due = due || removed->time_ns + lease_ns + guard_ns < now_ns;
    }
  }
  if (keep_while_open(oid))
    co_return co_await replace_keys(session, object, dkey,
                                    timed_key(kHoldPrefix, &mount_id_, now_ns + lease_ns), mine);
  if (held || !due || !mount_.writable) co_return co_await replace_keys(session, object, dkey, "", mine);
  VARVE_CO_CHECK(co_await remove_object(session, oid));
  const ByteView name = as_bytes(dkey);
  Result<void> gone = co_await session.punch(object, std::span<const ByteView>(&name, 1), {}, 0);
  if (!gone && gone.code() != Code::kNonexistent) co_return gone;
  co_return Result<void>();
}

struct FileSystem::OrphanJob {
  FileSystem* file_system;
  Session* session;
  ObjectId oid;
  bool nobody;
};
Task<Result<void>> FileSystem::settle_job(OrphanJob& job) {
  return job.file_system->settle_orphan(*job.session, job.oid, job.nobody);
}

// What is open here and was removed elsewhere is held from now on.
Task<Result<void>> FileSystem::hold_open_files(Session& session) {
  std::vector<OrphanJob> jobs;
  {
    const std::scoped_lock lock(open_mutex_);
    for (const auto& [oid, file] : open_files_) jobs.push_back({this, &session, oid, false});
  }
  co_return co_await for_each_limited(jobs, kOrphansAtOnce, settle_job);
}

// So many of all orphans, where the last call ended.
Task<Result<void>> FileSystem::collect(Session& session, bool nobody, uint32_t limit) {
  VARVE_CO_TRY(const client::Object object, open_object(session, mounts_oid()));
  Session::Anchor anchor;
  {
    const std::scoped_lock lock(open_mutex_);
    anchor = collected_;
  }
  std::vector<OrphanJob> jobs;
  const auto page = co_await session.list_dkeys(object, anchor, limit);
  if (!page && page.code() != Code::kNonexistent) co_return page.error();
  if (!page) anchor.end = true;
  for (const object::ListedEntry& entry : page ? *page : std::vector<object::ListedEntry>()) {
    OrphanJob job{this, &session, {}, nobody};
    if (entry.key.size() != kOrphanPrefix.size() + sizeof job.oid ||
        !as_text(entry.key).starts_with(kOrphanPrefix))
      continue;
    std::memcpy(&job.oid, entry.key.data() + kOrphanPrefix.size(), sizeof job.oid);
    jobs.push_back(job);
  }
  more_orphans_.store(!anchor.end, std::memory_order_relaxed);
  {
    const std::scoped_lock lock(open_mutex_);
    collected_ = anchor.end ? Session::Anchor() : anchor;
  }
  co_return co_await for_each_limited(jobs, kOrphansAtOnce, settle_job);
}

Task<Result<void>> FileSystem::collect_all(Session& session, bool nobody) {
  {
    const std::scoped_lock lock(open_mutex_);
    collected_ = {};
  }
  do {
    VARVE_CO_CHECK(co_await collect(session, nobody, kPageEntries));
  } while (more_orphans_.load(std::memory_order_relaxed));
  co_return Result<void>();
}

Task<Result<std::vector<ObjectId>>> FileSystem::orphans(Session& session) {
  VARVE_CO_TRY(const client::Object object, open_object(session, mounts_oid()));
  std::vector<ObjectId> all;
  for (Session::Anchor anchor; !anchor.end;) {
    const auto page = co_await session.list_dkeys(object, anchor, kPageEntries);
    if (page.code() == Code::kNonexistent) break;
    if (!page) co_return page.error();
    for (const object::ListedEntry& entry : *page) {
      ObjectId oid;
      if (entry.key.size() != kOrphanPrefix.size() + sizeof oid ||
          !as_text(entry.key).starts_with(kOrphanPrefix))
        continue;
      std::memcpy(&oid, entry.key.data() + kOrphanPrefix.size(), sizeof oid);
      all.push_back(oid);
    }
  }
  co_return all;
}

// The last handle here of a file whose name is gone was closed.
Task<Result<void>> FileSystem::release_orphan(Session& session, ObjectId oid) {
  VARVE_CO_TRY(const bool nobody, co_await alone(session));
  co_return co_await settle_orphan(session, oid, nobody);
}

// The last thing that a mount does.
Task<Result<void>> FileSystem::leave(Session& session) {
  if (mount_.writable) VARVE_CO_CHECK(co_await return_quotas(session));
  std::vector<std::string> mine;
  {
    const std::scoped_lock lock(open_mutex_);
    open_files_.clear();
    if (announced_.empty()) co_return Result<void>();
    mine.push_back(std::exchange(announced_, {}));
  }
  if (mount_.writable) {
    VARVE_CO_TRY(const bool nobody, co_await alone(session));
    VARVE_CO_CHECK(nobody ? co_await collect_all(session, true)
                          : co_await collect(session, false, kPageEntries));
  }
  VARVE_CO_TRY(const client::Object object, open_object(session, mounts_oid()));
  co_return co_await replace_keys(session, object, kMountsName, "", mine);
}

}  // namespace varve::posix
