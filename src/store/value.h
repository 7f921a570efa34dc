// Versions of single values and punches, newest first, and what of them is visible.
#pragma once

#include "store/look.h"
#include "store/rollback.h"
#include "store/tree.h"

namespace varve::store {

// From where something is looked at: versions above `floor` (the newest punch over them) and not
// above `epoch`, but for those that rollbacks hide; of prepared ones what `look` counts, none
// without.
struct ReadPoint {
  uint64_t epoch = ~0ULL;
  Stamp floor;
  const Hidden* hidden = nullptr;
  Look* look = nullptr;
  bool reaches(uint64_t version) const {
    return version <= epoch && !(hidden && hides(*hidden, version));
  }
  bool sees(Stamp stamp) const { return stamp > floor && reaches(stamp.epoch); }
  // Of what it reaches. `is_punch`: it hides something itself.
  bool counts(Ref entry, uint32_t flags, bool is_punch) const {
    if (!(flags & kFlagPrepared)) [[likely]]
      return true;
    return look && look->counts(entry, is_punch);
  }
};

// The newest punch of a chain that the point reaches; zero if none.
Stamp newest_punch(const Heap& heap, Ref punches, const ReadPoint& point);
// These give the record that they have added; 0: heap full. `flags`: kFlagPrepared or 0.
[[nodiscard]] Ref add_punch(Heap& heap, Ref* punches, Stamp stamp, uint8_t flags = 0);

// What a version takes in the heap, its bytes included.
uint32_t version_bytes(const Data& data);
uint32_t version_bytes(const VersionRecord& version);
// Writes a version at a place of version_bytes(data) that the transaction has allocated.
void build_version(VersionRecord* version, const Data& data, Stamp stamp, uint8_t flags);
void publish_version(Heap& heap, const Data& data);
// Links a version into a chain by its stamp, in front of equals.
void link_version(Heap& heap, Ref* head, Ref version);
// Allocates, builds, publishes and links. `data.length` 0: a punch.
[[nodiscard]] Ref add_version(Heap& heap, Ref* head, const Data& data, Stamp stamp,
                              uint8_t flags = 0);
// The device space of a version of kind kExtent.
block::Extent version_extent(const VersionRecord& version);
// Takes it out of a chain of versions, punches or range punches; it is not freed.
template <class Record>
void unlink_entry(Heap& heap, Ref* head, Ref entry) {
  Ref* at = head;
  while (*at != entry) {
    VARVE_ASSERT(*at, "an entry is in the chain that its transaction names");
    at = &heap.at<Record>(*at)->older;
  }
  heap.set(*at, heap.at<Record>(entry)->older);
}
// Gives back what a version holds, and itself if it is an allocation of its own.
void free_version(Heap& heap, Ref version);

// The newest version that the read point sees; null if there is none, or it is a punch.
const VersionRecord* visible_version(const Heap& heap, Ref head, const ReadPoint& point);
FoundPiece found_value(const VersionRecord& version);

// Places on the device, packed.
inline uint64_t pack_place(block::Extent extent) {
  return extent.offset / device::kBlockBytes | (extent.length / device::kBlockBytes) << kPlaceBits;
}
inline block::Extent unpack_place(uint64_t place) {
  return {(place & ((uint64_t{1} << kPlaceBits) - 1)) * device::kBlockBytes,
          (place >> kPlaceBits) * device::kBlockBytes};
}

// Words of checksums that need no count beside them.
inline uint64_t checksum_count(uint64_t length) { return ChecksumFormat().words(length); }
inline bool counts_checksums(const Data& data) {
  return !data.checksums.empty() && data.checksums.size() != checksum_count(data.length);
}

}  // namespace varve::store
