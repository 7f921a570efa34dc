// "tcp://HOST:PORT" and socket addresses.
#pragma once

#include <sys/socket.h>

#include "network/network.h"

namespace varve::network {

struct HostPort {
  std::string host;  // without the brackets of an IPv6 address
  uint16_t port = 0;
};
// kInvalid, saying what is wrong with it.
Result<HostPort> parse_tcp(const Address& address);
// Numeric hosts and "localhost" only: asks nobody, never blocks. False for other names.
bool to_socket_address(const HostPort& host_port, sockaddr_storage& storage);
// Asks the system's resolver; may block for long. kUnreachable for unknown names.
Result<sockaddr_storage> resolve(const HostPort& host_port);
Address tcp_address(const sockaddr_storage& storage);
socklen_t length_of(const sockaddr_storage& storage);

}  // namespace varve::network
