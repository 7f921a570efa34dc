// Quotas of directories, with all that is below them, and of users: limits of bytes and files, counted
// in a guarded value each (docs/formats/dfs.md). A mount takes a little more than it needs at a time,
// and works from that: what is counted is never less than what is there, and more by what the mounts
// have not used.
#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace varve::posix {

// 0 as a limit: none.
struct Quota {
  uint64_t bytes_limit = 0, files_limit = 0;
  uint64_t bytes_used = 0, files_used = 0;
};
// Bytes and files, to be counted or given back.
struct QuotaAmount {
  int64_t bytes = 0, files = 0;
};

std::string directory_quota_key(ObjectId directory);
std::string user_quota_key(uint32_t uid);

// What a mount knows of the quotas that there are, and has taken from them.
class Quotas {
 public:
  static constexpr int64_t kSpareBytesMax = int64_t{64} << 20, kSpareFilesMax = 64;

  bool any() const { return any_.load(std::memory_order_acquire); }
  bool any_user() const;
  bool has(const std::string& key) const {
    const std::scoped_lock lock(mutex_);
    return all_.contains(key);
  }
  // There are these, and no others.
  void set_keys(const std::vector<std::string>& keys);
  std::vector<std::string> keys() const;
  void forget(const std::string& key);
  // Takes it from what is spare; what is missing: nothing was taken.
  QuotaAmount take(const std::string& key, QuotaAmount amount);
  // What was got, to be taken.
  void add(const std::string& key, QuotaAmount amount);
  // What was given back. Returns what is too much to be kept, which is not kept.
  QuotaAmount put(const std::string& key, QuotaAmount amount);
  // The limits, as last seen: they bound what is kept.
  void note_limits(const std::string& key, const Quota& quota);
  // All that is spare, which is not kept.
  QuotaAmount take_spare(const std::string& key);
  QuotaAmount spare(const std::string& key) const;

 private:
  struct State {
    QuotaAmount spare, keep{kSpareBytesMax, kSpareFilesMax};
  };
  mutable std::mutex mutex_;
  std::map<std::string, State> all_;
  std::atomic<bool> any_{false};
};

}  // namespace varve::posix
