// The Session that client.h promises. session.cc: opening, and how one request is tried again until
// its deadline; services.cc: pools and containers; object_io.cc: update, fetch, punch;
// object_walk.cc: lists and queries over the groups of an object.
#pragma once

#include <map>

#include "client/connections.h"
#include "client/encode.h"

namespace varve::client {

// kNoHandle where it is closed.
Result<void> check_handle(const Pool& pool);
Result<void> check_handle(const Container& container);

// One request on its way through its attempts.
struct Attempt {
  Instant deadline;
  Instant now;                  // when this try began
  Instant begin = now;          // when the first did
  Duration pause{0};            // before the next try
  bool maybe_executed = false;  // an attempt was sent and its answer never came
  bool changes_something = false;
  std::shared_ptr<rpc::Cancellation> cancellation{};
  std::string last_error{};
};

class SessionImpl final : public Session {
 public:
  SessionImpl(std::unique_ptr<Executor> owned, Executor& executor, std::unique_ptr<rpc::Node> node,
              Options options);
  ~SessionImpl() override;

  Executor& executor() override { return executor_; }
  const Options& options() const override { return options_; }
  void set_cancellation(std::shared_ptr<rpc::Cancellation> cancellation) override {
    cancellation_ = std::move(cancellation);
  }
  std::shared_ptr<rpc::Cancellation> cancellation() const override { return cancellation_; }

  Task<Result<pool::SystemInfo>> query_system() override;
  Task<Result<pool::PoolInfo>> create_pool(pool::CreatePool request) override;
  Task<Result<void>> destroy_pool(std::string name, bool force, bool recursive) override;
  Task<Result<std::vector<pool::PoolInfo>>> list_pools() override;
  Task<Result<pool::QueryPoolReply>> query_pool(std::string name) override;
  Task<Result<Pool>> connect_pool(std::string name, uint32_t flags) override;
  Task<Result<void>> disconnect_pool(Pool pool) override;
  Task<Result<std::vector<pool::Property>>> pool_properties(std::string name) override;
  Task<Result<void>> set_pool_properties(std::string name,
                                         std::vector<pool::Property> properties) override;
  Task<Result<void>> change_pool_acl(std::string name, pool::AclVerb verb,
                                     std::string entries) override;
  Task<Result<std::vector<pool::Attribute>>> pool_attributes(
      Pool pool, pool::AttributeVerb verb, std::vector<pool::Attribute> attributes) override;

  Task<Result<container::ContainerInfo>> create_container(
      Pool pool, container::CreateContainer request) override;
  Task<Result<void>> destroy_container(Pool pool, std::string name, bool force) override;
  Task<Result<std::vector<container::ContainerInfo>>> list_containers(Pool pool) override;
  Task<Result<container::ContainerInfo>> query_container(Pool pool, std::string name) override;
  Task<Result<Container>> open_container(Pool pool, std::string name, uint32_t flags) override;
  Task<Result<void>> close_container(Container container) override;
  Task<Result<void>> set_container_properties(Pool pool, std::string name,
                                              std::vector<pool::Property> properties) override;
  Task<Result<void>> change_container_acl(Pool pool, std::string name, pool::AclVerb verb,
                                          std::string entries) override;
  Task<Result<std::vector<pool::Attribute>>> container_attributes(
      Container container, pool::AttributeVerb verb,
      std::vector<pool::Attribute> attributes) override;
  Task<Result<uint64_t>> allocate_object_ids(Container container, uint64_t count) override;
  Task<Result<Epoch>> create_snapshot(Container container, std::string name) override;
  Task<Result<void>> destroy_snapshot(Container container, Epoch epoch) override;
  Task<Result<std::vector<container::Snapshot>>> list_snapshots(Container container) override;
  Task<Result<Epoch>> hold_epoch(Container container) override;
  Task<Result<void>> roll_back(Container container, Epoch epoch, bool force) override;
  Task<Result<void>> aggregate(Container container, Epoch epoch) override;

  Result<Object> open_object(Container container, ObjectId oid) override;
  Task<Result<Epoch>> update(const Object& object, ByteView dkey, uint64_t conditions,
                             std::span<IoDescriptor> descriptors) override;
  Task<Result<void>> fetch(const Object& object, ByteView dkey, uint64_t conditions,
                           std::span<IoDescriptor> descriptors) override;
  Task<Result<void>> punch(const Object& object, std::span<const ByteView> dkeys,
                           std::span<const ByteView> akeys, uint64_t conditions) override;
  Task<Result<std::vector<object::ListedEntry>>> list_dkeys(const Object& object, Anchor& anchor,
                                                            uint32_t limit,
                                                            uint32_t bytes_limit) override;
  Task<Result<std::vector<object::ListedEntry>>> list_akeys(const Object& object, ByteView dkey,
                                                            Anchor& anchor, uint32_t limit,
                                                            uint32_t bytes_limit) override;
  Task<Result<std::vector<object::ListedEntry>>> list_ranges(const Object& object, ByteView dkey,
                                                             ByteView akey, Anchor& anchor,
                                                             uint32_t limit,
                                                             uint32_t* record_size) override;
  Task<Result<std::vector<ObjectId>>> list_objects(Container container, Epoch epoch, Anchor& anchor,
                                                   uint32_t limit) override;
  Task<Result<std::vector<object::Difference>>> list_differences(Container container, Epoch from,
                                                                 Epoch to, DiffAnchor& anchor,
                                                                 uint32_t limit) override;
  Task<Result<object::QueryReply>> query(const Object& object, ByteView dkey, ByteView akey,
                                         uint8_t flags) override;

 private:
  friend class Walk;

  // What one shard is asked: encodes itself for the current map, and runs until its answer or
  // deadline.
  struct ShardCall {
    const Object* object = nullptr;  // container and map; the caller's, outlives the call
    const PoolHandle* pool = nullptr;
    std::shared_ptr<const placement::PoolMap> map;
    uint32_t target = 0;  // pool-wide number
    rpc::Opcode opcode = 0;
    const char* verb = "";
    Gather bulk;
    Scatter into;
    uint64_t bulk_bytes = 0;  // of either, to give the attempt its time
  };

  Attempt new_attempt(bool changes_something) const {
    const Instant now = executor_.now();
    const bool bounded = cancellation_ && cancellation_->deadline != kNever;
    Attempt attempt{bounded ? cancellation_->deadline : now + options_.deadline, now};
    attempt.changes_something = changes_something;
    attempt.cancellation = cancellation_;
    return attempt;
  }
  pool::OperationId next_operation() { return {client_, ++sequence_}; }
  object::Target target_of(const Object& object, uint32_t map_version, Epoch epoch) const;

  // --- session.cc
  // Says whether to try again after `error`; pauses meanwhile. kTimedOut past the deadline.
  static bool may_retry(Code code);
  Task<Result<void>> before_retry(Attempt& attempt, const Error& error, const char* verb);
  Instant attempt_deadline(const Attempt& attempt, uint64_t bulk_bytes) const;
  Task<Result<rpc::Reply>> call_service(rpc::Opcode opcode, Buffer body, const char* verb);
  template <class Reply, class Request>
  Task<Result<Reply>> ask(rpc::Opcode opcode, const char* verb, Request request);
  template <class Request>
  Task<Result<void>> tell(rpc::Opcode opcode, const char* verb, Request request);

  // --- services.cc: as many requests as the attributes need; what is more than one is not atomic.
  using AskAttributes =
      std::function<Task<Result<pool::AttributesReply>>(std::vector<pool::Attribute>)>;
  Task<Result<std::vector<pool::Attribute>>> attributes_in_parts(
      const AskAttributes& ask_for, pool::AttributeVerb verb,
      std::vector<pool::Attribute> attributes);

  // The open connection to a target, or null. Never suspends.
  std::shared_ptr<rpc::Peer> open_target(const std::shared_ptr<const placement::PoolMap>& map,
                                         uint32_t target);
  Task<Result<std::shared_ptr<rpc::Peer>>> connect_target(
      std::shared_ptr<const placement::PoolMap> map, uint32_t target, Instant deadline,
      rpc::Cancellation* cancellation);
  // One attempt: connects if need be. attempt.maybe_executed says what is not known afterwards.
  Task<Result<rpc::Reply>> call_shard(const ShardCall& call, ByteView body, Attempt& attempt);
  Task<Result<void>> refresh_map(const PoolHandle& pool, uint32_t stale_version);

  // --- object_io.cc
  struct Routed {  // an object by the map that its pool has now
    std::shared_ptr<const placement::PoolMap> map;
    uint32_t target = 0;
  };
  Result<Routed> route(const Object& object, uint64_t dkey_hash) const;
  Result<Routed> route_group(const Object& object, uint32_t group) const;
  Result<void> check_open(const Object& object, bool write) const;
  // The container's; kOff where the options ask for none.
  ChecksumFormat checksums_of(const Object& object) const;
  Task<Result<Epoch>> update_once(const Object& object, ByteView dkey, uint64_t conditions,
                                  std::span<IoDescriptor> descriptors, Gather bulk);
  Task<Result<Epoch>> settle_lost_update(const Object& object, ByteView dkey, Error error,
                                         std::span<IoDescriptor> descriptors);
  Task<Result<void>> fetch_once(const Object& object, ByteView dkey, uint64_t conditions,
                                std::span<IoDescriptor> descriptors);
  Task<Result<void>> fetch_halves(const Object& object, ByteView dkey, uint64_t conditions,
                                  IoDescriptor& descriptor);
  Task<Result<void>> punch_group(const Object& object, uint32_t group,
                                 object::PunchRequest request);

  // --- object_walk.cc
  template <class Reply, class Request>
  Task<Result<Reply>> ask_group(const Object& object, uint32_t group, rpc::Opcode opcode,
                                const char* verb, Request request);
  // One target of the container's pool, by the map that it has now; kInvalid where there is none of
  // that number.
  template <class Reply, class Request>
  Task<Result<Reply>> ask_target(Container container, uint32_t target, rpc::Opcode opcode,
                                 const char* verb, Request request);
  Task<Result<std::vector<object::ListedEntry>>> list(const Object& object, object::ListScope scope,
                                                      ByteView dkey, ByteView akey, Anchor& anchor,
                                                      uint32_t limit, uint32_t bytes_limit,
                                                      uint32_t* record_size);

  // Request bodies under way each hold one.
  class Lease;

  std::unique_ptr<Executor> owned_executor_;
  Executor& executor_;
  Options options_;
  std::unique_ptr<rpc::Node> node_;
  Connections connections_;
  Uuid client_;
  uint64_t sequence_ = 0;
  // Of the operation that runs now: it follows the flow of control. What suspends for an attempt
  // sets it again to the attempt's when it resumes.
  std::shared_ptr<rpc::Cancellation> cancellation_;
  bool service_seen_ = false;  // the system has answered once: from now on it may be restarting

  struct TargetPeers {
    std::shared_ptr<const placement::PoolMap> map;
    std::vector<std::shared_ptr<rpc::Peer>> peers;
  };
  std::vector<TargetPeers> target_peers_;
  std::vector<std::unique_ptr<Scratch>> scratches_;
  struct IdRange {
    uint64_t next = 0, end = 0;
  };
  std::map<Uuid, IdRange> object_ids_;
};

class SessionImpl::Lease {
 public:
  explicit Lease(SessionImpl& session) : session_(session) {
    if (session.scratches_.empty()) {
      scratch_ = std::make_unique<Scratch>();
    } else {
      scratch_ = std::move(session.scratches_.back());
      session.scratches_.pop_back();
    }
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() { session_.scratches_.push_back(std::move(scratch_)); }
  Scratch& operator*() { return *scratch_; }
  Scratch* operator->() { return scratch_.get(); }

 private:
  SessionImpl& session_;
  std::unique_ptr<Scratch> scratch_;
};

template <class Reply, class Request>
Task<Result<Reply>> SessionImpl::ask(rpc::Opcode opcode, const char* verb, Request request) {
  Buffer body = encode(request);
  VARVE_CO_TRY(rpc::Reply reply, co_await call_service(opcode, std::move(body), verb));
  co_return decode<Reply>(reply.body);
}

template <class Request>
Task<Result<void>> SessionImpl::tell(rpc::Opcode opcode, const char* verb, Request request) {
  Buffer body = encode(request);
  VARVE_CO_TRY(rpc::Reply reply, co_await call_service(opcode, std::move(body), verb));
  co_return Result<void>();
}

// Requests here own what they refer to for the length of the call (views into the caller's memory).
template <class Reply, class Request>
Task<Result<Reply>> SessionImpl::ask_group(const Object& object, uint32_t group, rpc::Opcode opcode,
                                           const char* verb, Request request) {
  Attempt attempt = new_attempt(false);
  for (;;) {
    VARVE_CO_TRY(Routed routed, route_group(object, group));
    request.target.map_version = routed.map->version;
    Buffer body = encode(request);
    ShardCall call{
        &object, object.container->pool.get(), routed.map, routed.target, opcode, verb, {}, {}, 0};
    Result<rpc::Reply> reply = co_await call_shard(call, ByteView(body), attempt);
    if (reply) {
      auto answer = decode<Reply>(reply->body);
      if (answer && request.target.epoch == kEpochMax)
        object.container->note_seen(answer->epoch);
      co_return answer;
    }
    if (reply.code() == Code::kStale) {
      VARVE_CO_CHECK(co_await refresh_map(*object.container->pool, routed.map->version));
    }
    if (!may_retry(reply.code())) co_return std::move(reply.error());
    VARVE_CO_CHECK(co_await before_retry(attempt, reply.error(), verb));
  }
}

template <class Reply, class Request>
Task<Result<Reply>> SessionImpl::ask_target(Container container, uint32_t target,
                                            rpc::Opcode opcode, const char* verb, Request request) {
  Object all;  // every target is a group of its own here
  all.container = container;
  VARVE_CO_CHECK(check_open(all, false));
  Attempt attempt = new_attempt(false);
  for (;;) {
    const auto map = container->pool->map();
    if (target >= map->targets.size())
      co_return Error(Code::kInvalid, "the anchor belongs to another pool");
    all.map = map;
    all.layout.targets.assign(1, target);
    const Epoch epoch = request.target.epoch;
    request.target = target_of(all, map->version, epoch);
    Buffer body = encode(request);
    const ShardCall call{&all, container->pool.get(), map, target, opcode, verb, {}, {}, 0};
    Result<rpc::Reply> reply = co_await call_shard(call, ByteView(body), attempt);
    if (reply) co_return decode<Reply>(reply->body);
    if (reply.code() == Code::kStale) {
      VARVE_CO_CHECK(co_await refresh_map(*container->pool, map->version));
    }
    if (!may_retry(reply.code())) co_return std::move(reply.error());
    VARVE_CO_CHECK(co_await before_retry(attempt, reply.error(), verb));
  }
}

}  // namespace varve::client
