// The program's log: one line an event, to standard error or a file. Never on an I/O path.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace varve {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

// Default: kWarning to standard error. `path` empty: standard error. Fails if the file cannot be
// opened.
Result<void> configure_log(LogLevel level, const std::string& path);
// "debug", "info", "warning", "error", "off".
Result<LogLevel> parse_log_level(std::string_view text);
bool log_enabled(LogLevel level);
void log_line(LogLevel level, std::string_view line);

inline void log_debug(std::string_view line) { log_line(LogLevel::kDebug, line); }
inline void log_info(std::string_view line) { log_line(LogLevel::kInfo, line); }
inline void log_warning(std::string_view line) { log_line(LogLevel::kWarning, line); }
inline void log_error(std::string_view line) { log_line(LogLevel::kError, line); }

}  // namespace varve
