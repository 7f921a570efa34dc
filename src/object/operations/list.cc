#include "object/service.h"

namespace varve::object {
namespace {

constexpr uint32_t kEntriesMax = 2048, kObjectsMax = 1024;
constexpr uint64_t kReplyBytes = rpc::kBodyBytesMax - 8 * kKiB;  // the rest is for the anchor

store::Anchor anchor_of(const ListAnchor& anchor) {
  return {anchor.end, anchor.hash, anchor.key, static_cast<store::Anchor::From>(anchor.from), anchor.below};
}
ListAnchor anchor_of(const store::Anchor& anchor) {
  return {anchor.end, anchor.hash, anchor.key, static_cast<ListFrom>(anchor.from), anchor.below};
}

Result<void> check(const ListAnchor& anchor) {
  if (anchor.key.size() > kKeyBytesMax || anchor.from > ListFrom::kAtKey)
    return Error(Code::kInvalid, "an anchor is not one of ours");
  return {};
}

struct Page {
  std::vector<ListedEntry> entries;
  uint64_t bytes = 0;  // encoded
};

Result<Page> read_page(store::Store& store, store::Container& container, const ListRequest& request,
                       const store::ReadAt& at, store::Anchor& anchor, uint32_t limit) {
  Page page;
  const ObjectId oid = request.target.oid;
  if (request.scope == ListScope::kRanges) {
    VARVE_TRY(auto ranges, store.list_ranges(container, oid, request.dkey, request.akey, at, anchor, limit));
    for (const store::ListedRange& range : ranges)
      page.entries.push_back({{}, ValueKind::kArray, {range.index, range.count}, range.epoch});
  } else {
    auto keys = request.scope == ListScope::kDkeys
                    ? store.list_dkeys(container, oid, at, anchor, limit)
                    : store.list_akeys(container, oid, request.dkey, at, anchor, limit);
    if (!keys.ok()) return std::move(keys.error());
    for (store::ListedKey& key : *keys)
      page.entries.push_back({std::move(key.key), static_cast<ValueKind>(key.kind), {}, {}});
  }
  for (const ListedEntry& entry : page.entries) page.bytes += 29 + entry.key.size();
  return page;
}

}  // namespace

Task<Result<Buffer>> Service::list_keys(const ListRequest& request) {
  VARVE_CO_CHECK(check(request.anchor));
  if (static_cast<uint8_t>(request.scope) > static_cast<uint8_t>(ListScope::kRanges))
    co_return Error(Code::kInvalid, "a listing does not say of what");
  const block::Lsn seen = volume_.last_committed();
  VARVE_CO_TRY(store::Container * container, find(request.target, Access::kRead));
  const store::ReadAt at = read_at(request.target);
  ListReply reply;
  store::Anchor anchor = anchor_of(request.anchor);
  uint64_t room = request.bytes_limit ? std::min<uint64_t>(request.bytes_limit + 64, kReplyBytes) : kReplyBytes;
  uint32_t left = std::min(request.limit ? request.limit : kEntriesMax, kEntriesMax);
  uint32_t at_once = std::min<uint32_t>(left, 256);
  while (left > 0 && !anchor.end) {
    store::Anchor next = anchor;
    VARVE_CO_TRY(Page page, read_page(store_, *container, request, at, next, std::min(at_once, left)));
    if (page.bytes > room) {
      // The first entry always fits: keys are far smaller than a reply.
      if (page.entries.size() == 1 && !reply.entries.empty()) break;
      if (page.entries.size() > 1) {
        at_once = std::max<uint32_t>(1, static_cast<uint32_t>(page.entries.size() / 2));
        continue;
      }
    }
    anchor = std::move(next);
    room -= std::min(room, page.bytes);
    left -= static_cast<uint32_t>(page.entries.size());
    for (ListedEntry& entry : page.entries) reply.entries.push_back(std::move(entry));
  }
  reply.anchor = anchor_of(anchor);
  reply.epoch = seen_at(request.target.epoch);
  if (request.scope == ListScope::kRanges) {
    store::QueryFlags flags;
    flags.max_recx = true;
    auto found = store_.query(*container, request.target.oid, at, request.dkey, request.akey, flags);
    if (found.ok()) reply.record_size = found->record_size;
  }
  VARVE_CO_CHECK(co_await wait_until_durable(seen));
  co_return encode(reply);
}

Task<void> Service::list(rpc::Request& request) {
  ++counters_.lists;
  auto message = decode<ListRequest>(request.body());
  if (!message.ok()) {
    fail(request, message.error());
    co_return;
  }
  answer(request, co_await list_keys(*message));
}

Task<Result<Buffer>> Service::list_all_objects(const ListObjectsRequest& request) {
  VARVE_CO_CHECK(check(request.anchor));
  const block::Lsn seen = volume_.last_committed();
  VARVE_CO_TRY(store::Container * container, find(request.target, Access::kRead));
  store::Anchor anchor = anchor_of(request.anchor);
  const uint32_t limit = std::min(request.limit ? request.limit : kObjectsMax, kObjectsMax);
  ListObjectsReply reply;
  VARVE_CO_TRY(reply.objects, store_.list_objects(*container, read_at(request.target), anchor, limit));
  for (const ObjectId oid : reply.objects) reply.places.push_back(store::object_place(oid));
  reply.anchor = anchor_of(anchor);
  reply.epoch = seen_at(request.target.epoch);
  VARVE_CO_CHECK(co_await wait_until_durable(seen));
  co_return encode(reply);
}

Task<void> Service::list_objects(rpc::Request& request) {
  ++counters_.lists;
  auto message = decode<ListObjectsRequest>(request.body());
  if (!message.ok()) fail(request, message.error());
  else answer(request, co_await list_all_objects(*message));
}

}  // namespace varve::object
