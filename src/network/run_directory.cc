#include "network/run_directory.h"

#include <unistd.h>

#include <cstdlib>

namespace varve::network {

std::string default_run_directory() {
  if (const char* chosen = std::getenv("VARVE_RUN_DIR"); chosen && *chosen) return chosen;
  if (geteuid() == 0) return kSystemRunDirectory;
  if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime && *runtime)
    return std::string(runtime) + "/varve";
  return "/tmp/varve-" + std::to_string(geteuid());
}

Address system_socket_address(const std::string& run_directory) {
  return "local://" + run_directory + "/system.sock";
}

Address target_socket_address(const std::string& run_directory, uint32_t target) {
  return "local://" + run_directory + "/target-" + std::to_string(target) + ".sock";
}

}  // namespace varve::network
