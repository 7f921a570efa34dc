// A transport that is set up when the first connection is made over it: a client that reaches its
// servers through the same-host path never pays for UCX.
#pragma once

#include <functional>
#include <memory>

#include "network/network.h"

namespace varve::client {

class LazyNetwork final : public network::Network {
 public:
  using Make = std::function<Result<std::unique_ptr<network::Network>>()>;
  LazyNetwork(const char* scheme, Make make) : scheme_(scheme), make_(std::move(make)) {}

  void set_receiver(network::Receiver& receiver) override { receiver_ = &receiver; }
  const char* scheme() const override { return scheme_; }
  Result<network::Address> listen(const network::Address& address) override;
  Task<Result<std::shared_ptr<network::Connection>>> connect(const network::Address& address,
                                                             Instant deadline) override;

 private:
  Result<network::Network*> inner();

  const char* scheme_;
  Make make_;
  network::Receiver* receiver_ = nullptr;
  std::unique_ptr<network::Network> inner_;
};

}  // namespace varve::client
