#include <algorithm>

#include "container/decision.h"

namespace varve::container {

Result<Batch> create_snapshot(const State& state, const CreateSnapshot& request, Epoch epoch) {
  VARVE_TRY(const ContainerRecord container, find_container(state, request.pool, request.container));
  if (request.name.size() > 127)
    return Error(Code::kInvalid, "a snapshot's name has up to 127 bytes, not " + std::to_string(request.name.size()));
  const std::vector<Snapshot> snapshots = all_snapshots(state, request.pool, request.container);
  const Property* limit = pool::find_property(container.properties, kPropertySnapshotMax);
  const uint64_t keep = limit ? limit->number : 0;
  if (snapshots.size() >= kSnapshotsMax && keep == 0)
    return Error(Code::kNoSpace, "container " + request.container.to_string() + " has " +
                                     std::to_string(snapshots.size()) + " snapshots already; destroy some");
  for (const Snapshot& snapshot : snapshots)
    if (!request.name.empty() && snapshot.name == request.name)
      return Error(Code::kExists, "a snapshot of the name '" + request.name + "' exists already");
  const ByteView name = as_bytes(request.name);
  Batch batch = {{snapshot_key(request.pool, request.container, epoch), Buffer(name.begin(), name.end())}};
  for (size_t i = 0; keep > 0 && snapshots.size() - i >= std::min<uint64_t>(keep, kSnapshotsMax); ++i)
    batch.push_back({snapshot_key(request.pool, request.container, snapshots[i].epoch), std::nullopt});
  return batch;
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
