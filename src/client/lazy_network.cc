#include "client/lazy_network.h"

namespace varve::client {

Result<network::Network*> LazyNetwork::inner() {
  if (!inner_) {
    VARVE_TRY(inner_, make_());
    VARVE_ASSERT(receiver_, "a network has a receiver before it is used");
    inner_->set_receiver(*receiver_);
  }
  return inner_.get();
}

Result<network::Address> LazyNetwork::listen(const network::Address& address) {
  VARVE_TRY(network::Network * network, inner());
  return network->listen(address);
}

Task<Result<std::shared_ptr<network::Connection>>> LazyNetwork::connect(
    const network::Address& address, Instant deadline) {
  VARVE_CO_TRY(network::Network * network, inner());
  co_return co_await network->connect(address, deadline);
}

}  // namespace varve::client
