// Little-endian encoding and bounded decoding of wire and disk records. A Decoder never reads past
// its view: after the first short read `ok()` is false and every value is zero or empty, so that a
// record can be decoded in a row and checked once at the end.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "base/bytes.h"

namespace varve {

static_assert(std::endian::native == std::endian::little,
              "records are stored as they lie in memory");

class Encoder {
 public:
  explicit Encoder(Buffer& buffer) : buffer_(buffer) {}

  // Integers, enums, strong ids: any trivially copyable type, as it lies in memory.
  template <class T>
  Encoder& put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>);
    return raw(bytes_of(value));
  }
  // A 32-bit length, then the bytes.
  Encoder& string(ByteView bytes) { return put(static_cast<uint32_t>(bytes.size())).raw(bytes); }
  Encoder& string(std::string_view text) { return string(as_bytes(text)); }
  Encoder& raw(ByteView bytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  size_t size() const { return buffer_.size(); }

 private:
  Buffer& buffer_;
};

class Decoder {
 public:
  explicit Decoder(ByteView view) : view_(view) {}

  template <class T>
  T get() {
    static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>);
    T value{};
    const ByteView bytes = raw(sizeof(T));
    if (bytes.size() == sizeof(T)) std::memcpy(static_cast<void*>(&value), bytes.data(), sizeof(T));
    return value;
  }
  template <class T>
  void get(T& value) {
    value = get<T>();
  }
  // A view into the decoded memory, valid as long as that is.
  ByteView string() { return raw(get<uint32_t>()); }
  std::string_view text() { return as_text(string()); }
  ByteView raw(uint64_t length) {
    if (length > view_.size()) {
      ok_ = false;
      view_ = {};
      return {};
    }
    const ByteView bytes = view_.first(length);
    view_ = view_.subspan(length);
    return bytes;
  }
  bool ok() const { return ok_; }
  // Nothing went wrong and nothing is left over.
  bool done() const { return ok_ && view_.empty(); }
  ByteView rest() const { return view_; }

 private:
  ByteView view_;
  bool ok_ = true;
};

}  // namespace varve
