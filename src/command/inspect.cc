// varve inspect: devices of servers that are down, looked at from outside. Nothing is ever written to one.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "command/context.h"
#include "command/inspect.h"
#include "command/output.h"
#include "inspect/verify.h"

namespace varve::command {
namespace {

using inspect::Finding;
using inspect::Findings;
using inspect::Severity;
using nlohmann::json;

constexpr int kAttempts = 5;

// Runs `look` until the device did not change meanwhile.
template <class T>
Result<T> look_at(const InspectOptions& options,
                  const std::function<Result<T>(device::Reader&)>& look) {
  const auto sharing = options.force_read ? device::Sharing::kWithUser : device::Sharing::kAlone;
  auto device = device::open_for_reading(options.path, sharing);
  if (device.code() == Code::kBusy)
    return Error(Code::kBusy, std::string(device.error().text()) +
                                  ", or read it all the same with --force-read");
  if (!device.ok()) return std::move(device.error());
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const Result<uint64_t> before = inspect::generation_of(**device);
    Result<T> seen = look(**device);
    if (!options.force_read) return seen;
    const Result<uint64_t> after = inspect::generation_of(**device);
    if (before.ok() && after.ok() && *before == *after) return seen;
  }
  return Error(Code::kBusy, "device " + options.path + ": its server writes a checkpoint at every look; "
                            "try again, or stop it");
}

const char* severity_name(Severity severity) {
  switch (severity) {
    case Severity::kNote: return "note";
    case Severity::kDoubt: return "doubt";
    case Severity::kDamage: return "damage";
  }
  return "";
}

json findings_json(const Findings& findings) {
  json list = json::array();
  for (const Finding& finding : findings.all())
    list.push_back({{"severity", severity_name(finding.severity)},
                    {"where", finding.where},
                    {"what", finding.what}});
  return list;
}

std::string findings_text(const Findings& findings, Severity least) {
  std::string text;
  for (const Severity severity : {Severity::kDamage, Severity::kDoubt, Severity::kNote}) {
    if (severity < least) break;
    uint64_t shown = 0;
    for (const Finding& finding : findings.all()) {
      if (finding.severity != severity) continue;
      ++shown;
      text += fmt::format("{}: {}: {}\n", severity_name(severity), finding.where, finding.what);
    }
    if (findings.count(severity) > shown)
      text += fmt::format("{}: {} more\n", severity_name(severity), findings.count(severity) - shown);
  }
  return text;
}

// --- verify

json verified_json(const inspect::Verified& verified) {
  const Findings& findings = verified.findings;
  return {{"damage", findings.count(Severity::kDamage)},
          {"doubts", findings.count(Severity::kDoubt)},
          {"notes", findings.count(Severity::kNote)},
          {"findings", findings_json(findings)},
          {"pools", verified.pools},
          {"containers", verified.containers},
          {"objects", verified.objects},
          {"dkeys", verified.dkeys},
          {"akeys", verified.akeys},
          {"versions", verified.versions},
          {"extents", verified.extents},
          {"punches", verified.punches},
          {"checksums_compared", verified.checksums},
          {"data_bytes_read", verified.data_bytes},
          {"system_keys", verified.system_keys},
          {"log_groups", verified.log.groups},
          {"log_records", verified.log.records},
          {"heap_bytes", verified.use.heap_bytes},
          {"heap_bytes_max", verified.use.heap_bytes_max},
          {"extent_bytes", verified.use.extent_bytes},
          {"extent_bytes_max", verified.use.extent_bytes_max}};
}

std::string counts_text(const inspect::Verified& verified, bool data) {
  return fmt::format(
      "pools {}, containers {}, objects {}, dkeys {}, akeys {}, versions {}, extents {}, punches {}\n"
      "checksums of values compared: {}{}\n",
      verified.pools, verified.containers, verified.objects, verified.dkeys, verified.akeys,
      verified.versions, verified.extents, verified.punches, verified.checksums,
      data ? "" : " (those of extents only with --data)");
}

Result<void> verify(Context& context, const InspectOptions& options) {
  const std::function<Result<inspect::Verified>(device::Reader&)> look =
      [&](device::Reader& device) { return inspect::verify(device, {options.data}); };
  VARVE_TRY(const inspect::Verified verified, look_at<inspect::Verified>(options, look));
  const Findings& findings = verified.findings;
  const std::string verdict =
      findings.count(Severity::kDamage)  ? "DAMAGED: restore this target from its replicas"
      : findings.count(Severity::kDoubt) ? "sound, if power failed there; otherwise damaged"
                                         : "sound";
  const std::string held =
      verified.system_keys ? fmt::format("{} keys of the services\n", verified.system_keys)
                           : counts_text(verified, options.data);
  context.answer(
      findings_text(findings, Severity::kNote) + held +
          fmt::format("{} log groups with {} records to replay\nheap {} of {}, extents {} of {}\n{}: {}\n",
                      verified.log.groups, verified.log.records,
                      format_bytes(verified.use.heap_bytes),
                      format_bytes(verified.use.heap_bytes_max),
                      format_bytes(verified.use.extent_bytes),
                      format_bytes(verified.use.extent_bytes_max), options.path, verdict),
      verified_json(verified));
  if (!findings.clean()) context.set_status(2);
  return {};
}

// --- log

struct LogListing {
  std::string text;
  json groups = json::array();
};

json entry_json(const block::LogEntry& entry) {
  static constexpr const char* kKinds[] = {"heap", "data", "released"};
  return {{"kind", kKinds[entry.kind]}, {"offset", entry.offset}, {"length", entry.length}};
}

Result<LogListing> list_log(device::Reader& device, const InspectOptions& options) {
  LogListing listing;
  Findings findings;
  VARVE_TRY(const auto image, inspect::Image::load(device, findings));
  Table table({"group", "position", "incarnation", "length", "records", "durable"});
  std::string entries;
  const auto visit = [&](const block::GroupHeader& header, ByteView group) -> Result<void> {
    json row = {{"sequence", header.sequence},       {"position", header.position},
                {"incarnation", header.incarnation}, {"length", header.length},
                {"records", header.records},         {"durable", header.durable}};
    table.add({std::to_string(header.sequence), std::to_string(header.position),
               std::to_string(header.incarnation), std::to_string(header.length),
               std::to_string(header.records), std::to_string(header.durable)});
    if (options.entries) {
      row["entries"] = json::array();
      entries += fmt::format("group {}:\n", header.sequence);
      VARVE_CHECK(block::visit_entries(group, [&](const block::LogEntry& entry) -> Result<void> {
        const json one = entry_json(entry);
        entries += fmt::format("  {:8} {:>12} +{}\n", one["kind"].get<std::string>(), entry.offset,
                               entry.length);
        row["entries"].push_back(one);
        return {};
      }));
    }
    if (listing.groups.size() < options.limit) listing.groups.push_back(row);
    return {};
  };
  Findings again;
  VARVE_TRY(const inspect::LogScan scan,
            inspect::scan_log(device, image->superblock(), image->superblock().must_reach, again, visit));
  listing.text = table.to_string() + entries +
                 fmt::format("{} groups, {} records, from position {} to {}, of {}\n", scan.groups,
                             scan.records, image->superblock().log_tail, scan.end.position,
                             format_bytes(image->geometry().log_bytes)) +
                 findings_text(findings, Severity::kDoubt);
  return listing;
}

Result<void> log(Context& context, const InspectOptions& options) {
  const std::function<Result<LogListing>(device::Reader&)> look = [&](device::Reader& device) {
    return list_log(device, options);
  };
  VARVE_TRY(const LogListing listing, look_at<LogListing>(options, look));
  context.answer(listing.text, {{"groups", listing.groups}});
  return {};
}

// --- the verbs that walk

template <class Look>
Result<void> walk(Context& context, const InspectOptions& options, Look look) {
  const std::function<Result<InspectAnswer>(device::Reader&)> one = [&](device::Reader& device) {
    return look(device, options);
  };
  VARVE_TRY(const InspectAnswer answer, look_at<InspectAnswer>(options, one));
  json response = json::parse(answer.document);
  response["findings"] = findings_json(answer.findings);
  context.answer(answer.text + findings_text(answer.findings, Severity::kDoubt), response);
  return {};
}

}  // namespace

void add_inspect_verbs(CLI::App& app, Context& context) {
  const auto options = std::make_shared<InspectOptions>();
  CLI::App* inspect = app.add_subcommand(
      "inspect", "Look at a device file or block device whose server is down; never writes");
  inspect->require_subcommand(1);
  inspect->fallthrough();
  inspect->add_flag("--force-read", options->force_read,
                    "Read a device that a server has open: what is shown is of one moment, but values in "
                    "extents may be overwritten as they are read");
  const auto verb = [&](const char* name, const char* help) {
    CLI::App* one = inspect->add_subcommand(name, help);
    one->add_option("device", options->path, "File or block device")->required();
    return one;
  };
  const auto what = [&](CLI::App* one) {
    one->add_option("what", options->what,
                    "pool/container/object/dkey/akey or the beginning of that, each by name or as [N]");
  };
  CLI::App* list = verb("list", "What the store holds, a level below what is named");
  what(list);
  list->add_flag("-r,--recursive", options->recursive, "All levels, down to versions and extents");
  list->add_option("--limit", options->limit, "Entries shown at most")->capture_default_str();
  set_verb(*list, context, [options](Context& at) { return walk(at, *options, list_store); });
  CLI::App* dump = verb("dump", "One record, or an akey's values, decoded and in hexadecimal");
  what(dump);
  dump->add_option("--epoch", options->epoch, "Values as of this epoch (default: all versions)");
  dump->add_option("--bytes", options->bytes, "Bytes shown of each value")->capture_default_str();
  set_verb(*dump, context, [options](Context& at) { return walk(at, *options, dump_store); });
  CLI::App* check = verb("verify", "Everything against everything; exit status 2 if something is wrong");
  check->add_flag("--data", options->data, "Values in extents against their checksums, too");
  set_verb(*check, context, [options](Context& at) { return verify(at, *options); });
  set_verb(*verb("space", "What is where on the device, and how full"), context,
           [options](Context& at) { return walk(at, *options, show_space); });
  CLI::App* groups = verb("log", "The groups of the log that opening would replay");
  groups->add_flag("--entries", options->entries, "What each group changes");
  groups->add_option("--limit", options->limit, "Groups in JSON at most")->capture_default_str();
  set_verb(*groups, context, [options](Context& at) { return log(at, *options); });
}

}  // namespace varve::command
