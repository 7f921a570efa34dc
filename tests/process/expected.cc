#include "expected.h"

#include <algorithm>
#include <cstring>

namespace varve::process {
namespace {

uint8_t expected_byte(const Plan& plan, uint32_t number, const ExpectedFile& file,
                      uint64_t offset) {
  const uint32_t generation = offset < file.generations.size() ? file.generations[offset] : 0;
  if (generation == 0) return 0;
  const Pattern pattern{plan.seed, item_id(ItemKind::kFile, number), generation};
  return Pattern::byte(pattern.base(), offset);
}

// Which generation wrote the bytes around `offset`, for the report.
std::string recognise(const Plan& plan, uint32_t number, const std::vector<uint8_t>& found,
                      uint64_t offset, uint64_t newest_generation) {
  const uint64_t end = std::min<uint64_t>(found.size(), offset + 16);
  if (std::all_of(found.begin() + static_cast<long>(offset), found.begin() + static_cast<long>(end),
                  [](uint8_t byte) { return byte == 0; }))
    return "zeros";
  for (uint64_t generation = newest_generation; generation > 0; --generation) {
    const uint64_t base = Pattern{plan.seed, item_id(ItemKind::kFile, number), generation}.base();
    uint64_t i = offset;
    while (i < end && Pattern::byte(base, i) == found[i]) ++i;
    if (i >= std::min(end, offset + 4)) return "generation " + std::to_string(generation);
  }
  return "bytes that nobody wrote here";
}

}  // namespace

uint64_t ExpectedFile::size() const {
  uint64_t size = generations.size();
  while (size > 0 && generations[size - 1] == 0) --size;
  return size;
}

Expected::Expected(const Plan& plan_) : plan(plan_), files(plan_.files) {
  for (ExpectedFile& file : files) file.generations.assign(plan.file_bytes, 0);
  // All of them now: later threads change only what is theirs.
  const std::pair<ItemKind, uint32_t> counts[] = {{ItemKind::kEntry, plan.entries},
                                                  {ItemKind::kKeyValue, plan.key_values},
                                                  {ItemKind::kName, plan.names}};
  for (const auto& [kind, count] : counts)
    for (uint32_t i = 0; i < count; ++i) {
      Record& newest = items[item_id(kind, i)].newest;
      newest.kind = kind;
      newest.item = i;
    }
}

void Expected::apply_file(const Record& record) {
  ExpectedFile& file = files[record.item];
  if (record.state == RecordState::kIntent) {
    file.open.push_back(record);
    ++unknown;
    return;
  }
  const auto same = [&](const Record& open) {
    return open.generation == record.generation && open.offset == record.offset;
  };
  unknown -= std::erase_if(file.open, same);
  if (record.state != RecordState::kAcknowledged) return;
  std::fill_n(file.generations.begin() + static_cast<long>(record.offset), record.length,
              static_cast<uint32_t>(record.generation));
}

void Expected::apply(const Record& record) {
  newest_generation_ = std::max(newest_generation_, record.generation);
  if (record.state == RecordState::kAcknowledged) {
    ++acknowledged;
    acknowledged_bytes += record.length;
  }
  if (record.kind == ItemKind::kFile) return apply_file(record);
  ExpectedItem& item = items[item_id(record.kind, record.item)];
  if (record.state == RecordState::kIntent) {
    item.is_open = true;
    item.open = record;
    ++unknown;
    return;
  }
  if (item.is_open) --unknown;
  item.is_open = false;
  if (record.state == RecordState::kAcknowledged) item.newest = record;
}

EntrySizes entry_sizes(uint64_t generation) {
  const uint64_t choice = mix(generation * 7 + 1);
  EntrySizes sizes{};
  sizes.value = 1 + choice % 200;
  sizes.array = 2048;
  sizes.large = (choice >> 20) % 4 == 0 ? 5000 + (choice >> 32) % 60000 : 1 + (choice >> 32) % 3000;
  return sizes;
}

uint64_t key_value_size(uint64_t generation) {
  const uint64_t choice = mix(generation * 11 + 5);
  return choice % 8 == 0 ? 4096 + (choice >> 16) % 100000 : 1 + (choice >> 16) % 900;
}

bool part_is_there(const Plan& plan, const Record& part, const uint8_t* found) {
  std::vector<uint8_t> wanted(part.length);
  Pattern{plan.seed, item_id(ItemKind::kFile, part.item), part.generation}.fill(
      part.offset, wanted.data(), part.length);
  return std::memcmp(wanted.data(), found, part.length) == 0;
}

bool part_is_absent(const Plan& plan, const ExpectedFile& file, const Record& part,
                    const uint8_t* found, uint64_t found_bytes) {
  for (uint64_t i = 0; i < found_bytes; ++i)
    if (found[i] != expected_byte(plan, part.item, file, part.offset + i)) return false;
  return true;
}

Finding compare_file(const Plan& plan, uint32_t number, const ExpectedFile& file,
                     const std::vector<uint8_t>& found, uint64_t newest_generation) {
  ExpectedFile settled = file;
  settled.open.clear();
  for (const Record& part : file.open) {
    const uint64_t end = part.offset + part.length;
    if (end <= found.size() && part_is_there(plan, part, found.data() + part.offset))
      std::fill_n(settled.generations.begin() + static_cast<long>(part.offset), part.length,
                  static_cast<uint32_t>(part.generation));
  }
  Finding finding;
  const auto fail = [&](uint64_t offset, const std::string& what) {
    finding.good = false;
    finding.offset = offset;
    finding.what = what;
    for (const Record& part : file.open)
      if (offset >= part.offset && offset < part.offset + part.length)
        finding.what += " (torn: a write of " + std::to_string(part.length) + " bytes at " +
                        std::to_string(part.offset) + ", generation " +
                        std::to_string(part.generation) + ", was in flight)";
    return finding;
  };
  for (uint64_t offset = 0; offset < found.size();) {
    const uint32_t generation =
        offset < settled.generations.size() ? settled.generations[offset] : 0;
    uint64_t end = offset;
    while (end < found.size() &&
           (end < settled.generations.size() ? settled.generations[end] : 0) == generation)
      ++end;
    const uint64_t base = Pattern{plan.seed, item_id(ItemKind::kFile, number), generation}.base();
    for (uint64_t i = offset; i < end; ++i) {
      const uint8_t wanted = generation == 0 ? 0 : Pattern::byte(base, i);
      if (found[i] == wanted) continue;
      return fail(
          i, "must be " +
                 (generation == 0 ? "never written" : "generation " + std::to_string(generation)) +
                 ", is " + recognise(plan, number, found, i, newest_generation));
    }
    offset = end;
  }
  if (found.size() != settled.size())
    return fail(std::min<uint64_t>(found.size(), settled.size()),
                "the file must have " + std::to_string(settled.size()) + " bytes, has " +
                    std::to_string(found.size()));
  return finding;
}

}  // namespace varve::process
