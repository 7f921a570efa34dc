#include "simulation/cluster.h"

#include <map>

#include "base/checksum.h"
#include "simulation/registers.h"
#include "simulation/server.h"

namespace varve::simulation {
namespace {

constexpr uint64_t kActors = 3, kPlaces = 12;
constexpr Duration kClientDeadline = 20s;

class World;

// One client: its own executor, session and pace.
class Actor {
 public:
  Actor(World& world, uint64_t index, uint64_t seed);
  ~Actor() { executor_.abandon(); }

  Task<void> prepare(bool creates);
  Task<void> work();
  Task<void> churn_pools();
  Task<void> verify_all();
  Task<void> verify_pools();

  Executor& executor() { return executor_; }
  bool busy = false;
  std::string doing;

 private:
  Task<void> write(Place& place);
  Task<void> read(Place& place);
  Result<client::Object> open(const Place& place) { return session_->open_object(container_, place.oid); }

  World& world_;
  const uint64_t index_;
  Executor executor_;
  std::unique_ptr<client::Session> session_;
  client::Pool pool_;
  client::Container container_;
};

class World {
 public:
  explicit World(uint64_t seed)
      : random(seed), network(random.next()), server(time, network, random.next()),
        places(make_places(kPlaces, seed)), scrubs(mix64(seed) % 2 == 0) {
    for (uint64_t index = 0; index <= kActors; ++index)
      actors.push_back(std::make_unique<Actor>(*this, index, random.next()));
  }

  ClusterOutcome run();

  void fail(const std::string& text) {
    if (outcome.failure.empty())
      outcome.failure = text + " (at " + std::to_string(time.clock().now().ns / 1000) + " us)";
  }
  void trace(uint64_t actor, uint64_t event, uint64_t detail, Code code) {
    const uint64_t words[] = {time.clock().now().ns, actor, event, detail, static_cast<uint64_t>(code)};
    outcome.trace_hash = hash64(ByteView(reinterpret_cast<const std::byte*>(words), sizeof words), outcome.trace_hash);
  }
  bool allowed(Code code) const {
    return code == Code::kTimedOut || code == Code::kUnreachable || (flips && code == Code::kChecksum);
  }

  VirtualTime time;
  Random random;
  NetworkSwitch network;
  Server server;
  std::vector<Place> places;
  std::vector<std::unique_ptr<Actor>> actors;  // the last one makes pools
  std::map<std::string, int> pools;            // 1: is there; 0: is not; -1: not known
  ClusterOutcome outcome;
  bool stopping = false;
  bool flips = false;
  const bool scrubs;  // the background compares what is stored

 private:
  bool power_on(bool may_crash);
  void power_off();
  bool wait_for_all();
  void start_job(Actor& actor, Task<void> task);
  void set_network_faults(bool on);
};

Actor::Actor(World& world, uint64_t index, uint64_t seed)
    : world_(world), index_(index), executor_(world.time.clock(), seed) {
  world.time.join(executor_);
  std::vector<std::unique_ptr<network::Network>> networks;
  networks.push_back(world.network.attach(executor_, "client" + std::to_string(index)));
  client::Options options;
  options.addresses = {"simulated://system"};
  options.deadline = kClientDeadline;
  session_ = client::Session::over(executor_, rpc::make_node(executor_, std::move(networks), {}), options);
}

Task<void> Actor::prepare(bool creates) {
  if (creates) {
    pool::CreatePool pool;
    pool.label = "tank";
    pool.bytes = 48 * kMiB;
    if (world_.scrubs) pool.properties = {{16, false, 2, ""}, {17, false, 1, ""}};  // timed, every second
    auto made = co_await session_->create_pool(pool);
    if (!made.ok()) co_return world_.fail("pool: " + made.error().describe());
  }
  auto pool = co_await session_->connect_pool("tank", 2);
  if (!pool.ok()) co_return world_.fail("connect: " + pool.error().describe());
  pool_ = *pool;
  if (creates) {
    container::CreateContainer container;
    container.label = "box";
    auto made = co_await session_->create_container(pool_, container);
    if (!made.ok()) co_return world_.fail("container: " + made.error().describe());
  }
  auto container = co_await session_->open_container(pool_, "box", 2);
  if (!container.ok()) co_return world_.fail("open: " + container.error().describe());
  container_ = *container;
}

Task<void> Actor::write(Place& place) {
  auto object = open(place);
  if (!object.ok()) co_return world_.fail("object: " + object.error().describe());
  const uint64_t version = place.history.begin_write();
  doing = "write of version " + std::to_string(version) + " to register " + std::to_string(place.number);
  auto written = co_await write_place(*session_, *object, place, version);
  ++world_.outcome.writes;
  world_.trace(index_, 1, place.number << 32 | version, written.code());
  if (written.ok()) {
    place.history.acknowledge(version);
    co_return;
  }
  if (!world_.allowed(written.code())) co_return world_.fail(doing + ": " + written.error().describe());
  place.history.give_up(version);
  // Whatever of it is still under way has come to its end by then.
  co_await executor_.sleep_for(kClientDeadline);
}

Task<void> Actor::read(Place& place) {
  auto object = open(place);
  if (!object.ok()) co_return world_.fail("object: " + object.error().describe());
  const uint64_t begun = place.history.begin_read();
  doing = "read of register " + std::to_string(place.number);
  auto version = co_await read_place(*session_, *object, place, begun);
  ++world_.outcome.reads;
  world_.trace(index_, 2, version.ok() ? *version : 0, version.code());
  if (version.ok()) {
    const std::string wrong = place.history.end_read(*version, begun);
    if (!wrong.empty()) world_.fail(doing + ": " + wrong);
    co_return;
  }
  if (version.code() == Code::kChecksum) ++world_.outcome.checksum_errors;
  if (!world_.allowed(version.code())) world_.fail(doing + ": " + version.error().describe());
}

Task<void> Actor::work() {
  Random& random = executor_.random();
  while (!world_.stopping && world_.outcome.failure.empty()) {
    // Registers are written by one client each, and read by all.
    const uint64_t number = random.below(kPlaces);
    if (random.below(2)) co_await write(world_.places[number / kActors * kActors + index_]);
    else co_await read(world_.places[number]);
    if (random.one_in(4)) co_await executor_.sleep_for(std::chrono::microseconds(random.below(5000)));
  }
  doing = "nothing";
}

Task<void> Actor::churn_pools() {
  Random& random = executor_.random();
  while (!world_.stopping && world_.outcome.failure.empty()) {
    const std::string label = "pool" + std::to_string(random.below(4));
    int& known = world_.pools[label];
    Result<void> result;
    if (known <= 0) {
      doing = "creation of pool " + label;
      pool::CreatePool request;
      request.label = label;
      request.bytes = 4 * kMiB;
      auto made = co_await session_->create_pool(request);
      if (!made.ok()) result = std::move(made.error());
      if (result.ok() || (known < 0 && result.code() == Code::kExists)) known = 1;
      else known = -1;
      if (result.code() == Code::kExists && known == 1) result = {};
    } else {
      doing = "destruction of pool " + label;
      result = co_await session_->destroy_pool(label, true, true);
      if (result.ok()) known = 0;
      else known = -1;
    }
    ++world_.outcome.pools;
    world_.trace(index_, 3, hash64(as_bytes(label)), result.code());
    if (!result.ok() && !world_.allowed(result.code())) world_.fail(doing + ": " + result.error().describe());
    co_await executor_.sleep_for(std::chrono::microseconds(random.below(20'000)));
  }
  doing = "nothing";
}

Task<void> Actor::verify_all() {
  for (Place& place : world_.places) co_await read(place);
}

// Pools are there or not as was acknowledged, and every target has reserved the same for the same pools.
Task<void> Actor::verify_pools() {
  auto pools = co_await session_->list_pools();
  if (!pools.ok()) co_return world_.fail("list of pools: " + pools.error().describe());
  std::map<std::string, int> found;
  uint64_t reserved = 0;
  for (const pool::PoolInfo& info : *pools) {
    found[info.label] = 1;
    reserved += info.space.total;
  }
  for (const auto& [label, known] : world_.pools)
    if (known >= 0 && found[label] != known)
      world_.fail("pool " + label + (known ? " is lost" : " is there though it was destroyed"));
  auto system = co_await session_->query_system();
  if (!system.ok()) co_return world_.fail("query: " + system.error().describe());
  for (const pool::TargetInfo& target : system->targets)
    if (target.unreserved_bytes != system->targets[0].unreserved_bytes)
      world_.fail("targets have reserved differently: " + std::to_string(target.unreserved_bytes) + " and " +
                  std::to_string(system->targets[0].unreserved_bytes) + " bytes are left");
  world_.trace(index_, 4, reserved, Code::kOk);
}

void World::set_network_faults(bool on) {
  NetworkFaults faults;
  if (on) {
    faults.drop_one_in = random.one_in(2) ? 0 : 50 + random.below(500);
    faults.duplicate_one_in = random.one_in(2) ? 0 : 50 + random.below(500);
    faults.reorder_one_in = random.one_in(2) ? 0 : 50 + random.below(500);
    faults.flip_one_in = random.one_in(2) ? 0 : 100 + random.below(500);
    faults.reset_one_in = random.one_in(2) ? 0 : 100 + random.below(500);
  }
  network.set_faults(faults);
}

void World::power_off() {
  server.crash();
  ++outcome.crashes;
  trace(99, 5, outcome.crashes, Code::kOk);
}

// False after a failure. With may_crash the power may fail while it recovers.
bool World::power_on(bool may_crash) {
  for (;;) {
    bool done = false;
    Result<void> result;
    server.set_disk_faults({});
    server.start([&](Result<void> started) {
      done = true;
      result = std::move(started);
    });
    if (may_crash && random.one_in(3)) {
      time.run_until([&] { return done; }, time.clock().now() + std::chrono::microseconds(random.below(30'000)));
      if (!done) {
        power_off();
        continue;
      }
    }
    if (!time.run_until([&] { return done; }, time.clock().now() + 60s)) fail("the server does not start");
    if (done && !result.ok()) fail("the server does not start: " + result.error().describe());
    trace(99, 6, 0, result.code());
    if (flips) {
      DiskFaults faults;
      faults.bit_flip_one_in = 20;
      server.set_disk_faults(faults);
    }
    return outcome.failure.empty();
  }
}

Task<void> run_job(Actor& actor, Task<void> task) {
  co_await std::move(task);
  actor.busy = false;
}

void World::start_job(Actor& actor, Task<void> task) {
  actor.busy = true;
  actor.executor().spawn(run_job(actor, std::move(task)));
}

bool World::wait_for_all() {
  const auto idle = [this] {
    for (const auto& actor : actors)
      if (actor->busy) return false;
    return true;
  };
  if (!time.run_until(idle, time.clock().now() + 300s))
    for (const auto& actor : actors)
      if (actor->busy) fail("a client hangs in the " + actor->doing);
  return outcome.failure.empty();
}

ClusterOutcome World::run() {
  const auto finish = [this] {
    outcome.virtual_ms = time.clock().now().ns / 1'000'000;
    return outcome;
  };
  if (!power_on(false)) return finish();
  for (uint64_t index = 0; index < kActors; ++index) {
    start_job(*actors[index], actors[index]->prepare(index == 0));
    if (!wait_for_all()) return finish();
  }
  flips = random.one_in(3);
  for (uint64_t index = 0; index < kActors; ++index) start_job(*actors[index], actors[index]->work());
  start_job(*actors[kActors], actors[kActors]->churn_pools());
  const uint64_t rounds = 1 + random.below(5);
  for (uint64_t round = 0; round < rounds && outcome.failure.empty(); ++round) {
    set_network_faults(random.one_in(2));
    time.run_for(std::chrono::microseconds(500 + random.below(60'000)));
    power_off();
    time.run_for(std::chrono::microseconds(random.below(300'000)));
    if (!power_on(true)) return finish();
  }
  time.run_for(std::chrono::microseconds(random.below(20'000)));
  stopping = true;
  set_network_faults(false);
  if (!wait_for_all()) return finish();
  // Once more in good order, or not, and then everything must be there without a fault in the way.
  if (random.one_in(2)) {
    bool stopped = false;
    server.stop([&] { stopped = true; });
    if (!time.run_until([&] { return stopped; }, time.clock().now() + 60s)) fail("the server does not stop");
  }
  power_off();
  flips = false;
  if (!power_on(false)) return finish();
  start_job(*actors[0], actors[0]->verify_all());
  if (!wait_for_all()) return finish();
  start_job(*actors[1], actors[1]->verify_pools());
  wait_for_all();
  return finish();
}

}  // namespace

ClusterOutcome run_cluster_seed(uint64_t seed) {
  World world(seed);
  return world.run();
}

}  // namespace varve::simulation
