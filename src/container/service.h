// The container service's coroutine shell, on the system thread: see README.md.
#pragma once

#include "container/decision.h"
#include "pool/shell.h"
#include "pool/targets.h"

namespace varve::container {

using pool::Caller;

class Service {
 public:
  // All outlive the service.
  Service(pool::Shell& shell, pool::Targets& targets) : shell_(shell), targets_(targets) {}

  // After the pool service's recover(): undoes containers half made, destroys those half destroyed, and
  // tells every target which snapshots there are. Before the first request.
  Task<Result<void>> recover();
  void serve_on(rpc::Node& node);

  Task<Result<Buffer>> create(CreateContainer request, Caller caller);
  Task<Result<Buffer>> destroy(DestroyContainer request, Caller caller);
  Task<Result<Buffer>> list(ListContainers request, Caller caller);
  Task<Result<Buffer>> query(QueryContainer request, Caller caller);
  Task<Result<Buffer>> open_container(OpenContainer request, Caller caller);
  Task<Result<Buffer>> close_container(CloseContainer request, Caller caller);
  Task<Result<Buffer>> change_properties(SetContainerProperties request, Caller caller);
  Task<Result<Buffer>> update_acl(ChangeAcl request, Caller caller);
  Task<Result<Buffer>> container_attributes(ContainerAttributes request, Caller caller);
  Task<Result<Buffer>> object_ids(AllocateObjectIds request, Caller caller);
  Task<Result<Buffer>> make_snapshot(CreateSnapshot request, Caller caller);
  Task<Result<Buffer>> drop_snapshot(DestroySnapshot request, Caller caller);
  Task<Result<Buffer>> snapshots(ListSnapshots request, Caller caller);
  Task<Result<Buffer>> reader_epoch(HoldEpoch request, Caller caller);
  Task<Result<Buffer>> roll_back(RollbackContainer request, Caller caller);
  Task<Result<Buffer>> aggregate(AggregateContainer request, Caller caller);

 private:
  // kNoPermission unless the caller has one of `any_of` on the container.
  Result<void> permit(const Uuid& pool, const Uuid& container, uint64_t any_of, const char* what,
                      const Caller& caller);
  Task<Result<void>> create_on_targets(Uuid pool, Uuid container, Integrity integrity, uint32_t targets);
  Task<Result<void>> destroy_on_targets(Uuid pool, Uuid container, uint32_t targets);
  // All that are written down, and one more (kEpochNone: no more).
  Task<Result<void>> tell_snapshots(Uuid pool, Uuid container, uint32_t targets, Epoch more);
  // An epoch that every target has passed: what was acknowledged before is at or below it, what is written from
  // now on is above.
  Task<Epoch> cut(uint32_t targets);
  // Targets::hold_epoch() on each.
  Task<Result<void>> hold_on(uint32_t targets, Epoch epoch, Duration lease);
  // Writes the rollback down, has every target do it, and strikes it off together with the operation's result.
  Task<Result<void>> do_rollback(RollbackContainer request, uint32_t targets);
  Task<Result<void>> open_on_targets(Uuid pool, Uuid container, Uuid handle, uint32_t flags);
  Task<Result<void>> recover_one(pool::PoolRecord pool, ContainerRecord container);

  pool::Shell& shell_;
  pool::Targets& targets_;
};

}  // namespace varve::container
