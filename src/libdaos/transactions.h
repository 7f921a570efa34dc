// Handles of transactions: for now those that read, at a snapshot or at an epoch of their own.
#pragma once

#include <atomic>

#include "libdaos/handles.h"

namespace varve::libdaos {

struct Transaction {
  client::Container container;
  std::atomic<uint64_t> epoch;
  bool of_snapshot = false;
  std::atomic<bool> ended = false;  // committed or aborted

  Transaction(client::Container of, Epoch at, bool snapshot)
      : container(std::move(of)), epoch(at.value), of_snapshot(snapshot) {}
};

}  // namespace varve::libdaos
