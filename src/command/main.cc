// The program `varve`, also installed as `daos` and `dmg`.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "command/context.h"

#ifndef VARVE_VERSION
#define VARVE_VERSION "0.0.0"
#endif

int main(int argc, char** argv) {
  varve::command::Context context;
  CLI::App app("Varve: scale-out object storage. Nouns and verbs are those of daos and dmg.",
               "varve");
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", VARVE_VERSION);
  app.add_flag("-j,--json", context.json, "One JSON document instead of a table");
  app.add_option("--address", context.address,
                 "System endpoint, as tcp://HOST:PORT or local:///PATH (default: $VARVE_ADDRESS, "
                 "else this machine)");
  app.add_option("--timeout-ms", context.timeout_ms, "Deadline of each operation (default 30000)");
  varve::command::add_server_verbs(app, context);
  varve::command::add_system_verbs(app, context);
  varve::command::add_pool_verbs(app, context);
  varve::command::add_container_verbs(app, context);
  varve::command::add_filesystem_verbs(app, context);
  varve::command::add_object_verbs(app, context);
  varve::command::add_inspect_verbs(app, context);
  CLI::App* version = app.add_subcommand("version", "The version of this program");
  version->callback([&context] {
    context.answer("varve " VARVE_VERSION, {{"version", VARVE_VERSION}});
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  return context.status();
}
