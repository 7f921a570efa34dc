// State in a plain map, for the tests of services' decisions.
#pragma once

#include <map>

#include "consensus/key_value.h"

namespace varve::consensus {

class TestState final : public State {
 public:
  const Buffer* get(std::string_view key) const override {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second;
  }
  void scan(std::string_view prefix,
            const std::function<bool(std::string_view, const Buffer&)>& visit) const override {
    for (auto at = entries_.lower_bound(prefix); at != entries_.end() && at->first.starts_with(prefix); ++at)
      if (!visit(at->first, at->second)) return;
  }
  void apply(const Batch& batch) {
    for (const Change& change : batch) {
      if (change.value) entries_[change.key] = *change.value;
      else entries_.erase(change.key);
    }
  }
  size_t size() const { return entries_.size(); }

 private:
  std::map<std::string, Buffer, std::less<>> entries_;
};

}  // namespace varve::consensus
