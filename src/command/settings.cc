#include "command/settings.h"

#include <daos_prop.h>
#include <CLI/CLI.hpp>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "command/output.h"
#include "command/properties.h"

namespace varve::command {
namespace {

constexpr uint32_t kReadOnly = 1, kReadWrite = 2;  // DAOS_PC_*, DAOS_COO_*

// As Go's encoding/json shows bytes.
std::string base64(ByteView bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (k < count ? static_cast<uint32_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) text += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

std::string describe(const AttributeArguments& arguments) {
  return arguments.container.empty() ? "pool '" + arguments.pool + "'"
                                     : "container '" + arguments.container + "'";
}

Result<std::vector<pool::Attribute>> ask(Context& context, const AttributeArguments& arguments,
                                         pool::AttributeVerb verb,
                                         std::vector<pool::Attribute> wanted) {
  VARVE_TRY(client::Session * session, context.session());
  const bool reads = verb == pool::AttributeVerb::kGet || verb == pool::AttributeVerb::kList;
  const uint32_t flags = reads ? kReadOnly : kReadWrite;
  if (arguments.container.empty()) {
    VARVE_TRY(const client::Pool open, context.pool(arguments.pool, flags));
    auto found = session->wait(session->pool_attributes(open, verb, std::move(wanted)));
    VARVE_CHECK(session->wait(session->disconnect_pool(open)));
    return found;
  }
  VARVE_TRY(const client::Container open,
            context.container(arguments.pool, arguments.container, flags));
  auto found = session->wait(session->container_attributes(open, verb, std::move(wanted)));
  VARVE_CHECK(session->wait(session->close_container(open)));
  return found;
}

pool::Attribute named(const std::string& name, const std::string& value = "") {
  const ByteView bytes = as_bytes(value);
  return {name, Buffer(bytes.begin(), bytes.end()), false};
}

Result<void> set(Context& context, const AttributeArguments& arguments) {
  std::vector<pool::Attribute> wanted;
  if (arguments.arguments.size() == 2) {
    wanted.push_back(named(arguments.arguments[0], arguments.arguments[1]));
  } else {
    for (const std::string& pair : split_at(arguments.arguments.at(0), ',')) {
      const size_t colon = pair.find(':');
      if (colon == std::string::npos || colon == 0)
        return Error(Code::kInvalid,
                     "attribute '" + pair + "' has no value; write NAME VALUE, or NAME:VALUE,...");
      wanted.push_back(named(pair.substr(0, colon), pair.substr(colon + 1)));
    }
  }
  VARVE_CHECK(ask(context, arguments, pool::AttributeVerb::kSet, std::move(wanted)));
  context.answer("", nullptr);
  return {};
}

Result<void> remove(Context& context, const AttributeArguments& arguments) {
  std::vector<pool::Attribute> wanted;
  for (const std::string& name : split_at(arguments.arguments.at(0), ','))
    wanted.push_back(named(name));
  VARVE_CHECK(ask(context, arguments, pool::AttributeVerb::kDelete, std::move(wanted)));
  context.answer("", nullptr);
  return {};
}

Result<void> show(Context& context, const AttributeArguments& arguments,
                  std::vector<pool::Attribute> wanted, bool only_names) {
  const bool one = wanted.size() == 1;
  std::vector<pool::Attribute> found;
  if (!wanted.empty()) {
    VARVE_TRY(found, ask(context, arguments, pool::AttributeVerb::kGet, std::move(wanted)));
  }
  std::string names;
  Table table({"name", "value"});
  nlohmann::json list = nlohmann::json::array(), map = nlohmann::json::object();
  for (const pool::Attribute& attribute : found) {
    if (!attribute.found)
      return Error(Code::kNonexistent, describe(arguments) + " has no attribute '" +
                                           attribute.name + "'; list-attrs shows which it has");
    names += attribute.name + "\n";
    list.push_back(attribute.name);
    map[attribute.name] = base64(attribute.value);
    table.add({attribute.name, std::string(as_text(attribute.value))});
  }
  if (only_names)
    context.answer(names, list);
  else if (one)
    context.answer(table.to_string(), {{"name", found[0].name}, {"value", base64(found[0].value)}});
  else
    context.answer(found.empty() ? "" : table.to_string(), map);
  return {};
}

Result<void> get(Context& context, const AttributeArguments& arguments) {
  std::vector<pool::Attribute> wanted;
  for (const std::string& name : split_at(arguments.arguments.at(0), ','))
    wanted.push_back(named(name));
  return show(context, arguments, std::move(wanted), false);
}

Result<void> list(Context& context, const AttributeArguments& arguments) {
  VARVE_TRY(std::vector<pool::Attribute> all,
            ask(context, arguments, pool::AttributeVerb::kList, {}));
  std::vector<pool::Attribute> wanted;
  for (const pool::Attribute& attribute : all) wanted.push_back(named(attribute.name));
  return show(context, arguments, std::move(wanted), !arguments.verbose);
}

// --- access control lists

Result<std::vector<pool::Property>> properties_of(Context& context, const AclArguments& arguments) {
  VARVE_TRY(client::Session * session, context.session());
  if (arguments.container.empty()) return session->wait(session->pool_properties(arguments.pool));
  VARVE_TRY(const client::Pool open, context.pool(arguments.pool, kReadOnly));
  VARVE_TRY(auto info, session->wait(session->query_container(open, arguments.container)));
  return std::move(info.properties);
}

Result<void> get_acl(Context& context, const AclArguments& arguments) {
  VARVE_TRY(const auto properties, properties_of(context, arguments));
  const bool pool = arguments.container.empty();
  const auto text_at = [&](uint32_t of_pool, uint32_t of_container) {
    return text_of(properties, pool ? of_pool : of_container);
  };
  const std::string list = text_at(DAOS_PROP_PO_ACL, DAOS_PROP_CO_ACL),
                    user = text_at(DAOS_PROP_PO_OWNER, DAOS_PROP_CO_OWNER),
                    group = text_at(DAOS_PROP_PO_OWNER_GROUP, DAOS_PROP_CO_OWNER_GROUP);
  const std::string text =
      "# Owner: " + user + "\n# Owner Group: " + group + "\n# Entries:\n" + list;
  if (!arguments.file.empty()) {
    std::ofstream output(arguments.file);
    output << text;
    if (!output.flush())
      return Error(Code::kInvalid, "file '" + arguments.file + "' cannot be written");
  }
  context.answer(text,
                 {{"ACL", split_at(list, '\n')}, {"owner_user", user}, {"owner_group", group}});
  return {};
}

// One entry a line; "#" begins a comment line.
Result<std::string> entries_of(const AclArguments& arguments) {
  if (arguments.file.empty() == arguments.entry.empty())
    return Error(Code::kInvalid, "name the entries either by --acl-file or by --entry");
  if (!arguments.entry.empty()) return arguments.entry;
  std::ifstream input(arguments.file);
  if (!input) return Error(Code::kInvalid, "file '" + arguments.file + "' cannot be read");
  std::string entries, line;
  while (std::getline(input, line))
    if (!line.empty() && line[0] != '#') entries += line + "\n";
  if (entries.empty())
    return Error(Code::kInvalid, "file '" + arguments.file + "' holds no entries");
  return entries;
}

Result<void> change_acl(Context& context, const AclArguments& arguments, pool::AclVerb verb) {
  std::string entries = arguments.principal;
  if (verb != pool::AclVerb::kDelete) {
    VARVE_TRY(entries, entries_of(arguments));
  }
  VARVE_TRY(client::Session * session, context.session());
  if (arguments.container.empty()) {
    VARVE_CHECK(session->wait(session->change_pool_acl(arguments.pool, verb, entries)));
  } else {
    VARVE_TRY(const client::Pool open, context.pool(arguments.pool, kReadWrite));
    VARVE_CHECK(
        session->wait(session->change_container_acl(open, arguments.container, verb, entries)));
  }
  AclArguments shown = arguments;
  shown.file.clear();
  return get_acl(context, shown);
}

}  // namespace

void add_attribute_verbs(Context& context, const MakeVerb& make,
                         std::shared_ptr<AttributeArguments> arguments) {
  const auto with_arguments = [&](const char* name, const char* text, const char* what, int most) {
    CLI::App* verb = make(name, text);
    verb->add_option("attributes", arguments->arguments, what)->required()->expected(1, most);
    return verb;
  };
  set_verb(*with_arguments("set-attr", "Set user attributes", "NAME VALUE, or NAME:VALUE,...", 2),
           context, [=](Context& c) { return set(c, *arguments); });
  set_verb(*with_arguments("get-attr", "Show user attributes", "NAME,...", 1), context,
           [=](Context& c) { return get(c, *arguments); });
  set_verb(*with_arguments("del-attr", "Delete user attributes", "NAME,...", 1), context,
           [=](Context& c) { return remove(c, *arguments); });
  CLI::App* verb = make("list-attrs", "All user attributes")->alias("list-attr");
  verb->add_flag("-V,--verbose", arguments->verbose, "With their values");
  set_verb(*verb, context, [=](Context& c) { return list(c, *arguments); });
}

void add_acl_verbs(Context& context, const MakeVerb& make,
                   std::shared_ptr<AclArguments> arguments) {
  CLI::App* verb = make("get-acl", "Show the access control list");
  verb->add_option("-O,--outfile", arguments->file, "Write it to a file as well");
  set_verb(*verb, context, [=](Context& c) { return get_acl(c, *arguments); });
  const auto change = [&](const char* name, const char* text, pool::AclVerb what) {
    CLI::App* made = make(name, text);
    if (what == pool::AclVerb::kDelete) {
      made->add_option("-p,--principal", arguments->principal, "u:NAME@, g:NAME@, OWNER@, ...")
          ->required();
    } else {
      made->add_option("-a,--acl-file", arguments->file, "A file of entries, one a line");
      if (what == pool::AclVerb::kUpdate)
        made->add_option("-e,--entry", arguments->entry, "One entry, as A::user@:rw");
    }
    set_verb(*made, context, [=](Context& c) { return change_acl(c, *arguments, what); });
  };
  change("overwrite-acl", "Replace the access control list", pool::AclVerb::kOverwrite);
  change("update-acl", "Add or change entries of the access control list", pool::AclVerb::kUpdate);
  change("delete-acl", "Take a principal out of the access control list", pool::AclVerb::kDelete);
}

}  // namespace varve::command
