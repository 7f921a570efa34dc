// Peers that break every rule, or die: only they may notice.
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <fstream>

#include "network/local_test_peers.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VARVE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define VARVE_SANITIZED 1
#endif
#endif
#ifndef VARVE_SANITIZED
#define VARVE_SANITIZED 0
#endif

namespace varve::network::local {
namespace {

uint64_t resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::stoull(line.substr(6));
  return 0;
}

// A round trip of a client that keeps to the rules.
void expect_service(Client& client, uint64_t seed) {
  const Buffer message = pattern(1 + seed * 37 % 3000, seed);
  client.receiver->letters.clear();
  client.connection->send(message);
  ASSERT_TRUE(client.wait_for_letters(1));
  ASSERT_EQ(client.receiver->letters[0].message, message);
}

// Runs `work` in a forked process with nothing of this one's descriptors.
template <class Work>
pid_t in_child(Work work) {
  const pid_t child = fork();
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  close_range(3, ~0U, 0);
  work();
  _exit(0);
}

TEST(LocalHostile, GarbageInsteadOfAGreetingOfEveryLengthEndsThatConnectionOnly) {
  const Scratch scratch;
  EngineThread engine(scratch.address());
  Client good;
  ASSERT_TRUE(good.connect(scratch.address()).ok());
  for (size_t length = 0; length <= 3 * sizeof(Hello); ++length) {
    RawClient bad;
    ASSERT_TRUE(bad.connect(scratch.path(), pattern(length, length)));
    if (length < sizeof(Hello)) {
      bad.socket.reset();  // in the middle of the greeting
    } else {
      ASSERT_TRUE(bad.read_welcome());
      EXPECT_EQ(bad.welcome.code, static_cast<uint32_t>(Code::kProtocol));
      EXPECT_FALSE(bad.memory);
      EXPECT_TRUE(bad.closed_by_engine());
    }
    expect_service(good, length);
  }
}

TEST(LocalHostile, AnotherVersionIsRefusedByAClearError) {
  const Scratch scratch;
  EngineThread engine(scratch.address());
  Hello hello;
  hello.version = 77;
  RawClient other;
  ASSERT_TRUE(other.connect(scratch.path(), bytes_of(hello)));
  ASSERT_TRUE(other.read_welcome());
  const Result<void> refused = check(other.welcome);
  EXPECT_EQ(refused.code(), Code::kProtocol);
  EXPECT_NE(refused.error().text().find("version 77"), std::string_view::npos);
}

TEST(LocalHostile, AnEngineWithAnotherLayoutIsRefused) {
  Welcome welcome;
  EXPECT_TRUE(check(welcome).ok());
  welcome.region_bytes *= 2;
  EXPECT_EQ(check(welcome).code(), Code::kProtocol);
  const Descriptor unsealed(memfd_create("test", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(unsealed.get(), kRegionBytes), 0);
  EXPECT_EQ(Region::map(unsealed).code(), Code::kProtocol);
  EXPECT_EQ(Region::map(Descriptor()).code(), Code::kProtocol);
}

TEST(LocalHostile, TheRingCannotBeTruncatedAndHolesHarmNobody) {
  const Scratch scratch;
  EngineThread engine(scratch.address());
  Client good;
  ASSERT_TRUE(good.connect(scratch.address()).ok());
  RawClient bad;
  ASSERT_TRUE(bad.connect(scratch.path()));
  for (const off_t size : {off_t{0}, off_t{4096}, static_cast<off_t>(kRegionBytes) * 2}) {
    EXPECT_EQ(ftruncate(bad.memory.get(), size), -1);
    EXPECT_EQ(errno, EPERM);
  }
  EXPECT_EQ(fcntl(bad.memory.get(), F_ADD_SEALS, F_SEAL_WRITE), -1);
  EXPECT_EQ(
      fallocate(bad.memory.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kRegionBytes), 0);
  bad.ring();
  for (size_t i = 0; i < 100; ++i) expect_service(good, i);
}

TEST(LocalHostile, FloodingTheDoorbellEndsTheConnection) {
  const Scratch scratch;
  EngineThread engine(scratch.address(), 0us);
  Client good(0us);
  ASSERT_TRUE(good.connect(scratch.address()).ok());
  RawClient bad;
  ASSERT_TRUE(bad.connect(scratch.path()));
  bad.ring(1000);
  EXPECT_TRUE(bad.closed_by_engine());
  expect_service(good, 1);
}

// Urgent bytes make a Unix socket readable without giving a reader anything to read.
TEST(LocalHostile, UrgentDataKeepsNobodyAwake) {
  const Scratch scratch;
  EngineThread engine(scratch.address());
  RawClient greeted, silent;
  ASSERT_TRUE(greeted.connect(scratch.path()));
  ASSERT_TRUE(silent.connect(scratch.path(), {}));
  for (const RawClient* bad : {&greeted, &silent})
    for (int i = 0; i < 3; ++i) (void)::send(bad->socket.get(), "x", 1, MSG_OOB | MSG_NOSIGNAL);
  std::this_thread::sleep_for(20ms);
  const auto cpu_ns = [clock = engine.cpu_clock()] {
    timespec at{};
    clock_gettime(clock, &at);
    return static_cast<uint64_t>(at.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(at.tv_nsec);
  };
  const uint64_t before = cpu_ns();
  std::this_thread::sleep_for(200ms);
  EXPECT_LT(cpu_ns() - before, 20'000'000u);
}

struct Case {
  const char* name;
  std::function<void(RawClient&)> act;
};

void expect_closed(const std::vector<Case>& cases) {
  const Scratch scratch;
  EngineThread engine(scratch.address());
  Client good;
  ASSERT_TRUE(good.connect(scratch.address()).ok());
  for (const Case& one : cases) {
    RawClient bad;
    ASSERT_TRUE(bad.connect(scratch.path()));
    one.act(bad);
    EXPECT_TRUE(bad.closed_by_engine()) << one.name;
    expect_service(good, 7);
  }
}

TEST(LocalHostile, EachImpossibleRecordEndsTheConnection) {
  const auto raw = [](RawClient& bad, RecordHeader header) {
    std::memcpy(bad.region.ring(0), &header, sizeof header);
    bad.ring();
  };
  expect_closed({
      {"unknown kind",
       [&](RawClient& bad) {
         raw(bad, {1, static_cast<Kind>(99), 0, 0, 0});
       }},
      {"no kind",
       [&](RawClient& bad) {
         raw(bad, {1, Kind::kNone, 0, 0, 0});
       }},
      {"skip at the start",
       [&](RawClient& bad) {
         raw(bad, {0, Kind::kSkip, 0, 0, 0});
       }},
      {"message too long",
       [&](RawClient& bad) {
         raw(bad, {65537, Kind::kMessage, 0, 0, 0});
       }},
      {"message of 4 GiB",
       [&](RawClient& bad) {
         raw(bad, {~0U, Kind::kMessage, 0, 0, 0});
       }},
      {"empty message",
       [&](RawClient& bad) {
         raw(bad, {0, Kind::kMessage, 0, 0, 0});
       }},
      {"huge bulk",
       [&](RawClient& bad) {
         raw(bad, {8, Kind::kMessage, 0, 0, kBulkBytesMax + 1});
       }},
      {"unannounced chunk",
       [&](RawClient& bad) {
         raw(bad, {8, Kind::kChunk, 0, 0, 0});
       }},
      {"unknown want",
       [&](RawClient& bad) {
         raw(bad, {0, Kind::kWant, 0, 0, 0});
       }},
      {"unknown discard",
       [&](RawClient& bad) {
         raw(bad, {0, Kind::kDiscard, 0, 0, 0});
       }},
      {"unknown end",
       [&](RawClient& bad) {
         raw(bad, {0, Kind::kEnd, 0, 0, 0});
       }},
      {"release of nothing",
       [&](RawClient& bad) {
         raw(bad, {0, Kind::kRelease, 0, 0, 1});
       }},
  });
}

TEST(LocalHostile, EachRecordThatDoesNotFitEndsTheConnection) {
  expect_closed({
      {"message past the end",
       [&](RawClient& bad) {
         // By a writer that does not hear of what was taken: the client's own would begin again at
         // the front where the engine has been quick.
         Control unheard;
         RingWriter blind(&unheard, bad.region.ring(0));
         for (const uint32_t bytes : {65000u, 65000u, 65000u, 2000u})
           blind.write(Kind::kMessage, 0, bytes, 0, Buffer(bytes));
         ASSERT_LT(blind.position(), kRingBytes);
         ASSERT_GT(blind.position() + record_bytes(65536), kRingBytes);
         const RecordHeader header{65536, Kind::kMessage, 0, 0, 0};
         std::memcpy(bad.region.ring(0) + blind.position(), &header, sizeof header);
         bad.ring();
       }},
      {"slot out of range",
       [&](RawClient& bad) {
         bad.put(Kind::kMessage, 0, 8, 100, Buffer(8));
         bad.put(Kind::kChunk, 64, 8, 0);
       }},
      {"slot twice",
       [&](RawClient& bad) {
         // Bulk data that the engine drops is thrown away, but not before it is announced.
         bad.put(Kind::kMessage, 0, 8, 100, Buffer(8));
         bad.put(Kind::kChunk, 0, 60, 0);
         bad.put(Kind::kChunk, 0, 60, 0);
       }},
      {"empty chunk",
       [&](RawClient& bad) {
         bad.put(Kind::kMessage, 0, 8, 100, Buffer(8));
         bad.put(Kind::kChunk, 0, 0, 0);
       }},
      {"chunk larger than its slot",
       [&](RawClient& bad) {
         bad.put(Kind::kMessage, 0, 8, 1 * kMiB, Buffer(8));
         bad.put(Kind::kChunk, 0, kSlotBytes + 1, 0);
       }},
      {"more than announced",
       [&](RawClient& bad) {
         bad.put(Kind::kMessage, 0, 8, 100, Buffer(8));
         bad.put(Kind::kChunk, 0, 101, 0);
       }},
      {"index ahead",
       [&](RawClient& bad) {
         bad.region.control(1)->consumed = ~0ULL;
         // More answers than the ring holds make the engine look at the index.
         for (int i = 0; i < 100 && !bad.hung_up(0);) {
           if (bad.out.space_for(60'000) != RingWriter::Space::kFree) continue;
           bad.put(Kind::kMessage, 0, 60'000, 0, Buffer(60'000));
           ++i;
         }
       }},
  });
}

// Random bytes over all of the shared memory, and well-formed records with random contents, while
// others are served.
TEST(LocalHostile, ScribblingHurtsTheScribblerAlone) {
  const Scratch scratch;
  EngineThread engine(scratch.address());
  Client good;
  ASSERT_TRUE(good.connect(scratch.address()).ok());
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> rounds{0};
  std::thread scribbler([&] {
    Random random(11);
    while (!stop.load()) {
      RawClient bad;
      if (!bad.connect(scratch.path())) continue;
      const bool wild = random.one_in(2);
      for (int i = 0; i < 200; ++i) {
        if (wild) {
          const uint64_t length = 1 + random.below(random.one_in(4) ? 64 * kKiB : 64);
          const uint64_t area = random.one_in(2) ? kControlBytes + 2 * kRingBytes : kRegionBytes;
          const Buffer noise = pattern(length, random.next());
          std::memcpy(bad.base() + random.below(area - length), noise.data(), length);
        } else if (bad.out.space_for(64) == RingWriter::Space::kFree) {
          const auto kind = static_cast<Kind>(2 + random.below(7));
          const uint64_t argument = random.one_in(3) ? random.next() : random.below(100'000);
          const auto length =
              static_cast<uint32_t>(kind == Kind::kMessage ? 64 : random.below(70'000));
          bad.put(kind, static_cast<uint8_t>(random.below(66)), length, argument,
                  kind == Kind::kMessage ? Buffer(64) : Buffer());
        }
        if (random.one_in(20)) bad.ring();
      }
      rounds.fetch_add(1);
    }
  });
  Buffer data = pattern(1 * kMiB, 1), back(data.size());
  for (uint64_t i = 0; i < 1000 || rounds.load() < 200; ++i) {
    expect_service(good, i);
    if (i % 10 != 0) continue;
    good.receiver->letters.clear();
    const ByteView from(data);
    ASSERT_TRUE(good.send(bytes_of(i), {&from, 1}).ok());
    ASSERT_TRUE(good.wait_for_letters(1));
    const MutableByteView into(back);
    ASSERT_TRUE(good.receive(*good.receiver->letters[0].bulk, {&into, 1}).ok());
    ASSERT_EQ(back, data);
  }
  stop.store(true);
  scribbler.join();
}

[[noreturn]] void talk_for_ever(const Address& address) {
  Client client;
  if (!client.connect(address).ok()) _exit(1);
  const Buffer data = pattern(1 * kMiB, 1);
  Buffer room(data.size());
  for (uint64_t i = 0;; ++i) {
    client.receiver->letters.clear();
    const ByteView from = ByteView(data).first(1 + i * 77'777 % data.size());
    client.connection->send(pattern(1 + i * 31 % 5000, i));
    if (!client.send(bytes_of(i), {&from, 1}).ok() || !client.wait_for_letters(2)) _exit(1);
    const MutableByteView into(room);
    for (Inbox::Letter& letter : client.receiver->letters)
      if (letter.bulk && !client.receive(*letter.bulk, {&into, 1}).ok()) _exit(1);
  }
}

TEST(LocalHostile, AThousandClientsKilledAtAnyInstantLeaveNothingBehind) {
  const Scratch scratch;
  End<Echo> engine;
  ASSERT_TRUE(engine.network->listen(scratch.address()).ok());
  Random random(13);
  constexpr uint64_t kClients = VARVE_SANITIZED ? 100 : 1000;
  size_t descriptors = 0;
  uint64_t resident = 0;
  for (uint64_t i = 0; i < kClients; ++i) {
    if (i == kClients / 10) descriptors = open_descriptors(), resident = resident_kib();
    const uint64_t messages = engine.receiver->messages + random.below(12);
    const pid_t child = in_child([&] { talk_for_ever(scratch.address()); });
    const bool early = random.one_in(10);  // perhaps before it has connected
    const Instant some_time = engine.executor.now() + Duration(random.below(1'000'000));
    if (early)
      engine.executor.run_until([] { return false; }, some_time);
    else
      engine.run_until([&] { return engine.receiver->messages > messages; });
    ASSERT_TRUE(early || engine.receiver->messages > messages);
    kill(child, SIGKILL);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    ASSERT_TRUE(
        engine.run_until([&] { return engine.receiver->closed == engine.receiver->accepted; }));
  }
  // What had only knocked is gone too.
  ASSERT_TRUE(engine.run_until([&] { return open_descriptors() == descriptors; }, 20s))
      << open_descriptors() << " descriptors are open, " << descriptors << " were";
  if (!VARVE_SANITIZED) {
    EXPECT_LT(resident_kib(), resident + 4096);
  }
}

TEST(LocalHostile, APeerThatIsStoppedEndsATransferAtItsDeadline) {
  const Scratch scratch;
  Client engine;
  ASSERT_TRUE(engine.network->listen(scratch.address()).ok());
  const pid_t child = in_child([&] {
    Client client;
    const Buffer data(8 * kMiB, std::byte{7});
    if (!client.connect(scratch.address()).ok()) _exit(1);
    const ByteView from(data);
    (void)client.send(Buffer(8), {&from, 1});
    // Stopped with all of its data on the way that goes without being asked for.
    client.run_until([] { return false; });
  });
  auto& letters = engine.receiver->letters;
  ASSERT_TRUE(engine.wait_for_letters(1));
  kill(child, SIGSTOP);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  Buffer room(8 * kMiB);
  const MutableByteView into(room);
  EXPECT_EQ(engine.receive(*letters[0].bulk, {&into, 1}, 100ms).code(), Code::kTimedOut);
  std::fill(room.begin(), room.end(), std::byte{1});
  kill(child, SIGCONT);
  ASSERT_TRUE(engine.run_until([&] { return engine.receiver->closed == 1; }));
  engine.run_until([] { return false; }, 20ms);
  EXPECT_EQ(room, Buffer(room.size(), std::byte{1})) << "the buffer is the caller's again";
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(LocalHostile, OneUserCannotTakeAllConnections) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_max < 2000) GTEST_SKIP() << "needs 2000 file descriptors";
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  const Scratch scratch;
  EngineThread engine(scratch.address());
  Client client;
  Result<void> result;
  size_t count = 0;
  for (; count < 2000; ++count) {
    result = client.connect(scratch.address());
    if (!result.ok()) break;
  }
  EXPECT_EQ(count, 768u);
  EXPECT_EQ(result.code(), Code::kBusy);
  EXPECT_NE(result.error().text().find("768 local connections"), std::string_view::npos);
  client.connection->close();
  ASSERT_TRUE(client.run_until([&] { return client.receiver->closed == 1; }));
  ASSERT_TRUE(client.run_until([&] { return client.connect(scratch.address()).ok(); }));
}

TEST(LocalHostile, WithoutDescriptorsTheEngineGoesOnAndSleeps) {
  if (VARVE_SANITIZED) GTEST_SKIP() << "the sanitizers need descriptors of their own";
  const Scratch scratch;
  End<Echo> engine;
  ASSERT_TRUE(engine.network->listen(scratch.address()).ok());
  engine.run_until([] { return false; }, 1ms);  // it has made the descriptors it sleeps on
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  const Descriptor knocking = std::move(*connect_to(scratch.path()));
  rlimit none = old;
  none.rlim_cur = static_cast<rlim_t>(open_descriptors() - 1);  // one looked
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const clock_t before = clock();
  engine.run_until([] { return false; }, 250ms);
  const clock_t spent = clock() - before;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_LT(spent, CLOCKS_PER_SEC / 20);
  const Hello hello;
  ASSERT_EQ(::send(knocking.get(), &hello, sizeof hello, 0), static_cast<ssize_t>(sizeof hello));
  EXPECT_TRUE(engine.run_until([&] { return engine.receiver->accepted == 1; }));
}

}  // namespace
}  // namespace varve::network::local
