// varve container: a pool's object namespaces.
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <nlohmann/json.hpp>

#include "command/context.h"
#include "command/output.h"
#include "command/properties.h"
#include "command/settings.h"
#include "container/state.h"
#include "posix/file_system.h"

namespace varve::command {
namespace {

struct Arguments {
  std::string pool, container, type, properties, chunk_size, file_class, directory_class, hints;
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

Result<uint32_t> class_number(const std::string& name) {
  if (name.empty()) return uint32_t{0};
  VARVE_TRY(const placement::ObjectClass found, placement::class_by_name(name));
  return found.id;
}

Result<posix::FormatOptions> format_options(const Arguments& arguments) {
  posix::FormatOptions options;
  if (!arguments.chunk_size.empty()) {
    VARVE_TRY(options.chunk_bytes, parse_bytes(arguments.chunk_size));
  }
  VARVE_TRY(options.file_class, class_number(arguments.file_class));
  VARVE_TRY(options.directory_class, class_number(arguments.directory_class));
  options.hints = arguments.hints;
  options.uid = ::geteuid();
  options.gid = ::getegid();
  return options;
}

// A file system in a container that was just made; without one the container goes again.
Result<void> make_file_system(Context& context, const Arguments& arguments,
                              const client::Pool& pool, const std::string& name) {
  VARVE_TRY(client::Session * session, context.session());
  const auto work = [&]() -> Result<void> {
    VARVE_TRY(const posix::FormatOptions options, format_options(arguments));
    VARVE_TRY(const client::Container open, session->wait(session->open_container(pool, name, 2)));
    Result<void> formatted = session->wait(posix::FileSystem::format(*session, open, options));
    VARVE_CHECK(session->wait(session->close_container(open)));
    return formatted;
  };
  Result<void> done = work();
  if (!done) (void)session->wait(session->destroy_container(pool, name, true));
  return done;
}

Result<void> create(Context& context, const Arguments& arguments) {
  container::CreateContainer request;
  request.label = arguments.container;
  uint64_t layout = 0;
  if (!arguments.type.empty()) {
    VARVE_TRY(layout, layout_by_name(arguments.type));
  }
  const bool files = layout == 1;
  if (!files &&
      !(arguments.chunk_size + arguments.file_class + arguments.directory_class + arguments.hints)
           .empty())
    return Error(Code::kInvalid,
                 "--chunk-size, --oclass, --file-oclass, --dir-oclass and --hints "
                 "are for containers of --type POSIX");
  VARVE_CHECK(format_options(arguments));
  VARVE_TRY(request.properties, parse_properties(Owner::kContainer, arguments.properties));
  if (layout)
    request.properties.push_back(pool::Property{container::kPropertyLayoutType, false, layout, ""});
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(const client::Pool pool, context.pool(arguments.pool));
  VARVE_TRY(auto info, session->wait(session->create_container(pool, std::move(request))));
  if (files) VARVE_CHECK(make_file_system(context, arguments, pool, info.uuid.to_string()));
  context.answer("created " + describe(info), to_json(info));
  return {};
}

Result<void> get_properties(Context& context, const Arguments& arguments) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(const client::Pool pool, context.pool(arguments.pool, 1));
  VARVE_TRY(const auto info, session->wait(session->query_container(pool, arguments.container)));
  std::string text;
  nlohmann::json rows;
  VARVE_CHECK(
      show_properties(Owner::kContainer, info.properties, arguments.properties, text, rows));
  context.answer(text, rows);
  return {};
}

Result<void> set_properties(Context& context, const Arguments& arguments) {
  VARVE_TRY(auto properties, parse_properties(Owner::kContainer, arguments.properties));
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(const client::Pool pool, context.pool(arguments.pool));
  VARVE_CHECK(session->wait(
      session->set_container_properties(pool, arguments.container, std::move(properties))));
  context.answer("set " + arguments.properties + " of container " + arguments.container, nullptr);
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
  CLI::App* verb = with_pool("create", "A new container");
  verb->add_option("container", arguments->container, "Its label; without one it has a UUID only");
  verb->add_option("--type", arguments->type,
                   "POSIX for files, PYTHON, HDF5, ...; nothing for objects and key-values");
  verb->add_option("--properties", arguments->properties, "NAME:VALUE,...");
  verb->add_option("--chunk-size", arguments->chunk_size, "Of files (POSIX), as 1MiB");
  verb->add_option("--oclass,--file-oclass", arguments->file_class, "Object class of files");
  verb->add_option("--dir-oclass", arguments->directory_class, "Object class of directories");
  verb->add_option("--hints", arguments->hints, "Kept with the file system");
  set_verb(*verb, context, [=](Context& c) { return create(c, *arguments); });
  set_verb(*with_pool("list", "All containers of a pool")->alias("ls"), context,
           [=](Context& c) { return list(c, *arguments); });
  set_verb(*with_container("query", "One container")->alias("stat"), context,
           [=](Context& c) { return query(c, *arguments); });
  verb = with_container("destroy", "All data in it is lost");
  verb->add_flag("-f,--force", arguments->force, "Though it is open somewhere");
  set_verb(*verb, context, [=](Context& c) { return destroy(c, *arguments); });
  verb = with_container("get-prop", "Show properties");
  verb->add_option("properties", arguments->properties, "NAME,...; all, if left out");
  set_verb(*verb, context, [=](Context& c) { return get_properties(c, *arguments); });
  verb = with_container("set-prop", "Set properties");
  verb->add_option("properties", arguments->properties, "NAME:VALUE,...")->required();
  set_verb(*verb, context, [=](Context& c) { return set_properties(c, *arguments); });
  const auto maker = [noun](std::string& pool, std::string& container) {
    return [noun, &pool, &container](const char* name, const char* text) {
      CLI::App* made = noun->add_subcommand(name, text);
      made->add_option("pool", pool, "Label or UUID of the pool")->required();
      made->add_option("container", container, "Label or UUID of the container")->required();
      return made;
    };
  };
  auto attributes = std::make_shared<AttributeArguments>();
  add_attribute_verbs(context, maker(attributes->pool, attributes->container), attributes);
  auto acl = std::make_shared<AclArguments>();
  add_acl_verbs(context, maker(acl->pool, acl->container), acl);
  add_snapshot_verbs(*noun, context);
}

}  // namespace varve::command
