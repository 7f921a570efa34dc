// SPDX-License-Identifier: Apache-2.0
// Names and bounds that all calls share.
#ifndef VARVE_TYPES_H
#define VARVE_TYPES_H

#include <chrono>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <varve/error.h>

VARVE_NAMESPACE_BEGIN

// Memory of the caller's: it stays his, and must stay where it is until the call's Future has
// ended.
using Bytes = std::span<const std::byte>;
using Buffer = std::span<std::byte>;

// The bytes of a text, or of anything that can be copied byte by byte.
inline Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
template <class T>
  requires std::is_trivially_copyable_v<T>
Bytes bytes_of(std::span<const T> values) {
  return std::as_bytes(values);
}
template <class T>
  requires(std::is_trivially_copyable_v<T> && !std::is_convertible_v<const T&, std::string_view>)
Bytes bytes_of(const T& value) {
  return {reinterpret_cast<const std::byte*>(&value), sizeof value};
}
template <class T>
Bytes bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span<const T>(values));
}
// The same to be written to.
inline Buffer buffer_of(std::string& text) { return std::as_writable_bytes(std::span<char>(text)); }
template <class T>
Buffer buffer_of(std::vector<T>& values) {
  return std::as_writable_bytes(std::span<T>(values));
}
template <class T>
  requires std::is_trivially_copyable_v<T>
Buffer buffer_of(T& value) {
  return {reinterpret_cast<std::byte*>(&value), sizeof value};
}
inline std::string text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// How long a call may take and who may end it. It ends in its result, or in kTimedOut or kCanceled;
// then it is not known whether a change was made, and the call's memory is the caller's again.
struct Bounds {
  Bounds() = default;
  // 0: the Client's. Less than 0, as what is left of a time that is over: the call ends at once.
  Bounds(std::chrono::nanoseconds timeout) : timeout(timeout) {}
  template <class Rep, class Period>
  Bounds(std::chrono::duration<Rep, Period> timeout)
      : timeout(std::chrono::duration_cast<std::chrono::nanoseconds>(timeout)) {}
  Bounds(std::stop_token stop) : stop(std::move(stop)) {}
  Bounds(std::chrono::nanoseconds timeout, std::stop_token stop)
      : timeout(timeout), stop(std::move(stop)) {}
  std::chrono::nanoseconds timeout{0};
  std::stop_token stop;
};

struct Uuid {
  unsigned char bytes[16] = {};
  auto operator<=>(const Uuid&) const = default;
  VARVE_API std::string to_string() const;
};

// A version: what was written at an epoch, reads at that epoch and later see.
struct Epoch {
  uint64_t value = 0;
  auto operator<=>(const Epoch&) const = default;
};

// How an object's keys are kept, which decides the order of listings and what its keys may be.
enum class ObjectType : uint8_t {
  kHashed = 0,        // any keys, in no order of theirs
  kIntegerDkeys = 2,  // dkeys of eight bytes, in their order; any akeys
  kInteger = 4,       // both of eight bytes
  kLexicalDkeys = 5,  // dkeys in the order of their bytes; akeys in none
  kLexical = 7,       // both in the order of their bytes
  kKeyValue = 8,      // for KeyValue
  kKeyValueLexical = 10,
  kArray = 11,  // for Array, with its own record of cell and chunk
};

// Over how many targets an object is spread.
enum class ObjectClass : uint8_t {
  kOneTarget,
  kTwoTargets,
  kFourTargets,
  kEightTargets,
  kAllTargets
};

struct ObjectId {
  uint64_t low = 0, high = 0;
  auto operator<=>(const ObjectId&) const = default;
  VARVE_API std::string to_string() const;
  // `number` is the program's; type and class become part of the id.
  VARVE_API static ObjectId make(uint64_t number, ObjectType type,
                                 ObjectClass object_class = ObjectClass::kOneTarget);
};

// A dkey or akey as an argument: text, bytes, or an integer (its eight bytes). Copied by the call.
class Key {
 public:
  Key(const char* text) : Key(std::string_view(text)) {}
  Key(std::string_view text)
      : data_(reinterpret_cast<const std::byte*>(text.data())), size_(text.size()) {}
  Key(const std::string& text) : Key(std::string_view(text)) {}
  Key(Bytes bytes) : data_(bytes.data()), size_(bytes.size()) {}
  template <std::integral T>
  Key(T number) : size_(sizeof number_), number_(static_cast<uint64_t>(number)) {}
  Bytes bytes() const { return data_ ? Bytes(data_, size_) : bytes_of(number_).first(size_); }
  std::string text() const { return text_of(bytes()); }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  uint64_t number_ = 0;
};

// What must hold for a change or a fetch to be made; otherwise it ends with kExists or kNonexistent
// and nothing has changed. Combined with |.
enum class Condition : uint32_t {
  kNone = 0,
  kPunch = 1,        // what is punched exists
  kDkeyInsert = 2,   // the dkey does not exist yet
  kDkeyUpdate = 4,   // the dkey exists
  kDkeyFetch = 8,    // the dkey exists (fetches)
  kAkeyInsert = 16,  // no akey of the call exists yet
  kAkeyUpdate = 32,  // every akey of the call exists
  kAkeyFetch = 64,   // every akey of the call exists (fetches)
};
constexpr Condition operator|(Condition a, Condition b) {
  return static_cast<Condition>(static_cast<uint32_t>(a) | static_cast<uint32_t>(b));
}

// Where a listing goes on. A program may keep the bytes and go on later, in another process.
class Anchor {
 public:
  Anchor() = default;
  explicit Anchor(std::string bytes) : bytes_(std::move(bytes)) {}
  bool end() const { return end_; }
  // Empty at the beginning. Not to be asked of an anchor at its end.
  const std::string& bytes() const { return bytes_; }
  static Anchor at_end() {
    Anchor anchor;
    anchor.end_ = true;
    return anchor;
  }

 private:
  std::string bytes_;
  bool end_ = false;
};

// A part of a listing; `next.end()`: the last. A page may be empty though more come.
template <class T>
struct Page {
  std::vector<T> entries;
  Anchor next;
};

// Records of an array: `count` from `index` on.
struct Extent {
  uint64_t index = 0, count = 0;
  auto operator<=>(const Extent&) const = default;
};

VARVE_NAMESPACE_END

#endif  // VARVE_TYPES_H
