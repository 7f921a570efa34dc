#include "block/log_replay.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>

#include "runtime/wait.h"

namespace varve::block {
namespace {

// What is read at once: little first, as most logs are short; then more and more pieces ahead.
constexpr uint64_t kFirstBytes = 512 * kKiB, kPieceBytes = 1 * kMiB;
constexpr size_t kPiecesAheadMax = 8;
// How far behind the end a later group is looked for.
constexpr uint64_t kLookAheadBytes = 4 * kMiB;

// A part of the ring, on its way from the device or there. Shared with its read, which may outlive
// whoever waits for it.
struct Piece {
  Piece(uint64_t position, uint64_t length) : position(position), length(length), buffer(length) {}
  bool holds(uint64_t from, uint64_t bytes) const {
    return from >= position && from + bytes <= position + length;
  }
  ByteView view(uint64_t from, uint64_t bytes) const {
    return buffer.view(length).subspan(from - position, bytes);
  }

  const uint64_t position, length;
  device::AlignedBuffer buffer;
  bool there = false;
  Result<void> result;
  Signal ended;
};
using PiecePointer = std::shared_ptr<Piece>;

Task<void> read_piece(device::Device& device, PiecePointer piece, uint64_t device_offset) {
  piece->result = co_await device.read(device_offset, piece->buffer.view(piece->length));
  piece->there = true;
  piece->ended.notify_all();
}

// The ring as one endless run of bytes, read ahead of who reads it.
class RingReader {
 public:
  RingReader(device::Device& device, const Geometry& geometry)
      : device_(device), geometry_(geometry) {}

  // Whole blocks from a position on, where they lie if they lie together and are there already.
  std::optional<ByteView> at_hand(uint64_t position, uint64_t length) const {
    if (pieces_.empty()) return {};
    const Piece& front = *pieces_.front();
    if (!front.there || !front.result.ok() || !front.holds(position, length)) return {};
    return front.view(position, length);
  }
  // The same, copied.
  Task<Result<void>> read(uint64_t position, MutableByteView to) {
    while (!to.empty()) {
      if (pieces_.empty() || !pieces_.front()->holds(position, 1)) co_await move_to(position);
      const PiecePointer front = pieces_.front();
      while (!front->there) co_await front->ended.wait();
      if (!front->result.ok()) co_return front->result.error();
      const uint64_t step = std::min(to.size(), front->position + front->length - position);
      std::memcpy(to.data(), front->view(position, step).data(), step);
      to = to.subspan(step);
      position += step;
    }
    co_return {};
  }
  // What was read is read again.
  Task<void> forget() {
    co_await finish();
    pieces_.clear();
    ahead_ = 1;
    next_bytes_ = kFirstBytes;
  }
  // Until the device has answered everything.
  Task<void> finish() {
    for (const PiecePointer& piece : pieces_)
      while (!piece->there) co_await piece->ended.wait();
  }

 private:
  // The piece that holds `position` becomes the first.
  Task<void> move_to(uint64_t position) {
    if (pieces_.empty() || position < pieces_.front()->position ||
        position > pieces_.back()->position + pieces_.back()->length)
      co_await forget();
    while (!pieces_.empty() && !pieces_.front()->holds(position, 1)) {
      const PiecePointer front = pieces_.front();
      while (!front->there) co_await front->ended.wait();
      pieces_.pop_front();
    }
    if (pieces_.empty()) start(position);
    while (pieces_.size() <= ahead_) start(pieces_.back()->position + pieces_.back()->length);
    ahead_ = std::min(ahead_ * 2, kPiecesAheadMax);
    // Requests reach the device when the executor polls it.
    co_await Executor::current()->yield();
  }

  void start(uint64_t position) {
    const uint64_t to_end = geometry_.log_bytes - position % geometry_.log_bytes;
    auto piece = std::make_shared<Piece>(position, std::min(next_bytes_, to_end));
    next_bytes_ = kPieceBytes;
    pieces_.push_back(piece);
    Executor::current()->spawn(
        read_piece(device_, std::move(piece), log_device_offset(geometry_, position)));
  }

  device::Device& device_;
  const Geometry& geometry_;
  std::deque<PiecePointer> pieces_;  // neighbours, upwards
  size_t ahead_ = 1;
  uint64_t next_bytes_ = kFirstBytes;
};

Error lost(const ReplayState& state, const std::string& witness) {
  return Error(Code::kBadFormat,
               "log: group " + std::to_string(state.at.sequence) + " at position " +
                   std::to_string(state.at.position) + " is damaged, but " + witness +
                   " says that it had been acknowledged; restore this target from its replicas");
}

// Past the end there are torn groups of the last moments at most. One that was written when what is
// missing here had been acknowledged shows damage.
Task<Result<void>> check_beyond(RingReader& ring, const ReplayState& state) {
  device::AlignedBuffer block(kPageBytes);
  const uint64_t limit = std::min(kLookAheadBytes, state.log_bytes - kPageBytes);
  for (uint64_t ahead = 0; ahead < limit; ahead += kPageBytes) {
    const uint64_t position = state.at.position + ahead;
    VARVE_CO_CHECK(co_await ring.read(position, block.view()));
    GroupHeader header;
    std::memcpy(&header, block.data(), sizeof header);
    ReplayState there = state;
    there.at = {position, header.sequence};
    if (!is_next_group(header, there) || header.sequence <= state.at.sequence) continue;
    if (header.durable <= state.at.position) continue;
    // Only an intact header is a witness: its group must match its checksum.
    const uint64_t length = round_up(header.length, kPageBytes);
    if (length > kLookAheadBytes) continue;
    device::AlignedBuffer group(length);
    VARVE_CO_CHECK(co_await ring.read(position, group.view(length)));
    if (is_intact(group.view(header.length)))
      co_return lost(state, "group " + std::to_string(header.sequence));
  }
  co_return {};
}

// The bytes of the group that comes next, if it is intact; else none. In the ring's memory or in
// `copy`, which may grow.
Task<Result<ByteView>> read_group(RingReader& ring, const ReplayState& state, uint64_t tail,
                                  device::AlignedBuffer& copy) {
  std::optional<ByteView> bytes = ring.at_hand(state.at.position, kPageBytes);
  if (!bytes) {
    VARVE_CO_CHECK(co_await ring.read(state.at.position, copy.view(kPageBytes)));
    bytes = copy.view(kPageBytes);
  }
  GroupHeader header;
  std::memcpy(&header, bytes->data(), sizeof header);
  if (!is_next_group(header, state)) co_return ByteView();
  const uint64_t padded = round_up(header.length, kPageBytes);
  if (state.at.position + padded > tail + state.log_bytes) co_return ByteView();
  bytes = ring.at_hand(state.at.position, padded);
  if (!bytes) {
    if (padded > copy.size()) copy = device::AlignedBuffer(padded);
    VARVE_CO_CHECK(co_await ring.read(state.at.position, copy.view(padded)));
    bytes = copy.view(padded);
  }
  const ByteView group = bytes->first(header.length);
  co_return is_intact(group) ? group : ByteView();
}

Task<Result<ReplayResult>> replay_groups(RingReader& ring, const Superblock& superblock,
                                         uint64_t must_reach, ReplayVisitor& visitor) {
  const auto visit = [&visitor](const LogEntry& entry) { return visitor.entry(entry); };
  ReplayState state{superblock.volume,
                    superblock.geometry.log_bytes,
                    {superblock.log_tail, superblock.tail_sequence},
                    0,
                    superblock.incarnation};
  ReplayResult result;
  device::AlignedBuffer copy(64 * kKiB);
  for (bool again = false;;) {
    VARVE_CO_TRY(const ByteView group, co_await read_group(ring, state, superblock.log_tail, copy));
    if (group.empty()) {
      // The end, or a bit that went wrong on its way: what was acknowledged must not end here for
      // that.
      if (again) break;
      again = true;
      co_await ring.forget();
      continue;
    }
    again = false;
    GroupHeader header;
    std::memcpy(&header, group.data(), sizeof header);
    const uint64_t padded = round_up(header.length, kPageBytes);
    VARVE_CO_CHECK(visit_entries(group, visit));
    visitor.end_of_group();
    state.at = {state.at.position + padded, header.sequence + 1};
    state.incarnation = header.incarnation;
    result.records += header.records;
  }
  if (state.at.position < must_reach) co_return lost(state, "the checkpoint");
  VARVE_CO_CHECK(co_await check_beyond(ring, state));
  result.end = state.at;
  co_return result;
}

}  // namespace

Task<Result<ReplayResult>> replay_log(device::Device& device, const Superblock& superblock,
                                      uint64_t must_reach, ReplayVisitor& visitor) {
  RingReader ring(device, superblock.geometry);
  Result<ReplayResult> result = co_await replay_groups(ring, superblock, must_reach, visitor);
  co_await ring.finish();
  co_return std::move(result);
}

}  // namespace varve::block
