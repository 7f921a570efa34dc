// Decoding of the parts that update and fetch share, without allocating.
#pragma once

#include <algorithm>

#include "base/coding.h"
#include "object/wire.h"

namespace varve::object {

inline Target decode_target(Decoder& in) {
  Target target;
  in.get(target.pool);
  in.get(target.container);
  in.get(target.container_handle);
  in.get(target.map_version);
  in.get(target.oid);
  in.get(target.epoch);
  in.get(target.seen);
  return target;
}

// A vector's elements, appended to `out`; nothing is allocated for a count that lies. False if it does.
template <class T>
bool decode_elements(Decoder& in, std::vector<T>& out) {
  static_assert(std::is_trivially_copyable_v<T>);
  const uint64_t count = in.get<uint32_t>();
  const ByteView bytes = in.raw(count * sizeof(T));
  if (!in.ok()) return false;
  const size_t before = out.size();
  out.resize(before + count);
  if (count > 0) std::memcpy(static_cast<void*>(out.data() + before), bytes.data(), bytes.size());
  return true;
}

// A key for people: as text in quotes, or else in hexadecimal digits.
inline std::string shown(ByteView key) {
  const auto plain = [](std::byte c) { return c >= std::byte{0x20} && c < std::byte{0x7f}; };
  if (std::all_of(key.begin(), key.end(), plain)) return "'" + std::string(as_text(key)) + "'";
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "0x";
  for (const std::byte c : key.first(std::min<size_t>(key.size(), 64)))
    (text += kDigits[static_cast<size_t>(c >> 4)]) += kDigits[static_cast<size_t>(c & std::byte{15})];
  return key.size() > 64 ? text + "..." : text;
}

inline Error malformed() {
  return Error(Code::kProtocol, "a message is malformed; are both sides of one version?");
}
inline Result<void> check_key(ByteView key, const char* noun) {
  if (key.size() > kKeyBytesMax)
    return Error(Code::kKeyTooBig, std::string(noun) + " of " + std::to_string(key.size()) +
                                       " bytes; at most " + std::to_string(kKeyBytesMax) + " are possible");
  if (key.empty()) return Error(Code::kInvalid, std::string("an empty ") + noun + "; give it at least one byte");
  return {};
}

}  // namespace varve::object
