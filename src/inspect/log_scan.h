// The log as replay would read it, with what replay has no use for: how it ends, and why.
#pragma once

#include <functional>

#include "block/log_format.h"
#include "block/layout.h"
#include "device/reader.h"
#include "inspect/findings.h"

namespace varve::inspect {

struct LogScan {
  block::LogPoint end;  // where the next group would go
  uint64_t groups = 0, records = 0;
  // The parts of the device that hold the groups.
  std::vector<block::Extent> ranges;
};

// Visits every group from the superblock's tail up to the log's end, whole and with its checksum right;
// an error of the visitor is damage, and ends the scan. kIo: the device cannot be read.
using VisitGroup =
    std::function<Result<void>(const block::GroupHeader& header, ByteView group)>;
Result<LogScan> scan_log(device::Reader& device, const block::Superblock& superblock,
                         uint64_t must_reach, Findings& findings, const VisitGroup& visit);

}  // namespace varve::inspect
