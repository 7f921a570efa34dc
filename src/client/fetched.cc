#include "client/fetched.h"

#include <algorithm>

namespace varve::client {
namespace {

Error malformed() {
  return Error(Code::kProtocol, "the answer to a fetch does not fit what was asked for");
}

Error mismatch(const IoDescriptor& descriptor) {
  return Error(Code::kChecksum,
               "the data of akey '" + std::string(as_text(descriptor.akey)) +
                   "' does not match its checksum; the copy on the server may be damaged");
}

// Calls visit(piece of memory) over bytes [skip, skip + length).
template <class Visit>
void each(Scatter pieces, uint64_t skip, uint64_t length, Visit visit) {
  for (const MutableByteView& piece : pieces) {
    if (length == 0) return;
    if (skip >= piece.size()) {
      skip -= piece.size();
      continue;
    }
    const uint64_t take = std::min<uint64_t>(piece.size() - skip, length);
    visit(piece.subspan(skip, take));
    length -= take;
    skip = 0;
  }
}

void copy_to(Scatter into, uint64_t skip, ByteView from) {
  each(into, skip, from.size(), [&](MutableByteView piece) {
    std::memcpy(piece.data(), from.data(), piece.size());
    from = from.subspan(piece.size());
  });
}

void zero(Scatter into, uint64_t skip, uint64_t length) {
  each(into, skip, length,
       [](MutableByteView piece) { std::memset(piece.data(), 0, piece.size()); });
}

}  // namespace

std::vector<MutableByteView> slice(Scatter pieces, uint64_t skip, uint64_t length) {
  std::vector<MutableByteView> part;
  each(pieces, skip, length, [&](MutableByteView piece) { part.push_back(piece); });
  return part;
}

FetchLanding::FetchLanding(std::span<const IoDescriptor> descriptors) {
  for (const IoDescriptor& descriptor : descriptors) room_ += size_of(descriptor.into);
  if (room_ == 0) return;
  if (descriptors.size() == 1) {
    const bool array = descriptors[0].kind == object::ValueKind::kArray;
    direct_ = !array || room_ > kExactHolesBytesMax;
    if (direct_) into_ = descriptors[0].into;
  }
  if (direct_) return;
  own_ = std::make_unique_for_overwrite<std::byte[]>(room_);
  own_view_ = {own_.get(), room_};
  into_ = Scatter(&own_view_, 1);
}

Result<void> FetchLanding::land(ByteView body, uint64_t bulk_bytes,
                                std::span<IoDescriptor> descriptors,
                                ChecksumKind kind) {
  FetchReplyReader reader(body);
  if (reader.akeys() != descriptors.size() || bulk_bytes > room_) return malformed();
  epoch_ = reader.epoch();
  arrived_ = bulk_bytes;
  taken_ = 0;
  bool too_big = false;
  for (IoDescriptor& descriptor : descriptors) {
    const FetchedView view = reader.next();
    if (!reader.ok()) return malformed();
    descriptor.fetched_bytes = descriptor.fetched_end = 0;
    if (descriptor.found) descriptor.found->clear();
    Result<void> landed;
    if (descriptor.kind == object::ValueKind::kArray)
      landed = land_array(view, descriptor, kind);
    else
      landed = land_single(view, descriptor, kind);
    if (landed.code() == Code::kRecordTooBig)
      too_big = true;
    else if (!landed)
      return landed;
  }
  if (!reader.done() || taken_ != arrived_) return malformed();
  if (too_big) return Error(Code::kRecordTooBig, "the value is larger than the room for it");
  return {};
}

// The data pieces, which lie in into_ from taken_ on, add up to `expected` and have their
// checksums.
Result<void> FetchLanding::check_pieces(const FetchedView& view, uint64_t expected,
                                        ChecksumKind kind) {
  const size_t width = checksum_words(kind), bytes = 4 * width;
  ByteView words = view.checksums;
  const auto good = [&](const object::FetchedPiece& piece, uint64_t from) {
    ByteView wanted = bytes_of(piece.checksum);
    if (width > 1) {
      if (words.size() < bytes) return false;
      wanted = words.first(bytes);
      words = words.subspan(bytes);
    }
    uint32_t made[kChecksumWordsMax];
    checksum_of(kind, into_, from, piece.length, made);
    return std::memcmp(made, wanted.data(), bytes) == 0;
  };
  uint64_t at = taken_;
  for (size_t i = 0; i < view.piece_count(); ++i) {
    const object::FetchedPiece piece = view.piece(i);
    if (piece.hole) continue;
    if (piece.length > arrived_ - at) return malformed();
    if (width > 0 && !good(piece, at)) return Error(Code::kChecksum);
    at += piece.length;
  }
  if (width > 1 && !words.empty()) return malformed();
  if (at - taken_ != expected) return malformed();
  return {};
}

Result<void> FetchLanding::land_single(const FetchedView& view, IoDescriptor& descriptor,
                                       ChecksumKind kind) {
  const uint64_t room = size_of(descriptor.into);
  const uint64_t length = view.found ? view.single_length : 0;
  descriptor.record_size = length;
  if (room == 0 || length == 0 || length > room) {
    if (view.piece_count() != 0) return malformed();
    return length > room && room > 0 ? Result<void>(Code::kRecordTooBig) : Result<void>();
  }
  Result<void> checked = check_pieces(view, length, kind);
  if (checked.code() == Code::kChecksum) return mismatch(descriptor);
  if (!checked) return checked;
  if (!direct_) copy_to(descriptor.into, 0, ByteView(own_view_).subspan(taken_, length));
  taken_ += length;
  descriptor.fetched_bytes = descriptor.fetched_end = length;
  return {};
}

Result<void> FetchLanding::land_array(const FetchedView& view, IoDescriptor& descriptor,
                                      ChecksumKind kind) {
  if (view.record_size && descriptor.record_size && view.record_size != descriptor.record_size)
    return Error(Code::kRecordSize, "the array of akey '" + std::string(as_text(descriptor.akey)) +
                                        "' has records of " + std::to_string(view.record_size) +
                                        " bytes, not of " + std::to_string(descriptor.record_size));
  const uint64_t room = size_of(descriptor.into);
  uint64_t records = 0;
  for (const object::Range& range : descriptor.ranges) records += range.count;
  const uint64_t record_size = view.found ? view.record_size : descriptor.record_size;
  const uint64_t wanted =
      record_size && records <= room / record_size ? records * record_size : room;
  descriptor.record_size = view.found ? view.record_size : 0;
  if (!view.found || room == 0) {
    if (view.piece_count() != 0) return malformed();
    if (descriptor.zero_holes) zero(descriptor.into, 0, wanted);
    return {};
  }
  uint64_t data = 0, span = 0, end = 0;
  bool hole_before_data = false, hole_seen = false;
  for (size_t i = 0; i < view.piece_count(); ++i) {
    const object::FetchedPiece piece = view.piece(i);
    if (piece.length > room - span) return malformed();
    span += piece.length;
    hole_seen |= piece.hole;
    if (piece.hole) continue;
    data += piece.length;
    end = span;
    hole_before_data |= hole_seen;
  }
  Result<void> checked = check_pieces(view, data, kind);
  if (checked.code() == Code::kChecksum) return mismatch(descriptor);
  if (!checked) return checked;

  const bool move = !direct_ || hole_before_data;
  Buffer copied;
  ByteView from;
  if (!direct_) {
    from = ByteView(own_view_).subspan(taken_, data);
  } else if (hole_before_data) {
    copied.resize(data);
    const MutableByteView whole(copied);
    uint64_t at = 0;
    each(descriptor.into, 0, data, [&](MutableByteView piece) {
      std::memcpy(whole.data() + at, piece.data(), piece.size());
      at += piece.size();
    });
    from = copied;
  }
  uint64_t at = 0;
  for (size_t i = 0; i < view.piece_count(); ++i) {
    const object::FetchedPiece piece = view.piece(i);
    if (descriptor.found) descriptor.found->push_back(piece);
    if (!piece.hole && move) {
      copy_to(descriptor.into, at, from.first(piece.length));
      from = from.subspan(piece.length);
    } else if (piece.hole && (descriptor.zero_holes || (direct_ && at < end))) {
      zero(descriptor.into, at, piece.length);
    }
    at += piece.length;
  }
  if (descriptor.zero_holes && at < wanted) zero(descriptor.into, at, wanted - at);
  taken_ += data;
  descriptor.fetched_bytes = data;
  descriptor.fetched_end = end;
  return {};
}

}  // namespace varve::client
