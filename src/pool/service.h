// The pool service's coroutine shell, on the system thread: see README.md.
#pragma once

#include "pool/shell.h"
#include "pool/targets.h"

namespace varve::pool {

class Service {
 public:
  // All outlive the service.
  Service(Shell& shell, Targets& targets) : shell_(shell), targets_(targets) {}

  // Finishes what a crash interrupted: pools half made are undone, half destroyed ones destroyed; tells
  // the targets what the properties say. Before the first request.
  Task<Result<void>> recover();
  void serve_on(rpc::Node& node);

  Task<Result<Buffer>> create(CreatePool request, Caller caller);
  Task<Result<Buffer>> destroy(DestroyPool request, Caller caller);
  Task<Result<Buffer>> list(ListPools request, Caller caller);
  Task<Result<Buffer>> query(QueryPool request, Caller caller);
  Task<Result<Buffer>> connect_pool(ConnectPool request, Caller caller);
  Task<Result<Buffer>> disconnect_pool(DisconnectPool request, Caller caller);
  Task<Result<Buffer>> evict_pool(EvictPool request, Caller caller);
  Task<Result<Buffer>> get_properties(GetProperties request, Caller caller);
  Task<Result<Buffer>> change_properties(SetProperties request, Caller caller);
  Task<Result<Buffer>> update_acl(ChangeAcl request, Caller caller);
  Task<Result<Buffer>> pool_attributes(PoolAttributes request, Caller caller);

 private:
  Task<Result<void>> create_on_targets(PoolRecord pool);
  Task<Result<void>> destroy_on_targets(PoolRecord pool);
  Task<Result<void>> tell_policy(PoolRecord pool);
  // Tells the targets how the pool is scrubbed.
  Task<Result<void>> tell_scrub(PoolRecord pool);
  // PoolInfo with the targets' space.
  Task<Result<PoolInfo>> inspect(PoolRecord pool);
  placement::PoolMap map_of(const PoolRecord& pool) const;

  Shell& shell_;
  Targets& targets_;
};

}  // namespace varve::pool
