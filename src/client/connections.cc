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

struct Connections::CancelledWait final : rpc::Cancellation::Wait {
  explicit CancelledWait(Signal& wakes) : wakes(wakes) {}
  void cancel(bool) override { wakes.notify_all(); }
  Signal& wakes;
};

// A task of its own: who asked for the connection may give up before it stands or fails.
Task<void> Connections::connect(Entry& entry, std::string address, Instant deadline,
                                std::shared_ptr<Outcome> outcome) {
  Result<std::shared_ptr<rpc::Peer>> connected = co_await node_.connect(address, deadline);
  entry.connecting = false;
  if (connected) entry.peer = *connected;
  outcome->emplace(std::move(connected));
  entry.done.notify_all();
}

Task<Result<std::shared_ptr<rpc::Peer>>> Connections::one(std::string address, Instant deadline,
                                                          rpc::Cancellation* cancellation) {
  std::unique_ptr<Entry>& slot = entries_[address];
  if (!slot) slot = std::make_unique<Entry>();
  Entry& entry = *slot;
  CancelledWait wait(entry.done);
  if (cancellation) cancellation->add(wait);
  std::shared_ptr<Outcome> outcome;
  for (;;) {
    if (outcome && *outcome) co_return std::move(**outcome);
    if (entry.peer && !entry.peer->closed()) co_return entry.peer;
    if (cancellation && cancellation->requested())
      co_return Error(Code::kCanceled, "the connection to " + address + " was cancelled");
    if (!entry.connecting) {
      entry.connecting = true;
      entry.peer.reset();
      outcome = std::make_shared<Outcome>();
      executor_.spawn(connect(entry, address, deadline, outcome));
      continue;
    }
    if (!co_await entry.done.wait(deadline) && !(outcome && *outcome))
      co_return Error(Code::kTimedOut, address + " did not accept a connection in time");
  }
}

Task<Result<std::shared_ptr<rpc::Peer>>> Connections::to(std::vector<std::string> addresses,
                                                         Instant deadline, bool strict,
                                                         rpc::Cancellation* cancellation) {
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
    Result<std::shared_ptr<rpc::Peer>> peer = co_await one(chosen[i], until, cancellation);
    if (peer || peer.code() == Code::kCanceled) co_return peer;
    tried += (tried.empty() ? "" : "; ") + std::string(peer.error().text());
    code = peer.code() == Code::kTimedOut ? Code::kTimedOut : code;
    if (peer.code() != Code::kTimedOut && peer.code() != Code::kUnreachable) code = peer.code();
    if (executor_.now() >= deadline) break;
  }
  co_return Error(code, std::move(tried));
}

}  // namespace varve::client
