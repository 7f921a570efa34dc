#include "consensus/operations.h"

#include <algorithm>

#include "base/record.h"

namespace varve::consensus {
namespace {

constexpr std::string_view kPrefix = "operation/";

struct Record {
  uint64_t order = 0, at_ns = 0;
  uint16_t kind = 0;
  Buffer result;
  template <class Archive>
  void visit(Archive& archive) { archive(order, at_ns, kind, result); }
};

std::string key_of(const Uuid& client, uint64_t sequence) {
  return std::string(kPrefix) + client.to_string() + "/" + std::to_string(sequence);
}

}  // namespace

Operations::Operations(const State& state) : state_(state) {
  state.scan(kPrefix, [&](std::string_view key, const Buffer& value) {
    auto record = decode<Record>(value);
    if (record.ok()) kept_.push_back({std::string(key), record->order, record->at_ns});
    return true;
  });
  std::sort(kept_.begin(), kept_.end(), [](const Kept& a, const Kept& b) { return a.order < b.order; });
  if (!kept_.empty()) next_order_ = kept_.back().order + 1;
}

Result<const Buffer*> Operations::find(const Uuid& client, uint64_t sequence, uint16_t kind) const {
  if (client.is_null()) return nullptr;
  const Buffer* value = state_.get(key_of(client, sequence));
  if (!value) return nullptr;
  thread_local Record record;
  VARVE_TRY(record, decode<Record>(*value));
  if (record.kind != kind)
    return Error(Code::kInvalid, "operation id " + client.to_string() + "/" + std::to_string(sequence) +
                                     " was used for another request; use a new one for each");
  return &record.result;
}

void Operations::record(Batch& batch, const Uuid& client, uint64_t sequence, uint16_t kind, uint64_t now_ns,
                        const Buffer& result) {
  added_.clear();
  removed_ = 0;
  if (client.is_null()) return;
  while (removed_ < kept_.size() && (kept_.size() - removed_ >= kKeptMax ||
                                     (kept_[removed_].at_ns + kKeptNs < now_ns && removed_ < 64)))
    batch.push_back({kept_[removed_++].key, std::nullopt});
  const Record record{next_order_++, now_ns, kind, result};
  added_.push_back({key_of(client, sequence), record.order, now_ns});
  batch.push_back({added_.back().key, encode(record)});
}

void Operations::recorded() {
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<ptrdiff_t>(removed_));
  for (Kept& kept : added_) kept_.push_back(std::move(kept));
  added_.clear();
  removed_ = 0;
}

}  // namespace varve::consensus
