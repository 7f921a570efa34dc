// varve system: what the whole of it looks like.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "command/context.h"
#include "command/output.h"

namespace varve::command {
namespace {

Result<void> query(Context& context) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(const pool::SystemInfo info, session->wait(session->query_system()));
  Table table({"rank", "target", "state", "device", "kind", "size", "unreserved", "damage", "address"});
  nlohmann::json targets = nlohmann::json::array();
  for (const pool::TargetInfo& target : info.targets) {
    table.add({std::to_string(info.rank), std::to_string(target.index), target.state, target.device,
               target.device_kind, format_bytes(target.size_bytes),
               format_bytes(target.unreserved_bytes),
               std::to_string(target.integrity.damaged_reads + target.integrity.scrub_errors),
               target.addresses.empty() ? "" : target.addresses.back()});
    targets.push_back({{"index", target.index},
                       {"state", target.state},
                       {"device", target.device},
                       {"device_kind", target.device_kind},
                       {"size_bytes", target.size_bytes},
                       {"unreserved_bytes", target.unreserved_bytes},
                       {"addresses", target.addresses},
                       {"damaged_writes", target.integrity.damaged_writes},
                       {"damaged_reads", target.integrity.damaged_reads},
                       {"scrub_passes", target.integrity.scrub_passes},
                       {"scrubbed_bytes", target.integrity.scrubbed_bytes},
                       {"scrub_errors", target.integrity.scrub_errors}});
  }
  nlohmann::json members = nlohmann::json::array();
  members.push_back({{"rank", info.rank},
                     {"uuid", info.uuid.to_string()},
                     {"state", "joined"},
                     {"addr", info.addresses.empty() ? "" : info.addresses.back()},
                     {"targets", targets}});
  std::string text = "system " + info.name + " (" + info.uuid.to_string() + "), version " +
                     info.version + ", up for " + std::to_string(info.uptime_ms / 1000) + " s\n" +
                     table.to_string();
  context.answer(text, {{"name", info.name},
                        {"uuid", info.uuid.to_string()},
                        {"version", info.version},
                        {"uptime_ms", info.uptime_ms},
                        {"members", members}});
  return {};
}

}  // namespace

void add_system_verbs(CLI::App& app, Context& context) {
  CLI::App* system = app.add_subcommand("system", "The servers and their targets")->alias("sys");
  system->require_subcommand(1);
  set_verb(*system->add_subcommand("query", "Name, version, members and targets")->alias("list"),
           context, query);
}

}  // namespace varve::command
