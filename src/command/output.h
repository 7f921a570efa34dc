// How verbs show their results: a table for people, one JSON document for programs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace varve::command {

// Rows under column titles, padded; numbers right-aligned.
class Table {
 public:
  explicit Table(std::vector<std::string> titles) : titles_(std::move(titles)) {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string to_string() const;

 private:
  std::vector<std::string> titles_;
  std::vector<std::vector<std::string>> rows_;
};

// "1.5 GiB".
std::string format_bytes(uint64_t bytes);
// "8GiB", "8G" and "8g" are 8 * 2^30; "8GB" is 8 * 10^9; "4096" is bytes. kInvalid says what is
// accepted.
Result<uint64_t> parse_bytes(std::string_view text);
// Local time, "2026-11-22 20:44:00".
std::string format_time(uint64_t ns_since_1970);

}  // namespace varve::command
