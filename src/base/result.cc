#include "base/result.h"

namespace varve {

std::string Error::describe() const {
  std::string line(text());
  line += " (";
  line += code_name(code_);
  line += ' ';
  line += std::to_string(-static_cast<int>(code_));
  line += ')';
  return line;
}

Error Error::with(std::string_view context) && {
  std::string line(context);
  line += ": ";
  line += text();
  return Error(code_, std::move(line));
}

}  // namespace varve
