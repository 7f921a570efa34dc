// Images of devices with a store on them, of known contents: for tests of what reads devices.
#pragma once

#include "device/reader.h"
#include "simulation/disk.h"

namespace varve::simulation {

struct StoreImageOptions {
  uint64_t disk_bytes = 24 * kMiB, log_bytes = 1 * kMiB, heap_bytes = 8 * kMiB;
  uint64_t keys = 3000;  // small values in one object
  uint64_t others = 120;  // of everything else
  bool closed = true;    // in order; else power fails, all of it durable
  uint64_t seed = 1;     // of uuids and of what power leaves
};
// Objects of all kinds of keys; single values and arrays, in the heap and in extents, with versions, punches
// and history; keys that agree in their first bytes; two pools; a container that is half destroyed. The same
// bytes for the same options.
DiskImage make_store_image(const StoreImageOptions& options);

// An image, read as tools read devices.
class ImageReader final : public device::Reader {
 public:
  explicit ImageReader(const DiskImage& image) : image_(image) {}
  const std::string& name() const override { return name_; }
  uint64_t size_bytes() const override { return image_.size_bytes(); }
  Result<void> read(uint64_t offset, MutableByteView into) override;

 private:
  const DiskImage& image_;
  const std::string name_ = "image";
};

// All of its bytes.
Buffer flatten(const DiskImage& image);
DiskImage unflatten(ByteView bytes);

}  // namespace varve::simulation
