// How a same-host connection begins: the Unix socket, the two greetings, and the sealed memory that
// the engine hands over. docs/formats/local.md has the bytes.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "network/local_ring.h"
#include "network/network.h"

namespace varve::network::local {

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { reset(); }
  void reset();
  int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

inline constexpr uint64_t kMagic = 0x4c41434f4c525656;  // "VVRLOCAL"
inline constexpr uint32_t kVersion = 1;
inline constexpr uint64_t kControlBytes = 4096;
inline constexpr uint64_t kArenaBytes = kSlots * kSlotBytes;  // of one direction
inline constexpr uint64_t kRegionBytes = kControlBytes + 2 * (kRingBytes + kArenaBytes);

// The client speaks first.
struct Hello {
  uint64_t magic = kMagic;
  uint32_t version = kVersion;
  uint32_t reserved[13] = {};
};
static_assert(sizeof(Hello) == 64);

// The engine's answer; the region's descriptor comes with it if code is 0.
struct Welcome {
  uint64_t magic = kMagic;
  uint32_t version = kVersion;
  uint32_t code = 0;  // of a refusal, which `text` explains
  uint64_t region_bytes = kRegionBytes;
  uint32_t ring_bytes = kRingBytes;
  uint32_t slot_bytes = kSlotBytes;
  uint32_t slots = kSlots;
  uint32_t reserved[7] = {};
  char text[192] = {};
};
static_assert(sizeof(Welcome) == 256);

// The shared memory, mapped.
class Region {
 public:
  enum class Side { kClient, kEngine };
  Region() = default;
  Region(Region&& other) noexcept : base_(std::exchange(other.base_, nullptr)) {}
  Region& operator=(Region&& other) noexcept {
    std::swap(base_, other.base_);
    return *this;
  }
  ~Region();

  // Direction 0: client to engine. 1: engine to client.
  Control* control(unsigned direction) const;
  std::byte* ring(unsigned direction) const;
  std::byte* slot(unsigned direction, uint32_t slot) const;
  // Gives the pages of a direction's ring and slots back to the system; they read as zeros then.
  void drop(unsigned direction);

  // Engine: new memory, zeroed and unpopulated, of fixed size for ever; the descriptor is for the
  // peer.
  static Result<std::pair<Region, Descriptor>> create();
  // Client: what an engine handed over, checked for size and seals: nobody can cut it off under us.
  static Result<Region> map(const Descriptor& descriptor);

 private:
  explicit Region(std::byte* base) : base_(base) {}
  static Result<Region> map_checked(int descriptor);
  std::byte* base_ = nullptr;
};

// The path in "local:///PATH"; kBadPath or kInvalid with the reason.
Result<std::string> path_of(const Address& address);

// A socket that listens at a path, which is its own as long as this lives.
class Listener {
 public:
  // Replaces what a dead engine left behind; kBusy if somebody listens there.
  static Result<std::unique_ptr<Listener>> open(const std::string& path);
  ~Listener();
  int descriptor() const { return socket_.get(); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  Descriptor lock_, socket_;
};

// kAgain: the engine's queue of connections is full just now.
Result<Descriptor> connect_to(const std::string& path);
PeerIdentity identity_of(int socket);

// kProtocol, naming both versions, if the peer does not speak ours.
Result<void> check(const Hello& hello);
// The engine's refusal as it came, or kProtocol.
Result<void> check(const Welcome& welcome);
Welcome refusal(const Error& why);
void send_hello(int socket);
// False if the socket does not take it at once: it is of no use then.
bool send_welcome(int socket, const Welcome& welcome, const Descriptor& region);
// Reads on into `into` and takes a descriptor that comes along; bytes read, 0 if closed, -1 if
// there is nothing yet, -2 on failure.
long receive_welcome(int socket, MutableByteView into, Descriptor& region);

}  // namespace varve::network::local
