// What the tests of the same-host transport have in common: an engine that echoes, a client, and a
// raw client that keeps to no rule.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "network/local_handshake.h"
#include "network/local_ring.h"
#include "network/network.h"
#include "runtime/executor.h"
#include "runtime/wait.h"

namespace varve::network::local {

// An address in a directory that goes with it.
class Scratch {
 public:
  Scratch() {
    char directory[] = "/tmp/varve-local-XXXXXX";
    EXPECT_NE(mkdtemp(directory), nullptr);
    directory_ = directory;
  }
  ~Scratch() { std::filesystem::remove_all(directory_); }
  std::string path(const std::string& name = "0.sock") const { return directory_ + "/" + name; }
  Address address(const std::string& name = "0.sock") const { return "local://" + path(name); }

 private:
  std::string directory_;
};

inline Buffer pattern(size_t size, uint64_t seed) {
  Random random(seed);
  Buffer bytes(size);
  for (size_t i = 0; i < size; i += 8) {
    const uint64_t word = random.next();
    std::memcpy(&bytes[i], &word, std::min<size_t>(8, size - i));
  }
  return bytes;
}

// Answers every message with itself, bulk data with bulk data. Drops bulk data that is too large to
// be a test's own.
class Echo : public Receiver {
 public:
  static constexpr uint64_t kBulkMax = 65 * kMiB;
  explicit Echo(Executor& executor) : executor_(executor) {}
  void on_accepted(std::shared_ptr<Connection> connection) override {
    connections.push_back(std::move(connection));
    ++accepted;
  }
  void on_message(Connection& connection, ByteView message,
                  std::unique_ptr<IncomingBulk> bulk) override {
    ++messages;
    Buffer copy(message.begin(), message.end());
    if (!bulk) return connection.send(std::move(copy));
    if (bulk->size() > kBulkMax) return;
    for (const std::shared_ptr<Connection>& known : connections)
      if (known.get() == &connection)
        return executor_.spawn(answer(executor_, known, std::move(copy), std::move(bulk)));
  }
  void on_closed(Connection& connection, const Error& why) override {
    ++closed;
    last_error = why;
    std::erase_if(connections, [&](const auto& known) { return known.get() == &connection; });
  }

  std::vector<std::shared_ptr<Connection>> connections;
  uint64_t accepted = 0, messages = 0, closed = 0;
  Error last_error{Code::kUnknown};

 private:
  static Task<void> answer(Executor& executor, std::shared_ptr<Connection> connection,
                           Buffer message, std::unique_ptr<IncomingBulk> bulk) {
    Buffer data(bulk->size());
    const MutableByteView into(data);
    const Result<void> got = co_await bulk->receive({&into, 1}, executor.now() + 30s);
    if (!got.ok()) co_return;
    const ByteView from(data);
    const Result<void> sent =
        co_await connection->send_with_bulk(std::move(message), {&from, 1}, executor.now() + 30s);
    if (!sent.ok()) co_return;
  }
  Executor& executor_;
};

// Keeps what arrives.
class Inbox : public Receiver {
 public:
  struct Letter {
    Buffer message;
    std::unique_ptr<IncomingBulk> bulk;
  };
  void on_accepted(std::shared_ptr<Connection> connection) override {
    accepted.push_back(std::move(connection));
  }
  void on_message(Connection&, ByteView message, std::unique_ptr<IncomingBulk> bulk) override {
    letters.push_back({Buffer(message.begin(), message.end()), std::move(bulk)});
  }
  void on_closed(Connection&, const Error& why) override {
    ++closed;
    last_error = why;
  }
  std::vector<std::shared_ptr<Connection>> accepted;
  std::vector<Letter> letters;
  uint64_t closed = 0;
  Error last_error{Code::kUnknown};
};

// One end: an executor, a network and who takes what arrives there.
template <class What>
struct End {
  explicit End(Duration polling_budget = 50us)
      : executor(machine_clock(), 1, {polling_budget, -1}) {
    if constexpr (std::is_constructible_v<What, Executor&>)
      receiver = std::make_unique<What>(executor);
    else
      receiver = std::make_unique<What>();
    auto made = make_local(executor);
    EXPECT_TRUE(made.ok());
    network = std::move(*made);
    network->set_receiver(*receiver);
  }
  Result<void> connect(const Address& address, Duration patience = 10s) {
    auto made = executor.block_on(network->connect(address, executor.now() + patience));
    if (!made.ok()) return std::move(made.error());
    connection = std::move(*made);
    return {};
  }
  bool run_until(const std::function<bool()>& done, Duration patience = 60s) {
    return executor.run_until(done, executor.now() + patience);
  }
  bool wait_for_letters(size_t count) {
    return run_until([&] { return receiver->letters.size() >= count; });
  }
  Result<void> send(ByteView message, Gather bulk, Duration patience = 30s) {
    return executor.block_on(connection->send_with_bulk(Buffer(message.begin(), message.end()),
                                                        bulk, executor.now() + patience));
  }
  Result<void> receive(IncomingBulk& bulk, Scatter into, Duration patience = 30s) {
    return executor.block_on(bulk.receive(into, executor.now() + patience));
  }

  Executor executor;
  std::unique_ptr<What> receiver;
  std::unique_ptr<Network> network;
  std::shared_ptr<Connection> connection;
};
using Client = End<Inbox>;

// An echoing engine on a thread of its own.
class EngineThread {
 public:
  explicit EngineThread(const Address& address, Duration polling_budget = 50us)
      : end_(polling_budget) {
    const Result<Address> listening = end_.network->listen(address);
    EXPECT_TRUE(listening.ok()) << listening.error().describe();
    thread_ = std::thread([this] { end_.executor.run(); });
  }
  // Its thread's CPU clock.
  clockid_t cpu_clock() {
    clockid_t clock{};
    EXPECT_EQ(pthread_getcpuclockid(thread_.native_handle(), &clock), 0);
    return clock;
  }
  ~EngineThread() {
    end_.executor.stop();
    thread_.join();
  }

 private:
  End<Echo> end_;
  std::thread thread_;
};

// Speaks the protocol by hand, and breaks it at will. Blocking.
struct RawClient {
  bool connect(const std::string& path, ByteView hello) {
    auto made = connect_to(path);
    if (!made.ok()) return false;
    socket = std::move(*made);
    return ::send(socket.get(), hello.data(), hello.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(hello.size());
  }
  bool readable(int timeout_ms) const {
    pollfd wait{socket.get(), POLLIN, 0};
    return ::poll(&wait, 1, timeout_ms) == 1;
  }
  bool hung_up(int timeout_ms) const {
    pollfd wait{socket.get(), POLLRDHUP, 0};
    return ::poll(&wait, 1, timeout_ms) == 1;
  }
  // The engine's answer; false if it closes first.
  bool read_welcome() {
    for (size_t got = 0; got < sizeof welcome;) {
      if (!readable(20'000)) return false;
      std::byte* at = reinterpret_cast<std::byte*>(&welcome) + got;
      const long more = receive_welcome(socket.get(), {at, sizeof welcome - got}, memory);
      if (more == 0 || more == -2) return false;
      if (more > 0) got += static_cast<size_t>(more);
    }
    return true;
  }
  bool connect(const std::string& path) {
    const Hello hello;
    if (!connect(path, bytes_of(hello)) || !read_welcome()) return false;
    auto mapped = Region::map(memory);
    if (!mapped.ok()) return false;
    region = std::move(*mapped);
    out = RingWriter(region.control(0), region.ring(0));
    in = RingReader(region.control(1), region.ring(1));
    return true;
  }
  // Waits until the engine has closed.
  bool closed_by_engine() {
    char bells[256];
    while (readable(20'000)) {
      const ssize_t got = recv(socket.get(), bells, sizeof bells, MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN)) return true;
    }
    return false;
  }
  void ring(size_t times = 1) {
    const std::string bells(times, 'x');
    (void)::send(socket.get(), bells.data(), bells.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  void put(Kind kind, uint8_t slot, uint32_t length, uint64_t argument, ByteView payload = {}) {
    out.write(kind, slot, length, argument, payload);
    if (out.must_ring_reader()) ring();
  }
  std::byte* base() { return region.ring(0) - kControlBytes; }

  Descriptor socket, memory;
  Welcome welcome;
  Region region;
  RingWriter out;
  RingReader in;
};

inline size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++count;
  return count;
}

}  // namespace varve::network::local
