#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include <fstream>

#include "network/local_test_peers.h"

namespace varve::network::local {
namespace {

TEST(Local, EchoesMessagesOfEverySize) {
  const Scratch scratch;
  EngineThread engine(scratch.address());
  Client client;
  ASSERT_TRUE(client.connect(scratch.address()).ok());
  for (size_t size = 1; size <= kMessageBytesMax;
       size = size < 300 ? size + 1 : std::min(size + size / 3, kMessageBytesMax)) {
    const Buffer message = pattern(size, size);
    client.receiver->letters.clear();
    client.connection->send(message);
    ASSERT_TRUE(client.wait_for_letters(1));
    ASSERT_EQ(client.receiver->letters[0].message, message) << size;
    if (size == kMessageBytesMax) break;
  }
}

TEST(Local, MovesBulkDataBothWays) {
  const Scratch scratch;
  EngineThread engine(scratch.address());
  Client client;
  ASSERT_TRUE(client.connect(scratch.address()).ok());
  for (const size_t size :
       {1ul, 4095ul, 65536ul, 65537ul, 1ul << 20, (5ul << 20) + 3, 64ul << 20}) {
    const Buffer data = pattern(size, size);
    const ByteView parts[] = {ByteView(data).first(size / 3), ByteView(),
                              ByteView(data).subspan(size / 3)};
    client.receiver->letters.clear();
    const Result<void> sent = client.send(pattern(40, 1), parts);
    ASSERT_TRUE(sent.ok()) << sent.error().describe();
    ASSERT_TRUE(client.wait_for_letters(1));
    ASSERT_TRUE(client.receiver->letters[0].bulk);
    ASSERT_EQ(client.receiver->letters[0].bulk->size(), size);
    Buffer back(size);
    const MutableByteView into[] = {MutableByteView(back).first(size / 2),
                                    MutableByteView(back).subspan(size / 2)};
    const Result<void> got = client.receive(*client.receiver->letters[0].bulk, into);
    ASSERT_TRUE(got.ok()) << got.error().describe();
    ASSERT_EQ(back, data) << size;
  }
}

// Far more than the ring holds, so that both sides run into full rings.
void flood(Duration budget, size_t count) {
  const Scratch scratch;
  EngineThread engine(scratch.address(), budget);
  Client client(budget);
  ASSERT_TRUE(client.connect(scratch.address()).ok());
  Random random(3);
  std::vector<size_t> sizes(count);
  for (size_t i = 0; i < count; ++i) {
    sizes[i] = 1 + random.below(random.one_in(8) ? kMessageBytesMax : 200);
    client.connection->send(pattern(sizes[i], i));
  }
  ASSERT_TRUE(client.wait_for_letters(count));
  for (size_t i = 0; i < count; ++i)
    ASSERT_EQ(client.receiver->letters[i].message, pattern(sizes[i], i)) << i;
}
TEST(Local, KeepsOrderWhereTheRingsAreFullPolling) { flood(1ms, 8000); }
TEST(Local, KeepsOrderWhereTheRingsAreFullSleeping) { flood(0us, 8000); }

// Neither side ever polls longer than once: a lost wake-up would hang, and end at the deadline.
TEST(Local, LosesNoWakeUp) {
  const Scratch scratch;
  EngineThread engine(scratch.address(), 0us);
  Client client(0us);
  ASSERT_TRUE(client.connect(scratch.address()).ok());
  Random random(5);
  size_t sent = 0;
  for (int round = 0; round < 10'000; ++round) {
    const size_t burst = 1 + random.below(4);
    for (size_t i = 0; i < burst; ++i) client.connection->send(Buffer(1 + random.below(2000)));
    sent += burst;
    ASSERT_TRUE(client.wait_for_letters(sent)) << round;
  }
}

TEST(Local, LosesNoWakeUpOfBulkData) {
  const Scratch scratch;
  EngineThread engine(scratch.address(), 0us);
  Client client(0us);
  ASSERT_TRUE(client.connect(scratch.address()).ok());
  Buffer data = pattern(3 * kMiB, 1), back(data.size());
  for (size_t round = 0; round < 100; ++round) {
    client.receiver->letters.clear();
    const size_t size = 1 + (round * 997'331) % data.size();
    const ByteView from = ByteView(data).first(size);
    ASSERT_TRUE(client.send(bytes_of(round), {&from, 1}).ok());
    ASSERT_TRUE(client.wait_for_letters(1));
    const MutableByteView into = MutableByteView(back).first(size);
    ASSERT_TRUE(client.receive(*client.receiver->letters[0].bulk, {&into, 1}).ok());
    ASSERT_EQ(std::memcmp(back.data(), data.data(), size), 0);
  }
}

TEST(Local, ServesManyConnectionsAndSleepsWithThem) {
  const Scratch scratch;
  EngineThread engine(scratch.address());
  Client client;
  std::vector<std::shared_ptr<Connection>> connections;
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(client.connect(scratch.address()).ok());
    connections.push_back(client.connection);
  }
  for (size_t round = 1; round <= 20; ++round) {
    for (size_t i = 0; i < connections.size(); ++i) connections[i]->send(pattern(64 + i, i));
    ASSERT_TRUE(client.wait_for_letters(round * connections.size()));
  }
  const auto cpu_ns = [clock = engine.cpu_clock()] {
    timespec at{};
    clock_gettime(clock, &at);
    return static_cast<uint64_t>(at.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(at.tv_nsec);
  };
  client.executor.block_on(
      [](Executor& executor) -> Task<void> { co_await executor.sleep_for(20ms); }(client.executor));
  const uint64_t before = cpu_ns();
  client.executor.block_on([](Executor& executor) -> Task<void> {
    co_await executor.sleep_for(200ms);
  }(client.executor));
  EXPECT_LT(cpu_ns() - before, 2'000'000u) << "an idle engine costs nothing";
  connections.clear();
}

TEST(Local, AnIdleConnectionGivesItsMemoryBack) {
  const Scratch scratch;
  EngineThread engine(scratch.address());
  RawClient client;
  ASSERT_TRUE(client.connect(scratch.path()));
  const auto populated = [&] {
    struct stat status {};
    EXPECT_EQ(fstat(client.memory.get(), &status), 0);
    return static_cast<uint64_t>(status.st_blocks) * 512;
  };
  EXPECT_LE(populated(), 16 * kKiB);
  // One transfer of 1 MiB there, which comes back.
  client.put(Kind::kMessage, 0, 8, 1 * kMiB, Buffer(8));
  for (uint8_t slot = 0; slot < 16; ++slot) client.put(Kind::kChunk, slot, kSlotBytes, 0);
  uint64_t received = 0;
  RingReader::Record record;
  while (received < 1 * kMiB) {
    if (client.in.look(record) == RingReader::Look::kNothing) continue;
    if (record.header.kind == Kind::kChunk) {
      received += record.header.length;
      client.put(Kind::kRelease, 0, 0, uint64_t{1} << record.header.slot);
    }
    client.in.advance(record);
    client.in.publish_progress();
  }
  EXPECT_GE(populated(), 2 * kSlotBytes);
  const Instant deadline = machine_clock().now() + 20s;
  while (!client.out.drained() && machine_clock().now() < deadline) std::this_thread::yield();
  client.region.drop(0);
  while (populated() > 32 * kKiB && machine_clock().now() < deadline)
    std::this_thread::sleep_for(10ms);
  EXPECT_LE(populated(), 32 * kKiB);
}

struct TwoEnds {
  TwoEnds() {
    EXPECT_TRUE(engine.network->listen(scratch.address()).ok());
    bool connected = false;
    client.executor.spawn(connect(*this, connected));
    run_until([&] { return connected && !engine.receiver->accepted.empty(); });
    EXPECT_TRUE(client.connection);
  }
  static Task<void> connect(TwoEnds& ends, bool& connected) {
    auto made = co_await ends.client.network->connect(ends.scratch.address(),
                                                      ends.client.executor.now() + 10s);
    EXPECT_TRUE(made.ok());
    if (made.ok()) ends.client.connection = std::move(*made);
    connected = true;
  }
  // Both on this thread, turn and turn about.
  bool run_until(const std::function<bool()>& done, Duration patience = 60s) {
    const Instant deadline = client.executor.now() + patience;
    while (!done()) {
      client.executor.step();
      engine.executor.step();
      if (client.executor.now() > deadline) return false;
    }
    return true;
  }
  struct Transfer {
    std::optional<Result<void>> result;
  };
  static Task<void> run(Task<Result<void>> task, std::shared_ptr<Transfer> transfer) {
    transfer->result.emplace(co_await std::move(task));
  }
  template <class Any>
  std::shared_ptr<Transfer> start(Any& end, Task<Result<void>> task) {
    auto transfer = std::make_shared<Transfer>();
    end.executor.spawn(run(std::move(task), transfer));
    return transfer;
  }
  Connection& accepted() { return *engine.receiver->accepted.at(0); }

  Scratch scratch;
  Client engine, client;
};

TEST(Local, BulkDataThatNobodyReceivesBlocksNothingElse) {
  TwoEnds ends;
  const Buffer data = pattern(8 * kMiB, 1);
  const ByteView from(data);
  const Instant deadline = ends.client.executor.now() + 60s;
  std::vector<std::shared_ptr<TwoEnds::Transfer>> sent, got;
  constexpr size_t kTransfers = 20;
  for (size_t i = 0; i < kTransfers; ++i)
    sent.push_back(ends.start(
        ends.client, ends.client.connection->send_with_bulk(pattern(10, i), {&from, 1}, deadline)));
  ends.client.connection->send(pattern(10, kTransfers));
  auto& letters = ends.engine.receiver->letters;
  ASSERT_TRUE(ends.run_until([&] { return letters.size() == kTransfers + 1; }));
  // The last announced first, while all the others wait.
  std::vector<Buffer> rooms(kTransfers, Buffer(data.size()));
  for (size_t i = kTransfers; i-- > 0;) {
    EXPECT_FALSE(sent[i]->result);
    const MutableByteView into(rooms[i]);
    const auto transfer = ends.start(ends.engine, letters[i].bulk->receive({&into, 1}, deadline));
    ASSERT_TRUE(ends.run_until([&] { return transfer->result && sent[i]->result; })) << i;
    ASSERT_TRUE(transfer->result->ok() && sent[i]->result->ok());
    ASSERT_EQ(rooms[i], data);
  }
}

TEST(Local, DroppedBulkDataFreesItsSlots) {
  TwoEnds ends;
  const Buffer data = pattern(3 * kMiB, 1);
  const Instant deadline = ends.client.executor.now() + 60s;
  auto& letters = ends.engine.receiver->letters;
  for (size_t i = 0; i < 300; ++i) {
    const ByteView from = ByteView(data).first(1 + i * 10'007 % data.size());
    const auto sent = ends.start(
        ends.client, ends.client.connection->send_with_bulk(Buffer(8), {&from, 1}, deadline));
    ASSERT_TRUE(ends.run_until([&] { return letters.size() == 1; }));
    for (size_t step = 0; step < i % 7; ++step)
      ends.client.executor.step(), ends.engine.executor.step();
    letters.clear();
    ASSERT_TRUE(ends.run_until([&] { return sent->result.has_value(); }));
    ASSERT_TRUE(sent->result->ok());
  }
  Buffer room(data.size());
  const ByteView from(data);
  const MutableByteView into(room);
  const auto sent = ends.start(
      ends.client, ends.client.connection->send_with_bulk(Buffer(8), {&from, 1}, deadline));
  ASSERT_TRUE(ends.run_until([&] { return letters.size() == 1; }));
  const auto got = ends.start(ends.engine, letters[0].bulk->receive({&into, 1}, deadline));
  ASSERT_TRUE(ends.run_until([&] { return got->result && sent->result; }));
  EXPECT_EQ(room, data);
}

TEST(Local, ASenderWhosePeerReceivesNothingEndsAtItsDeadline) {
  TwoEnds ends;
  const Buffer data(32 * kMiB);
  const ByteView from(data);
  const Instant start = ends.client.executor.now();
  const auto late = ends.start(
      ends.client, ends.client.connection->send_with_bulk(Buffer(8), {&from, 1}, start + 50ms));
  const auto other = ends.start(
      ends.client, ends.client.connection->send_with_bulk(Buffer(8), {&from, 1}, start + 30s));
  ASSERT_TRUE(ends.run_until([&] { return late->result && other->result; }));
  EXPECT_EQ(late->result->code(), Code::kTimedOut);
  EXPECT_EQ(other->result->code(), Code::kUnreachable);
  EXPECT_TRUE(ends.client.connection->closed());
  ASSERT_TRUE(ends.run_until(
      [&] { return ends.client.receiver->closed == 1 && ends.engine.receiver->closed == 1; }));
  EXPECT_TRUE(ends.accepted().closed());
  // What had been announced ends too, at once.
  auto& letters = ends.engine.receiver->letters;
  Buffer room(data.size());
  const MutableByteView into(room);
  const auto got = ends.start(ends.engine, letters.at(0).bulk->receive({&into, 1}, start + 30s));
  ASSERT_TRUE(got->result);
  EXPECT_EQ(got->result->code(), Code::kUnreachable);
}

TEST(Local, ClosingEndsWhatIsUnderWayAndIsIdempotent) {
  TwoEnds ends;
  const Buffer data = pattern(32 * kMiB, 2);
  const ByteView from(data);
  Buffer room(data.size());
  const MutableByteView into(room);
  const Instant deadline = ends.client.executor.now() + 60s;
  auto& letters = ends.engine.receiver->letters;
  const auto sent = ends.start(
      ends.client, ends.client.connection->send_with_bulk(Buffer(8), {&from, 1}, deadline));
  ASSERT_TRUE(ends.run_until([&] { return letters.size() == 1; }));
  const auto got = ends.start(ends.engine, letters[0].bulk->receive({&into, 1}, deadline));
  ASSERT_TRUE(ends.run_until([&] { return room[kMiB] == data[kMiB]; }));
  ASSERT_FALSE(got->result);
  ends.accepted().close();
  ends.accepted().close();
  ends.accepted().send(Buffer(8));
  ASSERT_TRUE(ends.run_until([&] { return got->result && sent->result; }));
  EXPECT_EQ(got->result->code(), Code::kUnreachable);
  EXPECT_EQ(sent->result->code(), Code::kUnreachable);
  ASSERT_TRUE(ends.run_until(
      [&] { return ends.client.receiver->closed == 1 && ends.engine.receiver->closed == 1; }));
  ends.client.executor.step();
  ends.engine.executor.step();
  EXPECT_EQ(ends.client.receiver->closed + ends.engine.receiver->closed, 2u);
}

TEST(Local, WhatWasSentBeforeClosingArrives) {
  TwoEnds ends;
  ends.client.connection->send(pattern(100, 1));
  ends.client.connection->close();
  ASSERT_TRUE(ends.run_until([&] { return ends.engine.receiver->closed == 1; }));
  ASSERT_EQ(ends.engine.receiver->letters.size(), 1u);
  EXPECT_EQ(ends.engine.receiver->letters[0].message, pattern(100, 1));
}

TEST(Local, ANetworkThatGoesFirstLeavesItsConnectionsInert) {
  TwoEnds ends;
  const std::shared_ptr<Connection> connection = ends.client.connection;
  const Buffer data(32 * kMiB);
  const ByteView from(data);
  const auto sent =
      ends.start(ends.client, connection->send_with_bulk(Buffer(8), {&from, 1}, kNever));
  ends.client.network.reset();
  EXPECT_TRUE(connection->closed());
  connection->send(Buffer(8));
  connection->close();
  ASSERT_TRUE(ends.run_until([&] { return sent->result && ends.engine.receiver->closed == 1; }));
  EXPECT_EQ(sent->result->code(), Code::kUnreachable);
}

TEST(Local, KnowsWhoIsAtTheOtherEnd) {
  TwoEnds ends;
  for (const Connection* connection : {&ends.accepted(), ends.client.connection.get()}) {
    EXPECT_TRUE(connection->identity().known);
    EXPECT_EQ(connection->identity().uid, getuid());
    EXPECT_EQ(connection->identity().gid, getgid());
    EXPECT_EQ(connection->identity().pid, static_cast<uint32_t>(getpid()));
  }
}

TEST(LocalListen, ALivePathIsBusyADeadOneIsReplaced) {
  const Scratch scratch;
  Client first, second;
  ASSERT_TRUE(first.network->listen(scratch.address()).ok());
  struct stat status {};
  ASSERT_EQ(stat(scratch.path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0666u);
  const Result<Address> refused = second.network->listen(scratch.address());
  EXPECT_EQ(refused.code(), Code::kBusy);
  EXPECT_NE(refused.error().text().find(scratch.path()), std::string_view::npos);
  first.network.reset();
  EXPECT_FALSE(std::filesystem::exists(scratch.path()));
  EXPECT_TRUE(second.network->listen(scratch.address()).ok());

  // As a killed engine leaves it: a socket nobody listens at.
  const Descriptor dead(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, scratch.path("1.sock").c_str());
  ASSERT_EQ(bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_TRUE(second.network->listen(scratch.address("1.sock")).ok());
}

TEST(LocalListen, ALiveListenerOfAnotherKindIsBusy) {
  const Scratch scratch;
  const Descriptor other(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, scratch.path().c_str());
  ASSERT_EQ(bind(other.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(other.get(), 1), 0);
  Client engine;
  EXPECT_EQ(engine.network->listen(scratch.address()).code(), Code::kBusy);
  // And one that never answers the greeting: the deadline ends the wait.
  Client client;
  EXPECT_EQ(client.connect(scratch.address(), 50ms).code(), Code::kTimedOut);
}

TEST(LocalListen, RefusesPathsThatCannotBe) {
  const Scratch scratch;
  Client engine;
  EXPECT_EQ(engine.network->listen("tcp://127.0.0.1:1").code(), Code::kInvalid);
  EXPECT_EQ(engine.network->listen("local://relative").code(), Code::kInvalid);
  EXPECT_EQ(engine.network->listen(scratch.address(std::string(200, 'x'))).code(), Code::kBadPath);
  EXPECT_EQ(engine.network->listen(scratch.address("no/such/0.sock")).code(), Code::kBadPath);
  std::ofstream(scratch.path("file")) << "precious";
  EXPECT_EQ(engine.network->listen(scratch.address("file")).code(), Code::kExists);
  EXPECT_EQ(std::filesystem::file_size(scratch.path("file")), 8u);
  Client client;
  const Result<void> nobody = client.connect(scratch.address("nobody.sock"));
  EXPECT_EQ(nobody.code(), Code::kUnreachable);
  EXPECT_NE(nobody.error().text().find("is the engine running?"), std::string_view::npos);
}

}  // namespace
}  // namespace varve::network::local
