// The items of a plan in a container, through the public C interface: files by libdfs, entries and
// key-values by libdaos. Calls return 0 or a negative DAOS error (errno of libdfs is negated too).
#pragma once

#include <daos.h>
#include <daos_fs.h>

#include <string>
#include <vector>

#include "expected.h"

namespace varve::process {

class Storage {
 public:
  Storage() = default;
  Storage(const Storage&) = delete;
  ~Storage();

  // Connects, opens, mounts, and opens every item; makes the files if they are not there.
  int open(const std::string& pool, const std::string& container, const Plan& plan);
  // What failed in open().
  const std::string& step() const { return step_; }

  int write_file(const Record& record);
  // `length` bytes from `offset` on, less at the end of the file.
  int read_file(uint32_t item, uint64_t offset, uint64_t length, std::vector<uint8_t>& found);
  int file_size(uint32_t item, uint64_t& size);
  // The three parts in one update; length 0 punches the dkey.
  int write_entry(const Record& record);
  int write_key_value(const Record& record);
  // Moves a name to the place record.offset (0: removed, 1 and 2: two names).
  int write_name(const Record& record, uint64_t old_place);

  // 1 if what is stored is exactly what this record left (generation 0: nothing), 0 if not;
  // kBothNames for a name that a move left in both places. Negative: an error.
  static constexpr int kBothNames = 2;
  int matches(const Record& record, std::string& why);

 private:
  int open_dfs(const Plan& plan);
  int matches_entry(const Record& record, std::string& why);
  int matches_key_value(const Record& record, std::string& why);
  int matches_name(const Record& record, std::string& why);

  Plan plan_;
  std::string step_;
  bool initialised_ = false, pool_open_ = false, container_open_ = false;
  bool entries_open_ = false, key_values_open_ = false;
  daos_handle_t pool_{}, container_{}, entries_{}, key_values_{};
  dfs_t* dfs_ = nullptr;
  dfs_obj_t* directory_ = nullptr;
  std::vector<dfs_obj_t*> files_;
};

}  // namespace varve::process
