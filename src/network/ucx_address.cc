#include "network/ucx_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <charconv>

namespace varve::network {
namespace {
constexpr std::string_view kScheme = "tcp://";
}

Result<HostPort> parse_tcp(const Address& address) {
  const auto invalid = [&](const char* what) {
    return Error(Code::kInvalid, "'" + address + "': " + what + "; write tcp://HOST:PORT");
  };
  std::string_view rest(address);
  if (!rest.starts_with(kScheme)) return invalid("no TCP address");
  rest.remove_prefix(kScheme.size());
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return invalid("the port is missing");
  std::string_view host = rest.substr(0, colon), port = rest.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  HostPort result;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
  if (error != std::errc() || end != port.data() + port.size())
    return invalid("the port is no number below 65536");
  if (host.empty()) return invalid("the host is missing");
  result.host = host;
  return result;
}

bool to_socket_address(const HostPort& host_port, sockaddr_storage& storage) {
  storage = {};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  const char* host = host_port.host == "localhost" ? "127.0.0.1" : host_port.host.c_str();
  if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(host_port.port);
    return true;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(host_port.port);
    return true;
  }
  return false;
}

Result<sockaddr_storage> resolve(const HostPort& host_port) {
  sockaddr_storage storage;
  if (to_socket_address(host_port, storage)) return storage;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status =
      getaddrinfo(host_port.host.c_str(), std::to_string(host_port.port).c_str(), &hints, &found);
  if (status != 0)
    return Error(Code::kUnreachable, "the host name '" + host_port.host + "' is not known (" +
                                         gai_strerror(status) + "); check its spelling");
  storage = {};
  std::memcpy(&storage, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return storage;
}

Address tcp_address(const sockaddr_storage& storage) {
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return std::string(kScheme) + "[" + text + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
  inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  return std::string(kScheme) + text + ":" + std::to_string(ntohs(v4.sin_port));
}

socklen_t length_of(const sockaddr_storage& storage) {
  return storage.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

}  // namespace varve::network
