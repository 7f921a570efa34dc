#include "inspect/log_scan.h"

#include <algorithm>
#include <cstring>

namespace varve::inspect {
namespace {

using block::GroupHeader;
using block::kPageBytes;
using block::ReplayState;

// How far behind the end a later group is looked for.
constexpr uint64_t kLookAheadBytes = 4 * kMiB;

class Scan {
 public:
  Scan(device::Reader& device, const block::Superblock& superblock, Findings& findings)
      : device_(device), superblock_(superblock), findings_(findings) {
    state_ = ReplayState{superblock.volume,
                         superblock.geometry.log_bytes,
                         {superblock.log_tail, superblock.tail_sequence},
                         0,
                         superblock.incarnation};
  }

  Result<LogScan> run(uint64_t must_reach, const VisitGroup& visit) {
    for (;;) {
      VARVE_TRY(const bool next, read_next());
      if (!next) break;
      GroupHeader header;
      std::memcpy(&header, group_.data(), sizeof header);
      const Result<void> visited = visit(header, ByteView(group_).first(header.length));
      if (!visited.ok()) {
        findings_.damage(name(), std::string(visited.error().text()));
        break;
      }
      const uint64_t padded = round_up(header.length, kPageBytes);
      note_range(padded);
      const ByteView padding = ByteView(group_).subspan(header.length);
      if (std::any_of(padding.begin(), padding.end(), [](std::byte byte) { return byte != std::byte{}; }))
        findings_.damage(name(), "has bytes behind its end; nothing is lost");
      ++result_.groups;
      result_.records += header.records;
      state_.at = {state_.at.position + padded, header.sequence + 1};
      state_.incarnation = header.incarnation;
    }
    result_.end = state_.at;
    VARVE_CHECK(find_later());
    judge_end(must_reach);
    return std::move(result_);
  }

 private:
  std::string name() const {
    return "log group " + std::to_string(state_.at.sequence) + " at position " +
           std::to_string(state_.at.position);
  }

  Result<void> read(uint64_t position, MutableByteView into) {
    while (!into.empty()) {
      const uint64_t log_bytes = superblock_.geometry.log_bytes;
      const uint64_t step = std::min<uint64_t>(into.size(), log_bytes - position % log_bytes);
      VARVE_CHECK(device_.read(block::log_device_offset(superblock_.geometry, position),
                               into.first(step)));
      into = into.subspan(step);
      position += step;
    }
    return {};
  }

  // True: group_ holds the group that comes next, intact.
  Result<bool> read_next() {
    group_.resize(kPageBytes);
    VARVE_CHECK(read(state_.at.position, group_));
    std::memcpy(&last_header_, group_.data(), sizeof last_header_);
    if (!block::is_next_group(last_header_, state_)) return false;
    const uint64_t padded = round_up(last_header_.length, kPageBytes);
    if (state_.at.position + padded > superblock_.log_tail + state_.log_bytes) return false;
    group_.resize(padded);
    VARVE_CHECK(read(state_.at.position, group_));
    return block::is_intact(ByteView(group_).first(last_header_.length));
  }

  void note_range(uint64_t length) {
    const block::Geometry& geometry = superblock_.geometry;
    const uint64_t first = state_.at.position % geometry.log_bytes;
    const uint64_t to_end = std::min(length, geometry.log_bytes - first);
    result_.ranges.push_back({geometry.log_offset + first, to_end});
    if (to_end < length) result_.ranges.push_back({geometry.log_offset, length - to_end});
  }

  // The group behind the end that says most: one that was written when what is missing here had been
  // acknowledged, or at least one of the last open.
  Result<void> find_later() {
    const uint64_t limit = std::min(kLookAheadBytes, state_.log_bytes - kPageBytes);
    Buffer block(kPageBytes), group;
    for (uint64_t ahead = kPageBytes; ahead < limit && !witness_; ahead += kPageBytes) {
      const uint64_t position = state_.at.position + ahead;
      VARVE_CHECK(read(position, block));
      GroupHeader header;
      std::memcpy(&header, block.data(), sizeof header);
      ReplayState there = state_;
      there.at = {position, header.sequence};
      if (!block::is_next_group(header, there) || header.sequence <= state_.at.sequence) continue;
      const bool is_witness = header.durable > state_.at.position;
      if ((!is_witness && header.incarnation != superblock_.incarnation) ||
          header.length > kLookAheadBytes)
        continue;
      group.resize(round_up(header.length, kPageBytes));
      VARVE_CHECK(read(position, group));
      if (!block::is_intact(ByteView(group).first(header.length))) continue;
      if (is_witness) witness_ = header.sequence;
      if (!later_) later_ = header.sequence;
    }
    return {};
  }

  // A block is old or new after a crash, never in between. So a header of which a part is right is damage,
  // and so is a group of one block that does not match its checksum; of a larger one some blocks may not
  // have been written.
  void judge_end(uint64_t must_reach) {
    const auto lost = [this](const std::string& witness) {
      findings_.damage(name(), "is damaged or missing, though " + witness +
                                   " says that it was acknowledged");
    };
    if (state_.at.position < must_reach) return lost("the last checkpoint");
    if (witness_) return lost("group " + std::to_string(witness_) + " behind it");
    const GroupHeader& header = last_header_;
    if (block::is_next_group(header, state_)) {
      if (header.length <= kPageBytes) return findings_.damage(name(), "does not match its checksum");
      return findings_.doubt(name(), "does not match its checksum: the last writes before a crash "
                                     "leave that, or damage; it counts as never written");
    }
    if (is_part_of_next(header))
      return findings_.damage(name(), "has a header of which only a part is right");
    if (later_)
      findings_.doubt(name(), "is missing, though group " + std::to_string(later_) +
                                  " behind it is there: the last writes before a crash leave that, "
                                  "or damage; both count as never written");
  }

  // The header of the group that should come next, but for some of its fields. What lies here otherwise is
  // not a header, or one of an earlier lap (another position and sequence), or one that an earlier open
  // left beyond its end (an older incarnation).
  bool is_part_of_next(const GroupHeader& header) const {
    const GroupHeader never_written{};  // whose zeros are right at position 0
    if (std::memcmp(&header, &never_written, sizeof header) == 0) return false;
    const bool magic = header.magic == block::kGroupMagic, volume = header.volume == state_.volume;
    const bool sequence = header.sequence == state_.at.sequence;
    const bool position = header.position == state_.at.position;
    const int right = magic + volume + sequence + position;
    if (right < 2) return false;
    if (!magic || !volume) return true;
    if (right == 4) return header.incarnation >= state_.incarnation;
    return right == 3 && header.incarnation == superblock_.incarnation;
  }

  device::Reader& device_;
  const block::Superblock& superblock_;
  Findings& findings_;
  ReplayState state_;
  Buffer group_;
  GroupHeader last_header_{};
  uint64_t witness_ = 0, later_ = 0;  // sequence numbers; 0: there is none
  LogScan result_;
};

}  // namespace

Result<LogScan> scan_log(device::Reader& device, const block::Superblock& superblock,
                         uint64_t must_reach, Findings& findings, const VisitGroup& visit) {
  if (superblock.geometry.log_bytes == 0) return LogScan{};
  return Scan(device, superblock, findings).run(must_reach, visit);
}

}  // namespace varve::inspect
