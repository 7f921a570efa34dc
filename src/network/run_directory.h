// Where the sockets of this host's servers are, for servers (which create them) and clients (which look).
#pragma once

#include <string>

#include "network/network.h"

namespace varve::network {

inline constexpr const char* kSystemRunDirectory = "/run/varve";
inline constexpr uint16_t kSystemPort = 10400;

// Of a server that this user starts: $VARVE_RUN_DIR, else /run/varve for root, else
// $XDG_RUNTIME_DIR/varve, else /tmp/varve-UID. Not created.
std::string default_run_directory();
// "local://RUN_DIRECTORY/system.sock": the system endpoint's same-host address.
Address system_socket_address(const std::string& run_directory);
// "local://RUN_DIRECTORY/target-INDEX.sock".
Address target_socket_address(const std::string& run_directory, uint32_t target);

}  // namespace varve::network
