#include "command/output.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace varve::command {
namespace {

bool looks_numeric(const std::string& cell) {
  return !cell.empty() && std::isdigit(static_cast<unsigned char>(cell[0])) &&
         cell.find('-') == std::string::npos;
}

}  // namespace

std::string Table::to_string() const {
  std::vector<size_t> widths;
  for (const std::string& title : titles_) widths.push_back(title.size());
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  const auto line = [&](const std::vector<std::string>& cells, bool title) {
    std::string out;
    for (size_t i = 0; i < cells.size(); ++i) {
      const bool right = !title && looks_numeric(cells[i]);
      out += right ? fmt::format("{:>{}}", cells[i], widths[i])
                   : fmt::format("{:<{}}", cells[i], widths[i]);
      if (i + 1 < cells.size()) out += "  ";
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    text += out + "\n";
  };
  line(titles_, true);
  for (const auto& row : rows_) line(row, false);
  return text;
}

std::string format_bytes(uint64_t bytes) {
  static const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit < 5) value /= 1024, ++unit;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

Result<uint64_t> parse_bytes(std::string_view text) {
  const auto bad = [&] {
    return Error(Code::kInvalid,
                 fmt::format("'{}' is not a size; write bytes, or a number with K, M, G or T "
                             "(powers of 1024; KB, MB, GB, TB are powers of 1000), as in 8GiB",
                             text));
  };
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return bad();
  std::string unit(end, text.data() + text.size());
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  uint64_t factor = 1;
  if (!unit.empty() && unit != "B") {
    const size_t power = std::string_view("KMGTP").find(unit[0]);
    if (power == std::string_view::npos) return bad();
    const std::string rest = unit.substr(1);
    if (rest != "" && rest != "IB" && rest != "B") return bad();
    for (size_t i = 0; i <= power; ++i) factor *= rest == "B" ? 1000 : 1024;
  }
  return static_cast<uint64_t>(number * static_cast<double>(factor));
}

std::string format_time(uint64_t ns_since_1970) {
  const time_t seconds = static_cast<time_t>(ns_since_1970 / 1'000'000'000);
  tm broken{};
  localtime_r(&seconds, &broken);
  char text[32];
  strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &broken);
  return text;
}

}  // namespace varve::command
