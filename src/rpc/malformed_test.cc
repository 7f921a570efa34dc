// What a peer that does not keep to docs/formats/rpc.md can do: nothing but lose its connection.
#include <gtest/gtest.h>

#include "rpc/frame.h"
#include "rpc/test_world.h"

namespace varve::rpc {
namespace {

constexpr Opcode kEcho = 0x0101, kHold = 0x0102;

Task<void> echo(Request& request) {
  Buffer data(request.bulk_bytes());
  const MutableByteView into(data);
  if (Result<void> received = co_await request.receive(Scatter(&into, 1)); !received.ok()) {
    request.fail(received.error());
    co_return;
  }
  const ByteView from(data);
  co_await request.reply(request.body(), Gather(&from, 1));
}

// The other side of a node without rpc/: sends what it is told to, and keeps what it gets.
class Raw final : public network::Receiver {
 public:
  Raw(std::unique_ptr<network::Network> network) : network(std::move(network)) {
    this->network->set_receiver(*this);
  }
  void on_accepted(std::shared_ptr<network::Connection> accepted) override {
    connection = std::move(accepted);
    if (!greeting.empty()) connection->send(greeting);
  }
  void on_message(network::Connection&, ByteView message,
                  std::unique_ptr<network::IncomingBulk>) override {
    messages.emplace_back(message.begin(), message.end());
  }
  void on_closed(network::Connection&, const Error&) override { closed = true; }

  std::shared_ptr<network::Connection> connection;
  std::vector<Buffer> messages;
  Buffer greeting;
  bool closed = false;
  std::unique_ptr<network::Network> network;
};

class Malformed : public testing::TestWithParam<const char*> {
 protected:
  Malformed() : world_(make_world(GetParam())) {
    server_ = world_->make_node({.credits = 8});
    server_->handle(kEcho, echo);
    server_->handle(kHold, [this](Request& request) { return hold(*this, request); });
    address_ = *server_->listen(world_->listen_address());
  }
  static Task<void> hold(Malformed& self, Request& request) {
    co_await self.release_.wait();
    request.reply_now({});
  }
  Instant soon() { return world_->executor().now() + 5s; }

  std::unique_ptr<Raw> connect() {
    auto raw = std::make_unique<Raw>(world_->make_network());
    world_->run(connect_to(*this, *raw));
    return raw;
  }
  static Task<void> connect_to(Malformed& self, Raw& raw) {
    auto connection = co_await raw.network->connect(self.address_, self.soon());
    EXPECT_TRUE(connection.ok());
    raw.connection = *connection;
  }
  // Sends it and waits until the server has refused it.
  void expect_refused(Buffer message, const std::string& what) {
    const auto raw = connect();
    const uint64_t before = refused();
    raw->connection->send(std::move(message));
    const Instant limit = soon();
    world_->run_until([&] { return refused() > before || world_->executor().now() > limit; });
    EXPECT_EQ(refused(), before + 1) << what;
    EXPECT_EQ(server_->requests_in_work(), 0u);
  }
  uint64_t refused() const {
    return server_->counters().messages_malformed + server_->counters().versions_refused;
  }
  static Buffer request(uint64_t body_bytes, Opcode opcode = kEcho) {
    FrameHeader header;
    header.opcode = opcode;
    header.id = 77;
    header.budget_us = 1'000'000;
    Buffer message;
    append_frame(message, header, Buffer(body_bytes, std::byte{3}));
    return message;
  }
  // Everybody else is served as before.
  void expect_alive() {
    const auto raw = connect();
    raw->connection->send(request(10));
    world_->run_until([&] { return raw->messages.size() >= 2; });
    FrameHeader header;
    ASSERT_EQ(parse_frame(raw->messages.back(), header), FrameStatus::kGood);
    EXPECT_EQ(header.kind, Kind::kReply);
    EXPECT_EQ(header.id, 77u);
    EXPECT_EQ(header.body_bytes, 10u);
  }

  std::unique_ptr<World> world_;
  Signal release_;
  std::unique_ptr<Node> server_, client_;
  network::Address address_;
};

TEST_P(Malformed, EveryTruncation) {
  const Buffer good = request(40);
  for (size_t length = 1; length < good.size(); length += length < 60 ? 1 : 7)
    expect_refused(Buffer(good.begin(), good.begin() + static_cast<long>(length)),
                   "cut to " + std::to_string(length));
  // A good frame, then a part of one.
  Buffer two = request(10);
  two.insert(two.end(), good.begin(), good.begin() + 70);
  const auto raw = connect();
  raw->connection->send(two);
  world_->run_until([&] { return raw->closed; });
  EXPECT_TRUE(raw->closed);
  expect_alive();
}

TEST_P(Malformed, AWrongBitInEveryByte) {
  const Buffer good = request(8);
  for (size_t at = 0; at < good.size(); ++at) {
    Buffer bad = good;
    bad[at] ^= std::byte{1} << (at % 8);
    expect_refused(std::move(bad), "byte " + std::to_string(at));
  }
  expect_alive();
}

TEST_P(Malformed, FieldsThatContradictEachOther) {
  const auto with = [](auto change) {
    FrameHeader header;
    header.opcode = kEcho;
    header.id = 1;
    header.budget_us = 1000;
    change(header);
    Buffer message;
    append_frame(message, header, {});
    return message;
  };
  expect_refused(with([](FrameHeader& h) { h.kind = static_cast<Kind>(9); }), "unknown kind");
  expect_refused(with([](FrameHeader& h) { h.flags = 4; }), "unknown flag");
  expect_refused(with([](FrameHeader& h) { h.bulk_bytes = 5; }), "bulk data nowhere");
  expect_refused(with([](FrameHeader& h) { h.flags = kBulkInline; }), "no bulk data inline");
  expect_refused(with([](FrameHeader& h) { h.flags = kBulkBeside, h.bulk_bytes = 5; }),
                 "not beside it");
  expect_refused(with([](FrameHeader& h) { h.into_bytes = ~0ULL; }), "room for everything");
  expect_refused(with([](FrameHeader& h) { h.code = 3; }), "a request with a code");
  expect_refused(with([](FrameHeader& h) { h.reserved = 3; }), "reserved");
  expect_refused(with([](FrameHeader& h) { h.kind = Kind::kWelcome; }), "welcome without credits");
  expect_alive();
}

TEST_P(Malformed, MoreRequestsThanGranted) {
  const auto raw = connect();
  for (int i = 0; i < 33; ++i) raw->connection->send(request(10, kHold));
  world_->run_until([&] { return raw->closed; });
  EXPECT_TRUE(raw->closed);
  release_.notify_all();
  world_->run_until([&] { return server_->requests_in_work() == 0; });
  expect_alive();
}

TEST_P(Malformed, RepliesThatNobodyAskedFor) {
  const auto raw = connect();
  for (uint64_t id : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}, uint64_t{1} << 17}) {
    FrameHeader header;
    header.kind = Kind::kReply;
    header.id = id;
    Buffer message;
    append_frame(message, header, as_bytes("surprise"));
    raw->connection->send(message);
  }
  raw->connection->send(request(10));
  world_->run_until([&] { return raw->messages.size() >= 2; });
  EXPECT_EQ(server_->counters().replies_late, 4u);
  EXPECT_FALSE(raw->closed);
}

Task<void> call_once(Node& node, network::Address address, Instant deadline,
                     Result<Reply>& result) {
  auto peer = co_await node.connect(address, deadline);
  if (!peer.ok()) {
    result = peer.error();
    co_return;
  }
  Call call;
  call.opcode = kEcho;
  call.deadline = deadline;
  result = co_await (*peer)->call(call);
}

TEST_P(Malformed, AnotherVersionIsToldByBoth) {
  server_.reset();
  Raw other(world_->make_network());
  FrameHeader header;
  header.kind = Kind::kWelcome;
  header.credits = 10;
  append_frame(other.greeting, header, {});
  other.greeting[offsetof(FrameHeader, version)] = std::byte{9};
  address_ = *other.network->listen(world_->listen_address());
  client_ = world_->make_node({});
  Result<Reply> result = Code::kUnknown;
  world_->run(call_once(*client_, address_, soon(), result));
  EXPECT_EQ(result.code(), Code::kProtocol);
  EXPECT_NE(result.error().text().find("version 9"), std::string::npos) << result.error().text();
  EXPECT_NE(result.error().text().find("version 1"), std::string::npos) << result.error().text();
  EXPECT_EQ(client_->counters().versions_refused, 1u);
  client_.reset();
}

INSTANTIATE_TEST_SUITE_P(Networks, Malformed, testing::ValuesIn(kWorlds),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace varve::rpc
