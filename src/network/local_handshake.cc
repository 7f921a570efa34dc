#include "network/local_handshake.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace varve::network::local {
namespace {

constexpr uint64_t kControlOffset = 128;
static_assert(kControlOffset + 2 * sizeof(Control) <= kControlBytes);
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

std::string reason() { return std::strerror(errno); }

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  VARVE_ASSERT(path.size() < sizeof address.sun_path, "path_of() checked it");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<Descriptor> make_socket() {
  Descriptor made(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made)
    return Error(Code::kNoMemory, "cannot make a Unix socket: " + reason() + "; see `ulimit -n`");
  return made;
}

int connect_now(int socket, const std::string& path) {
  const sockaddr_un address = address_of(path);
  return connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

// Two engines that start at once must not both take the path of a dead one.
Result<Descriptor> lock_path(const std::string& path) {
  const std::string lock_path = path + ".lock";
  Descriptor lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock)
    return Error(errno == EACCES ? Code::kNoPermission : Code::kBadPath,
                 "cannot open " + lock_path + ": " + reason() +
                     "; the socket's directory must exist and be writable by the engine");
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return Error(Code::kBusy, "local://" + path +
                                  " is in use by another engine; stop that one or "
                                  "choose another path");
  return lock;
}

Result<void> remove_stale(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode))
    return Error(Code::kExists, path +
                                    " is there and is not a socket; move it away or choose "
                                    "another path");
  VARVE_TRY(Descriptor probe, make_socket());
  const bool dead = connect_now(probe.get(), path) != 0 && errno == ECONNREFUSED;
  if (!dead)
    return Error(Code::kBusy, "local://" + path +
                                  " is in use by another program; stop that one or "
                                  "choose another path");
  if (unlink(path.c_str()) != 0)
    return Error(Code::kNoPermission, "cannot remove the stale socket " + path + ": " + reason());
  return {};
}

}  // namespace

void Descriptor::reset() {
  if (number_ >= 0) close(number_);
  number_ = -1;
}

Region::~Region() {
  if (base_) munmap(base_, kRegionBytes);
}

Control* Region::control(unsigned direction) const {
  return reinterpret_cast<Control*>(base_ + kControlOffset) + direction;
}
std::byte* Region::ring(unsigned direction) const {
  return base_ + kControlBytes + direction * kRingBytes;
}
std::byte* Region::slot(unsigned direction, uint32_t slot) const {
  return base_ + kControlBytes + 2 * kRingBytes + direction * kArenaBytes + slot * kSlotBytes;
}

void Region::drop(unsigned direction) {
  // Where the kernel refuses, the pages stay: nothing depends on it.
  madvise(ring(direction), kRingBytes, MADV_REMOVE);
  madvise(slot(direction, 0), kArenaBytes, MADV_REMOVE);
}

Result<Region> Region::map_checked(int descriptor) {
  void* base = mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (base == MAP_FAILED)
    return Error(Code::kNoMemory, "cannot map the memory of a local connection: " + reason());
  // A forked child must not write into a ring that its parent goes on using.
  madvise(base, kRegionBytes, MADV_DONTFORK);
  return Region(static_cast<std::byte*>(base));
}

Result<std::pair<Region, Descriptor>> Region::create() {
  Descriptor memory(memfd_create("varve-local", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL));
  if (!memory && errno == EINVAL)  // before Linux 6.3
    memory = Descriptor(memfd_create("varve-local", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory || ftruncate(memory.get(), kRegionBytes) != 0 ||
      fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0)
    return Error(Code::kNoMemory,
                 "the engine cannot make the memory of a local connection: " + reason());
  VARVE_TRY(Region region, map_checked(memory.get()));
  return std::pair(std::move(region), std::move(memory));
}

Result<Region> Region::map(const Descriptor& descriptor) {
  struct stat status {};
  const int seals = fcntl(descriptor.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(descriptor.get(), &status) != 0 ||
      static_cast<uint64_t>(status.st_size) != kRegionBytes)
    return Error(Code::kProtocol, "what the engine handed over is not a sealed region of " +
                                      std::to_string(kRegionBytes) +
                                      " bytes; is it a Varve engine?");
  return map_checked(descriptor.get());
}

Result<std::string> path_of(const Address& address) {
  constexpr std::string_view kScheme = "local://";
  if (!address.starts_with(kScheme) || address.size() <= kScheme.size() ||
      address[kScheme.size()] != '/')
    return Error(Code::kInvalid, "\"" + address +
                                     "\" is not a local address; one looks like "
                                     "local:///run/varve/0.sock");
  const std::string path = address.substr(kScheme.size());
  // The kernel's limit on socket paths.
  if (path.size() >= sizeof(sockaddr_un::sun_path) || path.find('\0') != std::string::npos)
    return Error(Code::kBadPath, "the socket path " + path +
                                     " is too long: at most 107 bytes; choose "
                                     "a shorter directory");
  return path;
}

Result<std::unique_ptr<Listener>> Listener::open(const std::string& path) {
  auto listener = std::make_unique<Listener>();
  const std::string directory = path.substr(0, path.rfind('/'));
  if (!directory.empty() && mkdir(directory.c_str(), 0755) == 0)
    chmod(directory.c_str(), 0755);  // whatever the umask: any user may connect
  VARVE_TRY(listener->lock_, lock_path(path));
  VARVE_CHECK(remove_stale(path));
  VARVE_TRY(listener->socket_, make_socket());
  const sockaddr_un address = address_of(path);
  const int socket = listener->socket_.get();
  if (bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return Error(errno == EADDRINUSE ? Code::kBusy : Code::kBadPath,
                 "cannot make the socket " + path + ": " + reason());
  listener->path_ = path;
  if (chmod(path.c_str(), 0666) != 0 || ::listen(socket, 256) != 0)
    return Error(Code::kBadPath, "cannot listen on the socket " + path + ": " + reason());
  return listener;
}

Listener::~Listener() {
  // The lock, still held, says that the path is ours.
  if (!path_.empty()) unlink(path_.c_str());
}

Result<Descriptor> connect_to(const std::string& path) {
  VARVE_TRY(Descriptor socket, make_socket());
  if (connect_now(socket.get(), path) == 0) return socket;
  switch (errno) {
    case EAGAIN:
      return Error(Code::kAgain, "the engine at local://" + path + " does not accept connections");
    case EACCES:
    case EPERM:
      return Error(Code::kNoPermission,
                   "no permission to connect to local://" + path + ": " + reason());
    default:
      return Error(Code::kUnreachable, "nobody listens at local://" + path + ": " + reason() +
                                           "; is the engine running?");
  }
}

PeerIdentity identity_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return {};
  return {true, credentials.uid, credentials.gid, static_cast<uint32_t>(credentials.pid)};
}

Result<void> check(const Hello& hello) {
  if (hello.magic != kMagic)
    return Error(Code::kProtocol,
                 "this is a Varve engine's socket; what connected is no Varve client");
  if (hello.version != kVersion)
    return Error(Code::kProtocol, "the client speaks version " + std::to_string(hello.version) +
                                      " of the local transport, the engine version " +
                                      std::to_string(kVersion) + "; install matching versions");
  return {};
}

Result<void> check(const Welcome& welcome) {
  if (welcome.magic != kMagic)
    return Error(Code::kProtocol, "what listens at the socket is no Varve engine");
  if (welcome.code != 0) {
    const size_t length = strnlen(welcome.text, sizeof welcome.text);
    const Code code = code_from(static_cast<int>(welcome.code));
    return Error(code, std::string(welcome.text, length));
  }
  if (welcome.version != kVersion || welcome.region_bytes != kRegionBytes ||
      welcome.ring_bytes != kRingBytes || welcome.slot_bytes != kSlotBytes ||
      welcome.slots != kSlots)
    return Error(Code::kProtocol,
                 "the engine speaks version " + std::to_string(welcome.version) +
                     " of the local transport or other sizes, the client version " +
                     std::to_string(kVersion) + "; install matching versions");
  return {};
}

Welcome refusal(const Error& why) {
  Welcome welcome;
  welcome.code = static_cast<uint32_t>(why.code());
  const std::string_view text = why.text();
  std::memcpy(welcome.text, text.data(), std::min(text.size(), sizeof welcome.text));
  return welcome;
}

void send_hello(int socket) {
  const Hello hello;
  // A failure shows when the answer is read.
  if (send(socket, &hello, sizeof hello, MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof hello) return;
}

bool send_welcome(int socket, const Welcome& welcome, const Descriptor& region) {
  iovec part{const_cast<Welcome*>(&welcome), sizeof welcome};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (region) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = region.get();
    std::memcpy(CMSG_DATA(header), &number, sizeof number);
  }
  return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof welcome;
}

long receive_welcome(int socket, MutableByteView into, Descriptor& region) {
  iovec part{into.data(), into.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return errno == EAGAIN || errno == EINTR ? -1 : -2;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    // Padding leaves room for more than the one that is meant: none may leak.
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof number, sizeof number);
      region = Descriptor(number);
    }
  }
  return got;
}

}  // namespace varve::network::local
