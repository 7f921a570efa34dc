#include "libdaos/not_implemented.h"

#include <mutex>
#include <set>
#include <string>

#include "base/code.h"
#include "base/log.h"

namespace varve::libdaos {

int not_implemented(const char* name) {
  static std::mutex mutex;
  static std::set<std::string> logged;
  std::lock_guard lock(mutex);
  if (logged.insert(name).second)
    log_warning(std::string(name) +
                " is not implemented yet; it returns -DER_NOSYS (docs/api-status.md)");
  return -static_cast<int>(Code::kNotImplemented);
}

}  // namespace varve::libdaos
