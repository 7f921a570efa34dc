#include "object/service.h"

namespace varve::object {

Task<void> Service::query(rpc::Request& request) {
  ++counters_.lists;
  auto message = decode<QueryRequest>(request.body());
  if (!message.ok()) {
    fail(request, message.error());
    co_return;
  }
  auto container = find(message->target, Access::kRead);
  if (!container.ok()) {
    fail(request, container.error());
    co_return;
  }
  store::QueryFlags flags;
  flags.max_dkey = message->flags & 1;
  flags.min_dkey = message->flags & 2;
  flags.max_akey = message->flags & 4;
  flags.min_akey = message->flags & 8;
  flags.max_recx = message->flags & 16;
  flags.min_recx = message->flags & 32;
  flags.bytes = message->flags & 64;
  const block::Lsn seen = volume_.last_committed();
  auto found = store_.query(**container, message->target.oid, read_at(message->target), message->dkey,
                            message->akey, flags);
  if (!found.ok()) {
    fail(request, found.error());
    co_return;
  }
  QueryReply reply;
  reply.dkey = std::move(found->dkey);
  reply.akey = std::move(found->akey);
  reply.range = {found->recx_index, found->recx_count};
  reply.record_size = found->record_size;
  reply.max_epoch = found->max_epoch;
  reply.bytes = found->bytes;
  reply.bytes_next = std::move(found->bytes_next);
  reply.epoch = seen_at(message->target.epoch);
  const Buffer body = encode(reply);
  auto durable = co_await wait_until_durable(seen);
  if (durable.ok()) request.reply_now(body);
  else fail(request, durable.error());
}

}  // namespace varve::object
