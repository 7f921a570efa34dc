// A varved of one target pinned to core 0, for a benchmark: a child process with a folder of its
// own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace varve::bench {

class ServerProcess {
 public:
  // Ends the program where it does not start. `folder`: where its own folder is made (default: the
  // current).
  ServerProcess(const std::string& folder, bool in_memory,
                uint64_t device_bytes = uint64_t{4} << 30);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  pid_t pid() const { return pid_; }
  const std::vector<std::string>& addresses() const { return addresses_; }

 private:
  std::string folder_;
  pid_t pid_ = -1;
  std::vector<std::string> addresses_;
};

}  // namespace varve::bench
