// A network in virtual time, with the faults that real ones have and some that TCP would hide.
// Faults are drawn from one seed: the same seed and the same calls give the same deliveries.
//
// What a cluster must survive here: messages late by any amount, lost, doubled, out of order or
// with a wrong bit; connections cut at any moment; hosts that cannot reach each other, in one
// direction or in both, while their connections stay open; bulk data that never arrives.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "network/network.h"
#include "runtime/executor.h"

namespace varve::simulation {

// Each "one_in": once in so many messages on average; 0: never.
struct NetworkFaults {
  Duration delay_min = 5us, delay_max = 200us;
  uint64_t bytes_per_second = 5'000'000'000;  // of bulk data
  uint64_t drop_one_in = 0;
  uint64_t duplicate_one_in = 0;  // messages without bulk data
  uint64_t reorder_one_in = 0;    // overtakes those before it
  uint64_t flip_one_in = 0;       // one bit of the message is wrong
  uint64_t reset_one_in = 0;      // its connection is cut instead
};

struct NetworkCounters {
  uint64_t sent = 0, delivered = 0, dropped = 0, duplicated = 0, reordered = 0, flipped = 0,
           resets = 0;
};

class SwitchState;

// What connects the hosts. Outlived by nothing that was attached to it but in silence.
class NetworkSwitch {
 public:
  explicit NetworkSwitch(uint64_t seed, const NetworkFaults& faults = {});
  ~NetworkSwitch();
  // A network of `host` on this executor, whose clock is virtual. Addresses: "simulated://NAME",
  // where NAME is anything. Destroying it is the death of its process: its connections are reset.
  std::unique_ptr<network::Network> attach(Executor& executor, const std::string& host);

  void set_faults(const NetworkFaults& faults);
  // What `from` sends to `to` is lost from now on, or passes again.
  void cut(const std::string& from, const std::string& to, bool is_cut = true);
  // The same between this host and every other, both ways.
  void isolate(const std::string& host, bool is_cut = true);
  // Every connection of this host ends, as by a reset from the other side.
  void reset_connections(const std::string& host);
  const NetworkCounters& counters() const;

 private:
  std::shared_ptr<SwitchState> state_;
};

}  // namespace varve::simulation
