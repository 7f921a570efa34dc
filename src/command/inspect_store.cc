// varve inspect list, dump and space.
#include <fmt/format.h>

#include <bit>
#include <map>
#include <nlohmann/json.hpp>

#include "block/heap_format.h"
#include "command/inspect.h"
#include "command/output.h"
#include "inspect/path.h"
#include "inspect/verify.h"

namespace varve::command {
namespace {

using inspect::FoundData;
using inspect::FoundExtent;
using inspect::FoundVersion;
using inspect::Place;
using nlohmann::json;
using store::DataKind;

constexpr const char* kLevelNames[] = {"pool", "container", "object", "dkey", "akey", "value"};

std::string printable(std::string text) {
  return text.size() > 200 ? text.substr(0, 200) + "..." : text;
}

json data_json(const FoundData& data, uint8_t kind) {
  json result = {{"bytes", data.length}, {"checksums", data.checksums.size()}};
  result["in"] = kind == static_cast<uint8_t>(DataKind::kPunch)    ? "punch"
                 : kind == static_cast<uint8_t>(DataKind::kInline) ? "heap"
                                                                   : "extent";
  if (data.extent.length) {
    result["device_offset"] = data.extent.offset;
    result["extent_bytes"] = data.extent.length;
  }
  return result;
}

std::string data_text(const FoundData& data, uint8_t kind) {
  if (kind == static_cast<uint8_t>(DataKind::kPunch)) return "punch";
  if (!data.extent.length) return fmt::format("{} B in the heap", data.length);
  return fmt::format("{} B at device offset {} +{}", data.length, data.extent.offset,
                     data.extent.length);
}

std::string epoch_text(uint64_t epoch, uint16_t minor) { return fmt::format("{}.{}", epoch, minor); }

// What a level's record says of itself.
json record_json(inspect::Level level, const Place& place) {
  switch (level) {
    case inspect::kPoolLevel: {
      const store::PoolRecord& pool = place.pool->record;
      return {{"used_bytes", pool.used_bytes},
              {"reserved_bytes", pool.reserved_bytes},
              {"newest_epoch", pool.newest_epoch},
              {"destroyed", place.pool->destroyed}};
    }
    case inspect::kContainerLevel:
      return {{"horizon", place.container->record.horizon},
              {"destroyed", place.container->destroyed}};
    case inspect::kObjectLevel:
      return {{"newest_epoch", place.object->record.newest_epoch},
              {"tree_height", place.object->record.dkeys.height}};
    case inspect::kDkeyLevel:
      return {{"bytes", place.dkey->record.units * store::kRefUnit},
              {"tree_height", place.dkey->record.akeys.height}};
    case inspect::kAkeyLevel: {
      const bool array = place.akey->record.kind == static_cast<uint8_t>(store::ValueKind::kArray);
      json result = {{"kind", array ? "array" : "single"}};
      if (array) result["record_size"] = place.akey->record.record_size;
      return result;
    }
    case inspect::kValueLevel:
      break;
  }
  return json::object();
}

// "key value, key value" of a flat document.
std::string flat_text(const json& document) {
  std::string text;
  for (const auto& [key, value] : document.items()) {
    if (value.is_boolean()) {
      if (value.get<bool>()) text += (text.empty() ? "" : ", ") + key;
      continue;
    }
    text += (text.empty() ? "" : ", ") + key + " " +
            (value.is_string() ? value.get<std::string>() : value.dump());
  }
  return text;
}

// --- list

class Lister final : public inspect::PathVisitor {
 public:
  Lister(const inspect::Path& path, const InspectOptions& options)
      : PathVisitor(path), first_level_(path.size()), options_(options) {}

  std::string text;
  json entries = json::array();
  uint64_t left_out = 0;

 private:
  bool entry(const Here& here, const Place& place) override {
    if (here.chosen) return true;
    json record = record_json(here.level, place);
    add(here.level, here.index, kLevelNames[here.level], here.name, std::move(record));
    return options_.recursive;
  }
  void value(const Place&, const FoundVersion& version) override {
    json record = data_json(version.data, version.record.kind);
    record["epoch"] = version.record.epoch;
    record["minor"] = version.record.minor;
    add_value("version", epoch_text(version.record.epoch, version.record.minor), record,
              data_text(version.data, version.record.kind));
  }
  void value(const Place&, const FoundExtent& extent) override {
    json record = data_json(extent.data, extent.record.kind);
    record["epoch"] = extent.record.epoch;
    record["minor"] = extent.record.minor;
    record["index"] = extent.index;
    record["count"] = extent.record.count;
    add_value("extent",
              fmt::format("[{}, {}) epoch {}", extent.index, extent.index + extent.record.count,
                          epoch_text(extent.record.epoch, extent.record.minor)),
              record, data_text(extent.data, extent.record.kind));
  }
  void punched(const Place&, const store::RangePunchRecord& punch) override {
    add_value("punch", fmt::format("[{}, {}) epoch {}", punch.index, punch.end,
                                   epoch_text(punch.epoch, punch.minor)),
              {{"index", punch.index}, {"end", punch.end}, {"epoch", punch.epoch}}, "");
  }
  void punched(const Place& place, const store::PunchRecord& punch) override {
    add_value("punch", epoch_text(punch.epoch, punch.minor),
              {{"epoch", punch.epoch}, {"minor", punch.minor}},
              place.dkey ? "of the dkey" : "of the object");
  }

  bool full() {
    if (entries.size() < options_.limit) return false;
    ++left_out;
    return true;
  }
  void add(inspect::Level level, uint64_t index, const char* kind, const std::string& name,
           json record) {
    if (full()) return;
    text += std::string(2 * (level - first_level_), ' ') +
            fmt::format("[{}] {} {}  {}\n", index, kind, printable(name), flat_text(record));
    record["level"] = level;
    record["type"] = kind;
    record["name"] = name;
    entries.push_back(std::move(record));
  }
  void add_value(const char* kind, const std::string& name, json record, const std::string& what) {
    if (full()) return;
    text += std::string(2 * (inspect::kValueLevel - first_level_), ' ') +
            fmt::format("{} {}  {}\n", kind, name, what);
    record["level"] = static_cast<int>(inspect::kValueLevel);
    record["type"] = kind;
    entries.push_back(std::move(record));
  }

  const size_t first_level_;
  const InspectOptions& options_;
};

// --- dump

std::string hexadecimal(ByteView bytes, uint64_t limit) {
  std::string text;
  const ByteView shown = bytes.first(std::min<uint64_t>(limit, bytes.size()));
  for (size_t at = 0; at < shown.size(); at += 16) {
    const ByteView row = shown.subspan(at, std::min<size_t>(16, shown.size() - at));
    std::string letters;
    text += fmt::format("    {:08x} ", at);
    for (size_t i = 0; i < 16; ++i) {
      text += i < row.size() ? fmt::format(" {:02x}", static_cast<unsigned>(row[i])) : "   ";
      if (i >= row.size()) continue;
      const char letter = static_cast<char>(row[i]);
      letters += letter >= ' ' && letter < 127 ? letter : '.';
    }
    text += "  " + letters + "\n";
  }
  if (shown.size() < bytes.size())
    text += fmt::format("    ({} bytes more)\n", bytes.size() - shown.size());
  return text;
}

std::string plain_hex(ByteView bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

class Dumper final : public inspect::PathVisitor {
 public:
  Dumper(const inspect::Path& path, const InspectOptions& options, const inspect::Image& image)
      : PathVisitor(path), options_(options), image_(image), akey_chosen_(path.size() == 5) {}

  std::string text;
  json document = json::object();

 private:
  bool entry(const Here& here, const Place& place) override {
    if (!here.chosen) return false;
    const auto [ref, bytes] = record_of(here.level, place);
    document = record_json(here.level, place);
    text += fmt::format("{} {} at heap offset {}\n  {}\n", kLevelNames[here.level],
                        printable(here.name), uint64_t{ref} * store::kRefUnit, flat_text(document));
    document["name"] = here.name;
    document["heap_offset"] = uint64_t{ref} * store::kRefUnit;
    if (const auto raw = image_.heap().bytes(uint64_t{ref} * store::kRefUnit, bytes)) {
      text += hexadecimal(*raw, options_.bytes);
      document["hex"] = plain_hex(*raw);
    }
    document["values"] = json::array();
    return here.level == inspect::kAkeyLevel;
  }

  static std::pair<store::Ref, uint64_t> record_of(inspect::Level level, const Place& place) {
    switch (level) {
      case inspect::kPoolLevel: return {place.pool->ref, sizeof(store::PoolRecord)};
      case inspect::kContainerLevel: return {place.container->ref, sizeof(store::ContainerRecord)};
      case inspect::kObjectLevel: return {place.object->ref, sizeof(store::ObjectRecord)};
      case inspect::kDkeyLevel:
        return {place.dkey->ref, sizeof(store::DkeyRecord) + place.dkey->key.size()};
      default: return {place.akey->ref, sizeof(store::AkeyRecord) + place.akey->key.size()};
    }
  }

  void value(const Place&, const FoundVersion& version) override {
    // Newest first: the first at or below the epoch is what a reader there sees.
    if (!akey_chosen_ || (options_.epoch && (shown_ || version.record.epoch > options_.epoch))) return;
    shown_ = true;
    json record = data_json(version.data, version.record.kind);
    record["epoch"] = version.record.epoch;
    record["minor"] = version.record.minor;
    show("version " + epoch_text(version.record.epoch, version.record.minor) + "  " +
             data_text(version.data, version.record.kind),
         version.data, std::move(record));
  }
  void value(const Place&, const FoundExtent& extent) override {
    if (!akey_chosen_ || (options_.epoch && extent.record.epoch > options_.epoch)) return;
    json record = data_json(extent.data, extent.record.kind);
    record["epoch"] = extent.record.epoch;
    record["minor"] = extent.record.minor;
    record["index"] = extent.index;
    record["count"] = extent.record.count;
    show(fmt::format("extent [{}, {}) epoch {}  {}", extent.index,
                     extent.index + extent.record.count,
                     epoch_text(extent.record.epoch, extent.record.minor),
                     data_text(extent.data, extent.record.kind)),
         extent.data, std::move(record));
  }
  void punched(const Place&, const store::RangePunchRecord& punch) override {
    if (akey_chosen_)
      text += fmt::format("  punch [{}, {}) epoch {}\n", punch.index, punch.end,
                          epoch_text(punch.epoch, punch.minor));
  }

  void show(const std::string& title, const FoundData& data, json record) {
    text += "  " + title + "\n";
    Buffer read;
    ByteView bytes = data.bytes;
    if (data.extent.length) {
      // No more than what is shown and one checksum covers.
      read.resize(std::min<uint64_t>(data.length, round_up(options_.bytes, data.format.chunk_bytes)));
      const Result<void> done = image_.read_data(data.extent.offset, read);
      if (!done.ok()) text += "    " + std::string(done.error().text()) + "\n";
      bytes = read;
    }
    const uint64_t words = data.format.words(bytes.size());
    const auto compared =
        std::span(data.checksums).first(std::min<uint64_t>(words, data.checksums.size()));
    if (!compared.empty()) {
      const bool good = inspect::matches(bytes, compared, data.format);
      text += fmt::format("    checksum {:08x}{}: {}\n", compared[0], compared.size() > 1 ? " ..." : "",
                          good ? "matches" : "DOES NOT MATCH");
      record["checksum_matches"] = good;
    }
    text += hexadecimal(bytes, options_.bytes);
    record["hex"] = plain_hex(bytes.first(std::min<uint64_t>(bytes.size(), options_.bytes)));
    document["values"].push_back(std::move(record));
  }

  const InspectOptions& options_;
  const inspect::Image& image_;
  const bool akey_chosen_;
  bool shown_ = false;
};

Error nothing_named(const InspectOptions& options) {
  return Error(Code::kNonexistent, "device " + options.path + ": nothing is there by the name '" +
                                       options.what + "'; `varve inspect list` shows what is");
}

// --- space

class ExtentSizes final : public inspect::Visitor {
 public:
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> counts;  // by power of two: extents, bytes

 private:
  void version(const Place&, const FoundVersion& found) override { add(found.data); }
  void extent(const Place&, const FoundExtent& found) override { add(found.data); }
  void add(const FoundData& data) {
    if (data.extent.length == 0) return;
    auto& [count, bytes] = counts[std::bit_ceil(data.extent.length)];
    ++count;
    bytes += data.extent.length;
  }
};

json histogram(const std::map<uint64_t, std::pair<uint64_t, uint64_t>>& counts, const char* title,
               std::string& text) {
  Table table({std::string(title) + ", up to", "count", "bytes"});
  json rows = json::array();
  for (const auto& [size, each] : counts) {
    table.add({format_bytes(size), std::to_string(each.first), format_bytes(each.second)});
    rows.push_back({{"up_to_bytes", size}, {"count", each.first}, {"bytes", each.second}});
  }
  text += "\n" + table.to_string();
  return rows;
}

json regions(const inspect::Image& image, const inspect::Allocations& allocations, std::string& text) {
  const block::Geometry& geometry = image.geometry();
  Table table({"region", "offset", "size", "in use"});
  json rows = json::array();
  const auto add = [&](const char* name, uint64_t offset, uint64_t size, uint64_t used) {
    table.add({name, std::to_string(offset), format_bytes(size), format_bytes(used)});
    rows.push_back({{"name", name}, {"offset", offset}, {"bytes", size}, {"used_bytes", used}});
  };
  std::map<std::string, uint64_t> used;
  for (const inspect::Region& region : image.regions()) used[region.name] += region.length;
  add("superblocks", 0, block::kSuperblockAreaBytes, used["superblock"]);
  add("journal", geometry.journal_offset, (1 + block::kJournalImagesMax) * block::kPageBytes,
      used["journal"]);
  add("log", geometry.log_offset, geometry.log_bytes, used["log"]);
  add("directory", geometry.directory_offset, geometry.directory_blocks * block::kPageBytes,
      used["directory"]);
  add("table", geometry.table_offset, geometry.table_blocks * block::kPageBytes, used["table"]);
  add("heap", geometry.arena_offset, geometry.arena_bytes, allocations.counts().allocated_bytes);
  add("data", geometry.data_offset, geometry.data_bytes,
      allocations.used_blocks() * block::kPageBytes);
  text += table.to_string();
  return rows;
}

json heap_classes(const inspect::HeapCounts& counts, std::string& text) {
  Table table({"slot", "used", "free", "bytes"});
  json rows = json::array();
  for (unsigned i = 0; i < block::kClassCount; ++i) {
    if (counts.slots[i] == 0) continue;
    const uint64_t slot = block::kSlotBytes[i], used = counts.used_slots[i];
    table.add({std::to_string(slot), std::to_string(used), std::to_string(counts.slots[i] - used),
               format_bytes(used * slot)});
    rows.push_back({{"slot_bytes", slot}, {"used", used}, {"free", counts.slots[i] - used}});
  }
  text += fmt::format("\nheap: {} chunks of 64 KiB, {} free, {} in runs\n{}", counts.chunks,
                      counts.free_chunks, counts.run_chunks, table.to_string());
  return rows;
}

}  // namespace

Result<InspectAnswer> list_store(device::Reader& device, const InspectOptions& options) {
  InspectAnswer answer;
  VARVE_TRY(const inspect::Path path, inspect::Path::parse(options.what));
  VARVE_TRY(const auto image, inspect::Image::load(device, answer.findings));
  inspect::Allocations allocations(*image, answer.findings);
  Lister lister(path, options);
  inspect::StoreWalk(*image, allocations, answer.findings).run(lister);
  if (path.size() > 0 && !lister.found()) return nothing_named(options);
  answer.text = lister.text;
  if (lister.left_out)
    answer.text += fmt::format("({} more: --limit, or name what is above)\n", lister.left_out);
  answer.document = json({{"entries", lister.entries}, {"left_out", lister.left_out}}).dump();
  return answer;
}

Result<InspectAnswer> dump_store(device::Reader& device, const InspectOptions& options) {
  InspectAnswer answer;
  VARVE_TRY(const inspect::Path path, inspect::Path::parse(options.what));
  VARVE_TRY(const auto image, inspect::Image::load(device, answer.findings));
  if (path.size() == 0) {
    const block::Superblock& block = image->superblock();
    answer.text = fmt::format(
        "volume {} of system {}, target {}, format {}\nrevision {}, incarnation {}, {}\nlog tail {}, "
        "sequence {}, must reach {}\n",
        block.volume.to_string(), block.system.to_string(), block.target, block.version,
        block.revision, block.incarnation, block.clean ? "closed in order" : "not closed in order",
        block.log_tail, block.tail_sequence, block.must_reach);
    answer.document = json({{"volume", block.volume.to_string()},
                            {"system", block.system.to_string()},
                            {"target", block.target},
                            {"version", block.version},
                            {"revision", block.revision},
                            {"incarnation", block.incarnation},
                            {"clean", block.clean != 0},
                            {"log_tail", block.log_tail},
                            {"tail_sequence", block.tail_sequence},
                            {"must_reach", block.must_reach}})
                          .dump();
    return answer;
  }
  inspect::Allocations allocations(*image, answer.findings);
  Dumper dumper(path, options, *image);
  inspect::StoreWalk(*image, allocations, answer.findings).run(dumper);
  if (!dumper.found()) return nothing_named(options);
  answer.text = dumper.text;
  answer.document = dumper.document.dump(-1, ' ', false, json::error_handler_t::replace);
  return answer;
}

Result<InspectAnswer> show_space(device::Reader& device, const InspectOptions& options) {
  InspectAnswer answer;
  VARVE_TRY(const auto image, inspect::Image::load(device, answer.findings));
  inspect::Allocations allocations(*image, answer.findings);
  ExtentSizes sizes;
  inspect::StoreWalk(*image, allocations, answer.findings).run(sizes);
  json document;
  document["regions"] = regions(*image, allocations, answer.text);
  document["heap_classes"] = heap_classes(allocations.counts(), answer.text);
  document["extents"] = histogram(sizes.counts, "extents", answer.text);
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> fragments;
  allocations.visit_free([&](uint64_t bytes) {
    auto& [count, total] = fragments[std::bit_ceil(bytes)];
    ++count;
    total += bytes;
  });
  document["free_fragments"] = histogram(fragments, "free fragments", answer.text);
  answer.document = document.dump();
  return answer;
}

}  // namespace varve::command
