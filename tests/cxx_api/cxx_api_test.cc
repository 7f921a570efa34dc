// The C++ interface at its edges: futures that change threads or are dropped, waits within
// coroutines, handles that go anywhere, servers that stop, children of fork. What it does on plain
// days: examples/.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <varve/varve.h>

#include <chrono>
#include <deque>
#include <memory>
#include <thread>

#include "server.h"

namespace {

using namespace std::chrono_literals;
using varve::bytes_of;
using varve::Code;
using varve::Condition;
using varve::Future;
using varve::ObjectId;
using varve::ObjectType;
using varve::Task;
using SteadyClock = std::chrono::steady_clock;

class CxxApi : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<varve::c_api::Server>(true);
    client_ = varve::Client::open().or_throw();
    client_.create_pool("tank", 1ull << 30).get().or_throw();
    pool_ = client_.connect("tank").get().or_throw();
  }
  static void TearDownTestSuite() {
    pool_.close().get().or_throw();
    pool_ = {};
    client_ = {};
    server_.reset();
  }
  void SetUp() override {
    static int number = 0;
    label_ = "box" + std::to_string(++number);
    pool_.create_container(label_).get().or_throw();
    container_ = pool_.open_container(label_).get().or_throw();
    object_ = container_.object(ObjectId::make(1, ObjectType::kHashed));
  }
  // Without force: every handle that a test has opened is closed by now.
  void TearDown() override {
    object_ = {};
    container_ = {};
    EXPECT_TRUE(pool_.destroy_container(label_).get().ok());
  }
  std::string value(const char* dkey) {
    auto fetched = object_.fetch(dkey, "a").get();
    return fetched.ok() ? varve::text_of(*fetched) : "(" + fetched.error().describe() + ")";
  }

  static std::unique_ptr<varve::c_api::Server> server_;
  static varve::Client client_;
  static varve::Pool pool_;
  std::string label_;
  varve::Container container_;
  varve::Object object_;
};
std::unique_ptr<varve::c_api::Server> CxxApi::server_;
varve::Client CxxApi::client_;
varve::Pool CxxApi::pool_;

TEST_F(CxxApi, AFutureMayGoToAnotherThread) {
  Future<varve::Epoch> update = object_.update("d", "a", bytes_of("here"));
  std::thread([update = std::move(update)]() mutable { EXPECT_TRUE(update.get().ok()); }).join();
  // The thread that called is gone: its calls go on where they are waited for.
  Future<varve::Epoch> orphan;
  std::thread([&] { orphan = object_.update("e", "a", bytes_of("there")); }).join();
  EXPECT_TRUE(orphan.get().ok());
  EXPECT_EQ(value("d") + value("e"), "herethere");
}

TEST_F(CxxApi, TwoThreadsWaitForCallsOfOne) {
  for (int round = 0; round < 50; ++round) {
    std::deque<Future<varve::Epoch>> mine, others;
    for (int i = 0; i < 20; ++i)
      (i % 2 ? mine : others).push_back(object_.update(i, "a", bytes_of("x")));
    std::thread other([&] {
      for (auto& one : others) EXPECT_TRUE(one.get().ok());
    });
    for (auto& one : mine) EXPECT_TRUE(one.get().ok());
    other.join();
  }
}

TEST_F(CxxApi, ADroppedFutureLetsItsMemoryGo) {
  varve::Array array =
      container_.create_array(ObjectId::make(2, ObjectType::kArray)).get().or_throw();
  for (int i = 0; i < 20; ++i) {
    auto data = std::make_unique<std::vector<std::byte>>(3 << 20);
    auto write = array.write(0, *data);
    if (i % 3 == 0) client_.progress();
    if (i % 3 == 1) write.wait(200us);
  }
  std::vector<std::byte> data(1 << 20, std::byte{7}), read(1 << 20);
  ASSERT_TRUE(array.write(0, data).get().ok());
  ASSERT_EQ(array.read(0, read).get().value_or(0), read.size());
  EXPECT_EQ(read, data);
}

Task<int> waits_inside(varve::Client client, varve::Object object, std::string dkey) {
  (co_await object.update(dkey, "a", bytes_of("one"))).or_throw();
  // Blocks the thread, and is right all the same.
  object.update(dkey, "a", bytes_of("two")).get().or_throw();
  auto inner = [](varve::Object object, std::string dkey) -> Task<std::string> {
    co_return varve::text_of((co_await object.fetch(dkey, "a")).or_throw());
  };
  EXPECT_EQ(client.run(inner(object, dkey)), "two");
  auto dropped = object.update("e", "a", bytes_of("x"));
  co_return 3;
}

TEST_F(CxxApi, WaitsAndDropsWithinACoroutine) {
  std::vector<Task<int>> tasks;
  for (int i = 0; i < 20; ++i) tasks.push_back(waits_inside(client_, object_, std::to_string(i)));
  EXPECT_EQ(client_.run(varve::when_all(std::move(tasks), 7)), std::vector<int>(20, 3));
}

Task<> awaits(Future<varve::Epoch> future) { (co_await std::move(future)).or_throw(); }

TEST_F(CxxApi, ACoroutineAwaitsAnotherThreadsCall) {
  Future<varve::Epoch> update;
  std::thread([&] { update = object_.update("d", "a", bytes_of("far")); }).join();
  client_.run(awaits(std::move(update)));
  EXPECT_EQ(value("d"), "far");
}

Task<> opens_and_drops(varve::Pool pool, std::string label) {
  for (int i = 0; i < 5; ++i) {
    varve::Container again = (co_await pool.open_container(label)).or_throw();
    auto update =
        again.object(ObjectId::make(1, ObjectType::kHashed)).update(i, "a", bytes_of("x"));
    again = {};  // the call keeps it open
    (co_await std::move(update)).or_throw();
  }
}

TEST_F(CxxApi, TheLastCopyClosesWhereverItGoes) {
  client_.run(opens_and_drops(pool_, label_));
  std::thread([&] { auto elsewhere = pool_.open_container(label_).get().or_throw(); }).join();
  // TearDown's destroy without force says whether all are closed.
}

Task<> many_calls(varve::Object object, int depth) {
  for (int i = 0; i < depth; ++i) (co_await object.update(i, "a", bytes_of("x"))).or_throw();
}

TEST_F(CxxApi, ThousandsOfCoroutines) {
  std::vector<Task<>> tasks;
  for (int i = 0; i < 2000; ++i) tasks.push_back(many_calls(object_, 3));
  client_.run(varve::when_all(std::move(tasks)));
}

TEST_F(CxxApi, StopsAtAnyMoment) {
  std::vector<std::byte> data(64 << 10);
  for (int i = 0; i < 300; ++i) {
    std::stop_source stop;
    std::thread other([&stop, i] {
      for (int spin = 0; spin < i * 50; ++spin) std::atomic_signal_fence(std::memory_order_seq_cst);
      stop.request_stop();
    });
    auto one = object_.update("d", "a", data, Condition::kNone, stop.get_token());
    auto two = object_.update("e", "a", bytes_of("x"), Condition::kNone, {5s, stop.get_token()});
    for (auto* call : {&one, &two}) {
      const auto ended = call->get();
      EXPECT_TRUE(ended.ok() || ended.code() == Code::kCanceled) << ended.error().describe();
    }
    other.join();
  }
}

TEST_F(CxxApi, AStoppedServerIsWaitedForNoLonger) {
  ASSERT_TRUE(object_.update("d", "a", bytes_of("x")).get().ok());
  server_->stop();
  auto begin = SteadyClock::now();
  const auto late = object_.fetch("d", "a", 200ms).get();
  EXPECT_EQ(late.code(), Code::kTimedOut);
  EXPECT_NE(late.error().describe().find("object"), std::string::npos);
  std::stop_source stop;
  auto stopped = object_.fetch("d", "a", stop.get_token());
  EXPECT_FALSE(stopped.wait(50ms));
  stop.request_stop();
  EXPECT_EQ(stopped.get().code(), Code::kCanceled);
  auto cancelled = object_.fetch("d", "a");
  cancelled.cancel();
  EXPECT_EQ(cancelled.get().code(), Code::kCanceled);
  EXPECT_EQ(object_.fetch("d", "a").get(50ms).code(), Code::kTimedOut);
  { auto dropped = object_.fetch("d", "a"); }
  EXPECT_LT(SteadyClock::now() - begin, 5s);
  server_->go_on();
  EXPECT_EQ(value("d"), "x");
}

TEST_F(CxxApi, ATimeThatIsOverEndsTheCallAtOnce) {
  EXPECT_EQ(object_.fetch("d", "a", -1ns).get().code(), Code::kTimedOut);
  EXPECT_EQ(object_.fetch("d", "a", 1ns).get().code(), Code::kTimedOut);
  ASSERT_TRUE(object_.update("d", "a", bytes_of("x"), Condition::kNone, 24h).get().ok());
}

TEST_F(CxxApi, AChildOfForkOpensItsOwn) {
  ASSERT_TRUE(object_.update("d", "a", bytes_of("parent's")).get().ok());
  const pid_t child = fork();
  if (child == 0) {
    bool good = object_.fetch("d", "a").get().code() == Code::kUninitialized;
    {
      auto own = varve::Client::open();
      auto pool = own->connect("tank", varve::Access::kRead).get();
      good = good && pool.ok();
      if (good) {
        auto box = pool->open_container(label_, varve::Access::kRead).get();
        auto read = box->object(object_.id()).fetch("d", "a").get();
        good = read.ok() && varve::text_of(*read) == "parent's" &&
               box->object(object_.id()).update("d", "a", bytes_of("x")).get().code() ==
                   Code::kNoPermission;
      }
    }
    object_ = {};
    container_ = {};
    _exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(value("d"), "parent's");
}

TEST_F(CxxApi, RefusesWhatItCannotDo) {
  EXPECT_EQ(varve::Object().fetch("d", "a").get().code(), Code::kNoHandle);
  EXPECT_EQ(varve::Array().size().get().code(), Code::kNoHandle);
  EXPECT_EQ(object_.update("", "a", bytes_of("x")).get().code(), Code::kInvalid);
  EXPECT_EQ(object_.update("d", std::vector<varve::Write>{}).get().code(), Code::kInvalid);
  EXPECT_EQ(object_.punch_dkey("").get().code(), Code::kInvalid);
  EXPECT_EQ(object_.punch_dkey("none", Condition::kPunch).get().code(), Code::kNonexistent);
  EXPECT_EQ(object_.list_dkeys({}, 0).get().ok(), false);
  EXPECT_EQ(object_.list_dkeys(varve::Anchor::at_end()).get().code(), Code::kInvalid);
  for (size_t size : {1, 7, 40, 200})
    EXPECT_FALSE(object_.list_dkeys(varve::Anchor(std::string(size, '\xff'))).get().ok());
  EXPECT_EQ(container_.open_array(ObjectId::make(3, ObjectType::kArray)).get().code(),
            Code::kNonexistent);
  EXPECT_EQ(container_.create_array(ObjectId::make(3, ObjectType::kArray), {0, 1}).get().code(),
            Code::kInvalid);
  varve::Array array =
      container_.create_array(ObjectId::make(3, ObjectType::kArray)).get().or_throw();
  EXPECT_EQ(container_.create_array(array.id()).get().code(), Code::kExists);
  EXPECT_EQ(array.write(~0ull, bytes_of("x")).get().code(), Code::kInvalid);
  EXPECT_EQ(array.punch({{0, ~0ull}, {1, 5}}).get().code(), Code::kInvalid);
  EXPECT_EQ(
      container_.key_value(ObjectId::make(4, ObjectType::kKeyValue)).put("k", {}).get().code(),
      Code::kInvalid);
  EXPECT_FALSE(container_.object({1, ~0ull}).fetch("d", "a").get().ok());
  EXPECT_FALSE(container_.at({5}).open_array(array.id()).get().ok());
}

}  // namespace
