// The library that applications link, as coroutines. A Session belongs to one thread: it has its
// own executor, transports and connections, so that threads share nothing but immutable handles
// (PoolHandle, ContainerHandle), which any Session may use. Every operation has a deadline
// (Options::deadline unless said otherwise); retries (stale map, lost connection, server
// restarting) happen within it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/chunk_checksum.h"
#include "base/ids.h"
#include "base/result.h"
#include "container/wire.h"
#include "object/wire.h"
#include "placement/placement.h"
#include "pool/wire.h"
#include "runtime/executor.h"

namespace varve::rpc {
class Cancellation;
class Node;
class Peer;
}  // namespace varve::rpc

namespace varve::client {

struct Options {
  // System endpoints to try in order. Empty: $VARVE_ADDRESS (comma-separated), else the same-host
  // sockets of this user's and the system's run directory (network/run_directory.h), else
  // tcp://127.0.0.1:10400. $VARVE_TRANSPORT=tcp|local narrows the choice of target addresses to one
  // transport.
  std::vector<std::string> addresses;
  std::string transport;    // "", "tcp", "local", "memory", "simulated"
  Duration deadline = 30s;  // $VARVE_TIMEOUT_MS
  Duration polling_budget = 50us;
  bool checksums = true;
};
// Options from the environment; kInvalid names the variable.
Result<Options> options_from_environment();

// An open pool: shared by threads, immutable but for the map, which a stale answer replaces.
struct PoolHandle {
  Uuid uuid, handle;
  std::string label;
  uint32_t flags = 0;
  std::atomic<bool> closed{false};
  // Another process's: to close it here closes nothing at the service.
  std::atomic<bool> borrowed{false};
  std::atomic<uint32_t> map_version{0};  // of map(), to see cheaply that it changed
  std::shared_ptr<const placement::PoolMap> map() const;
  void replace_map(placement::PoolMap map);
  pool::PoolInfo info;  // as of connect
  // Around fork, so that the child finds the map whole.
  std::mutex& mutex() const { return mutex_; }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const placement::PoolMap> map_;
};
using Pool = std::shared_ptr<PoolHandle>;

struct ContainerHandle {
  Pool pool;
  Uuid uuid, handle;
  container::ContainerInfo info;  // as of open
  ChecksumFormat checksums;       // of its data
  bool writable = true;
  std::atomic<bool> closed{false};
  std::atomic<bool> borrowed{false};  // as PoolHandle's
  // The newest epoch that anybody with this handle has seen: what is written later comes above it.
  std::atomic<uint64_t> seen{0};
  void note_seen(Epoch epoch) {
    uint64_t known = seen.load(std::memory_order_relaxed);
    while (known < epoch.value &&
           !seen.compare_exchange_weak(known, epoch.value, std::memory_order_relaxed)) {
    }
  }
};
using Container = std::shared_ptr<ContainerHandle>;

// An object to work on: costs nothing to make, nothing is created anywhere.
struct Object {
  Container container;
  ObjectId oid;
  Epoch snapshot = kEpochMax;                     // reads at this epoch
  std::shared_ptr<const placement::PoolMap> map;  // that the layout was computed from
  placement::Layout layout;
};

// One akey's part of an update or a fetch; data scattered over the caller's memory.
struct IoDescriptor {
  ByteView akey;
  object::ValueKind kind = object::ValueKind::kSingle;
  uint64_t record_size =
      0;  // in: updates, array fetches; out: fetches (size of the value, 0: none)
  uint64_t conditions = 0;  // store::Condition with kCondPerAkey; object::kAppend, kAtEnd
  std::span<const object::Range> ranges;
  Gather from = {};            // updates; empty: punch
  Scatter into = {};           // fetches; empty: only sizes are wanted
  uint64_t fetched_bytes = 0;  // out: bytes of data that came
  // Array fetches. Holes in `into` are filled with zeros; otherwise left as they were, but for
  // those in front of data that one large fetch found (over kExactHolesBytesMax), which are zeroed
  // in any case.
  bool zero_holes = false;
  uint64_t fetched_end = 0;  // out: bytes of `into` up to the end of the last data; 0: only holes
  uint64_t appended_at = 0;  // out: where the range of an append came to lie
  // Out, if not null: what was found of `ranges`, in order, data and holes.
  std::vector<object::FetchedPiece>* found = nullptr;
};
inline constexpr uint64_t kExactHolesBytesMax = 16 * kKiB;

class Session {
 public:
  // On the calling thread, with machine clock and real transports.
  static Result<std::unique_ptr<Session>> open(const Options& options);
  // For simulation and embedding: everything is given.
  static std::unique_ptr<Session> over(Executor& executor, std::unique_ptr<rpc::Node> node,
                                       Options options);
  virtual ~Session() = default;

  virtual Executor& executor() = 0;
  // Whose requests those of the caller are, from here until the next suspension and after it: they
  // end with kCanceled when it is requested, and its deadline, where it has one, is theirs. Null:
  // nobody's.
  virtual void set_cancellation(std::shared_ptr<rpc::Cancellation> cancellation) {}
  // The caller's at this moment; who waits for others than the session sets it again afterwards.
  virtual std::shared_ptr<rpc::Cancellation> cancellation() const { return nullptr; }
  virtual const Options& options() const = 0;
  // Runs one operation on the calling (owning) thread until it ends.
  template <class T>
  T wait(Task<T> task) {
    return executor().block_on(std::move(task));
  }

  virtual Task<Result<pool::SystemInfo>> query_system() = 0;
  virtual Task<Result<pool::PoolInfo>> create_pool(pool::CreatePool request) = 0;
  virtual Task<Result<void>> destroy_pool(std::string name, bool force, bool recursive) = 0;
  virtual Task<Result<std::vector<pool::PoolInfo>>> list_pools() = 0;
  virtual Task<Result<pool::QueryPoolReply>> query_pool(std::string name) = 0;
  virtual Task<Result<Pool>> connect_pool(std::string name, uint32_t flags) = 0;
  virtual Task<Result<void>> disconnect_pool(Pool pool) = 0;
  virtual Task<Result<std::vector<pool::Property>>> pool_properties(std::string name) = 0;
  virtual Task<Result<void>> set_pool_properties(std::string name,
                                                 std::vector<pool::Property> properties) = 0;
  // Lists as text, one entry a line; kDelete: a principal, "u:name@". To be read they are a
  // property.
  virtual Task<Result<void>> change_pool_acl(std::string name, pool::AclVerb verb,
                                             std::string entries) = 0;
  virtual Task<Result<std::vector<pool::Attribute>>> pool_attributes(
      Pool pool, pool::AttributeVerb verb, std::vector<pool::Attribute> attributes) = 0;

  virtual Task<Result<container::ContainerInfo>> create_container(
      Pool pool, container::CreateContainer request) = 0;
  virtual Task<Result<void>> destroy_container(Pool pool, std::string name, bool force) = 0;
  virtual Task<Result<std::vector<container::ContainerInfo>>> list_containers(Pool pool) = 0;
  virtual Task<Result<container::ContainerInfo>> query_container(Pool pool, std::string name) = 0;
  virtual Task<Result<Container>> open_container(Pool pool, std::string name, uint32_t flags) = 0;
  virtual Task<Result<void>> close_container(Container container) = 0;
  virtual Task<Result<void>> set_container_properties(Pool pool, std::string name,
                                                      std::vector<pool::Property> properties) = 0;
  virtual Task<Result<void>> change_container_acl(Pool pool, std::string name, pool::AclVerb verb,
                                                  std::string entries) = 0;
  virtual Task<Result<std::vector<pool::Attribute>>> container_attributes(
      Container container, pool::AttributeVerb verb, std::vector<pool::Attribute> attributes) = 0;
  // A number for ObjectId::low that nobody else gets; fetched from the service in ranges.
  virtual Task<Result<uint64_t>> allocate_object_ids(Container container, uint64_t count) = 0;
  virtual Task<Result<Epoch>> create_snapshot(Container container, std::string name) = 0;
  virtual Task<Result<void>> destroy_snapshot(Container container, Epoch epoch) = 0;
  virtual Task<Result<std::vector<container::Snapshot>>> list_snapshots(Container container) = 0;
  // An epoch at which all that was acknowledged before can be read for a minute, and as long again
  // after every read (kEpochTooOld then): one epoch for all reads, without a snapshot.
  virtual Task<Result<Epoch>> hold_epoch(Container container) = 0;
  // The container becomes what it was at a snapshot's epoch. kBusy while others have it open for
  // writing, unless `force`: then what they write meanwhile may be there or not.
  virtual Task<Result<void>> roll_back(Container container, Epoch epoch, bool force) = 0;
  // Orders the merge of versions that nobody can see, up to `epoch` (kEpochMax: up to now). It goes on
  // in the background of every target after this has ended.
  virtual Task<Result<void>> aggregate(Container container, Epoch epoch) = 0;

  // kInvalid where the class is not known; no round trip.
  virtual Result<Object> open_object(Container container, ObjectId oid) = 0;
  // `descriptors` and what they refer to are the caller's again when the task ends, whatever the
  // result.
  virtual Task<Result<Epoch>> update(const Object& object, ByteView dkey, uint64_t conditions,
                                     std::span<IoDescriptor> descriptors) = 0;
  virtual Task<Result<void>> fetch(const Object& object, ByteView dkey, uint64_t conditions,
                                   std::span<IoDescriptor> descriptors) = 0;
  // Scope by what is empty: no dkeys: the object; dkeys only: these dkeys; one dkey and akeys:
  // these akeys.
  virtual Task<Result<void>> punch(const Object& object, std::span<const ByteView> dkeys,
                                   std::span<const ByteView> akeys, uint64_t conditions) = 0;
  // Up to `limit` entries, whose keys together take `bytes_limit` at most (0: no limit; one key
  // that alone is longer comes all the same), from the anchor on; `shard` in it walks the groups.
  // anchor.end: no more. position.below bounds a part of one group's keys, position.from says where
  // it begins.
  struct Anchor {
    uint32_t shard = 0;
    object::ListAnchor position;
    bool end = false;
    template <class Archive>
    void visit(Archive& archive) {
      archive(shard, position, end);
    }
  };
  virtual Task<Result<std::vector<object::ListedEntry>>> list_dkeys(const Object& object,
                                                                    Anchor& anchor, uint32_t limit,
                                                                    uint32_t bytes_limit = 0) = 0;
  virtual Task<Result<std::vector<object::ListedEntry>>> list_akeys(const Object& object,
                                                                    ByteView dkey, Anchor& anchor,
                                                                    uint32_t limit,
                                                                    uint32_t bytes_limit = 0) = 0;
  virtual Task<Result<std::vector<object::ListedEntry>>> list_ranges(
      const Object& object, ByteView dkey, ByteView akey, Anchor& anchor, uint32_t limit,
      uint32_t* record_size = nullptr) = 0;
  // Each object once, on however many targets it lies; in the order of all targets, so that
  // anchor.position holds for all of them (`shard` is not used).
  virtual Task<Result<std::vector<ObjectId>>> list_objects(Container container, Epoch epoch,
                                                           Anchor& anchor, uint32_t limit) = 0;
  // What is not the same at two epochs, from <= to, target by target: up to `limit` entries; fewer,
  // even none, is not the end. By version, not by bytes.
  struct DiffAnchor {
    uint32_t shard = 0;
    object::DiffAnchor position;
    bool end = false;
  };
  virtual Task<Result<std::vector<object::Difference>>> list_differences(Container container,
                                                                         Epoch from, Epoch to,
                                                                         DiffAnchor& anchor,
                                                                         uint32_t limit) = 0;
  // Over all groups (or the dkey's). flags as in object::QueryRequest; the bytes of all dkeys, in as
  // many requests as that takes.
  virtual Task<Result<object::QueryReply>> query(const Object& object, ByteView dkey, ByteView akey,
                                                 uint8_t flags) = 0;
};

}  // namespace varve::client
