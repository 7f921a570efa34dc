#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "device/device.h"

namespace varve::device {
namespace {

constexpr uint64_t kHugePageBytes = 2 * kMiB;

class MemoryDevice final : public Device {
 public:
  MemoryDevice(std::byte* mapping, uint64_t mapped_bytes, uint64_t size_bytes)
      : mapping_(mapping), mapped_bytes_(mapped_bytes), size_bytes_(size_bytes) {
    const auto address = reinterpret_cast<uintptr_t>(mapping_);
    base_ = reinterpret_cast<std::byte*>(round_up(address, kHugePageBytes));
    madvise(base_, size_bytes_, MADV_HUGEPAGE);  // welcome, not needed
  }
  ~MemoryDevice() override { munmap(mapping_, mapped_bytes_); }

  Kind kind() const override { return Kind::kMemory; }
  const std::string& name() const override { return name_; }
  uint64_t size_bytes() const override { return size_bytes_; }
  bool persistent() const override { return false; }

  Task<Result<void>> read(uint64_t offset, MutableByteView into) override {
    check(offset, into.size());
    std::memcpy(into.data(), base_ + offset, into.size());
    co_return {};
  }
  Task<Result<void>> write(uint64_t offset, Gather from) override {
    check(offset, size_of(from));
    std::byte* at = base_ + offset;
    for (const ByteView& piece : from) {
      std::memcpy(at, piece.data(), piece.size());
      at += piece.size();
    }
    co_return {};
  }
  Task<Result<void>> write_durable(uint64_t offset, Gather from) override {
    return write(offset, from);
  }
  Task<Result<void>> flush() override { co_return {}; }
  Task<Result<void>> discard(uint64_t offset, uint64_t length) override {
    check(offset, length);
    madvise(base_ + offset, length, MADV_DONTNEED);
    co_return {};
  }
  std::byte* direct(uint64_t offset) override { return base_ + offset; }

 private:
  void check(uint64_t offset, uint64_t length) const {
    VARVE_ASSERT(offset <= size_bytes_ && length <= size_bytes_ - offset,
                 "device I/O stays inside the device");
  }

  std::string name_ = "memory";
  std::byte* mapping_;
  uint64_t mapped_bytes_;
  std::byte* base_;
  uint64_t size_bytes_;
};

}  // namespace

Result<std::unique_ptr<Device>> open_memory(uint64_t size_bytes) {
  size_bytes = round_up(std::max(size_bytes, kBlockBytes), kBlockBytes);
  const uint64_t mapped_bytes = size_bytes + kHugePageBytes;
  void* mapping = mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED)
    return Error(Code::kNoMemory, "a memory device of " + std::to_string(size_bytes) +
                                      " bytes: the system refuses the address space (" +
                                      std::strerror(errno) + "); make it smaller");
  return std::unique_ptr<Device>(
      new MemoryDevice(static_cast<std::byte*>(mapping), mapped_bytes, size_bytes));
}

}  // namespace varve::device
