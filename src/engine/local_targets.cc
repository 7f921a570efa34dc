#include "engine/local_targets.h"

#include "runtime/wait.h"

namespace varve::engine {
namespace {

using Make = std::function<Result<store::Lsn>(store::Store&)>;

// One change of a target's store, on its executor; durable at the end.
Task<Result<void>> change(Target& target, Make make, Code already) {
  block::Volume& volume = target.volume();
  if (!volume.ready_for(store::kSmallTransactionBytes))
    VARVE_CO_CHECK(co_await volume.wait_ready(store::kSmallTransactionBytes));
  auto lsn = make(target.store());
  if (!lsn.ok() && lsn.code() != already) co_return std::move(lsn.error());
  // What is there already may not be durable yet: then everything before this is.
  co_return co_await volume.durable(lsn.ok() ? *lsn : volume.last_committed());
}

Task<Result<void>> change_on(Target& target, Make make, Code already) {
  if (target.lost()) co_return *target.lost();
  co_return co_await run_on<Result<void>>(target.executor(),
                                          [&target, make, already] { return change(target, make, already); });
}

Task<Result<pool::Targets::Space>> space_of(Target& target, Uuid pool) {
  VARVE_CO_TRY(const store::PoolSpace space, target.store().space(pool));
  co_return pool::Targets::Space{space.reserved, space.used};
}

const char* kind_name(device::Kind kind) {
  switch (kind) {
    case device::Kind::kMemory: return "memory";
    case device::Kind::kFile: return "file";
    case device::Kind::kBlock: return "block";
    case device::Kind::kSimulated: return "simulated";
  }
  return "unknown";
}

Task<pool::TargetInfo> info_of(Target& target) {
  pool::TargetInfo info;
  info.index = target.index();
  info.device = target.device().name();
  info.device_kind = kind_name(target.device().kind());
  info.addresses = target.addresses();
  info.size_bytes = target.device().size_bytes();
  if (target.lost()) {
    info.state = "failed: " + std::string(target.lost()->text());
    co_return info;
  }
  info.unreserved_bytes = target.store().unreserved_bytes();
  const object::Service& objects = target.objects();
  info.state = !objects.failure().empty() ? "failed: " + objects.failure()
               : objects.verdict().empty() ? "up"
                                           : objects.verdict();
  const object::Service::Counters& counters = objects.counters();
  info.integrity = {counters.damaged_writes, counters.damaged_reads, counters.scrub_passes, counters.scrubbed_bytes,
                    counters.scrub_errors};
  co_return info;
}

Task<Result<void>> put_scrub(Target& target, Uuid pool, ScrubPolicy policy) {
  target.objects().set_scrub(pool, policy);
  co_return Result<void>();
}

Task<Epoch> advance(Target& target, Epoch not_before) {
  co_return target.objects().advance_epoch(not_before);
}

Task<Result<void>> hold(Target& target, Epoch epoch, Duration lease) {
  co_return target.objects().hold_epoch(epoch, lease);
}

Result<store::Container*> find(Target& target, const Uuid& pool, const Uuid& container) {
  store::Container* found = target.store().find(pool, container);
  if (found) return found;
  return Error(Code::kBadFormat, "container " + container.to_string() + " is not on target " +
                                     std::to_string(target.index()) + ", though the system knows it");
}

Task<Result<void>> put_snapshots(Target& target, Uuid pool, Uuid container, std::vector<Epoch> epochs,
                                 Epoch fresh) {
  VARVE_CO_TRY(store::Container * found, find(target, pool, container));
  co_return target.objects().set_snapshots(*found, std::move(epochs), fresh);
}

Task<Result<void>> put_handle(Target& target, Uuid handle, object::Service::OpenHandle what) {
  target.objects().open_handle(handle, what);
  co_return Result<void>();
}

Task<Result<void>> drop_handles(Target& target, std::vector<Uuid> handles) {
  for (const Uuid& handle : handles) target.objects().close_handle(handle);
  co_return Result<void>();
}

Task<Result<void>> put_policy(Target& target, Uuid pool, pool::Targets::Policy given) {
  object::Service::Policy policy;
  policy.merging = given.reclaim != pool::kReclaimDisabled;
  policy.timed = given.reclaim == pool::kReclaimTime;
  policy.extent_from = static_cast<uint32_t>(given.data_threshold);
  target.objects().set_policy(pool, policy);
  co_return Result<void>();
}

Task<Result<void>> order_merge(Target& target, Uuid pool, Uuid container, Epoch epoch) {
  co_return target.objects().aggregate(pool, container, epoch);
}

}  // namespace

Result<void> LocalTargets::all_there() const {
  for (const auto& target : targets_)
    if (target->lost()) return *target->lost();
  return {};
}

std::vector<placement::PoolTarget> LocalTargets::map() const {
  std::vector<placement::PoolTarget> map;
  for (const auto& target : targets_)
    map.push_back({Rank{0}, TargetIndex{target->index()}, placement::TargetState::kUp, target->addresses()});
  return map;
}

Task<Result<void>> LocalTargets::create_pool(uint32_t target, Uuid pool, uint64_t bytes) {
  const Make make = [pool, bytes](store::Store& store) { return store.create_pool(pool, bytes); };
  co_return co_await change_on(*targets_[target], make, Code::kExists);
}
Task<Result<void>> LocalTargets::destroy_pool(uint32_t target, Uuid pool) {
  Target& where = *targets_[target];
  const Make make = [pool, &where](store::Store& store) {
    where.objects().wake_reclaim();
    where.objects().set_policy(pool, {});
    return store.destroy_pool(pool);
  };
  co_return co_await change_on(where, make, Code::kNonexistent);
}
Task<Result<void>> LocalTargets::create_container(uint32_t target, Uuid pool, Uuid container,
                                                  Integrity integrity) {
  const Make make = [pool, container, integrity](store::Store& store) -> Result<store::Lsn> {
    VARVE_TRY(const store::Lsn lsn, store.create_container(pool, container, integrity));
    store.set_snapshots(*store.find(pool, container), {});
    return lsn;
  };
  co_return co_await change_on(*targets_[target], make, Code::kExists);
}
Task<Result<void>> LocalTargets::destroy_container(uint32_t target, Uuid pool, Uuid container) {
  Target& where = *targets_[target];
  const Make make = [pool, container, &where](store::Store& store) {
    where.objects().wake_reclaim();
    return store.destroy_container(pool, container);
  };
  co_return co_await change_on(where, make, Code::kNonexistent);
}

Task<Result<void>> LocalTargets::open_handle(uint32_t target, Uuid pool, Uuid container, Uuid handle, bool writable) {
  Target& where = *targets_[target];
  if (where.lost()) co_return Result<void>();  // it refuses everybody
  co_return co_await run_on<Result<void>>(where.executor(), [&where, pool, container, handle, writable] {
    return put_handle(where, handle, {pool, container, writable});
  });
}
Task<Result<void>> LocalTargets::close_handles(uint32_t target, std::vector<Uuid> handles) {
  Target& where = *targets_[target];
  if (where.lost()) co_return Result<void>();  // it refuses everybody
  co_return co_await run_on<Result<void>>(where.executor(), [&where, handles] { return drop_handles(where, handles); });
}

Task<Result<void>> LocalTargets::set_scrub(uint32_t target, Uuid pool, ScrubPolicy policy) {
  Target& where = *targets_[target];
  if (where.lost()) co_return Result<void>();  // it refuses everybody
  co_return co_await run_on<Result<void>>(where.executor(),
                                          [&where, pool, policy] { return put_scrub(where, pool, policy); });
}

Task<Result<pool::Targets::Space>> LocalTargets::space(uint32_t target, Uuid pool) {
  Target& where = *targets_[target];
  if (where.lost()) co_return *where.lost();
  co_return co_await run_on<Result<Space>>(where.executor(), [&where, pool] { return space_of(where, pool); });
}
Task<pool::TargetInfo> LocalTargets::info(uint32_t target) {
  Target& where = *targets_[target];
  co_return co_await run_on<pool::TargetInfo>(where.executor(), [&where] { return info_of(where); });
}
Task<Epoch> LocalTargets::advance_epoch(uint32_t target, Epoch not_before) {
  Target& where = *targets_[target];
  if (where.lost()) co_return not_before;
  co_return co_await run_on<Epoch>(where.executor(), [&where, not_before] { return advance(where, not_before); });
}
Task<Result<void>> LocalTargets::set_snapshots(uint32_t target, Uuid pool, Uuid container,
                                               std::vector<Epoch> epochs, Epoch fresh) {
  Target& where = *targets_[target];
  if (where.lost() && fresh == kEpochNone) co_return Result<void>();
  if (where.lost()) co_return *where.lost();
  co_return co_await run_on<Result<void>>(where.executor(), [&where, pool, container, epochs, fresh] {
    return put_snapshots(where, pool, container, epochs, fresh);
  });
}
Task<Result<void>> LocalTargets::hold_epoch(uint32_t target, Epoch epoch, Duration lease) {
  Target& where = *targets_[target];
  if (where.lost()) co_return Result<void>();  // it refuses everybody
  co_return co_await run_on<Result<void>>(where.executor(), [&where, epoch, lease] {
    return hold(where, epoch, lease);
  });
}
Task<Result<void>> LocalTargets::rollback(uint32_t target, Uuid pool, Uuid container, Epoch to, Epoch at) {
  Target& where = *targets_[target];
  const Make make = [pool, container, to, at, &where](store::Store& store) -> Result<store::Lsn> {
    VARVE_TRY(store::Container * found, find(where, pool, container));
    where.objects().advance_epoch(at);
    VARVE_TRY(const store::Lsn lsn, store.rollback(*found, to, at));
    where.objects().wake_reclaim();
    return lsn;
  };
  co_return co_await change_on(where, make, Code::kExists);
}

Task<Result<void>> LocalTargets::set_policy(uint32_t target, Uuid pool, Policy policy) {
  Target& where = *targets_[target];
  if (where.lost()) co_return Result<void>();  // it refuses everybody
  co_return co_await run_on<Result<void>>(where.executor(),
                                          [&where, pool, policy] { return put_policy(where, pool, policy); });
}
Task<Result<void>> LocalTargets::aggregate(uint32_t target, Uuid pool, Uuid container, Epoch epoch) {
  Target& where = *targets_[target];
  if (where.lost()) co_return *where.lost();
  co_return co_await run_on<Result<void>>(where.executor(), [&where, pool, container, epoch] {
    return order_merge(where, pool, container, epoch);
  });
}

}  // namespace varve::engine
