#include "base/ids.h"

#include <cstring>

namespace varve {

std::string Uuid::to_string() const {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

Result<Uuid> Uuid::parse(std::string_view text) {
  const auto bad = [&] {
    return Error(Code::kInvalid,
                 "'" + std::string(text) +
                     "' is not a UUID; one looks like 01234567-89ab-cdef-0123-456789abcdef");
  };
  if (text.size() != 36) return bad();
  Uuid uuid;
  size_t nibble = 0;
  for (size_t i = 0; i < 36; ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return bad();
      continue;
    }
    int digit;
    if (c >= '0' && c <= '9')
      digit = c - '0';
    else if (c >= 'a' && c <= 'f')
      digit = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F')
      digit = c - 'A' + 10;
    else
      return bad();
    uuid.bytes[nibble / 2] |= static_cast<uint8_t>(nibble % 2 ? digit : digit << 4);
    ++nibble;
  }
  return uuid;
}

Uuid Uuid::from_random(uint64_t high, uint64_t low) {
  Uuid uuid;
  std::memcpy(uuid.bytes.data(), &high, 8);
  std::memcpy(uuid.bytes.data() + 8, &low, 8);
  uuid.bytes[6] = static_cast<uint8_t>((uuid.bytes[6] & 0x0f) | 0x40);
  uuid.bytes[8] = static_cast<uint8_t>((uuid.bytes[8] & 0x3f) | 0x80);
  return uuid;
}

std::string ObjectId::to_string() const { return std::to_string(high) + "." + std::to_string(low); }

}  // namespace varve
