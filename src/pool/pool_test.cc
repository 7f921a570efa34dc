#include <gtest/gtest.h>

#include "consensus/test_state.h"
#include "pool/decision.h"

namespace varve::pool {
namespace {

struct PoolTest : testing::Test {
  consensus::TestState state;
  uint64_t fresh = 1;
  Context context() { return {fresh * 1000, Uuid::from_random(fresh++, 7), 10, 20}; }
  static CreateInput input() { return {4, kGiB, true}; }
  CreatePool request(const std::string& label, uint64_t bytes = 64 * kMiB) {
    CreatePool create;
    create.label = label;
    create.bytes = bytes;
    return create;
  }
  Result<PoolRecord> create(const CreatePool& request, CreateInput with = input()) {
    VARVE_TRY(auto decision, begin_create(state, request, with, context()));
    state.apply(decision.batch);
    state.apply(finish_create(decision.reply));
    return find_pool(state, decision.reply.uuid);
  }
  Result<Uuid> connect_to(const std::string& name, uint32_t flags) {
    VARVE_TRY(const PoolRecord pool, find_pool(state, name));
    const Context with = context();
    VARVE_TRY(auto decision, connect(state, pool, {name, flags}, with));
    state.apply(decision.batch);
    return with.fresh;
  }
};

TEST_F(PoolTest, create_splits_evenly_and_rounds_up) {
  struct Row {
    uint64_t bytes;
    uint32_t percent;
    Code code;
    uint64_t per_target;
  };
  for (const Row& row : {Row{64 * kMiB, 0, Code::kOk, 16 * kMiB}, Row{64 * kMiB + 1, 0, Code::kOk, 16 * kMiB + 4096},
                         Row{0, 100, Code::kOk, round_down(kGiB / 100 * 100, 4096)},
                         Row{0, 50, Code::kOk, round_down(kGiB / 100 * 50, 4096)}, Row{0, 101, Code::kInvalid, 0},
                         Row{kMiB, 10, Code::kInvalid, 0}, Row{0, 0, Code::kInvalid, 0},
                         Row{1, 0, Code::kInvalid, 0}, Row{4 * kGiB, 0, Code::kOk, kGiB},
                         Row{4 * kGiB + 4, 0, Code::kNoSpace, 0}, Row{~0ULL, 0, Code::kNoSpace, 0}}) {
    CreatePool create = request("", row.bytes);
    create.percent = row.percent;
    auto decision = begin_create(state, create, input(), context());
    ASSERT_EQ(decision.code(), row.code) << row.bytes << " " << row.percent;
    if (decision.ok()) {
      EXPECT_EQ(decision->reply.bytes_per_target, row.per_target);
    }
  }
}

TEST_F(PoolTest, labels) {
  struct Row {
    std::string label;
    Code code;
  };
  for (const Row& row :
       {Row{"a", Code::kOk}, Row{"Tank_1.x-y:z", Code::kOk}, Row{std::string(127, 'a'), Code::kOk},
        Row{std::string(128, 'a'), Code::kInvalid}, Row{"a b", Code::kInvalid},
        Row{"a/b", Code::kInvalid}, Row{"01234567-89ab-cdef-0123-456789abcdef", Code::kInvalid},
        Row{"a", Code::kExists}, Row{"", Code::kOk}, Row{"", Code::kOk}})
    EXPECT_EQ(create(request(row.label)).code(), row.code) << row.label;
  CreatePool by_property = request("");
  by_property.properties.push_back(text_property(1, "named"));
  ASSERT_TRUE(create(by_property).ok());
  EXPECT_EQ(find_pool(state, "named")->label, "named");
}

TEST_F(PoolTest, half_made_pools_are_not_usable_and_can_be_undone) {
  auto decision = begin_create(state, request("tank"), input(), context());
  state.apply(decision->batch);
  EXPECT_EQ(find_pool(state, "tank").code(), Code::kBusy);
  EXPECT_EQ(create(request("tank")).code(), Code::kExists);
  state.apply(undo_create(decision->reply));
  EXPECT_EQ(state.size(), 0u);
  EXPECT_EQ(find_pool(state, "tank").code(), Code::kNonexistent);
}

TEST_F(PoolTest, destroy) {
  const PoolRecord pool = *create(request("tank"));
  ASSERT_TRUE(connect_to("tank", kConnectReadWrite).ok());
  state.apply({{containers_prefix(pool.uuid) + "c", Buffer()}});
  DestroyPool destroy;
  destroy.name = "tank";
  EXPECT_EQ(begin_destroy(state, destroy, context()).code(), Code::kBusy);
  destroy.recursive = true;
  EXPECT_EQ(begin_destroy(state, destroy, context()).code(), Code::kBusy);
  destroy.force = true;
  auto decision = begin_destroy(state, destroy, context());
  ASSERT_TRUE(decision.ok());
  state.apply(decision->batch);
  EXPECT_EQ(find_pool(state, "tank").code(), Code::kBusy);
  EXPECT_EQ(begin_destroy(state, destroy, context()).code(), Code::kBusy);
  state.apply(finish_destroy(state, decision->reply));
  EXPECT_EQ(state.size(), 0u);
  EXPECT_EQ(begin_destroy(state, destroy, context()).code(), Code::kNonexistent);
}

TEST_F(PoolTest, connections) {
  const PoolRecord pool = *create(request("tank"));
  EXPECT_EQ(connect_to("tank", 0).code(), Code::kInvalid);
  EXPECT_EQ(connect_to("tank", kConnectReadOnly | kConnectReadWrite).code(), Code::kInvalid);
  EXPECT_EQ(connect_to("none", kConnectReadOnly).code(), Code::kNonexistent);
  const Uuid reader = *connect_to("tank", kConnectReadOnly);
  const Uuid writer = *connect_to(pool.uuid.to_string(), kConnectReadWrite);
  EXPECT_EQ(connect_to("tank", kConnectExclusive).code(), Code::kBusy);
  EXPECT_EQ(check_handle(state, pool.uuid, reader)->flags, kConnectReadOnly);
  state.apply(*disconnect(state, {pool.uuid, reader}));
  EXPECT_EQ(check_handle(state, pool.uuid, reader).code(), Code::kNoHandle);
  EXPECT_TRUE(disconnect(state, {pool.uuid, reader})->empty());
  state.apply(*disconnect(state, {pool.uuid, writer}));
  ASSERT_TRUE(connect_to("tank", kConnectExclusive).ok());
  EXPECT_EQ(connect_to("tank", kConnectReadOnly).code(), Code::kBusy);
  EvictPool all;
  all.name = "tank";
  state.apply(*evict(state, all, context()));
  EXPECT_TRUE(connect_to("tank", kConnectReadOnly).ok());
}

TEST_F(PoolTest, closing_a_connection_closes_what_was_opened_through_it) {
  const PoolRecord pool = *create(request("tank"));
  const Uuid one = *connect_to("tank", kConnectReadWrite), other = *connect_to("tank", kConnectReadWrite);
  const std::string prefix = inside(pool.uuid) + "of/c/handle/";
  state.apply({{prefix + "h1@" + one.to_string(), Buffer()}, {prefix + "h2@" + other.to_string(), Buffer()}});
  state.apply(*disconnect(state, {pool.uuid, one}));
  EXPECT_EQ(count(state, prefix), 1u);
  EXPECT_NE(state.get(prefix + "h2@" + other.to_string()), nullptr);
}

TEST_F(PoolTest, forgotten_connections_are_bounded) {
  const PoolRecord pool = *create(request("tank"));
  const Uuid first = *connect_to("tank", kConnectReadWrite);
  for (size_t i = 0; i < kHandlesMax; ++i) ASSERT_TRUE(connect_to("tank", kConnectReadWrite).ok());
  EXPECT_EQ(count(state, handles_prefix(pool.uuid)), kHandlesMax);
  EXPECT_EQ(check_handle(state, pool.uuid, first).code(), Code::kNoHandle);
}

TEST_F(PoolTest, properties) {
  create(request("tank")).value();
  create(request("other")).value();
  SetProperties set;
  set.name = "tank";
  set.properties = {number_property(5, 3)};
  EXPECT_EQ(set_properties(state, set, context()).code(), Code::kNotSupported);
  set.properties = {number_property(5, 4), text_property(1, "lake")};
  state.apply(*set_properties(state, set, context()));
  EXPECT_EQ(find_pool(state, "tank").code(), Code::kNonexistent);
  const PoolRecord pool = *find_pool(state, "lake");
  const auto all = effective_properties(pool);
  EXPECT_EQ(find_property(all, 5)->number, 4u);
  EXPECT_EQ(find_property(all, 1)->text, "lake");
  EXPECT_EQ(find_property(all, 10)->number, 4096u);
  set.name = "lake";
  set.properties = {text_property(1, "other")};
  EXPECT_EQ(set_properties(state, set, context()).code(), Code::kExists);
  set.properties = std::vector<Property>(kPropertiesMax + 1);
  EXPECT_EQ(set_properties(state, set, context()).code(), Code::kInvalid);
}

TEST_F(PoolTest, user_attributes) {
  const std::string prefix = "in/x/attribute/";
  const Buffer value(3, std::byte{7});
  state.apply(attributes(state, prefix, AttributeVerb::kSet, {{"b", value, false}, {"a", {}, false}})->batch);
  auto got = attributes(state, prefix, AttributeVerb::kGet, {{"b", {}, false}, {"none", {}, false}})->reply.attributes;
  EXPECT_TRUE(got[0].found && got[0].value == value && !got[1].found);
  auto names = attributes(state, prefix, AttributeVerb::kList, {})->reply.attributes;
  ASSERT_EQ(names.size(), 2u);
  EXPECT_EQ(names[0].name, "a");
  state.apply(attributes(state, prefix, AttributeVerb::kDelete, {{"b", {}, false}})->batch);
  EXPECT_EQ(count(state, prefix), 1u);
  EXPECT_EQ(attributes(state, prefix, AttributeVerb::kSet, {{"", {}, false}}).code(),
            Code::kInvalid);
  EXPECT_EQ(
      attributes(state, prefix, AttributeVerb::kSet, {{std::string(512, 'x'), {}, false}}).code(),
      Code::kInvalid);
  EXPECT_EQ(attributes(state, prefix, static_cast<AttributeVerb>(9), {}).code(), Code::kInvalid);
}

}  // namespace
}  // namespace varve::pool
