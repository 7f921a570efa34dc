// Event queues, events, and processes that fork.
#include <sys/wait.h>
#include <unistd.h>

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
  constexpr int kCount = 64;
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

TEST_F(Events, ChildOfForkBeginsAnew) {
  SingleValue value("d", "a", "of the parent");
  ASSERT_EQ(value.update(object_), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // No gtest here: the exit code tells.
    daos_handle_t pool{}, container{}, object{};
    if (value.fetch(object_) != -DER_UNINIT) _exit(1);
    if (daos_init() != 0) _exit(2);
    if (value.fetch(object_) != -DER_NO_HDL) _exit(3);
    if (daos_pool_connect(kPool, nullptr, DAOS_PC_RW, &pool, nullptr, nullptr) != 0) _exit(4);
    if (daos_cont_open(pool, label_.c_str(), DAOS_COO_RW, &container, nullptr, nullptr) != 0)
      _exit(5);
    daos_obj_id_t oid{1, 0};
    daos_obj_generate_oid(container, &oid, DAOS_OT_MULTI_HASHED, OC_S1, 0, 0);
    if (daos_obj_open(container, oid, DAOS_OO_RW, &object, nullptr) != 0) _exit(6);
    if (value.fetch(object) != 0 || value.data != "of the parent") _exit(7);
    daos_obj_close(object, nullptr);
    daos_cont_close(container, nullptr);
    daos_pool_disconnect(pool, nullptr);
    if (daos_fini() != 0) _exit(8);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(value.fetch(object_), 0);
}

}  // namespace
}  // namespace varve::c_api
