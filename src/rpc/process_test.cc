// A server in a process of its own that is killed or stopped at bad moments. The child is this
// program again, running ChildServer.Serves alone.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "rpc/test_world.h"

namespace varve::rpc {
namespace {

constexpr Opcode kEcho = 0x0101, kSilent = 0x0102, kGetAndStop = 0x0103, kPutAndStop = 0x0104;
constexpr const char* kChildVariable = "VARVE_RPC_TEST_CHILD";

std::unique_ptr<Node> make_real_node(Executor& executor, const std::string& kind) {
  auto network = kind == "tcp" ? network::make_ucx(executor) : network::make_local(executor);
  VARVE_ASSERT(network.ok(), "a network for the test");
  std::vector<std::unique_ptr<network::Network>> networks;
  networks.push_back(std::move(*network));
  return make_node(executor, std::move(networks), {});
}

Task<void> echo(Request& request) {
  request.reply_now(request.body());
  co_return;
}
Task<void> silent(Request&) { co_await Executor::current()->sleep_for(1h); }

// Stops the process after so many turns of its executor.
Task<void> stop_after(int turns) {
  for (int i = 0; i < turns; ++i) co_await Executor::current()->yield();
  raise(SIGSTOP);
}
int turns_of(const Request& request) { return static_cast<int>(request.body()[0]); }

Task<void> get_and_stop(Request& request) {
  const Buffer data(request.into_bytes(), std::byte{0x11});
  const ByteView from(data);
  Executor::current()->spawn(stop_after(turns_of(request)));
  co_await request.reply({}, Gather(&from, 1));
}
Task<void> put_and_stop(Request& request) {
  Buffer data(request.bulk_bytes());
  const MutableByteView into(data);
  Executor::current()->spawn(stop_after(turns_of(request)));
  Result<void> received = co_await request.receive(Scatter(&into, 1));
  if (received.ok())
    request.reply_now({});
  else
    request.fail(received.error());
}

TEST(ChildServer, Serves) {
  const char* kind = getenv(kChildVariable);
  if (!kind) GTEST_SKIP() << "for the tests of this file alone";
  Executor executor(machine_clock(), 1);
  const auto node = make_real_node(executor, kind);
  node->handle(kEcho, echo);
  node->handle(kSilent, silent);
  node->handle(kGetAndStop, get_and_stop);
  node->handle(kPutAndStop, put_and_stop);
  const auto address =
      node->listen(std::string(kind) == "tcp"
                       ? "tcp://127.0.0.1:0"
                       : "local:///tmp/varve-rpc-test." + std::to_string(getpid()) + ".sock");
  ASSERT_TRUE(address.ok()) << address.error().describe();
  const std::string line = *address + "\n";
  ASSERT_GT(write(3, line.data(), line.size()), 0);
  const pid_t parent = getppid();
  executor.run_until([&] { return getppid() != parent; }, executor.now() + 120s);
}

class Child {
 public:
  explicit Child(const std::string& kind) {
    int ends[2];
    VARVE_ASSERT(pipe(ends) == 0, "a pipe");
    pid_ = fork();
    VARVE_ASSERT(pid_ >= 0, "a child process");
    if (pid_ == 0) {
      if (dup2(ends[1], 3) < 0) _exit(1);
      setenv(kChildVariable, kind.c_str(), 1);
      const int quiet = open("/dev/null", O_WRONLY);
      dup2(quiet, 1);
      execl("/proc/self/exe", "rpc_test", "--gtest_filter=ChildServer.Serves", nullptr);
      _exit(1);
    }
    close(ends[1]);
    for (char c; read(ends[0], &c, 1) == 1 && c != '\n';) address_ += c;
    close(ends[0]);
  }
  ~Child() {
    kill(pid_, SIGKILL);
    kill(pid_, SIGCONT);
    waitpid(pid_, nullptr, 0);
    if (address_.starts_with("local://")) unlink(address_.c_str() + 8);
  }
  void signal(int number) { kill(pid_, number); }
  void wait_until_stopped() { waitpid(pid_, nullptr, WUNTRACED); }
  const network::Address& address() const { return address_; }

 private:
  pid_t pid_;
  network::Address address_;
};

class Process : public testing::TestWithParam<const char*> {
 protected:
  Process() : child_(GetParam()), node_(make_real_node(executor_, GetParam())) {}

  static Task<void> call_to(Process& self, const Call& call, Result<Reply>& result) {
    auto peer = co_await self.node_->connect(self.child_.address(), call.deadline);
    if (!peer.ok()) {
      result = peer.error();
      co_return;
    }
    result = co_await (*peer)->call(call);
  }
  Result<Reply> ask(Opcode opcode, Duration time, std::byte body = {}, Gather bulk = {},
                    Scatter into = {}) {
    Call call;
    call.opcode = opcode;
    call.body = ByteView(&body, 1);
    call.bulk = bulk;
    call.into = into;
    call.deadline = executor_.now() + time;
    Result<Reply> result = Code::kUnknown;
    executor_.block_on(call_to(*this, call, result));
    return result;
  }
  bool alive() { return ask(kEcho, 10s).ok(); }

  Child child_;
  Executor executor_{machine_clock(), 1};
  std::unique_ptr<Node> node_;
};

TEST_P(Process, KilledUnderAWaitingCall) {
  ASSERT_TRUE(alive());
  Result<Reply> result = Code::kUnknown;
  bool done = false;
  Call call;
  call.opcode = kSilent;
  const Instant begin = executor_.now();
  call.deadline = begin + 20s;
  auto body = [](Process& self, const Call& call, Result<Reply>& result, bool& done) -> Task<void> {
    co_await call_to(self, call, result);
    done = true;
  };
  executor_.spawn(body(*this, call, result, done));
  ASSERT_TRUE(alive());  // the silent one has arrived before
  child_.signal(SIGKILL);
  executor_.run_until([&] { return done; });
  EXPECT_EQ(result.code(), Code::kUnreachable);
  EXPECT_LT(executor_.now() - begin, 5s);
  EXPECT_NE(result.error().text().find(child_.address()), std::string::npos)
      << result.error().text();
  // And nobody is there any more.
  EXPECT_FALSE(ask(kEcho, 300ms).ok());
}

TEST_P(Process, AStoppedServerCostsTheDeadlineAndNoProcessorTime) {
  ASSERT_TRUE(alive());
  child_.signal(SIGSTOP);
  child_.wait_until_stopped();
  const Instant begin = executor_.now();
  const uint64_t cpu = thread_cpu_ns();
  const Result<Reply> result = ask(kEcho, 500ms);
  EXPECT_EQ(result.code(), Code::kTimedOut);
  EXPECT_GE(executor_.now() - begin, 500ms);
  EXPECT_LT(executor_.now() - begin, 3s);
  EXPECT_LT(thread_cpu_ns() - cpu, 100'000'000u);
  child_.signal(SIGCONT);
  EXPECT_TRUE(alive());
}

// The server stops at different moments of a transfer. The call ends at its deadline; then the
// memory is the caller's, whatever the server does when it runs again.
TEST_P(Process, StoppedInTheMiddleOfATransfer) {
  Buffer memory(16 * kMiB);
  const MutableByteView into(memory);
  const ByteView bulk(memory);
  int cut_short = 0;
  for (int turns = 0; turns < 8; ++turns) {
    for (Opcode opcode : {kGetAndStop, kPutAndStop}) {
      std::fill(memory.begin(), memory.end(), std::byte{0x22});
      const bool get = opcode == kGetAndStop;
      const Instant begin = executor_.now();
      const Result<Reply> result =
          ask(opcode, 300ms, static_cast<std::byte>(turns), get ? Gather() : Gather(&bulk, 1),
              get ? Scatter(&into, 1) : Scatter());
      EXPECT_LT(executor_.now() - begin, 3s) << turns;
      if (!result.ok()) {
        EXPECT_EQ(result.code(), Code::kTimedOut) << result.error().describe();
        ++cut_short;
      }
      std::fill(memory.begin(), memory.end(), std::byte{0xee});
      child_.wait_until_stopped();
      child_.signal(SIGCONT);
      ASSERT_TRUE(alive()) << turns;
      executor_.run_until([] { return false; }, executor_.now() + 20ms);
      EXPECT_TRUE(std::all_of(memory.begin(), memory.end(),
                              [](std::byte b) { return b == std::byte{0xee}; }))
          << "turns " << turns << (get ? " get" : " put");
    }
  }
  EXPECT_GT(cut_short, 0);
}

INSTANTIATE_TEST_SUITE_P(Networks, Process, testing::Values("tcp", "local"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace varve::rpc
