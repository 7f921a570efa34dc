// What a writer was about to do and what was acknowledged to it, in a local file: one record before
// each operation, one after its acknowledgement. The writer's machine does not die in these tests,
// so the journal needs no flush.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace varve::process {

enum class ItemKind : uint8_t { kFile = 0, kEntry = 1, kKeyValue = 2, kName = 3 };
enum class RecordState : uint8_t { kIntent = 1, kAcknowledged = 2, kAbsent = 3 };

struct Record {
  ItemKind kind = ItemKind::kFile;
  RecordState state = RecordState::kIntent;
  uint16_t thread = 0;
  uint32_t item = 0;
  uint64_t offset = 0;      // files: where; names: the new place
  uint64_t length = 0;      // 0: punched or removed
  uint64_t generation = 0;  // grows with each operation of an item
};
static_assert(sizeof(Record) == 32);

// What the items are; the first bytes of the file.
struct Plan {
  uint64_t magic = 0x314c4e524a565256ull;
  uint64_t seed = 1;
  uint32_t files = 8, entries = 32, key_values = 64, names = 16;
  uint64_t file_bytes = 4u << 20;
  uint64_t chunk_bytes = 1u << 20;  // of the files: one update each
};

class Journal {
 public:
  ~Journal();
  // Makes it with this plan, or goes on with the one that is there (plan is replaced by its own).
  bool open(const std::string& path, Plan& plan, std::string& error);
  // Only reads. A torn last record is left out.
  static bool load(const std::string& path, Plan& plan, std::vector<Record>& records,
                   std::string& error);
  // Whole records from several threads; ends the process if the disk refuses.
  void append(const Record* records, size_t count);

 private:
  int descriptor_ = -1;
};

}  // namespace varve::process
