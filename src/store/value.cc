#include "store/value.h"

#include "base/checksum.h"

namespace varve::store {

namespace {
std::byte* payload(VersionRecord* version) { return reinterpret_cast<std::byte*>(version + 1); }
const std::byte* payload(const VersionRecord* version) {
  return reinterpret_cast<const std::byte*>(version + 1);
}
// Where the list of checksums stands if there is more than one: behind the place or the bytes.
uint32_t list_offset(DataKind kind, uint64_t length) {
  return kind == DataKind::kExtent ? 8 : static_cast<uint32_t>(round_up(length, 4));
}
uint32_t payload_bytes(DataKind kind, uint64_t length, bool checksums) {
  if (kind == DataKind::kPunch) return 0;
  const uint64_t count = checksum_count(length);
  if (checksums && count > 1) return list_offset(kind, length) + static_cast<uint32_t>(4 * count);
  return kind == DataKind::kExtent ? 8 : static_cast<uint32_t>(length);
}
DataKind kind_of(const Data& data) {
  if (data.length == 0) return DataKind::kPunch;
  return data.bytes.empty() ? DataKind::kExtent : DataKind::kInline;
}
}  // namespace

Stamp newest_punch(const Heap& heap, Ref punches, const ReadPoint& point) {
  for (Ref ref = punches; ref; ref = heap.at<PunchRecord>(ref)->older) {
    const auto* punch = heap.at<PunchRecord>(ref);
    if (point.reaches(punch->epoch) && point.counts(ref, punch->flags, true)) return punch->stamp();
  }
  return {};
}

Ref add_punch(Heap& heap, Ref* punches, Stamp stamp, uint8_t flags) {
  const Ref ref = heap.allocate(sizeof(PunchRecord));
  if (ref == 0) return 0;
  Ref* at = punches;
  while (*at && heap.at<PunchRecord>(*at)->stamp() > stamp) at = &heap.at<PunchRecord>(*at)->older;
  *heap.at<PunchRecord>(ref) = {stamp.epoch, *at, stamp.minor, flags};
  heap.set(*at, ref);
  return ref;
}

uint32_t version_bytes(const Data& data) {
  return static_cast<uint32_t>(sizeof(VersionRecord)) +
         payload_bytes(kind_of(data), data.length, !data.checksums.empty());
}

uint32_t version_bytes(const VersionRecord& version) {
  return static_cast<uint32_t>(sizeof(VersionRecord)) +
         payload_bytes(static_cast<DataKind>(version.kind), version.length,
                       version.flags & kFlagChecksums);
}

void build_version(VersionRecord* version, const Data& data, Stamp stamp, uint8_t flags) {
  const DataKind kind = kind_of(data);
  *version = {};
  version->epoch = stamp.epoch;
  version->minor = stamp.minor;
  version->kind = static_cast<uint8_t>(kind);
  version->flags = flags;
  version->length = static_cast<uint32_t>(data.length);
  if (kind == DataKind::kPunch) return;
  if (kind == DataKind::kInline) {
    std::memcpy(payload(version), data.bytes.data(), data.length);
  } else {
    const uint64_t place = pack_place(data.extent);
    std::memcpy(payload(version), &place, sizeof place);
  }
  if (data.checksums.empty()) return;
  version->flags |= kFlagChecksums;
  if (data.checksums.size() == 1)
    version->checksum = data.checksums[0];
  else
    std::memcpy(payload(version) + list_offset(kind, data.length), data.checksums.data(),
                data.checksums.size_bytes());
}

void publish_version(Heap& heap, const Data& data) {
  if (kind_of(data) == DataKind::kExtent) heap.publish(data.extent);
}

void link_version(Heap& heap, Ref* head, Ref ref) {
  auto* version = heap.at<VersionRecord>(ref);
  Ref* at = head;
  while (*at && heap.at<VersionRecord>(*at)->stamp() > version->stamp())
    at = &heap.at<VersionRecord>(*at)->older;
  version->older = *at;
  heap.set(*at, ref);
}

Ref add_version(Heap& heap, Ref* head, const Data& data, Stamp stamp, uint8_t flags) {
  const Ref ref = heap.allocate(version_bytes(data));
  if (ref == 0) return 0;
  build_version(heap.at<VersionRecord>(ref), data, stamp, flags);
  publish_version(heap, data);
  link_version(heap, head, ref);
  return ref;
}

block::Extent version_extent(const VersionRecord& version) {
  uint64_t place;
  std::memcpy(&place, payload(&version), sizeof place);
  return unpack_place(place);
}

void free_version(Heap& heap, Ref ref) {
  const auto* version = heap.at<VersionRecord>(ref);
  if (static_cast<DataKind>(version->kind) == DataKind::kExtent)
    heap.release(version_extent(*version));
  if (!(version->flags & kFlagEmbedded)) heap.free(ref, version_bytes(*version));
}

const VersionRecord* visible_version(const Heap& heap, Ref head, const ReadPoint& point) {
  for (Ref ref = head; ref;) {
    const auto* version = heap.at<VersionRecord>(ref);
    const bool hides = static_cast<DataKind>(version->kind) == DataKind::kPunch;
    if (point.reaches(version->epoch) && point.counts(ref, version->flags, hides)) {
      const bool seen = version->stamp() > point.floor && !hides;
      return seen ? version : nullptr;
    }
    ref = version->older;
  }
  return nullptr;
}

FoundPiece found_value(const VersionRecord& version) {
  FoundPiece piece;
  piece.length = piece.run_length = version.length;
  const auto kind = static_cast<DataKind>(version.kind);
  if (kind == DataKind::kInline) {
    piece.kind = FoundPiece::Kind::kInline;
    piece.bytes = piece.run = {payload(&version), version.length};
  } else {
    piece.kind = FoundPiece::Kind::kExtent;
    piece.run_offset = version_extent(version).offset;
  }
  if (version.flags & kFlagChecksums) {
    const uint64_t count = checksum_count(version.length);
    const auto* list = count == 1 ? &version.checksum
                                  : reinterpret_cast<const uint32_t*>(
                                        payload(&version) + list_offset(kind, version.length));
    piece.run_checksums = {list, count};
  }
  return piece;
}

Result<void> verify_run(ByteView run, std::span<const uint32_t> checksums) {
#ifdef VARVE_PLANT_checksum_not_verified
  return {};
#endif
  if (checksums.empty()) return {};
  if (checksums.size() != checksum_count(run.size()))
    return Error(Code::kChecksum, "a stored run of " + std::to_string(run.size()) + " bytes has " +
                                      std::to_string(checksums.size()) + " checksums");
  for (uint64_t chunk = 0; chunk < checksums.size(); ++chunk) {
    const uint64_t from = chunk * kChunkBytes;
    const ByteView bytes = run.subspan(from, std::min<uint64_t>(kChunkBytes, run.size() - from));
    if (crc32c(bytes) == checksums[chunk]) continue;
    return Error(Code::kChecksum,
                 "stored bytes " + std::to_string(from) + " to " +
                     std::to_string(from + bytes.size()) + " of a run of " +
                     std::to_string(run.size()) +
                     " do not have their checksum: the device changed them; read another replica, "
                     "or write the value again");
  }
  return {};
}

std::vector<uint32_t> checksum_run(Gather run) {
  std::vector<uint32_t> checksums;
  uint32_t checksum = 0;
  uint64_t left = kChunkBytes;
  for (ByteView piece : run) {
    while (!piece.empty()) {
      const ByteView part = piece.first(std::min<uint64_t>(left, piece.size()));
      checksum = crc32c(part, checksum);
      piece = piece.subspan(part.size());
      left -= part.size();
      if (left == 0) {
        checksums.push_back(std::exchange(checksum, 0));
        left = kChunkBytes;
      }
    }
  }
  if (left < kChunkBytes) checksums.push_back(checksum);
  return checksums;
}

}  // namespace varve::store
