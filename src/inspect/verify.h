// Everything there is to check about a volume, at once.
#pragma once

#include "inspect/store_walk.h"

namespace varve::inspect {

struct VerifyOptions {
  bool data = false;  // values in extents against their checksums: reads them all
};

struct Verified {
  Findings findings;
  uint64_t pools = 0, containers = 0, objects = 0, dkeys = 0, akeys = 0, versions = 0, extents = 0;
  uint64_t punches = 0, data_bytes = 0, checksums = 0;  // that were compared
  uint64_t system_keys = 0;  // of the system's volume, which holds nothing else
  block::SpaceUse use;
  LogScan log;
};

// Superblocks, journal, page checksums, log, allocation maps, trees, stamps, accounts, checksums of values.
// Errors as Image::load.
Result<Verified> verify(device::Reader& device, const VerifyOptions& options);

// Whether these are the bytes that the checksums were made of; false also if their numbers do not agree.
bool matches(ByteView bytes, std::span<const uint32_t> checksums, const ChecksumFormat& format);

}  // namespace varve::inspect
