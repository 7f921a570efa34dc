// Handles of transactions: for now snapshots to read from; DAOS_TX_NONE otherwise.
#pragma once

#include "libdaos/handles.h"

namespace varve::libdaos {

struct Transaction {
  client::Container container;
  Epoch snapshot;
};

}  // namespace varve::libdaos
