// Clients and pools; which lane a thread's calls go to.
#include <pthread.h>

#include <algorithm>

#include "native/native.h"

namespace varve::native {
namespace {

// How long the last copy of a handle takes to close it at most.
constexpr Duration kCloseQuietly = 2s;

std::atomic<uint64_t> generation{1};
std::atomic<uint64_t> clients_made{0};

void in_child_of_fork() { generation.fetch_add(1, std::memory_order_relaxed); }

// Trivial, so that it can be asked after the thread's other objects are gone.
thread_local bool lanes_gone = false;

// The thread's lanes, one for each client. What a child of fork inherits is left as it is: closing
// it would speak on the parent's connections.
struct ThreadLanes {
  struct Entry {
    std::weak_ptr<const ClientInner> client;
    uint64_t generation = 0;
    std::shared_ptr<Lane> lane;
  };
  std::vector<Entry> entries;
  void prune() {
    std::erase_if(entries, [](Entry& entry) {
      if (entry.generation != fork_generation()) {
        new (&entry.lane) std::shared_ptr<Lane>;
        return true;
      }
      return entry.client.expired();
    });
  }
  ~ThreadLanes() {
    prune();
    lanes_gone = true;
  }
};
thread_local ThreadLanes thread_lanes;

uint32_t flags_of(v1::Access access) { return access == v1::Access::kRead ? 1 : 2; }

v1::PoolInfo public_info(const pool::PoolInfo& info) {
  return {public_uuid(info.uuid),
          info.label,
          {info.space.total, info.space.free},
          info.targets,
          info.containers};
}

std::function<std::string()> system_name() {
  return [] { return std::string("the system"); };
}
std::function<std::string()> pool_name(std::string name) {
  return [name = std::move(name)] { return "pool " + name; };
}

}  // namespace

uint64_t fork_generation() { return generation.load(std::memory_order_relaxed); }

Result<std::shared_ptr<Lane>> lane_of(const ClientInner& client) {
  if (client.inherited())
    return Error(Code::kUninitialized, "what a parent process opened does not work in its child");
  if (Lane* driven = Lane::current(); driven && driven->client() == client.number)
    return driven->shared_from_this();
  if (lanes_gone) return Lane::open(client.options, client.number);
  for (const ThreadLanes::Entry& entry : thread_lanes.entries)
    if (entry.lane->client() == client.number && entry.generation == client.generation)
      return entry.lane;
  thread_lanes.prune();
  VARVE_TRY(auto lane, Lane::open(client.options, client.number));
  thread_lanes.entries.push_back({client.weak_from_this(), client.generation, lane});
  return lane;
}

}  // namespace varve::native

namespace varve::v1 {

using native::public_info;
using native::start;

Result<Client> Client::open(ClientOptions options) {
  const auto refused = [](const varve::Error& error) {
    return native::public_error(error, "the environment");
  };
  auto parsed = client::options_from_environment();
  if (!parsed) return refused(parsed.error());
  if (!options.addresses.empty()) parsed->addresses = std::move(options.addresses);
  if (options.timeout.count() > 0) parsed->deadline = options.timeout;
  static const int registered = pthread_atfork(nullptr, nullptr, native::in_child_of_fork);
  if (registered != 0)
    return refused(varve::Error(varve::Code::kNoMemory, "there is no room for a handler of fork"));
  auto inner = std::make_shared<Inner>();
  inner->options = std::move(*parsed);
  inner->number = native::clients_made.fetch_add(1, std::memory_order_relaxed) + 1;
  inner->generation = native::fork_generation();
  return Client(std::move(inner));
}

Future<std::vector<PoolInfo>> Client::list_pools(Bounds bounds) const {
  using Listed = std::vector<PoolInfo>;
  if (!inner_) return native::no_handle<Listed>("the client");
  return start<Listed>(*inner_, bounds, inner_, native::system_name(),
                       [](client::Session& session) -> varve::Task<varve::Result<Listed>> {
                         VARVE_CO_TRY(const auto pools, co_await session.list_pools());
                         Listed listed;
                         for (const pool::PoolInfo& info : pools)
                           listed.push_back(public_info(info));
                         co_return listed;
                       });
}

Future<Pool> Client::connect(std::string name, Access access, Bounds bounds) const {
  if (!inner_) return native::no_handle<Pool>("the client");
  return start<Pool>(*inner_, bounds, inner_, native::pool_name(name),
                     [client = inner_.get(), name,
                      access](client::Session& session) -> varve::Task<varve::Result<Pool>> {
                       VARVE_CO_TRY(auto handle,
                                    co_await session.connect_pool(name, native::flags_of(access)));
                       auto inner = std::make_shared<Pool::Inner>();
                       inner->client = client->shared_from_this();
                       inner->label = handle->label.empty() ? name : handle->label;
                       inner->handle = std::move(handle);
                       co_return Pool(std::move(inner));
                     });
}

Future<PoolInfo> Client::create_pool(std::string label, uint64_t size_bytes, Bounds bounds) const {
  if (!inner_) return native::no_handle<PoolInfo>("the client");
  return start<PoolInfo>(
      *inner_, bounds, inner_, native::pool_name(label),
      [label, size_bytes](client::Session& session) -> varve::Task<varve::Result<PoolInfo>> {
        pool::CreatePool request;
        request.label = label;
        request.bytes = size_bytes;
        VARVE_CO_TRY(const auto info, co_await session.create_pool(std::move(request)));
        co_return public_info(info);
      });
}

Future<void> Client::destroy_pool(std::string name, bool force, Bounds bounds) const {
  if (!inner_) return native::no_handle<void>("the client");
  return start<void>(
      *inner_, bounds, inner_, native::pool_name(name),
      [name, force](client::Session& session) { return session.destroy_pool(name, force, force); });
}

void Client::run_until(std::coroutine_handle<> first, const bool& done) const {
  const auto lane = inner_ ? native::lane_of(*inner_)
                           : varve::Result<std::shared_ptr<detail::Lane>>(varve::Code::kNoHandle);
  // Without a lane every call fails at once, so that the coroutine ends without a wait.
  if (!lane) return first.resume();
  (*lane)->drive([&done] { return done; }, Duration(-1), first);
}

void Client::progress() const {
  if (!inner_) return;
  if (const auto lane = native::lane_of(*inner_)) (*lane)->drive([] { return false; }, Duration(0));
}

Pool::Inner::~Inner() {
  if (!handle || handle->closed.load() || client->inherited()) return;
  static_cast<void>(start<void>(*client, native::kCloseQuietly, client, native::pool_name(label),
                                [handle = handle](client::Session& session) {
                                  return session.disconnect_pool(handle);
                                })
                        .get());
}

const std::string& Pool::label() const {
  static const std::string none;
  return inner_ ? inner_->label : none;
}

Uuid Pool::uuid() const { return inner_ ? native::public_uuid(inner_->handle->uuid) : Uuid(); }

Future<PoolInfo> Pool::query(Bounds bounds) const {
  if (!inner_) return native::no_handle<PoolInfo>("the pool");
  return start<PoolInfo>(
      *inner_->client, bounds, inner_, native::pool_name(inner_->label),
      [handle = inner_->handle](client::Session& session) -> varve::Task<varve::Result<PoolInfo>> {
        VARVE_CO_TRY(const auto reply, co_await session.query_pool(handle->uuid.to_string()));
        co_return public_info(reply.info);
      });
}

Future<std::vector<ContainerInfo>> Pool::list_containers(Bounds bounds) const {
  using Listed = std::vector<ContainerInfo>;
  if (!inner_) return native::no_handle<Listed>("the pool");
  return start<Listed>(
      *inner_->client, bounds, inner_, native::pool_name(inner_->label),
      [handle = inner_->handle](client::Session& session) -> varve::Task<varve::Result<Listed>> {
        VARVE_CO_TRY(const auto all, co_await session.list_containers(handle));
        Listed listed;
        for (const container::ContainerInfo& info : all)
          listed.push_back({native::public_uuid(info.uuid), info.label});
        co_return listed;
      });
}

Future<ContainerInfo> Pool::create_container(std::string label, Bounds bounds) const {
  if (!inner_) return native::no_handle<ContainerInfo>("the pool");
  return start<ContainerInfo>(
      *inner_->client, bounds, inner_,
      [name = inner_->label + "/" + label] { return "container " + name; },
      [handle = inner_->handle,
       label](client::Session& session) -> varve::Task<varve::Result<ContainerInfo>> {
        container::CreateContainer request;
        request.label = label;
        VARVE_CO_TRY(const auto info,
                     co_await session.create_container(handle, std::move(request)));
        co_return ContainerInfo{native::public_uuid(info.uuid), info.label};
      });
}

Future<Container> Pool::open_container(std::string name, Access access, Bounds bounds) const {
  if (!inner_) return native::no_handle<Container>("the pool");
  return start<Container>(
      *inner_->client, bounds, inner_,
      [full = inner_->label + "/" + name] { return "container " + full; },
      [pool = inner_.get(), name,
       access](client::Session& session) -> varve::Task<varve::Result<Container>> {
        VARVE_CO_TRY(auto handle,
                     co_await session.open_container(pool->handle, name, native::flags_of(access)));
        auto inner = std::make_shared<detail::ContainerInner>();
        inner->client = pool->client;
        inner->label = handle->info.label.empty() ? name : handle->info.label;
        inner->name = pool->label + "/" + inner->label;
        inner->handle = std::move(handle);
        inner->pool = pool->shared_from_this();
        co_return Container(std::move(inner));
      });
}

Future<void> Pool::destroy_container(std::string name, bool force, Bounds bounds) const {
  if (!inner_) return native::no_handle<void>("the pool");
  return start<void>(
      *inner_->client, bounds, inner_,
      [full = inner_->label + "/" + name] { return "container " + full; },
      [handle = inner_->handle, name, force](client::Session& session) {
        return session.destroy_container(handle, name, force);
      });
}

Future<void> Pool::close(Bounds bounds) const {
  if (!inner_) return native::no_handle<void>("the pool");
  return start<void>(*inner_->client, bounds, inner_, native::pool_name(inner_->label),
                     [handle = inner_->handle](client::Session& session) {
                       return session.disconnect_pool(handle);
                     });
}

}  // namespace varve::v1
