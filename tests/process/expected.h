// What must be stored, as the journal tells it: acknowledged operations in order, and those whose
// end is not known, which are there whole or not at all.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "journal.h"
#include "pattern.h"

namespace varve::process {

inline uint64_t item_id(ItemKind kind, uint32_t item) {
  return (static_cast<uint64_t>(kind) << 20) | item;
}

// A file: the generation of each byte (0: never written).
struct ExpectedFile {
  std::vector<uint32_t> generations;
  std::vector<Record> open;  // parts whose end is not known, each within one chunk
  uint64_t size() const;
};

// An entry, key or name: its newest state. length 0: it is not there.
struct ExpectedItem {
  Record newest{};
  bool is_open = false;
  Record open{};
};

struct Expected {
  Plan plan;
  std::vector<ExpectedFile> files;
  std::map<uint64_t, ExpectedItem> items;  // by item_id
  uint64_t acknowledged = 0, acknowledged_bytes = 0, unknown = 0;

  explicit Expected(const Plan& plan_);
  void apply(const Record& record);
  uint64_t newest_generation() const { return newest_generation_; }

 private:
  void apply_file(const Record& record);
  uint64_t newest_generation_ = 0;
};

// Sizes of the parts of an entry (a single value, an array, a large single value), which one update
// writes.
struct EntrySizes {
  uint64_t value, array, large;
};
EntrySizes entry_sizes(uint64_t generation);
uint64_t key_value_size(uint64_t generation);

// How a piece of a file compares; `found` has length bytes from `offset` on.
struct Finding {
  bool good = true;
  uint64_t offset = 0;
  std::string what;
};
// Compares what was read with what must be there: acknowledged bytes exactly, open parts whole or
// absent.
Finding compare_file(const Plan& plan, uint32_t number, const ExpectedFile& file,
                     const std::vector<uint8_t>& found, uint64_t newest_generation);
// True if this part is there, byte for byte; `file` says nothing about it.
bool part_is_there(const Plan& plan, const Record& part, const uint8_t* found);
bool part_is_absent(const Plan& plan, const ExpectedFile& file, const Record& part,
                    const uint8_t* found, uint64_t found_bytes);

}  // namespace varve::process
