#include "container/decision.h"

namespace varve::container {

Result<Batch> create_snapshot(const State& state, const CreateSnapshot& request, Epoch epoch) {
  VARVE_CHECK(find_container(state, request.pool, request.container));
  if (request.name.size() > 127)
    return Error(Code::kInvalid, "a snapshot's name has up to 127 bytes, not " + std::to_string(request.name.size()));
  const std::vector<Snapshot> snapshots = all_snapshots(state, request.pool, request.container);
  if (snapshots.size() >= kSnapshotsMax)
    return Error(Code::kNoSpace, "container " + request.container.to_string() + " has " +
                                     std::to_string(snapshots.size()) + " snapshots already; destroy some");
  for (const Snapshot& snapshot : snapshots)
    if (!request.name.empty() && snapshot.name == request.name)
      return Error(Code::kExists, "a snapshot of the name '" + request.name + "' exists already");
  const ByteView name = as_bytes(request.name);
  return Batch{{snapshot_key(request.pool, request.container, epoch), Buffer(name.begin(), name.end())}};
}

Result<Batch> destroy_snapshot(const State& state, const DestroySnapshot& request) {
  VARVE_CHECK(find_container(state, request.pool, request.container));
  const std::string key = snapshot_key(request.pool, request.container, request.epoch);
  if (!state.get(key))
    return Error(Code::kNonexistent, "container " + request.container.to_string() + " has no snapshot at epoch " +
                                         std::to_string(request.epoch.value));
  return Batch{{key, std::nullopt}};
}

}  // namespace varve::container
