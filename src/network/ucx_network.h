// One UCP context and worker of one executor.
#pragma once

#include <deque>
#include <mutex>
#include <unordered_map>

#include "network/ucx_address.h"
#include "network/ucx_connection.h"
#include "runtime/executor.h"

namespace varve::network {

class UcxNetwork final : public Network, public Poller {
 public:
  explicit UcxNetwork(Executor& executor);
  ~UcxNetwork() override;
  Result<void> open();

  void set_receiver(Receiver& receiver) override { receiver_ = &receiver; }
  const char* scheme() const override { return "tcp"; }
  Result<Address> listen(const Address& address) override;
  Task<Result<std::shared_ptr<Connection>>> connect(const Address& address,
                                                    Instant deadline) override;

  bool poll() override;
  int descriptor() const override { return descriptor_; }
  bool arm() override;

  ucp_worker_h worker() const { return worker_; }
  size_t header_bytes_max() const { return header_bytes_max_; }
  // The connection has ended: at the next poll its endpoint is closed by force.
  void end_soon(UcxConnection& connection) { ending_.push_back(connection.shared_from_this()); }
  void forget(UcxConnection& connection) { closing_.erase(&connection); }

  // A request's operation object for plain messages: keeps the buffer until UCX is done with it.
  struct Sending {
    std::shared_ptr<UcxConnection> connection;
    Buffer message;
  };
  Sending* take_sending();
  void recycle(Sending* sending);

 private:
  // Names are resolved by a thread of their own, which may outlive the network.
  struct Resolving;

  static ucs_status_t on_message(void* self, const void* header, size_t header_length, void* data,
                                 size_t length, const ucp_am_recv_param_t* param);
  static ucs_status_t on_bulk(void* self, const void* header, size_t header_length, void* data,
                              size_t length, const ucp_am_recv_param_t* param);
  static ucs_status_t on_ahead(void* self, const void* header, size_t header_length, void* data,
                               size_t length, const ucp_am_recv_param_t* param);
  static void on_connection_request(ucp_conn_request_h request, void* self);
  static void on_error(void* connection, ucp_ep_h endpoint, ucs_status_t status);

  std::shared_ptr<UcxConnection> connection_of(const ucp_am_recv_param_t* param);
  Task<Result<sockaddr_storage>> look_up(const HostPort& host_port, Instant deadline);
  void stop_resolving();
  Result<void> make_endpoint(const std::shared_ptr<UcxConnection>& connection,
                             ucp_ep_params_t& params);
  void accept(ucp_conn_request_h request);
  void end(const std::shared_ptr<UcxConnection>& connection);
  bool accept_and_end();

  Executor& executor_;
  Receiver* receiver_ = nullptr;
  ucp_context_h context_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  std::vector<ucp_listener_h> listeners_;
  int descriptor_ = -1;
  size_t header_bytes_max_ = 0;
  std::unordered_map<ucp_ep_h, std::shared_ptr<UcxConnection>> open_;
  std::unordered_map<UcxConnection*, std::shared_ptr<UcxConnection>> closing_;
  std::vector<std::shared_ptr<UcxConnection>> ending_;
  std::deque<ucp_conn_request_h> requests_;
  std::vector<std::unique_ptr<Sending>> free_sendings_;
  std::shared_ptr<Resolving> resolving_;
};

}  // namespace varve::network
