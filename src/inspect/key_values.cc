// The system's volume: a linked list of keys and values.
#include "base/checksum.h"
#include "inspect/store_walk.h"

namespace varve::inspect {
namespace {

// docs/formats/key_value.md
struct RootRecord {
  uint64_t magic;
  uint32_t version, reserved;
  uint64_t first, entries;
};
struct EntryRecord {
  uint64_t next, previous;
  uint32_t key_bytes, value_bytes, checksum, reserved;
};
static_assert(sizeof(RootRecord) == 32 && sizeof(EntryRecord) == 32);

}  // namespace

uint64_t check_key_values(const Image& image, Allocations& allocations, Findings& findings) {
  const UncheckedHeap& heap = image.heap();
  const auto root = *heap.read<RootRecord>(block::Volume::kRoot);
  uint64_t count = 0, previous = 0;
  if (root.version != 1 || root.reserved != 0)
    findings.damage("system volume", "its root has a version that is not known");
  for (uint64_t at = root.first; at != 0; ++count) {
    const std::string where = "system volume, entry at heap offset " + std::to_string(at);
    const auto entry = heap.read<EntryRecord>(at);
    if (!entry) {
      findings.damage(where, "lies outside of the heap");
      break;
    }
    const uint64_t bytes = uint64_t{entry->key_bytes} + entry->value_bytes;
    if (const char* wrong = allocations.claim(at, sizeof(EntryRecord) + bytes)) {
      findings.damage(where, wrong);
      break;
    }
    if (entry->previous != previous || entry->reserved != 0)
      findings.damage(where, "its link to the entry before is wrong");
    if (crc32c(*heap.bytes(at + sizeof(EntryRecord), bytes)) != entry->checksum)
      findings.damage(where, "its bytes do not match their checksum");
    previous = at;
    at = entry->next;
  }
  if (count != root.entries)
    findings.damage("system volume", "says that it has " + std::to_string(root.entries) +
                                         " entries; it has " + std::to_string(count));
  return count;
}

}  // namespace varve::inspect
