// One suite over every network: what a caller and a handler may rely on.
#include <gtest/gtest.h>

#include "rpc/test_world.h"

namespace varve::rpc {
namespace {

constexpr Opcode kEcho = 0x0101, kSilent = 0x0102, kRefuse = 0x0103, kForget = 0x0104,
                 kCount = 0x0105;

Buffer pattern(uint64_t bytes, uint64_t seed) {
  Buffer buffer(bytes);
  Random random(seed);
  uint64_t at = 0;
  for (; at + 8 <= bytes; at += 8) {
    const uint64_t word = random.next();
    std::memcpy(buffer.data() + at, &word, 8);
  }
  for (; at < bytes; ++at) buffer[at] = static_cast<std::byte>(random.next());
  return buffer;
}

// Answers with the body and the bulk data it got.
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

class Rpc : public testing::TestWithParam<const char*> {
 protected:
  Rpc() : world_(make_world(GetParam())) {}

  void serve(const Node::Options& options = {}) {
    server_ = world_->make_node(options);
    server_->handle(kEcho, echo);
    server_->handle(kSilent, [this](Request& request) { return be_silent(*this, request); });
    server_->handle(kRefuse, [](Request& request) { return refuse(request); });
    server_->handle(kForget, [](Request& request) { return forget(request); });
    server_->handle(kCount, [this](Request& request) { return count(*this, request); });
    Result<network::Address> address = server_->listen(world_->listen_address());
    ASSERT_TRUE(address.ok()) << address.error().describe();
    address_ = *address;
  }
  void connect(const Node::Options& options = {}) {
    client_ = world_->make_node(options);
    world_->run(connect_to(*this));
  }
  Instant soon(Duration in = 5s) { return world_->executor().now() + in; }

  static Task<void> connect_to(Rpc& self) {
    auto peer = co_await self.client_->connect(self.address_, self.soon());
    EXPECT_TRUE(peer.ok()) << peer.error().describe();
    if (peer.ok()) self.peer_ = *peer;
  }
  static Task<void> be_silent(Rpc& self, Request& request) {
    ++self.silent_;
    co_await self.release_.wait();
    request.reply_now(request.body());
  }
  static Task<void> refuse(Request& request) {
    request.fail(Error(Code::kNoSpace, "pool p1 is full; delete something"));
    co_return;
  }
  static Task<void> forget(Request&) { co_return; }
  static Task<void> count(Rpc& self, Request& request) {
    ++self.counted_;
    self.concurrent_max_ = std::max(self.concurrent_max_, ++self.concurrent_);
    co_await self.world_->executor().sleep_for(1ms);
    --self.concurrent_;
    request.reply_now(request.body());
  }

  std::unique_ptr<World> world_;
  Signal release_;
  int silent_ = 0, counted_ = 0, concurrent_ = 0, concurrent_max_ = 0;
  std::unique_ptr<Node> server_, client_;
  network::Address address_;
  std::shared_ptr<Peer> peer_;
};

Task<void> echo_once(Rpc& test, Peer& peer, Instant deadline, uint64_t body_bytes,
                     uint64_t bulk_bytes) {
  const Buffer body = pattern(body_bytes, body_bytes + 1), bulk = pattern(bulk_bytes, bulk_bytes);
  Buffer into(bulk_bytes + 1, std::byte{0x5a});
  // In three pieces each way.
  const ByteView all(bulk);
  const ByteView from[3] = {all.first(bulk_bytes / 3), all.subspan(bulk_bytes / 3, bulk_bytes / 2),
                            all.subspan(bulk_bytes / 3 + bulk_bytes / 2)};
  const MutableByteView room(into);
  const MutableByteView to[2] = {room.first(bulk_bytes / 5), room.subspan(bulk_bytes / 5)};
  Call call;
  call.opcode = kEcho;
  call.body = body;
  call.bulk = from;
  call.into = to;
  call.deadline = deadline;
  auto reply = co_await peer.call(call);
  EXPECT_TRUE(reply.ok()) << body_bytes << " " << bulk_bytes << " " << reply.error().describe();
  if (!reply.ok()) co_return;
  EXPECT_EQ(reply->body, body);
  EXPECT_EQ(reply->bulk_bytes, bulk_bytes);
  EXPECT_TRUE(std::equal(bulk.begin(), bulk.end(), into.begin())) << bulk_bytes;
  EXPECT_EQ(into.back(), std::byte{0x5a}) << "nothing is written behind the data";
}

TEST_P(Rpc, EchoesBodiesAndBulkDataOfEverySize) {
  serve();
  connect();
  for (uint64_t body : {0, 1, 7, 64, 4096, 48 * 1024})
    world_->run(echo_once(*this, *peer_, soon(), body, 0));
  for (uint64_t bulk = 1; bulk <= 8 * kMiB; bulk = bulk * 3 + 1)
    world_->run(echo_once(*this, *peer_, soon(), 100, bulk));
  for (uint64_t bulk : {uint64_t{16 * kKiB - 1}, 16 * kKiB, 16 * kKiB + 1, kMiB, 8 * kMiB})
    world_->run(echo_once(*this, *peer_, soon(), 48 * kKiB, bulk));
  EXPECT_EQ(client_->counters().messages_malformed + server_->counters().messages_malformed, 0u);
}

Task<void> call_for(Peer& peer, Opcode opcode, std::string body, Instant deadline,
                    Result<Reply>& result) {
  Call call;
  call.opcode = opcode;
  call.body = as_bytes(body);
  call.deadline = deadline;
  result = co_await peer.call(call);
}

TEST_P(Rpc, ErrorsTravelWithCodeAndText) {
  serve();
  connect();
  Result<Reply> result = Code::kUnknown;
  world_->run(call_for(*peer_, kRefuse, "", soon(), result));
  EXPECT_EQ(result.code(), Code::kNoSpace);
  EXPECT_EQ(result.error().text(), "pool p1 is full; delete something");
  world_->run(call_for(*peer_, kForget, "", soon(), result));
  EXPECT_EQ(result.code(), Code::kMiscellaneous);
  world_->run(call_for(*peer_, 0x7777, "", soon(), result));
  EXPECT_EQ(result.code(), Code::kNotImplemented);
  EXPECT_NE(result.error().text().find("0x7777"), std::string::npos);
  EXPECT_EQ(server_->requests_in_work(), 0u);
}

TEST_P(Rpc, ASilentHandlerCostsTheDeadlineAndNothingElse) {
  serve();
  connect();
  Result<Reply> result = Code::kUnknown;
  const Instant begin = world_->executor().now();
  const uint64_t cpu = thread_cpu_ns();
  world_->run(call_for(*peer_, kSilent, "x", soon(300ms), result));
  EXPECT_EQ(result.code(), Code::kTimedOut);
  EXPECT_NE(result.error().text().find(address_), std::string::npos) << result.error().text();
  EXPECT_GE(world_->executor().now() - begin, 300ms);
  EXPECT_LT(world_->executor().now() - begin, 2s);
  EXPECT_LT(thread_cpu_ns() - cpu, 60'000'000u) << "waiting burns no processor time";
  // The late reply is dropped, and the connection is as good as before.
  EXPECT_EQ(silent_, 1);
  release_.notify_all();
  world_->run(echo_once(*this, *peer_, soon(), 10, 100));
  EXPECT_EQ(client_->counters().replies_late, 1u);
  EXPECT_EQ(server_->requests_in_work(), 0u);
}

Task<void> call_many(Peer& peer, Opcode opcode, int count, Instant deadline, int& good) {
  std::vector<Task<Result<Reply>>> calls;
  Call call;
  call.opcode = opcode;
  call.deadline = deadline;
  for (int i = 0; i < count; ++i) calls.push_back(peer.call(call));
  const std::vector<Result<Reply>> results = co_await when_all(std::move(calls));
  for (const auto& result : results) good += result.ok();
}

Task<void> call_cancelled(Peer& peer, Opcode opcode, uint64_t bulk_bytes, Instant deadline,
                          Cancellation& cancellation, Code& code) {
  const Buffer bulk = pattern(bulk_bytes, 1);
  const ByteView from(bulk);
  Call call;
  call.opcode = opcode;
  call.bulk = Gather(&from, 1);
  call.deadline = deadline;
  call.cancellation = &cancellation;
  code = (co_await peer.call(call)).code();
}

TEST_P(Rpc, ACancelledCallEndsAtOnceAndOthersGoOn) {
  serve();
  connect();
  Cancellation cancellation;
  Code waiting = Code::kUnknown, refused = Code::kUnknown, other = Code::kUnknown;
  Executor& executor = world_->executor();
  Cancellation nobodys;
  executor.spawn(call_cancelled(*peer_, kSilent, 0, soon(30s), cancellation, waiting));
  executor.spawn(call_cancelled(*peer_, kSilent, 0, soon(30s), nobodys, other));
  world_->run_until([&] { return silent_ == 2; });
  const Instant begin = executor.now();
  cancellation.request(false);
  world_->run_until([&] { return waiting != Code::kUnknown; });
  EXPECT_EQ(waiting, Code::kCanceled);
  EXPECT_LT(executor.now() - begin, 1s);
  // What is cancelled already does not even begin.
  world_->run(call_cancelled(*peer_, kEcho, 10, soon(), cancellation, refused));
  EXPECT_EQ(refused, Code::kCanceled);
  EXPECT_EQ(other, Code::kUnknown);
  release_.notify_all();
  world_->run_until([&] { return other != Code::kUnknown; });
  EXPECT_EQ(other, Code::kOk);
  world_->run(echo_once(*this, *peer_, soon(), 100, 100'000));
  EXPECT_FALSE(peer_->closed());
}

TEST_P(Rpc, CreditsBoundWhatIsUnderWay) {
  serve();
  connect({.credits = 8});
  int good = 0;
  world_->run(call_many(*peer_, kCount, 100, soon(), good));
  EXPECT_EQ(good, 100);
  EXPECT_EQ(counted_, 100);
  EXPECT_EQ(concurrent_max_, 8);
}

TEST_P(Rpc, TheServerBoundsItsWorkAndTheRestWaits) {
  serve({.requests_in_work_max = 4});
  connect();
  int good = 0;
  world_->run(call_many(*peer_, kCount, 100, soon(), good));
  EXPECT_EQ(good, 100);
  EXPECT_EQ(concurrent_max_, 4);
}

TEST_P(Rpc, WhoWaitsForACreditHasADeadlineToo) {
  serve();
  connect({.credits = 1});
  Result<Reply> first = Code::kUnknown, second = Code::kUnknown;
  world_->executor().spawn(call_for(*peer_, kSilent, "", soon(10s), first));
  world_->run(call_for(*peer_, kEcho, "", soon(100ms), second));
  EXPECT_EQ(second.code(), Code::kTimedOut);
  release_.notify_all();
  world_->run(call_for(*peer_, kEcho, "", soon(), second));
  EXPECT_TRUE(second.ok());
  EXPECT_TRUE(first.ok());
}

TEST_P(Rpc, RequestsAndRepliesOfOneStepLeaveTogether) {
  serve();
  connect();
  int good = 0;
  world_->run(call_many(*peer_, kEcho, 1, soon(), good));  // welcomes are out
  const uint64_t client = client_->counters().messages_sent,
                 server = server_->counters().messages_sent;
  world_->run(call_many(*peer_, kEcho, 16, soon(), good));
  EXPECT_EQ(good, 17);
  EXPECT_EQ(client_->counters().messages_sent - client, 1u);
  EXPECT_EQ(server_->counters().messages_sent - server, 1u);
}

TEST_P(Rpc, ALostConnectionEndsEveryCall) {
  serve();
  connect();
  Result<Reply> results[3] = {Code::kUnknown, Code::kUnknown, Code::kUnknown};
  for (Result<Reply>& result : results)
    world_->executor().spawn(call_for(*peer_, kSilent, "", soon(10s), result));
  world_->run(call_for(*peer_, kEcho, "", soon(), results[2]));  // the others have arrived
  const Instant begin = world_->executor().now();
  server_.reset();
  world_->run_until(
      [&] { return results[0].code() != Code::kUnknown && results[1].code() != Code::kUnknown; });
  EXPECT_LT(world_->executor().now() - begin, 5s);
  EXPECT_EQ(results[0].code(), Code::kUnreachable);
  EXPECT_NE(results[0].error().text().find(address_), std::string::npos)
      << results[0].error().text();
  EXPECT_TRUE(peer_->closed());
  world_->run(call_for(*peer_, kEcho, "", soon(), results[1]));
  EXPECT_EQ(results[1].code(), Code::kUnreachable);
}

TEST_P(Rpc, ConnectionsAreSharedAndANewOneReplacesALostOne) {
  serve();
  connect();
  const std::shared_ptr<Peer> first = peer_;
  world_->run(connect_to(*this));
  EXPECT_EQ(peer_, first);
  peer_->close();
  EXPECT_TRUE(first->closed());
  world_->run(connect_to(*this));
  EXPECT_NE(peer_, first);
  world_->run(echo_once(*this, *peer_, soon(), 10, kMiB));
}

Task<void> connect_fails(Node& node, network::Address address, Instant deadline, Error& error) {
  auto peer = co_await node.connect(address, deadline);
  EXPECT_FALSE(peer.ok());
  if (!peer.ok()) error = peer.error();
}

TEST_P(Rpc, NobodyListening) {
  serve();
  server_.reset();
  client_ = world_->make_node({});
  Error error(Code::kUnknown);
  world_->run(connect_fails(*client_, address_, soon(2s), error));
  EXPECT_TRUE(error.code() == Code::kUnreachable || error.code() == Code::kTimedOut)
      << error.describe();
  EXPECT_NE(error.text().find(address_), std::string::npos) << error.describe();
  world_->run(connect_fails(*client_, "pigeon://roof", soon(), error));
  EXPECT_EQ(error.code(), Code::kInvalid);
}

TEST_P(Rpc, AnAddressIsTakenOnce) {
  serve();
  client_ = world_->make_node({});
  Result<network::Address> again = client_->listen(address_);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.code(), Code::kBusy);
  EXPECT_NE(again.error().text().find(address_), std::string::npos) << again.error().text();
}

TEST_P(Rpc, AReplyLongerThanTheRoomIsRefused) {
  serve();
  connect();
  for (uint64_t bytes : {uint64_t{100}, kMiB}) {
    const Buffer bulk = pattern(bytes, 1);
    const ByteView from(bulk);
    Buffer into(bytes - 1);
    const MutableByteView to(into);
    Call call{
        .opcode = kEcho, .bulk = Gather(&from, 1), .into = Scatter(&to, 1), .deadline = soon()};
    Result<Reply> result = Code::kUnknown;
    auto body = [](Peer& peer, const Call& call, Result<Reply>& result) -> Task<void> {
      result = co_await peer.call(call);
    };
    world_->run(body(*peer_, call, result));
    EXPECT_EQ(result.code(), Code::kTruncated);
  }
  world_->run(echo_once(*this, *peer_, soon(), 10, kMiB));
}

TEST_P(Rpc, ManyCallsOfAllSizesAtOnce) {
  serve();
  connect({.credits = 32});
  Random random(3);
  int left = 0;
  auto one = [](Rpc& test, Peer& peer, Instant deadline, uint64_t body, uint64_t bulk,
                int& left) -> Task<void> {
    co_await echo_once(test, peer, deadline, body, bulk);
    --left;
  };
  for (int i = 0; i < 300; ++i) {
    ++left;
    world_->executor().spawn(one(*this, *peer_, soon(20s), random.below(2000),
                                 random.one_in(4) ? random.below(200'000) : random.below(5000),
                                 left));
  }
  world_->run_until([&] { return left == 0; });
  EXPECT_EQ(left, 0);
}

INSTANTIATE_TEST_SUITE_P(Networks, Rpc, testing::ValuesIn(kWorlds),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace varve::rpc
