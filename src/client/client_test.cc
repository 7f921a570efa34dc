// The session against a fake server, in virtual time: what it sends, what it believes, and what it
// does when answers do not come.
#include <gtest/gtest.h>

#include "client/fake_server.h"
#include "simulation/network.h"
#include "simulation/virtual_time.h"
#include "store/store.h"

namespace varve::client {
namespace {

static_assert(object::kChecksumChunkBytes == store::kChunkBytes);
static_assert(object::kKeyBytesMax == store::kKeyBytesMax);

using Fault = FakeServer::Fault;
constexpr uint64_t kDkeyInsert = 2, kPunch = 1;

class ClientTest : public testing::Test {
 protected:
  ClientTest()
      : switch_(7), server_executor_(time_.clock(), 1), client_executor_(time_.clock(), 2) {
    time_.join(server_executor_);
    time_.join(client_executor_);
    server_ = std::make_unique<FakeServer>(server_executor_, node(server_executor_, "server"),
                                           addresses());
    Options options;
    options.addresses = {"simulated://system"};
    session_ = Session::over(client_executor_, node(client_executor_, "client"), options);
  }
  ~ClientTest() override {
    session_.reset();
    server_.reset();
  }

  static std::vector<std::string> addresses() {
    return {"simulated://system", "simulated://target1"};
  }
  std::unique_ptr<rpc::Node> node(Executor& executor, const char* host) {
    std::vector<std::unique_ptr<network::Network>> networks;
    networks.push_back(switch_.attach(executor, host));
    return rpc::make_node(executor, std::move(networks), {});
  }
  template <class T>
  static Task<void> keep(Task<T> task, std::optional<T>& result) {
    result.emplace(co_await std::move(task));
  }
  template <class T>
  T run(Task<T> task) {
    std::optional<T> result;
    client_executor_.spawn(keep(std::move(task), result));
    EXPECT_TRUE(time_.run_until([&] { return result.has_value(); }, time_.clock().now() + 3600s));
    return std::move(*result);
  }
  Object open(uint32_t class_id = 0x1000001, uint64_t number = 1) {
    if (!container_) {
      auto pool = run(session_->connect_pool("tank", 2));
      EXPECT_TRUE(pool.ok());
      auto container = run(session_->open_container(*pool, "box", 2));
      EXPECT_TRUE(container.ok());
      container_ = *container;
    }
    const ObjectId oid =
        placement::make_object_id({number, 0}, 0, *placement::class_by_id(class_id));
    return *session_->open_object(container_, oid);
  }
  Result<Epoch> put(const Object& object, std::string_view dkey, std::string_view akey,
                    ByteView value, uint64_t conditions = 0) {
    IoDescriptor descriptor;
    descriptor.akey = as_bytes(akey);
    descriptor.from = Gather(&value, 1);
    return run(session_->update(object, as_bytes(dkey), conditions, std::span(&descriptor, 1)));
  }
  Result<std::string> get(const Object& object, std::string_view dkey, std::string_view akey,
                          size_t room = 100) {
    std::string text(room, '?');
    const MutableByteView into(reinterpret_cast<std::byte*>(text.data()), text.size());
    IoDescriptor descriptor;
    descriptor.akey = as_bytes(akey);
    descriptor.into = Scatter(&into, 1);
    VARVE_CHECK(run(session_->fetch(object, as_bytes(dkey), 0, std::span(&descriptor, 1))));
    return text.substr(0, descriptor.fetched_bytes);
  }
  Result<void> write(const Object& object, object::Range range, ByteView data,
                     uint64_t record_size = 1) {
    IoDescriptor descriptor;
    descriptor.akey = as_bytes("a");
    descriptor.kind = object::ValueKind::kArray;
    descriptor.record_size = record_size;
    descriptor.ranges = std::span(&range, 1);
    descriptor.from = Gather(&data, 1);
    auto done = run(session_->update(object, as_bytes("d"), 0, std::span(&descriptor, 1)));
    return done ? Result<void>() : Result<void>(done.error());
  }
  Duration elapsed(Instant since) { return time_.clock().now() - since; }

  simulation::VirtualTime time_;
  simulation::NetworkSwitch switch_;
  Executor server_executor_, client_executor_;
  std::unique_ptr<FakeServer> server_;
  std::unique_ptr<Session> session_;
  Container container_;
};

TEST_F(ClientTest, SingleValues) {
  const Object object = open();
  ASSERT_TRUE(put(object, "d", "a", as_bytes("hello")).ok());
  EXPECT_EQ(*get(object, "d", "a"), "hello");
  EXPECT_EQ(*get(object, "d", "b"), "");
  EXPECT_EQ(*get(object, "e", "a"), "");
  EXPECT_EQ(get(object, "d", "a", 4).code(), Code::kRecordTooBig);
  // Only the size.
  IoDescriptor descriptor;
  descriptor.akey = as_bytes("a");
  ASSERT_TRUE(run(session_->fetch(object, as_bytes("d"), 0, std::span(&descriptor, 1))).ok());
  EXPECT_EQ(descriptor.record_size, 5u);
}

TEST_F(ClientTest, LargeValuesGoBesideTheMessage) {
  const Object object = open();
  Buffer value(3'000'001);
  for (size_t i = 0; i < value.size(); ++i) value[i] = static_cast<std::byte>(i * 31);
  ASSERT_TRUE(put(object, "d", "a", value).ok());
  EXPECT_EQ(*get(object, "d", "a", value.size() + 5), as_text(ByteView(value)));
}

TEST_F(ClientTest, SeveralAkeysOneOfThemShorterThanItsRoom) {
  const Object object = open();
  ASSERT_TRUE(put(object, "d", "x", as_bytes("first")).ok());
  ASSERT_TRUE(put(object, "d", "z", as_bytes("third")).ok());
  std::string rooms[3] = {std::string(10, '.'), std::string(10, '.'), std::string(5, '.')};
  MutableByteView views[3];
  IoDescriptor descriptors[3];
  const std::string_view names[3] = {"x", "y", "z"};
  for (int i = 0; i < 3; ++i) {
    views[i] = {reinterpret_cast<std::byte*>(rooms[i].data()), rooms[i].size()};
    descriptors[i].akey = as_bytes(names[i]);
    descriptors[i].into = Scatter(&views[i], 1);
  }
  ASSERT_TRUE(run(session_->fetch(object, as_bytes("d"), 0, descriptors)).ok());
  EXPECT_EQ(rooms[0], "first.....");
  EXPECT_EQ(rooms[1], "..........");
  EXPECT_EQ(rooms[2], "third");
  EXPECT_EQ(descriptors[1].record_size, 0u);
}

TEST_F(ClientTest, HolesOfArrays) {
  const Object object = open();
  for (const uint64_t scale : {uint64_t{1}, uint64_t{10'000}}) {  // in the message, beside it
    server_->objects.clear();
    const Buffer data(4 * scale, std::byte{'d'});
    ASSERT_TRUE(write(object, {2 * scale, 4 * scale}, data).ok());
    for (const bool zeroes : {false, true}) {
      std::string room(10 * scale, '.');
      const size_t half = 3 * scale;
      const MutableByteView into[2] = {
          {reinterpret_cast<std::byte*>(room.data()), half},
          {reinterpret_cast<std::byte*>(room.data()) + half, room.size() - half}};
      const object::Range range{0, 10 * scale};
      std::vector<object::FetchedPiece> found;
      IoDescriptor descriptor;
      descriptor.akey = as_bytes("a");
      descriptor.kind = object::ValueKind::kArray;
      descriptor.ranges = std::span(&range, 1);
      descriptor.into = into;
      descriptor.zero_holes = zeroes;
      descriptor.found = &found;
      ASSERT_TRUE(run(session_->fetch(object, as_bytes("d"), 0, std::span(&descriptor, 1))).ok());
      const bool front_is_zeroed = zeroes || scale > 1;
      EXPECT_EQ(room.substr(0, 2 * scale), std::string(2 * scale, front_is_zeroed ? '\0' : '.'));
      EXPECT_EQ(room.substr(2 * scale, 4 * scale), std::string(4 * scale, 'd'));
      EXPECT_EQ(room.substr(6 * scale), std::string(4 * scale, zeroes ? '\0' : '.'));
      EXPECT_EQ(descriptor.fetched_end, 6 * scale);
      EXPECT_EQ(descriptor.fetched_bytes, 4 * scale);
      EXPECT_EQ(descriptor.record_size, 1u);
      EXPECT_GE(found.size(), 3u);
    }
  }
}

TEST_F(ClientTest, BadArgumentsAreRefusedHere) {
  const Object object = open();
  EXPECT_EQ(put(object, "", "a", as_bytes("v")).code(), Code::kInvalid);
  EXPECT_EQ(put(object, std::string(5000, 'k'), "a", as_bytes("v")).code(), Code::kKeyTooBig);
  EXPECT_EQ(put(object, "d", std::string(5000, 'k'), as_bytes("v")).code(), Code::kKeyTooBig);
  EXPECT_EQ(write(object, {0, 5}, as_bytes("four")).code(), Code::kBadIo);
  EXPECT_EQ(write(object, {~0ULL, 5}, as_bytes("fiveb")).code(), Code::kInvalid);
  EXPECT_EQ(server_->requests(object::kObjectUpdate), 0u);
  Object reader = object;
  reader.snapshot = Epoch{5};
  EXPECT_EQ(put(reader, "d", "a", as_bytes("v")).code(), Code::kNoPermission);
  container_->closed = true;
  EXPECT_EQ(put(object, "d", "a", as_bytes("v")).code(), Code::kNoHandle);
}

TEST_F(ClientTest, DamagedDataIsFetchedOnceMore) {
  const Object object = open();
  ASSERT_TRUE(put(object, "d", "a", as_bytes("hello")).ok());
  server_->next(object::kObjectFetch, Fault::kDamaged);
  EXPECT_EQ(*get(object, "d", "a"), "hello");
  EXPECT_EQ(server_->requests(object::kObjectFetch), 2u);
  server_->next(object::kObjectFetch, Fault::kDamaged);
  server_->next(object::kObjectFetch, Fault::kDamaged);
  EXPECT_EQ(get(object, "d", "a").code(), Code::kChecksum);
}

TEST_F(ClientTest, StaleMapIsRefreshed) {
  const Object object = open();
  server_->next(object::kObjectUpdate, Fault::kStale);
  ASSERT_TRUE(put(object, "d", "a", as_bytes("hello")).ok());
  EXPECT_EQ(server_->requests(pool::kPoolQuery), 1u);
  // The object as it was opened goes on without another refusal.
  ASSERT_TRUE(put(object, "d", "a", as_bytes("again")).ok());
  EXPECT_EQ(server_->requests(object::kObjectUpdate), 3u);
}

TEST_F(ClientTest, SilenceIsTriedAgainAndEndsAtTheDeadline) {
  const Object object = open();
  server_->next(object::kObjectUpdate, Fault::kSilence);
  ASSERT_TRUE(put(object, "d", "a", as_bytes("hello")).ok());
  EXPECT_EQ(server_->requests(object::kObjectUpdate), 2u);

  const Instant start = time_.clock().now();
  switch_.isolate("server");
  const Result<std::string> lost = get(object, "d", "a");
  EXPECT_EQ(lost.code(), Code::kTimedOut);
  EXPECT_GE(elapsed(start), 30s);
  EXPECT_LE(elapsed(start), 31s);
  switch_.isolate("server", false);
  EXPECT_EQ(*get(object, "d", "a"), "hello");
}

TEST_F(ClientTest, LostConnectionsAreMadeAgain) {
  const Object object = open();
  ASSERT_TRUE(put(object, "d", "a", as_bytes("hello")).ok());
  for (int i = 0; i < 5; ++i) {
    switch_.reset_connections("server");
    EXPECT_EQ(*get(object, "d", "a"), "hello");
  }
}

TEST_F(ClientTest, RestartedServerIsWaitedFor) {
  const Object object = open();
  ASSERT_TRUE(put(object, "d", "a", as_bytes("hello")).ok());
  auto objects = server_->objects;
  server_.reset();
  std::optional<Result<Epoch>> result;
  const ByteView value = as_bytes("after");
  IoDescriptor descriptor;
  descriptor.akey = as_bytes("a");
  descriptor.from = Gather(&value, 1);
  client_executor_.spawn(
      keep(session_->update(object, as_bytes("d"), 0, std::span(&descriptor, 1)), result));
  time_.run_for(3s);
  EXPECT_FALSE(result.has_value());
  server_ =
      std::make_unique<FakeServer>(server_executor_, node(server_executor_, "server"), addresses());
  server_->objects = objects;
  EXPECT_TRUE(time_.run_until([&] { return result.has_value(); }, time_.clock().now() + 5s));
  EXPECT_TRUE(result->ok());
  EXPECT_EQ(*get(object, "d", "a"), "after");
}

TEST_F(ClientTest, NobodyThereIsSaidAtOnce) {
  server_.reset();
  const Instant start = time_.clock().now();
  const auto pool = run(session_->connect_pool("tank", 2));
  EXPECT_EQ(pool.code(), Code::kUnreachable);
  EXPECT_LT(elapsed(start), 1s);
  EXPECT_NE(pool.error().text().find("simulated://system"), std::string_view::npos)
      << pool.error().text();
}

TEST_F(ClientTest, LostInsertsAreRecognised) {
  const Object object = open();
  const std::string_view unique = "an inode's record, unlike all others";
  server_->next(object::kObjectUpdate, Fault::kLostReply);
  EXPECT_TRUE(put(object, "d", "a", as_bytes(unique), kDkeyInsert).ok());
  EXPECT_EQ(put(object, "d", "a", as_bytes(unique), kDkeyInsert).code(), Code::kExists);
  // Bytes that anybody may have written prove nothing.
  server_->next(object::kObjectUpdate, Fault::kLostReply);
  const auto unknown = put(object, "e", "a", as_bytes("1"), kDkeyInsert);
  EXPECT_EQ(unknown.code(), Code::kTimedOut);
  EXPECT_NE(unknown.error().text().find("not known"), std::string_view::npos);
}

TEST_F(ClientTest, LostPunchIsNotMistakenForNothingThere) {
  const Object object = open();
  ASSERT_TRUE(put(object, "d", "a", as_bytes("hello")).ok());
  server_->next(object::kObjectPunch, Fault::kLostReply);
  const ByteView dkey = as_bytes("d");
  EXPECT_EQ(run(session_->punch(object, std::span(&dkey, 1), {}, kPunch)).code(), Code::kTimedOut);
  EXPECT_EQ(run(session_->punch(object, std::span(&dkey, 1), {}, kPunch)).code(),
            Code::kNonexistent);
  EXPECT_TRUE(run(session_->punch(object, std::span(&dkey, 1), {}, 0)).ok());
}

TEST_F(ClientTest, RefusedByAServerThatShutsDownIsTriedAgain) {
  const Object object = open();
  server_->next(object::kObjectUpdate, Fault::kShutdown);
  server_->next(object::kObjectUpdate, Fault::kShutdown);
  EXPECT_TRUE(put(object, "d", "a", as_bytes("hello"), kDkeyInsert).ok());
}

TEST_F(ClientTest, ListingsWithinABuffer) {
  const Object object = open();
  std::set<std::string> names;
  for (int i = 0; i < 100; ++i) {
    names.insert("key " + std::to_string(i));
    ASSERT_TRUE(put(object, "key " + std::to_string(i), "a", as_bytes("v")).ok());
  }
  std::multiset<std::string> listed;
  Session::Anchor anchor;
  int pages = 0;
  while (!anchor.end) {
    auto page = run(session_->list_dkeys(object, anchor, 30, 90));
    ASSERT_TRUE(page.ok());
    uint64_t bytes = 0;
    for (const object::ListedEntry& entry : *page) {
      listed.insert(std::string(as_text(entry.key)));
      bytes += entry.key.size();
    }
    EXPECT_LE(bytes, 90u);
    ++pages;
  }
  EXPECT_EQ(std::vector<std::string>(listed.begin(), listed.end()),
            std::vector<std::string>(names.begin(), names.end()));
  EXPECT_GE(pages, 8);
  // A key longer than the buffer comes alone.
  ASSERT_TRUE(put(object, std::string(200, 'a'), "a", as_bytes("v")).ok());
  anchor = {};
  auto page = run(session_->list_dkeys(object, anchor, 30, 90));
  ASSERT_EQ(page->size(), 1u);
  EXPECT_EQ(page->front().key.size(), 200u);
}

TEST_F(ClientTest, ObjectIdsAreAllocatedInRanges) {
  open();
  std::set<uint64_t> seen;
  for (int i = 0; i < 3000; ++i) {
    const Result<uint64_t> id = run(session_->allocate_object_ids(container_, 1));
    ASSERT_TRUE(id.ok());
    EXPECT_TRUE(seen.insert(*id).second);
  }
  EXPECT_EQ(server_->requests(container::kAllocateObjectIds), 3u);
}

}  // namespace
}  // namespace varve::client
