// The configuration of `varved`: one YAML file, every key optional; options of the command line override.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "block/volume.h"

namespace varve::engine {

struct Config {
  std::string name = "varve";
  std::string directory;      // empty: default_directory()
  std::string run_directory;  // empty: network::default_run_directory()
  std::string listen = "127.0.0.1";
  uint32_t port = 10400;  // the system's; target i: port + 1 + i. 0: any that are free
  uint32_t targets = 2;
  std::vector<std::string> devices;  // one for each target; empty: files in the directory
  uint64_t device_bytes = 0;         // of each new file or memory device; 0: by the free space
  bool memory = false;
  uint64_t log_bytes = 64ULL << 20;
  // When pages are written behind the log (block/volume.h): timed, lazy, disabled.
  block::CheckpointPolicy::Mode checkpoint = block::CheckpointPolicy::Mode::kLazy;
  uint32_t checkpoint_interval_ms = 5000;
  uint32_t checkpoint_threshold_percent = 50;  // of the log
  uint32_t polling_us = 50;
  bool pin = false;  // target i on core i
  LogLevel log_level = LogLevel::kWarning;
  std::string log_file;
  std::vector<std::string> transports = {"local", "tcp"};
};

// $VARVE_DIRECTORY; /var/lib/varve for root; else ~/.local/share/varve.
std::string default_directory();
// kInvalid names key, file, line and the nearest key that there is; kNonexistent: no such file.
Result<Config> load_config(const std::string& path);
Result<Config> parse_config(const std::string& text, const std::string& path);
// "1048576", "64MiB", "1.5 GiB", "10GB".
Result<uint64_t> parse_bytes(const std::string& text);
// "timed", "lazy", "disabled".
Result<block::CheckpointPolicy::Mode> parse_checkpoint(const std::string& text);
// What no key alone can show: more devices than targets, ports out of range ...
Result<void> check_config(const Config& config);

}  // namespace varve::engine
