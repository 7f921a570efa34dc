// Servers that are not there, die, or stop, and clients that wait for them.
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "fixture.h"

namespace varve::c_api {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double processor_seconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

// Each has a server of its own, of files, and two seconds of patience.
class Faults : public testing::Test {
 protected:
  void SetUp() override {
    setenv("VARVE_TIMEOUT_MS", "2000", 1);
    server_ = std::make_unique<Server>(false);
    ASSERT_EQ(daos_init(), 0);
    create_pool("tank", 1ull << 29);
    ASSERT_EQ(daos_pool_connect("tank", nullptr, DAOS_PC_RW, &pool_, nullptr, nullptr), 0);
    ASSERT_EQ(daos_cont_create_with_label(pool_, "box", nullptr, nullptr, nullptr), 0);
    ASSERT_EQ(daos_cont_open(pool_, "box", DAOS_COO_RW, &container_, nullptr, nullptr), 0);
    daos_obj_id_t oid{1, 0};
    ASSERT_EQ(daos_obj_generate_oid(container_, &oid, DAOS_OT_MULTI_HASHED, OC_S1, 0, 0), 0);
    ASSERT_EQ(daos_obj_open(container_, oid, DAOS_OO_RW, &object_, nullptr), 0);
  }
  void TearDown() override {
    daos_fini();
    server_.reset();
    unsetenv("VARVE_TIMEOUT_MS");
    unsetenv("VARVE_TRANSPORT");
  }
  std::unique_ptr<Server> server_;
  daos_handle_t pool_{}, container_{}, object_{};
};

TEST_F(Faults, DeadServerEndsTheWaitAtTheDeadline) {
  SingleValue value("d", "a", "value");
  ASSERT_EQ(value.update(object_), 0);
  server_->kill();
  const double processor = processor_seconds();
  const auto start = Clock::now();
  EXPECT_EQ(value.update(object_), -DER_TIMEDOUT);
  EXPECT_GT(seconds_since(start), 1.9);
  EXPECT_LT(seconds_since(start), 3.0);
  EXPECT_LT(processor_seconds() - processor, 0.3);
  server_->start();
  EXPECT_EQ(value.fetch(object_), 0);
  EXPECT_EQ(value.data, "value");
}

TEST_F(Faults, RestartedServerIsFoundAgainByEvents) {
  daos_handle_t queue{};
  ASSERT_EQ(daos_eq_create(&queue), 0);
  daos_event_t event;
  ASSERT_EQ(daos_event_init(&event, queue, nullptr), 0);
  SingleValue value("d", "a", "value");
  ASSERT_EQ(value.update(object_, &event), 0);
  daos_event_t* done = nullptr;
  ASSERT_EQ(daos_eq_poll(queue, 1, DAOS_EQ_WAIT, 1, &done), 1);
  server_->kill();
  ASSERT_EQ(value.update(object_, &event), 0);
  EXPECT_EQ(daos_eq_poll(queue, 1, 100'000, 1, &done), 0);
  server_->start();
  ASSERT_EQ(daos_eq_poll(queue, 1, DAOS_EQ_WAIT, 1, &done), 1);
  EXPECT_EQ(event.ev_error, 0);
  EXPECT_EQ(daos_event_fini(&event), 0);
  EXPECT_EQ(daos_eq_destroy(queue, 0), 0);
}

class Stopped : public Faults, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    setenv("VARVE_TRANSPORT", GetParam(), 1);
    Faults::SetUp();
  }
};

TEST_P(Stopped, BufferIsTheCallersAfterTheDeadline) {
  SingleValue value("d", "a", std::string(1 << 20, 'x'));
  ASSERT_EQ(value.update(object_), 0);
  for (int round = 0; round < 2; ++round) {
    server_->stop();
    const auto start = Clock::now();
    const double processor = processor_seconds();
    EXPECT_EQ(round ? value.fetch(object_) : value.update(object_), -DER_TIMEDOUT);
    EXPECT_LT(seconds_since(start), 3.0);
    EXPECT_LT(processor_seconds() - processor, 0.5);
    std::fill(value.data.begin(), value.data.end(), 'm');
    server_->go_on();
    SingleValue other("d", "b", "alive");
    EXPECT_EQ(other.update(object_), 0);
    EXPECT_EQ(value.data, std::string(1 << 20, 'm'));
    ASSERT_EQ(value.fetch(object_), 0);
    // The first try may or may not have been executed; what it carried was x.
    EXPECT_EQ(value.data, std::string(1 << 20, 'x'));
  }
}

INSTANTIATE_TEST_SUITE_P(Transports, Stopped, testing::Values("tcp", "local"));

TEST(NoServer, IsSaidAtOnce) {
  setenv("VARVE_ADDRESS", "local:///tmp/no-such-varve.sock,tcp://127.0.0.1:9", 1);
  ASSERT_EQ(daos_init(), 0);
  daos_handle_t pool{};
  const auto start = Clock::now();
  EXPECT_EQ(daos_pool_connect("tank", nullptr, DAOS_PC_RW, &pool, nullptr, nullptr), -DER_UNREACH);
  EXPECT_LT(seconds_since(start), 2.0);
  EXPECT_EQ(daos_fini(), 0);
  setenv("VARVE_ADDRESS", "not an address", 1);
  EXPECT_EQ(daos_init(), -DER_INVAL);
  unsetenv("VARVE_ADDRESS");
  EXPECT_EQ(daos_pool_connect("tank", nullptr, DAOS_PC_RW, &pool, nullptr, nullptr), -DER_UNINIT);
  daos_handle_t queue{};
  EXPECT_EQ(daos_eq_create(&queue), -DER_UNINIT);
  EXPECT_EQ(daos_fini(), -DER_UNINIT);
}

}  // namespace
}  // namespace varve::c_api
