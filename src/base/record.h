// Wire and disk records as one list of fields, for both directions. A record type has
//   template <class Archive> void visit(Archive& archive) { archive(first, second, ...); }
// over integers, enums, ids, bool, std::string, Buffer, ByteView (decoded as a view into the
// message), std::vector and std::optional of those, and other records.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/result.h"

namespace varve {

class RecordWriter {
 public:
  static constexpr bool kWrites = true;
  explicit RecordWriter(Buffer& buffer) : encoder_(buffer) {}
  template <class... Fields>
  void operator()(Fields&... fields) {
    (one(fields), ...);
  }

 private:
  template <class T>
  void one(T& value) {
    if constexpr (requires { value.visit(*this); })
      value.visit(*this);
    else
      encoder_.put(value);
  }
  void one(std::string& text) { encoder_.string(text); }
  void one(Buffer& bytes) { encoder_.string(ByteView(bytes)); }
  void one(ByteView& bytes) { encoder_.string(bytes); }
  template <class T>
  void one(std::optional<T>& value) {
    encoder_.put<uint8_t>(value.has_value());
    if (value) one(*value);
  }
  template <class T>
  void one(std::vector<T>& values) {
    encoder_.put(static_cast<uint32_t>(values.size()));
    for (T& value : values) one(value);
  }
  Encoder encoder_;
};

class RecordReader {
 public:
  static constexpr bool kWrites = false;
  explicit RecordReader(ByteView bytes) : decoder_(bytes) {}
  template <class... Fields>
  void operator()(Fields&... fields) {
    (one(fields), ...);
  }
  bool ok() const { return ok_ && decoder_.ok(); }
  bool done() const { return ok_ && decoder_.done(); }

 private:
  template <class T>
  void one(T& value) {
    if constexpr (requires { value.visit(*this); }) {
      value.visit(*this);
    } else if constexpr (std::same_as<T, bool>) {
      const auto byte = decoder_.get<uint8_t>();
      ok_ = ok_ && byte <= 1;
      value = byte == 1;
    } else {
      decoder_.get(value);
    }
  }
  void one(std::string& text) { text = decoder_.text(); }
  void one(Buffer& bytes) {
    const ByteView view = decoder_.string();
    bytes.assign(view.begin(), view.end());
  }
  void one(ByteView& bytes) { bytes = decoder_.string(); }
  template <class T>
  void one(std::optional<T>& value) {
    bool present = false;
    one(present);
    if (present)
      one(value.emplace());
    else
      value.reset();
  }
  template <class T>
  void one(std::vector<T>& values) {
    const auto count = decoder_.get<uint32_t>();
    values.clear();
    // Every element takes a byte at least: a count that lies cannot make us allocate.
    if (count > decoder_.rest().size()) {
      ok_ = false;
      return;
    }
    for (uint32_t i = 0; i < count && ok(); ++i) one(values.emplace_back());
  }
  Decoder decoder_;
  bool ok_ = true;
};

template <class Record>
Buffer encode(const Record& record) {
  Buffer buffer;
  RecordWriter writer(buffer);
  const_cast<Record&>(record).visit(writer);
  return buffer;
}
// kProtocol for bytes that are not exactly one record. Views in it point into `bytes`.
template <class Record>
Result<Record> decode(ByteView bytes) {
  Record record{};
  RecordReader reader(bytes);
  record.visit(reader);
  if (!reader.done())
    return Error(Code::kProtocol, "a message is malformed; are both sides of one version?");
  return record;
}

}  // namespace varve
