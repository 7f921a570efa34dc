// varve container: a pool's object namespaces.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <daos.h>
#include <daos_fs.h>

#include "command/context.h"
#include "command/output.h"

namespace varve::command {
namespace {

struct Arguments {
  std::string pool, container, type, attribute, value;
  bool force = false;
};

nlohmann::json to_json(const container::ContainerInfo& info) {
  return {{"container_uuid", info.uuid.to_string()},
          {"uuid", info.uuid.to_string()},
          {"container_label", info.label},
          {"label", info.label},
          {"container_type", info.type},
          {"num_handles", info.handles},
          {"num_snapshots", info.snapshots},
          {"open_time", info.opened_ns},
          {"close_modify_time", info.modified_ns}};
}

std::string describe(const container::ContainerInfo& info) {
  return "container " + info.label + " (" + info.uuid.to_string() + "), type " + info.type +
         "\n  created " + format_time(info.created_ns) + ", open handles " +
         std::to_string(info.handles) + ", snapshots " + std::to_string(info.snapshots) + "\n";
}

Result<void> create_posix(Context& context, const Arguments& arguments) {
  export_environment(context);
  if (const int failed = daos_init())
    return Error(code_from(-failed), "the client library does not start");
  daos_handle_t pool{};
  if (const int failed =
          daos_pool_connect(arguments.pool.c_str(), nullptr, DAOS_PC_RW, &pool, nullptr, nullptr))
    return Error(code_from(-failed), "pool '" + arguments.pool + "' cannot be connected");
  uuid_t uuid;
  const int failed = dfs_cont_create_with_label(pool, arguments.container.c_str(), nullptr, &uuid,
                                                nullptr, nullptr);
  daos_pool_disconnect(pool, nullptr);
  daos_fini();
  if (failed == EEXIST)
    return Error(Code::kExists, "container '" + arguments.container + "' exists in pool '" +
                                    arguments.pool + "'; take another name");
  if (failed)
    return Error(Code::kMiscellaneous, std::string("POSIX container: ") + std::strerror(failed));
  return {};
}

Result<void> create(Context& context, const Arguments& arguments) {
  VARVE_TRY(client::Session * session, context.session());
  if (arguments.type == "POSIX" || arguments.type == "posix") {
    VARVE_CHECK(create_posix(context, arguments));
    VARVE_TRY(client::Pool pool, context.pool(arguments.pool));
    VARVE_TRY(const auto info, session->wait(session->query_container(pool, arguments.container)));
    context.answer("created " + describe(info), to_json(info));
    return {};
  }
  if (!arguments.type.empty())
    return Error(Code::kNotImplemented,
                 "--type " + arguments.type + " is not known; leave it out, or take POSIX");
  VARVE_TRY(client::Pool pool, context.pool(arguments.pool));
  container::CreateContainer request;
  request.label = arguments.container;
  VARVE_TRY(const auto info, session->wait(session->create_container(pool, std::move(request))));
  context.answer("created " + describe(info), to_json(info));
  return {};
}

Result<void> list(Context& context, const Arguments& arguments) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(client::Pool pool, context.pool(arguments.pool, 1));
  VARVE_TRY(const auto containers, session->wait(session->list_containers(pool)));
  Table table({"label", "uuid", "type", "created", "snapshots"});
  nlohmann::json rows = nlohmann::json::array();
  for (const container::ContainerInfo& info : containers) {
    table.add({info.label, info.uuid.to_string(), info.type, format_time(info.created_ns),
               std::to_string(info.snapshots)});
    rows.push_back(to_json(info));
  }
  context.answer(table.to_string(), rows);
  return {};
}

Result<void> query(Context& context, const Arguments& arguments) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(client::Pool pool, context.pool(arguments.pool, 1));
  VARVE_TRY(const auto info, session->wait(session->query_container(pool, arguments.container)));
  context.answer(describe(info), to_json(info));
  return {};
}

Result<void> destroy(Context& context, const Arguments& arguments) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(client::Pool pool, context.pool(arguments.pool));
  VARVE_CHECK(
      session->wait(session->destroy_container(pool, arguments.container, arguments.force)));
  context.answer("destroyed container " + arguments.container, nullptr);
  return {};
}

Result<void> attributes(Context& context, const Arguments& arguments, pool::AttributeVerb verb) {
  VARVE_TRY(client::Session * session, context.session());
  const bool reads = verb == pool::AttributeVerb::kGet || verb == pool::AttributeVerb::kList;
  VARVE_TRY(client::Container open,
            context.container(arguments.pool, arguments.container, reads ? 1 : 2));
  std::vector<pool::Attribute> wanted;
  if (verb != pool::AttributeVerb::kList) {
    const ByteView bytes = as_bytes(arguments.value);
    wanted.push_back({arguments.attribute, Buffer(bytes.begin(), bytes.end()), false});
  }
  VARVE_TRY(const auto found,
            session->wait(session->container_attributes(open, verb, std::move(wanted))));
  VARVE_CHECK(session->wait(session->close_container(open)));
  if (verb == pool::AttributeVerb::kGet && (found.empty() || !found[0].found))
    return Error(Code::kNonexistent, "container '" + arguments.container + "' has no attribute '" +
                                         arguments.attribute + "'");
  Table table({"attribute", "value"});
  nlohmann::json rows = nlohmann::json::array();
  for (const pool::Attribute& attribute : found) {
    const std::string value(as_text(attribute.value));
    table.add({attribute.name, value});
    rows.push_back({{"name", attribute.name}, {"value", value}});
  }
  context.answer(found.empty() ? "" : table.to_string(), rows);
  return {};
}

}  // namespace

void add_container_verbs(CLI::App& app, Context& context) {
  CLI::App* noun =
      app.add_subcommand("container", "Containers: object namespaces of a pool")->alias("cont");
  noun->require_subcommand(1);
  auto arguments = std::make_shared<Arguments>();
  const auto with_pool = [&](const char* verb, const char* text) {
    CLI::App* made = noun->add_subcommand(verb, text);
    made->add_option("pool", arguments->pool, "Label or UUID of the pool")->required();
    return made;
  };
  const auto with_container = [&](const char* verb, const char* text) {
    CLI::App* made = with_pool(verb, text);
    made->add_option("container", arguments->container, "Label or UUID of the container")
        ->required();
    return made;
  };
  CLI::App* verb = with_container("create", "A new container");
  verb->add_option("--type", arguments->type,
                   "POSIX for files; nothing for objects and key-values");
  set_verb(*verb, context, [=](Context& c) { return create(c, *arguments); });
  set_verb(*with_pool("list", "All containers of a pool")->alias("ls"), context,
           [=](Context& c) { return list(c, *arguments); });
  set_verb(*with_container("query", "One container")->alias("stat"), context,
           [=](Context& c) { return query(c, *arguments); });
  verb = with_container("destroy", "All data in it is lost");
  verb->add_flag("-f,--force", arguments->force, "Though it is open somewhere");
  set_verb(*verb, context, [=](Context& c) { return destroy(c, *arguments); });
  verb = with_container("set-attr", "Set a user attribute");
  verb->add_option("attribute", arguments->attribute)->required();
  verb->add_option("value", arguments->value)->required();
  set_verb(*verb, context,
           [=](Context& c) { return attributes(c, *arguments, pool::AttributeVerb::kSet); });
  verb = with_container("get-attr", "Show a user attribute");
  verb->add_option("attribute", arguments->attribute)->required();
  set_verb(*verb, context,
           [=](Context& c) { return attributes(c, *arguments, pool::AttributeVerb::kGet); });
  verb = with_container("del-attr", "Delete a user attribute");
  verb->add_option("attribute", arguments->attribute)->required();
  set_verb(*verb, context,
           [=](Context& c) { return attributes(c, *arguments, pool::AttributeVerb::kDelete); });
  set_verb(*with_container("list-attrs", "All user attributes")->alias("list-attr"), context,
           [=](Context& c) { return attributes(c, *arguments, pool::AttributeVerb::kList); });
  add_snapshot_verbs(*noun, context);
}

}  // namespace varve::command
