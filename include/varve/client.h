// SPDX-License-Identifier: Apache-2.0
// A system of servers, and its pools. All handles here are values: copies share what they name, any
// number of threads may use them, and the last copy closes what it opened.
#ifndef VARVE_CLIENT_H
#define VARVE_CLIENT_H

#include <varve/container.h>
#include <varve/future.h>

VARVE_NAMESPACE_BEGIN

struct PoolSpace {
  uint64_t total_bytes = 0, free_bytes = 0;
};
struct PoolInfo {
  Uuid uuid;
  std::string label;
  PoolSpace space;
  uint32_t targets = 0, containers = 0;
};
struct ContainerInfo {
  Uuid uuid;
  std::string label;
};

enum class Access : uint8_t { kRead, kReadWrite };

class VARVE_API Pool {
 public:
  Pool() = default;
  const std::string& label() const;
  Uuid uuid() const;
  Future<PoolInfo> query(Bounds bounds = {}) const;
  Future<std::vector<ContainerInfo>> list_containers(Bounds bounds = {}) const;
  // kExists where there is one of this label.
  Future<ContainerInfo> create_container(std::string label, Bounds bounds = {}) const;
  // By label or UUID text.
  Future<Container> open_container(std::string name, Access access = Access::kReadWrite,
                                   Bounds bounds = {}) const;
  // kBusy while it is open, unless `force`.
  Future<void> destroy_container(std::string name, bool force = false, Bounds bounds = {}) const;
  // What the last copy does too, then without saying how it went.
  Future<void> close(Bounds bounds = {}) const;

  struct Inner;
  explicit Pool(std::shared_ptr<Inner> inner) : inner_(std::move(inner)) {}

 private:
  std::shared_ptr<Inner> inner_;
};

struct ClientOptions {
  // Of the system: "tcp://HOST:PORT", "local:///PATH.sock". Empty: $VARVE_ADDRESS, else the servers
  // of this host.
  std::vector<std::string> addresses;
  // Of calls that say nothing else. 0: $VARVE_TIMEOUT_MS, else 30 s.
  std::chrono::nanoseconds timeout{0};
};

class VARVE_API Client {
 public:
  Client() = default;
  // Reads the environment; nothing is sent yet. A child of fork opens one of its own: what its
  // parent opened answers kUninitialized there.
  static Result<Client> open(ClientOptions options = {});

  Future<std::vector<PoolInfo>> list_pools(Bounds bounds = {}) const;
  // By label or UUID text.
  Future<Pool> connect(std::string name, Access access = Access::kReadWrite,
                       Bounds bounds = {}) const;
  Future<PoolInfo> create_pool(std::string label, uint64_t size_bytes, Bounds bounds = {}) const;
  Future<void> destroy_pool(std::string name, bool force = false, Bounds bounds = {}) const;

  // Runs a coroutine, and whatever else this thread has under way, until the coroutine ends: its
  // result, or what it threw.
  template <class T>
  T run(Task<T> task) const {
    bool done = false;
    run_until(task.detach(
                  [](void* flag) -> std::coroutine_handle<> {
                    *static_cast<bool*>(flag) = true;
                    return std::noop_coroutine();
                  },
                  &done),
              done);
    return task.result();
  }
  // Does for this thread's calls what can be done without waiting; for programs that compute
  // meanwhile.
  void progress() const;

  struct Inner;
  explicit Client(std::shared_ptr<Inner> inner) : inner_(std::move(inner)) {}

 private:
  void run_until(std::coroutine_handle<> start, const bool& done) const;
  std::shared_ptr<Inner> inner_;
};

VARVE_NAMESPACE_END

#endif  // VARVE_CLIENT_H
