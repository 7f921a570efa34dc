// rpc/ over a network with faults, in virtual time: whatever happens to messages, each call ends by
// its deadline, with the right data or an error, and nothing is left behind.
#include <gtest/gtest.h>

#include "base/checksum.h"
#include "rpc/rpc.h"
#include "runtime/wait.h"
#include "simulation/network.h"
#include "simulation/virtual_time.h"

namespace varve::rpc {
namespace {

using simulation::NetworkFaults;

constexpr Opcode kEcho = 0x0101;
const network::Address kServer = "simulated://server";

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

struct Outcome {
  uint64_t good = 0, timed_out = 0, lost = 0;
  uint64_t late_replies = 0, malformed = 0;
  uint64_t digest = 0;
  auto operator<=>(const Outcome&) const = default;
};

class Cluster {
 public:
  Cluster(uint64_t seed, const NetworkFaults& faults) : switch_(seed, faults), random_(seed) {
    time_.join(server_executor_);
    time_.join(client_executor_);
    server_ = make(server_executor_, "server");
    server_->handle(kEcho, echo);
    EXPECT_TRUE(server_->listen(kServer).ok());
    client_ = make(client_executor_, "client");
  }

  Outcome run(int calls) {
    running_ = calls;
    for (int i = 0; i < calls; ++i) client_executor_.spawn(one(*this, i));
    EXPECT_TRUE(time_.run_until([&] { return running_ == 0; }, time_.clock().now() + 600s));
    // Nothing stays behind: the server's work ends too.
    EXPECT_TRUE(time_.run_until([&] { return server_->requests_in_work() == 0; },
                                time_.clock().now() + 30s));
    outcome_.late_replies = client_->counters().replies_late;
    outcome_.malformed =
        client_->counters().messages_malformed + server_->counters().messages_malformed;
    return outcome_;
  }
  simulation::NetworkSwitch& network() { return switch_; }
  simulation::VirtualTime& time() { return time_; }

 private:
  std::unique_ptr<Node> make(Executor& executor, const char* host) {
    std::vector<std::unique_ptr<network::Network>> networks;
    networks.push_back(switch_.attach(executor, host));
    return make_node(executor, std::move(networks), {.credits = 64});
  }

  static Task<void> one(Cluster& self, int number) {
    Executor& executor = self.client_executor_;
    co_await executor.sleep_for(Duration(self.random_.below(2'000'000'000)));
    const Instant deadline = executor.now() + 500ms;
    auto peer = co_await self.client_->connect(kServer, deadline);
    if (peer.ok()) {
      Buffer bulk(self.random_.one_in(3) ? 20'000 + self.random_.below(100'000)
                                         : self.random_.below(4000));
      for (size_t i = 0; i < bulk.size(); ++i) bulk[i] = static_cast<std::byte>(i * 7 + number);
      Buffer into(bulk.size());
      const ByteView from(bulk), body = bytes_of(number);
      const MutableByteView to(into);
      Call call;
      call.opcode = kEcho;
      call.body = body;
      call.bulk = Gather(&from, bulk.empty() ? 0 : 1);
      call.into = Scatter(&to, 1);
      call.deadline = deadline;
      auto reply = co_await (*peer)->call(call);
      self.count(reply);
      if (reply.ok()) {
        EXPECT_EQ(reply->body, Buffer(body.begin(), body.end()));
        EXPECT_EQ(reply->bulk_bytes, bulk.size());
        EXPECT_EQ(into, bulk);
      }
      std::fill(into.begin(), into.end(), std::byte{0xee});  // ours again: nobody writes here
      co_await executor.sleep_for(50ms);
      EXPECT_TRUE(
          std::all_of(into.begin(), into.end(), [](std::byte b) { return b == std::byte{0xee}; }));
    } else {
      self.count(peer);
    }
    EXPECT_LE(executor.now(), deadline + 60ms);
    self.outcome_.digest = mix64(self.outcome_.digest ^ executor.now().ns ^ uint64_t(number));
    --self.running_;
  }
  template <class T>
  void count(const Result<T>& result) {
    if (result.ok())
      ++outcome_.good;
    else if (result.code() == Code::kTimedOut)
      ++outcome_.timed_out;
    else if (result.code() == Code::kUnreachable || result.code() == Code::kProtocol)
      ++outcome_.lost;  // a wrong bit in the version looks like another version
    else
      ADD_FAILURE() << result.error().describe();
  }

  simulation::VirtualTime time_;
  simulation::NetworkSwitch switch_;
  Random random_;
  Outcome outcome_;
  int running_ = 0;
  Executor server_executor_{time_.clock(), 1}, client_executor_{time_.clock(), 2};
  std::unique_ptr<Node> server_, client_;
};

TEST(RpcFaults, WithoutFaultsAllIsWell) {
  const Outcome outcome = Cluster(1, {}).run(500);
  EXPECT_EQ(outcome.good, 500u);
  EXPECT_EQ(outcome.malformed + outcome.late_replies, 0u);
}

TEST(RpcFaults, LostMessagesCostTheDeadlineOfTheirCallsAlone) {
  const Outcome outcome = Cluster(2, {.drop_one_in = 20}).run(1000);
  EXPECT_GT(outcome.good, 500u);
  EXPECT_GT(outcome.timed_out, 10u);
}

TEST(RpcFaults, DoubledAndOvertakingMessagesBreakNothing) {
  Cluster cluster(3, {.delay_max = 20ms, .duplicate_one_in = 3, .reorder_one_in = 3});
  const Outcome outcome = cluster.run(1000);
  EXPECT_EQ(outcome.good, 1000u);
  EXPECT_GT(outcome.late_replies, 50u) << "the second of a doubled reply finds no call";
  EXPECT_GT(cluster.network().counters().reordered, 50u);
}

TEST(RpcFaults, AWrongBitClosesTheConnectionAndNeverReachesAnyone) {
  const Outcome outcome = Cluster(4, {.flip_one_in = 50}).run(1000);
  EXPECT_GT(outcome.good, 300u);
  EXPECT_GT(outcome.malformed, 5u);
}

TEST(RpcFaults, ResetsEndCallsAndNewConnectionsFollow) {
  const Outcome outcome = Cluster(5, {.reset_one_in = 50}).run(1000);
  EXPECT_GT(outcome.good, 300u);
  EXPECT_GT(outcome.lost, 5u);
}

TEST(RpcFaults, EverythingAtOnceFromManySeedsAndTheSameAgain) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const NetworkFaults faults{.delay_max = 30ms,
                               .drop_one_in = 30,
                               .duplicate_one_in = 10,
                               .reorder_one_in = 5,
                               .flip_one_in = 200,
                               .reset_one_in = 100};
    const Outcome first = Cluster(seed, faults).run(100);
    EXPECT_EQ(first.good + first.timed_out + first.lost, 100u);
    if (seed % 10 == 0) {
      EXPECT_EQ(first, Cluster(seed, faults).run(100)) << "replays exactly";
    }
  }
}

TEST(RpcFaults, APartitionEndsCallsAtTheirDeadlineAndHeals) {
  Cluster cluster(6, {});
  EXPECT_EQ(cluster.run(50).good, 50u);
  cluster.network().cut("server", "client");
  Outcome outcome = cluster.run(50);
  EXPECT_EQ(outcome.good, 50u);
  EXPECT_EQ(outcome.timed_out + outcome.lost, 50u) << "one direction is enough";
  cluster.network().cut("server", "client", false);
  cluster.time().run_for(15s);  // late replies' credits come back
  outcome = cluster.run(50);
  EXPECT_EQ(outcome.good, 100u) << outcome.timed_out << " " << outcome.lost;
}

}  // namespace
}  // namespace varve::rpc
