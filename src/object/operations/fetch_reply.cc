#include "base/checksum.h"
#include "object/decode.h"
#include "object/operations/fetch.h"

namespace varve::object {
namespace {
constexpr uint64_t kChunk = store::kChunkBytes;

uint64_t chunks_of(uint64_t skip, uint64_t length) {
  return length == 0 ? 0 : (skip + length - 1) / kChunk - skip / kChunk + 1;
}
}  // namespace

void FetchWork::reset() {
  akeys.clear();
  ranges.clear();
  parts.clear();
  checksums.clear();
  inline_bytes.clear();
  if (inline_bytes.capacity() > 256 * kKiB) Buffer().swap(inline_bytes);
  buffers.clear();
  body.clear();
  gather.clear();
  if (found.size() > 64) found.resize(64);
}

Result<void> FetchWork::prepare(ByteView request_body) {
  Decoder in(request_body);
  target = decode_target(in);
  dkey = in.string();
  conditions = in.get<uint64_t>();
  const uint32_t count = in.get<uint32_t>();
  if (!in.ok() || count > in.rest().size()) return malformed();
  if (found.size() < count) found.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    Akey akey;
    store::AkeyFetch& fetch = found[i];
    fetch.akey = in.string();
    const auto kind = in.get<ValueKind>();
    fetch.record_size = in.get<uint32_t>();
    akey.room = in.get<uint64_t>();
    akey.first_range = static_cast<uint32_t>(ranges.size());
    static_assert(sizeof(std::pair<uint64_t, uint64_t>) == sizeof(Range));
    const uint64_t range_count = in.get<uint32_t>();
    if (range_count > in.rest().size() / sizeof(Range)) return malformed();
    for (uint64_t r = 0; r < range_count; ++r) {
      const auto index = in.get<uint64_t>();
      ranges.push_back({index, in.get<uint64_t>()});
    }
    akey.ranges = static_cast<uint32_t>(range_count);
    if (!in.ok()) return malformed();
    if (kind != ValueKind::kSingle && kind != ValueKind::kArray)
      return Error(Code::kInvalid, "a fetch must say whether an akey is a single value or an array");
    fetch.kind = kind == ValueKind::kSingle ? store::ValueKind::kSingle : store::ValueKind::kArray;
    VARVE_CHECK(check_key(fetch.akey, "akey"));
    akeys.push_back(akey);
  }
  if (!in.done()) return malformed();
  VARVE_CHECK(check_key(dkey, "dkey"));
  if (akeys.empty()) return Error(Code::kInvalid, "a fetch names no akey");
  for (size_t i = 0; i < akeys.size(); ++i)
    found[i].ranges = {ranges.data() + akeys[i].first_range, akeys[i].ranges};
  return {};
}

Result<void> FetchWork::take_piece(const store::FoundPiece& piece) {
  if (piece.length == 0) return {};
  Part part;
  part.length = piece.length;
  if (piece.kind == store::FoundPiece::Kind::kHole) {
    part.hole = true;
  } else if (piece.kind == store::FoundPiece::Kind::kInline) {
    auto good = store::verify_run(piece.run, piece.run_checksums);
    if (!good.ok())
      return Error(Code::kChecksum, "object " + target.oid.to_string() + ", dkey '" + std::string(as_text(dkey)) +
                                        "': a value in the heap is damaged: " + std::string(good.error().text()));
    // Room for all was reserved: the views stay.
    const size_t at = inline_bytes.size();
    inline_bytes.insert(inline_bytes.end(), piece.bytes.begin(), piece.bytes.end());
    part.bytes = ByteView(inline_bytes).subspan(at);
    part.first_checksum = static_cast<uint32_t>(checksums.size());
    if (piece.run.size() == piece.bytes.size() && piece.run.size() <= kChunk && piece.run_checksums.size() == 1) {
      checksums.push_back(piece.run_checksums[0]);
      part.checksums = 1;
    }
  } else {
    part.run_offset = piece.run_offset;
    part.run_length = piece.run_length;
    part.skip = piece.skip;
    part.first_checksum = static_cast<uint32_t>(checksums.size());
    if (!piece.run_checksums.empty()) {
      const uint64_t first = piece.skip / kChunk, count = chunks_of(piece.skip, piece.length);
      VARVE_ASSERT(first + count <= piece.run_checksums.size(), "a stored run has a checksum for each chunk");
      checksums.insert(checksums.end(), piece.run_checksums.begin() + static_cast<ptrdiff_t>(first),
                       piece.run_checksums.begin() + static_cast<ptrdiff_t>(first + count));
      part.checksums = static_cast<uint32_t>(count);
    }
  }
  parts.push_back(part);
  return {};
}

Result<void> FetchWork::take_found() {
  uint64_t inline_total = 0;
  for (const store::AkeyFetch& fetch : found_in_use())
    for (const store::FoundPiece& piece : fetch.pieces) inline_total += piece.bytes.size();
  inline_bytes.reserve(inline_total);
  for (size_t i = 0; i < akeys.size(); ++i) {
    Akey& akey = akeys[i];
    akey.first_part = static_cast<uint32_t>(parts.size());
    const bool single = found[i].kind == store::ValueKind::kSingle;
    if (single) akey.single_length = found[i].record_size;
    if (!single || akey.single_length <= akey.room)
      for (const store::FoundPiece& piece : found[i].pieces) VARVE_CHECK(take_piece(piece));
    akey.parts = static_cast<uint32_t>(parts.size()) - akey.first_part;
  }
  return {};
}

uint64_t FetchWork::data_bytes() const {
  uint64_t total = 0;
  for (const Part& part : parts)
    if (!part.hole) total += part.length;
  return total;
}

uint64_t FetchWork::reply_body_bytes() const {
  uint64_t total = 12 + akeys.size() * 17;
  for (const Part& part : parts) total += 16 * (part.hole ? 1 : chunks_of(part.skip, part.length));
  return total;
}

void FetchWork::put_piece(uint64_t length, bool hole, uint32_t checksum) {
  Encoder out(body);
  out.put(length).put(static_cast<uint32_t>(hole)).put(checksum);
}

void FetchWork::add_inline(const Part& part, uint32_t& pieces) {
  for (uint64_t at = 0; at < part.length; at += kChunk) {
    const ByteView piece = part.bytes.subspan(at, std::min(kChunk, part.length - at));
    const bool known = part.checksums == 1;
    put_piece(piece.size(), false, known ? checksums[part.first_checksum] : crc32c(piece));
    gather.push_back(piece);
    ++pieces;
  }
}

Result<void> FetchWork::add_extent(const Part& part, const std::string& device_name, uint32_t& pieces) {
  const uint64_t first_chunk = part.skip / kChunk;
  const uint64_t end = part.skip + part.length;
  for (uint64_t at = part.skip; at < end;) {
    const uint64_t chunk = at / kChunk;
    const uint64_t chunk_begin = chunk * kChunk, chunk_end = std::min(chunk_begin + kChunk, part.run_length);
    const ByteView whole = part.chunks.subspan(chunk_begin - first_chunk * kChunk, chunk_end - chunk_begin);
    const uint64_t piece_end = std::min(end, chunk_end);
    const ByteView piece = whole.subspan(at - chunk_begin, piece_end - at);
    uint32_t checksum = 0;
    if (part.checksums > 0) {
      checksum = crc32c(whole);
#ifndef VARVE_PLANT_checksum_not_verified
      if (checksum != checksums[part.first_checksum + (chunk - first_chunk)])
        return Error(Code::kChecksum, "object " + target.oid.to_string() + ", dkey '" + std::string(as_text(dkey)) +
                                          "': data on device " + device_name + " at offset " +
                                          std::to_string(part.run_offset + chunk_begin) +
                                          " does not match its checksum; the device is failing, restore this object");
#endif
    }
    if (part.checksums == 0 || piece.size() != whole.size()) checksum = crc32c(piece);
    put_piece(piece.size(), false, checksum);
    gather.push_back(piece);
    ++pieces;
    at = piece_end;
  }
  return {};
}

Result<void> FetchWork::build_reply(Epoch epoch, const std::string& device_name) {
  body.clear();
  Encoder out(body);
  out.put(epoch).put(static_cast<uint32_t>(akeys.size()));
  for (size_t i = 0; i < akeys.size(); ++i) {
    const Akey& akey = akeys[i];
    out.put(static_cast<uint8_t>(found[i].found)).put(found[i].record_size).put(akey.single_length);
    const size_t count_at = body.size();
    uint32_t pieces = 0;
    out.put(pieces);
    for (uint32_t p = 0; p < akey.parts; ++p) {
      const Part& part = parts[akey.first_part + p];
      if (part.hole) {
        put_piece(part.length, true, 0);
        ++pieces;
      } else if (!part.bytes.empty()) {
        add_inline(part, pieces);
      } else {
        VARVE_CHECK(add_extent(part, device_name, pieces));
      }
    }
    std::memcpy(body.data() + count_at, &pieces, sizeof pieces);
  }
  return {};
}

}  // namespace varve::object
