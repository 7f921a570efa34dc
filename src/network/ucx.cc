#include <ucs/config/global_opts.h>
#include <ucs/debug/debug.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/log.h"
#include "network/buffer_pool.h"
#include "network/ucx_guard.h"
#include "network/ucx_network.h"

namespace varve::network {
namespace {

constexpr int kProgressRoundsMax = 32;
constexpr size_t kSendingsKept = 64, kConnectionsMax = 16384;
constexpr Duration kEndingPatience = 10s;

struct Setting {
  const char* name;
  const char* value;
};
// Ours unless the user's environment says otherwise (UCX_NAME).
constexpr Setting kSettings[] = {
    {"TLS", "tcp"},
    // No timers of UCX's own: deadlines and heartbeats are ours.
    {"KEEPALIVE_INTERVAL", "inf"},
    // A message of kMessageBytesMax in one piece.
    {"TCP_TX_SEG_SIZE", "72k"},
    {"TCP_RX_SEG_SIZE", "72k"},
    {"TCP_TX_BUFS_GROW", "4"},
    {"TCP_RX_BUFS_GROW", "4"},
};

bool set_by_user(const char* name) { return getenv((std::string("UCX_") + name).c_str()); }

// UCX writes its log to standard output and catches the program's signals, unless it is told not
// to.
void quieten() {
  static const bool done = [] {
    if (!set_by_user("LOG_LEVEL")) ucs_global_opts_set_value("LOG_LEVEL", "fatal");
    for (int number : {SIGILL, SIGSEGV, SIGBUS, SIGFPE}) ucs_debug_disable_signal(number);
    return true;
  }();
  (void)done;
}

Error ucx_error(const std::string& what, ucs_status_t status) {
  return Error(Code::kUnreachable, what + " failed in UCX: " + ucs_status_string(status));
}

}  // namespace

UcxNetwork::UcxNetwork(Executor& executor) : executor_(executor) {}

// UCX's thread for events is not in a child of fork, and UCX does not notice: connections would
// wait for it for ever.
static Result<void> check_process() {
  static std::atomic<pid_t> process{0};
  pid_t first = 0;
  if (process.compare_exchange_strong(first, getpid()) || first == getpid()) return {};
  return Error(Code::kNotSupported,
               "UCX does not survive a fork: process " + std::to_string(first) +
                   " used it before this one was forked. Use the same-host path here, fork before "
                   "the first use, or exec");
}

Result<void> UcxNetwork::open() {
  VARVE_CHECK(check_process());
  quieten();
  ucp_config_t* config = nullptr;
  ucs_status_t status = ucp_config_read(nullptr, nullptr, &config);
  if (status != UCS_OK) return ucx_error("reading the settings", status);
  for (const Setting& setting : kSettings)
    if (!set_by_user(setting.name)) ucp_config_modify(config, setting.name, setting.value);
  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_NAME;
  params.features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  params.name = "varve";
  status = ucp_init(&params, config, &context_);
  ucp_config_release(config);
  if (status != UCS_OK) return ucx_error("starting (is the transport in UCX_TLS there?)", status);

  ucp_worker_params_t worker_params{};
  worker_params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  worker_params.thread_mode = UCS_THREAD_MODE_SINGLE;
  status = ucp_worker_create(context_, &worker_params, &worker_);
  if (status != UCS_OK) return ucx_error("making a worker", status);
  ucp_worker_attr_t attributes{};
  attributes.field_mask = UCP_WORKER_ATTR_FIELD_MAX_AM_HEADER;
  status = ucp_worker_query(worker_, &attributes);
  if (status != UCS_OK) return ucx_error("asking a worker", status);
  header_bytes_max_ = attributes.max_am_header;

  const std::pair<unsigned, ucp_am_recv_callback_t> handlers[] = {
      {kUcxMessage, on_message}, {kUcxBulk, on_bulk}, {kUcxAhead, on_ahead}};
  for (const auto& [id, callback] : handlers) {
    ucp_am_handler_param_t param{};
    param.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_FLAGS |
                       UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
    param.id = id;
    param.flags = UCP_AM_FLAG_WHOLE_MSG;
    param.cb = callback;
    param.arg = this;
    status = ucp_worker_set_am_recv_handler(worker_, &param);
    if (status != UCS_OK) return ucx_error("setting a handler", status);
  }
  status = ucp_worker_get_efd(worker_, &descriptor_);
  if (status != UCS_OK) return ucx_error("making a worker that can sleep", status);
  executor_.add_poller(*this);
  return {};
}

UcxNetwork::~UcxNetwork() {
  if (resolving_) stop_resolving();
  if (descriptor_ >= 0) executor_.remove_poller(*this);
  for (ucp_listener_h listener : listeners_) ucp_listener_destroy(listener);
  receiver_ = nullptr;
  while (!open_.empty()) {
    const std::shared_ptr<UcxConnection> connection = open_.begin()->second;
    connection->fail("this side's network was closed");
    end(connection);
  }
  accept_and_end();
  const Instant until = machine_clock().now() + kEndingPatience;
  while (!closing_.empty() && machine_clock().now() < until) ucp_worker_progress(worker_);
  for (const auto& [connection, owner] : closing_) {
    log_error("UCX did not give up the connection to " + connection->peer());
    connection->network_ = nullptr;
  }
  if (worker_) ucp_worker_destroy(worker_);
  if (context_) ucp_cleanup(context_);
}

// --- Making connections

struct UcxNetwork::Resolving {
  std::mutex mutex;
  Executor* executor;  // null once the network is gone
};

void UcxNetwork::stop_resolving() {
  std::lock_guard lock(resolving_->mutex);
  resolving_->executor = nullptr;
}

Task<Result<sockaddr_storage>> UcxNetwork::look_up(const HostPort& host_port, Instant deadline) {
  sockaddr_storage storage;
  if (to_socket_address(host_port, storage)) co_return storage;
  if (!resolving_) resolving_ = std::make_shared<Resolving>();
  resolving_->executor = &executor_;
  const auto answer = std::make_shared<OneShot<Result<sockaddr_storage>>>();
  std::thread([host_port, answer, resolving = resolving_] {
    Result<sockaddr_storage> found = resolve(host_port);
    std::lock_guard lock(resolving->mutex);
    if (resolving->executor)
      resolving->executor->submit([answer, found = std::move(found)] { answer->set(found); });
  }).detach();
  std::optional<Result<sockaddr_storage>> found = co_await answer->wait_until(deadline);
  if (found) co_return std::move(*found);
  co_return Error(Code::kTimedOut,
                  "the host name '" + host_port.host +
                      "' was not resolved before the deadline; is the name server up?");
}

Result<Address> UcxNetwork::listen(const Address& address) {
  VARVE_TRY(const HostPort host_port, parse_tcp(address));
  VARVE_TRY(sockaddr_storage storage, resolve(host_port));
  ucp_listener_params_t params{};
  params.field_mask = UCP_LISTENER_PARAM_FIELD_SOCK_ADDR | UCP_LISTENER_PARAM_FIELD_CONN_HANDLER;
  params.sockaddr.addr = reinterpret_cast<const sockaddr*>(&storage);
  params.sockaddr.addrlen = length_of(storage);
  params.conn_handler.cb = on_connection_request;
  params.conn_handler.arg = this;
  ucp_listener_h listener = nullptr;
  const ucs_status_t status = ucp_listener_create(worker_, &params, &listener);
  if (status == UCS_ERR_BUSY)
    return Error(Code::kBusy,
                 address + " is in use by another program; stop it or choose another port");
  if (status != UCS_OK)
    return Error(status == UCS_ERR_NO_DEVICE || status == UCS_ERR_INVALID_PARAM
                     ? Code::kInvalid
                     : Code::kUnreachable,
                 "cannot listen at " + address + " (" + ucs_status_string(status) +
                     "); is it an address of this machine?");
  listeners_.push_back(listener);
  ucp_listener_attr_t attributes{};
  attributes.field_mask = UCP_LISTENER_ATTR_FIELD_SOCKADDR;
  if (ucp_listener_query(listener, &attributes) != UCS_OK) return address;
  // Without the guard it serves all the same.
  if (Result<void> guarded = guard_ucx_listener(attributes.sockaddr); !guarded.ok())
    log_warning(address + " is not guarded against noise: " + guarded.error().describe());
  return tcp_address(attributes.sockaddr);
}

Result<void> UcxNetwork::make_endpoint(const std::shared_ptr<UcxConnection>& connection,
                                       ucp_ep_params_t& params) {
  params.field_mask |= UCP_EP_PARAM_FIELD_ERR_HANDLER | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE;
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.cb = on_error;
  params.err_handler.arg = connection.get();
  const ucs_status_t status = ucp_ep_create(worker_, &params, &connection->endpoint);
  if (status != UCS_OK) return ucx_error("connecting to " + connection->peer(), status);
  open_.emplace(connection->endpoint, connection);
  return {};
}

Task<Result<std::shared_ptr<Connection>>> UcxNetwork::connect(const Address& address,
                                                              Instant deadline) {
  const Address to = address;
  VARVE_CO_TRY(const HostPort host_port, parse_tcp(to));
  VARVE_CO_TRY(const sockaddr_storage storage, co_await look_up(host_port, deadline));
  const auto connection = std::make_shared<UcxConnection>(*this, to);
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR;
  params.flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER;
  params.sockaddr.addr = reinterpret_cast<const sockaddr*>(&storage);
  params.sockaddr.addrlen = length_of(storage);
  VARVE_CO_CHECK(make_endpoint(connection, params));
  ucp_request_param_t flush{};
  flush.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  flush.user_data = connection.get();
  flush.cb.send = [](void* request, ucs_status_t status, void* user_data) {
    ucp_request_free(request);
    auto* connecting = static_cast<UcxConnection*>(user_data);
    connecting->connected.set(status);
    connecting->request_ended();
  };
  const ucs_status_ptr_t flushed = ucp_ep_flush_nbx(connection->endpoint, &flush);
  if (UCS_PTR_IS_PTR(flushed))
    ++connection->in_flight;
  else
    connection->connected.set(UCS_PTR_RAW_STATUS(flushed));
  const std::optional<ucs_status_t> status = co_await connection->connected.wait_until(deadline);
  if (status == UCS_OK && !connection->closed()) {
    connection->announced = true;
    co_return std::shared_ptr<Connection>(connection);
  }
  connection->fail("it could not be made");
  if (!status)
    co_return Error(Code::kTimedOut, to + " did not accept a connection before the deadline; "
                                          "is the server overloaded or stopped?");
  co_return Error(Code::kUnreachable,
                  "cannot connect to " + to + " (" +
                      ucs_status_string(*status == UCS_OK ? UCS_ERR_CONNECTION_RESET : *status) +
                      "); is the server running there?");
}

void UcxNetwork::on_connection_request(ucp_conn_request_h request, void* self) {
  static_cast<UcxNetwork*>(self)->requests_.push_back(request);
}

void UcxNetwork::accept(ucp_conn_request_h request) {
  ucp_conn_request_attr_t attributes{};
  attributes.field_mask = UCP_CONN_REQUEST_ATTR_FIELD_CLIENT_ADDR;
  Address from = "tcp://unknown";
  if (ucp_conn_request_query(request, &attributes) == UCS_OK)
    from = tcp_address(attributes.client_address);
  const auto connection = std::make_shared<UcxConnection>(*this, from);
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_CONN_REQUEST;
  params.conn_request = request;
  if (Result<void> made = make_endpoint(connection, params); !made.ok()) {
    log_info(made.error().describe());
    return;
  }
  connection->announced = true;
  if (receiver_) receiver_->on_accepted(connection);
}

// --- Ending connections

void UcxNetwork::on_error(void* connection, ucp_ep_h, ucs_status_t status) {
  static_cast<UcxConnection*>(connection)->fail(ucs_status_string(status));
}

void UcxNetwork::end(const std::shared_ptr<UcxConnection>& connection) {
  if (std::exchange(connection->end_begun, true)) return;
  closing_.emplace(connection.get(), connection);
  open_.erase(connection->endpoint);
  ucp_request_param_t param{};
  param.op_attr_mask =
      UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  param.flags = UCP_EP_CLOSE_FLAG_FORCE;
  param.user_data = connection.get();
  param.cb.send = [](void* request, ucs_status_t, void* user_data) {
    ucp_request_free(request);
    auto* closing = static_cast<UcxConnection*>(user_data);
    closing->endpoint_closed = true;
    closing->check_gone();
  };
  const ucs_status_ptr_t status =
      ucp_ep_close_nbx(std::exchange(connection->endpoint, nullptr), &param);
  if (receiver_ && connection->announced) receiver_->on_closed(*connection, connection->lost());
  if (UCS_PTR_IS_PTR(status)) return;
  connection->endpoint_closed = true;
  connection->check_gone();
}

bool UcxNetwork::accept_and_end() {
  bool any = false;
  for (; !requests_.empty(); any = true) {
    const ucp_conn_request_h request = requests_.front();
    requests_.pop_front();
    if (receiver_ && open_.size() < kConnectionsMax)
      accept(request);
    else
      ucp_listener_reject(listeners_.front(), request);
  }
  while (!ending_.empty()) {
    std::vector<std::shared_ptr<UcxConnection>> batch;
    batch.swap(ending_);
    for (const auto& connection : batch) end(connection);
    any = true;
  }
  return any;
}

// --- Polling

bool UcxNetwork::poll() {
  bool any = false;
  for (int round = 0; round < kProgressRoundsMax && ucp_worker_progress(worker_); ++round)
    any = true;
  return (!requests_.empty() || !ending_.empty()) ? accept_and_end() || any : any;
}

bool UcxNetwork::arm() {
  if (!requests_.empty() || !ending_.empty() || !closing_.empty()) return false;
  return ucp_worker_arm(worker_) == UCS_OK;
}

// --- Messages

UcxNetwork::Sending* UcxNetwork::take_sending() {
  if (free_sendings_.empty()) return new Sending;
  Sending* sending = free_sendings_.back().release();
  free_sendings_.pop_back();
  return sending;
}

void UcxNetwork::recycle(Sending* sending) {
  recycle_buffer(std::move(sending->message));
  sending->message = Buffer();
  sending->connection.reset();
  if (free_sendings_.size() < kSendingsKept)
    free_sendings_.emplace_back(sending);
  else
    delete sending;
}

std::shared_ptr<UcxConnection> UcxNetwork::connection_of(const ucp_am_recv_param_t* param) {
  if (!receiver_ || !(param->recv_attr & UCP_AM_RECV_ATTR_FIELD_REPLY_EP)) return nullptr;
  const auto found = open_.find(param->reply_ep);
  if (found == open_.end() || found->second->closed()) return nullptr;
  return found->second;
}

ucs_status_t UcxNetwork::on_message(void* self, const void*, size_t header_length, void* data,
                                    size_t length, const ucp_am_recv_param_t* param) {
  auto* network = static_cast<UcxNetwork*>(self);
  const auto connection = network->connection_of(param);
  if (!connection) return UCS_OK;
  if (header_length > 0 || length == 0 || length > kMessageBytesMax ||
      param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) {
    connection->fail("it sent a malformed message");
    return UCS_OK;
  }
  network->receiver_->on_message(*connection, {static_cast<const std::byte*>(data), length},
                                 nullptr);
  return UCS_OK;
}

ucs_status_t UcxNetwork::on_ahead(void* self, const void*, size_t, void* data, size_t length,
                                  const ucp_am_recv_param_t* param) {
  const auto connection = static_cast<UcxNetwork*>(self)->connection_of(param);
  if (!connection) return UCS_OK;
  if (length > kMessageBytesMax || !connection->ahead.empty() ||
      param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) {
    connection->fail("it sent a malformed message");
    return UCS_OK;
  }
  const auto* bytes = static_cast<const std::byte*>(data);
  connection->ahead.assign(bytes, bytes + length);
  return UCS_OK;
}

ucs_status_t UcxNetwork::on_bulk(void* self, const void* header, size_t header_length, void* data,
                                 size_t length, const ucp_am_recv_param_t* param) {
  auto* network = static_cast<UcxNetwork*>(self);
  const auto connection = network->connection_of(param);
  if (!connection) return UCS_OK;
  const Buffer ahead = std::exchange(connection->ahead, {});
  ByteView message(static_cast<const std::byte*>(header), header_length);
  if (header_length == 0) message = ahead;
  if (!(param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) || length == 0 || length > kBulkBytesMax ||
      message.empty() || message.size() > kMessageBytesMax ||
      (header_length > 0 && !ahead.empty())) {
    connection->fail("it sent malformed bulk data");
    return UCS_OK;
  }
  auto bulk = std::make_unique<UcxIncomingBulk>(connection, data, length);
  UcxIncomingBulk* incoming = bulk.get();
  UcxIncomingBulk::Verdict verdict = UcxIncomingBulk::Verdict::kKept;
  incoming->verdict = &verdict;
  network->receiver_->on_message(*connection, message, std::move(bulk));
  if (verdict == UcxIncomingBulk::Verdict::kDropped) return UCS_OK;
  if (verdict == UcxIncomingBulk::Verdict::kKept) incoming->verdict = nullptr;
  return UCS_INPROGRESS;
}

Result<std::unique_ptr<Network>> make_ucx(Executor& executor) {
  auto network = std::make_unique<UcxNetwork>(executor);
  VARVE_CHECK(network->open());
  return std::unique_ptr<Network>(std::move(network));
}

}  // namespace varve::network
