// What the tests of the C interface share: a pool, a container in it, and short ways to say things.
#pragma once

#include <daos.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "client/client.h"
#include "server.h"

namespace varve::c_api {

// The C interface makes no pools: an administrator's work.
inline void create_pool(const char* label, uint64_t bytes) {
  auto options = client::options_from_environment();
  ASSERT_TRUE(options.ok());
  auto session = client::Session::open(*options);
  ASSERT_TRUE(session.ok());
  pool::CreatePool request;
  request.label = label;
  request.bytes = bytes;
  auto created = (*session)->wait((*session)->create_pool(request));
  ASSERT_TRUE(created.ok()) << created.error().describe();
}

inline d_iov_t iov_of(std::string& text) {
  d_iov_t iov;
  d_iov_set(&iov, text.data(), text.size());
  return iov;
}

class CApi : public testing::Test {
 protected:
  static constexpr const char* kPool = "tank";
  static void SetUpTestSuite() {
    server_ = std::make_unique<Server>(true);
    ASSERT_EQ(daos_init(), 0);
    create_pool(kPool, 1ull << 30);
  }
  static void TearDownTestSuite() {
    server_.reset();
    daos_fini();
  }
  void SetUp() override {
    ASSERT_EQ(daos_pool_connect(kPool, nullptr, DAOS_PC_RW, &pool_, nullptr, nullptr), 0);
    static int number = 0;
    label_ = "box" + std::to_string(++number);
    ASSERT_EQ(daos_cont_create_with_label(pool_, label_.c_str(), nullptr, nullptr, nullptr), 0);
    ASSERT_EQ(daos_cont_open(pool_, label_.c_str(), DAOS_COO_RW, &container_, nullptr, nullptr), 0);
  }
  void TearDown() override {
    EXPECT_EQ(daos_cont_close(container_, nullptr), 0);
    EXPECT_EQ(daos_cont_destroy(pool_, label_.c_str(), 1, nullptr), 0);
    EXPECT_EQ(daos_pool_disconnect(pool_, nullptr), 0);
  }
  daos_handle_t open(enum daos_otype_t type = DAOS_OT_MULTI_HASHED, daos_oclass_id_t cid = OC_S1,
                     uint64_t low = 1) {
    daos_obj_id_t oid{low, 0};
    EXPECT_EQ(daos_obj_generate_oid(container_, &oid, type, cid, 0, 0), 0);
    daos_handle_t handle{};
    EXPECT_EQ(daos_obj_open(container_, oid, DAOS_OO_RW, &handle, nullptr), 0);
    return handle;
  }

  static std::unique_ptr<Server> server_;
  daos_handle_t pool_{}, container_{};
  std::string label_;
};

// One single value, in the caller's memory as the C interface wants it.
struct SingleValue {
  std::string dkey_text, akey_text, data;
  daos_key_t dkey;
  daos_iod_t iod{};
  d_iov_t iov;
  d_sg_list_t sgl;
  SingleValue(std::string dkey_name, std::string akey_name, std::string value)
      : dkey_text(std::move(dkey_name)), akey_text(std::move(akey_name)), data(std::move(value)) {
    dkey = iov_of(dkey_text);
    iod.iod_name = iov_of(akey_text);
    iod.iod_type = DAOS_IOD_SINGLE;
    iod.iod_nr = 1;
    iod.iod_size = data.size();
    iov = iov_of(data);
    sgl = {1, 0, &iov};
  }
  SingleValue(const SingleValue&) = delete;
  int update(daos_handle_t object, daos_event_t* event = nullptr, uint64_t flags = 0) {
    return daos_obj_update(object, DAOS_TX_NONE, flags, &dkey, 1, &iod, &sgl, event);
  }
  int fetch(daos_handle_t object, daos_event_t* event = nullptr, uint64_t flags = 0,
            daos_handle_t transaction = DAOS_TX_NONE) {
    iod.iod_size = DAOS_REC_ANY;
    return daos_obj_fetch(object, transaction, flags, &dkey, 1, &iod, &sgl, nullptr, event);
  }
};

}  // namespace varve::c_api
