// Golden images: packed, unpacked, and what a store says that it holds.
#pragma once

#include <string>

#include "simulation/disk.h"

namespace varve::golden {

// The device's size (8 bytes), then the blocks that are not zero, each behind its number (8); of a block that equals an
// earlier one the number has bit 63 set, and that one's number (8) follows: as gzip.
std::string pack(const simulation::DiskImage& image);
// kBadFormat if it is not what pack() made.
Result<simulation::DiskImage> unpack(std::string_view packed);

// Opens a copy of the image and reads everything, a line each: names, kinds, sizes, checksums of values, as of now
// and of some epochs before.
Result<std::string> describe(const simulation::DiskImage& image);

struct Golden {
  const char* name;
  bool closed;
};
inline constexpr Golden kGoldens[] = {{"closed", true}, {"crashed", false}};
simulation::DiskImage make(const Golden& golden);

}  // namespace varve::golden
