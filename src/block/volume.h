// Crash-safe space on one device: superblock, write-ahead log, transactional heap, checkpoint, extents.
// Format: docs/formats/volume.md. One executor's thread; at most one heap transaction at a time, and no
// suspension inside one.
//
// The heap is an arena in memory, addressed by offsets. A transaction changes it in place; commit()
// appends the after-images of the changed ranges to the log as one record; durable() waits until that
// record, and so every one before it, is on the device. Recovery loads the last checkpoint and replays
// whole records in order up to the first that is not intact.
#pragma once

#include <compare>
#include <functional>
#include <memory>

#include "base/ids.h"
#include "device/device.h"
#include "runtime/executor.h"

namespace varve::block {

using HeapOffset = uint64_t;  // 0: none. Offsets are multiples of 16.
struct Lsn {
  uint64_t value = 0;  // bytes of log written before the end of this record, since format
  auto operator<=>(const Lsn&) const = default;
};

// Where data lies on the device, in whole blocks.
struct Extent {
  uint64_t offset = 0;  // bytes from the start of the device; 0: none
  uint64_t length = 0;  // bytes, a multiple of device::kBlockBytes
  bool operator==(const Extent&) const = default;
};

// Who the device belongs to; checked at open.
struct Identity {
  Uuid system;           // kIdMismatch if another's
  uint32_t target = 0;
};

struct FormatOptions {
  Identity identity;
  uint64_t log_bytes = 64 * kMiB;
  uint64_t heap_bytes_max = 0;  // 0: by the device's size (an eighth, at least 64 MiB)
};

// When checkpoints are written, beside those that a full log and close() demand. A checkpoint bounds what opening
// has to replay; each costs the pages that changed since the last one.
struct CheckpointPolicy {
  enum class Mode : uint8_t {
    kTimed,     // `interval` after the first commit since the last one, and as kLazy
    kLazy,      // when `threshold_percent` of the log is used
    kDisabled,  // only when a transaction finds no room in the log, which waits for it
  };
  Mode mode = Mode::kLazy;
  Duration interval = std::chrono::seconds(5);
  uint32_t threshold_percent = 50;
};

struct SpaceUse {
  uint64_t heap_bytes = 0, heap_bytes_max = 0;    // allocated, in the arena
  uint64_t extent_bytes = 0, extent_bytes_max = 0;
};

struct LogStatistics {
  uint64_t records = 0, bytes = 0, device_writes = 0, checkpoints = 0, replayed_records = 0;
  uint64_t replayed_bytes = 0;
  uint64_t used_bytes = 0, used_bytes_max = 0;  // what a crash now would have replayed; the log's size
};

class Volume {
 public:
  // close() first, or destroy the executor first: background work must not outlive the volume.
  virtual ~Volume() = default;

  // Refuses a device that carries a superblock (kAlready; kIdMismatch if of another system) unless
  // `overwrite`. Costs the log's writing, whatever the device's size.
  static Task<Result<void>> format(device::Device& device, const FormatOptions& options, bool overwrite = false);
  // True if a superblock (intact or damaged) is there.
  static Task<Result<bool>> is_formatted(device::Device& device);
  // Recovers. Errors: kBadFormat (damaged; says what and where), kIncompatible, kIdMismatch, kIo.
  static Task<Result<std::unique_ptr<Volume>>> open(Executor& executor, device::Device& device,
                                                    const Identity& identity,
                                                    const CheckpointPolicy& policy = {});
  // Everything durable, checkpointed, marked clean.
  virtual Task<Result<void>> close() = 0;

  // --- the heap
  // Never moves while the volume is open.
  std::byte* base() const { return base_; }
  template <class T>
  T* at(HeapOffset offset) const {
    return reinterpret_cast<T*>(base_ + offset);
  }
  // A fixed area of kRootBytes for the user's own root record, zero after format.
  static constexpr HeapOffset kRoot = 4096;
  static constexpr uint32_t kRootBytes = 4096;

  // Waits until there is log space for a transaction of up to `bytes` of changes (default covers any
  // reasonable one). Call before begin(), outside a transaction; the fast path does not suspend.
  // Errors: kIo after the device failed.
  virtual bool ready_for(uint64_t bytes) = 0;
  virtual Task<Result<void>> wait_ready(uint64_t bytes) = 0;

  // `into_reserve`: may use the last of the heap, kept back so that punches and reclaim work when it is full.
  virtual void begin(bool into_reserve = false) = 0;
  // Contents undefined; logged whole at commit, so write them before. kNoSpace names heap and remedy.
  virtual Result<HeapOffset> allocate(uint32_t bytes) = 0;
  // Bytes as allocated. Reusable at once by later transactions.
  virtual void free(HeapOffset offset, uint32_t bytes) = 0;
  // Says that [offset, offset+bytes) changes in this transaction; call before writing. Not needed for
  // what the same transaction allocated.
  virtual void change(HeapOffset offset, uint32_t bytes) = 0;
  template <class T>
  T* change(T* object) {
    change(static_cast<HeapOffset>(reinterpret_cast<std::byte*>(object) - base_), sizeof(T));
    return object;
  }
  virtual Lsn commit() = 0;
  // The heap, the extents published and released: all as before begin().
  virtual void rollback() = 0;

  bool is_durable(Lsn lsn) const { return lsn <= durable_; }
  // kIo (and for ever after) if the device failed: then it is not known whether the record survives.
  virtual Task<Result<void>> durable(Lsn lsn) = 0;
  virtual Lsn last_committed() const = 0;

  // --- extents
  // Claims space in memory only: a crash forgets it. Then write to it, then publish() in the
  // transaction that refers to it, or cancel(). kNoSpace names the device and what is left.
  virtual Result<Extent> reserve(uint64_t bytes) = 0;
  virtual void cancel(Extent extent) = 0;
  virtual void publish(Extent extent) = 0;  // inside a transaction
  // Inside a transaction. The space is handed out again only after that is durable and every Pin made
  // before is gone. Part of an extent may be released.
  virtual void release(Extent extent) = 0;
  // Writes whole blocks of a reserved extent; `from` adds up to extent.length. The next durable() covers it.
  virtual Task<Result<void>> write(Extent extent, Gather from) = 0;
  // Reads at any block-aligned part of an extent.
  virtual Task<Result<void>> read(uint64_t offset, MutableByteView into) = 0;
  // The bytes themselves on memory devices, else null.
  virtual std::byte* direct(uint64_t offset) = 0;

  // While one exists, extents released after it was made keep their bytes.
  class Pin {
   public:
    Pin() = default;
    Pin(Volume& volume, uint64_t generation) : volume_(&volume), generation_(generation) {}
    Pin(Pin&& other) noexcept { swap(other); }
    Pin& operator=(Pin&& other) noexcept {
      swap(other);
      return *this;
    }
    ~Pin() {
      if (volume_) volume_->unpin(generation_);
    }

   private:
    void swap(Pin& other) {
      std::swap(volume_, other.volume_);
      std::swap(generation_, other.generation_);
    }
    Volume* volume_ = nullptr;
    uint64_t generation_ = 0;
  };
  virtual Pin pin() = 0;

  // --- administration
  virtual bool persistent() const = 0;
  virtual SpaceUse use() const = 0;
  virtual LogStatistics statistics() const = 0;
  virtual Task<Result<void>> checkpoint() = 0;

 protected:
  friend class Pin;
  virtual void unpin(uint64_t generation) = 0;
  std::byte* base_ = nullptr;
  Lsn durable_;
};

}  // namespace varve::block
