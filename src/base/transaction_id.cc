#include "base/transaction_id.h"

#include <cinttypes>
#include <cstdio>

namespace varve {

std::string TransactionId::to_string() const {
  char text[33];
  std::snprintf(text, sizeof text, "%016" PRIx64 "%016" PRIx64, high, low);
  return text;
}

}  // namespace varve
