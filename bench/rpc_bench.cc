// rpc/ between two processes (over memory: two threads) pinned to cores 0 and 1: a request of 64
// bytes whose reply brings 64 B, 4 KiB or 1 MiB ("get"), and one that takes as much along ("put").
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "bench/report.h"
#include "rpc/rpc.h"
#include "runtime/wait.h"

namespace varve::bench {
namespace {

constexpr rpc::Opcode kGet = 0x7001, kPut = 0x7002;
constexpr uint64_t kSizeMax = 1 * kMiB;
constexpr int kDepthMax = 64;

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);
}

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "rpc bench: %s\n", what.c_str());
  std::exit(1);
}

std::unique_ptr<rpc::Node> make_node(Executor& executor, const std::string& kind) {
  auto network = kind == "tcp"     ? network::make_ucx(executor)
                 : kind == "local" ? network::make_local(executor)
                                   : network::make_memory(executor);
  if (!network.ok()) give_up(network.error().describe());
  std::vector<std::unique_ptr<network::Network>> networks;
  networks.push_back(std::move(*network));
  return rpc::make_node(executor, std::move(networks), {});
}

// A place of kSizeMax for each call in flight; the server uses the first alone.
std::byte* scratch(int slot = 0) {
  static thread_local std::byte* const memory = [] {
    auto* bytes = static_cast<std::byte*>(calloc(kDepthMax, kSizeMax));
    std::memset(bytes, 7, kSizeMax);
    return bytes;
  }();
  return memory + static_cast<uint64_t>(slot) * kSizeMax;
}

Task<void> get(rpc::Request& request) {
  const ByteView from(scratch(), request.into_bytes());
  co_await request.reply({}, Gather(&from, 1));
}
Task<void> put(rpc::Request& request) {
  const MutableByteView into(scratch(), request.bulk_bytes());
  Result<void> received = co_await request.receive(Scatter(&into, 1));
  if (received.ok())
    request.reply_now({});
  else
    request.fail(received.error());
}

std::string listen_address(const std::string& kind) {
  if (kind == "tcp") return "tcp://127.0.0.1:0";
  if (kind == "local") return "local:///tmp/varve-bench-rpc." + std::to_string(getpid()) + ".sock";
  return "memory://bench";
}

// Serves until `stop`; tells its address through `tell`.
template <class Tell>
void serve(const std::string& kind, Executor& executor, Tell tell) {
  pin(0);
  const std::unique_ptr<rpc::Node> node = make_node(executor, kind);
  node->handle(kGet, get);
  node->handle(kPut, put);
  const Result<network::Address> address = node->listen(listen_address(kind));
  if (!address.ok()) give_up(address.error().describe());
  tell(*address);
  executor.run();
}

// A server of its own: a process, or over memory a thread.
class Server {
 public:
  explicit Server(const std::string& kind) {
    if (kind == "memory") {
      executor_ = std::make_unique<Executor>(machine_clock(), 1);
      std::atomic<bool> up = false;
      thread_ = std::thread([this, kind, &up] {
        serve(kind, *executor_, [&](const std::string& address) {
          address_ = address;
          up.store(true);
          up.notify_one();
        });
      });
      up.wait(false);
      return;
    }
    int ends[2];
    if (pipe(ends)) give_up("no pipe");
    child_ = fork();
    if (child_ < 0) give_up("no process");
    if (child_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      Executor executor(machine_clock(), 1);
      serve(kind, executor, [&](const std::string& address) {
        if (write(ends[1], address.data(), address.size()) < 0) _exit(1);
        close(ends[1]);
        close(ends[0]);
      });
      _exit(0);
    }
    close(ends[1]);
    char text[256];
    const ssize_t got = read(ends[0], text, sizeof text);
    close(ends[0]);
    if (got <= 0) give_up("the server did not start");
    address_.assign(text, static_cast<size_t>(got));
  }
  ~Server() {
    if (thread_.joinable()) {
      executor_->stop();
      thread_.join();
    } else {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
  }
  const std::string& address() const { return address_; }
  int pid() const { return child_; }

 private:
  std::string address_;
  int child_ = 0;
  std::unique_ptr<Executor> executor_;
  std::thread thread_;
};

struct Load {
  rpc::Opcode opcode;
  uint64_t size;
  int depth;
};
struct Run {
  Latencies latencies;
  uint64_t calls = 0;
  double seconds = 0;
  bool stop = false;
  int running = 0;
};

Task<void> call_in_turn(Executor& executor, rpc::Peer& peer, const Load& load, int slot, Run& run) {
  const std::byte body[64] = {};
  const ByteView out(scratch(slot), load.size);
  const MutableByteView in(scratch(slot), load.size);
  rpc::Call call;
  call.opcode = load.opcode;
  call.body = body;
  if (load.opcode == kGet)
    call.into = Scatter(&in, 1);
  else
    call.bulk = Gather(&out, 1);
  while (!run.stop) {
    const Instant begin = executor.now();
    call.deadline = begin + 5s;
    Result<rpc::Reply> reply = co_await peer.call(call);
    if (!reply.ok()) give_up(reply.error().describe());
    run.latencies.add(static_cast<uint64_t>((executor.now() - begin).count()));
    ++run.calls;
  }
  --run.running;
}

void run_load(Executor& executor, rpc::Peer& peer, const Load& load, Duration time, Run& run) {
  const Instant begin = executor.now();
  for (int slot = 0; slot < load.depth; ++slot) {
    ++run.running;
    executor.spawn(call_in_turn(executor, peer, load, slot, run));
  }
  executor.run_until([] { return false; }, begin + time);
  run.stop = true;
  executor.run_until([&] { return run.running == 0; }, executor.now() + 10s);
  run.seconds = static_cast<double>((executor.now() - begin).count()) / 1e9;
}

// --- Raw sockets: what the machine itself allows

int connected_pair(int& accepted) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof at;
  const int one = 1;
  if (bind(listener, reinterpret_cast<sockaddr*>(&at), length) || ::listen(listener, 1) ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&at), &length))
    give_up("no socket");
  const int socket_out = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(socket_out, reinterpret_cast<sockaddr*>(&at), length)) give_up("no connection");
  accepted = accept(listener, nullptr, nullptr);
  close(listener);
  for (int descriptor : {accepted, socket_out})
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return socket_out;
}

bool move_all(int descriptor, std::byte* data, size_t bytes, bool out) {
  while (bytes > 0) {
    const ssize_t moved = out ? send(descriptor, data, bytes, MSG_DONTWAIT)
                              : recv(descriptor, data, bytes, MSG_DONTWAIT);
    if (moved > 0) {
      data += moved;
      bytes -= static_cast<size_t>(moved);
    } else if (moved == 0 || (errno != EAGAIN && errno != EINTR)) {
      return false;
    }
  }
  return true;
}

// Median seconds of one exchange: `request` bytes there, `reply` bytes back, by polling sockets.
double raw_exchange(uint64_t request, uint64_t reply, double seconds) {
  int theirs;
  const int ours = connected_pair(theirs);
  const int child = fork();
  if (child < 0) give_up("no process");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ours);
    pin(0);
    while (move_all(theirs, scratch(), request, false) &&
           move_all(theirs, scratch(), reply, true)) {
    }
    _exit(0);
  }
  close(theirs);
  Latencies latencies;
  const uint64_t begin = now_ns();
  for (uint64_t at = begin; static_cast<double>(at - begin) < seconds * 1e9;) {
    if (!move_all(ours, scratch(), request, true) || !move_all(ours, scratch(), reply, false))
      give_up("a raw connection was lost");
    const uint64_t end = now_ns();
    latencies.add(end - at);
    at = end;
  }
  close(ours);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return latencies.percentile_ns(0.5) / 1e9;
}

struct Limits {
  double pingpong_us = 0, stream_gbs = 0;
};

struct Size {
  const char* name;
  uint64_t bytes;
};

void bench_one(Report& report, const std::string& kind, const Server& server, const Size& size,
               rpc::Opcode opcode, int depth, const Limits& limits) {
  const std::string name = "rpc." + kind + "." + size.name + (opcode == kPut ? ".put" : "") +
                           ".qd" + std::to_string(depth) + ".";
  if (!report.wanted(name)) return;
  const bool large = size.bytes >= kMiB;
  std::vector<double> rates, p50s, p99s;
  for (int i = 0; i < report.options().runs; ++i) {
    Executor executor(machine_clock(), 2);
    const std::unique_ptr<rpc::Node> node = make_node(executor, kind);
    auto peer = executor.block_on(node->connect(server.address(), executor.now() + 5s));
    if (!peer.ok()) give_up(peer.error().describe());
    const Load load{opcode, size.bytes, depth};
    Run warm, run;
    run_load(executor, **peer, load, 50ms, warm);
    run_load(executor, **peer, load, report.options().quick ? 100ms : 1000ms, run);
    const double rate = static_cast<double>(run.calls) / run.seconds;
    rates.push_back(large ? rate * static_cast<double>(size.bytes) / 1e9 : rate);
    p50s.push_back(run.latencies.percentile_ns(0.5) / 1e3);
    p99s.push_back(run.latencies.percentile_ns(0.99) / 1e3);
    (*peer)->close();
  }
  const bool tcp = kind == "tcp";
  report.add(name + "rate", large ? "GB/s" : "1/s", rates,
             tcp && large ? "limit.tcp.stream.1MiB" : "", tcp && large ? limits.stream_gbs : 0);
  report.add(name + "latency_p50_us", "us", p50s,
             tcp && !large && depth == 1 ? "limit.tcp.pingpong.64B" : "",
             tcp && !large && depth == 1 ? limits.pingpong_us : 0);
  report.add(name + "latency_p99_us", "us", p99s);
}

int run(int argc, char** argv) {
  Report report(parse_options(argc, argv));
  pin(1);
  const double seconds = report.options().quick ? 0.1 : 1;
  Limits limits;
  std::vector<double> pingpong, stream;
  for (int i = 0; i < report.options().runs; ++i) {
    pingpong.push_back(raw_exchange(64, 64, seconds) * 1e6);
    stream.push_back(kSizeMax / 1e9 / raw_exchange(64, kSizeMax, seconds));
  }
  limits.pingpong_us = report.add("limit.tcp.pingpong.64B", "us", pingpong);
  limits.stream_gbs = report.add("limit.tcp.stream.1MiB", "GB/s", stream);
  for (const std::string kind : {"tcp", "local", "memory"}) {
    if (!report.wanted("rpc." + kind)) continue;
    const Server server(kind);
    for (const Size& size : {Size{"64B", 64}, Size{"4KiB", 4096}, Size{"1MiB", kSizeMax}})
      for (int depth : {1, 16, 64})
        for (rpc::Opcode opcode : {kGet, kPut})
          bench_one(report, kind, server, size, opcode, depth, limits);
    if (server.pid())
      report.add("rpc." + kind + ".server.resident_mib", "MiB",
                 {static_cast<double>(resident_bytes(server.pid())) / kMiB});
  }
  return report.finish();
}

}  // namespace
}  // namespace varve::bench

int main(int argc, char** argv) { return varve::bench::run(argc, argv); }
