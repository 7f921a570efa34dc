#include "container/service.h"

#include <algorithm>

namespace varve::container {

using pool::on_each;
using pool::PoolRecord;
using pool::Shell;
using Decided = Result<std::pair<Batch, Buffer>>;

namespace {
// How long the targets keep what a new cut may show from being merged, until they are told of it.
constexpr Duration kShortly = 2s;
constexpr Duration kReaderLease = 60s;
}  // namespace

void Service::serve_on(rpc::Node& node) {
  using pool::serve;
  serve(node, kContainerCreate, *this, &Service::create);
  serve(node, kContainerDestroy, *this, &Service::destroy);
  serve(node, kContainerList, *this, &Service::list);
  serve(node, kContainerQuery, *this, &Service::query);
  serve(node, kContainerGetProperties, *this, &Service::query);
  serve(node, kContainerOpen, *this, &Service::open_container);
  serve(node, kContainerClose, *this, &Service::close_container);
  serve(node, kContainerSetProperties, *this, &Service::change_properties);
  serve(node, kContainerChangeAcl, *this, &Service::update_acl);
  serve(node, kContainerAttributes, *this, &Service::container_attributes);
  serve(node, kAllocateObjectIds, *this, &Service::object_ids);
  serve(node, kSnapshotCreate, *this, &Service::make_snapshot);
  serve(node, kSnapshotDestroy, *this, &Service::drop_snapshot);
  serve(node, kSnapshotList, *this, &Service::snapshots);
  serve(node, kContainerRollback, *this, &Service::roll_back);
  serve(node, kHoldEpoch, *this, &Service::reader_epoch);
  serve(node, kContainerAggregate, *this, &Service::aggregate);
}

Task<Result<void>> Service::create_on_targets(Uuid pool, Uuid container, Integrity integrity,
                                             uint32_t targets) {
  const auto one = [&](uint32_t target) { return targets_.create_container(target, pool, container, integrity); };
  auto results = co_await on_each<void>(targets, one);
  co_return pool::all_of(results);
}

Task<Result<void>> Service::destroy_on_targets(Uuid pool, Uuid container, uint32_t targets) {
  const auto one = [&](uint32_t target) { return targets_.destroy_container(target, pool, container); };
  auto results = co_await on_each<void>(targets, one);
  co_return pool::all_of(results);
}

Task<Result<void>> Service::tell_snapshots(Uuid pool, Uuid container, uint32_t targets, Epoch more) {
  std::vector<Epoch> epochs;
  if (more != kEpochNone) epochs.push_back(more);
  for (const Snapshot& snapshot : all_snapshots(shell_.store, pool, container)) epochs.push_back(snapshot.epoch);
  const auto one = [&](uint32_t target) { return targets_.set_snapshots(target, pool, container, epochs, more); };
  auto results = co_await on_each<void>(targets, one);
  co_return pool::all_of(results);
}

Task<Epoch> Service::cut(uint32_t targets) {
  // What was acknowledged is at or below some target's epoch of now; what comes later is above them all.
  Epoch epoch{};
  for (uint32_t target = 0; target < targets; ++target)
    epoch = std::max(epoch, co_await targets_.advance_epoch(target, kEpochNone));
  for (uint32_t target = 0; target < targets; ++target) {
    const Epoch passed = co_await targets_.advance_epoch(target, epoch);
    VARVE_ASSERT(passed > epoch, "a target's clock rises");
  }
  co_return epoch;
}

Task<Result<void>> Service::recover_one(PoolRecord pool, ContainerRecord container) {
  if (container.state == ContainerState::kReady) {
    for (const auto& [handle, flags] : all_handles(shell_.store, pool.uuid, container.uuid))
      VARVE_CO_CHECK(co_await open_on_targets(pool.uuid, container.uuid, handle, flags));
    VARVE_CO_CHECK(co_await tell_snapshots(pool.uuid, container.uuid, pool.targets, kEpochNone));
    VARVE_CO_TRY(const auto rollback, unfinished_rollback(shell_.store, pool.uuid, container.uuid));
    if (!rollback) co_return Result<void>();
    log_warning("container " + container.uuid.to_string() + ": finishing its interrupted rollback");
    RollbackContainer request{rollback->operation, pool.uuid, container.uuid, {}, rollback->to, true};
    auto done = co_await do_rollback(std::move(request), pool.targets);
    if (done.ok() || done.code() == Code::kIo) co_return std::move(done);
    log_error("the container cannot be opened until it is rolled back again: " + done.error().describe());
    co_return Result<void>();
  }
  const bool creating = container.state == ContainerState::kCreating;
  log_warning("container " + container.uuid.to_string() + ": finishing its interrupted " +
              (creating ? "creation (undone)" : "destruction"));
  const auto destroyed = co_await destroy_on_targets(pool.uuid, container.uuid, pool.targets);
  if (!destroyed.ok()) {
    log_error("the next start will finish it: " + destroyed.error().describe());
    co_return Result<void>();
  }
  Batch last = finish_destroy(shell_.store, pool.uuid, container);
  const OperationId operation = creating ? OperationId{} : container.destroyed_by;
  co_return co_await shell_.commit(std::move(last), operation, kContainerDestroy, encode(pool::Empty{}));
}

Task<Result<void>> Service::recover() {
  for (const PoolRecord& pool : pool::all_pools(shell_.store))
    for (const ContainerRecord& container : all_containers(shell_.store, pool.uuid))
      VARVE_CO_CHECK(co_await recover_one(pool, container));
  co_return Result<void>();
}

Task<Result<Buffer>> Service::create(CreateContainer request, Caller caller) {
  VARVE_CO_CHECK(co_await shell_.take_turn(caller));
  Shell::Turn turn(shell_.turn);
  VARVE_CO_TRY(const Buffer* first,
               shell_.operations.find(request.operation.client, request.operation.sequence, kContainerCreate));
  if (first) co_return *first;
  VARVE_CO_CHECK(targets_.all_there());
  VARVE_CO_TRY(const PoolRecord pool, pool::find_pool(shell_.store, request.pool));
  VARVE_CO_TRY(auto decision, begin_create(shell_.store, request, shell_.context(caller)));
  const ContainerRecord container = std::move(decision.reply);
  VARVE_CO_CHECK(co_await shell_.store.commit(std::move(decision.batch)));
  VARVE_CO_TRY(const Integrity integrity, integrity_of(container.properties));
  auto created = co_await create_on_targets(pool.uuid, container.uuid, integrity, pool.targets);
  if (!created.ok()) {
    auto undone = co_await destroy_on_targets(pool.uuid, container.uuid, pool.targets);
    if (undone.ok()) undone = co_await shell_.store.commit(undo_create(shell_.store, pool.uuid, container));
    if (!undone.ok())
      log_error("container " + container.uuid.to_string() + " could not be undone, the next start will: " +
                undone.error().describe());
    co_return std::move(created.error()).with("container create");
  }
  Buffer body = encode(ContainerReply{describe(shell_.store, pool.uuid, container, true)});
  Batch last = finish_create(pool.uuid, container);
  VARVE_CO_CHECK(co_await shell_.commit(std::move(last), request.operation, kContainerCreate, body));
  co_return std::move(body);
}

Task<Result<Buffer>> Service::destroy(DestroyContainer request, Caller caller) {
  VARVE_CO_CHECK(co_await shell_.take_turn(caller));
  Shell::Turn turn(shell_.turn);
  VARVE_CO_TRY(const Buffer* first,
               shell_.operations.find(request.operation.client, request.operation.sequence, kContainerDestroy));
  if (first) co_return *first;
  VARVE_CO_CHECK(targets_.all_there());
  VARVE_CO_TRY(const PoolRecord pool, pool::find_pool(shell_.store, request.pool));
  VARVE_CO_TRY(auto decision, begin_destroy(shell_.store, request, shell_.context(caller)));
  const ContainerRecord container = std::move(decision.reply);
  VARVE_CO_CHECK(co_await shell_.store.commit(std::move(decision.batch)));
  VARVE_CO_CHECK(co_await destroy_on_targets(pool.uuid, container.uuid, pool.targets));
  Buffer body = encode(pool::Empty{});
  Batch last = finish_destroy(shell_.store, pool.uuid, container);
  VARVE_CO_CHECK(co_await shell_.commit(std::move(last), request.operation, kContainerDestroy, body));
  co_return std::move(body);
}

Task<Result<Buffer>> Service::list(ListContainers request, Caller) {
  VARVE_CO_CHECK(pool::find_pool(shell_.store, request.pool));
  co_return encode(list_page(shell_.store, request));
}

Task<Result<Buffer>> Service::query(QueryContainer request, Caller caller) {
  VARVE_CO_TRY(ContainerInfo info, container::query(shell_.store, request, shell_.context(caller)));
  co_return encode(ContainerReply{std::move(info)});
}

Task<Result<void>> Service::open_on_targets(Uuid pool, Uuid container, Uuid handle, uint32_t flags) {
  VARVE_CO_TRY(const PoolRecord record, pool::find_pool(shell_.store, pool));
  const bool writable = flags & (kOpenReadWrite | kOpenExclusive);
  const auto one = [&](uint32_t target) { return targets_.open_handle(target, pool, container, handle, writable); };
  auto results = co_await on_each<void>(record.targets, one);
  co_return pool::all_of(results);
}

Task<Result<Buffer>> Service::open_container(OpenContainer request, Caller caller) {
  VARVE_CO_CHECK(co_await shell_.take_turn(caller));
  Shell::Turn turn(shell_.turn);
  VARVE_CO_TRY(auto decision, open(shell_.store, request, shell_.context(caller)));
  const Uuid container = decision.reply.info.uuid, handle = decision.reply.handle;
  VARVE_CO_CHECK(co_await open_on_targets(request.pool, container, handle, request.flags));
  auto committed = co_await shell_.commit(std::move(decision.batch));
  if (committed.ok()) co_return encode(decision.reply);
  const auto one = [&](uint32_t target) { return targets_.close_handles(target, {handle}); };
  static_cast<void>(co_await on_each<void>(targets_.count(), one));
  co_return std::move(committed.error());
}

Task<Result<Buffer>> Service::close_container(CloseContainer request, Caller caller) {
  const auto decide = [&]() -> Decided {
    return std::pair(close(shell_.store, request), encode(pool::Empty{}));
  };
  co_return co_await shell_.change(caller, OperationId{}, kContainerClose, decide);
}

Task<Result<Buffer>> Service::change_properties(SetContainerProperties request, Caller caller) {
  const auto decide = [&]() -> Decided {
    VARVE_TRY(Batch batch, set_properties(shell_.store, request, shell_.context(caller)));
    return std::pair(std::move(batch), encode(pool::Empty{}));
  };
  co_return co_await shell_.change(caller, request.operation, kContainerSetProperties, decide);
}

Task<Result<Buffer>> Service::update_acl(ChangeAcl request, Caller caller) {
  const auto decide = [&]() -> Decided {
    VARVE_TRY(Batch batch, change_acl(shell_.store, request, shell_.context(caller)));
    return std::pair(std::move(batch), encode(pool::Empty{}));
  };
  co_return co_await shell_.change(caller, request.operation, kContainerChangeAcl, decide);
}

Result<void> Service::permit(const Uuid& pool, const Uuid& uuid, uint64_t any_of, const char* what,
                             const Caller& caller) {
  VARVE_TRY(const ContainerRecord container, find_container(shell_.store, pool, uuid));
  const pool::Context context = shell_.context(caller);
  return pool::require(pool::permissions(container.properties, kGuarded, context), any_of,
                       std::string(what) + " of container " + uuid.to_string(), context);
}

Task<Result<Buffer>> Service::container_attributes(ContainerAttributes request, Caller caller) {
  const auto decide = [&]() -> Decided {
    const bool changes = request.verb == pool::AttributeVerb::kSet || request.verb == pool::AttributeVerb::kDelete;
    VARVE_CHECK(permit(request.pool, request.container, changes ? security::kWrite : security::kRead, "attributes",
                       caller));
    const std::string prefix = attributes_prefix(request.pool, request.container);
    VARVE_TRY(auto decision, pool::attributes(shell_.store, prefix, request.verb, request.attributes));
    return std::pair(std::move(decision.batch), encode(decision.reply));
  };
  if (request.verb == pool::AttributeVerb::kSet || request.verb == pool::AttributeVerb::kDelete)
    co_return co_await shell_.change(caller, request.operation, kContainerAttributes, decide);
  auto decided = decide();
  if (!decided.ok()) co_return std::move(decided.error());
  co_return std::move(decided->second);
}

Task<Result<Buffer>> Service::object_ids(AllocateObjectIds request, Caller caller) {
  const auto decide = [&]() -> Decided {
    VARVE_TRY(auto decision, allocate_object_ids(shell_.store, request, shell_.context(caller)));
    return std::pair(std::move(decision.batch), encode(decision.reply));
  };
  co_return co_await shell_.change(caller, request.operation, kAllocateObjectIds, decide);
}

Task<Result<Buffer>> Service::make_snapshot(CreateSnapshot request, Caller caller) {
  VARVE_CO_CHECK(co_await shell_.take_turn(caller));
  Shell::Turn turn(shell_.turn);
  VARVE_CO_TRY(const Buffer* first,
               shell_.operations.find(request.operation.client, request.operation.sequence, kSnapshotCreate));
  if (first) co_return *first;
  VARVE_CO_CHECK(targets_.all_there());
  VARVE_CO_TRY(const PoolRecord pool, pool::find_pool(shell_.store, request.pool));
  VARVE_CO_CHECK(permit(request.pool, request.container, security::kWrite, "a snapshot", caller));
  const Epoch epoch = co_await cut(pool.targets);
  VARVE_CO_TRY(Batch batch, create_snapshot(shell_.store, request, epoch));
  // The targets keep it before it is written down: nothing of it may be merged away meanwhile.
  VARVE_CO_CHECK(co_await tell_snapshots(pool.uuid, request.container, pool.targets, epoch));
  Buffer body = encode(Snapshot{epoch, request.name});
  const bool some_went = batch.size() > 1;
  auto committed = co_await shell_.commit(std::move(batch), request.operation, kSnapshotCreate, body);
  if (committed.ok() && !some_went) co_return std::move(body);
  auto told = co_await tell_snapshots(pool.uuid, request.container, pool.targets, kEpochNone);
  if (!told.ok()) log_error("snapshots of " + request.container.to_string() + ": " + told.error().describe());
  if (committed.ok()) co_return std::move(body);
  co_return std::move(committed.error());
}

Task<Result<void>> Service::hold_on(uint32_t targets, Epoch epoch, Duration lease) {
  const auto one = [&](uint32_t target) { return targets_.hold_epoch(target, epoch, lease); };
  auto results = co_await on_each<void>(targets, one);
  co_return pool::all_of(results);
}

Task<Result<Buffer>> Service::reader_epoch(HoldEpoch request, Caller) {
  VARVE_CO_CHECK(find_container(shell_.store, request.pool, request.container));
  VARVE_CO_TRY(const PoolRecord pool, pool::find_pool(shell_.store, request.pool));
  VARVE_CO_CHECK(co_await hold_on(pool.targets, kEpochNone, kShortly));
  const Epoch epoch = co_await cut(pool.targets);
  VARVE_CO_CHECK(co_await hold_on(pool.targets, epoch, kReaderLease));
  co_return encode(Snapshot{epoch, {}});
}

Task<Result<void>> Service::do_rollback(RollbackContainer request, uint32_t targets) {
  // Where the targets' reclaim passes the epoch all the same before they hear of it: once more with a newer one.
  constexpr int kAttempts = 5;
  VARVE_CO_TRY(const auto unfinished, unfinished_rollback(shell_.store, request.pool, request.container));
  bool begun = unfinished.has_value();
  for (int attempt = 1;; ++attempt) {
    VARVE_CO_CHECK(co_await hold_on(targets, kEpochNone, kShortly));
    const Epoch at = co_await cut(targets);
    VARVE_CO_CHECK(co_await shell_.store.commit(begin_rollback(request, at)));
    const auto one = [&](uint32_t target) {
      return targets_.rollback(target, request.pool, request.container, request.epoch, at);
    };
    auto results = co_await on_each<void>(targets, one);
    begun |= std::any_of(results.begin(), results.end(), [](const auto& result) { return result.ok(); });
    auto done = pool::all_of(results);
    if (done.ok()) break;
    if (done.code() == Code::kTransactionRestart && attempt < kAttempts) continue;
    if (!begun) VARVE_CO_CHECK(co_await shell_.store.commit(finish_rollback(request.pool, request.container)));
    co_return std::move(done.error()).with("rollback of container " + request.container.to_string());
  }
  Batch last = finish_rollback(request.pool, request.container);
  co_return co_await shell_.commit(std::move(last), request.operation, kContainerRollback, encode(pool::Empty{}));
}

Task<Result<Buffer>> Service::roll_back(RollbackContainer request, Caller caller) {
  VARVE_CO_CHECK(co_await shell_.take_turn(caller));
  Shell::Turn turn(shell_.turn);
  VARVE_CO_TRY(const Buffer* first,
               shell_.operations.find(request.operation.client, request.operation.sequence, kContainerRollback));
  if (first) co_return *first;
  VARVE_CO_CHECK(targets_.all_there());
  VARVE_CO_TRY(const PoolRecord pool, pool::find_pool(shell_.store, request.pool));
  VARVE_CO_CHECK(permit(request.pool, request.container, security::kWrite, "a rollback", caller));
  VARVE_CO_CHECK(check_rollback(shell_.store, request, shell_.context(caller)));
  VARVE_CO_CHECK(co_await do_rollback(request, pool.targets));
  co_return encode(pool::Empty{});
}

Task<Result<Buffer>> Service::drop_snapshot(DestroySnapshot request, Caller caller) {
  const auto decide = [&]() -> Decided {
    VARVE_CHECK(permit(request.pool, request.container, security::kWrite, "a snapshot", caller));
    VARVE_TRY(Batch batch, destroy_snapshot(shell_.store, request));
    return std::pair(std::move(batch), encode(pool::Empty{}));
  };
  VARVE_CO_TRY(Buffer body, co_await shell_.change(caller, request.operation, kSnapshotDestroy, decide));
  VARVE_CO_TRY(const PoolRecord pool, pool::find_pool(shell_.store, request.pool));
  VARVE_CO_CHECK(co_await tell_snapshots(pool.uuid, request.container, pool.targets, kEpochNone));
  co_return std::move(body);
}

Task<Result<Buffer>> Service::snapshots(ListSnapshots request, Caller) {
  VARVE_CO_CHECK(find_container(shell_.store, request.pool, request.container));
  co_return encode(SnapshotsReply{all_snapshots(shell_.store, request.pool, request.container)});
}

Task<Result<Buffer>> Service::aggregate(AggregateContainer request, Caller caller) {
  VARVE_CO_TRY(const PoolRecord pool, pool::find_pool(shell_.store, request.pool));
  VARVE_CO_TRY(const ContainerRecord container, find_container(shell_.store, request.pool, request.container));
  const pool::Context context = shell_.context(caller);
  VARVE_CO_CHECK(pool::require(pool::permissions(container.properties, kGuarded, context), security::kWrite,
                               "aggregation of container " + container.uuid.to_string(), context));
  const auto one = [&](uint32_t target) {
    return targets_.aggregate(target, request.pool, request.container, request.epoch);
  };
  auto results = co_await on_each<void>(pool.targets, one);
  auto all = pool::all_of(results);
  if (!all.ok()) co_return std::move(all.error());
  co_return encode(pool::Empty{});
}

}  // namespace varve::container
