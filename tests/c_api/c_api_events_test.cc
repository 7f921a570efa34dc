// Event queues, events, and processes that fork.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <set>
#include <thread>

#include "fixture.h"

namespace varve::c_api {
namespace {

class Events : public CApi {
 protected:
  void SetUp() override {
    CApi::SetUp();
    ASSERT_EQ(daos_eq_create(&queue_), 0);
    object_ = open();
  }
  void TearDown() override {
    EXPECT_EQ(daos_obj_close(object_, nullptr), 0);
    EXPECT_EQ(daos_eq_destroy(queue_, 0), 0);
    CApi::TearDown();
  }
  daos_handle_t queue_{}, object_{};
};

TEST_F(Events, ManyInFlight) {
  constexpr int kCount = 256;
  std::vector<daos_event_t> events(kCount);
  std::vector<std::unique_ptr<SingleValue>> values;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < kCount; ++i) {
      if (round == 0) {
        ASSERT_EQ(daos_event_init(&events[i], queue_, nullptr), 0);
        values.push_back(
            std::make_unique<SingleValue>("d" + std::to_string(i), "a", std::string(500, 'v')));
      }
      ASSERT_EQ(round == 1 ? values[i]->fetch(object_, &events[i])
                           : values[i]->update(object_, &events[i]),
                0);
      EXPECT_EQ(values[i]->update(object_, &events[i]), -DER_BUSY);
    }
    EXPECT_EQ(daos_eq_destroy(queue_, 0), -DER_BUSY);
    EXPECT_EQ(daos_eq_query(queue_, DAOS_EQR_ALL, 0, nullptr), kCount);
    int done = 0;
    std::set<daos_event_t*> seen;
    while (done < kCount) {
      daos_event_t* completed[10];
      const int count = daos_eq_poll(queue_, 1, DAOS_EQ_WAIT, 10, completed);
      ASSERT_GT(count, 0);
      for (int i = 0; i < count; ++i) {
        EXPECT_EQ(completed[i]->ev_error, 0);
        EXPECT_TRUE(seen.insert(completed[i]).second);
      }
      done += count;
    }
    daos_event_t* none;
    EXPECT_EQ(daos_eq_poll(queue_, 1, DAOS_EQ_WAIT, 1, &none), 0);  // nothing runs: no waiting
    EXPECT_EQ(daos_eq_poll(queue_, 0, 0, 1, &none), 0);
    EXPECT_EQ(daos_eq_poll(queue_, 0, 2000, 1, &none), 0);
  }
  for (daos_event_t& event : events) EXPECT_EQ(daos_event_fini(&event), 0);
}

TEST_F(Events, TestOneAndErrors) {
  daos_event_t event;
  ASSERT_EQ(daos_event_init(&event, queue_, nullptr), 0);
  SingleValue value("d", "a", "v");
  ASSERT_EQ(value.update(object_, &event), 0);
  EXPECT_EQ(daos_event_fini(&event), -DER_BUSY);
  bool done = false;
  while (!done) ASSERT_EQ(daos_event_test(&event, 1000, &done), 0);
  EXPECT_EQ(event.ev_error, 0);
  daos_event_t* none;
  EXPECT_EQ(daos_eq_poll(queue_, 0, 0, 1, &none), 0);
  SingleValue missing("none", "a", "v");
  ASSERT_EQ(missing.fetch(object_, &event, DAOS_COND_DKEY_FETCH), 0);
  ASSERT_EQ(daos_event_test(&event, DAOS_EQ_WAIT, &done), 0);
  EXPECT_TRUE(done);
  EXPECT_EQ(event.ev_error, -DER_NONEXIST);
  EXPECT_EQ(daos_event_fini(&event), 0);
  EXPECT_EQ(daos_event_fini(&event), -DER_INVAL);
  EXPECT_EQ(value.update(object_, &event), -DER_INVAL);
}

TEST_F(Events, CallbacksAndEventsOfNoQueue) {
  daos_event_t event;
  ASSERT_EQ(daos_event_init(&event, DAOS_HDL_INVAL, nullptr), 0);
  int called = 0;
  ASSERT_EQ(daos_event_register_comp_cb(
                &event,
                [](void* argument, daos_event_t*, int result) {
                  ++*static_cast<int*>(argument);
                  return result;
                },
                &called),
            0);
  SingleValue value("d", "a", "v");
  ASSERT_EQ(value.update(object_, &event), 0);
  bool done = false;
  ASSERT_EQ(daos_event_test(&event, DAOS_EQ_WAIT, &done), 0);
  EXPECT_TRUE(done);
  EXPECT_EQ(called, 1);
  EXPECT_EQ(daos_event_fini(&event), 0);
}

TEST_F(Events, Parents) {
  daos_event_t parent, children[8];
  ASSERT_EQ(daos_event_init(&parent, queue_, nullptr), 0);
  EXPECT_EQ(daos_event_parent_barrier(&parent), -DER_INVAL);
  std::vector<std::unique_ptr<SingleValue>> values;
  for (int i = 0; i < 8; ++i) {
    ASSERT_EQ(daos_event_init(&children[i], DAOS_HDL_INVAL, &parent), 0);
    values.push_back(std::make_unique<SingleValue>("d" + std::to_string(i), "a", "value"));
    ASSERT_EQ(values[i]->update(object_, &children[i]), 0);
  }
  ASSERT_EQ(daos_event_parent_barrier(&parent), 0);
  daos_event_t* completed = nullptr;
  ASSERT_EQ(daos_eq_poll(queue_, 1, DAOS_EQ_WAIT, 1, &completed), 1);
  EXPECT_EQ(completed, &parent);
  EXPECT_EQ(parent.ev_error, 0);
  int count = 0;
  for (daos_event_t* child = daos_event_next(&parent, nullptr); child;
       child = daos_event_next(&parent, child)) {
    EXPECT_EQ(child, &children[count++]);
    EXPECT_EQ(child->ev_error, 0);
  }
  EXPECT_EQ(count, 8);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(daos_event_fini(&children[i]), 0);
  EXPECT_EQ(daos_event_fini(&parent), 0);
}

TEST_F(Events, TwoThreadsOneQueue) {
  std::atomic<int> completed{0};
  constexpr int kEach = 300;
  const auto work = [&](int number) {
    std::vector<std::unique_ptr<SingleValue>> values;
    std::vector<daos_event_t> events(kEach);
    for (int i = 0; i < kEach; ++i) {
      values.push_back(std::make_unique<SingleValue>("t" + std::to_string(number),
                                                     "a" + std::to_string(i), "v"));
      ASSERT_EQ(daos_event_init(&events[i], queue_, nullptr), 0);
      ASSERT_EQ(values[i]->update(object_, &events[i]), 0);
      daos_event_t* some[4];
      completed += daos_eq_poll(queue_, 0, 0, 4, some);
    }
    while (completed < 2 * kEach) {
      daos_event_t* some[16];
      const int count = daos_eq_poll(queue_, 1, 1000, 16, some);
      ASSERT_GE(count, 0);
      completed += count;
    }
  };
  std::thread other(work, 1);
  work(2);
  other.join();
  EXPECT_EQ(completed, 2 * kEach);
}

TEST_F(Events, ChildOfForkGoesOn) {
  SingleValue value("d", "a", "of the parent");
  ASSERT_EQ(value.update(object_), 0);
  daos_event_t event;
  ASSERT_EQ(daos_event_init(&event, queue_, nullptr), 0);
  // Others of the parent work on while it forks.
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    SingleValue own("busy", "a", "v");
    while (!stop) {
      EXPECT_EQ(own.update(object_), 0);
      daos_handle_t other = open();
      EXPECT_EQ(daos_obj_close(other, nullptr), 0);
    }
  });
  for (int round = 0; round < 8; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      // No gtest here: the exit code tells.
      alarm(20);
      if (round % 2 && daos_reinit() != 0) _exit(1);
      if (value.fetch(object_) != 0 || value.data != "of the parent") _exit(2);
      if (value.update(object_, &event) != -DER_NO_HDL) _exit(3);
      daos_handle_t queue{};
      daos_event_t own;
      bool done = false;
      if (daos_eq_create(&queue) != 0 || daos_event_init(&own, queue, nullptr) != 0) _exit(4);
      if (value.update(object_, &own) != 0) _exit(5);
      if (daos_event_test(&own, DAOS_EQ_WAIT, &done) != 0 || !done || own.ev_error) _exit(6);
      if (daos_obj_close(object_, nullptr) || daos_cont_close(container_, nullptr)) _exit(7);
      if (daos_pool_disconnect(pool_, nullptr) != 0) _exit(8);
      if (value.fetch(object_) != -DER_NO_HDL) _exit(9);
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status)) << status;
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  stop = true;
  busy.join();
  EXPECT_EQ(value.fetch(object_), 0);
  daos_cont_info_t info{};
  EXPECT_EQ(daos_cont_query(container_, &info, nullptr, nullptr), 0);
  EXPECT_EQ(info.ci_nhandles, 1u);
  EXPECT_EQ(daos_event_fini(&event), 0);
}

TEST_F(Events, ManyThreadsEachWaitForTheirOwn) {
  // A thread that drives for an event of its own must not keep the others' from being seen.
  std::vector<std::thread> threads;
  for (int number = 0; number < 6; ++number)
    threads.emplace_back([&, number] {
      for (int i = 0; i < 200; ++i) {
        daos_event_t event;
        SingleValue value("t" + std::to_string(number), "a" + std::to_string(i), "v");
        EXPECT_EQ(daos_event_init(&event, queue_, nullptr), 0);
        EXPECT_EQ(value.update(object_, &event), 0);
        bool done = false;
        EXPECT_EQ(daos_event_test(&event, DAOS_EQ_WAIT, &done), 0);
        EXPECT_TRUE(done);
        EXPECT_EQ(event.ev_error, 0);
        EXPECT_EQ(daos_event_fini(&event), 0);
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(Events, PollingSleeps) {
  const clock_t before = clock();
  daos_event_t* none;
  EXPECT_EQ(daos_eq_poll(queue_, 0, 500'000, 1, &none), 0);
  EXPECT_LT(clock() - before, CLOCKS_PER_SEC / 10);
}

TEST_F(Events, AbortEndsTheWait) {
  daos_event_t events[3], parent;
  std::string large(8 << 20, 'x');
  SingleValue small("d", "a", "v"), other("e", "a", "v");
  SingleValue bulk("f", "a", large);
  ASSERT_EQ(daos_event_init(&parent, queue_, nullptr), 0);
  ASSERT_EQ(daos_event_init(&events[0], queue_, nullptr), 0);
  for (int i = 1; i < 3; ++i) ASSERT_EQ(daos_event_init(&events[i], queue_, &parent), 0);
  SingleValue first("d", "a", "v");
  ASSERT_EQ(first.update(object_, &events[0]), 0);  // the queue's connections are there
  bool done = false;
  ASSERT_EQ(daos_event_test(&events[0], DAOS_EQ_WAIT, &done), 0);
  server_->stop();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(small.update(object_, &events[0]), 0);
  EXPECT_EQ(other.update(object_, &events[1]), 0);
  EXPECT_EQ(bulk.update(object_, &events[2]), 0);
  EXPECT_EQ(daos_event_parent_barrier(&parent), 0);
  EXPECT_EQ(daos_event_test(&events[0], 1000, &done), 0);
  EXPECT_FALSE(done);
  EXPECT_EQ(daos_event_abort(&events[0]), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(500));
  EXPECT_EQ(daos_event_test(&events[0], 0, &done), 0);
  EXPECT_TRUE(done);
  EXPECT_EQ(events[0].ev_error, -DER_CANCELED);
  EXPECT_EQ(daos_event_abort(&parent), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4));
  daos_event_t* completed = nullptr;
  EXPECT_EQ(daos_eq_poll(queue_, 1, 0, 1, &completed), 1);
  EXPECT_EQ(completed, &parent);
  EXPECT_EQ(parent.ev_error, -DER_CANCELED);
  EXPECT_EQ(events[2].ev_error, -DER_CANCELED);
  server_->go_on();
  EXPECT_EQ(bulk.update(object_, &events[2]), 0);
  EXPECT_EQ(daos_event_test(&events[2], DAOS_EQ_WAIT, &done), 0);
  EXPECT_EQ(events[2].ev_error, 0);
  for (daos_event_t& event : events) EXPECT_EQ(daos_event_fini(&event), 0);
  EXPECT_EQ(daos_event_fini(&parent), 0);
}

TEST_F(Events, DestroyedByForceWithEventsInFlight) {
  daos_handle_t queue{};
  ASSERT_EQ(daos_eq_create(&queue), 0);
  daos_event_t events[16];
  std::vector<std::unique_ptr<SingleValue>> values;
  server_->stop();
  for (int i = 0; i < 16; ++i) {
    ASSERT_EQ(daos_event_init(&events[i], queue, nullptr), 0);
    values.push_back(std::make_unique<SingleValue>("d" + std::to_string(i), "a", "v"));
    EXPECT_EQ(values[i]->update(object_, &events[i]), 0);
  }
  EXPECT_EQ(daos_eq_destroy(queue, 0), -DER_BUSY);
  EXPECT_EQ(daos_eq_destroy(queue, DAOS_EQ_DESTROY_FORCE), 0);
  values.clear();
  server_->go_on();
  daos_event_t* none;
  EXPECT_EQ(daos_eq_poll(queue, 1, 0, 1, &none), -DER_NO_HDL);
  for (daos_event_t& event : events) EXPECT_EQ(daos_event_fini(&event), 0);
}

}  // namespace
}  // namespace varve::c_api
