#include "store/integrity.h"

#include <bit>

namespace varve::store {

void write_integrity(ContainerRecord& record, const Integrity& integrity) {
  record.checksum_kind = static_cast<uint8_t>(integrity.checksums.kind);
  record.chunk_shift = static_cast<uint8_t>(std::countr_zero(integrity.checksums.chunk_bytes));
  record.flags = (integrity.verify_on_write ? 0 : kContainerTrustsWriters) |
                 (integrity.scrub ? 0 : kContainerNotScrubbed);
}

bool read_integrity(const ContainerRecord& record, Integrity& integrity) {
  integrity = {};
  integrity.verify_on_write = !(record.flags & kContainerTrustsWriters);
  integrity.scrub = !(record.flags & kContainerNotScrubbed);
  const uint64_t chunk = record.chunk_shift < 32 ? uint64_t{1} << record.chunk_shift : 0;
  if (record.checksum_kind >= kChecksumKinds || chunk < kChecksumChunkBytesMin ||
      chunk > kChecksumChunkBytesMax)
    return false;
  integrity.checksums.kind = static_cast<ChecksumKind>(record.checksum_kind);
  integrity.checksums.chunk_bytes = static_cast<uint32_t>(chunk);
  return true;
}

}  // namespace varve::store
