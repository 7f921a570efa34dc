// The pool service's operations: pure functions from what is kept and a request to what changes and what
// is answered. One file each in operations/. The shell (service.cc) supplies what they may not fetch.
#pragma once

#include "pool/state.h"
#include "security/acl.h"

namespace varve::pool {

using consensus::Batch;
using consensus::State;

struct Context {
  uint64_t now_ns = 0;
  Uuid fresh;  // a new random UUID
  uint32_t uid = 0, gid = 0;
  security::Identity who = {};  // the same by name
  bool trusted = true;     // an administrator, or a transport that cannot tell: nothing is refused
};

// `reply` without what only the targets know (space).
template <class Reply>
struct Decision {
  Batch batch;
  Reply reply{};
};

// PoolInfo of a record; containers counted, space left empty.
PoolInfo describe(const State& state, const PoolRecord& pool);

// --- create: the record says kCreating until every target has it; then finish or undo.
struct CreateInput {
  uint32_t targets = 0;
  uint64_t unreserved_min = 0;  // of any target
  bool persistent = true;
};
Result<Decision<PoolRecord>> begin_create(const State& state, const CreatePool& request, const CreateInput& input,
                                          const Context& context);
Batch finish_create(const PoolRecord& pool);
Batch undo_create(const PoolRecord& pool);

// --- destroy: kDestroying until every target has forgotten it.
Result<Decision<PoolRecord>> begin_destroy(const State& state, const DestroyPool& request, const Context& context);
// With everything that hangs off it.
Batch finish_destroy(const State& state, const PoolRecord& pool);

// --- connections. kBusy where exclusive use stands in the way.
Result<Decision<HandleRecord>> connect(const State& state, const PoolRecord& pool, const ConnectPool& request,
                                       const Context& context);
Result<Batch> disconnect(const State& state, const DisconnectPool& request);
Result<Batch> evict(const State& state, const EvictPool& request, const Context& context);
// kNoPermission where it is neither an administrator nor the owner.
Result<void> require_owner(const PoolRecord& pool, const Context& context);
// kNoHandle if it is not open.
Result<HandleRecord> check_handle(const State& state, const Uuid& pool, const Uuid& handle);

// --- properties and attributes
Result<Batch> set_properties(const State& state, const SetProperties& request, const Context& context);
Result<Batch> change_acl(const State& state, const ChangeAcl& request, const Context& context);
// For pools and containers; `prefix` is where their attributes lie.
Result<Decision<AttributesReply>> attributes(const State& state, const std::string& prefix, AttributeVerb verb,
                                             const std::vector<Attribute>& attributes);

}  // namespace varve::pool
