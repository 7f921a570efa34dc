#include <gtest/gtest.h>

#include <map>

#include "block/volume.h"
#include "consensus/key_value.h"
#include "consensus/operations.h"

namespace varve::consensus {
namespace {

// A heap in memory with a copy of what is durable: enough of a volume for a key-value store.
class FakeVolume final : public block::Volume {
 public:
  static constexpr uint64_t kBytes = 4 * kMiB;
  explicit FakeVolume(Buffer image = Buffer(kBytes)) : live_(std::move(image)) { base_ = live_.data(); }

  Task<Result<void>> close() override { co_return Result<void>(); }
  bool ready_for(uint64_t) override { return true; }
  Task<Result<void>> wait_ready(uint64_t) override { co_return Result<void>(); }
  void begin(bool) override { before_ = live_; }
  Result<block::HeapOffset> allocate(uint32_t bytes) override {
    if (allocations_left == 0) return Error(Code::kNoSpace, "full");
    --allocations_left;
    next_ = round_up(next_, 16);
    const uint64_t at = next_;
    next_ += bytes;
    return at;
  }
  void free(block::HeapOffset, uint32_t) override {}
  void change(block::HeapOffset, uint32_t) override {}
  block::Lsn commit() override { return {++committed_}; }
  void rollback() override { std::copy(before_.begin(), before_.end(), live_.begin()); }
  Task<Result<void>> durable(block::Lsn lsn) override {
    if (fail_durable) co_return Error(Code::kIo, "device failed");
    co_await Executor::current()->yield();
    durable_ = lsn;
    image = live_;
    co_return Result<void>();
  }
  block::Lsn last_committed() const override { return {committed_}; }
  Result<block::Extent> reserve(uint64_t) override { return Code::kNoSpace; }
  void cancel(block::Extent) override {}
  void publish(block::Extent) override {}
  void release(block::Extent) override {}
  Task<Result<void>> write(block::Extent, Gather) override { co_return Code::kIo; }
  Task<Result<void>> read(uint64_t, MutableByteView) override { co_return Code::kIo; }
  std::byte* direct(uint64_t) override { return nullptr; }
  Pin pin() override { return Pin(); }
  bool persistent() const override { return true; }
  block::SpaceUse use() const override { return {0, kBytes, 0, 0}; }
  block::LogStatistics statistics() const override { return {}; }
  Task<Result<void>> checkpoint() override { co_return Result<void>(); }

  Buffer image = Buffer(kBytes);
  bool fail_durable = false;
  int allocations_left = 1 << 20;

 private:
  void unpin(uint64_t) override {}
  Buffer live_, before_;
  uint64_t next_ = 16 * kKiB, committed_ = 0;
};

Buffer bytes(std::string_view text) {
  const ByteView view = as_bytes(text);
  return Buffer(view.begin(), view.end());
}
std::string text_of(const State& state, std::string_view key) {
  const Buffer* value = state.get(key);
  return value ? std::string(as_text(*value)) : "(none)";
}

struct KeyValueTest : testing::Test {
  Executor executor{machine_clock(), 1};
  FakeVolume volume;
  std::unique_ptr<KeyValue> store = *open_local(volume);
  Result<void> commit(Batch batch) { return executor.block_on(store->commit(std::move(batch))); }
};

TEST_F(KeyValueTest, batch_is_read_back_after_reopen) {
  ASSERT_TRUE(commit({{"b", bytes("2")}, {"a", bytes("1")}, {"ab", bytes("")}}).ok());
  ASSERT_TRUE(commit({{"a", bytes("one")}, {"b", std::nullopt}, {"none", std::nullopt}, {"c", bytes("3")},
                      {"c", bytes("three")}, {"d", bytes("4")}, {"d", std::nullopt}}).ok());
  FakeVolume after(volume.image);
  auto reopened = *open_local(after);
  for (const State* state : {static_cast<const State*>(store.get()), static_cast<const State*>(reopened.get())}) {
    std::string all;
    state->scan("", [&](std::string_view key, const Buffer& value) {
      all += std::string(key) + "=" + std::string(as_text(value)) + " ";
      return true;
    });
    EXPECT_EQ(all, "a=one ab= c=three ");
    std::string some;
    state->scan("a", [&](std::string_view key, const Buffer&) {
      some += key;
      return false;
    });
    EXPECT_EQ(some, "a");
  }
}

TEST_F(KeyValueTest, nothing_is_seen_before_it_is_durable) {
  bool done = false;
  auto run = [](KeyValue& store, bool& done) -> Task<void> {
    auto committed = store.commit({{"k", bytes("v")}});  // g++-12 takes no list inside co_await
    auto result = co_await std::move(committed);
    EXPECT_TRUE(result.ok());
    done = true;
  };
  executor.spawn(run(*store, done));
  EXPECT_FALSE(done);
  EXPECT_EQ(text_of(*store, "k"), "(none)");
  executor.run_until([&] { return done; });
  EXPECT_EQ(text_of(*store, "k"), "v");
}

TEST_F(KeyValueTest, failed_batch_changes_nothing) {
  ASSERT_TRUE(commit({{"a", bytes("1")}}).ok());
  volume.allocations_left = 1;
  EXPECT_EQ(commit({{"a", bytes("2")}, {"b", bytes("3")}}).code(), Code::kNoSpace);
  volume.allocations_left = 10;
  EXPECT_EQ(text_of(*store, "a"), "1");
  ASSERT_TRUE(commit({{"c", bytes("4")}}).ok());
  FakeVolume after(volume.image);
  auto reopened = *open_local(after);
  EXPECT_EQ(text_of(*reopened, "a"), "1");
  EXPECT_EQ(text_of(*reopened, "b"), "(none)");
  EXPECT_EQ(commit({{std::string(2000, 'k'), bytes("")}}).code(), Code::kInvalid);
  EXPECT_EQ(commit({{"k", Buffer(kValueBytesMax + 1)}}).code(), Code::kInvalid);
  volume.fail_durable = true;
  EXPECT_EQ(commit({{"a", bytes("5")}}).code(), Code::kIo);
  volume.fail_durable = false;
  EXPECT_EQ(commit({{"a", bytes("6")}}).code(), Code::kIo);
  EXPECT_EQ(text_of(*store, "a"), "1");
}

TEST_F(KeyValueTest, random_batches_against_a_map) {
  Random random(7);
  std::map<std::string, std::string> model;
  volume.allocations_left = 1 << 20;
  for (int round = 0; round < 400; ++round) {
    Batch batch;
    for (uint64_t i = random.below(5); i-- > 0;) {
      const std::string key = "k" + std::to_string(random.below(20));
      if (random.one_in(3)) {
        batch.push_back({key, std::nullopt});
        model.erase(key);
      } else {
        const std::string value(random.below(100), static_cast<char>('a' + random.below(26)));
        batch.push_back({key, bytes(value)});
        model[key] = value;
      }
    }
    ASSERT_TRUE(commit(std::move(batch)).ok());
  }
  FakeVolume after(volume.image);
  auto reopened = *open_local(after);
  std::map<std::string, std::string> found;
  reopened->scan("", [&](std::string_view key, const Buffer& value) {
    found[std::string(key)] = as_text(value);
    return true;
  });
  EXPECT_EQ(found, model);
}

TEST_F(KeyValueTest, damage_is_refused) {
  ASSERT_TRUE(commit({{"key", bytes("value")}, {"key2", bytes("value")}}).ok());
  int refused = 0;
  for (uint64_t at : {block::Volume::kRoot, block::Volume::kRoot + 8, block::Volume::kRoot + 16,
                      block::Volume::kRoot + 24, 16 * kKiB, 16 * kKiB + 8, 16 * kKiB + 16, 16 * kKiB + 20,
                      16 * kKiB + 24, 16 * kKiB + 33}) {
    Buffer image = volume.image;
    image[at] ^= std::byte{0x41};
    FakeVolume damaged(std::move(image));
    auto opened = open_local(damaged);
    EXPECT_FALSE(opened.ok()) << at;
    refused += !opened.ok();
  }
  EXPECT_EQ(refused, 10);
}

TEST_F(KeyValueTest, operations_are_remembered_and_bounded) {
  const Uuid client = Uuid::from_random(1, 2);
  auto operations = std::make_unique<Operations>(*store);
  for (uint64_t i = 0; i < Operations::kKeptMax + 10; ++i) {
    Batch batch;
    operations->record(batch, client, i, 5, 1000 + i, bytes(std::to_string(i)));
    ASSERT_TRUE(commit(std::move(batch)).ok());
    operations->recorded();
  }
  operations = std::make_unique<Operations>(*store);
  EXPECT_EQ(operations->size(), Operations::kKeptMax);
  EXPECT_EQ(*operations->find(client, 9, 5), nullptr);
  EXPECT_EQ(as_text(**operations->find(client, 10, 5)), "10");
  EXPECT_EQ(operations->find(client, 10, 6).code(), Code::kInvalid);
  EXPECT_EQ(*operations->find(Uuid{}, 10, 5), nullptr);
  Batch batch;
  operations->record(batch, client, 99999, 5, 1000 + 2 * Operations::kKeptNs, bytes("x"));
  EXPECT_EQ(batch.size(), 65u);
}

}  // namespace
}  // namespace varve::consensus
