#include "client/fake_server.h"

#include "base/checksum.h"
#include "runtime/wait.h"

namespace varve::client {
namespace {

std::string text(ByteView bytes) { return std::string(as_text(bytes)); }

constexpr uint64_t kDkeyInsert = 2, kPunch = 1;

}  // namespace

FakeServer::FakeServer(Executor& executor, std::unique_ptr<rpc::Node> node,
                       std::vector<std::string> addresses)
    : executor_(executor), node_(std::move(node)) {
  map_.version = 1;
  for (size_t i = 0; i < addresses.size(); ++i) {
    auto listening = node_->listen(addresses[i]);
    VARVE_ASSERT(listening.ok(), "a test's server can listen");
    map_.targets.push_back({Rank{0},
                            TargetIndex{static_cast<uint32_t>(i)},
                            placement::TargetState::kUp,
                            {*listening}});
  }
  for (const rpc::Opcode opcode :
       {pool::kPoolConnect, pool::kPoolQuery, container::kContainerOpen, object::kObjectUpdate,
        object::kObjectFetch, object::kObjectPunch, object::kObjectListKeys,
        container::kAllocateObjectIds})
    node_->handle(opcode,
                  [this, opcode](rpc::Request& request) { return handle(opcode, request); });
}

Task<void> FakeServer::handle(rpc::Opcode opcode, rpc::Request& request) {
  ++requests_[opcode];
  std::vector<Fault>& faults = faults_[opcode];
  if (faults.empty()) co_return co_await serve(opcode, request);
  const Fault fault = faults.front();
  faults.erase(faults.begin());
  switch (fault) {
    case Fault::kStale:
      ++map_.version;
      request.fail(Error(Code::kStale));
      co_return;
    case Fault::kShutdown:
      request.fail(Error(Code::kShutdown));
      co_return;
    case Fault::kLostReply:
      if (opcode == object::kObjectUpdate)
        co_await update(request, false);
      else
        punch(request, false);
      [[fallthrough]];
    case Fault::kSilence:
      co_await executor_.sleep_for(3600s);
      co_return;
    case Fault::kDamaged:
      co_await fetch(request, true);
  }
}

Task<void> FakeServer::serve(rpc::Opcode opcode, rpc::Request& request) {
  switch (opcode) {
    case pool::kPoolConnect: {
      pool::ConnectPoolReply reply;
      reply.map = map_;
      request.reply_now(encode(reply));
      co_return;
    }
    case pool::kPoolQuery: {
      pool::QueryPoolReply reply;
      reply.map = map_;
      request.reply_now(encode(reply));
      co_return;
    }
    case container::kContainerOpen:
      request.reply_now(encode(container::OpenContainerReply()));
      co_return;
    case container::kAllocateObjectIds: {
      const auto asked = decode<container::AllocateObjectIds>(request.body());
      container::AllocateObjectIdsReply reply{epoch_};
      epoch_ += asked->count;
      request.reply_now(encode(reply));
      co_return;
    }
    case object::kObjectUpdate:
      co_return co_await update(request, true);
    case object::kObjectFetch:
      co_return co_await fetch(request, false);
    case object::kObjectPunch:
      punch(request, true);
      co_return;
    default:
      list(request);
  }
}

Task<void> FakeServer::update(rpc::Request& request, bool answer) {
  Buffer data(request.bulk_bytes());
  const MutableByteView into(data);
  if (!data.empty()) {
    Result<void> received = co_await request.receive(Scatter(&into, 1));
    VARVE_ASSERT(received.ok(), "bulk arrives");
  }
  const Result<object::UpdateRequest> decoded = decode<object::UpdateRequest>(request.body());
  VARVE_ASSERT(decoded.ok(), "an update decodes");
  auto& object = objects[decoded->target.oid];
  const std::string dkey = text(decoded->dkey);
  const auto there = object.lower_bound({dkey, ""});
  if ((decoded->conditions & kDkeyInsert) && there != object.end() && there->first.first == dkey) {
    request.fail(Error(Code::kExists));
    co_return;
  }
  uint64_t at = 0;
  for (const object::AkeyUpdate& akey : decoded->akeys) {
    Value& value = object[{dkey, text(akey.akey)}];
    value.kind = akey.kind;
    size_t checksum = 0;
    const auto take = [&](uint64_t length) {
      const ByteView run = ByteView(data).subspan(at, length);
      for (uint64_t done = 0; done < length; done += object::kChecksumChunkBytes) {
        const ByteView chunk =
            run.subspan(done, std::min<uint64_t>(length - done, object::kChecksumChunkBytes));
        VARVE_ASSERT(akey.checksums.at(checksum++) == crc32c(chunk),
                     "checksums arrive with the data");
      }
      at += length;
      return Buffer(run.begin(), run.end());
    };
    if (akey.kind == object::ValueKind::kSingle) {
      value.single = take(akey.single_length);
      continue;
    }
    value.record_size = akey.record_size;
    for (const object::Range& range : akey.ranges) {
      if (akey.punch) {
        for (uint64_t i = 0; i < range.count; ++i) value.records.erase(range.index + i);
        continue;
      }
      const Buffer run = take(range.count * akey.record_size);
      for (uint64_t i = 0; i < range.count; ++i)
        value.records[range.index + i].assign(run.begin() + i * akey.record_size,
                                              run.begin() + (i + 1) * akey.record_size);
    }
  }
  if (answer) request.reply_now(encode(object::UpdateReply{Epoch{++epoch_}}));
}

Task<void> FakeServer::fetch(rpc::Request& request, bool damage) {
  const Result<object::FetchRequest> decoded = decode<object::FetchRequest>(request.body());
  VARVE_ASSERT(decoded.ok(), "a fetch decodes");
  object::FetchReply reply;
  reply.epoch = Epoch{epoch_};
  Buffer data;
  auto& object = objects[decoded->target.oid];
  for (const object::AkeyFetch& akey : decoded->akeys) {
    object::FetchedAkey& found = reply.akeys.emplace_back();
    const auto stored = object.find({text(decoded->dkey), text(akey.akey)});
    if (stored == object.end()) continue;
    const Value& value = stored->second;
    found.found = true;
    const auto piece = [&](ByteView bytes) {
      for (uint64_t done = 0; done < bytes.size(); done += object::kChecksumChunkBytes) {
        const ByteView chunk = bytes.subspan(
            done, std::min<uint64_t>(bytes.size() - done, object::kChecksumChunkBytes));
        found.pieces.push_back({chunk.size(), false, crc32c(chunk)});
        data.insert(data.end(), chunk.begin(), chunk.end());
      }
    };
    if (akey.kind == object::ValueKind::kSingle) {
      found.single_length = value.single.size();
      if (value.single.size() <= akey.room) piece(value.single);
      continue;
    }
    found.record_size = value.record_size;
    for (const object::Range& range : akey.ranges) {
      Buffer run;
      uint64_t hole = 0;
      const auto flush = [&] {
        if (!run.empty()) piece(run);
        if (hole) found.pieces.push_back({hole, true, 0});
        run.clear();
        hole = 0;
      };
      for (uint64_t i = range.index; i < range.index + range.count; ++i) {
        const auto record = value.records.find(i);
        const bool is_hole = record == value.records.end();
        if (is_hole != (hole > 0)) flush();
        if (is_hole)
          hole += value.record_size;
        else
          run.insert(run.end(), record->second.begin(), record->second.end());
      }
      flush();
    }
  }
  if (damage && !data.empty()) data[data.size() / 2] ^= std::byte{1};
  const ByteView bulk(data);
  co_await request.reply(encode(reply), data.empty() ? Gather() : Gather(&bulk, 1));
}

void FakeServer::punch(rpc::Request& request, bool answer) {
  const auto decoded = decode<object::PunchRequest>(request.body());
  VARVE_ASSERT(decoded.ok(), "a punch decodes");
  auto& object = objects[decoded->target.oid];
  const size_t before = object.size();
  if (decoded->scope == object::PunchScope::kObject) object.clear();
  for (const ByteView& dkey : decoded->dkeys)
    std::erase_if(object, [&](const auto& entry) { return entry.first.first == text(dkey); });
  if ((decoded->conditions & kPunch) && object.size() == before) {
    request.fail(Error(Code::kNonexistent));
    return;
  }
  if (answer) request.reply_now(encode(object::PunchReply{Epoch{++epoch_}}));
}

void FakeServer::list(rpc::Request& request) {
  const auto decoded = decode<object::ListRequest>(request.body());
  VARVE_ASSERT(decoded.ok(), "a listing decodes");
  std::set<std::string> keys;
  const placement::Layout layout = *placement::compute_layout(decoded->target.oid, map_);
  for (const auto& [key, value] : objects[decoded->target.oid]) keys.insert(key.first);
  object::ListReply reply;
  reply.anchor = decoded->anchor;
  // Which target is asked is known by the group that the anchor began with: the fake keeps it in
  // `hash`.
  uint64_t bytes = 0;
  for (auto at = keys.upper_bound(text(ByteView(decoded->anchor.key))); at != keys.end(); ++at) {
    if (reply.entries.size() == decoded->limit ||
        (decoded->bytes_limit && bytes + at->size() > decoded->bytes_limit &&
         !reply.entries.empty())) {
      request.reply_now(encode(reply));
      return;
    }
    const ByteView key = as_bytes(*at);
    reply.anchor.key.assign(key.begin(), key.end());
    reply.entries.push_back({reply.anchor.key, object::ValueKind::kNone, {}, {}});
    bytes += at->size();
  }
  reply.anchor.end = true;
  request.reply_now(encode(reply));
}

}  // namespace varve::client
