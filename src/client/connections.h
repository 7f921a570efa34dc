// Which connection leads to one of several addresses of an endpoint. One Session's; its thread
// only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rpc/rpc.h"
#include "runtime/wait.h"

namespace varve::client {

class Connections {
 public:
  // `transport`: the only scheme to use, or empty for all: same-host first, then as listed.
  Connections(Executor& executor, rpc::Node& node, std::string transport)
      : executor_(executor), node_(node), transport_(std::move(transport)) {}

  // The first of the addresses that answers; open connections are shared. kUnreachable, naming what
  // was tried and why each failed, at once when nothing listens on any of them; kTimedOut at the
  // deadline; kCanceled where `cancellation`, which may be null, is requested before. `strict`: not
  // even then another transport when the chosen one has no address.
  Task<Result<std::shared_ptr<rpc::Peer>>> to(std::vector<std::string> addresses, Instant deadline,
                                              bool strict, rpc::Cancellation* cancellation);

 private:
  struct Entry {
    std::shared_ptr<rpc::Peer> peer;
    bool connecting = false;
    Signal done;
  };
  std::vector<std::string> candidates(const std::vector<std::string>& addresses, bool strict) const;
  using Outcome = std::optional<Result<std::shared_ptr<rpc::Peer>>>;
  struct CancelledWait;
  Task<void> connect(Entry& entry, std::string address, Instant deadline,
                     std::shared_ptr<Outcome> outcome);
  Task<Result<std::shared_ptr<rpc::Peer>>> one(std::string address, Instant deadline,
                                               rpc::Cancellation* cancellation);

  Executor& executor_;
  rpc::Node& node_;
  std::string transport_;
  std::map<std::string, std::unique_ptr<Entry>, std::less<>> entries_;
};

}  // namespace varve::client
