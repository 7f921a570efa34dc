#include "network/ucx_guard.h"

#include <dirent.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>

namespace varve::network {
namespace {

constexpr unsigned kRequestHeaderBytes = 16, kRequestBytesMax = 4096;

// The data begins at the TCP header. The request's length is little-endian on the wire, the filter
// loads big-endian: hence byte by byte. Jumps count instructions from the next one.
constexpr uint8_t kDrop = 23, kPass = 24;
constexpr uint8_t to(uint8_t target, uint8_t from) {
  return static_cast<uint8_t>(target - from - 1);
}

sock_filter filter[] = {
    /* 0 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS,
                     12),  // length of the TCP header: high bits, in words
    /* 1 */ BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 2),
    /* 2 */ BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x3c),
    /* 3 */ BPF_STMT(BPF_MISC | BPF_TAX, 0),
    /* 4 */ BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
    /* 5 */ BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),  // bytes of data
    /* 6 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, to(kPass, 6), 0),
    /* 7 */ BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, kRequestBytesMax, to(kDrop, 7), 0),
    /* 8 */ BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kRequestHeaderBytes, 0, to(kDrop, 8)),
    /* 9 */ BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, kRequestHeaderBytes),
    /* 10 */ BPF_STMT(BPF_ST, 0),
    /* 11 */ BPF_STMT(BPF_LD | BPF_W | BPF_IND, 4),  // the upper six bytes are zero
    /* 12 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, to(kDrop, 12)),
    /* 13 */ BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
    /* 14 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, to(kDrop, 14)),
    /* 15 */ BPF_STMT(BPF_LD | BPF_B | BPF_IND, 1),
    /* 16 */ BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 8),
    /* 17 */ BPF_STMT(BPF_ST, 1),
    /* 18 */ BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
    /* 19 */ BPF_STMT(BPF_LDX | BPF_W | BPF_MEM, 1),
    /* 20 */ BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
    /* 21 */ BPF_STMT(BPF_LDX | BPF_W | BPF_MEM, 0),
    /* 22 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, to(kPass, 22), to(kDrop, 22)),
    /* 23 */ BPF_STMT(BPF_RET | BPF_K, 0),
    /* 24 */ BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
};
static_assert(std::size(filter) == kPass + 1);

bool same_port(const sockaddr_storage& a, const sockaddr_storage& b) {
  if (a.ss_family != b.ss_family) return false;
  if (a.ss_family == AF_INET)
    return reinterpret_cast<const sockaddr_in&>(a).sin_port ==
           reinterpret_cast<const sockaddr_in&>(b).sin_port;
  return reinterpret_cast<const sockaddr_in6&>(a).sin6_port ==
         reinterpret_cast<const sockaddr_in6&>(b).sin6_port;
}

// UCX does not tell the descriptor: the one of this process that listens there.
int listening_descriptor(const sockaddr_storage& address) {
  DIR* folder = ::opendir("/proc/self/fd");
  int found = -1;
  while (const dirent* entry = folder ? ::readdir(folder) : nullptr) {
    const int descriptor = std::atoi(entry->d_name);
    int listens = 0;
    socklen_t length = sizeof listens;
    if (descriptor <= 0 || ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) ||
        !listens)
      continue;
    sockaddr_storage own{};
    socklen_t own_length = sizeof own;
    if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &own_length) == 0 &&
        same_port(own, address))
      found = descriptor;
  }
  if (folder) ::closedir(folder);
  return found;
}

bool set(int descriptor, int level, int option, int value) {
  return ::setsockopt(descriptor, level, option, &value, sizeof value) == 0;
}

}  // namespace

Result<void> guard_ucx_listener(const sockaddr_storage& address) {
  const int descriptor = listening_descriptor(address);
  if (descriptor < 0)
    return Error(Code::kMiscellaneous,
                 "the listening socket is not found in /proc/self/fd; is /proc mounted?");
  const sock_fprog program{std::size(filter), filter};
  const bool done =
      ::setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0 &&
      set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1) &&
      set(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, 10) &&
      set(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, 5) &&
      set(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 3);
  if (done) return {};
  return Error(Code::kMiscellaneous,
               std::string("the listening socket takes no filter: ") + std::strerror(errno));
}

}  // namespace varve::network
