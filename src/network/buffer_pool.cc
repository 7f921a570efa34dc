#include "network/buffer_pool.h"

#include "network/network.h"

namespace varve::network {
namespace {

constexpr size_t kKeep = 32;

struct Pool {
  std::vector<Buffer> free;
  bool closed = false;
  Pool() { free.reserve(kKeep); }
  ~Pool() { closed = true; }
};

thread_local Pool pool;

}  // namespace

Buffer take_buffer() {
  if (pool.closed || pool.free.empty()) return {};
  Buffer buffer = std::move(pool.free.back());
  pool.free.pop_back();
  return buffer;
}

void recycle_buffer(Buffer buffer) {
  if (pool.closed || pool.free.size() >= kKeep || buffer.capacity() == 0) return;
  if (buffer.capacity() > 2 * kMessageBytesMax) return;
  buffer.clear();
  pool.free.push_back(std::move(buffer));
}

}  // namespace varve::network
