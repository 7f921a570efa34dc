// The name of a transaction, with the layout that goes on disk and wire.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace varve {

// Names one transaction wherever it takes part; made by its coordinator, never twice.
struct TransactionId {
  uint64_t low = 0;
  uint64_t high = 0;
  auto operator<=>(const TransactionId&) const = default;
  bool is_null() const { return (low | high) == 0; }
  std::string to_string() const;  // 32 hexadecimal digits, `high` first
};
static_assert(sizeof(TransactionId) == 16);

}  // namespace varve

template <>
struct std::hash<varve::TransactionId> {
  size_t operator()(const varve::TransactionId& id) const noexcept {
    return id.low ^ (id.high * 0x9e3779b97f4a7c15ULL);
  }
};
