#include "block/log_replay.h"

#include <algorithm>
#include <cstring>

#include "runtime/wait.h"

namespace varve::block {
namespace {

// What is read at once: little first, as most logs are short; then more and more.
constexpr uint64_t kWindowBytesMin = 512 * kKiB, kWindowBytesMax = 8 * kMiB;
constexpr uint64_t kReadBytes = 1 * kMiB;
// How far behind the end a later group is looked for.
constexpr uint64_t kLookAheadBytes = 4 * kMiB;

// A part of the ring, on its way from the device or there. Shared with the reads, which may outlive whoever
// waits for them.
struct Window {
  uint64_t position = 0, length = 0;
  device::AlignedBuffer buffer;
  unsigned reads = 0;  // under way
  Result<void> result;
  Signal ended;
};
using WindowPointer = std::shared_ptr<Window>;

Task<void> read_piece(device::Device& device, WindowPointer window, uint64_t device_offset,
                      MutableByteView into) {
  Result<void> result = co_await device.read(device_offset, into);
  if (!result.ok()) window->result = std::move(result);
  if (--window->reads == 0) window->ended.notify_all();
}

// The ring as one endless run of bytes, read ahead of who reads it.
class RingReader {
 public:
  RingReader(device::Device& device, const Geometry& geometry)
      : device_(device), geometry_(geometry) {}

  // Into `to`, whole blocks from a position on.
  Task<Result<void>> read(uint64_t position, MutableByteView to) {
    while (!to.empty()) {
      if (!now_ || position < now_->position || position >= now_->position + now_->length)
        VARVE_CO_CHECK(co_await move_to(position));
      const uint64_t skip = position - now_->position;
      const uint64_t step = std::min<uint64_t>(to.size(), now_->length - skip);
      std::memcpy(to.data(), now_->buffer.data() + skip, step);
      to = to.subspan(step);
      position += step;
    }
    co_return {};
  }
  // What was read is read again.
  Task<void> forget() {
    co_await finish();
    now_ = ahead_ = nullptr;
    window_bytes_ = kWindowBytesMin;
  }
  // Until the device has answered everything.
  Task<void> finish() {
    while (ahead_ && ahead_->reads > 0) co_await ahead_->ended.wait();
  }

 private:
  Task<Result<void>> move_to(uint64_t position) {
    const bool goes_on = ahead_ && ahead_->position == position;
    if (!goes_on) {
      co_await finish();
      ahead_ = start(position);
    }
    now_ = ahead_;
    while (now_->reads > 0) co_await now_->ended.wait();
    if (!now_->result.ok()) co_return std::move(now_->result.error());
    ahead_ = start(position + now_->length);
    // Requests reach the device when the executor polls it.
    co_await Executor::current()->yield();
    co_return {};
  }

  WindowPointer start(uint64_t position) {
    auto window = std::make_shared<Window>();
    const uint64_t to_end = geometry_.log_bytes - position % geometry_.log_bytes;
    window->position = position;
    window->length = std::min(window_bytes_, to_end);
    window->buffer = device::AlignedBuffer(window->length);
    window_bytes_ = std::min(window_bytes_ * 2, kWindowBytesMax);
    const uint64_t offset = log_device_offset(geometry_, position);
    for (uint64_t from = 0; from < window->length; from += kReadBytes) {
      const uint64_t length = std::min(kReadBytes, window->length - from);
      ++window->reads;
      Executor::current()->spawn(
          read_piece(device_, window, offset + from, window->buffer.view().subspan(from, length)));
    }
    return window;
  }

  device::Device& device_;
  const Geometry& geometry_;
  WindowPointer now_, ahead_;
  uint64_t window_bytes_ = kWindowBytesMin;
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

// True: `group`, which may grow, holds the group that comes next, intact.
Task<Result<bool>> read_group(RingReader& ring, const ReplayState& state, uint64_t tail,
                              device::AlignedBuffer& group) {
  VARVE_CO_CHECK(co_await ring.read(state.at.position, group.view(kPageBytes)));
  GroupHeader header;
  std::memcpy(&header, group.data(), sizeof header);
  if (!is_next_group(header, state)) co_return false;
  const uint64_t padded = round_up(header.length, kPageBytes);
  if (state.at.position + padded > tail + state.log_bytes) co_return false;
  if (padded > group.size()) group = device::AlignedBuffer(padded);
  VARVE_CO_CHECK(co_await ring.read(state.at.position, group.view(padded)));
  co_return is_intact(group.view(header.length));
}

Task<Result<ReplayResult>> replay_groups(RingReader& ring, const Superblock& superblock,
                                         uint64_t must_reach, ReplayVisitor& visitor) {
  const auto visit = [&visitor](const LogEntry& entry) { return visitor.entry(entry); };
  ReplayState state{superblock.volume, superblock.geometry.log_bytes,
                    {superblock.log_tail, superblock.tail_sequence}, 0, superblock.incarnation};
  ReplayResult result;
  device::AlignedBuffer group(64 * kKiB);
  for (bool again = false;;) {
    VARVE_CO_TRY(const bool whole, co_await read_group(ring, state, superblock.log_tail, group));
    if (!whole) {
      // The end, or a bit that went wrong on its way: what was acknowledged must not end here for that.
      if (again) break;
      again = true;
      co_await ring.forget();
      continue;
    }
    again = false;
    GroupHeader header;
    std::memcpy(&header, group.data(), sizeof header);
    const uint64_t padded = round_up(header.length, kPageBytes);
    VARVE_CO_CHECK(visit_entries(group.view(header.length), visit));
    visitor.end_of_group();
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

}  // namespace

Task<Result<ReplayResult>> replay_log(device::Device& device, const Superblock& superblock,
                                      uint64_t must_reach, ReplayVisitor& visitor) {
  RingReader ring(device, superblock.geometry);
  Result<ReplayResult> result = co_await replay_groups(ring, superblock, must_reach, visitor);
  co_await ring.finish();
  co_return std::move(result);
}

}  // namespace varve::block
