#include <gtest/gtest.h>

#include <thread>

#include "runtime/executor.h"
#include "runtime/wait.h"

namespace varve {
namespace {

class ManualClock final : public Clock {
 public:
  Instant now() const override { return at; }
  uint64_t wall_ns() const override { return at.ns; }
  Instant at{1};
};

Task<int> immediate(int value) { co_return value; }

Task<int> sum_of_immediates(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await immediate(1);
  co_return sum;
}

TEST(Task, AMillionAwaitsThatNeverSuspendKeepTheStackFlat) {
#if defined(__GNUC__) && !defined(__clang__) && !defined(__OPTIMIZE__)
  GTEST_SKIP() << "g++-12 makes no tail calls at -O0";
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "g++-12 makes no tail calls under sanitizers";
#endif
  Executor executor(machine_clock(), 1);
  EXPECT_EQ(executor.block_on(sum_of_immediates(1'000'000)), 1'000'000);
}

TEST(Timers, FireInOrderOfTimeThenOfArming) {
  ManualClock clock;
  Executor executor(clock, 1);
  std::vector<int> order;
  auto wait = [&](int name, uint64_t at) -> Task<void> {
    co_await executor.sleep_until({at});
    order.push_back(name);
  };
  executor.spawn(wait(3, 30));
  executor.spawn(wait(1, 10));
  executor.spawn(wait(2, 10));
  executor.spawn(wait(4, 40));
  executor.step();
  EXPECT_TRUE(order.empty());
  EXPECT_EQ(executor.next_timer().ns, 10u);
  clock.at = {35};
  executor.step();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(Timers, RandomArmAndCancelAgainstASortedList) {
  ManualClock clock;
  Executor executor(clock, 7);
  Random random(42);
  struct Counting final : Timer {
    bool fired = false;
    void fire() override { fired = true; }
  };
  for (int round = 0; round < 50; ++round) {
    std::vector<std::unique_ptr<Counting>> timers(200);
    for (auto& timer : timers) {
      timer = std::make_unique<Counting>();
      executor.arm_timer(*timer, clock.at + Duration(1 + random.below(1000)));
    }
    std::vector<Instant> when(timers.size());
    for (size_t i = 0; i < timers.size(); ++i) {
      when[i] = timers[i]->when();
      if (random.one_in(3)) timers[i]->cancel(), when[i] = kNever;
    }
    clock.at = clock.at + 500ns;
    executor.step();
    for (size_t i = 0; i < timers.size(); ++i) EXPECT_EQ(timers[i]->fired, when[i] <= clock.at);
  }
}

TEST(OneShot, DeadlineOrValueWhicheverIsFirst) {
  ManualClock clock;
  Executor executor(clock, 1);
  OneShot<int> late, early;
  std::optional<int> from_late, from_early;
  bool ended = false;
  auto body = [&]() -> Task<void> {
    from_early = co_await early.wait_until({100});
    from_late = co_await late.wait_until({100});
    ended = true;
  };
  executor.spawn(body());
  early.set(5);
  EXPECT_FALSE(early.set(6));
  executor.step();
  clock.at = {100};
  executor.step();
  executor.step();
  EXPECT_TRUE(ended);
  EXPECT_EQ(from_early, 5);
  EXPECT_EQ(from_late, std::nullopt);
}

TEST(Semaphore, FirstComeFirstServedAndExpiredWaitersTakeNothing) {
  ManualClock clock;
  Executor executor(clock, 1);
  Semaphore semaphore(1);
  std::vector<std::string> events;
  auto take = [&](std::string name, uint64_t amount, Instant deadline) -> Task<void> {
    const bool got = co_await semaphore.acquire(amount, deadline);
    events.push_back(name + (got ? "+" : "-"));
  };
  executor.spawn(take("a", 1, kNever));
  executor.spawn(take("b", 2, {50}));
  executor.spawn(take("c", 1, kNever));
  semaphore.release();
  executor.step();
  EXPECT_EQ(events, (std::vector<std::string>{"a+"}));
  clock.at = {60};
  executor.step();
  semaphore.release(0);
  executor.step();
  EXPECT_EQ(events, (std::vector<std::string>{"a+", "b-", "c+"}));
  EXPECT_EQ(semaphore.available(), 0u);
}

TEST(Gate, CloseWaitsForThoseInside) {
  Executor executor(machine_clock(), 1);
  Gate gate;
  bool closed = false;
  auto closing = [&]() -> Task<void> {
    co_await gate.close();
    closed = true;
  };
  {
    Gate::Guard guard(gate);
    ASSERT_TRUE(guard.entered());
    executor.spawn(closing());
    executor.step();
    EXPECT_FALSE(closed);
    EXPECT_FALSE(Gate::Guard(gate).entered());
  }
  executor.step();
  EXPECT_TRUE(closed);
}

TEST(Executor, DestroyingItDestroysWhatIsSuspended) {
  int destroyed = 0;
  struct Witness {
    int* count;
    ~Witness() { ++*count; }
  };
  Signal never;
  {
    Executor executor(machine_clock(), 1);
    auto inner = [&]() -> Task<void> {
      Witness witness{&destroyed};
      co_await never.wait();
    };
    auto outer = [&]() -> Task<void> {
      Witness witness{&destroyed};
      co_await inner();
    };
    executor.spawn(outer());
    executor.step();
  }
  EXPECT_EQ(destroyed, 2);
}

TEST(Executor, MailWakesASleeperAndKeepsItsOrder) {
  Executor executor(machine_clock(), 1, {.polling_budget = 0us});
  std::vector<int> seen;
  std::thread thread([&] { executor.run(); });
  for (int i = 0; i < 10'000; ++i) executor.submit([&seen, i] { seen.push_back(i); });
  executor.stop();
  thread.join();
  ASSERT_EQ(seen.size(), 10'000u);
  for (int i = 0; i < 10'000; ++i) EXPECT_EQ(seen[i], i);
}

TEST(RunOn, CrossesThreadsAndBack) {
  Executor there(machine_clock(), 1), here(machine_clock(), 2);
  std::thread thread([&] { there.run(); });
  auto work = [&]() -> Task<int> {
    int sum = 0;
    for (int i = 0; i < 100; ++i)
      sum += co_await run_on<int>(there, [&there]() -> Task<int> {
        co_await there.yield();
        co_return Executor::current() == &there ? 1 : 0;
      });
    co_return sum;
  };
  EXPECT_EQ(here.block_on(work()), 100);
  there.stop();
  thread.join();
}

TEST(Executor, SleepsWithoutBurningTheProcessor) {
  Executor executor(machine_clock(), 1, {.polling_budget = 50us});
  timespec before, after;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
  auto wait = [&]() -> Task<void> { co_await executor.sleep_for(200ms); };
  executor.block_on(wait());
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
  const double ms = (after.tv_sec - before.tv_sec) * 1e3 + (after.tv_nsec - before.tv_nsec) / 1e6;
  EXPECT_LT(ms, 20.0);
}

TEST(WhenAll, GathersInOrder) {
  Executor executor(machine_clock(), 1);
  auto delayed = [&](int value, Duration delay) -> Task<int> {
    co_await executor.sleep_for(delay);
    co_return value;
  };
  auto work = [&]() -> Task<int> {
    std::vector<Task<int>> tasks;
    tasks.push_back(delayed(1, 2ms));
    tasks.push_back(delayed(2, 1ms));
    auto values = co_await when_all(std::move(tasks));
    co_return values[0] * 10 + values[1];
  };
  EXPECT_EQ(executor.block_on(work()), 12);
}

TEST(Executor, ASpawnedTaskIsDestroyedWhenItEnds) {
  Executor executor(machine_clock(), 1);
  const auto witness = std::make_shared<int>();
  auto at_once = [](std::shared_ptr<int>) -> Task<void> { co_return; };
  auto later = [](Executor& executor, std::shared_ptr<int>) -> Task<void> {
    co_await executor.yield();
  };
  executor.spawn(at_once(witness));
  EXPECT_EQ(witness.use_count(), 1);
  executor.spawn(later(executor, witness));
  EXPECT_EQ(witness.use_count(), 2);
  executor.step();
  EXPECT_EQ(witness.use_count(), 1);
}

TEST(Executor, AbandonEndsEverythingAndIsUsableAgain) {
  struct Guard {
    int& count;
    ~Guard() { ++count; }
  };
  int ended = 0, ran = 0;
  Executor executor(machine_clock(), 1);
  auto sleeper = [](Executor& executor, int& ended) -> Task<void> {
    Guard guard{ended};
    co_await executor.sleep_for(1h);
  };
  executor.spawn(sleeper(executor, ended));
  executor.spawn(sleeper(executor, ended));
  executor.submit([&] { ++ran; });
  executor.abandon();
  EXPECT_EQ(ended, 2);
  EXPECT_EQ(executor.next_timer(), kNever);
  EXPECT_FALSE(executor.has_work());
  executor.step();
  EXPECT_EQ(ran, 0);
  auto answer = []() -> Task<int> { co_return 7; };
  EXPECT_EQ(executor.block_on(answer()), 7);
}

}  // namespace
}  // namespace varve
