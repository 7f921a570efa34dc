#include "simulation/store_model.h"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <memory>

#include "base/checksum.h"
#include "block/volume.h"
#include "inspect/verify.h"
#include "simulation/disk.h"
#include "simulation/store_images.h"
#include "simulation/store_operations.h"
#include "simulation/transaction_model.h"
#include "simulation/virtual_clock.h"

namespace varve::simulation {
namespace {

using namespace varve::store;
using block::Volume;

constexpr uint64_t kDiskBytes = 24 * kMiB;
const block::Identity kIdentity{Uuid::from_random(1, 2), 0};
const Uuid kPool = Uuid::from_random(3, 4), kContainer = Uuid::from_random(5, 6);
const Uuid kFiller = Uuid::from_random(7, 8);

class StoreRun {
 public:
  explicit StoreRun(uint64_t seed) : random_(seed), shape_(random_), top_(100) {
    flips_bits_ = random_.one_in(4);
    pool_bytes_ = random_.one_in(8) ? 96 * kKiB : 8 * kMiB;
    fills_ = random_.one_in(12);
  }

  StoreOutcome go() {
    if (!format()) return outcome_;
    const uint64_t rounds = 1 + random_.below(4);
    for (uint64_t round = 0; round < rounds && outcome_.failure.empty(); ++round)
      if (!one_round(round + 1 == rounds)) break;
    if (destroyed_ && !drained_) drain_again();
    if (destroyed_ && outcome_.failure.empty()) check_empty();
    return outcome_;
  }

 private:
  struct Machine {
    explicit Machine(StoreRun& run)
        : executor(std::make_unique<Executor>(clock, run.random_.next())),
          disk(*executor, run.image_, run.random_.next()) {}
    ~Machine() {
      aside.clear();
      executor.reset();
      store.reset();
      volume.reset();
    }
    VirtualClock clock;
    std::unique_ptr<Executor> executor;
    Disk disk;
    std::unique_ptr<Volume> volume;
    std::unique_ptr<Store> store;
    Container* container = nullptr;
    // Proposals that were put aside, with what keeps their bytes.
    std::vector<std::pair<Volume::Pin, Rewrite>> aside;
  };
  // Changes that the store has taken and nobody was told of.
  struct Pending {
    ModelOperation operation;
    Lsn lsn;
  };

  bool fail(std::string what) {
    if (outcome_.failure.empty()) outcome_.failure = std::move(what);
    return false;
  }

  template <class T>
  std::optional<T> await(Machine& machine, Task<T> task) {
    std::optional<T> result;
    machine.executor->spawn(executor_detail::store_result(std::move(task), result));
    run_until(*machine.executor, machine.clock,
              [&] { return result.has_value() || machine.disk.crashed(); });
    return result;
  }
  // For what may fail only by power: true if it ended well.
  bool well(Machine& machine, Task<Result<void>> task, const char* what) {
    const auto result = await(machine, std::move(task));
    if (result && !result->ok()) fail(std::string(what) + ": " + result->error().describe());
    return result && result->ok();
  }

  bool format() {
    Machine machine(*this);
    block::FormatOptions options;
    options.identity = kIdentity;
    options.log_bytes = (512 + random_.below(4) * 128) * kKiB;
    options.heap_bytes_max = (fills_ ? 4 : 8) * kMiB;
    well(machine, Volume::format(machine.disk, options), "format");
    image_ = machine.disk.crash();
    return outcome_.failure.empty();
  }

  // Open, compare, work until power fails. False: no further round.
  bool one_round(bool last) {
    Machine machine(*this);
    if (!last && random_.one_in(4)) machine.disk.crash_at(1 + random_.below(12));
    auto opened = await(machine, Volume::open(*machine.executor, machine.disk, kIdentity));
    if (opened && !opened->ok()) return fail("open: " + opened->error().describe());
    if (opened) {
      machine.volume = std::move(**opened);
      if (prepare(machine) && settle(machine) && (!fills_ || fill(machine))) {
        if (!machine.disk.crashed())
          machine.disk.crash_at(machine.disk.operations().changes() + 1 +
                                random_.below(last ? 400 : 120));
        work(machine);
        if (last && outcome_.failure.empty()) finish(machine);
      }
    }
    outcome_.crashes += machine.disk.crashed();
    image_ = machine.disk.crash();
    inspect_image();
    return outcome_.failure.empty();
  }

  // What power left is sound: nothing leaks, nothing is used twice, every account and checksum is
  // right.
  void inspect_image() {
    ImageReader device(image_);
    const auto verified = inspect::verify(device, {true});
    if (!verified.ok()) return void(fail("inspection: " + verified.error().describe()));
    for (const inspect::Finding& finding : verified->findings.all())
      if (finding.severity == inspect::Severity::kDamage)
        return void(fail("inspection: " + finding.where + ": " + finding.what));
  }

  bool ready(Machine& machine, uint64_t bytes) {
    return machine.volume->ready_for(bytes) ||
           well(machine, machine.volume->wait_ready(bytes), "wait_ready");
  }

  // The store, the pool and the container; power may fail between any of them.
  bool prepare(Machine& machine) {
    if (!ready(machine, kSmallTransactionBytes)) return false;
    auto store = Store::open(*machine.volume);
    if (!store.ok()) return fail("store: " + store.error().describe());
    machine.store = std::move(*store);
    reads_.clear(machine.store->newest_epoch().value);
    machine.container = machine.store->find(kPool, kContainer);
    if (!machine.container) {
      if (acknowledged_any_) return fail("the container is gone");
      Lsn lsn;
      if (machine.store->pools().empty()) {
        const auto made = machine.store->create_pool(kPool, pool_bytes_);
        if (!made.ok()) return fail(made.error().describe());
      }
      const auto made = machine.store->create_container(kPool, kContainer);
      if (!made.ok()) return fail(made.error().describe());
      lsn = *made;
      if (!well(machine, machine.volume->durable(lsn), "durable")) return false;
      machine.container = machine.store->find(kPool, kContainer);
      acknowledged_any_ = true;
    }
    check_extents(machine);
    set_snapshots(machine);
    return true;
  }

  void set_snapshots(Machine& machine) {
    std::vector<Epoch> epochs;
    for (const uint64_t epoch : snapshots_) epochs.push_back(Epoch{epoch});
    machine.store->set_snapshots(*machine.container, epochs);
  }

  // The log says which of the changes that nobody was told of survived; the store must be just
  // that.
  bool settle(Machine& machine) {
    acknowledge(machine.volume->last_committed());
    pending_.clear();
    current_ = acknowledged_;
    if (!compare_transactions(machine, current_)) return false;
    const std::string difference = compare(machine, current_);
    if (difference.empty() || machine.disk.crashed()) return difference.empty();
    return fail("after a crash: " + difference);
  }

  void acknowledge(Lsn lsn) {
    while (!pending_.empty() && pending_.front().lsn <= lsn) {
      acknowledged_.apply(pending_.front().operation);
      pending_.pop_front();
    }
  }

  // --- working

  void work(Machine& machine) {
    const uint64_t steps = 25 + random_.below(100);
    for (uint64_t step = 0; step < steps; ++step) {
      if (!outcome_.failure.empty() || machine.disk.crashed()) return;
      ++outcome_.operations;
      const uint64_t dice = random_.below(100);
      if (dice < 45)
        one_update(machine);
      else if (dice < 51)
        decide(machine);
      else if (dice < 55)
        one_read(machine);
      else if (dice < 65)
        batch(machine);
      else if (dice < 77)
        one_punch(machine);
      else if (dice < 82)
        compare_now(machine);
      else if (dice < 88)
        reclaim(machine);
      else if (dice < 91)
        change_snapshots(machine);
      else if (dice < 92)
        well(machine, machine.volume->checkpoint(), "checkpoint");
      else if (fills_ && random_.one_in(6))
        empty(machine);
      else if (dice < 94)
        rollback(machine);
      else if (!pending_.empty())
        make_durable(machine, pending_[random_.below(pending_.size())].lsn);
    }
  }

  void make_durable(Machine& machine, Lsn lsn) {
    if (!well(machine, machine.volume->durable(lsn), "durable")) return;
    acknowledge(lsn);
  }

  uint64_t pick_epoch() {
    const uint64_t low = std::max(horizon_, rolled_back_at_) + 1;
    if (random_.one_in(8)) return std::max(top_, low);
    if (random_.one_in(8) && top_ > low) return low + random_.below(top_ - low);
    top_ = std::max(top_ + 1 + random_.below(3), low);
    return top_;
  }

  // An operation of the model as the store takes it, its larger data in extents that are written.
  bool materialize(Machine& machine, StoreUpdate& update) {
    for (StoreUpdate::Value& value : update.values()) {
      value.checksums = checksum_run_of(value.bytes);
      if (value.bytes.size() < kInlineBytesBelow && !value.prefers_extent) continue;
      const auto extent = machine.volume->reserve(value.bytes.size());
      if (!extent.ok()) {
        for (const block::Extent& reserved : update.extents) machine.volume->cancel(reserved);
        return extent.code() == Code::kNoSpace ? false
                                               : fail("reserve: " + extent.error().describe());
      }
      value.extent = *extent;
      update.extents.push_back(*extent);
      device::AlignedBuffer buffer(extent->length);
      std::memset(buffer.data(), 0, buffer.size());
      std::memcpy(buffer.data(), value.bytes.data(), value.bytes.size());
      const ByteView piece = buffer.view(extent->length);
      if (!well(machine, machine.volume->write(*extent, Gather(&piece, 1)), "write")) return false;
    }
    update.build();
    return true;
  }

  // What the store answered against what the model does; on success both have it.
  void agree(Machine& machine, const ModelOperation& operation, const Result<Lsn>& result,
             StoreUpdate* update) {
    if (update && !result.ok())
      for (const block::Extent& extent : update->extents) machine.volume->cancel(extent);
    // Full: no update, and nothing that a transaction would prepare; whatever takes away goes on.
    const bool prepares =
        !operation.transaction.is_null() && operation.kind <= ModelOperation::Kind::kPunchAkeys;
    if (result.code() == Code::kNoSpace &&
        (prepares || operation.kind == ModelOperation::Kind::kUpdate))
      return reads_.note_perhaps(operation.epoch);
    const std::vector<Code> acceptable = current_.acceptable(operation, reads_);
    TransactionModel::note_reads(operation, result.code(), reads_);
    if (std::find(acceptable.begin(), acceptable.end(), result.code()) == acceptable.end()) {
      fail("the store answers " + std::string(code_name(result.code())) + " (" +
           (result.ok() ? "" : std::string(result.error().text())) + ") where the model says " +
           code_name(acceptable.front()) + ": " + describe(operation));
      return;
    }
    outcome_.by_chance += result.code() != acceptable.front();
    if (result.ok() && current_.apply(operation) != Code::kOk)
      fail("the model does not do what it accepts: " + describe(operation));
    if (result.ok()) pending_.push_back({operation, *result});
  }

  void one_update(Machine& machine) {
    ModelOperation operation = shape_.update(random_, pick_epoch());
    join_transaction(operation);
    StoreUpdate update(operation, random_);
    if (!materialize(machine, update)) return;
    if (!ready(machine, transaction_bytes({&update.update, 1}))) return;
    agree(machine, operation, machine.store->update(*machine.container, update.update), &update);
  }

  void batch(Machine& machine) {
    std::vector<ModelOperation> operations(2 + random_.below(18));
    std::vector<std::unique_ptr<StoreUpdate>> updates;
    std::vector<Update> requests;
    for (ModelOperation& operation : operations) {
      operation = shape_.update(random_, pick_epoch());
      if (random_.one_in(4)) join_transaction(operation);
      updates.push_back(std::make_unique<StoreUpdate>(operation, random_));
      if (!materialize(machine, *updates.back())) {
        updates.pop_back();  // has given back its own
        for (const auto& update : updates)
          for (const block::Extent& extent : update->extents) machine.volume->cancel(extent);
        return;
      }
      requests.push_back(updates.back()->update);
    }
    // Larger ones do not fit the smallest log.
    if (transaction_bytes(requests) > 192 * kKiB) {
      for (const auto& update : updates)
        for (const block::Extent& extent : update->extents) machine.volume->cancel(extent);
      return;
    }
    if (!ready(machine, transaction_bytes(requests))) return;
    std::vector<Result<Lsn>> results(requests.size(), Lsn{});
    machine.store->update_batch(*machine.container, requests, results);
    // They may have been tried twice.
    for (const ModelOperation& operation : operations) reads_.note_perhaps(operation.epoch);
    for (size_t i = 0; i < requests.size(); ++i)
      agree(machine, operations[i], results[i], updates[i].get());
    // One record in the log: all of it or nothing survives, which any prefix allows.
  }

  void one_punch(Machine& machine) {
    ModelOperation operation = shape_.punch(random_, pick_epoch());
    join_transaction(operation);
    const StorePunch punch(operation);
    if (!ready(machine, kSmallTransactionBytes)) return;
    agree(machine, operation, machine.store->punch(*machine.container, punch.punch), nullptr);
  }

  // To anything that can be read still.
  void rollback(Machine& machine) {
    ModelOperation operation;
    operation.kind = ModelOperation::Kind::kRollback;
    operation.rollback_to = readable_epoch();
    top_ = std::max({top_, horizon_, rolled_back_at_, operation.rollback_to}) + 1;
    operation.epoch = top_;
    if (!ready(machine, kSmallTransactionBytes)) return;
    const auto result = machine.store->rollback(*machine.container, Epoch{operation.rollback_to},
                                                Epoch{operation.epoch});
    if (result.code() == Code::kBusy) return;
    if (result.ok()) rolled_back_at_ = operation.epoch;
    agree(machine, operation, result, nullptr);
    compare_now(machine);
  }

  uint64_t readable_epoch() {
    if (!snapshots_.empty() && random_.one_in(2))
      return snapshots_[random_.below(snapshots_.size())];
    return horizon_ + random_.below(top_ + 2 - std::min(top_, horizon_));
  }

  // --- transactions

  TransactionId new_transaction() { return {++transactions_, 1}; }

  // One of those that are prepared; null if there is none.
  std::pair<TransactionId, uint64_t> pick_prepared() {
    const std::map<TransactionId, uint64_t> prepared = current_.prepared();
    if (prepared.empty()) return {};
    return *std::next(prepared.begin(), static_cast<long>(random_.below(prepared.size())));
  }

  // Makes it part of a transaction now and then, or uncertain.
  void join_transaction(ModelOperation& operation) {
    if (!random_.one_in(3)) {
      if (random_.one_in(10)) operation.uncertain_until = operation.epoch + random_.below(9);
      return;
    }
    const size_t undecided = current_.prepared().size();
    if (!current_.decided().empty() && random_.one_in(30)) {
      operation.transaction = current_.decided().begin()->first;
    } else if (undecided >= 3 || (undecided > 0 && random_.one_in(2))) {
      std::tie(operation.transaction, operation.epoch) = pick_prepared();
    } else {
      operation.transaction = new_transaction();
    }
  }

  void decide(Machine& machine) {
    ModelOperation operation;
    operation.transaction = pick_prepared().first;
    if (operation.transaction.is_null() || random_.one_in(6)) {
      operation.transaction = new_transaction();
      if (!current_.decided().empty() && !random_.one_in(4))
        operation.transaction = current_.decided().rbegin()->first;
    }
    const TransactionId id = operation.transaction;
    const uint64_t bytes = machine.store->resolve_bytes(*machine.container, id);
    if (!ready(machine, bytes)) return;
    const uint64_t dice = random_.below(7);
    operation.kind = dice < 3   ? ModelOperation::Kind::kCommit
                     : dice < 6 ? ModelOperation::Kind::kAbort
                                : ModelOperation::Kind::kForget;
    ++outcome_.decisions;
    agree(machine, operation,
          dice < 3   ? machine.store->commit(*machine.container, id)
          : dice < 6 ? machine.store->abort(*machine.container, id)
                     : machine.store->forget(*machine.container, {&id, 1}),
          nullptr);
    compare_transactions(machine, current_);
  }

  // By a transaction, or by somebody with a clock: leaves its mark, and may come too early.
  void one_read(Machine& machine) {
    ReadAt at(Epoch{readable_epoch()});
    if (!random_.one_in(3)) {
      const auto [id, epoch] = pick_prepared();
      at.transaction = id;
      at.epoch = Epoch{epoch};
      if (id.is_null() || random_.one_in(3)) {
        at.transaction = new_transaction();
        at.epoch = Epoch{pick_epoch()};
      }
    } else if (random_.one_in(2)) {
      at.clock = Epoch{top_};
    }
    const bool in_last_era = at.epoch.value >= std::max(rolled_back_at_, horizon_);
    if (in_last_era && random_.one_in(2)) at.uncertain_until = Epoch{at.epoch.value + 3};
    const StoreShape::Object& object = shape_.objects()[random_.below(shape_.objects().size())];
    const std::string& dkey = object.dkeys[random_.below(object.dkeys.size())];
    if (random_.one_in(3))
      read_keys(machine, at, object.oid);
    else
      read_value(machine, at, object.oid, dkey, object.akeys[random_.below(object.akeys.size())]);
  }

  void read_value(Machine& machine, const ReadAt& at, ObjectId oid, const std::string& dkey,
                  const StoreShape::Akey& akey) {
    AkeyFetch one;
    one.akey = as_bytes(std::string_view(akey.key));
    one.kind = akey.kind;
    const std::pair<uint64_t, uint64_t> range{0, 40};
    if (akey.kind == ValueKind::kArray) one.ranges = {&range, 1};
    Fetch fetch{oid, at.epoch, as_bytes(std::string_view(dkey)), 0, {&one, 1}};
    fetch.transaction = at.transaction;
    fetch.uncertain_until = at.uncertain_until;
    fetch.clock = at.clock;
    const Result<void> result = machine.store->fetch(*machine.container, fetch);
    ModelPlace place{oid, dkey, akey.key};
    if (akey.kind == ValueKind::kArray) place.end = 40;
    if (!judge(at, place, result.code(), "fetch") || !result.ok()) return;
    for (const ReferenceModel& world : current_.worlds(at.epoch.value, at.transaction)) {
      const std::string* single = world.single(oid, dkey, akey.key, at.epoch.value);
      if (one.found != world.akey_visible(oid, dkey, akey.key, at.epoch.value) ||
          (one.found && akey.kind == ValueKind::kSingle && one.record_size != single->size()))
        fail("a fetch tells what may not be");
    }
    reads_.note({oid, dkey, akey.key}, noted(at), at.transaction);
  }

  void read_keys(Machine& machine, const ReadAt& at, ObjectId oid) {
    Anchor anchor;
    const auto listed = machine.store->list_dkeys(*machine.container, oid, at, anchor, 1000);
    if (!judge(at, {oid}, listed.code(), "list_dkeys") || !listed.ok()) return;
    for (const ReferenceModel& world : current_.worlds(at.epoch.value, at.transaction))
      if (listed->size() != world.dkeys(oid, at.epoch.value).size())
        fail("a listing tells what may not be");
    reads_.note({oid}, noted(at), at.transaction);
  }

  static uint64_t noted(const ReadAt& at) {
    return at.transaction.is_null() ? at.clock.value : at.epoch.value;
  }

  // Whether a read was rightly answered, or rightly not.
  bool judge(const ReadAt& at, const ModelPlace& place, Code code, const std::string& what) {
    const uint64_t until = std::max(at.epoch, at.uncertain_until).value;
    const bool missed = current_.committed_in(place, at.epoch.value, until);
    bool good = code == Code::kOk && !missed;
    if (code == Code::kInProgress)
      good = current_.prepared_in({place.oid}, 0, until, at.transaction);
    if (code == Code::kTransactionRestart) good = missed;
    if (code == Code::kOk && current_.prepared_in(place, at.epoch.value, until, at.transaction))
      good = false;
    reads_.note_perhaps(noted(at));
    outcome_.refused_reads += code != Code::kOk;
    if (good) return true;
    return fail("a " + what + " at " + std::to_string(at.epoch.value) + " to " +
                std::to_string(until) + " by transaction " + std::to_string(at.transaction.low) +
                " is answered " + code_name(code));
  }

  bool compare_transactions(Machine& machine, const TransactionModel& model) {
    const std::map<TransactionId, uint64_t> expected = model.prepared();
    std::map<TransactionId, uint64_t> found;
    for (const PreparedTransaction& one : machine.store->prepared(*machine.container, kEpochNone))
      found[one.id] = one.epoch.value;
    if (found != expected) return fail("other transactions are prepared than in the model");
    for (uint64_t number = 1; number <= transactions_; ++number) {
      const TransactionId id{number, 1};
      if (machine.store->status(*machine.container, id) != model.status(id))
        return fail("transaction " + std::to_string(number) + " has another state");
    }
    return true;
  }

  void reclaim(Machine& machine) {
    const uint64_t low = horizon_;
    const uint64_t horizon = low + random_.below(top_ - std::min(top_ - 1, low));
    horizon_ = horizon;
    const uint64_t slices = random_.one_in(3) ? 1 + random_.below(5) : 1000;
    const auto budget = static_cast<uint32_t>(1 + random_.below(random_.one_in(2) ? 8 : 300));
    machine.store->set_cold(Epoch{horizon}, random_.one_in(2) ? 300 : 0);
    const bool ordered = random_.one_in(4);
    for (uint64_t i = 0; i < slices; ++i) {
      if (!ready(machine, kSmallTransactionBytes)) return;
      const auto more = ordered
                            ? machine.store->aggregate(*machine.container, Epoch{horizon}, budget)
                            : machine.store->reclaim(Epoch{horizon}, budget);
      if (!more.ok()) fail("reclaim: " + more.error().describe());
      if (!more.ok() || !*more) break;
      if (!rewrite_proposed(machine)) return;
    }
    compare_now(machine);
  }

  // As the object service does it; other changes may come between.
  bool rewrite_proposed(Machine& machine) {
    const Volume::Pin pin = machine.volume->pin();
    std::vector<Rewrite> jobs;
    while (auto job = machine.store->take_rewrite()) jobs.push_back(std::move(*job));
    for (const Rewrite& job : jobs) {
      const bool late = random_.one_in(8);
      if (late) machine.aside.emplace_back(machine.volume->pin(), job);
      if ((!late || random_.one_in(2)) && !rewrite(machine, job)) return false;
    }
    if (!machine.aside.empty() && random_.one_in(3)) {
      const auto late = std::move(machine.aside.back());
      machine.aside.pop_back();
      if (!rewrite(machine, late.second)) return false;
    }
    return outcome_.failure.empty();
  }

  bool read_source(Machine& machine, const Rewrite::Source& source, MutableByteView into) {
    device::AlignedBuffer buffer;
    ByteView run = source.run;
    if (!source.inlined) {
      buffer = device::AlignedBuffer(source.run_length);
      run = buffer.view(source.run_length);
      if (!well(machine, machine.volume->read(source.run_offset, buffer.view()), "read"))
        return false;
    }
    const Result<void> good = verify_run(run, source.run_checksums);
    if (!good.ok()) return fail("what is written again: " + good.error().describe());
    std::memcpy(into.data(), run.data() + source.skip, source.length);
    return true;
  }

  bool rewrite(Machine& machine, const Rewrite& job) {
    device::AlignedBuffer bytes(job.length);
    std::memset(bytes.data(), 0, bytes.size());
    uint64_t done = 0;
    for (const Rewrite::Source& source : job.sources) {
      if (!read_source(machine, source, {bytes.data() + done, source.length})) return false;
      done += source.length;
    }
    const ByteView run = bytes.view(job.length), whole = bytes.view();
    const std::vector<uint32_t> checksums = checksum_run(Gather(&run, 1));
    Data data{job.length, {}, {}, checksums};
    if (job.in_extent) {
      const auto extent = machine.volume->reserve(job.length);
      if (!extent.ok()) return extent.code() == Code::kNoSpace;
      data.extent = *extent;
      if (!well(machine, machine.volume->write(data.extent, Gather(&whole, 1)), "write"))
        return false;
    } else {
      data.bytes = run;
    }
    if (random_.one_in(3)) one_update(machine);
    if (random_.one_in(8)) one_punch(machine);
    if (random_.one_in(8)) change_snapshots(machine);
    if (!ready(machine, 4 * kSmallTransactionBytes)) return false;
    const auto result = machine.store->finish_rewrite(job, data);
    outcome_.rewrites += result.ok();
    if (!result.ok() && job.in_extent) machine.volume->cancel(data.extent);
    if (result.ok() || result.code() == Code::kAgain || result.code() == Code::kNoSpace)
      return true;
    return fail("a rewrite: " + result.error().describe());
  }

  void change_snapshots(Machine& machine) {
    if (!snapshots_.empty() && random_.one_in(2)) {
      snapshots_.erase(snapshots_.begin() + static_cast<long>(random_.below(snapshots_.size())));
    } else {
      const uint64_t low = horizon_;
      snapshots_.push_back(low + random_.below(std::max<uint64_t>(1, top_ - std::min(top_, low))));
    }
    set_snapshots(machine);
  }

  // --- a full target

  // Another pool takes all that is left of the heap, or of the device, or both: from then on
  // updates may fail, nothing else may.
  bool fill(Machine& machine) {
    if (machine.disk.crashed() || machine.store->find(kFiller, kFiller)) return true;
    if (!ready(machine, kSmallTransactionBytes)) return false;
    const auto pool = machine.store->create_pool(kFiller, machine.store->unreserved_bytes());
    if (pool.code() == Code::kNoSpace) return true;  // its predecessor is not gone yet
    if (!pool.ok()) return fail("the filling pool: " + pool.error().describe());
    const auto container = machine.store->create_container(kFiller, kFiller);
    if (!container.ok()) return container.code() == Code::kNoSpace;
    const bool heap = random_.one_in(2), device = !heap || random_.one_in(2);
    for (uint64_t bytes = kMiB, key = 1; device && bytes >= 4096;) {
      const auto extent = machine.volume->reserve(bytes);
      if (!extent.ok())
        bytes /= 2;
      else if (!fill_one(machine, {bytes, {}, *extent, {}}, key++))
        machine.volume->cancel(*extent), bytes = 0;
      if (!outcome_.failure.empty() || machine.disk.crashed()) return false;
    }
    const Buffer value(32 * kKiB);
    uint64_t bytes = value.size();
    for (uint64_t key = 1; heap && bytes >= 16; key += 2) {
      if (!fill_one(machine, {bytes, ByteView(value).first(bytes), {}, {}}, key << 32)) bytes /= 2;
      if (!outcome_.failure.empty() || machine.disk.crashed()) return false;
    }
    return true;
  }

  bool fill_one(Machine& machine, const Data& data, uint64_t key) {
    AkeyUpdate akey;
    akey.akey = as_bytes("a");
    akey.single = data;
    Update update{{1, 0}, {}, bytes_of(key), 0, {&akey, 1}};
    if (!ready(machine, transaction_bytes({&update, 1}))) return false;
    // Above what was read: the target remembers reads of all its pools together (seed 144).
    Result<Lsn> done = Lsn{};
    do {
      update.epoch = Epoch{++fill_epoch_};
      done = machine.store->update(*machine.store->find(kFiller, kFiller), update);
    } while (done.code() == Code::kTransactionRestart);
    if (!done.ok() && done.code() != Code::kNoSpace) fail("filling: " + done.error().describe());
    return done.ok();
  }

  // What filled the target is destroyed, and its space comes back.
  void empty(Machine& machine) {
    const auto held = machine.store->count_holdings(kFiller);
    if (!ready(machine, kSmallTransactionBytes)) return;
    const uint64_t heap = machine.volume->use().heap_bytes;
    const auto destroyed = machine.store->destroy_pool(kFiller);
    if (destroyed.code() == Code::kNonexistent) return;
    if (!destroyed.ok()) return void(fail("a full target: " + destroyed.error().describe()));
    for (bool more = true; more;) {
      if (!ready(machine, kSmallTransactionBytes)) return;
      const auto slice = machine.store->reclaim(kEpochNone, 200);
      if (!slice.ok()) return void(fail("a full target: " + slice.error().describe()));
      more = *slice;
    }
    if (machine.volume->use().heap_bytes + held.heap_bytes > heap)
      fail("what filled the heap did not come back");
  }

  // --- comparing

  void compare_now(Machine& machine) {
    check_accounts(machine);
    const std::string difference = compare(machine, current_);
    if (!difference.empty() && !machine.disk.crashed()) fail(difference);
  }

  // What the pool says it uses is what is there.
  void check_accounts(Machine& machine) {
    const Holdings held = machine.store->count_holdings(kPool);
    const auto space = machine.store->space(kPool);
    if (space.ok() && space->used != held.heap_bytes + held.extent_bytes)
      fail("the pool's account says " + std::to_string(space->used) + " bytes, " +
           std::to_string(held.heap_bytes + held.extent_bytes) + " are held");
  }

  // Just after an open: what is allocated on the device is what the store names, each once.
  void check_extents(Machine& machine) {
    check_accounts(machine);
    std::vector<block::Extent> extents = machine.store->count_holdings(std::nullopt).extents;
    std::sort(extents.begin(), extents.end(),
              [](const auto& a, const auto& b) { return a.offset < b.offset; });
    uint64_t bytes = 0, end = 0;
    for (const block::Extent& extent : extents) {
      if (extent.offset < end) fail("two values share the device at " + std::to_string(end));
      end = extent.offset + extent.length;
      bytes += extent.length;
    }
    const uint64_t allocated = machine.volume->use().extent_bytes;
    if (bytes != allocated)
      fail("the device has allocated " + std::to_string(allocated) + " bytes, the store names " +
           std::to_string(bytes));
  }

  std::string compare(Machine& machine, const TransactionModel& model) {
    std::vector<uint64_t> epochs = snapshots_;
    epochs.push_back(~0ULL);
    epochs.push_back(readable_epoch());
    const auto read = [&](uint64_t offset, MutableByteView into) {
      DiskFaults faults;
      if (flips_bits_) faults.bit_flip_one_in = 3;
      machine.disk.set_faults(faults);
      const bool done = await(machine, machine.volume->read(offset, into)).has_value();
      machine.disk.set_faults({});
      return done;
    };
    for (const uint64_t epoch : epochs) {
      ++outcome_.compared;
      std::string difference =
          compare_store(*machine.store, *machine.container, model.worlds(epoch), shape_,
                        Epoch{epoch}, random_, read);
      if (!difference.empty()) return "at epoch " + std::to_string(epoch) + ": " + difference;
    }
    for (const auto& [id, epoch] : model.prepared()) {
      if (!random_.one_in(2)) continue;
      reads_.note_perhaps(epoch);
      const ReadAt at(Epoch{epoch}, id);
      std::string difference = compare_store(*machine.store, *machine.container,
                                             model.worlds(epoch, id), shape_, at, random_, read);
      if (!difference.empty())
        return "by transaction " + std::to_string(id.low) + " at " + std::to_string(epoch) + ": " +
               difference;
    }
    for (int pair = 0; pair < 3; ++pair) {
      const uint64_t from = readable_epoch();
      const uint64_t to = random_.one_in(3) ? ~0ULL : std::max(from, readable_epoch());
      const std::string difference = compare_differences(*machine.store, *machine.container,
                                                         model.worlds(to), from, to, random_);
      if (!difference.empty())
        return "between epochs " + std::to_string(from) + " and " + std::to_string(to) + ": " +
               difference;
    }
    if (model.committed().newest_epoch() > machine.store->newest_epoch().value)
      return "newest_epoch() is too low";
    return {};
  }

  // Everything destroyed: nothing may be left.
  void finish(Machine& machine) {
    if (machine.disk.crashed()) return;
    machine.disk.crash_at(0);
    compare_now(machine);
    if (!ready(machine, kSmallTransactionBytes)) return;
    empty(machine);
    const auto destroyed = random_.one_in(2) ? machine.store->destroy_container(kPool, kContainer)
                                             : machine.store->destroy_pool(kPool);
    if (!destroyed.ok()) return void(fail(destroyed.error().describe()));
    if (!well(machine, machine.volume->durable(*destroyed), "durable")) return;
    drained_ = drain(machine, random_.one_in(3) ? 1 + random_.below(4) : ~0ULL);
    if (drained_) check_drained(machine);
    if (drained_ || outcome_.failure.empty()) destroyed_ = true;
  }

  // True: what was destroyed is gone altogether.
  bool drain(Machine& machine, uint64_t slices) {
    for (uint64_t i = 0; i < slices; ++i) {
      if (!ready(machine, kSmallTransactionBytes)) return false;
      if (!*machine.store->reclaim(kEpochNone, slices < 5 ? 10 : 200)) return true;
    }
    return false;
  }

  void check_drained(Machine& machine) {
    const auto space = machine.store->space(kPool);
    if (space.ok() && space->used != 0)
      fail("an empty pool uses " + std::to_string(space->used) + " bytes");
    well(machine, machine.volume->close(), "close");
  }

  // Power failed in the middle of it.
  void drain_again() {
    Machine machine(*this);
    auto opened = await(machine, Volume::open(*machine.executor, machine.disk, kIdentity));
    if (!opened->ok()) return void(fail("open: " + opened->error().describe()));
    machine.volume = std::move(**opened);
    auto store = Store::open(*machine.volume);
    if (!store.ok()) return void(fail("store: " + store.error().describe()));
    machine.store = std::move(*store);
    if (machine.store->find(kPool, kContainer)) return void(fail("a destroyed container is back"));
    check_extents(machine);
    drain(machine, ~0ULL);
    check_drained(machine);
    image_ = machine.disk.crash();
  }

  // What the volume reserves for itself is gone when it opens.
  void check_empty() {
    Machine machine(*this);
    auto opened = await(machine, Volume::open(*machine.executor, machine.disk, kIdentity));
    if (!opened->ok()) return void(fail("open: " + opened->error().describe()));
    machine.volume = std::move(**opened);
    if (machine.volume->use().extent_bytes != 0)
      fail("extents are left when everything is destroyed");
  }

  Random random_;
  StoreShape shape_;
  uint64_t top_;
  uint64_t pool_bytes_ = 0;
  bool flips_bits_ = false;  // when values are read
  bool fills_ = false;       // another pool fills the target
  uint64_t fill_epoch_ = 1;
  bool destroyed_ = false, drained_ = false;  // all of it; and its space was given back
  DiskImage image_{kDiskBytes};
  TransactionModel acknowledged_, current_;
  ModelReads reads_;
  uint64_t transactions_ = 0;  // that there have been; ids count from 1
  std::deque<Pending> pending_;
  std::vector<uint64_t> snapshots_;
  // What reclaim() may have merged: no write at or below, no read below but at snapshots.
  uint64_t horizon_ = 0;
  uint64_t rolled_back_at_ = 0;  // no write at or below, even if the power took the rollback
  bool acknowledged_any_ = false;
  StoreOutcome outcome_;
};

}  // namespace

StoreOutcome run_store_seed(uint64_t seed) { return StoreRun(seed).go(); }

bool run_store_seeds(uint64_t first, uint64_t count, StoreOutcome& total) {
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const StoreOutcome outcome = run_store_seed(seed);
    total.operations += outcome.operations;
    total.crashes += outcome.crashes;
    total.compared += outcome.compared;
    total.decisions += outcome.decisions;
    total.by_chance += outcome.by_chance;
    total.refused_reads += outcome.refused_reads;
    total.rewrites += outcome.rewrites;
    if (outcome.failure.empty()) continue;
    total.failure = "seed " + std::to_string(seed) + ": " + outcome.failure;
    std::fprintf(stderr, "%s\nreplay: ./dev sim store --seed %llu --seeds 1\n",
                 total.failure.c_str(), static_cast<unsigned long long>(seed));
    return false;
  }
  return true;
}

}  // namespace varve::simulation
