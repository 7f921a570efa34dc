#include "client/connections.h"

#include <algorithm>

namespace varve::client {
namespace {

// One address of several gets this long, so that the next one has its turn within the deadline.
constexpr Duration kOneAddress = 3s;

bool has_scheme(std::string_view address, std::string_view scheme) {
  return address.size() > scheme.size() + 3 && address.substr(0, scheme.size()) == scheme &&
         address.substr(scheme.size(), 3) == "://";
}

}  // namespace

std::vector<std::string> Connections::candidates(const std::vector<std::string>& addresses,
                                                 bool strict) const {
  std::vector<std::string> chosen;
  for (const std::string& address : addresses)
    if (transport_.empty() || has_scheme(address, transport_)) chosen.push_back(address);
  if (chosen.empty() && !strict) chosen = addresses;
  std::stable_partition(chosen.begin(), chosen.end(),
                        [](const std::string& address) { return has_scheme(address, "local"); });
  return chosen;
}

Task<Result<std::shared_ptr<rpc::Peer>>> Connections::one(std::string address, Instant deadline) {
  std::unique_ptr<Entry>& slot = entries_[address];
  if (!slot) slot = std::make_unique<Entry>();
  Entry& entry = *slot;
  for (;;) {
    if (entry.peer && !entry.peer->closed()) co_return entry.peer;
    if (!entry.connecting) break;
    if (!co_await entry.done.wait(deadline))
      co_return Error(Code::kTimedOut, address + " did not accept a connection in time");
  }
  entry.connecting = true;
  entry.peer.reset();
  Result<std::shared_ptr<rpc::Peer>> connected = co_await node_.connect(address, deadline);
  entry.connecting = false;
  if (connected) entry.peer = *connected;
  entry.done.notify_all();
  co_return connected;
}

Task<Result<std::shared_ptr<rpc::Peer>>> Connections::to(std::vector<std::string> addresses,
                                                         Instant deadline, bool strict) {
  const std::vector<std::string> chosen = candidates(addresses, strict);
  if (chosen.empty())
    co_return Error(Code::kUnreachable,
                    "the endpoint has no address of transport '" + transport_ +
                        "': unset VARVE_TRANSPORT, or let the server listen there");
  std::string tried;
  Code code = Code::kUnreachable;
  for (size_t i = 0; i < chosen.size(); ++i) {
    const bool last = i + 1 == chosen.size();
    const Instant until = last ? deadline : std::min(deadline, executor_.now() + kOneAddress);
    Result<std::shared_ptr<rpc::Peer>> peer = co_await one(chosen[i], until);
    if (peer) co_return peer;
    tried += (tried.empty() ? "" : "; ") + std::string(peer.error().text());
    code = peer.code() == Code::kTimedOut ? Code::kTimedOut : code;
    if (peer.code() != Code::kTimedOut && peer.code() != Code::kUnreachable) code = peer.code();
    if (executor_.now() >= deadline) break;
  }
  co_return Error(code, std::move(tried));
}

}  // namespace varve::client
