// A small ordered key-value store with atomic, durable batches: the state of services. One executor's
// thread. Keys and values are bytes; a key has 1..kKeyBytesMax, a value up to kValueBytesMax.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "runtime/task.h"

namespace varve::block {
class Volume;
}

namespace varve::consensus {

inline constexpr size_t kKeyBytesMax = 1024;
inline constexpr size_t kValueBytesMax = 1024 * 1024;

struct Change {
  std::string key;
  std::optional<Buffer> value;  // nothing: the key is removed (no error if it is not there)
};
using Batch = std::vector<Change>;

// What has been committed, to read.
class State {
 public:
  virtual ~State() = default;
  // Null if there is none. Valid until the next suspension.
  virtual const Buffer* get(std::string_view key) const = 0;
  // In key order, those that begin with `prefix`, until visit returns false. No suspension inside.
  virtual void scan(std::string_view prefix,
                    const std::function<bool(std::string_view key, const Buffer& value)>& visit) const = 0;
};

class KeyValue : public State {
 public:
  // All of the batch or nothing; ends when it is durable, and only then do readers see it. Later changes
  // of one key win. Concurrent commits are applied one after the other, in the order of their calls.
  // Errors: kNoSpace, kInvalid (sizes), kIo (after which nothing more can be committed).
  virtual Task<Result<void>> commit(Batch batch) = 0;
};

// The only replica, in the heap of `volume`, which is its own. An empty volume is an empty store.
// kBadFormat if what is there does not fit together, kIncompatible for another version of it.
Result<std::unique_ptr<KeyValue>> open_local(block::Volume& volume);

}  // namespace varve::consensus
