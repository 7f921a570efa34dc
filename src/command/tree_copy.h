// Copies trees of files between this machine and a POSIX container, many files at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "command/mount.h"

namespace varve::command {

struct CopyTotals {
  std::atomic<uint64_t> files{0}, directories{0}, symlinks{0}, bytes{0};
};
struct CopyOptions {
  unsigned threads = 8;
  bool progress = false;  // a line to standard error, rewritten about twice a second
  uint64_t buffer_bytes = 4u << 20;
};

// `from` (file, directory or symlink) becomes `to`, with modes, modification times and symlinks;
// what is there already is overwritten. The first error stops the copy and names the file.
Result<void> copy_in(const std::string& from, dfs_t* dfs, const std::string& to,
                     const CopyOptions& options, CopyTotals& totals);
Result<void> copy_out(dfs_t* dfs, const std::string& from, const std::string& to,
                      const CopyOptions& options, CopyTotals& totals);

}  // namespace varve::command
