// flock across clients: the holders of a file's lock are a guarded value in the object of its shared
// inode, each until a time of the hybrid clock's wall; who is past it holds nothing. The server knows
// nothing about it.
#include "base/record.h"
#include "posix/file_system.h"
#include "posix/guarded.h"

namespace varve::posix {
namespace {

constexpr std::string_view kLockName = "k";

struct Holder {
  Uuid mount;
  uint64_t owner = 0;
  uint8_t exclusive = 0;
  int64_t until_ns = 0;
  template <class Archive>
  void visit(Archive& archive) {
    archive(mount, owner, exclusive, until_ns);
  }
};
struct Holders {
  std::vector<Holder> all;
  template <class Archive>
  void visit(Archive& archive) {
    archive(all);
  }
};

}  // namespace

Duration FileSystem::lease() const {
  return std::chrono::milliseconds(superblock_.lease_ms ? superblock_.lease_ms : kDefaultLeaseMs);
}

Task<Result<bool>> FileSystem::change_lock(Session& session, const Node& node, uint64_t owner,
                                           LockChange change) {
  VARVE_CO_CHECK(require_writable());
  if (node.inode.is_link())
    co_return Error(Code::kInvalid, "'" + node.name + "' is a symbolic link: it has no lock");
  VARVE_CO_TRY(const client::Object object, open_object(session, shared_inode_oid(node.inode.oid)));
  for (;;) {
    VARVE_CO_TRY(Guarded seen, co_await read_guarded(session, object, as_bytes(kLockName)));
    Holders holders;
    if (!seen.value.empty()) {
      VARVE_CO_TRY(holders, decode<Holders>(seen.value));
    }
    const auto now_ns = static_cast<int64_t>(session.executor().clock().wall_ns());
    std::erase_if(holders.all, [&](const Holder& holder) { return holder.until_ns <= now_ns; });
    Holder mine{mount_id_, owner, change == LockChange::kExclusive, 0};
    const size_t before = holders.all.size();
    std::erase_if(holders.all, [&](const Holder& holder) {
      const bool same = holder.mount == mine.mount && holder.owner == owner;
      if (same && change == LockChange::kRenew) mine.exclusive = holder.exclusive;
      return same;
    });
    const bool held = holders.all.size() < before;
    if (change == LockChange::kRenew && !held) co_return false;
    if (change == LockChange::kRelease && !held) co_return true;
    if (change == LockChange::kShared || change == LockChange::kExclusive)
      for (const Holder& other : holders.all)
        if (mine.exclusive || other.exclusive) co_return false;
    if (change != LockChange::kRelease) {
      mine.until_ns = now_ns + std::chrono::nanoseconds(lease()).count();
      holders.all.push_back(mine);
    }
    VARVE_CO_TRY(const bool stored, co_await replace_guarded(session, object, as_bytes(kLockName),
                                                             seen, encode(holders)));
    if (stored) co_return true;
  }
}

Task<Result<bool>> FileSystem::lock(Session& session, const Node& node, uint64_t owner,
                                    bool exclusive, bool wait) {
  const Instant deadline = session.executor().now() + session.options().deadline;
  Duration pause = 500us;
  for (;;) {
    VARVE_CO_TRY(const bool got,
                 co_await change_lock(session, node, owner,
                                      exclusive ? LockChange::kExclusive : LockChange::kShared));
    if (got || !wait) co_return got;
    if (session.executor().now() + pause > deadline)
      co_return Error(Code::kTimedOut,
                      "'" + node.name + "' is locked by somebody else until the deadline");
    co_await session.executor().sleep_for(pause);
    pause = std::min<Duration>(pause * 2, 50ms);
  }
}

}  // namespace varve::posix
