#include "engine/config.h"

#include "engine/engine.h"

#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace varve::engine {
namespace {

// Levenshtein's distance.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row[b.size()];
}

constexpr std::array kKeys = {"name",       "directory", "run_directory", "listen",   "port",
                              "targets",    "devices",   "device_bytes",  "memory",   "log_bytes",
                              "polling_us", "pin",       "log_level",     "log_file", "transports",
                              "checkpoint", "checkpoint_interval_ms", "checkpoint_threshold_percent"};

std::string nearest_key(const std::string& key) {
  return *std::min_element(kKeys.begin(), kKeys.end(), [&](const char* a, const char* b) {
    return distance(key, a) < distance(key, b);
  });
}

Error bad(const std::string& where, const std::string& what) {
  return Error(Code::kInvalid, where + ": " + what);
}

template <class T>
Result<void> read_number(const YAML::Node& value, const std::string& where, T& into) {
  try {
    into = value.as<T>();
  } catch (const YAML::Exception&) {
    return bad(where,
               "'" + (value.IsScalar() ? value.Scalar() : std::string("(not a single value)")) +
                   "' is not a value of this key");
  }
  return {};
}

Result<void> read_texts(const YAML::Node& value, const std::string& where,
                        std::vector<std::string>& into) {
  into.clear();
  if (value.IsScalar()) {
    into.push_back(value.Scalar());
    return {};
  }
  if (!value.IsSequence()) return bad(where, "a list is needed, as in [a, b]");
  for (const YAML::Node& one : value) {
    if (!one.IsScalar()) return bad(where, "a list of texts is needed, as in [a, b]");
    into.push_back(one.Scalar());
  }
  return {};
}

Result<void> read_bytes(const YAML::Node& value, const std::string& where, uint64_t& into) {
  auto bytes = parse_bytes(value.IsScalar() ? value.Scalar() : "");
  if (!bytes.ok()) return std::move(bytes.error()).with(where);
  into = *bytes;
  return {};
}

Result<void> read_key(Config& config, const std::string& key, const YAML::Node& value,
                      const std::string& where) {
  if (key == "devices") return read_texts(value, where, config.devices);
  if (key == "transports") return read_texts(value, where, config.transports);
  if (!value.IsScalar()) return bad(where, "a single value is needed");
  const std::string& text = value.Scalar();
  if (key == "name")
    config.name = text;
  else if (key == "directory")
    config.directory = text;
  else if (key == "run_directory")
    config.run_directory = text;
  else if (key == "listen")
    config.listen = text;
  else if (key == "log_file")
    config.log_file = text;
  else if (key == "port")
    return read_number(value, where, config.port);
  else if (key == "targets")
    return read_number(value, where, config.targets);
  else if (key == "memory")
    return read_number(value, where, config.memory);
  else if (key == "pin")
    return read_number(value, where, config.pin);
  else if (key == "polling_us")
    return read_number(value, where, config.polling_us);
  else if (key == "device_bytes")
    return read_bytes(value, where, config.device_bytes);
  else if (key == "log_bytes")
    return read_bytes(value, where, config.log_bytes);
  else if (key == "checkpoint_interval_ms")
    return read_number(value, where, config.checkpoint_interval_ms);
  else if (key == "checkpoint_threshold_percent")
    return read_number(value, where, config.checkpoint_threshold_percent);
  else if (key == "checkpoint") {
    auto mode = parse_checkpoint(text);
    if (!mode.ok()) return std::move(mode.error()).with(where);
    config.checkpoint = *mode;
  } else if (key == "log_level") {
    auto level = parse_log_level(text);
    if (!level.ok()) return std::move(level.error()).with(where);
    config.log_level = *level;
  } else {
    return bad(where, "there is no such key; did you mean '" + nearest_key(key) + "'?");
  }
  return {};
}

}  // namespace

Result<uint64_t> parse_bytes(const std::string& text) {
  const Error error(Code::kInvalid,
                    "'" + text + "' is not a size; one looks like 1048576, 64MiB or 1.5GiB");
  size_t used = 0;
  double number = 0;
  try {
    number = std::stod(text, &used);
  } catch (const std::exception&) {
    return error;
  }
  std::string unit = text.substr(used);
  unit.erase(std::remove(unit.begin(), unit.end(), ' '), unit.end());
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  static constexpr std::pair<const char*, double> kUnits[] = {{"", 1},
                                                              {"b", 1},
                                                              {"k", 1024.0},
                                                              {"kib", 1024.0},
                                                              {"kb", 1e3},
                                                              {"m", 1048576.0},
                                                              {"mib", 1048576.0},
                                                              {"mb", 1e6},
                                                              {"g", 1073741824.0},
                                                              {"gib", 1073741824.0},
                                                              {"gb", 1e9},
                                                              {"t", 1099511627776.0},
                                                              {"tib", 1099511627776.0},
                                                              {"tb", 1e12}};
  for (const auto& [name, factor] : kUnits)
    if (unit == name && number >= 0 && number * factor < 9e18)
      return static_cast<uint64_t>(number * factor);
  return error;
}

Result<Config> parse_config(const std::string& text, const std::string& path) {
  Config config;
  YAML::Node root;
  try {
    root = YAML::Load(text);
  } catch (const YAML::Exception& exception) {
    return bad("file " + path + ", line " + std::to_string(exception.mark.line + 1),
               "not YAML: " + exception.msg);
  }
  if (root.IsNull()) return config;
  if (!root.IsMap()) return bad("file " + path, "keys and values are needed, as in `targets: 2`");
  for (const auto& pair : root) {
    if (!pair.first.IsScalar()) return bad("file " + path, "a key is not a text");
    const std::string& key = pair.first.Scalar();
    const std::string where = "file " + path + ", line " +
                              std::to_string(pair.first.Mark().line + 1) + ", key '" + key + "'";
    VARVE_CHECK(read_key(config, key, pair.second, where));
  }
  return config;
}

Result<Config> load_config(const std::string& path) {
  const Error unreadable(Code::kNonexistent, "configuration file " + path +
                                                 " cannot be read; check path and permissions");
  std::ifstream file(path);
  std::error_code ignored;
  if (!file || std::filesystem::is_directory(path, ignored)) return unreadable;
  std::stringstream text;
  // An empty file sets failbit of `text` alone.
  if (file.peek() != std::ifstream::traits_type::eof()) text << file.rdbuf();
  if (file.bad()) return unreadable;
  return parse_config(text.str(), path);
}

Result<block::CheckpointPolicy::Mode> parse_checkpoint(const std::string& text) {
  using Mode = block::CheckpointPolicy::Mode;
  if (text == "timed") return Mode::kTimed;
  if (text == "lazy") return Mode::kLazy;
  if (text == "disabled") return Mode::kDisabled;
  return Error(Code::kInvalid, "'" + text + "' is not a checkpoint policy; there are timed, lazy and disabled");
}

Result<void> check_config(const Config& config) {
  const auto wrong = [](const std::string& text) { return Error(Code::kInvalid, text); };
  if (config.checkpoint_threshold_percent < 5 || config.checkpoint_threshold_percent > 90)
    return wrong("checkpoint_threshold_percent: " + std::to_string(config.checkpoint_threshold_percent) +
                 " is not between 5 and 90");
  if (config.checkpoint_interval_ms < 100)
    return wrong("checkpoint_interval_ms: " + std::to_string(config.checkpoint_interval_ms) +
                 " is less than 100; each checkpoint takes some of the device's time");
  if (config.checkpoint == block::CheckpointPolicy::Mode::kDisabled && !config.memory &&
      config.log_bytes < kLogBytesMinWithoutCheckpoints)
    return wrong("checkpoint: disabled needs log_bytes of " + std::to_string(kLogBytesMinWithoutCheckpoints) +
                 " or more, " + std::to_string(config.log_bytes) +
                 " are configured: without checkpoints all writes wait whenever the log is full");
  if (config.name.empty() || config.name.size() > 127)
    return wrong("name: a system's name has 1 to 127 bytes");
  if (config.targets < 1 || config.targets > 64)
    return wrong("targets: " + std::to_string(config.targets) + " is not between 1 and 64");
  if (config.port > 65535 || (config.port != 0 && config.port + config.targets > 65535))
    return wrong("port: " + std::to_string(config.port) +
                 " leaves no room for the targets' ports up to 65535");
  if (!config.devices.empty() && config.devices.size() != config.targets)
    return wrong("devices: " + std::to_string(config.devices.size()) + " are named for " +
                 std::to_string(config.targets) + " targets; name one for each, or none");
  if (config.memory && !config.devices.empty())
    return wrong("memory: with it no devices are used; leave out one of the two");
  if (config.transports.empty()) return wrong("transports: name tcp, local or both");
  for (const std::string& transport : config.transports)
    if (transport != "tcp" && transport != "local")
      return wrong("transports: '" + transport + "' is not known; there are tcp and local");
  return {};
}

std::string default_directory() {
  if (const char* directory = std::getenv("VARVE_DIRECTORY"); directory && *directory)
    return directory;
  if (geteuid() == 0) return "/var/lib/varve";
  const char* home = std::getenv("HOME");
  return std::string(home && *home ? home : "/tmp") + "/.local/share/varve";
}

}  // namespace varve::engine
