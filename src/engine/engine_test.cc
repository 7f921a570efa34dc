// A whole engine on memory devices and a network without faults, in virtual time, driven by raw requests.
#include "engine/engine.h"

#include <gtest/gtest.h>

#include "base/checksum.h"
#include "container/wire.h"
#include "object/wire.h"
#include "placement/placement.h"
#include "pool/state.h"
#include "pool/targets.h"
#include "simulation/network.h"
#include "simulation/virtual_time.h"
#include "store/store.h"

namespace varve::engine {
namespace {

constexpr uint32_t kTargets = 2;
constexpr uint64_t kDeviceBytes = 192 * kMiB;

class EngineTest : public testing::Test {
 protected:
  EngineTest() : network_(3) {
    for (uint32_t i = 0; i <= kTargets; ++i) {
      executors_.push_back(std::make_unique<Executor>(time_.clock(), i + 1));
      time_.join(*executors_.back());
    }
    time_.join(client_executor_);
    Options options;
    options.targets = kTargets;
    engine_ = std::make_unique<Engine>(seams(), options);
    auto started = run(engine_->start(), *executors_[kTargets]);
    EXPECT_TRUE(started.ok()) << (started.ok() ? "" : started.error().describe());
    node_ = rpc::make_node(client_executor_, networks("client", client_executor_), {});
    system_ = connect("simulated://system");
    for (uint32_t i = 0; i < kTargets; ++i) targets_.push_back(connect("simulated://target" + std::to_string(i)));
  }
  ~EngineTest() override {
    client_executor_.abandon();
    for (auto& executor : executors_) executor->abandon();
    targets_.clear();
    system_.reset();
    node_.reset();
    engine_.reset();
  }

  Task<Result<std::unique_ptr<device::Device>>> open_device() {
    auto device = device::open_memory(kDeviceBytes);
    devices_.push_back(device->get());
    co_return std::move(device);
  }
  // One bit of where a device has these bytes. False: it has them nowhere.
  bool flip(ByteView bytes) {
    for (device::Device* device : devices_) {
      std::byte* begin = device->direct(0);
      std::byte* end = begin + kDeviceBytes;
      std::byte* found = std::search(begin, end, bytes.begin(), bytes.end());
      if (found == end) continue;
      found[bytes.size() / 2] ^= std::byte{4};
      return true;
    }
    return false;
  }
  std::vector<std::unique_ptr<network::Network>> networks(const char* host, Executor& executor) {
    std::vector<std::unique_ptr<network::Network>> networks;
    networks.push_back(network_.attach(executor, host));
    return networks;
  }
  Seams seams() {
    Seams seams;
    seams.executor = [this](uint32_t index) -> Executor& { return *executors_[index]; };
    seams.device = [this](uint32_t, Executor&) { return open_device(); };
    seams.networks = [this](uint32_t, Executor& executor) {
      return Result<std::vector<std::unique_ptr<network::Network>>>(networks("server", executor));
    };
    seams.listen = [](uint32_t index) {
      return std::vector<network::Address>{
          index == kTargets ? "simulated://system" : "simulated://target" + std::to_string(index)};
    };
    return seams;
  }

  template <class T>
  static Task<void> keep(Task<T> task, std::optional<T>& result) {
    result.emplace(co_await std::move(task));
  }
  template <class T>
  T run(Task<T> task, Executor& executor) {
    std::optional<T> result;
    executor.spawn(keep(std::move(task), result));
    EXPECT_TRUE(time_.run_until([&] { return result.has_value(); }, time_.clock().now() + 600s));
    return std::move(*result);
  }
  std::shared_ptr<rpc::Peer> connect(const std::string& address) {
    auto peer = run(node_->connect(address, client_executor_.now() + 5s), client_executor_);
    EXPECT_TRUE(peer.ok());
    return *peer;
  }
  Result<rpc::Reply> call(rpc::Peer& peer, rpc::Opcode opcode, ByteView body, Gather bulk = {}, Scatter into = {}) {
    const rpc::Call request{opcode, body, bulk, into, client_executor_.now() + 60s};
    return run(peer.call(request), client_executor_);
  }
  template <class Reply, class Request>
  Result<Reply> ask(rpc::Opcode opcode, const Request& request) {
    VARVE_TRY(const rpc::Reply reply, call(*system_, opcode, encode(request)));
    return decode<Reply>(reply.body);
  }

  Result<pool::CreatePoolReply> create_pool(const std::string& label, uint64_t bytes, uint64_t sequence = 0) {
    pool::CreatePool request;
    request.label = label;
    request.bytes = bytes;
    if (sequence) request.operation = {Uuid::from_random(1, 1), sequence};
    return ask<pool::CreatePoolReply>(pool::kPoolCreate, request);
  }
  // A pool and a container in it.
  void make_container(uint64_t bytes = 32 * kMiB) {
    pool_ = create_pool("tank", bytes).value().info.uuid;
    make_container_in_pool("box", {});
  }
  void make_container_in_pool(const std::string& label, std::vector<pool::Property> properties) {
    container::CreateContainer request;
    request.pool = pool_;
    request.label = label;
    request.properties = std::move(properties);
    container_ = ask<container::ContainerReply>(container::kContainerCreate, request).value().info.uuid;
    handle_ = open_it(2);
  }
  Uuid open_it(uint32_t flags) {
    connection_ = ask<pool::ConnectPoolReply>(pool::kPoolConnect, pool::ConnectPool{"tank", 2}).value().handle;
    const container::OpenContainer request{pool_, connection_, container_.to_string(), flags};
    return ask<container::OpenContainerReply>(container::kContainerOpen, request).value().handle;
  }
  object::Target target(uint64_t number = 1) {
    object::Target target;
    target.container_handle = handle_;
    target.pool = pool_;
    target.container = container_;
    target.oid = placement::make_object_id({number, 0}, 0, *placement::class_by_name("S1"));
    return target;
  }
  Result<rpc::Reply> update(const std::string& dkey, const Buffer& value, uint64_t number = 1) {
    object::UpdateRequest request;
    request.target = target(number);
    request.dkey = as_bytes(dkey);
    object::AkeyUpdate& akey = request.akeys.emplace_back();
    akey.akey = as_bytes("akey");
    akey.single_length = value.size();
    const ByteView view = value;
    akey.checksums = store::checksum_run(Gather(&view, 1));
    return call(*targets_[0], object::kObjectUpdate, encode(request), Gather(&view, value.empty() ? 0 : 1));
  }
  uint64_t used() {
    const auto query = ask<pool::QueryPoolReply>(pool::kPoolQuery, pool::QueryPool{"tank"});
    return query->info.space.total - query->info.space.free;
  }
  void set_property(uint32_t type, uint64_t number, Code expected = Code::kOk) {
    pool::SetProperties request;
    request.name = "tank";
    request.properties = {{type, false, number, ""}};
    EXPECT_EQ(ask<pool::Empty>(pool::kPoolSetProperties, request).code(), expected) << type << ": " << number;
  }
  Result<rpc::Reply> update_array(const std::string& dkey, const Buffer& value, uint64_t index = 0) {
    object::UpdateRequest request;
    request.target = target();
    request.dkey = as_bytes(dkey);
    object::AkeyUpdate& akey = request.akeys.emplace_back();
    akey.akey = as_bytes("akey");
    akey.kind = object::ValueKind::kArray;
    akey.ranges = {{index, value.size()}};
    const ByteView view = value;
    return call(*targets_[0], object::kObjectUpdate, encode(request), Gather(&view, 1));
  }
  struct Fetched {
    object::FetchReply reply;
    Buffer data;
  };
  Result<Fetched> fetch(const std::string& dkey, uint64_t room = kMiB, uint64_t number = 1, Epoch epoch = kEpochMax) {
    object::FetchRequest request;
    request.target = target(number);
    request.target.epoch = epoch;
    request.dkey = as_bytes(dkey);
    object::AkeyFetch& akey = request.akeys.emplace_back();
    akey.akey = as_bytes("akey");
    akey.kind = object::ValueKind::kSingle;
    akey.room = room;
    Fetched fetched;
    fetched.data.resize(room);
    const MutableByteView into = fetched.data;
    VARVE_TRY(const rpc::Reply reply, call(*targets_[0], object::kObjectFetch, encode(request), {}, Scatter(&into, 1)));
    fetched.data.resize(reply.bulk_bytes);
    VARVE_TRY(fetched.reply, decode<object::FetchReply>(reply.body));
    return fetched;
  }
  static Buffer value_of(uint64_t bytes, uint64_t seed) {
    Buffer value(bytes);
    for (uint64_t i = 0; i < bytes; ++i) value[i] = std::byte(static_cast<uint8_t>(mix64(seed + i / 8) >> i % 8 * 8));
    return value;
  }
  uint64_t unreserved() {
    return ask<pool::SystemInfo>(pool::kSystemQuery, pool::SystemQuery{}).value().targets[0].unreserved_bytes;
  }

  std::vector<device::Device*> devices_;
  simulation::VirtualTime time_;
  simulation::NetworkSwitch network_;
  std::vector<std::unique_ptr<Executor>> executors_;
  Executor client_executor_{time_.clock(), 99};
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<rpc::Node> node_;
  std::shared_ptr<rpc::Peer> system_;
  std::vector<std::shared_ptr<rpc::Peer>> targets_;
  Uuid pool_, container_, handle_, connection_;
};

TEST_F(EngineTest, pools_are_made_whole_and_once) {
  const uint64_t before = unreserved();
  auto made = create_pool("tank", 32 * kMiB, 1);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->info.targets, kTargets);
  EXPECT_FALSE(made->info.persistent);
  EXPECT_EQ(unreserved(), before - 16 * kMiB);
  auto again = create_pool("tank", 32 * kMiB, 1);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->info.uuid, made->info.uuid);
  EXPECT_EQ(create_pool("tank", 32 * kMiB, 2).code(), Code::kExists);
  EXPECT_EQ(create_pool("huge", 100 * kGiB, 3).code(), Code::kNoSpace);
  EXPECT_EQ(unreserved(), before - 16 * kMiB);
  auto list = ask<pool::ListPoolsReply>(pool::kPoolList, pool::ListPools{});
  ASSERT_EQ(list->pools.size(), 1u);
  EXPECT_EQ(list->pools[0].space.total, 32 * kMiB);
  pool::DestroyPool destroy;
  destroy.name = "tank";
  ASSERT_TRUE(ask<pool::Empty>(pool::kPoolDestroy, destroy).ok());
  EXPECT_EQ(unreserved(), before);
  EXPECT_EQ(ask<pool::Empty>(pool::kPoolDestroy, destroy).code(), Code::kNonexistent);
}

TEST_F(EngineTest, values_of_every_size_come_back) {
  make_container();
  for (uint64_t bytes : {1, 64, 4095, 4096, 4097, 16384, 32768, 32769, 100'000, 1'000'000}) {
    const Buffer value = value_of(bytes, bytes);
    const std::string dkey = "d" + std::to_string(bytes);
    auto updated = update(dkey, value);
    ASSERT_TRUE(updated.ok()) << bytes << " " << updated.error().describe();
    auto fetched = fetch(dkey);
    ASSERT_TRUE(fetched.ok()) << bytes << " " << fetched.error().describe();
    EXPECT_TRUE(fetched->data == value) << bytes;
    const object::FetchedAkey& akey = fetched->reply.akeys.at(0);
    EXPECT_TRUE(akey.found);
    EXPECT_EQ(akey.single_length, bytes);
    uint64_t at = 0;
    for (const object::FetchedPiece& piece : akey.pieces) {
      EXPECT_EQ(piece.checksum, crc32c(ByteView(value).subspan(at, piece.length)));
      at += piece.length;
    }
    EXPECT_EQ(at, bytes);
    // Too little room: the size alone.
    auto size_only = fetch(dkey, bytes - 1);
    ASSERT_TRUE(size_only.ok());
    EXPECT_EQ(size_only->reply.akeys.at(0).single_length, bytes);
    EXPECT_TRUE(size_only->data.empty());
  }
  auto nothing = fetch("none");
  ASSERT_TRUE(nothing.ok());
  EXPECT_FALSE(nothing->reply.akeys.at(0).found);
}

// Whole chunks bring what was stored; parts of chunks, and pieces larger than chunks, what was made anew.
TEST_F(EngineTest, checksums_of_every_kind) {
  make_container(192 * kMiB);
  for (uint8_t kind = 0; kind < kChecksumKinds; ++kind) {
    for (const uint32_t chunk : {1u << 10, 1u << 15, 1u << 20}) {
      const ChecksumFormat format{ChecksumKind{kind}, chunk};
      make_container_in_pool("", {pool::number_property(container::kPropertyChecksum, kind),
                                  pool::number_property(container::kPropertyChecksumSize, chunk)});
      for (const uint64_t bytes : {1ULL, 3000ULL, 70'000ULL, 1'100'000ULL}) {
        const Buffer value = value_of(bytes, bytes);
        object::UpdateRequest request;
        request.target = target();
        request.dkey = as_bytes("d");
        object::AkeyUpdate& akey = request.akeys.emplace_back();
        const std::string name = "array" + std::to_string(bytes);
        akey.akey = as_bytes(name);
        akey.kind = object::ValueKind::kArray;
        akey.ranges = {{7, bytes}};
        const ByteView view = value;
        const auto send = [&](uint32_t checksum_bytes) {
          request.checksum_bytes = checksum_bytes;
          akey.checksums = store::checksum_run(Gather(&view, 1), {format.kind, checksum_bytes});
          return call(*targets_[0], object::kObjectUpdate, encode(request), Gather(&view, 1)).code();
        };
        // One checksum for two chunks is compared, and made into two.
        ASSERT_EQ(send(format.words(bytes) > 4096 ? 1u << 20 : 2 * chunk), Code::kOk);
        if (format.words(bytes) <= 4096) ASSERT_EQ(send(chunk), Code::kOk);
        if (kind > 0) {
          request.checksum_bytes = 1u << 20;
          akey.checksums.assign(ChecksumFormat{format.kind, 1u << 20}.words(bytes), 0x5a5a5a5a);
          EXPECT_EQ(call(*targets_[0], object::kObjectUpdate, encode(request), Gather(&view, 1)).code(),
                    Code::kChecksum);
          request.checksum_bytes = 1000;
          EXPECT_EQ(call(*targets_[0], object::kObjectUpdate, encode(request), Gather(&view, 1)).code(),
                    Code::kInvalid);
        }
        object::FetchRequest wanted;
        wanted.target = target();
        wanted.target.epoch = kEpochMax;
        wanted.dkey = as_bytes("d");
        object::AkeyFetch& fetch = wanted.akeys.emplace_back();
        fetch.akey = akey.akey;
        fetch.kind = object::ValueKind::kArray;
        const uint64_t skip = bytes / 3, length = bytes - skip - bytes / 5;
        fetch.ranges = {{7 + skip, length}};
        Buffer room(length);
        const MutableByteView into = room;
        auto reply = call(*targets_[0], object::kObjectFetch, encode(wanted), {}, Scatter(&into, 1));
        ASSERT_TRUE(reply.ok()) << reply.error().describe();
        EXPECT_TRUE(std::equal(room.begin(), room.end(), value.begin() + static_cast<ptrdiff_t>(skip)));
        auto decoded = decode<object::FetchReply>(reply->body);
        ASSERT_TRUE(decoded.ok());
        const uint32_t width = checksum_words(format.kind);
        const std::vector<uint32_t>& words = decoded->akeys[0].checksums;
        uint64_t at = 0, word = 0;
        for (const object::FetchedPiece& piece : decoded->akeys[0].pieces) {
          ASSERT_LE(at + piece.length, length);
          const ByteView data = ByteView(room).subspan(at, piece.length);
          at += piece.length;
          if (width > 1) ASSERT_LE(word + width, words.size());
          EXPECT_TRUE(checksum_matches(format.kind, data, width > 1 ? &words[word] : &piece.checksum));
          word += width > 1 ? width : 0;
        }
        EXPECT_EQ(at, length);
        EXPECT_EQ(word, words.size());
      }
    }
  }
}

TEST_F(EngineTest, integrity_is_chosen_once) {
  make_container();
  const auto create = [&](uint32_t type, uint64_t number) {
    container::CreateContainer request;
    request.pool = pool_;
    request.properties = {pool::number_property(type, number)};
    return ask<container::ContainerReply>(container::kContainerCreate, request);
  };
  EXPECT_EQ(create(container::kPropertyChecksum, 8).code(), Code::kInvalid);
  EXPECT_EQ(create(container::kPropertyChecksumSize, 512).code(), Code::kInvalid);
  EXPECT_EQ(create(container::kPropertyChecksumSize, 3000).code(), Code::kInvalid);
  EXPECT_EQ(create(container::kPropertyChecksumSize, 32 * kMiB).code(), Code::kInvalid);
  EXPECT_EQ(create(container::kPropertyServerVerify, 2).code(), Code::kInvalid);
  auto made = create(container::kPropertyServerVerify, 0);
  ASSERT_TRUE(made.ok());
  container::SetContainerProperties set;
  set.pool = pool_;
  set.name = made->info.uuid.to_string();
  set.properties = {pool::number_property(container::kPropertyServerVerify, 1)};
  EXPECT_EQ(ask<pool::Empty>(container::kContainerSetProperties, set).code(), Code::kNoPermission);
  set.properties = {pool::number_property(container::kPropertyServerVerify, 0)};
  EXPECT_TRUE(ask<pool::Empty>(container::kContainerSetProperties, set).ok());
  // This one's server trusts writers, and sees on reading that it should not have.
  container_ = made->info.uuid;
  handle_ = open_it(2);
  object::UpdateRequest request;
  request.target = target();
  request.dkey = as_bytes("d");
  object::AkeyUpdate& akey = request.akeys.emplace_back();
  akey.akey = as_bytes("akey");
  akey.single_length = 64;
  akey.checksums = {0x5a5a5a5a};
  const Buffer value = value_of(64, 3);
  const ByteView view = value;
  ASSERT_TRUE(call(*targets_[0], object::kObjectUpdate, encode(request), Gather(&view, 1)).ok());
  const auto fetched = fetch("d");
  EXPECT_EQ(fetched.code(), Code::kChecksum);
  EXPECT_NE(fetched.error().text().find("akey 'akey': bytes 0 to 64 of the value"), std::string_view::npos)
      << fetched.error().text();
}

TEST_F(EngineTest, scrub_marks_what_is_damaged) {
  make_container();
  const auto pause = [&](Duration time) {
    run([](Executor& executor, Duration time) -> Task<int> {
      co_await executor.sleep_for(time);
      co_return 0;
    }(client_executor_, time), client_executor_);
  };
  const auto info = [&] { return ask<pool::SystemInfo>(pool::kSystemQuery, pool::SystemQuery{})->targets[0]; };
  const std::string names[] = {"small", "medium", "large"};
  const uint64_t sizes[] = {100, 3000, 100'000};
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(update(names[i], value_of(sizes[i], sizes[i])).ok());
  ASSERT_TRUE(update_array("array", value_of(50'000, 5)).ok());
  pool::SetProperties set;
  set.name = "tank";
  set.properties = {pool::number_property(16, 3)};
  EXPECT_EQ(ask<pool::Empty>(pool::kPoolSetProperties, set).code(), Code::kInvalid);
  set.properties = {pool::number_property(16, 2), pool::number_property(17, 10), pool::number_property(18, 2)};
  ASSERT_TRUE(ask<pool::Empty>(pool::kPoolSetProperties, set).ok());
  pause(15s);
  EXPECT_GE(info().integrity.scrub_passes, 1u);
  EXPECT_GE(info().integrity.scrubbed_bytes, 150'000u);
  EXPECT_EQ(info().integrity.scrub_errors, 0u);
  for (int i = 0; i < 3; ++i) {
    const Buffer value = value_of(sizes[i], sizes[i]);
    const ByteView part = ByteView(value).subspan(sizes[i] / 2, 40);
    ASSERT_TRUE(flip(part));
    pause(15s);
    EXPECT_EQ(info().integrity.scrub_errors, static_cast<uint64_t>(i + 1));
    const auto refused = fetch(names[i]);
    EXPECT_EQ(refused.code(), Code::kChecksum);
    EXPECT_NE(refused.error().text().find("a scrubber has found"), std::string_view::npos) << refused.error().text();
    pause(30s);
    EXPECT_EQ(info().integrity.scrub_errors, static_cast<uint64_t>(i + 1)) << "found once";
    EXPECT_EQ(info().state.substr(0, 4), i == 0 ? "up" : "bad:");
    ASSERT_TRUE(update(names[i], value).ok());
    auto healed = fetch(names[i]);
    ASSERT_TRUE(healed.ok());
    EXPECT_TRUE(healed->data == value);
  }
  const Buffer array = value_of(50'000, 5);
  ASSERT_TRUE(flip(ByteView(array).subspan(40'000, 40)));
  pause(15s);
  EXPECT_EQ(info().integrity.scrub_errors, 4u);
  set.properties = {pool::number_property(16, 0)};
  ASSERT_TRUE(ask<pool::Empty>(pool::kPoolSetProperties, set).ok());
  const uint64_t passes = info().integrity.scrub_passes;
  pause(60s);
  EXPECT_EQ(info().integrity.scrub_passes, passes);
}

TEST_F(EngineTest, arrays_with_holes) {
  make_container();
  const Buffer data = value_of(60'000, 5);
  object::UpdateRequest request;
  request.target = target();
  request.dkey = as_bytes("d");
  object::AkeyUpdate& akey = request.akeys.emplace_back();
  akey.akey = as_bytes("array");
  akey.kind = object::ValueKind::kArray;
  akey.record_size = 4;
  akey.ranges = {{100, 5000}, {20'000, 10'000}};
  const ByteView all = data;
  ASSERT_TRUE(call(*targets_[0], object::kObjectUpdate, encode(request), Gather(&all, 1)).ok());
  object::FetchRequest wanted;
  wanted.target = target();
  wanted.target.epoch = kEpochMax;
  wanted.dkey = as_bytes("d");
  object::AkeyFetch& fetch = wanted.akeys.emplace_back();
  fetch.akey = as_bytes("array");
  fetch.kind = object::ValueKind::kArray;
  fetch.ranges = {{50, 100}, {19'990, 5000}};
  Buffer room(4 * 5100);
  const MutableByteView into = room;
  auto reply = call(*targets_[0], object::kObjectFetch, encode(wanted), {}, Scatter(&into, 1));
  ASSERT_TRUE(reply.ok()) << reply.error().describe();
  auto decoded = decode<object::FetchReply>(reply->body);
  ASSERT_TRUE(decoded.ok());
  Buffer seen;
  uint64_t at = 0;
  for (const object::FetchedPiece& piece : decoded->akeys[0].pieces) {
    if (piece.hole) {
      seen.resize(seen.size() + piece.length);
      continue;
    }
    EXPECT_EQ(piece.checksum, crc32c(ByteView(room).subspan(at, piece.length)));
    seen.insert(seen.end(), room.begin() + static_cast<ptrdiff_t>(at),
                room.begin() + static_cast<ptrdiff_t>(at + piece.length));
    at += piece.length;
  }
  Buffer expected(200);
  expected.insert(expected.end(), data.begin(), data.begin() + 200);
  expected.resize(expected.size() + 40);
  expected.insert(expected.end(), data.begin() + 20'000, data.begin() + 20'000 + 4990 * 4);
  EXPECT_TRUE(seen == expected);
  EXPECT_EQ(decoded->akeys[0].record_size, 4u);
}

TEST_F(EngineTest, bad_updates_are_refused) {
  make_container();
  object::UpdateRequest request;
  request.target = target();
  request.dkey = as_bytes("d");
  request.akeys.resize(1);
  object::AkeyUpdate& akey = request.akeys[0];
  akey.akey = as_bytes("a");
  akey.single_length = 100;
  const Buffer value = value_of(100, 1);
  const ByteView view = value;
  const auto send = [&] { return call(*targets_[0], object::kObjectUpdate, encode(request), Gather(&view, 1)).code(); };
  EXPECT_EQ(send(), Code::kOk);
  akey.checksums = {1};
  EXPECT_EQ(send(), Code::kChecksum);
  akey.checksums = {1, 2};
  EXPECT_EQ(send(), Code::kBadIo);
  akey.checksums = {};
  akey.single_length = 99;
  EXPECT_EQ(send(), Code::kBadIo);
  akey.single_length = ~0ULL;
  EXPECT_EQ(send(), Code::kRecordTooBig);
  akey.single_length = 100;
  const std::string long_key(5000, 'k');
  akey.akey = as_bytes(long_key);
  EXPECT_EQ(send(), Code::kKeyTooBig);
  akey.akey = {};
  EXPECT_EQ(send(), Code::kInvalid);
  akey.akey = as_bytes("a");
  akey.kind = static_cast<object::ValueKind>(7);
  EXPECT_EQ(send(), Code::kInvalid);
  akey.kind = object::ValueKind::kArray;
  akey.ranges = {{~0ULL, 100}};
  EXPECT_EQ(send(), Code::kBadIo);
  akey.ranges = {{0, 1ULL << 62}, {0, 1ULL << 62}};
  EXPECT_EQ(send(), Code::kBadIo);
  akey.kind = object::ValueKind::kSingle;
  akey.ranges = {};
  request.target.epoch = Epoch{~0ULL - 5};
  EXPECT_EQ(send(), Code::kClockSkew);
  request.target.epoch = kEpochNone;
  request.target.container = Uuid::from_random(4, 4);
  EXPECT_EQ(send(), Code::kNoHandle);
}

TEST_F(EngineTest, destroyed_containers_are_gone) {
  make_container();
  ASSERT_TRUE(update("d", value_of(64, 1)).ok());
  container::DestroyContainer destroy;
  destroy.pool = pool_;
  destroy.name = "box";
  EXPECT_EQ(ask<pool::Empty>(container::kContainerDestroy, destroy).code(), Code::kBusy);
  destroy.force = true;
  ASSERT_TRUE(ask<pool::Empty>(container::kContainerDestroy, destroy).ok());
  EXPECT_EQ(update("d", value_of(64, 1)).code(), Code::kNoHandle);
  EXPECT_EQ(fetch("d").code(), Code::kNoHandle);
}

TEST_F(EngineTest, only_open_handles_are_served) {
  make_container();
  ASSERT_TRUE(update("d", value_of(64, 1)).ok());
  const Uuid writing = std::exchange(handle_, Uuid());
  EXPECT_EQ(fetch("d").code(), Code::kNoHandle);
  handle_ = Uuid::from_random(1, 2);
  EXPECT_EQ(fetch("d").code(), Code::kNoHandle);
  handle_ = open_it(1);
  EXPECT_TRUE(fetch("d").ok());
  EXPECT_EQ(update("d", value_of(64, 2)).code(), Code::kNoPermission);
  container::CloseContainer close{pool_, container_, handle_};
  ASSERT_TRUE(ask<pool::Empty>(container::kContainerClose, close).ok());
  EXPECT_EQ(fetch("d").code(), Code::kNoHandle);
  handle_ = writing;
  EXPECT_TRUE(fetch("d").ok());
  ASSERT_TRUE(ask<pool::Empty>(pool::kPoolEvict, pool::EvictPool{{}, "tank"}).ok());
  EXPECT_EQ(fetch("d").code(), Code::kNoHandle);
  // Evicted by whom opens it.
  const Uuid first = handle_ = open_it(2);
  EXPECT_TRUE(fetch("d").ok());
  const Uuid second = open_it(2 | 64);
  EXPECT_EQ(fetch("d").code(), Code::kNoHandle);
  handle_ = second;
  EXPECT_TRUE(fetch("d").ok());
  EXPECT_NE(first, second);
}

TEST_F(EngineTest, snapshots_keep_what_was) {
  make_container();
  ASSERT_TRUE(update("d", value_of(64, 1)).ok());
  container::CreateSnapshot request;
  request.pool = pool_;
  request.container = container_;
  auto snapshot = ask<container::Snapshot>(container::kSnapshotCreate, request);
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().describe();
  ASSERT_TRUE(update("d", value_of(64, 2)).ok());
  time_.run_for(20s);  // reclaim has looked at it
  EXPECT_TRUE(fetch("d", kMiB, 1, snapshot->epoch)->data == value_of(64, 1));
  EXPECT_TRUE(fetch("d")->data == value_of(64, 2));
}

TEST_F(EngineTest, long_listings_come_in_pages) {
  make_container();
  std::set<std::string> expected;
  for (int i = 0; i < 300; ++i) {
    const std::string dkey = std::to_string(i) + std::string(i % 3 ? 10 : 1500, 'x');
    expected.insert(dkey);
    ASSERT_TRUE(update(dkey, value_of(8, 1)).ok());
  }
  std::set<std::string> found;
  object::ListRequest request;
  request.target = target();
  request.target.epoch = kEpochMax;
  int pages = 0;
  for (; !request.anchor.end && pages < 100; ++pages) {
    auto reply = call(*targets_[0], object::kObjectListKeys, encode(request));
    ASSERT_TRUE(reply.ok()) << reply.error().describe();
    auto page = decode<object::ListReply>(reply->body);
    for (const object::ListedEntry& entry : page->entries)
      EXPECT_TRUE(found.insert(std::string(as_text(entry.key))).second);
    request.anchor = page->anchor;
  }
  EXPECT_EQ(found, expected);
  EXPECT_GT(pages, 2);
}

TEST_F(EngineTest, full_pool_reads_punches_and_recovers) {
  make_container(8 * kMiB);
  const Buffer value = value_of(100'000, 3);
  uint64_t written = 0;
  Code code = Code::kOk;
  for (; written < 1000; ++written) {
    code = update("d" + std::to_string(written), value).code();
    if (code != Code::kOk) break;
  }
  EXPECT_EQ(code, Code::kNoSpace);
  EXPECT_GT(written, 20u);
  EXPECT_TRUE(fetch("d0")->data == value);
  object::PunchRequest punch;
  punch.target = target();
  for (uint64_t i = 0; i < written; ++i) {
    const std::string dkey = "d" + std::to_string(i);
    punch.scope = object::PunchScope::kDkey;
    punch.dkeys = {as_bytes(dkey)};
    auto punched = call(*targets_[0], object::kObjectPunch, encode(punch));
    ASSERT_TRUE(punched.ok()) << punched.error().describe();
  }
  time_.run_for(60s);
  for (uint64_t i = 0; i < written; ++i) {
    auto updated = update("e" + std::to_string(i), value);
    ASSERT_TRUE(updated.ok()) << i << " of " << written << ": " << updated.error().describe();
  }
}

// What is overwritten comes back, long before the pool is full.
TEST_F(EngineTest, overwritten_space_is_used_again) {
  make_container(256 * kMiB);
  for (int i = 0; i < 400; ++i) {
    const Buffer value = value_of(kMiB, i);
    auto updated = i % 2 ? update("d" + std::to_string(i % 4), value)
                         : update_array("a" + std::to_string(i % 4), value);
    ASSERT_TRUE(updated.ok()) << i << ": " << updated.error().describe();
    time_.run_for(5ms);
  }
  time_.run_for(1s);
  auto query = ask<pool::QueryPoolReply>(pool::kPoolQuery, pool::QueryPool{"tank"});
  EXPECT_GT(query->info.space.free, (256 - 16) * kMiB);
}

// Row 2.16: small pieces of an array become large extents when nothing else is going on.
TEST_F(EngineTest, small_pieces_are_joined) {
  make_container();
  Buffer all;
  for (uint64_t i = 0; i < 150; ++i) {
    const Buffer piece = value_of(6000, i);
    ASSERT_TRUE(update_array("d", piece, i * 6000).ok());
    all.insert(all.end(), piece.begin(), piece.end());
  }
  EXPECT_GT(used(), 150 * 8192u);
  time_.run_for(20s);
  EXPECT_LT(used(), all.size() + 8192);
  object::FetchRequest request;
  request.target = target();
  request.target.epoch = kEpochMax;
  request.dkey = as_bytes("d");
  object::AkeyFetch& akey = request.akeys.emplace_back();
  akey.akey = as_bytes("akey");
  akey.kind = object::ValueKind::kArray;
  akey.ranges = {{0, all.size()}};
  Buffer found(all.size());
  const MutableByteView into = found;
  ASSERT_TRUE(call(*targets_[0], object::kObjectFetch, encode(request), {}, Scatter(&into, 1)).ok());
  EXPECT_TRUE(found == all);
}

TEST_F(EngineTest, reclaim_is_a_property) {
  make_container();
  set_property(pool::kPropertyReclaim, 2, Code::kNotSupported);
  set_property(pool::kPropertyReclaim, 9, Code::kInvalid);
  set_property(pool::kPropertyReclaim, pool::kReclaimDisabled);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(update("d", value_of(100'000, i)).ok());
  time_.run_for(20s);
  EXPECT_GT(used(), 10 * 100'000u);
  container::AggregateContainer aggregate{pool_, container_, kEpochMax};
  ASSERT_TRUE(ask<pool::Empty>(container::kContainerAggregate, aggregate).ok());
  time_.run_for(1s);
  EXPECT_LT(used(), 2 * 102'400u);
  aggregate.container = pool_;
  EXPECT_EQ(ask<pool::Empty>(container::kContainerAggregate, aggregate).code(), Code::kNonexistent);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(update("d", value_of(100'000, i)).ok());
  set_property(pool::kPropertyReclaim, pool::kReclaimTime);
  time_.run_for(20s);
  EXPECT_LT(used(), 2 * 102'400u);
}

// Row 9.10: where small values lie is a property, too, and changes while values are written.
TEST_F(EngineTest, data_threshold_is_a_property) {
  make_container();
  set_property(pool::kPropertyDataThreshold, 10, Code::kInvalid);
  const uint64_t empty = used();
  ASSERT_TRUE(update("a", value_of(2000, 1)).ok());
  EXPECT_LT(used() - empty, 2500u);
  set_property(pool::kPropertyDataThreshold, 1024);
  ASSERT_TRUE(update("b", value_of(2000, 2)).ok());
  EXPECT_GT(used() - empty, 2000u + 4096);
  EXPECT_TRUE(fetch("a")->data == value_of(2000, 1));
  EXPECT_TRUE(fetch("b")->data == value_of(2000, 2));
}

// Every opcode, every truncation of a good message, and noise: an answer each time.
TEST_F(EngineTest, malformed_messages_are_answered) {
  make_container();
  object::UpdateRequest update_request;
  update_request.target = target();
  update_request.dkey = as_bytes("d");
  update_request.akeys.resize(2);
  update_request.akeys[0].akey = as_bytes("a");
  update_request.akeys[1].akey = as_bytes("b");
  update_request.akeys[1].ranges = {{1, 2}};
  object::FetchRequest fetch_request;
  fetch_request.target = target();
  fetch_request.dkey = as_bytes("d");
  fetch_request.akeys.resize(1);
  fetch_request.akeys[0].akey = as_bytes("a");
  const std::vector<Buffer> bodies = {encode(update_request), encode(fetch_request), encode(object::PunchRequest{}),
                                      encode(object::ListRequest{}), encode(object::QueryRequest{}), Buffer(1)};
  Random random(5);
  for (rpc::Opcode opcode = object::kObjectUpdate; opcode <= object::kObjectListObjects; ++opcode)
    for (const Buffer& body : bodies)
      for (size_t length = 1; length <= body.size(); ++length) {
        Buffer cut(body.begin(), body.begin() + static_cast<ptrdiff_t>(length));
        if (random.one_in(2)) cut[random.below(length)] ^= std::byte(1 << random.below(8));
        call(*targets_[0], opcode, cut).code();
      }
  for (rpc::Opcode high : {0x0100, 0x0110, 0x0200})
    for (rpc::Opcode low = 0; low < 16; ++low)
      for (int round = 0; round < 50; ++round) {
        Buffer noise(1 + random.below(200));
        for (std::byte& byte : noise) byte = std::byte(random.below(random.one_in(2) ? 4 : 256));
        call(*system_, static_cast<rpc::Opcode>(high + low), noise).code();
      }
  EXPECT_TRUE(update("still", value_of(64, 1)).ok());
}

}  // namespace
}  // namespace varve::engine
