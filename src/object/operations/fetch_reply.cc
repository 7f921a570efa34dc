#include "object/decode.h"
#include "object/operations/fetch.h"

namespace varve::object {
namespace {

// Cells of a grid of `unit` bytes that [skip, skip + length) touches.
uint64_t cells_of(uint64_t skip, uint64_t length, uint64_t unit) {
  return length == 0 ? 0 : (skip + length - 1) / unit - skip / unit + 1;
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

Error FetchWork::damaged(const Part& part, uint64_t begin, uint64_t end, const std::string& where) const {
  const store::AkeyFetch& akey = found[part.akey];
  const bool array = akey.kind == store::ValueKind::kArray;
  const std::string what = array ? "the extent from record " + std::to_string(part.run_index) + " on" : "the value";
  return Error(Code::kChecksum,
               "object " + target.oid.to_string() + ", dkey " + shown(dkey) + ", akey " + shown(akey.akey) +
                   ": bytes " + std::to_string(begin) + " to " + std::to_string(end) + " of " + what +
                   " do not match their checksum (" + checksum_name(format.kind) + "), " + where +
                   "; write the data again, or restore it");
}

Result<void> FetchWork::take_piece(const store::FoundPiece& piece, uint32_t akey) {
  if (piece.length == 0) return {};
  Part part;
  part.length = piece.length;
  part.akey = akey;
  if (piece.kind == store::FoundPiece::Kind::kHole) {
    part.hole = true;
    parts.push_back(part);
    return {};
  }
  part.run_offset = piece.run_offset;
  part.run_length = piece.run_length;
  part.run_index = piece.run_index;
  part.skip = piece.skip;
  part.first_checksum = static_cast<uint32_t>(checksums.size());
  part.has_checksums = !piece.run_checksums.empty();
  if (part.has_checksums) {
    if (piece.run_checksums.size() != format.words(piece.run_length))
      return Error(Code::kBadFormat, "object " + target.oid.to_string() + ", dkey " + shown(dkey) + ": " +
                                         std::to_string(piece.run_checksums.size()) + " words of checksums for " +
                                         std::to_string(piece.run_length) + " bytes; the index is damaged");
    const uint64_t width = checksum_words(format.kind);
    const auto words = piece.run_checksums.subspan(
        piece.skip / format.chunk_bytes * width, cells_of(piece.skip, piece.length, format.chunk_bytes) * width);
    checksums.insert(checksums.end(), words.begin(), words.end());
  }
  const bool inlined = piece.kind == store::FoundPiece::Kind::kInline;
  if (piece.corrupt)
    return damaged(part, 0, part.run_length,
                   inlined ? "as a scrubber has found, in the heap"
                           : "as a scrubber has found, on the device from offset " +
                                 std::to_string(part.run_offset) + " on");
  if (inlined) {
    if (part.has_checksums) {
      const uint64_t damage = store::find_damage(piece.run, piece.run_checksums, format);
      if (damage < piece.run_length)
        return damaged(part, damage, std::min(damage + format.chunk_bytes, piece.run_length), "in the heap");
    }
    // Room for all was reserved: the views stay.
    const size_t at = inline_bytes.size();
    inline_bytes.insert(inline_bytes.end(), piece.bytes.begin(), piece.bytes.end());
    part.inlined = true;
    part.loaded = ByteView(inline_bytes).subspan(at);
    part.loaded_from = part.skip;
  }
  parts.push_back(part);
  return {};
}

Result<void> FetchWork::take_found(const ChecksumFormat& container) {
  format = container;
  uint64_t inline_total = 0;
  for (const store::AkeyFetch& fetch : found_in_use())
    for (const store::FoundPiece& piece : fetch.pieces) inline_total += piece.bytes.size();
  inline_bytes.reserve(inline_total);
  for (uint32_t i = 0; i < akeys.size(); ++i) {
    Akey& akey = akeys[i];
    akey.first_part = static_cast<uint32_t>(parts.size());
    const bool single = found[i].kind == store::ValueKind::kSingle;
    if (single) akey.single_length = found[i].record_size;
    if (!single || akey.single_length <= akey.room)
      for (const store::FoundPiece& piece : found[i].pieces) VARVE_CHECK(take_piece(piece, i));
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

std::pair<uint64_t, uint64_t> FetchWork::wanted_of(const Part& part) const {
  const uint64_t chunk = part.has_checksums ? format.chunk_bytes : 1;
  return {round_down(part.skip, std::max<uint64_t>(chunk, device::kBlockBytes)),
          std::min(round_up(part.skip + part.length, chunk), part.run_length)};
}

uint64_t FetchWork::loaded_bytes() const {
  uint64_t total = 0;
  for (const Part& part : parts) {
    if (part.hole || part.inlined) continue;
    const auto [begin, end] = wanted_of(part);
    total += end - begin;
  }
  return total;
}

uint64_t FetchWork::reply_body_bytes() const {
  const uint64_t width = checksum_words(format.kind);
  const uint64_t each = sizeof(FetchedPiece) + (width > 1 ? 4 * width : 0);
  uint64_t total = 12 + akeys.size() * 21;
  for (const Part& part : parts)
    total += part.hole ? sizeof(FetchedPiece) : each * cells_of(part.skip, part.length, unit_);
  return total;
}

Result<void> FetchWork::choose_unit() {
  unit_ = format.kind == ChecksumKind::kOff ? kGiB : format.chunk_bytes;
  while (reply_body_bytes() > rpc::kBodyBytesMax && unit_ < kGiB) unit_ *= 2;
  const uint64_t bytes = data_bytes();
  if (bytes <= network::kBulkBytesMax && reply_body_bytes() <= rpc::kBodyBytesMax) return {};
  return Error(Code::kOverflow, "a fetch of " + std::to_string(bytes) + " bytes in " +
                                    std::to_string(parts.size()) +
                                    " parts does not fit a reply; fetch less at a time");
}

void FetchWork::put_piece(uint64_t length, const uint32_t* checksum) {
  const uint32_t width = checksum_words(format.kind);
  Encoder out(body);
  out.put(length).put(uint32_t{0}).put(width == 1 ? *checksum : 0);
  if (width > 1) reply_checksums_.insert(reply_checksums_.end(), checksum, checksum + width);
}

Result<void> FetchWork::verify_part(const Part& part, const std::string& device_name) const {
#ifdef VARVE_PLANT_checksum_not_verified
  return {};
#endif
  if (!part.has_checksums || part.inlined) return {};
  const uint64_t chunk = format.chunk_bytes;
  const uint32_t* words = &checksums[part.first_checksum];
  for (uint64_t begin = round_down(part.skip, chunk); begin < part.skip + part.length; begin += chunk) {
    const uint64_t end = std::min(begin + chunk, part.run_length);
    if (!checksum_matches(format.kind, part.loaded.subspan(begin - part.loaded_from, end - begin), words))
      return damaged(part, begin, end,
                     "on device " + device_name + " from offset " + std::to_string(part.run_offset + begin) + " on");
    words += checksum_words(format.kind);
  }
  return {};
}

// The stored checksum of bytes [begin, end) of the run, if there is one of just these.
const uint32_t* FetchWork::stored_checksum(const Part& part, uint64_t begin, uint64_t end) const {
  const uint64_t chunk = format.chunk_bytes;
  if (!part.has_checksums || begin % chunk != 0 || end != std::min(begin + chunk, part.run_length)) return nullptr;
  return &checksums[part.first_checksum + (begin - round_down(part.skip, chunk)) / chunk * checksum_words(format.kind)];
}

uint32_t FetchWork::add_pieces(const Part& part) {
  uint32_t pieces = 0;
  const uint64_t end = part.skip + part.length;
  for (uint64_t at = part.skip; at < end; ++pieces) {
    const uint64_t piece_end = std::min(end, round_down(at, unit_) + unit_);
    const ByteView piece = part.loaded.subspan(at - part.loaded_from, piece_end - at);
    const uint32_t* checksum = stored_checksum(part, at, piece_end);
    uint32_t made[kChecksumWordsMax];
    if (!checksum) {
      checksum_chunk(format.kind, piece, made);
      checksum = made;
    }
    put_piece(piece.size(), checksum);
    gather.push_back(piece);
    at = piece_end;
  }
  return pieces;
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
    reply_checksums_.clear();
    for (uint32_t p = 0; p < akey.parts; ++p) {
      const Part& part = parts[akey.first_part + p];
      if (part.hole) {
        out.put(part.length).put(uint32_t{1}).put(uint32_t{0});
        ++pieces;
        continue;
      }
      VARVE_CHECK(verify_part(part, device_name));
      pieces += add_pieces(part);
    }
    std::memcpy(body.data() + count_at, &pieces, sizeof pieces);
    out.put(static_cast<uint32_t>(reply_checksums_.size())).raw(std::as_bytes(std::span(reply_checksums_)));
  }
  return {};
}

}  // namespace varve::object
