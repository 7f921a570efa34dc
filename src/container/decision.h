// The container service's operations: pure functions from what is kept and a request to what changes and
// what is answered. One file each in operations/.
#pragma once

#include "container/state.h"
#include "pool/decision.h"

namespace varve::container {

using consensus::Batch;
using consensus::State;
using pool::Context;
using pool::Decision;

ContainerInfo describe(const State& state, const Uuid& pool, const ContainerRecord& container,
                       bool with_properties);

// As many as fit a message.
ListContainersReply list_page(const State& state, const ListContainers& request);

// --- create: the record says kCreating until every target has it; then finish or undo.
Result<Decision<ContainerRecord>> begin_create(const State& state, const CreateContainer& request,
                                               const Context& context);
Batch finish_create(const Uuid& pool, const ContainerRecord& container);
Batch undo_create(const State& state, const Uuid& pool, const ContainerRecord& container);

// --- destroy: kDestroying until every target has forgotten it; then finish.
Result<Decision<ContainerRecord>> begin_destroy(const State& state, const DestroyContainer& request,
                                                const Context& context);
Batch finish_destroy(const State& state, const Uuid& pool, const ContainerRecord& container);

// --- handles
Result<Decision<OpenContainerReply>> open(const State& state, const OpenContainer& request, const Context& context);
Batch close(const State& state, const CloseContainer& request);

Result<Batch> set_properties(const State& state, const SetContainerProperties& request, const Context& context);
Result<Batch> change_acl(const State& state, const ChangeAcl& request, const Context& context);
// What the caller may see of it. kNoPermission if that is nothing.
Result<ContainerInfo> query(const State& state, const QueryContainer& request, const Context& context);
Result<Decision<AllocateObjectIdsReply>> allocate_object_ids(const State& state, const AllocateObjectIds& request,
                                                            const Context& context);

// --- snapshots: `epoch` is one that every target has passed. Where the container keeps a number of them at most
// (kPropertySnapshotMax), the oldest go in the same batch.
Result<Batch> create_snapshot(const State& state, const CreateSnapshot& request, Epoch epoch);
Result<Batch> destroy_snapshot(const State& state, const DestroySnapshot& request);

// --- rollback: written down with its epoch `at`, which every target has passed, until every target has it.
Result<void> check_rollback(const State& state, const RollbackContainer& request, const Context& context);
Batch begin_rollback(const RollbackContainer& request, Epoch at);
Batch finish_rollback(const Uuid& pool, const Uuid& container);
Result<std::optional<RollbackRecord>> unfinished_rollback(const State& state, const Uuid& pool,
                                                          const Uuid& container);

}  // namespace varve::container
