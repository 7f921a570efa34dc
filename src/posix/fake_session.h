// For tests: a client::Session that keeps objects in maps of this process. Only the object calls
// and the numbering of objects are there. Every call suspends once, so that concurrent calls
// interleave.
#pragma once

#include <map>

#include "client/client.h"
#include "posix/layout.h"

namespace varve::posix {

struct FakeObjects {
  struct Value {
    bool array = false;
    Buffer bytes;
    std::vector<bool> present;  // of arrays
    bool exists() const;
    uint64_t end() const;  // of arrays: behind the last byte that is present
  };
  using Akeys = std::map<std::string, Value>;
  struct Object {
    std::map<std::string, Akeys> dkeys;
    uint64_t newest_epoch = 0;
  };
  std::map<ObjectId, Object> objects;
  uint64_t clock = 1'700'000'000'000'000'000;  // epochs
  uint64_t next_number = 1;
  uint64_t calls = 0;  // round trips
  // Calls that are still carried out; then every one fails, as if the client had been killed.
  uint64_t calls_left = ~0ULL;
};

class FakeSession final : public client::Session {
 public:
  FakeSession(Executor& executor, FakeObjects& objects) : executor_(executor), store_(objects) {}

  Executor& executor() override { return executor_; }
  const client::Options& options() const override { return options_; }

  Task<Result<pool::SystemInfo>> query_system() override { co_return Code::kNotImplemented; }
  Task<Result<pool::PoolInfo>> create_pool(pool::CreatePool) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<void>> destroy_pool(std::string, bool, bool) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<std::vector<pool::PoolInfo>>> list_pools() override {
    co_return Code::kNotImplemented;
  }
  Task<Result<pool::QueryPoolReply>> query_pool(std::string) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<client::Pool>> connect_pool(std::string, uint32_t) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<void>> disconnect_pool(client::Pool) override { co_return Code::kNotImplemented; }
  Task<Result<std::vector<pool::Property>>> pool_properties(std::string) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<void>> set_pool_properties(std::string, std::vector<pool::Property>) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<std::vector<pool::Attribute>>> pool_attributes(
      client::Pool, pool::AttributeVerb, std::vector<pool::Attribute>) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<container::ContainerInfo>> create_container(client::Pool,
                                                          container::CreateContainer) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<void>> destroy_container(client::Pool, std::string, bool) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<std::vector<container::ContainerInfo>>> list_containers(client::Pool) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<container::ContainerInfo>> query_container(client::Pool, std::string) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<client::Container>> open_container(client::Pool, std::string, uint32_t) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<void>> close_container(client::Container) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<void>> set_container_properties(client::Pool, std::string,
                                              std::vector<pool::Property>) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<std::vector<pool::Attribute>>> container_attributes(
      client::Container, pool::AttributeVerb, std::vector<pool::Attribute>) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<Epoch>> create_snapshot(client::Container, std::string) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<void>> destroy_snapshot(client::Container, Epoch) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<std::vector<container::Snapshot>>> list_snapshots(client::Container) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<void>> change_pool_acl(std::string, pool::AclVerb, std::string) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<void>> change_container_acl(client::Pool, std::string, pool::AclVerb,
                                          std::string) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<Epoch>> hold_epoch(client::Container) override { co_return Code::kNotImplemented; }
  Task<Result<void>> roll_back(client::Container, Epoch, bool) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<void>> aggregate(client::Container, Epoch) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<std::vector<ObjectId>>> list_objects(client::Container container, Epoch epoch,
                                                   Anchor& anchor, uint32_t limit) override;
  Task<Result<std::vector<object::Difference>>> list_differences(client::Container, Epoch, Epoch,
                                                                 DiffAnchor&, uint32_t) override {
    co_return Code::kNotImplemented;
  }

  Task<Result<uint64_t>> allocate_object_ids(client::Container container, uint64_t count) override;
  Result<client::Object> open_object(client::Container container, ObjectId oid) override;
  Task<Result<Epoch>> update(const client::Object& object, ByteView dkey, uint64_t conditions,
                             std::span<client::IoDescriptor> descriptors) override;
  Task<Result<void>> fetch(const client::Object& object, ByteView dkey, uint64_t conditions,
                           std::span<client::IoDescriptor> descriptors) override;
  Task<Result<void>> punch(const client::Object& object, std::span<const ByteView> dkeys,
                           std::span<const ByteView> akeys, uint64_t conditions) override;
  Task<Result<std::vector<object::ListedEntry>>> list_dkeys(const client::Object& object,
                                                            Anchor& anchor, uint32_t limit,
                                                            uint32_t bytes_limit) override;
  Task<Result<std::vector<object::ListedEntry>>> list_akeys(const client::Object& object,
                                                            ByteView dkey, Anchor& anchor,
                                                            uint32_t limit,
                                                            uint32_t bytes_limit) override;
  Task<Result<std::vector<object::ListedEntry>>> list_ranges(const client::Object&, ByteView,
                                                             ByteView, Anchor&, uint32_t,
                                                             uint32_t*) override {
    co_return Code::kNotImplemented;
  }
  Task<Result<object::QueryReply>> query(const client::Object& object, ByteView dkey, ByteView akey,
                                         uint8_t flags) override;

 private:
  FakeObjects::Akeys* find(const client::Object& object, ByteView dkey);
  // True: the client is dead, nothing happens any more.
  Task<bool> round_trip() {
    ++store_.calls;
    co_await executor_.yield();
    if (store_.calls_left == 0) co_return true;
    --store_.calls_left;
    co_return false;
  }
  Executor& executor_;
  FakeObjects& store_;
  client::Options options_;
};

}  // namespace varve::posix
