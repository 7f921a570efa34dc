#include "bench/limits.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

namespace varve::bench {
namespace {

constexpr size_t kStreamBytes = 1 << 20;

struct SocketPair {
  int here = -1, there = -1;
  SocketPair() {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    here = socket(AF_INET, SOCK_STREAM, 0);
    const bool good = bind(listener, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                      listen(listener, 1) == 0 &&
                      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) == 0 &&
                      connect(here, reinterpret_cast<sockaddr*>(&address), length) == 0;
    there = good ? accept(listener, nullptr, nullptr) : -1;
    close(listener);
    const int one = 1;
    setsockopt(here, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(there, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  ~SocketPair() {
    close(here);
    if (there >= 0) close(there);
  }
};

bool send_all(int socket, const char* data, size_t size, int flags) {
  while (size > 0) {
    const ssize_t sent = send(socket, data, size, flags | MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) continue;
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<size_t>(sent);
  }
  return true;
}
bool receive_all(int socket, char* data, size_t size, int flags) {
  while (size > 0) {
    const ssize_t got = recv(socket, data, size, flags);
    if (got < 0 && errno == EAGAIN) continue;
    if (got <= 0) return false;
    data += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

double tcp_pingpong(double seconds) {
  SocketPair pair;
  std::thread echo([&] {
    pin_to_core(0);
    char message[64];
    while (receive_all(pair.there, message, sizeof message, MSG_DONTWAIT) &&
           send_all(pair.there, message, sizeof message, 0)) {
    }
  });
  char message[64] = {};
  uint64_t count = 0;
  const uint64_t start = now_ns(), until = start + static_cast<uint64_t>(seconds * 1e9);
  while (now_ns() < until) {
    if (!send_all(pair.here, message, sizeof message, 0) ||
        !receive_all(pair.here, message, sizeof message, MSG_DONTWAIT))
      break;
    ++count;
  }
  const double rate = static_cast<double>(count) / (static_cast<double>(now_ns() - start) * 1e-9);
  shutdown(pair.here, SHUT_RDWR);
  echo.join();
  return rate;
}

double tcp_stream(double seconds) {
  SocketPair pair;
  std::atomic<uint64_t> received{0};
  std::thread sink([&] {
    pin_to_core(0);
    std::vector<char> buffer(kStreamBytes);
    for (;;) {
      const ssize_t got = recv(pair.there, buffer.data(), buffer.size(), 0);
      if (got <= 0) return;
      received += static_cast<uint64_t>(got);
    }
  });
  std::vector<char> buffer(kStreamBytes, 'x');
  const uint64_t start = now_ns(), until = start + static_cast<uint64_t>(seconds * 1e9);
  while (now_ns() < until && send_all(pair.here, buffer.data(), buffer.size(), 0)) {
  }
  const double rate =
      static_cast<double>(received) / (static_cast<double>(now_ns() - start) * 1e-9);
  shutdown(pair.here, SHUT_RDWR);
  sink.join();
  return rate;
}

double memory_pingpong(double seconds) {
  struct alignas(128) Line {
    std::atomic<uint64_t> value{0};
  } there, back;
  std::thread echo([&] {
    pin_to_core(0);
    for (uint64_t seen = 0; seen != ~0ULL;) {
      const uint64_t value = there.value.load(std::memory_order_acquire);
      if (value == seen) continue;
      back.value.store(seen = value, std::memory_order_release);
    }
  });
  uint64_t count = 0;
  const uint64_t start = now_ns(), until = start + static_cast<uint64_t>(seconds * 1e9);
  while (now_ns() < until) {
    there.value.store(++count, std::memory_order_release);
    while (back.value.load(std::memory_order_acquire) != count) {
    }
  }
  const double rate = static_cast<double>(count) / (static_cast<double>(now_ns() - start) * 1e-9);
  there.value.store(~0ULL, std::memory_order_release);
  echo.join();
  return rate;
}

double device_flushes(const std::string& folder, double seconds) {
  const std::string path =
      (folder.empty() ? "." : folder) + "/varve-bench-flush." + std::to_string(getpid());
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_DIRECT, 0600);
  if (file < 0) return 0;
  constexpr size_t kBlock = 4096, kBlocks = 1024;
  void* memory = nullptr;
  if (posix_memalign(&memory, kBlock, kBlock) != 0) return 0;
  std::fill_n(static_cast<char*>(memory), kBlock, 'x');
  for (size_t i = 0; i < kBlocks; ++i)
    if (pwrite(file, memory, kBlock, static_cast<off_t>(i * kBlock)) < 0) return 0;
  fdatasync(file);
  uint64_t count = 0;
  const uint64_t start = now_ns(), until = start + static_cast<uint64_t>(seconds * 1e9);
  while (now_ns() < until) {
    if (pwrite(file, memory, kBlock, static_cast<off_t>(count++ % kBlocks * kBlock)) < 0 ||
        fdatasync(file) != 0)
      break;
  }
  const double rate = static_cast<double>(count) / (static_cast<double>(now_ns() - start) * 1e-9);
  close(file);
  unlink(path.c_str());
  free(memory);
  return rate;
}

}  // namespace

void touch_memory(uint64_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_NORESERVE, -1, 0);
  if (memory != MAP_FAILED) munmap(memory, bytes);
}

void pin_to_core(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);
}

const Limits& machine_limits(const std::string& folder) {
  static const Limits limits = [&] {
    constexpr double kSeconds = 0.3;
    Limits measured;
    measured.tcp_pingpong = tcp_pingpong(kSeconds);
    measured.tcp_stream = tcp_stream(kSeconds);
    measured.memory_pingpong = memory_pingpong(kSeconds);
    measured.memcpy_bytes = measure_memcpy_rate(kStreamBytes, 64 * kStreamBytes) * kStreamBytes;
    measured.device_flushes = device_flushes(folder, kSeconds);
    return measured;
  }();
  return limits;
}

void add_limit_rows(Report& report) {
  const Limits& limits = machine_limits(report.options().folder);
  report.add("limit.tcp.pingpong.64B", "1/s", {limits.tcp_pingpong});
  report.add("limit.tcp.stream.1MiB", "B/s", {limits.tcp_stream});
  report.add("limit.memory.pingpong", "1/s", {limits.memory_pingpong});
  report.add("limit.memcpy.1MiB", "B/s", {limits.memcpy_bytes});
  report.add("limit.device.write_flush.4KiB", "1/s", {limits.device_flushes});
}

}  // namespace varve::bench
