// Result<T>: a value or an Error. The one way to pass an error on:
//   VARVE_TRY(auto value, expression);      in a function that returns a Result
//   VARVE_CO_TRY(auto value, expression);   in a coroutine that returns a Result
//   VARVE_CHECK(expression); VARVE_CO_CHECK(expression);   the same for Result<void>
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/assert.h"
#include "base/code.h"

namespace varve {

// Why something failed: a code to act on, and a text that names object, cause and remedy.
// One pointer wide beside the code; making one without a text allocates nothing.
class [[nodiscard]] Error {
 public:
  explicit Error(Code code) : code_(code) {
    VARVE_ASSERT(code != Code::kOk, "an error has a cause");
  }
  Error(Code code, std::string text)
      : code_(code), text_(std::make_unique<std::string>(std::move(text))) {}
  Error(const Error& other)
      : code_(other.code_),
        text_(other.text_ ? std::make_unique<std::string>(*other.text_) : nullptr) {}
  Error(Error&&) noexcept = default;
  Error& operator=(Error&&) noexcept = default;
  Error& operator=(const Error& other) { return *this = Error(other); }

  Code code() const { return code_; }
  // The text alone; the code's meaning where there is none.
  std::string_view text() const { return text_ ? std::string_view(*text_) : code_meaning(code_); }
  // "TEXT (DER_NAME -NUMBER)", for people.
  std::string describe() const;
  // The same error with "context: " before its text.
  Error with(std::string_view context) &&;

 private:
  Code code_;
  std::unique_ptr<std::string> text_;
};

template <class T = void>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  Result(Code code) : state_(std::in_place_index<1>, Error(code)) {}

  explicit operator bool() const { return state_.index() == 0; }
  bool ok() const { return state_.index() == 0; }
  Code code() const { return ok() ? Code::kOk : std::get<1>(state_).code(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& value() {
    VARVE_ASSERT(ok(), "value of a failed result");
    return *std::get_if<0>(&state_);
  }
  const T& value() const {
    VARVE_ASSERT(ok(), "value of a failed result");
    return *std::get_if<0>(&state_);
  }
  Error& error() {
    VARVE_ASSERT(!ok(), "error of a good result");
    return *std::get_if<1>(&state_);
  }
  const Error& error() const {
    VARVE_ASSERT(!ok(), "error of a good result");
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() : error_(Code::kUnknown), ok_(true) {}
  Result(Error error) : error_(std::move(error)), ok_(false) {}
  Result(Code code) : error_(code == Code::kOk ? Code::kUnknown : code), ok_(code == Code::kOk) {}

  explicit operator bool() const { return ok_; }
  bool ok() const { return ok_; }
  Code code() const { return ok_ ? Code::kOk : error_.code(); }
  Error& error() {
    VARVE_ASSERT(!ok_, "error of a good result");
    return error_;
  }
  const Error& error() const {
    VARVE_ASSERT(!ok_, "error of a good result");
    return error_;
  }

 private:
  Error error_;
  bool ok_;
};

}  // namespace varve

#define VARVE_PASTE_2(a, b) a##b
#define VARVE_PASTE(a, b) VARVE_PASTE_2(a, b)
#define VARVE_TRY_AS(temporary, declaration, expression, leave) \
  auto temporary = (expression);                                \
  if (!temporary.ok()) [[unlikely]]                             \
    leave std::move(temporary.error());                         \
  declaration = std::move(*temporary)
#define VARVE_TRY(declaration, ...) \
  VARVE_TRY_AS(VARVE_PASTE(try_, __COUNTER__), declaration, (__VA_ARGS__), return)
#define VARVE_CO_TRY(declaration, ...) \
  VARVE_TRY_AS(VARVE_PASTE(try_, __COUNTER__), declaration, (__VA_ARGS__), co_return)
#define VARVE_CHECK_AS(temporary, expression, leave) \
  do {                                               \
    auto temporary = (expression);                   \
    if (!temporary.ok()) [[unlikely]]                \
      leave std::move(temporary.error());            \
  } while (false)
#define VARVE_CHECK(...) VARVE_CHECK_AS(VARVE_PASTE(check_, __COUNTER__), (__VA_ARGS__), return)
#define VARVE_CO_CHECK(...) \
  VARVE_CHECK_AS(VARVE_PASTE(check_, __COUNTER__), (__VA_ARGS__), co_return)
