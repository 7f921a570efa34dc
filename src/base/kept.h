// A value that its copies share until one of them changes it.
#pragma once

#include <memory>

namespace varve {

template <class T>
class Kept {
 public:
  Kept() : value_(std::make_shared<T>()) {}
  Kept(T value) : value_(std::make_shared<T>(std::move(value))) {}
  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }
  T& change() {
    if (value_.use_count() > 1) value_ = std::make_shared<T>(*value_);
    return *value_;
  }

 private:
  std::shared_ptr<T> value_;
};

}  // namespace varve
