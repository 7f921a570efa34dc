// varve pool: space over the targets of a system.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "command/context.h"
#include "command/output.h"

namespace varve::command {
namespace {

nlohmann::json to_json(const pool::PoolInfo& info) {
  nlohmann::json tier = {{"total", info.space.total},
                         {"free", info.space.free},
                         {"min", info.space.target_free_min},
                         {"max", info.space.target_free_max},
                         {"media_type", info.persistent ? "file" : "memory"}};
  return {{"uuid", info.uuid.to_string()},
          {"label", info.label},
          {"svc_ldr", 0},
          {"svc_reps", {0}},
          {"state", "Ready"},
          {"version", info.map_version},
          {"total_targets", info.targets},
          {"active_targets", info.targets - info.targets_disabled},
          {"disabled_targets", info.targets_disabled},
          {"tgt_ranks", {0}},
          {"tier_bytes", {info.space.total}},
          {"tier_stats", {tier}},
          {"containers", info.containers},
          {"owner_uid", info.owner_uid},
          {"owner_gid", info.owner_gid},
          {"persistent", info.persistent}};
}

std::string describe(const pool::PoolInfo& info) {
  std::string text = "pool " + info.label + " (" + info.uuid.to_string() + ")\n";
  text += "  space: " + format_bytes(info.space.free) + " free of " +
          format_bytes(info.space.total) + ", the fullest target has " +
          format_bytes(info.space.target_free_min) + " left\n";
  text += "  targets: " + std::to_string(info.targets) +
          ", disabled: " + std::to_string(info.targets_disabled) + ", map version " +
          std::to_string(info.map_version) + "\n";
  text += "  containers: " + std::to_string(info.containers) + "\n";
  if (!info.persistent) text += "  on memory devices: nothing survives the server's end\n";
  return text;
}

struct CreateArguments {
  std::string label, size;
};

Result<void> create(Context& context, const CreateArguments& arguments) {
  pool::CreatePool request;
  request.label = arguments.label;
  if (!arguments.size.empty() && arguments.size.back() == '%') {
    char* end = nullptr;
    const unsigned long percent = std::strtoul(arguments.size.c_str(), &end, 10);
    if (*end != '%' || percent < 1 || percent > 100)
      return Error(Code::kInvalid, "--size " + arguments.size + ": a percentage is 1% to 100%");
    request.percent = static_cast<uint32_t>(percent);
  } else {
    VARVE_TRY(request.bytes, parse_bytes(arguments.size));
  }
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(const pool::PoolInfo info, session->wait(session->create_pool(std::move(request))));
  context.answer("created " + describe(info), to_json(info));
  return {};
}

Result<void> list(Context& context) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(const std::vector<pool::PoolInfo> pools, session->wait(session->list_pools()));
  Table table({"label", "uuid", "size", "free", "targets", "containers"});
  nlohmann::json rows = nlohmann::json::array();
  for (const pool::PoolInfo& info : pools) {
    table.add({info.label, info.uuid.to_string(), format_bytes(info.space.total),
               format_bytes(info.space.free), std::to_string(info.targets),
               std::to_string(info.containers)});
    rows.push_back(to_json(info));
  }
  context.answer(pools.empty() ? "no pools; make one with: varve pool create LABEL --size 8GiB"
                               : table.to_string(),
                 {{"pools", rows}});
  return {};
}

Result<void> query(Context& context, const std::string& name) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(const pool::QueryPoolReply reply, session->wait(session->query_pool(name)));
  context.answer(describe(reply.info), to_json(reply.info));
  return {};
}

Result<void> destroy(Context& context, const std::string& name, bool force, bool recursive) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_CHECK(session->wait(session->destroy_pool(name, force, recursive)));
  context.answer("destroyed pool " + name, nullptr);
  return {};
}

Result<void> get_properties(Context& context, const std::string& name) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(const std::vector<pool::Property> properties,
            session->wait(session->pool_properties(name)));
  Table table({"property", "value"});
  nlohmann::json rows = nlohmann::json::array();
  for (const pool::Property& property : properties) {
    const std::string value = property.is_text ? property.text : std::to_string(property.number);
    table.add({std::to_string(property.type), value});
    rows.push_back({{"type", property.type}, {"value", value}});
  }
  context.answer(table.to_string(), rows);
  return {};
}

Result<void> list_containers(Context& context, const std::string& name) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(client::Pool pool, context.pool(name, 1));
  VARVE_TRY(const auto containers, session->wait(session->list_containers(pool)));
  Table table({"label", "uuid", "type"});
  nlohmann::json rows = nlohmann::json::array();
  for (const container::ContainerInfo& info : containers) {
    table.add({info.label, info.uuid.to_string(), info.type});
    rows.push_back({{"uuid", info.uuid.to_string()}, {"label", info.label}, {"type", info.type}});
  }
  context.answer(table.to_string(), rows);
  return {};
}

}  // namespace

void add_pool_verbs(CLI::App& app, Context& context) {
  CLI::App* pool = app.add_subcommand("pool", "Pools: reserved space over targets");
  pool->require_subcommand(1);
  {
    auto arguments = std::make_shared<CreateArguments>();
    CLI::App* verb =
        pool->add_subcommand("create", "Reserve space; done in a moment whatever the size");
    verb->add_option("label", arguments->label, "The pool's name")->required();
    verb->add_option("-z,--size", arguments->size,
                     "Of the whole pool: 8GiB, or 50% of what is unreserved")
        ->required();
    set_verb(*verb, context, [arguments](Context& c) { return create(c, *arguments); });
  }
  set_verb(*pool->add_subcommand("list", "All pools")->alias("ls"), context, list);
  auto name = std::make_shared<std::string>();
  const auto named = [&](const char* verb, const char* text) {
    CLI::App* made = pool->add_subcommand(verb, text);
    made->add_option("pool", *name, "Label or UUID")->required();
    return made;
  };
  set_verb(*named("query", "Space, targets, state"), context,
           [name](Context& c) { return query(c, *name); });
  set_verb(*named("get-prop", "Properties"), context,
           [name](Context& c) { return get_properties(c, *name); });
  set_verb(*named("list-containers", "Its containers")->alias("list-cont"), context,
           [name](Context& c) { return list_containers(c, *name); });
  auto force = std::make_shared<bool>(false);
  auto recursive = std::make_shared<bool>(false);
  CLI::App* verb = named("destroy", "Give the space back; all data in it is lost");
  verb->add_flag("-f,--force", *force, "Though it is in use");
  verb->add_flag("-r,--recursive", *recursive, "With its containers");
  set_verb(*verb, context, [=](Context& c) { return destroy(c, *name, *force, *recursive); });
}

}  // namespace varve::command
