#include "base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace varve {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

std::shared_ptr<spdlog::logger>& logger() {
  static std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("varve",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(spdlog::level::warn);
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return instance;
}

}  // namespace

Result<void> configure_log(LogLevel level, const std::string& path) {
  if (!path.empty()) {
    try {
      auto made = std::make_shared<spdlog::logger>(
          "varve", std::make_shared<spdlog::sinks::basic_file_sink_mt>(path));
      made->flush_on(spdlog::level::info);
      logger() = made;
    } catch (const spdlog::spdlog_ex& failure) {
      return Error(Code::kInvalid, "log file '" + path + "' cannot be opened: " + failure.what() +
                                       "; set log_file to a path that this user can write");
    }
  }
  logger()->set_level(to_spdlog(level));
  return {};
}

Result<LogLevel> parse_log_level(std::string_view text) {
  if (text == "debug") return LogLevel::kDebug;
  if (text == "info") return LogLevel::kInfo;
  if (text == "warning") return LogLevel::kWarning;
  if (text == "error") return LogLevel::kError;
  if (text == "off") return LogLevel::kOff;
  return Error(Code::kInvalid, "log level '" + std::string(text) +
                                   "' is not known; use debug, info, warning, error or off");
}

bool log_enabled(LogLevel level) { return logger()->should_log(to_spdlog(level)); }

void log_line(LogLevel level, std::string_view line) {
  logger()->log(to_spdlog(level), "{}", line);
}

}  // namespace varve
