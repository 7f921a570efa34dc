// The disk seam: an asynchronous block device of one executor. Offsets, lengths and memory addresses
// are multiples of kBlockBytes. After an I/O error nothing else of the device is to be trusted.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "runtime/task.h"

namespace varve {
class Executor;
}

namespace varve::device {

inline constexpr uint64_t kBlockBytes = 4096;

enum class Kind : uint8_t { kMemory, kFile, kBlock, kSimulated };

class Device {
 public:
  virtual ~Device() = default;

  virtual Kind kind() const = 0;
  // For people: the path, or "memory".
  virtual const std::string& name() const = 0;
  virtual uint64_t size_bytes() const = 0;
  // False for memory: nothing outlives the process, flush() promises nothing.
  virtual bool persistent() const = 0;

  // The memory must stay until the task ends. Errors: kIo, naming device, offset and cause.
  virtual Task<Result<void>> read(uint64_t offset, MutableByteView into) = 0;
  // Completion says that a later read sees it; not that it survives a power loss, and it may be torn
  // by one at any kBlockBytes boundary.
  virtual Task<Result<void>> write(uint64_t offset, Gather from) = 0;
  // write(), and at completion these bytes (and no others) survive a power loss.
  virtual Task<Result<void>> write_durable(uint64_t offset, Gather from) = 0;
  // At completion every write that had completed before the call survives a power loss.
  virtual Task<Result<void>> flush() = 0;
  // The bytes may be forgotten (read back as anything).
  virtual Task<Result<void>> discard(uint64_t offset, uint64_t length) = 0;

  // False: some of it may never have been written, and the first write costs more than later ones.
  virtual bool written_before(uint64_t offset, uint64_t length) { return true; }

  // Memory devices: the bytes themselves, for zero-copy; null elsewhere.
  virtual std::byte* direct(uint64_t offset) { return nullptr; }
};

// Memory for device I/O: aligned to kBlockBytes, recycled by thread.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // Rounded up to kBlockBytes; contents undefined.
  explicit AlignedBuffer(uint64_t size_bytes);
  AlignedBuffer(AlignedBuffer&& other) noexcept;
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;
  ~AlignedBuffer();
  std::byte* data() const { return data_; }
  uint64_t size() const { return size_; }
  MutableByteView view() const { return {data_, size_}; }
  MutableByteView view(uint64_t length) const { return {data_, length}; }

 private:
  std::byte* data_ = nullptr;
  uint64_t size_ = 0;
};

struct FileOptions {
  // Creates the file if it is not there, with this size (space reserved); 0: it must exist.
  uint64_t create_bytes = 0;
};
// A regular file or a block device, O_DIRECT through io_uring, owned exclusively: kBusy, naming path
// and owner, if anyone else has it open this way. Polled by `executor`.
Result<std::unique_ptr<Device>> open_file(Executor& executor, const std::string& path,
                                          const FileOptions& options);
// Zeroed memory, touched lazily.
Result<std::unique_ptr<Device>> open_memory(uint64_t size_bytes);

}  // namespace varve::device
