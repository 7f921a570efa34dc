// The same-host transport alone: round trips and bulk data between two threads, each on its core.
#include <cstdio>
#include <filesystem>
#include <thread>

#include <unistd.h>

#include "network/network.h"
#include "runtime/executor.h"
#include "runtime/wait.h"

namespace varve::network {
namespace {

// Echoes messages; answers bulk data with one byte once it has been received.
class Server final : public Receiver {
 public:
  explicit Server(Executor& executor) : executor_(executor), room_(64, Buffer(1 * kMiB)) {}
  void on_accepted(std::shared_ptr<Connection> connection) override {
    connection_ = std::move(connection);
  }
  void on_message(Connection& connection, ByteView message,
                  std::unique_ptr<IncomingBulk> bulk) override {
    if (bulk)
      executor_.spawn(take(std::move(bulk), room_[next_++ % room_.size()]));
    else
      connection.send(Buffer(message.begin(), message.end()));
  }
  void on_closed(Connection&, const Error&) override {}

 private:
  Task<void> take(std::unique_ptr<IncomingBulk> bulk, Buffer& room) {
    const MutableByteView into(room);
    const Result<void> got = co_await bulk->receive({&into, 1}, executor_.now() + 10s);
    VARVE_ASSERT(got.ok(), "");
    connection_->send(Buffer(1));
  }
  Executor& executor_;
  std::shared_ptr<Connection> connection_;
  std::vector<Buffer> room_;
  size_t next_ = 0;
};

class Counter final : public Receiver {
 public:
  void on_accepted(std::shared_ptr<Connection>) override {}
  void on_message(Connection&, ByteView, std::unique_ptr<IncomingBulk>) override { ++messages; }
  void on_closed(Connection&, const Error& why) override {
    std::printf("closed: %s\n", why.describe().c_str());
  }
  uint64_t messages = 0;
};

Task<void> send_bulk(Executor& executor, Connection& connection, ByteView data) {
  const Result<void> sent =
      co_await connection.send_with_bulk(Buffer(64), {&data, 1}, executor.now() + 10s);
  VARVE_ASSERT(sent.ok(), "");
}

struct Pair {
  Pair(const Address& address, Duration budget)
      : there(machine_clock(), 1, {budget, 0}),
        here(machine_clock(), 2, {budget, -1}),
        server(there) {
    there_network = std::move(*make_local(there));
    there_network->set_receiver(server);
    VARVE_ASSERT(there_network->listen(address).ok(), "");
    here_network = std::move(*make_local(here));
    here_network->set_receiver(counter);
    thread = std::thread([this] { there.run(); });
    connection = std::move(*here.block_on(here_network->connect(address, here.now() + 10s)));
  }
  ~Pair() {
    there.stop();
    thread.join();
  }
  void wait_for(uint64_t messages) {
    here.run_until([&] { return counter.messages >= messages; });
  }
  Executor there, here;
  Server server;
  Counter counter;
  std::unique_ptr<Network> there_network, here_network;
  std::shared_ptr<Connection> connection;
  std::thread thread;
};

double round_trip_us(Pair& pair, uint64_t count) {
  const Instant start = pair.here.now();
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t target = pair.counter.messages + 1;
    pair.connection->send(Buffer(64));
    pair.wait_for(target);
  }
  return static_cast<double>((pair.here.now() - start).count()) / 1e3 / static_cast<double>(count);
}

double bulk_gb_per_s(Pair& pair, size_t size, uint64_t count, uint64_t depth) {
  const std::vector<Buffer> data(depth, Buffer(size, std::byte{1}));
  const uint64_t base = pair.counter.messages;
  const Instant start = pair.here.now();
  for (uint64_t i = 0; i < count; ++i) {
    pair.here.spawn(send_bulk(pair.here, *pair.connection, data[i % depth]));
    if (i + 1 >= depth) pair.wait_for(base + i + 2 - depth);
  }
  pair.wait_for(base + count);
  return static_cast<double>(size * count) / static_cast<double>((pair.here.now() - start).count());
}

void run() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(1, &set);
  const std::string directory = "/tmp/varve-local-bench-" + std::to_string(getpid());
  const Address address = "local://" + directory + "/0.sock";
  {
    Pair pair(address, 10ms);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    round_trip_us(pair, 100'000);
    for (int i = 0; i < 3; ++i)
      std::printf("64 B round trip, both polling: %.3f us\n", round_trip_us(pair, 500'000));
    for (const uint64_t depth : {1, 4, 16})
      for (int i = 0; i < 3; ++i)
        std::printf("1 MiB bulk, %lu in flight: %.2f GB/s\n", depth,
                    bulk_gb_per_s(pair, kMiB, 4000, depth));
    for (const uint64_t size : {4 * kKiB, 64 * kKiB, 256 * kKiB})
      std::printf("%lu KiB bulk, 1 in flight: %.2f GB/s\n", size / kKiB,
                  bulk_gb_per_s(pair, size, 10000, 1));
  }
  {
    Pair pair(address, 0us);
    std::printf("64 B round trip, both sleeping: %.1f us\n", round_trip_us(pair, 20'000));
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace varve::network

int main() { varve::network::run(); }
