// Keeps noise away from UCX's listening sockets.
#pragma once

#include <sys/socket.h>

#include "base/result.h"

namespace varve::network {

// UCX 1.13 ends the process (an assertion in tcp_sockcm_ep.c) when somebody who is no UCX client, a
// port scanner say, sends more to its listening port than the length says that lies in the first
// eight bytes. This makes the kernel drop, on the connections accepted at `address`, every segment
// that is not exactly one connection request of UCX: a header of 16 bytes and as many more as it
// says. Connections whose other end has gone without a word are closed by keepalive.
Result<void> guard_ucx_listener(const sockaddr_storage& address);

}  // namespace varve::network
