#include "command/properties.h"

#include <daos_prop.h>
#include <strings.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "command/output.h"

namespace varve::command {
namespace {

enum class Kind { kText, kNumber, kBytes };

// kOff: there is nothing yet that would obey it, so only 0 ("off") may be said.
enum class Setting { kNever, kOff, kAny };

struct Named {
  uint64_t value;
  const char* name;
};
struct Known {
  uint32_t type;
  const char* name;
  const char* description;
  Kind kind = Kind::kNumber;
  Setting setting = Setting::kNever;
  std::vector<Named> values = {};  // where only these are meant
};

const std::vector<Named> kOnOff = {{0, "off"}, {1, "on"}};

const std::vector<Known>& pool_properties() {
  static const std::vector<Known> kKnown = {
      {DAOS_PROP_PO_LABEL, "label", "Pool label", Kind::kText, Setting::kAny},
      {DAOS_PROP_PO_ACL, "acl", "Access control list", Kind::kText},
      {DAOS_PROP_PO_SPACE_RB, "space_rb", "Rebuild space ratio", Kind::kNumber, Setting::kOff},
      {DAOS_PROP_PO_SELF_HEAL, "self_heal", "Self-healing policy", Kind::kNumber, Setting::kOff},
      {DAOS_PROP_PO_RECLAIM,
       "reclaim",
       "Reclaim strategy",
       Kind::kNumber,
       Setting::kAny,
       {{0, "disabled"}, {1, "lazy"}, {4, "time"}}},
      {DAOS_PROP_PO_OWNER, "owner", "Owner", Kind::kText},
      {DAOS_PROP_PO_OWNER_GROUP, "group", "Owner's group", Kind::kText},
      {DAOS_PROP_PO_SVC_LIST, "svc_list", "Pool service replicas", Kind::kText},
      {DAOS_PROP_PO_EC_CELL_SZ, "ec_cell_sz", "Erasure code cell size", Kind::kBytes,
       Setting::kOff},
      {DAOS_PROP_PO_DATA_THRESH, "data_thresh", "Data threshold size", Kind::kBytes, Setting::kAny},
      {DAOS_PROP_PO_REDUN_FAC, "rd_fac", "Pool redundancy factor", Kind::kNumber, Setting::kOff},
      {DAOS_PROP_PO_EC_PDA, "ec_pda", "Performance domain affinity for EC", Kind::kNumber,
       Setting::kOff},
      {DAOS_PROP_PO_RP_PDA, "rp_pda", "Performance domain affinity for RP", Kind::kNumber,
       Setting::kOff},
      {DAOS_PROP_PO_GLOBAL_VERSION, "global_version", "Global version"},
      {DAOS_PROP_PO_UPGRADE_STATUS,
       "upgrade_status",
       "Upgrade status",
       Kind::kNumber,
       Setting::kNever,
       {{0, "not started"}, {1, "in progress"}, {2, "completed"}, {3, "failed"}}},
      {DAOS_PROP_PO_SCRUB_MODE,
       "scrub",
       "Checksum scrubbing mode",
       Kind::kNumber,
       Setting::kAny,
       {{0, "off"}, {1, "lazy"}, {2, "timed"}}},
      {DAOS_PROP_PO_SCRUB_FREQ, "scrub_freq", "Checksum scrubbing frequency, s", Kind::kNumber,
       Setting::kAny},
      {DAOS_PROP_PO_SCRUB_THRESH, "scrub_thresh", "Checksum scrubbing threshold", Kind::kNumber,
       Setting::kAny},
      {DAOS_PROP_PO_SVC_REDUN_FAC, "svc_rf", "Pool service redundancy factor", Kind::kNumber,
       Setting::kOff},
      {DAOS_PROP_PO_OBJ_VERSION, "obj_version", "Pool object version"},
      {DAOS_PROP_PO_PERF_DOMAIN,
       "perf_domain",
       "Pool performance domain",
       Kind::kNumber,
       Setting::kOff,
       {{255, "root"}, {1, "group"}}},
      {DAOS_PROP_PO_CHECKPOINT_MODE,
       "checkpoint",
       "WAL checkpointing behavior",
       Kind::kNumber,
       Setting::kOff,
       {{0, "disabled"}, {1, "timed"}, {2, "lazy"}}},
      {DAOS_PROP_PO_CHECKPOINT_FREQ, "checkpoint_freq", "WAL checkpointing frequency, s",
       Kind::kNumber, Setting::kOff},
      {DAOS_PROP_PO_CHECKPOINT_THRESH, "checkpoint_thresh", "WAL checkpointing usage, %",
       Kind::kNumber, Setting::kOff},
      {DAOS_PROP_PO_REINT_MODE,
       "reintegration",
       "Reintegration mode",
       Kind::kNumber,
       Setting::kOff,
       {{0, "data_sync"}, {1, "no_data_sync"}, {2, "incremental"}}},
      {DAOS_PROP_PO_SVC_OPS_ENABLED, "svc_ops_enabled", "Metadata duplicate operations detection",
       Kind::kNumber, Setting::kOff},
      {DAOS_PROP_PO_SVC_OPS_ENTRY_AGE, "svc_ops_entry_age", "Metadata duplicate detection age, s",
       Kind::kNumber, Setting::kOff},
  };
  return kKnown;
}

const std::vector<Known>& container_properties() {
  static const std::vector<Known> kKnown = {
      {DAOS_PROP_CO_LABEL, "label", "Label", Kind::kText, Setting::kAny},
      {DAOS_PROP_CO_LAYOUT_TYPE,
       "layout_type",
       "Layout Type",
       Kind::kNumber,
       Setting::kNever,
       {{0, "unknown"},
        {1, "POSIX"},
        {2, "HDF5"},
        {3, "PYTHON"},
        {4, "SPARK"},
        {5, "DATABASE"},
        {6, "ROOT"},
        {7, "SEISMIC"},
        {8, "METEO"}}},
      {DAOS_PROP_CO_LAYOUT_VER, "layout_version", "Layout Version"},
      {DAOS_PROP_CO_CSUM,
       "cksum",
       "Checksum",
       Kind::kNumber,
       Setting::kAny,
       {{0, "off"},
        {1, "crc16"},
        {2, "crc32"},
        {3, "crc64"},
        {4, "sha1"},
        {5, "sha256"},
        {6, "sha512"},
        {7, "adler32"}}},
      {DAOS_PROP_CO_CSUM_CHUNK_SIZE, "cksum_size", "Checksum Chunk Size", Kind::kBytes,
       Setting::kAny},
      {DAOS_PROP_CO_CSUM_SERVER_VERIFY, "srv_cksum", "Server Checksumming", Kind::kNumber,
       Setting::kAny, kOnOff},
      {DAOS_PROP_CO_REDUN_FAC,
       "rd_fac",
       "Redundancy Factor",
       Kind::kNumber,
       Setting::kOff,
       {{0, "rd_fac0"}, {1, "rd_fac1"}, {2, "rd_fac2"}, {3, "rd_fac3"}, {4, "rd_fac4"}}},
      {DAOS_PROP_CO_REDUN_LVL,
       "rd_lvl",
       "Redundancy Level",
       Kind::kNumber,
       Setting::kAny,
       {{1, "rank"}, {2, "node"}}},
      {DAOS_PROP_CO_SNAPSHOT_MAX, "max_snapshot", "Max Snapshot", Kind::kNumber, Setting::kAny},
      {DAOS_PROP_CO_ACL, "acl", "Access Control List", Kind::kText},
      {DAOS_PROP_CO_COMPRESS,
       "compression",
       "Compression",
       Kind::kNumber,
       Setting::kOff,
       {{0, "off"},
        {1, "lz4"},
        {2, "deflate"},
        {3, "deflate1"},
        {4, "deflate2"},
        {5, "deflate3"},
        {6, "deflate4"}}},
      {DAOS_PROP_CO_ENCRYPT,
       "encryption",
       "Encryption",
       Kind::kNumber,
       Setting::kOff,
       {{0, "off"},
        {1, "aes-xts128"},
        {2, "aes-xts256"},
        {3, "aes-cbc128"},
        {4, "aes-cbc192"},
        {5, "aes-cbc256"},
        {6, "aes-gcm128"},
        {7, "aes-gcm256"}}},
      {DAOS_PROP_CO_OWNER, "owner", "Owner", Kind::kText},
      {DAOS_PROP_CO_OWNER_GROUP, "group", "Group", Kind::kText},
      {DAOS_PROP_CO_DEDUP,
       "dedup",
       "Deduplication",
       Kind::kNumber,
       Setting::kOff,
       {{0, "off"}, {1, "memcmp"}, {2, "hash"}}},
      {DAOS_PROP_CO_DEDUP_THRESHOLD, "dedup_threshold", "Dedupe Threshold", Kind::kBytes,
       Setting::kOff},
      {DAOS_PROP_CO_STATUS, "status", "Health", Kind::kNumber},
      {DAOS_PROP_CO_ALLOCED_OID, "alloc_oid", "Highest Allocated OID"},
      {DAOS_PROP_CO_EC_CELL_SZ, "ec_cell_sz", "EC Cell Size", Kind::kBytes, Setting::kOff},
      {DAOS_PROP_CO_EC_PDA, "ec_pda", "Performance domain affinity level of EC", Kind::kNumber,
       Setting::kOff},
      {DAOS_PROP_CO_RP_PDA, "rp_pda", "Performance domain affinity level of RP", Kind::kNumber,
       Setting::kOff},
      {DAOS_PROP_CO_GLOBAL_VERSION, "global_version", "Global Version"},
      {DAOS_PROP_CO_SCRUBBER_DISABLED, "scrubber_disabled", "Checksum Scrubbing Disabled",
       Kind::kNumber, Setting::kAny},
      {DAOS_PROP_CO_OBJ_VERSION, "obj_version", "Object Version"},
      {DAOS_PROP_CO_PERF_DOMAIN,
       "perf_domain",
       "Performance Domain Level",
       Kind::kNumber,
       Setting::kOff,
       {{255, "root"}, {1, "group"}}},
  };
  return kKnown;
}

const std::vector<Known>& known_of(Owner owner) {
  return owner == Owner::kPool ? pool_properties() : container_properties();
}

Result<const Known*> find(Owner owner, std::string_view name) {
  if (name == "rf") name = "rd_fac";
  std::string names;
  for (const Known& known : known_of(owner)) {
    if (name == known.name) return &known;
    names += (names.empty() ? "" : ", ") + std::string(known.name);
  }
  return Error(Code::kInvalid,
               "there is no property '" + std::string(name) + "'; these are known: " + names);
}

std::string value_names(const Known& known) {
  std::string names;
  for (const Named& value : known.values)
    names += (names.empty() ? "" : ", ") + std::string(value.name);
  return names;
}

Result<pool::Property> checked(const Known& known, uint64_t number, const std::string& value) {
  if (known.setting == Setting::kOff && number != 0)
    return Error(Code::kNotImplemented, "property '" + std::string(known.name) + "' as '" + value +
                                            "' is not implemented; leave it as it is");
  return pool::Property{known.type, false, number, ""};
}

Result<pool::Property> parse_one(Owner owner, std::string_view pair) {
  const size_t colon = pair.find_first_of(":=");
  if (colon == std::string_view::npos || colon + 1 == pair.size())
    return Error(Code::kInvalid,
                 "property '" + std::string(pair) + "' has no value; write NAME:VALUE");
  const std::string value(pair.substr(colon + 1));
  VARVE_TRY(const Known* known, find(owner, pair.substr(0, colon)));
  if (known->setting == Setting::kNever)
    return Error(Code::kNotSupported,
                 "property '" + std::string(known->name) + "' cannot be set by set-prop or create");
  if (known->kind == Kind::kText) return pool::Property{known->type, true, 0, value};
  for (const Named& named : known->values)
    if (strcasecmp(named.name, value.c_str()) == 0) return checked(*known, named.value, value);
  // Numbers are taken for named values too, where they are one of them.
  const Result<uint64_t> number = parse_bytes(value);
  const auto same = [&](const Named& named) { return number.ok() && named.value == *number; };
  if (!number.ok() ||
      (!known->values.empty() && std::none_of(known->values.begin(), known->values.end(), same)))
    return Error(Code::kInvalid, "property '" + std::string(known->name) + "' cannot be '" + value +
                                     "'; it takes " +
                                     (known->values.empty() ? "a number" : value_names(*known)));
  return checked(*known, *number, value);
}

std::string show(const Known& known, const pool::Property& property) {
  if (property.is_text) return property.text;
  for (const Named& named : known.values)
    if (named.value == property.number) return named.name;
  if (known.kind == Kind::kBytes) return format_bytes(property.number);
  if (known.type == DAOS_PROP_CO_STATUS) {
    const bool clean = ((property.number >> 16) & 0xffff) == DAOS_PROP_CO_HEALTHY;
    return clean ? "HEALTHY" : "UNCLEAN";
  }
  return std::to_string(property.number);
}

}  // namespace

std::vector<std::string> split_at(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

Result<std::vector<pool::Property>> parse_properties(Owner owner, std::string_view text) {
  std::vector<pool::Property> properties;
  for (const std::string& pair : split_at(text, ',')) {
    VARVE_TRY(pool::Property property, parse_one(owner, pair));
    properties.push_back(std::move(property));
  }
  return properties;
}

Result<void> show_properties(Owner owner, const std::vector<pool::Property>& all,
                             std::string_view names, std::string& text, nlohmann::json& rows) {
  std::vector<const Known*> wanted;
  for (const std::string& name : split_at(names, ',')) {
    VARVE_TRY(const Known* known, find(owner, name));
    wanted.push_back(known);
  }
  if (wanted.empty())
    for (const Known& known : known_of(owner)) wanted.push_back(&known);
  Table table({"property", "value", "description"});
  rows = nlohmann::json::array();
  for (const Known* known : wanted) {
    const auto has = [&](const pool::Property& property) { return property.type == known->type; };
    const auto found = std::find_if(all.begin(), all.end(), has);
    if (found == all.end()) continue;
    std::string value = show(*known, *found);
    nlohmann::json row = {{"name", known->name}, {"description", known->description}};
    // Numbers stay numbers for programs, as daos has it.
    row["value"] = value;
    if (!found->is_text && known->values.empty() && known->type != DAOS_PROP_CO_STATUS)
      row["value"] = found->number;
    rows.push_back(std::move(row));
    while (!value.empty() && value.back() == '\n') value.pop_back();
    std::replace(value.begin(), value.end(), '\n', ',');
    table.add({known->name, value, known->description});
  }
  text = table.to_string();
  return {};
}

std::string text_of(const std::vector<pool::Property>& all, uint32_t type) {
  for (const pool::Property& property : all)
    if (property.type == type) return property.text;
  return "";
}

Result<uint64_t> layout_by_name(std::string_view name) {
  for (const Known& known : container_properties()) {
    if (known.type != DAOS_PROP_CO_LAYOUT_TYPE) continue;
    for (const Named& named : known.values)
      if (strcasecmp(named.name, std::string(name).c_str()) == 0) return named.value;
    return Error(Code::kInvalid,
                 "--type " + std::string(name) + " is not known; these are: " + value_names(known));
  }
  return uint64_t{0};
}

}  // namespace varve::command
