// What the machine itself can do between two cores, and to a device: measured once a program run.
#pragma once

#include <string>

#include "bench/report.h"

namespace varve::bench {

void pin_to_core(int core);
// Has the host of a virtual machine provide as much memory, so that nobody measured waits for it.
void touch_memory(uint64_t bytes);

struct Limits {
  double tcp_pingpong = 0;     // round trips of 64 B per second over loopback, both sides polling
  double tcp_stream = 0;       // bytes per second of 1 MiB writes over loopback
  double memory_pingpong = 0;  // round trips per second of one cache line between two cores
  double memcpy_bytes = 0;     // bytes per second of copies of 1 MiB
  double device_flushes = 0;   // writes of 4 KiB per second, each durable, one after the other
};
// Of files in `folder` (default: the current one).
const Limits& machine_limits(const std::string& folder);
void add_limit_rows(Report& report);

}  // namespace varve::bench
