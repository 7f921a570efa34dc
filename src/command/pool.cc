// varve pool: space over the targets of a system.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "command/context.h"
#include "command/output.h"
#include "command/properties.h"
#include "command/settings.h"

namespace varve::command {
namespace {

nlohmann::json to_json(const pool::PoolInfo& info) {
  const uint64_t mean = info.targets ? info.space.free / info.targets : 0;
  nlohmann::json tier = {
      {"total", info.space.total},         {"mean", mean},
      {"free", info.space.free},           {"min", info.space.target_free_min},
      {"max", info.space.target_free_max}, {"media_type", info.persistent ? "file" : "memory"}};
  return {
      {"uuid", info.uuid.to_string()},
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
      {"total_engines", 1},
      {"rebuild",
       {{"status", 0}, {"state", "idle"}, {"objects", 0}, {"records", 0}, {"total_objects", 0}}},
      {"enabled_ranks", nullptr},
      {"disabled_ranks", nullptr},
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
  std::string label, size, scm, nvme, properties;
  uint32_t ranks = 1;
};

// dmg's --scm-size and --nvme-size are a rank's, and Varve has one tier and one rank: their sum.
Result<void> add_sizes(const CreateArguments& arguments, pool::CreatePool& request) {
  if (arguments.size.empty() == (arguments.scm.empty() && arguments.nvme.empty()))
    return Error(Code::kInvalid,
                 "say how large the pool is: by --size 8GiB, by --size 50%, or by "
                 "--scm-size and --nvme-size");
  if (arguments.ranks != 1)
    return Error(Code::kNotImplemented, "--nranks " + std::to_string(arguments.ranks) +
                                            ": pools over several ranks are not implemented");
  for (const std::string& part : {arguments.scm, arguments.nvme}) {
    if (part.empty()) continue;
    VARVE_TRY(const uint64_t bytes, parse_bytes(part));
    request.bytes += bytes;
  }
  return {};
}

Result<void> create(Context& context, const CreateArguments& arguments) {
  pool::CreatePool request;
  request.label = arguments.label;
  VARVE_TRY(request.properties, parse_properties(Owner::kPool, arguments.properties));
  VARVE_CHECK(add_sizes(arguments, request));
  if (!arguments.size.empty() && arguments.size.back() == '%') {
    char* end = nullptr;
    const unsigned long percent = std::strtoul(arguments.size.c_str(), &end, 10);
    if (*end != '%' || percent < 1 || percent > 100)
      return Error(Code::kInvalid, "--size " + arguments.size + ": a percentage is 1% to 100%");
    request.percent = static_cast<uint32_t>(percent);
  } else if (!arguments.size.empty()) {
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

struct PropertyArguments {
  std::string pool, properties;
};

Result<void> get_properties(Context& context, const PropertyArguments& arguments) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(const std::vector<pool::Property> properties,
            session->wait(session->pool_properties(arguments.pool)));
  std::string text;
  nlohmann::json rows;
  VARVE_CHECK(show_properties(Owner::kPool, properties, arguments.properties, text, rows));
  context.answer(text, rows);
  return {};
}

Result<void> set_properties(Context& context, const PropertyArguments& arguments) {
  VARVE_TRY(auto properties, parse_properties(Owner::kPool, arguments.properties));
  VARVE_TRY(client::Session * session, context.session());
  VARVE_CHECK(session->wait(session->set_pool_properties(arguments.pool, std::move(properties))));
  context.answer("set " + arguments.properties + " of pool " + arguments.pool, nullptr);
  return {};
}

// A pool's targets, as `dmg pool query-targets` has them.
Result<void> query_targets(Context& context, const std::string& name) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(const pool::QueryPoolReply reply, session->wait(session->query_pool(name)));
  VARVE_TRY(const pool::SystemInfo system, session->wait(session->query_system()));
  Table table({"target", "state", "kind", "size", "unreserved"});
  nlohmann::json rows = nlohmann::json::array();
  for (const pool::TargetInfo& target : system.targets) {
    table.add({std::to_string(target.index), target.state, target.device_kind,
               format_bytes(target.size_bytes), format_bytes(target.unreserved_bytes)});
    rows.push_back(
        {{"disk_type", target.device_kind},
         {"target_state", target.state},
         {"device_info", nlohmann::json::array({{{"total", target.size_bytes},
                                                 {"free", target.unreserved_bytes},
                                                 {"media_type", target.device_kind}}})}});
  }
  context.answer("pool " + reply.info.label + "\n" + table.to_string(),
                 {{"status", 0}, {"infos", rows}});
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
                     "Of the whole pool: 8GiB, or 50% of what is unreserved");
    verb->add_option("-s,--scm-size", arguments->scm, "The first part of a rank's size");
    verb->add_option("-n,--nvme-size", arguments->nvme, "The second part of a rank's size");
    verb->add_option("-k,--nranks", arguments->ranks, "Over how many ranks; 1");
    verb->add_option("-P,--properties", arguments->properties, "NAME:VALUE,...");
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
  set_verb(*named("query-targets", "The targets under it"), context,
           [name](Context& c) { return query_targets(c, *name); });
  set_verb(*named("list-containers", "Its containers")->alias("list-cont")->alias("list-conts"),
           context, [name](Context& c) { return list_containers(c, *name); });
  auto properties = std::make_shared<PropertyArguments>();
  CLI::App* get = pool->add_subcommand("get-prop", "Show properties");
  get->add_option("pool", properties->pool, "Label or UUID")->required();
  get->add_option("properties", properties->properties, "NAME,...; all, if left out");
  set_verb(*get, context, [=](Context& c) { return get_properties(c, *properties); });
  CLI::App* set = pool->add_subcommand("set-prop", "Set properties");
  set->add_option("pool", properties->pool, "Label or UUID")->required();
  set->add_option("properties", properties->properties, "NAME:VALUE,...")->required();
  set_verb(*set, context, [=](Context& c) { return set_properties(c, *properties); });
  const auto maker = [pool](std::string& to) {
    return [pool, &to](const char* verb, const char* text) {
      CLI::App* made = pool->add_subcommand(verb, text);
      made->add_option("pool", to, "Label or UUID")->required();
      return made;
    };
  };
  auto attributes = std::make_shared<AttributeArguments>();
  add_attribute_verbs(context, maker(attributes->pool), attributes);
  auto acl = std::make_shared<AclArguments>();
  add_acl_verbs(context, maker(acl->pool), acl);
  auto force = std::make_shared<bool>(false);
  auto recursive = std::make_shared<bool>(false);
  CLI::App* verb = named("destroy", "Give the space back; all data in it is lost");
  verb->add_flag("-f,--force", *force, "Though it is in use");
  verb->add_flag("-r,--recursive", *recursive, "With its containers");
  set_verb(*verb, context, [=](Context& c) { return destroy(c, *name, *force, *recursive); });
}

}  // namespace varve::command
