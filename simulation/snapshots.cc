#include "simulation/snapshots.h"

#include <set>

#include "client/client.h"
#include "simulation/network.h"
#include "simulation/server.h"

namespace varve::simulation {
namespace {

constexpr uint64_t kRegisters = 6;
constexpr Duration kDeadline = 20s;
constexpr std::string_view kAkey = "v";

// Write number n goes to register n % kRegisters and holds n; each begins when the one before was
// acknowledged. So the state of all is told by one number: the last write.
struct Cut {
  Epoch epoch;
  uint64_t least = 0, most = 0;  // acknowledged when it was asked for; begun when it was there
  std::optional<uint64_t> last;  // what it holds, once it was read
};

class Client {
 public:
  Client(VirtualTime& time, NetworkSwitch& network, const std::string& name, uint64_t seed)
      : time_(time), executor_(time.clock(), seed) {
    time.join(executor_);
    std::vector<std::unique_ptr<network::Network>> networks;
    networks.push_back(network.attach(executor_, name));
    client::Options options;
    options.addresses = {"simulated://system"};
    options.deadline = kDeadline;
    session = client::Session::over(
        executor_, rpc::make_node(executor_, std::move(networks), {}), options);
  }
  ~Client() {
    executor_.abandon();
    time_.leave(executor_);
  }
  Executor& executor() { return executor_; }
  void start(Task<void> task) {
    busy = true;
    executor_.spawn(run(std::move(task)));
  }

  Task<void> run(Task<void> task) {
    co_await std::move(task);
    busy = false;
  }

 private:
  VirtualTime& time_;
  Executor executor_;

 public:
  // Outlived by the executor.
  bool busy = false;
  std::unique_ptr<client::Session> session;
  client::Container container;
  std::vector<client::Object> registers;
};

class SnapshotRun {
 public:
  explicit SnapshotRun(uint64_t seed)
      : random_(seed),
        network_(random_.next()),
        server_(time_, network_, random_.next()),
        writer_(time_, network_, "writer", random_.next()),
        reader_(time_, network_, "reader", random_.next()) {}

  SnapshotOutcome go() {
    skew_clocks();
    if (!power_on() || !finish(writer_, prepare(writer_, true), "preparation") ||
        !finish(reader_, prepare(reader_, false), "preparation"))
      return outcome_;
    const uint64_t rounds = 1 + random_.below(3);
    for (uint64_t round = 0; round < rounds && outcome_.failure.empty(); ++round) {
      work();
      if (outcome_.failure.empty()) finish(reader_, read_cuts(), "check of the snapshots");
      if (outcome_.failure.empty()) finish(reader_, read_differences(), "check of differences");
      if (outcome_.failure.empty() && !cuts_.empty()) roll_back();
    }
    return outcome_;
  }

 private:
  void fail(const std::string& what) {
    if (outcome_.failure.empty()) outcome_.failure = what;
  }
  static bool passes(Code code) { return code == Code::kTimedOut || code == Code::kUnreachable; }

  void skew_clocks() {
    std::vector<Duration> skews;
    for (uint32_t target = 0; target < Server::kTargets; ++target)
      skews.push_back(std::chrono::microseconds(random_.below(400'000)));
    server_.set_skews(skews);
  }

  bool power_on() {
    bool done = false;
    Result<void> result;
    server_.start([&](Result<void> started) {
      done = true;
      result = std::move(started);
    });
    if (!time_.run_until([&] { return done; }, time_.clock().now() + 60s))
      fail("the server does not start");
    else if (!result.ok())
      fail("the server does not start: " + result.error().describe());
    return outcome_.failure.empty();
  }
  void power_cycle() {
    server_.crash();
    ++outcome_.crashes;
    time_.run_for(std::chrono::microseconds(random_.below(200'000)));
    if (random_.one_in(2)) skew_clocks();  // set back, or forward, while it was off
    power_on();
  }

  bool finish(Client& client, Task<void> task, const char* what) {
    client.start(std::move(task));
    return wait_for(client, what);
  }
  bool wait_for(Client& client, const char* what) {
    if (!time_.run_until([&] { return !client.busy; }, time_.clock().now() + 600s))
      fail(std::string("the ") + what + " hangs");
    return outcome_.failure.empty();
  }

  Task<void> prepare(Client& client, bool creates) {
    client::Session& session = *client.session;
    if (creates) {
      pool::CreatePool pool;
      pool.label = "tank";
      pool.bytes = 48 * kMiB;
      auto made = co_await session.create_pool(pool);
      if (!made.ok()) co_return fail("pool: " + made.error().describe());
    }
    auto pool = co_await session.connect_pool("tank", 2);
    if (!pool.ok()) co_return fail("connect: " + pool.error().describe());
    if (creates) {
      container::CreateContainer container;
      container.label = "box";
      auto made = co_await session.create_container(*pool, container);
      if (!made.ok()) co_return fail("container: " + made.error().describe());
    }
    // The reader is none that may write: it is no obstacle to a rollback.
    auto container = co_await session.open_container(*pool, "box", creates ? 2 : 1);
    if (!container.ok()) co_return fail("open: " + container.error().describe());
    client.container = *container;
    // In turn on the one target and the other.
    for (uint64_t low = 1; client.registers.size() < kRegisters; ++low) {
      const ObjectId oid =
          placement::make_object_id({low, 0}, 0, *placement::class_by_name("S1"));
      auto object = session.open_object(*container, oid);
      if (!object.ok()) co_return fail("object: " + object.error().describe());
      if (object->layout.targets[0] == client.registers.size() % Server::kTargets)
        client.registers.push_back(*object);
    }
  }

  // --- writing and cutting

  void work() {
    stopping_ = false;
    writer_.start(write_on());
    reader_.start(cut_on());
    for (uint64_t crashes = random_.below(3); crashes-- > 0 && outcome_.failure.empty();) {
      time_.run_for(std::chrono::microseconds(500 + random_.below(40'000)));
      power_cycle();
    }
    time_.run_for(std::chrono::microseconds(5000 + random_.below(40'000)));
    stopping_ = true;
    wait_for(writer_, "writer");
    wait_for(reader_, "maker of snapshots");
  }

  Task<void> write_on() {
    while (!stopping_ && outcome_.failure.empty()) {
      if (begun_ == acknowledged_) ++begun_;
      const std::string value = std::to_string(begun_);
      const ByteView bytes = as_bytes(value);
      client::IoDescriptor descriptor;
      descriptor.akey = as_bytes(kAkey);
      descriptor.from = Gather(&bytes, 1);
      auto written = co_await writer_.session->update(
          writer_.registers[begun_ % kRegisters], as_bytes("d"), 0,
          std::span<client::IoDescriptor>(&descriptor, 1));
      ++outcome_.writes;
      if (written.ok()) {
        acknowledged_ = begun_;
        continue;
      }
      if (!passes(written.code())) co_return fail("write: " + written.error().describe());
      // It may still be under way: until it cannot be any more, then again.
      ++outcome_.retried;
      co_await writer_.executor().sleep_for(kDeadline);
    }
  }

  Task<void> cut_on() {
    while (!stopping_ && outcome_.failure.empty()) {
      co_await reader_.executor().sleep_for(std::chrono::microseconds(random_.below(6000)));
      Cut cut;
      cut.least = acknowledged_;
      auto made = co_await reader_.session->create_snapshot(reader_.container, "");
      cut.most = begun_;
      if (made.ok()) {
        cut.epoch = *made;
        cuts_.push_back(cut);
        ++outcome_.snapshots;
      } else if (!passes(made.code()) && made.code() != Code::kAgain) {
        co_return fail("snapshot: " + made.error().describe());
      }
    }
  }

  // --- checking

  Task<std::optional<uint64_t>> read_register(Client& client, uint64_t number, Epoch epoch) {
    client::Object object = client.registers[number];
    object.snapshot = epoch;
    char room[32];
    const MutableByteView view(reinterpret_cast<std::byte*>(room), sizeof room);
    client::IoDescriptor descriptor;
    descriptor.akey = as_bytes(kAkey);
    descriptor.into = Scatter(&view, 1);
    auto read = co_await client.session->fetch(object, as_bytes("d"), 0,
                                               std::span<client::IoDescriptor>(&descriptor, 1));
    if (!read.ok()) {
      fail("read at " + std::to_string(epoch.value) + ": " + read.error().describe());
      co_return std::nullopt;
    }
    if (descriptor.fetched_bytes == 0) co_return 0;
    co_return std::stoull(std::string(room, descriptor.fetched_bytes));
  }

  // The write that all registers together are the state after; a failure if there is none.
  Task<std::optional<uint64_t>> last_write(Client& client, Epoch epoch) {
    std::vector<uint64_t> found;
    uint64_t last = 0;
    for (uint64_t number = 0; number < kRegisters; ++number) {
      const auto value = co_await read_register(client, number, epoch);
      if (!value) co_return std::nullopt;
      found.push_back(*value);
      last = std::max(last, *value);
    }
    for (uint64_t number = 0; number < kRegisters; ++number) {
      uint64_t expected = last;
      while (expected > 0 && expected % kRegisters != number) --expected;
      if (found[number] == expected) continue;
      fail("at epoch " + std::to_string(epoch.value) + " write " + std::to_string(last) +
           " is there, but register " + std::to_string(number) + " holds " +
           std::to_string(found[number]) + " instead of " + std::to_string(expected));
      co_return std::nullopt;
    }
    co_return last;
  }

  Task<void> read_cuts() {
    for (Cut& cut : cuts_) {
      const auto last = co_await last_write(reader_, cut.epoch);
      if (!last) co_return;
      if (!cut.last) {
        if (*last < cut.least || *last > cut.most)
          co_return fail("a snapshot holds write " + std::to_string(*last) + " where " +
                         std::to_string(cut.least) + " to " + std::to_string(cut.most) +
                         " were to be expected");
        cut.last = *last;
      } else if (*cut.last != *last) {
        co_return fail("a snapshot held write " + std::to_string(*cut.last) + " and now holds " +
                       std::to_string(*last));
      }
    }
  }

  // Between two snapshots at least the registers differ that hold another number.
  Task<void> read_differences() {
    if (cuts_.size() < 2) co_return;
    const Cut& from = cuts_[random_.below(cuts_.size() - 1)];
    const Cut& to = cuts_.back();
    std::set<ObjectId> found;
    for (client::Session::DiffAnchor anchor; !anchor.end;) {
      auto page = co_await reader_.session->list_differences(reader_.container, from.epoch,
                                                             to.epoch, anchor, 2);
      if (!page.ok()) co_return fail("differences: " + page.error().describe());
      for (const object::Difference& one : *page)
        if (!found.insert(one.oid).second) co_return fail("a difference is listed twice");
    }
    for (uint64_t number = 0; number < kRegisters; ++number) {
      const auto was = co_await read_register(reader_, number, from.epoch);
      const auto is = co_await read_register(reader_, number, to.epoch);
      if (!was || !is) co_return;
      if (*was != *is && !found.contains(reader_.registers[number].oid))
        co_return fail("register " + std::to_string(number) + " differs and is not listed");
    }
  }

  // --- rolling back

  void roll_back() {
    const Cut cut = cuts_[random_.below(cuts_.size())];
    const Epoch before = cuts_.back().epoch;
    writer_.start(roll_back_to(cut.epoch));
    if (random_.one_in(2)) {
      time_.run_for(std::chrono::microseconds(random_.below(2500)));
      if (writer_.busy) power_cycle();
    }
    if (!wait_for(writer_, "rollback")) return;
    ++outcome_.rollbacks;
    if (!finish(writer_, check_state(*cut.last), "check after a rollback")) return;
    finish(reader_, read_cuts(), "check of the snapshots after a rollback");
    begun_ = acknowledged_ = *cut.last;
    VARVE_ASSERT(before >= cut.epoch, "snapshots come in order");
  }

  Task<void> roll_back_to(Epoch epoch) {
    for (int attempt = 0; attempt < 5; ++attempt) {
      auto done = co_await writer_.session->roll_back(writer_.container, epoch, false);
      if (done.ok()) co_return;
      if (!passes(done.code())) co_return fail("rollback: " + done.error().describe());
    }
    fail("a rollback does not succeed");
  }

  Task<void> check_state(uint64_t expected) {
    const auto last = co_await last_write(writer_, kEpochMax);
    if (last && *last != expected)
      fail("rolled back to write " + std::to_string(expected) + ", the container holds " +
           std::to_string(*last));
  }

  Random random_;
  VirtualTime time_;
  NetworkSwitch network_;
  Server server_;
  Client writer_, reader_;
  uint64_t begun_ = 0, acknowledged_ = 0;  // numbers of writes
  bool stopping_ = false;
  std::vector<Cut> cuts_;
  SnapshotOutcome outcome_;
};

}  // namespace

SnapshotOutcome run_snapshot_seed(uint64_t seed) { return SnapshotRun(seed).go(); }

}  // namespace varve::simulation
