#include "block/log_replay.h"

#include <algorithm>
#include <cstring>

namespace varve::block {
namespace {

constexpr uint64_t kWindowBytes = 1 * kMiB;
// How far behind the end a later group is looked for.
constexpr uint64_t kLookAheadBytes = 4 * kMiB;

// The ring as one endless run of bytes.
class RingReader {
 public:
  RingReader(device::Device& device, const Geometry& geometry)
      : device_(device), geometry_(geometry) {}

  // Into `to`, whole blocks from a position on.
  Task<Result<void>> read(uint64_t position, MutableByteView to) {
    while (!to.empty()) {
      if (position < window_position_ || position >= window_position_ + window_length_)
        VARVE_CO_CHECK(co_await load(position));
      const uint64_t skip = position - window_position_;
      const uint64_t step = std::min<uint64_t>(to.size(), window_length_ - skip);
      std::memcpy(to.data(), window_.data() + skip, step);
      to = to.subspan(step);
      position += step;
    }
    co_return {};
  }

 private:
  Task<Result<void>> load(uint64_t position) {
    const uint64_t to_end = geometry_.log_bytes - position % geometry_.log_bytes;
    window_position_ = position;
    window_length_ = std::min(kWindowBytes, to_end);
    co_return co_await device_.read(log_device_offset(geometry_, position),
                                    window_.view(window_length_));
  }

  device::Device& device_;
  const Geometry& geometry_;
  device::AlignedBuffer window_{kWindowBytes};
  uint64_t window_position_ = 0, window_length_ = 0;
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

}  // namespace

Task<Result<ReplayResult>> replay_log(device::Device& device, const Superblock& superblock,
                                      uint64_t must_reach,
                                      std::function<Result<void>(const LogEntry&)> visit) {
  ReplayState state{superblock.volume, superblock.geometry.log_bytes,
                    {superblock.log_tail, superblock.tail_sequence}, 0, superblock.incarnation};
  RingReader ring(device, superblock.geometry);
  ReplayResult result;
  device::AlignedBuffer group(64 * kKiB);
  for (;;) {
    VARVE_CO_CHECK(co_await ring.read(state.at.position, group.view(kPageBytes)));
    GroupHeader header;
    std::memcpy(&header, group.data(), sizeof header);
    if (!is_next_group(header, state)) break;
    const uint64_t padded = round_up(header.length, kPageBytes);
    if (state.at.position + padded > superblock.log_tail + state.log_bytes) break;
    if (padded > group.size()) group = device::AlignedBuffer(padded);
    VARVE_CO_CHECK(co_await ring.read(state.at.position, group.view(padded)));
    if (!is_intact(group.view(header.length))) break;
    VARVE_CO_CHECK(visit_entries(group.view(header.length), visit));
    state.at = {state.at.position + padded, header.sequence + 1};
    state.incarnation = header.incarnation;
    result.records += header.records;
  }
  if (state.at.position < must_reach)
    co_return lost(state, "the checkpoint");
  VARVE_CO_CHECK(co_await check_beyond(ring, state));
  result.end = state.at;
  co_return result;
}

}  // namespace varve::block
