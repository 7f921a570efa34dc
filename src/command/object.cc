// varve object: values by object id, dkey and akey.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "command/context.h"
#include "command/output.h"

namespace varve::command {
namespace {

struct Arguments {
  std::string pool, container, oid, dkey, akey, value, file;
};

// "HIGH.LOW" of a whole object id, or one number: the user's part, made into a key-value object of
// class S1.
Result<ObjectId> parse_oid(const std::string& text) {
  ObjectId oid;
  char* end = nullptr;
  const uint64_t first = std::strtoull(text.c_str(), &end, 10);
  if (end != text.c_str() && *end == '.') {
    oid.high = first;
    const char* second = end + 1;
    oid.low = std::strtoull(second, &end, 10);
    if (end != second && *end == 0) return oid;
  } else if (end != text.c_str() && *end == 0) {
    VARVE_TRY(const placement::ObjectClass object_class, placement::class_by_name("S1"));
    return placement::make_object_id(ObjectId{first, 0}, 0, object_class);
  }
  return Error(Code::kInvalid,
               "'" + text + "' is not an object id; write a number, or HIGH.LOW as listed");
}

Result<client::Object> open(Context& context, const Arguments& arguments, uint32_t flags) {
  VARVE_TRY(const ObjectId oid, parse_oid(arguments.oid));
  VARVE_TRY(client::Container container,
            context.container(arguments.pool, arguments.container, flags));
  VARVE_TRY(client::Session * session, context.session());
  return session->open_object(container, oid);
}

Result<void> put(Context& context, const Arguments& arguments) {
  std::string value = arguments.value;
  if (!arguments.file.empty()) {
    std::ifstream input(arguments.file, std::ios::binary);
    if (!input) return Error(Code::kInvalid, "file '" + arguments.file + "' cannot be read");
    value.assign(std::istreambuf_iterator<char>(input), {});
  }
  if (value.empty())
    return Error(Code::kInvalid, "there is nothing to store; give a value or --file");
  VARVE_TRY(const client::Object object, open(context, arguments, 2));
  VARVE_TRY(client::Session * session, context.session());
  client::IoDescriptor descriptor;
  const ByteView from[] = {as_bytes(value)};
  descriptor.akey = as_bytes(arguments.akey);
  descriptor.record_size = value.size();
  descriptor.from = from;
  VARVE_TRY(const Epoch epoch,
            session->wait(session->update(object, as_bytes(arguments.dkey), 0, {&descriptor, 1})));
  context.answer(
      "stored " + std::to_string(value.size()) + " bytes in object " + object.oid.to_string(),
      {{"oid", object.oid.to_string()}, {"bytes", value.size()}, {"epoch", epoch.value}});
  return {};
}

Result<void> get(Context& context, const Arguments& arguments) {
  VARVE_TRY(const client::Object object, open(context, arguments, 1));
  VARVE_TRY(client::Session * session, context.session());
  client::IoDescriptor descriptor;
  descriptor.akey = as_bytes(arguments.akey);
  VARVE_CHECK(session->wait(session->fetch(object, as_bytes(arguments.dkey), 0, {&descriptor, 1})));
  if (descriptor.record_size == 0)
    return Error(Code::kNonexistent, "object " + object.oid.to_string() +
                                         " has no value at dkey '" + arguments.dkey + "', akey '" +
                                         arguments.akey + "'");
  Buffer value(descriptor.record_size);
  const MutableByteView into[] = {value};
  descriptor.into = into;
  VARVE_CHECK(session->wait(session->fetch(object, as_bytes(arguments.dkey), 0, {&descriptor, 1})));
  if (!arguments.file.empty()) {
    std::ofstream output(arguments.file, std::ios::binary);
    output.write(reinterpret_cast<const char*>(value.data()),
                 static_cast<std::streamsize>(value.size()));
    if (!output) return Error(Code::kInvalid, "file '" + arguments.file + "' cannot be written");
    context.answer("wrote " + std::to_string(value.size()) + " bytes to " + arguments.file,
                   {{"bytes", value.size()}});
    return {};
  }
  context.answer(std::string(as_text(value)), {{"value", std::string(as_text(value))}});
  return {};
}

Result<void> list(Context& context, const Arguments& arguments) {
  VARVE_TRY(const client::Object object, open(context, arguments, 1));
  VARVE_TRY(client::Session * session, context.session());
  client::Session::Anchor anchor;
  nlohmann::json keys = nlohmann::json::array();
  std::string text;
  while (!anchor.end) {
    const bool akeys = !arguments.dkey.empty();
    VARVE_TRY(
        const auto entries,
        session->wait(akeys ? session->list_akeys(object, as_bytes(arguments.dkey), anchor, 256)
                            : session->list_dkeys(object, anchor, 256)));
    for (const object::ListedEntry& entry : entries) {
      text += std::string(as_text(entry.key)) + "\n";
      keys.push_back(std::string(as_text(entry.key)));
    }
  }
  context.answer(text, {{"keys", keys}});
  return {};
}

Result<void> list_objects(Context& context, const Arguments& arguments) {
  VARVE_TRY(client::Container container, context.container(arguments.pool, arguments.container, 1));
  VARVE_TRY(client::Session * session, context.session());
  client::Session::Anchor anchor;
  std::string text;
  nlohmann::json rows = nlohmann::json::array();
  while (!anchor.end) {
    VARVE_TRY(const auto objects,
              session->wait(session->list_objects(container, kEpochMax, anchor, 256)));
    for (const ObjectId& oid : objects) {
      text += oid.to_string() + "\n";
      rows.push_back(oid.to_string());
    }
  }
  context.answer(text, rows);
  return {};
}

}  // namespace

void add_object_verbs(CLI::App& app, Context& context) {
  CLI::App* noun = app.add_subcommand("object", "Objects: values by dkey and akey")->alias("obj");
  noun->require_subcommand(1);
  auto arguments = std::make_shared<Arguments>();
  const auto with_container = [&](const char* verb, const char* text) {
    CLI::App* made = noun->add_subcommand(verb, text);
    made->add_option("pool", arguments->pool)->required();
    made->add_option("container", arguments->container)->required();
    return made;
  };
  const auto with_key = [&](const char* verb, const char* text) {
    CLI::App* made = with_container(verb, text);
    made->add_option("oid", arguments->oid, "A number, or HIGH.LOW")->required();
    made->add_option("dkey", arguments->dkey)->required();
    made->add_option("akey", arguments->akey)->required();
    return made;
  };
  CLI::App* verb = with_key("put", "Store a single value");
  verb->add_option("value", arguments->value);
  verb->add_option("--file", arguments->file, "Take the value from a file");
  set_verb(*verb, context, [=](Context& c) { return put(c, *arguments); });
  verb = with_key("get", "Show a single value");
  verb->add_option("--file", arguments->file, "Write the value to a file");
  set_verb(*verb, context, [=](Context& c) { return get(c, *arguments); });
  verb = with_container("keys", "List dkeys of an object, or akeys of a dkey");
  verb->add_option("oid", arguments->oid)->required();
  verb->add_option("dkey", arguments->dkey);
  set_verb(*verb, context, [=](Context& c) { return list(c, *arguments); });
  set_verb(*with_container("list", "All objects of a container")->alias("ls"), context,
           [=](Context& c) { return list_objects(c, *arguments); });
}

}  // namespace varve::command
