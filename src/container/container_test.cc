#include <gtest/gtest.h>

#include "consensus/test_state.h"
#include "container/decision.h"

namespace varve::container {
namespace {

struct ContainerTest : testing::Test {
  consensus::TestState state;
  uint64_t fresh = 1;
  Uuid pool, reader, writer;

  ContainerTest() {
    pool::CreatePool request;
    request.label = "tank";
    request.bytes = 64 * kMiB;
    auto decision = pool::begin_create(state, request, {2, kGiB, true}, context());
    state.apply(decision->batch);
    state.apply(pool::finish_create(decision->reply));
    pool = decision->reply.uuid;
    reader = connect(pool::kConnectReadOnly);
    writer = connect(pool::kConnectReadWrite);
  }
  Context context() { return {fresh * 1000, Uuid::from_random(fresh++, 9), 10, 20}; }
  Uuid connect(uint32_t flags) {
    const Context with = context();
    state.apply(pool::connect(state, *pool::find_pool(state, pool), {"tank", flags}, with)->batch);
    return with.fresh;
  }
  Result<ContainerRecord> create(const std::string& label, std::vector<Property> properties = {}) {
    CreateContainer request;
    request.pool = pool;
    request.label = label;
    request.properties = std::move(properties);
    request.attributes.push_back({"made", Buffer(1), false});
    VARVE_TRY(auto decision, begin_create(state, request, context()));
    state.apply(decision.batch);
    state.apply(finish_create(pool, decision.reply));
    return find_container(state, pool, decision.reply.uuid);
  }
  Result<OpenContainerReply> open_it(const std::string& name, uint32_t flags, const Uuid& through) {
    VARVE_TRY(auto decision, open(state, {pool, through, name, flags}, context()));
    state.apply(decision.batch);
    return decision.reply;
  }
};

TEST_F(ContainerTest, create_and_describe) {
  const ContainerRecord made = *create("box", {pool::number_property(kPropertyLayoutType, 1)});
  const ContainerInfo info = describe(state, pool, made, true);
  EXPECT_EQ(info.type, "POSIX");
  EXPECT_EQ(info.label, "box");
  EXPECT_EQ(info.owner_uid, 10u);
  EXPECT_EQ(pool::find_property(info.properties, kPropertyLabel)->text, "box");
  EXPECT_EQ(pool::count(state, attributes_prefix(pool, made.uuid)), 1u);
  EXPECT_EQ(create("box").code(), Code::kExists);
  EXPECT_EQ(create("a b").code(), Code::kInvalid);
  EXPECT_TRUE(create("").ok());
  EXPECT_EQ(all_containers(state, pool).size(), 2u);
  EXPECT_EQ(find_container(state, pool, "none").code(), Code::kNonexistent);
  EXPECT_EQ(find_container(state, Uuid::from_random(5, 5), "box").code(), Code::kNonexistent);
}

TEST_F(ContainerTest, open_rules) {
  struct Row {
    uint32_t flags;
    bool through_reader;
    Code code;
  };
  create("box").value();
  for (const Row& row : {Row{0, false, Code::kInvalid}, Row{kOpenReadWrite, true, Code::kNoPermission},
                         Row{kOpenReadOnly, true, Code::kOk}, Row{kOpenExclusive, false, Code::kBusy},
                         Row{kOpenReadWrite, false, Code::kOk}})
    EXPECT_EQ(open_it("box", row.flags, row.through_reader ? reader : writer).code(), row.code) << row.flags;
  EXPECT_EQ(open_it("box", kOpenReadOnly, Uuid::from_random(8, 8)).code(), Code::kNoHandle);
  EXPECT_EQ(open_it("none", kOpenReadOnly, reader).code(), Code::kNonexistent);
}

TEST_F(ContainerTest, exclusive_then_closed) {
  const Uuid uuid = create("box")->uuid;
  const auto opened = *open_it("box", kOpenExclusive, writer);
  EXPECT_EQ(open_it("box", kOpenReadOnly, reader).code(), Code::kBusy);
  state.apply(close(state, {pool, uuid, opened.handle}));
  EXPECT_TRUE(open_it("box", kOpenReadOnly, reader).ok());
  EXPECT_TRUE(close(state, {pool, uuid, opened.handle}).empty());
}

TEST_F(ContainerTest, disconnecting_closes) {
  const Uuid uuid = create("box")->uuid;
  open_it("box", kOpenReadWrite, writer).value();
  open_it("box", kOpenReadOnly, reader).value();
  state.apply(*pool::disconnect(state, {pool, writer}));
  EXPECT_EQ(pool::count(state, handles_prefix(pool, uuid)), 1u);
}

TEST_F(ContainerTest, destroy_removes_everything) {
  const size_t before = state.size();
  create("box").value();
  open_it("box", kOpenReadWrite, writer).value();
  DestroyContainer request;
  request.pool = pool;
  request.name = "box";
  EXPECT_EQ(begin_destroy(state, request, context()).code(), Code::kBusy);
  request.force = true;
  auto decision = begin_destroy(state, request, context());
  state.apply(decision->batch);
  EXPECT_EQ(find_container(state, pool, "box").code(), Code::kBusy);
  EXPECT_EQ(open_it("box", kOpenReadOnly, reader).code(), Code::kBusy);
  state.apply(finish_destroy(state, pool, decision->reply));
  EXPECT_EQ(state.size(), before);
}

TEST_F(ContainerTest, object_ids_are_given_out_once) {
  const Uuid uuid = create("box")->uuid;
  AllocateObjectIds request;
  request.pool = pool;
  request.container = uuid;
  uint64_t next = 1;
  for (uint64_t count : {1, 100, 7}) {
    request.count = count;
    auto decision = allocate_object_ids(state, request, context());
    ASSERT_TRUE(decision.ok());
    EXPECT_EQ(decision->reply.first, next);
    next += count;
    state.apply(decision->batch);
  }
  for (uint64_t bad : {uint64_t{0}, kObjectIdsMax + 1}) {
    request.count = bad;
    EXPECT_EQ(allocate_object_ids(state, request, context()).code(), Code::kInvalid);
  }
}

TEST_F(ContainerTest, snapshots) {
  const Uuid uuid = create("box")->uuid;
  CreateSnapshot request;
  request.pool = pool;
  request.container = uuid;
  request.name = "monday";
  state.apply(*create_snapshot(state, request, Epoch{0x1234}));
  EXPECT_EQ(create_snapshot(state, request, Epoch{0x1235}).code(), Code::kExists);
  request.name = "";
  state.apply(*create_snapshot(state, request, Epoch{~0ULL - 1}));
  const auto all = all_snapshots(state, pool, uuid);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].epoch, Epoch{0x1234});
  EXPECT_EQ(all[0].name, "monday");
  EXPECT_EQ(all[1].epoch, Epoch{~0ULL - 1});
  DestroySnapshot destroy;
  destroy.pool = pool;
  destroy.container = uuid;
  destroy.epoch = Epoch{0x1234};
  state.apply(*destroy_snapshot(state, destroy));
  EXPECT_EQ(destroy_snapshot(state, destroy).code(), Code::kNonexistent);
  EXPECT_EQ(all_snapshots(state, pool, uuid).size(), 1u);
}

TEST_F(ContainerTest, the_last_snapshots_are_kept) {
  const Uuid uuid = create("box", {pool::number_property(kPropertySnapshotMax, 3)})->uuid;
  CreateSnapshot request;
  request.pool = pool;
  request.container = uuid;
  for (uint64_t epoch = 1; epoch <= 5; ++epoch)
    state.apply(*create_snapshot(state, request, Epoch{epoch}));
  auto all = all_snapshots(state, pool, uuid);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].epoch, Epoch{3});
  SetContainerProperties set;
  set.pool = pool;
  set.name = "box";
  set.properties = {pool::number_property(kPropertySnapshotMax, 1)};
  state.apply(*set_properties(state, set, context()));
  state.apply(*create_snapshot(state, request, Epoch{6}));
  EXPECT_EQ(all_snapshots(state, pool, uuid).size(), 1u) << "a lower number holds from the next one on";
  set.properties = {pool::number_property(kPropertySnapshotMax, 0)};
  state.apply(*set_properties(state, set, context()));
  for (uint64_t epoch = 7; epoch <= 20; ++epoch)
    state.apply(*create_snapshot(state, request, Epoch{epoch}));
  EXPECT_EQ(all_snapshots(state, pool, uuid).size(), 15u) << "0 keeps all";
}

TEST_F(ContainerTest, rollback_rules) {
  const Uuid uuid = create("box")->uuid;
  CreateSnapshot snapshot;
  snapshot.pool = pool;
  snapshot.container = uuid;
  state.apply(*create_snapshot(state, snapshot, Epoch{100}));
  const auto own = *open_it("box", kOpenReadWrite, writer);
  RollbackContainer request;
  request.pool = pool;
  request.container = uuid;
  request.handle = own.handle;
  request.epoch = Epoch{99};
  const auto checked = [&] { return check_rollback(state, request, context()).code(); };
  EXPECT_EQ(checked(), Code::kNonexistent) << "no snapshot there";
  request.epoch = Epoch{100};
  EXPECT_EQ(checked(), Code::kOk) << "its own handle is no obstacle";
  open_it("box", kOpenReadOnly, reader).value();
  EXPECT_EQ(checked(), Code::kOk) << "nor are readers";
  const auto other = *open_it("box", kOpenReadWrite, writer);
  EXPECT_EQ(checked(), Code::kBusy);
  request.force = true;
  EXPECT_EQ(checked(), Code::kOk);
  state.apply(close(state, {pool, uuid, other.handle}));
  state.apply(begin_rollback(request, Epoch{200}));
  const auto written = *unfinished_rollback(state, pool, uuid);
  ASSERT_TRUE(written);
  EXPECT_EQ(written->to, Epoch{100});
  EXPECT_EQ(written->at, Epoch{200});
  EXPECT_EQ(open_it("box", kOpenReadOnly, reader).code(), Code::kBusy) << "half done, it is shown to nobody";
  state.apply(finish_rollback(pool, uuid));
  EXPECT_FALSE(*unfinished_rollback(state, pool, uuid));
  EXPECT_TRUE(open_it("box", kOpenReadOnly, reader).ok());
}

TEST_F(ContainerTest, properties_and_labels) {
  create("box").value();
  create("crate").value();
  SetContainerProperties set;
  set.pool = pool;
  set.name = "box";
  set.properties = {pool::text_property(kPropertyLabel, "crate")};
  EXPECT_EQ(set_properties(state, set, context()).code(), Code::kExists);
  set.properties = {pool::text_property(kPropertyLabel, "chest"), pool::number_property(4103, 2)};
  state.apply(*set_properties(state, set, context()));
  EXPECT_EQ(find_container(state, pool, "box").code(), Code::kNonexistent);
  const auto all = effective_properties(*find_container(state, pool, "chest"));
  EXPECT_EQ(pool::find_property(all, 4103)->number, 2u);
}

TEST_F(ContainerTest, what_the_list_grants) {
  const auto as = [&](const char* user, const char* group) {
    Context with = context();
    with.who = {user, {group}};
    with.trusted = false;
    return with;
  };
  pool::ConnectPool connection{"tank", pool::kConnectReadWrite};
  const pool::PoolRecord tank = *pool::find_pool(state, pool);
  EXPECT_EQ(pool::connect(state, tank, connection, as("ann@", "lab@")).code(), Code::kNoPermission);
  state.apply(*pool::change_acl(state, {{}, "tank", pool::AclVerb::kUpdate, "A:G:lab@:rw\n"}, context()));
  EXPECT_EQ(pool::change_acl(state, {{}, "tank", pool::AclVerb::kUpdate, "A::bob@:T\n"}, context()).code(),
            Code::kInvalid);
  EXPECT_TRUE(pool::connect(state, *pool::find_pool(state, pool), connection, as("ann@", "lab@")).ok());
  CreateContainer request;
  request.pool = pool;
  request.label = "hers";
  EXPECT_EQ(begin_create(state, request, as("eve@", "none@")).code(), Code::kNoPermission);
  auto decision = begin_create(state, request, as("ann@", "lab@"));
  ASSERT_TRUE(decision.ok()) << decision.error().describe();
  state.apply(decision->batch);
  state.apply(finish_create(pool, decision->reply));
  const auto open_as = [&](Context with, uint32_t flags) {
    return open(state, {pool, writer, "hers", flags}, with).code();
  };
  EXPECT_EQ(open_as(as("ann@", "x@"), kOpenReadWrite), Code::kOk);
  EXPECT_EQ(open_as(as("bob@", "x@"), kOpenReadOnly), Code::kNoPermission);
  EXPECT_EQ(open_as(as("bob@", "lab@"), kOpenReadWrite), Code::kOk);
  ChangeAcl change{{}, pool, "hers", pool::AclVerb::kUpdate, "A::bob@:r\n"};
  EXPECT_EQ(change_acl(state, change, as("bob@", "lab@")).code(), Code::kNoPermission);
  state.apply(*change_acl(state, change, as("ann@", "lab@")));
  EXPECT_EQ(open_as(as("bob@", "lab@"), kOpenReadWrite), Code::kNoPermission);
  EXPECT_EQ(open_as(as("bob@", "lab@"), kOpenReadOnly), Code::kOk);
  EXPECT_EQ(open_as(context(), kOpenReadWrite), Code::kOk);
  const auto seen = query(state, {pool, "hers"}, as("ann@", "lab@"));
  EXPECT_EQ(pool::find_property(seen->properties, kPropertyAcl)->text,
            "A::OWNER@:rwdtTaAo\nA::bob@:r\nA:G:GROUP@:rwtT\n");
  EXPECT_FALSE(pool::find_property(query(state, {pool, "hers"}, as("bob@", "x@"))->properties, kPropertyAcl));
  EXPECT_EQ(query(state, {pool, "hers"}, as("eve@", "x@")).code(), Code::kNoPermission);
  SetContainerProperties owner{{}, pool, "hers", {pool::text_property(kPropertyOwner, "bob@")}};
  EXPECT_EQ(set_properties(state, owner, as("bob@", "lab@")).code(), Code::kNoPermission);
  state.apply(*set_properties(state, owner, as("ann@", "lab@")));
  EXPECT_EQ(open_as(as("ann@", "x@"), kOpenReadWrite), Code::kNoPermission);
  change.verb = pool::AclVerb::kDelete;
  change.entries = "u:eve@";
  EXPECT_EQ(change_acl(state, change, context()).code(), Code::kNonexistent);
  change.entries = "u:bob@";
  state.apply(*change_acl(state, change, context()));
  EXPECT_EQ(begin_destroy(state, {{}, pool, "hers", true}, as("eve@", "x@")).code(), Code::kNoPermission);
  EXPECT_TRUE(begin_destroy(state, {{}, pool, "hers", true}, as("eve@", "lab@")).ok());
}

TEST_F(ContainerTest, listings_come_in_pages) {
  for (int i = 0; i < 700; ++i) ASSERT_TRUE(create("box" + std::to_string(i)).ok());
  ListContainers request{pool, Uuid()};
  std::vector<Uuid> seen;
  int pages = 0;
  for (bool more = true; more; ++pages) {
    const ListContainersReply reply = list_page(state, request);
    EXPECT_LE(encode(reply).size(), 48 * kKiB);
    ASSERT_FALSE(reply.containers.empty());
    for (const ContainerInfo& info : reply.containers) seen.push_back(info.uuid);
    request.after = seen.back();
    more = reply.more;
  }
  EXPECT_EQ(seen.size(), 700u);
  EXPECT_GT(pages, 1);
}

TEST_F(ContainerTest, handles_that_a_change_closes) {
  const Uuid box = create("box")->uuid;
  const OpenContainerReply first = *open_it("box", kOpenReadWrite, writer);
  EXPECT_EQ(pool::closed_handles(close(state, {pool, box, first.handle})), std::vector<Uuid>{first.handle});
  // Everybody else's, and those of the connection.
  auto second = open(state, {pool, writer, "box", kOpenReadWrite | kOpenEvictAll}, context());
  EXPECT_EQ(pool::closed_handles(second->batch), std::vector<Uuid>{first.handle});
  EXPECT_EQ(second->reply.info.handles, 1u);
  EXPECT_EQ(open(state, {pool, writer, "box", kOpenExclusive}, context()).code(), Code::kBusy);
  EXPECT_TRUE(open(state, {pool, writer, "box", kOpenExclusive | kOpenEvict}, context()).ok());
  EXPECT_EQ(pool::closed_handles(*pool::disconnect(state, {pool, writer})), std::vector<Uuid>{first.handle});
  // Names of attributes are anything.
  const std::string name = "x/handle/" + first.handle.to_string() + "@" + writer.to_string();
  EXPECT_TRUE(pool::closed_handles({{attributes_prefix(pool, box) + name, std::nullopt}}).empty());
}

}  // namespace
}  // namespace varve::container
