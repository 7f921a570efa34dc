// The verbs of `varve inspect`, apart from how the device is opened.
#pragma once

#include <string>

#include "device/reader.h"
#include "inspect/findings.h"

namespace varve::command {

struct InspectOptions {
  std::string path, what;
  bool force_read = false, recursive = false, data = false, entries = false;
  uint64_t limit = 1000, bytes = 1024;
  uint64_t epoch = 0;  // 0: all
};

// For people, and (as a JSON document) for programs.
struct InspectAnswer {
  std::string text;
  std::string document;
  inspect::Findings findings;
};

// kNonexistent if nothing has the name that options.what gives.
Result<InspectAnswer> list_store(device::Reader& device, const InspectOptions& options);
Result<InspectAnswer> dump_store(device::Reader& device, const InspectOptions& options);
Result<InspectAnswer> show_space(device::Reader& device, const InspectOptions& options);

}  // namespace varve::command
