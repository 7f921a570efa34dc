#include "store/value.h"

#include <algorithm>
#include <optional>

#include "base/assert.h"

namespace varve::store {

namespace {
std::byte* payload(VersionRecord* version) { return reinterpret_cast<std::byte*>(version + 1); }
const std::byte* payload(const VersionRecord* version) {
  return reinterpret_cast<const std::byte*>(version + 1);
}
// Where the list of checksums stands if there is one: behind the place or the bytes.
uint32_t list_offset(DataKind kind, uint64_t length) {
  return kind == DataKind::kExtent ? 8 : static_cast<uint32_t>(round_up(length, 4));
}
uint32_t payload_bytes(DataKind kind, uint64_t length, uint32_t list_words) {
  if (kind == DataKind::kPunch) return 0;
  if (list_words > 0) return list_offset(kind, length) + 4 * list_words;
  return kind == DataKind::kExtent ? 8 : static_cast<uint32_t>(length);
}
// Words in the list; 0: there is none, or the only one lies in the record.
uint32_t list_words(const Data& data) {
  const auto words = static_cast<uint32_t>(data.checksums.size());
  return words > 1 || counts_checksums(data) ? words : 0;
}
uint32_t list_words(const VersionRecord& version) {
  if (!(version.flags & kFlagChecksums)) return 0;
  if (version.flags & kFlagCounted) return version.checksum;
  const auto words = static_cast<uint32_t>(checksum_count(version.length));
  return words > 1 ? words : 0;
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
         payload_bytes(kind_of(data), data.length, list_words(data));
}

uint32_t version_bytes(const VersionRecord& version) {
  return static_cast<uint32_t>(sizeof(VersionRecord)) +
         payload_bytes(static_cast<DataKind>(version.kind), version.length, list_words(version));
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
  if (counts_checksums(data)) {
    version->flags |= kFlagCounted;
    version->checksum = static_cast<uint32_t>(data.checksums.size());
  } else if (data.checksums.size() == 1) {
    version->checksum = data.checksums[0];
  }
  if (list_words(data) > 0)
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
  piece.corrupt = version.flags & kFlagCorrupt;
  const auto kind = static_cast<DataKind>(version.kind);
  if (kind == DataKind::kInline) {
    piece.kind = FoundPiece::Kind::kInline;
    piece.bytes = piece.run = {payload(&version), version.length};
  } else {
    piece.kind = FoundPiece::Kind::kExtent;
    piece.run_offset = version_extent(version).offset;
  }
  if (version.flags & kFlagChecksums) {
    const uint32_t words = list_words(version);
    piece.run_checksums = {&version.checksum, 1};
    if (words > 0)
      piece.run_checksums = {reinterpret_cast<const uint32_t*>(
                                 payload(&version) + list_offset(kind, version.length)),
                             words};
  }
  return piece;
}

uint64_t find_damage(ByteView run, std::span<const uint32_t> checksums,
                     const ChecksumFormat& format) {
#ifdef VARVE_PLANT_checksum_not_verified
  return run.size();
#endif
  VARVE_ASSERT(checksums.size() == format.words(run.size()), "each chunk has its checksum");
  const uint32_t* words = checksums.data();
  for (uint64_t from = 0; from < run.size(); from += format.chunk_bytes) {
    const uint64_t length = std::min<uint64_t>(format.chunk_bytes, run.size() - from);
    if (!checksum_matches(format.kind, run.subspan(from, length), words)) return from;
    words += checksum_words(format.kind);
  }
  return run.size();
}

Result<void> verify_run(ByteView run, std::span<const uint32_t> checksums,
                        const ChecksumFormat& format) {
  if (checksums.empty()) return {};
  const std::string what = " of a run of " + std::to_string(run.size()) + " bytes";
  if (checksums.size() != format.words(run.size()))
    return Error(Code::kChecksum, std::to_string(checksums.size()) + " words of checksums" + what +
                                      ": not what its container's format asks for");
  const uint64_t from = find_damage(run, checksums, format);
  if (from == run.size()) return {};
  return Error(Code::kChecksum,
               "stored bytes " + std::to_string(from) + " to " +
                   std::to_string(std::min<uint64_t>(run.size(), from + format.chunk_bytes)) + what +
                   " do not have their checksum (" + checksum_name(format.kind) +
                   "): the device changed them; read another replica, or write the value again");
}

std::vector<uint32_t> checksum_run(Gather run, const ChecksumFormat& format) {
  const uint32_t width = checksum_words(format.kind);
  std::vector<uint32_t> checksums;
  if (width == 0) return checksums;
  const uint64_t length = size_of(run);
  checksums.resize(format.words(length));
  uint32_t* words = checksums.data();
  std::optional<ChunkChecksum> sum;
  uint64_t left = 0;
  for (ByteView piece : run) {
    while (!piece.empty()) {
      if (left == 0) {
        sum.emplace(format.kind);
        left = format.chunk_bytes;
      }
      const ByteView part = piece.first(std::min<uint64_t>(left, piece.size()));
      sum->add(part);
      piece = piece.subspan(part.size());
      left -= part.size();
      if (left > 0) continue;
      sum->finish(words);
      words += width;
    }
  }
  if (left > 0) sum->finish(words);
  return checksums;
}

}  // namespace varve::store
