// Reading a device without opening it for use: for programs that look at devices of servers which are down.
// Blocking; never part of a server.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace varve::device {

class Reader {
 public:
  virtual ~Reader() = default;
  // For people: the path.
  virtual const std::string& name() const = 0;
  virtual uint64_t size_bytes() const = 0;
  // Any offset and length inside the device. kIo names device, offset and cause.
  virtual Result<void> read(uint64_t offset, MutableByteView into) = 0;
};

enum class Sharing : uint8_t {
  kAlone,     // kBusy, naming the holder, if a server has it open; none can open it meanwhile
  kWithUser,  // whoever has it open goes on writing
};
// A regular file or a block device; nothing is ever written to it.
Result<std::unique_ptr<Reader>> open_for_reading(const std::string& path, Sharing sharing);
// The same over memory that outlives it.
std::unique_ptr<Reader> read_memory(std::string name, ByteView bytes);

}  // namespace varve::device
