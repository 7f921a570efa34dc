#include "object/service.h"

namespace varve::object {
namespace {

constexpr uint32_t kDifferencesMax = 512;

Result<store::DiffAnchor> anchor_of(const DiffAnchor& anchor) {
  if (anchor.dkey.size() > kKeyBytesMax || anchor.akey.size() > kKeyBytesMax || anchor.depth > 4)
    return Error(Code::kInvalid, "an anchor is not one of ours");
  return store::DiffAnchor{anchor.end, anchor.depth, anchor.oid, anchor.dkey, anchor.akey, anchor.index};
}
DiffAnchor anchor_of(const store::DiffAnchor& anchor) {
  return {anchor.end, anchor.depth, anchor.oid, anchor.dkey, anchor.akey, anchor.index};
}

}  // namespace

Task<Result<Buffer>> Service::list_differences(const DiffRequest& request) {
  const block::Lsn seen = volume_.last_committed();
  VARVE_CO_TRY(store::Container * container, find(request.target, Access::kRead));
  VARVE_CO_TRY(const store::DiffAnchor from, anchor_of(request.anchor));
  Buffer body;
  // Fewer where their keys do not fit a reply; one always does.
  for (uint32_t limit = std::min(request.limit ? request.limit : kDifferencesMax, kDifferencesMax);; limit /= 2) {
    store::DiffAnchor anchor = from;
    VARVE_CO_TRY(auto found, store_.diff(*container, request.from, request.target.epoch, anchor, std::max(limit, 1u)));
    DiffReply reply;
    for (store::Difference& one : found)
      reply.differences.push_back({one.oid, std::move(one.dkey), std::move(one.akey), static_cast<ValueKind>(one.kind),
                                   {one.index, one.count}, one.before, one.after});
    reply.anchor = anchor_of(anchor);
    body = encode(reply);
    if (body.size() <= rpc::kBodyBytesMax) break;
    VARVE_ASSERT(limit > 1, "one difference fits a reply");
  }
  VARVE_CO_CHECK(co_await wait_until_durable(seen));
  co_return std::move(body);
}

Task<void> Service::diff(rpc::Request& request) {
  ++counters_.lists;
  auto message = decode<DiffRequest>(request.body());
  if (!message.ok()) fail(request, message.error());
  else answer(request, co_await list_differences(*message));
}

}  // namespace varve::object
