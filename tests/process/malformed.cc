// Throws malformed messages at one endpoint of a server, through the real transports: noise,
// damaged frames, sound frames with noise in them, and object requests whose fields lie. The server
// may refuse, close the connection or say nothing; it must not fall.
//   process_malformed ADDRESS COUNT [POOL_UUID CONTAINER_UUID [SEED [SYSTEM]]]
#include <cstdio>
#include <cstdlib>
#include <map>

#include "container/wire.h"
#include "network/network.h"
#include "object/wire.h"
#include "pool/wire.h"
#include "rpc/frame.h"
#include "rpc/rpc.h"
#include "runtime/executor.h"

namespace varve::process {
namespace {

// Counts what comes back and throws it away.
class Ignore final : public network::Receiver {
 public:
  uint64_t messages = 0, closed = 0;
  void on_accepted(std::shared_ptr<network::Connection>) override {}
  void on_message(network::Connection&, ByteView message,
                  std::unique_ptr<network::IncomingBulk>) override {
    ++messages;
    rpc::FrameHeader header;
    if (rpc::parse_frame(message, header) == rpc::FrameStatus::kGood &&
        header.kind == rpc::Kind::kReply)
      ++codes[header.code];
  }
  void on_closed(network::Connection&, const Error&) override { ++closed; }
  std::map<int32_t, uint64_t> codes;  // of replies
};

struct Thrower {
  Executor& executor;
  network::Network& network;
  std::string address;
  Random random;
  Uuid pool, container, handle;
  std::shared_ptr<network::Connection> connection;
  uint64_t sent = 0, refused = 0;

  uint64_t number() {
    static constexpr uint64_t kEdges[] = {0,
                                          1,
                                          2,
                                          7,
                                          8,
                                          4095,
                                          4096,
                                          4097,
                                          1 << 16,
                                          1 << 20,
                                          uint64_t{1} << 31,
                                          uint64_t{1} << 32,
                                          uint64_t{1} << 40,
                                          uint64_t{1} << 62,
                                          uint64_t{1} << 63,
                                          ~uint64_t{0},
                                          ~uint64_t{0} - 1};
    switch (random.below(4)) {
      case 0:
        return kEdges[random.below(std::size(kEdges))];
      case 1:
        return random.below(64);
      case 2:
        return random.below(100000);
      default:
        return random.next();
    }
  }
  uint64_t length() {
    switch (random.below(4)) {
      case 0:
        return 1 + random.below(80);
      case 1:
        return 1 + random.below(1000);
      case 2:
        return 1 + random.below(network::kMessageBytesMax);
      default:
        return random.one_in(2) ? network::kMessageBytesMax : 1 + random.below(8000);
    }
  }
  Buffer noise(uint64_t bytes) {
    Buffer buffer(bytes);
    for (std::byte& byte : buffer) byte = static_cast<std::byte>(random.next());
    return buffer;
  }
  uint16_t opcode() {
    static constexpr uint16_t kFirst[] = {0x0100, 0x0110, 0x0200, 0x0300};
    if (random.one_in(6)) return static_cast<uint16_t>(random.next());
    return static_cast<uint16_t>(kFirst[random.below(4)] + random.below(14));
  }

  Buffer frame(uint16_t opcode, ByteView body, ByteView bulk, uint64_t beside = 0) {
    // What no frame holds is cut, and a lie all the same.
    body = body.first(std::min<size_t>(body.size(), rpc::kBodyBytesMax));
    bulk = bulk.first(std::min<size_t>(bulk.size(), rpc::kBodyBytesMax - body.size()));
    rpc::FrameHeader header;
    header.kind = rpc::Kind::kRequest;
    header.opcode = opcode;
    header.id = random.next();
    header.budget_us = static_cast<uint32_t>(random.one_in(4) ? number() : 2'000'000);
    header.into_bytes = random.one_in(2) ? 0 : number() % network::kBulkBytesMax;
    if (!bulk.empty()) header.flags = rpc::kBulkInline;
    if (beside) {
      header.flags = rpc::kBulkBeside;
      header.bulk_bytes = beside;
    }
    Buffer message;
    const ByteView pieces[] = {bulk};
    rpc::append_frame(message, header, body, bulk.empty() ? Gather() : Gather(pieces, 1));
    return message;
  }

  object::Target target() {
    object::Target target;
    target.pool = random.one_in(8) ? Uuid::from_random(random.next(), random.next()) : pool;
    target.container =
        random.one_in(8) ? Uuid::from_random(random.next(), random.next()) : container;
    if (!random.one_in(8)) target.container_handle = handle;
    target.map_version = static_cast<uint32_t>(random.one_in(4) ? number() : 1);
    target.oid = {random.below(4), random.one_in(3) ? random.next() : 0};
    target.epoch = {random.one_in(2) ? 0 : number()};
    if (random.one_in(3)) target.epoch = kEpochMax;
    return target;
  }
  std::vector<object::Range> ranges() {
    std::vector<object::Range> ranges(random.below(5));
    if (random.one_in(10)) ranges.resize(random.below(2000));
    for (object::Range& range : ranges) range = {number(), number()};
    return ranges;
  }
  ByteView key(Buffer& memory) {
    memory = noise(random.one_in(10) ? number() % 20000 : random.below(20));
    return memory;
  }

  // A request whose fields are of the right shape and lie.
  Buffer lie(Buffer& bulk, uint16_t& opcode) {
    Buffer keys[4];
    if (random.one_in(2)) {
      object::UpdateRequest request;
      request.target = target();
      request.dkey = key(keys[0]);
      request.conditions = random.one_in(2) ? 0 : number();
      request.akeys.resize(random.below(4));
      for (object::AkeyUpdate& akey : request.akeys) {
        akey.akey = key(keys[1]);
        akey.kind =
            static_cast<object::ValueKind>(random.one_in(5) ? random.next() : 1 + random.below(2));
        akey.punch = random.one_in(5);
        akey.record_size = static_cast<uint32_t>(number());
        akey.single_length = number();
        akey.conditions = random.one_in(2) ? 0 : number();
        akey.ranges = ranges();
        akey.checksums.resize(random.below(4));
      }
      bulk = noise(random.below(16000));
      opcode = object::kObjectUpdate;
      return encode(request);
    }
    switch (random.below(4)) {
      case 0: {
        object::FetchRequest request;
        request.target = target();
        request.dkey = key(keys[0]);
        request.conditions = random.one_in(2) ? 0 : number();
        request.akeys.resize(random.below(4));
        for (object::AkeyFetch& akey : request.akeys)
          akey = {key(keys[1]), static_cast<object::ValueKind>(random.below(4)),
                  static_cast<uint32_t>(number()), number(), ranges()};
        opcode = object::kObjectFetch;
        return encode(request);
      }
      case 1: {
        object::PunchRequest request;
        request.target = target();
        request.target.oid.low = 99;
        request.scope = static_cast<object::PunchScope>(random.below(5));
        request.conditions = random.one_in(2) ? 0 : number();
        for (uint64_t i = random.below(4); i > 0; --i) request.dkeys.push_back(key(keys[0]));
        for (uint64_t i = random.below(4); i > 0; --i) request.akeys.push_back(key(keys[1]));
        opcode = object::kObjectPunch;
        return encode(request);
      }
      case 2: {
        object::ListRequest request;
        request.target = target();
        request.scope = static_cast<object::ListScope>(random.below(5));
        request.dkey = key(keys[0]);
        request.akey = key(keys[1]);
        request.anchor = {random.one_in(3), number(), noise(random.below(30))};
        request.limit = static_cast<uint32_t>(number());
        request.bytes_limit = static_cast<uint32_t>(number());
        opcode = object::kObjectListKeys;
        return encode(request);
      }
      default: {
        object::QueryRequest request;
        request.target = target();
        request.dkey = key(keys[0]);
        request.akey = key(keys[1]);
        request.flags = static_cast<uint8_t>(random.next());
        opcode = object::kObjectQuery;
        return encode(request);
      }
    }
  }

  Buffer message(uint64_t& beside) {
    Buffer bulk, body;
    uint16_t operation = opcode();
    switch (random.below(5)) {
      case 0:
        return noise(length());
      case 1:  // a sound frame with noise as its body
        body = noise(random.below(rpc::kBodyBytesMax / 2));
        bulk = random.one_in(3) ? noise(1 + random.below(rpc::kBodyBytesMax / 2 - 1)) : Buffer();
        break;
      case 2: {  // damaged
        body = lie(bulk, operation);
        Buffer damaged = frame(operation, body, bulk);
        for (uint64_t i = 1 + random.below(4); i > 0; --i)
          damaged[random.below(damaged.size())] ^= static_cast<std::byte>(1 << random.below(8));
        if (random.one_in(2)) damaged.resize(1 + random.below(damaged.size()));
        return damaged;
      }
      default:
        body = lie(bulk, operation);
        break;
    }
    if (body.size() + bulk.size() > rpc::kBodyBytesMax) body.resize(100);
    if (random.one_in(5)) {
      bulk.clear();
      beside = 1 + number() % (1 << 20);
    }
    return frame(operation, body, bulk, beside);
  }

  static Task<void> run(Thrower& self, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const Instant deadline = self.executor.now() + 5s;
      if (!self.connection || self.connection->closed()) {
        Result<std::shared_ptr<network::Connection>> made =
            co_await self.network.connect(self.address, deadline);
        if (!made.ok()) {
          ++self.refused;
          if (self.refused > 20) co_return;
          co_await self.executor.sleep_for(10ms);
          continue;
        }
        self.connection = *made;
      }
      uint64_t beside = 0;
      Buffer message = self.message(beside);
      if (beside == 0) {
        self.connection->send(std::move(message));
      } else {
        // What is announced and what comes may differ.
        const Buffer bulk =
            self.noise(self.random.one_in(2) ? beside : 1 + self.random.below(1 << 20));
        const ByteView piece(bulk);
        const Result<void> ignored = co_await self.connection->send_with_bulk(
            std::move(message), Gather(&piece, 1), self.executor.now() + 1s);
        (void)ignored.ok();
      }
      ++self.sent;
      if (self.random.one_in(8)) co_await self.executor.sleep_for(1ms);
      if (self.random.one_in(20))
        self.connection->close();
      else
        co_await self.executor.yield();
    }
    if (self.connection) self.connection->close();
    co_await self.executor.sleep_for(50ms);
  }
};

template <class Reply, class Request>
Task<Result<Reply>> ask(rpc::Peer& peer, Executor& executor, rpc::Opcode opcode, Request request) {
  const Buffer body = encode(request);
  const rpc::Call call{opcode, ByteView(body), {}, {}, executor.now() + 10s};
  VARVE_CO_TRY(const rpc::Reply reply, co_await peer.call(call));
  co_return decode<Reply>(reply.body);
}

// A handle for the lies to carry, or they would not get far. Over the system's same-host address.
Task<Result<Uuid>> open_handle(Executor& executor, std::string system, std::string pool,
                               std::string container) {
  std::vector<std::unique_ptr<network::Network>> networks;
  VARVE_CO_TRY(auto local, network::make_local(executor));
  networks.push_back(std::move(local));
  const auto node = rpc::make_node(executor, std::move(networks), rpc::Node::Options());
  VARVE_CO_TRY(const auto peer, co_await node->connect(system, executor.now() + 10s));
  VARVE_CO_TRY(const auto connected,
               co_await ask<pool::ConnectPoolReply>(*peer, executor, pool::kPoolConnect,
                                                    pool::ConnectPool{pool, 2}));
  VARVE_CO_TRY(const auto opened,
               co_await ask<container::OpenContainerReply>(
                   *peer, executor, container::kContainerOpen,
                   container::OpenContainer{connected.info.uuid, connected.handle, container, 2}));
  co_return opened.handle;
}

Uuid parse_uuid(const char* text) {
  Result<Uuid> uuid = Uuid::parse(text);
  return uuid.ok() ? *uuid : Uuid{};
}

int program(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "process_malformed ADDRESS COUNT [POOL_UUID CONTAINER_UUID [SEED]]\n");
    return 2;
  }
  const std::string address = argv[1];
  const uint64_t seed = argc > 5 ? std::strtoull(argv[5], nullptr, 10) : 1;
  Executor executor(machine_clock(), seed);
  Ignore receiver;
  Result<std::unique_ptr<network::Network>> network =
      address.starts_with("local:") ? network::make_local(executor) : network::make_ucx(executor);
  if (!network.ok()) {
    std::fprintf(stderr, "%s\n", network.error().describe().c_str());
    return 1;
  }
  (*network)->set_receiver(receiver);
  Uuid handle;
  if (argc > 6) {
    const Result<Uuid> opened = executor.block_on(open_handle(executor, argv[6], argv[3], argv[4]));
    if (!opened.ok()) {
      std::fprintf(stderr, "%s\n", opened.error().describe().c_str());
      return 1;
    }
    handle = *opened;
  }
  Thrower thrower{executor,
                  **network,
                  address,
                  Random(seed),
                  argc > 4 ? parse_uuid(argv[3]) : Uuid{},
                  argc > 4 ? parse_uuid(argv[4]) : Uuid{},
                  handle,
                  nullptr};
  executor.block_on(Thrower::run(thrower, std::strtoull(argv[2], nullptr, 10)));
  std::printf(
      "%s: %llu messages thrown, %llu answers, %llu connections closed, %llu refused; codes:",
      argv[1], static_cast<unsigned long long>(thrower.sent),
      static_cast<unsigned long long>(receiver.messages),
      static_cast<unsigned long long>(receiver.closed),
      static_cast<unsigned long long>(thrower.refused));
  for (const auto& [code, times] : receiver.codes)
    std::printf(" %d:%llu", code, static_cast<unsigned long long>(times));
  std::printf("\n");
  return thrower.refused > 20 ? 1 : 0;
}

}  // namespace
}  // namespace varve::process

int main(int argc, char** argv) { return varve::process::program(argc, argv); }
