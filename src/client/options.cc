#include <charconv>
#include <cstdlib>

#include "client/client.h"
#include "network/run_directory.h"

namespace varve::client {
namespace {

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

const char* variable(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? value : nullptr;
}

}  // namespace

Result<Options> options_from_environment() {
  Options options;
  if (const char* addresses = variable("VARVE_ADDRESS")) {
    options.addresses = split(addresses);
    for (const std::string& address : options.addresses)
      if (address.find("://") == std::string::npos)
        return Error(Code::kInvalid,
                     "VARVE_ADDRESS: '" + address +
                         "' is no address; write tcp://HOST:PORT or local:///PATH.sock");
  }
  if (options.addresses.empty()) {
    const std::string own = network::default_run_directory();
    options.addresses.push_back(network::system_socket_address(own));
    if (own != network::kSystemRunDirectory)
      options.addresses.push_back(network::system_socket_address(network::kSystemRunDirectory));
    options.addresses.push_back("tcp://127.0.0.1:" + std::to_string(network::kSystemPort));
  }
  if (const char* transport = variable("VARVE_TRANSPORT")) {
    options.transport = transport;
    if (options.transport != "tcp" && options.transport != "local" && options.transport != "memory")
      return Error(Code::kInvalid,
                   "VARVE_TRANSPORT: '" + options.transport + "' is none of tcp, local");
  }
  if (const char* timeout = variable("VARVE_TIMEOUT_MS")) {
    const std::string_view text = timeout;
    uint64_t ms = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
    if (error != std::errc() || end != text.data() + text.size() || ms == 0 || ms > 86'400'000)
      return Error(Code::kInvalid, "VARVE_TIMEOUT_MS: '" + std::string(text) +
                                       "' is not a number of milliseconds from 1 to 86400000");
    options.deadline = std::chrono::milliseconds(ms);
  }
  return options;
}

}  // namespace varve::client
