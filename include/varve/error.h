// SPDX-License-Identifier: Apache-2.0
// Errors and results. No function of this interface throws but Result::or_throw().
#ifndef VARVE_ERROR_H
#define VARVE_ERROR_H

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

#include <varve/detail/namespace.h>

VARVE_NAMESPACE_BEGIN

// What a program can act on. The values are DAOS's DER_* numbers. Others may come from newer
// servers: they are passed on as they are, so a switch needs a default.
enum class Code : int {
  kOk = 0,
  kNoPermission = 1001,
  kNoHandle = 1002,     // the pool or container was closed, evicted or destroyed
  kInvalid = 1003,      // an argument
  kExists = 1004,       // what was to be made, or a condition of an insert
  kNonexistent = 1005,  // what was asked for, or a condition of an update or fetch
  kUnreachable = 1006,
  kNoSpace = 1007,
  kNotImplemented = 1010,
  kTimedOut = 1011,  // it may or may not have been done
  kBusy = 1012,
  kUninitialized = 1015,  // in a child of fork: open a Client of its own
  kTruncated = 1016,
  kCanceled = 1018,  // it may or may not have been done
  kIo = 2001,
  kReadOnly = 2010,
  kEpochTooOld = 2011,
  kKeyTooBig = 2012,
  kRecordTooBig = 2013,  // the value is larger than the buffer
  kBadIo = 2014,         // ranges and buffer do not fit together
  kChecksum = 2021,      // data was damaged, and no intact copy is left
  kBadFormat = 2022,
  kRecordSize = 2024,  // the array has records of another size
  kContainerNonexistent = 2050,
};

// Why a call failed.
class VARVE_API Error {
 public:
  Error(Code code, std::string object, std::string cause, std::string remedy)
      : code_(code),
        object_(std::move(object)),
        cause_(std::move(cause)),
        remedy_(std::move(remedy)) {}
  Code code() const { return code_; }
  // What the call was about: "container tank/results, object 5.0, dkey 'a'".
  const std::string& object() const { return object_; }
  // What happened.
  const std::string& cause() const { return cause_; }
  // What to do about it.
  const std::string& remedy() const { return remedy_; }
  // All of it, with the code's name, for people.
  std::string describe() const;

 private:
  Code code_;
  std::string object_, cause_, remedy_;
};

// What Result::or_throw() throws.
class VARVE_API Exception : public std::runtime_error {
 public:
  explicit Exception(Error error)
      : std::runtime_error(error.describe()), error_(std::move(error)) {}
  const Error& error() const { return error_; }

 private:
  Error error_;
};

namespace detail {
// Says what failed on standard error and ends the program: value() of a failure is a bug.
[[noreturn]] VARVE_API void value_of_failure(const Error& error);
}  // namespace detail

// A value or an Error.
template <class T = void>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  Code code() const { return ok() ? Code::kOk : std::get<1>(state_).code(); }
  // Of a failure these end the program; ask first.
  T& value() & { return *checked(); }
  const T& value() const& { return *const_cast<Result*>(this)->checked(); }
  T&& value() && { return std::move(*checked()); }
  T& operator*() & { return *checked(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*checked()); }
  T* operator->() { return checked(); }
  const T* operator->() const { return &value(); }
  // Only of a failure.
  const Error& error() const { return std::get<1>(state_); }
  // The value, or Exception.
  T or_throw() && {
    if (!ok()) throw Exception(std::get<1>(std::move(state_)));
    return std::get<0>(std::move(state_));
  }
  T value_or(T other) && { return ok() ? std::get<0>(std::move(state_)) : std::move(other); }

 private:
  T* checked() {
    if (!ok()) detail::value_of_failure(std::get<1>(state_));
    return &std::get<0>(state_);
  }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  Code code() const { return ok() ? Code::kOk : error_->code(); }
  const Error& error() const { return error_.value(); }
  void or_throw() && {
    if (error_) throw Exception(std::move(*error_));
  }

 private:
  std::optional<Error> error_;
};

VARVE_NAMESPACE_END

#endif  // VARVE_ERROR_H
