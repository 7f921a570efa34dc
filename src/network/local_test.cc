#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "network/network.h"
#include "runtime/executor.h"
#include "runtime/wait.h"

namespace varve::network {
namespace {

std::string fresh_address() {
  static int count = 0;
  char directory[] = "/tmp/varve-local-XXXXXX";
  EXPECT_NE(mkdtemp(directory), nullptr);
  return "local://" + std::string(directory) + "/" + std::to_string(count++) + ".sock";
}

Buffer pattern(size_t size, uint64_t seed) {
  Random random(seed);
  Buffer bytes(size);
  for (size_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t word = random.next();
    std::memcpy(&bytes[i], &word, 8);
  }
  for (size_t i = size & ~size_t{7}; i < size; ++i) bytes[i] = static_cast<std::byte>(random.next());
  return bytes;
}

// Answers every message with itself, bulk data with bulk data.
class Echo : public Receiver {
 public:
  explicit Echo(Executor& executor) : executor_(executor) {}
  void on_accepted(std::shared_ptr<Connection> connection) override {
    connections.push_back(std::move(connection));
  }
  void on_message(Connection& connection, ByteView message, std::unique_ptr<IncomingBulk> bulk) override {
    ++messages;
    Buffer copy(message.begin(), message.end());
    if (!bulk) return connection.send(std::move(copy));
    for (const std::shared_ptr<Connection>& known : connections)
      if (known.get() == &connection)
        executor_.spawn(answer(executor_, known, std::move(copy), std::move(bulk)));
  }
  void on_closed(Connection& connection, const Error& why) override {
    ++closed;
    last_error = why;
    std::erase_if(connections, [&](const auto& known) { return known.get() == &connection; });
  }
  static Task<void> answer(Executor& executor, std::shared_ptr<Connection> connection, Buffer message,
                           std::unique_ptr<IncomingBulk> bulk) {
    Buffer data(bulk->size());
    const MutableByteView into(data);
    const Result<void> got = co_await bulk->receive({&into, 1}, executor.now() + 20s);
    if (!got.ok()) co_return;
    const ByteView from(data);
    const Result<void> sent =
        co_await connection->send_with_bulk(std::move(message), {&from, 1}, executor.now() + 20s);
    if (!sent.ok()) co_return;
  }

  std::vector<std::shared_ptr<Connection>> connections;
  uint64_t messages = 0, closed = 0;
  Error last_error{Code::kUnknown};

 private:
  Executor& executor_;
};

// Keeps what arrives.
class Inbox : public Receiver {
 public:
  struct Letter {
    Buffer message;
    std::unique_ptr<IncomingBulk> bulk;
  };
  void on_accepted(std::shared_ptr<Connection> connection) override { (void)connection; }
  void on_message(Connection&, ByteView message, std::unique_ptr<IncomingBulk> bulk) override {
    letters.push_back({Buffer(message.begin(), message.end()), std::move(bulk)});
  }
  void on_closed(Connection&, const Error& why) override {
    ++closed;
    last_error = why;
  }
  std::vector<Letter> letters;
  uint64_t closed = 0;
  Error last_error{Code::kUnknown};
};

// An engine on a thread of its own.
class EngineThread {
 public:
  explicit EngineThread(const Address& address, Duration polling_budget = 50us)
      : executor_(machine_clock(), 1, {polling_budget, -1}), echo_(executor_) {
    network_ = std::move(*make_local(executor_));
    network_->set_receiver(echo_);
    const Result<Address> listening = network_->listen(address);
    EXPECT_TRUE(listening.ok()) << listening.error().describe();
    thread_ = std::thread([this] { executor_.run(); });
  }
  ~EngineThread() {
    executor_.stop();
    thread_.join();
    network_.reset();
  }

 private:
  Executor executor_;
  Echo echo_;
  std::unique_ptr<Network> network_;
  std::thread thread_;
};

class Client {
 public:
  explicit Client(Duration polling_budget = 50us) : executor(machine_clock(), 2, {polling_budget, -1}) {
    network = std::move(*make_local(executor));
    network->set_receiver(inbox);
  }
  Result<void> connect(const Address& address) {
    auto made = executor.block_on(network->connect(address, executor.now() + 10s));
    if (!made.ok()) return std::move(made.error());
    connection = std::move(*made);
    return {};
  }
  bool wait_for(size_t letters) {
    return executor.run_until([&] { return inbox.letters.size() >= letters; },
                              executor.now() + 60s);
  }
  Executor executor;
  Inbox inbox;
  std::unique_ptr<Network> network;
  std::shared_ptr<Connection> connection;
};

TEST(Local, EchoesMessagesOfEverySize) {
  const Address address = fresh_address();
  EngineThread engine(address);
  Client client;
  ASSERT_TRUE(client.connect(address).ok());
  for (size_t size = 1; size <= kMessageBytesMax; size = size < 300 ? size + 1 : size + size / 3) {
    const Buffer message = pattern(size, size);
    client.inbox.letters.clear();
    client.connection->send(message);
    ASSERT_TRUE(client.wait_for(1));
    ASSERT_EQ(client.inbox.letters[0].message, message) << size;
  }
}

TEST(Local, MovesBulkDataBothWays) {
  const Address address = fresh_address();
  EngineThread engine(address);
  Client client;
  ASSERT_TRUE(client.connect(address).ok());
  for (const size_t size : {1ul, 4095ul, 65536ul, 65537ul, 1ul << 20, (5ul << 20) + 3, 64ul << 20}) {
    const Buffer data = pattern(size, size);
    const ByteView parts[] = {ByteView(data).first(size / 3), ByteView(),
                              ByteView(data).subspan(size / 3)};
    client.inbox.letters.clear();
    const Result<void> sent = client.executor.block_on(client.connection->send_with_bulk(
        pattern(40, 1), parts, client.executor.now() + 20s));
    ASSERT_TRUE(sent.ok()) << sent.error().describe();
    ASSERT_TRUE(client.wait_for(1));
    ASSERT_TRUE(client.inbox.letters[0].bulk);
    Buffer back(size);
    const MutableByteView into[] = {MutableByteView(back).first(size / 2),
                                    MutableByteView(back).subspan(size / 2)};
    const Result<void> got = client.executor.block_on(
        client.inbox.letters[0].bulk->receive(into, client.executor.now() + 20s));
    ASSERT_TRUE(got.ok()) << got.error().describe();
    ASSERT_EQ(back, data) << size;
  }
}

}  // namespace
}  // namespace varve::network
