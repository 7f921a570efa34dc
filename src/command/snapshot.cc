// varve container, snapshots: create-snap, list-snaps, destroy-snap, rollback, diff, list-objects.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "command/context.h"
#include "command/output.h"

namespace varve::command {
namespace {

constexpr uint32_t kPage = 512;
constexpr uint32_t kReadOnly = 1, kReadWrite = 2, kExclusive = 4;  // DAOS_COO_*

struct Arguments {
  std::string pool, container, name;
  uint64_t epoch = 0, from = 0, to = kEpochMax.value;
  bool force = false;
};

// By epoch, or by name where one was given.
Result<Epoch> epoch_of(client::Session& session, client::Container open,
                       const Arguments& arguments) {
  if (arguments.name.empty() == (arguments.epoch == 0))
    return Error(Code::kInvalid, "name the snapshot either by --epc or by --snap");
  if (arguments.epoch) return Epoch{arguments.epoch};
  VARVE_TRY(const auto snapshots, session.wait(session.list_snapshots(open)));
  for (const container::Snapshot& snapshot : snapshots)
    if (snapshot.name == arguments.name) return snapshot.epoch;
  return Error(Code::kNonexistent, "container '" + arguments.container +
                                       "' has no snapshot of the name '" + arguments.name +
                                       "'; list-snaps shows which it has");
}

Result<void> list_snapshots(Context& context, const Arguments& arguments) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(client::Container open,
            context.container(arguments.pool, arguments.container, kReadOnly));
  VARVE_TRY(const auto snapshots, session->wait(session->list_snapshots(open)));
  VARVE_CHECK(session->wait(session->close_container(open)));
  Table table({"epoch", "name"});
  nlohmann::json rows = nlohmann::json::array();
  for (const container::Snapshot& snapshot : snapshots) {
    table.add({std::to_string(snapshot.epoch.value), snapshot.name});
    rows.push_back({{"epoch", snapshot.epoch.value}, {"name", snapshot.name}});
  }
  context.answer(table.to_string(), rows);
  return {};
}

Result<void> create_snapshot(Context& context, const Arguments& arguments) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(client::Container open, context.container(arguments.pool, arguments.container));
  VARVE_TRY(const Epoch epoch, session->wait(session->create_snapshot(open, arguments.name)));
  VARVE_CHECK(session->wait(session->close_container(open)));
  context.answer("snapshot at epoch " + std::to_string(epoch.value), {{"epoch", epoch.value}});
  return {};
}

Result<void> destroy_snapshot(Context& context, const Arguments& arguments) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(client::Container open, context.container(arguments.pool, arguments.container));
  VARVE_TRY(const Epoch epoch, epoch_of(*session, open, arguments));
  VARVE_CHECK(session->wait(session->destroy_snapshot(open, epoch)));
  VARVE_CHECK(session->wait(session->close_container(open)));
  context.answer("destroyed snapshot " + std::to_string(epoch.value), nullptr);
  return {};
}

Result<void> roll_back(Context& context, const Arguments& arguments) {
  VARVE_TRY(client::Session * session, context.session());
  Result<client::Container> open =
      context.container(arguments.pool, arguments.container, kReadWrite);
  // An unfinished rollback lets nobody in but who asks for the container alone.
  if (open.code() == Code::kBusy)
    open = context.container(arguments.pool, arguments.container, kExclusive);
  if (!open) return std::move(open.error());
  const auto work = [&]() -> Result<Epoch> {
    VARVE_TRY(const Epoch epoch, epoch_of(*session, *open, arguments));
    VARVE_CHECK(session->wait(session->roll_back(*open, epoch, arguments.force)));
    return epoch;
  };
  const Result<Epoch> done = work();
  const Result<void> closed = session->wait(session->close_container(*open));
  if (!done) return done.error();
  VARVE_CHECK(closed);
  context.answer("container " + arguments.container + " is as it was at epoch " +
                     std::to_string(done->value),
                 {{"epoch", done->value}});
  return {};
}

std::string printable(ByteView key) {
  std::string text;
  for (const std::byte byte : key) {
    const auto c = static_cast<unsigned char>(byte);
    char hex[5];
    std::snprintf(hex, sizeof hex, "\\x%02x", c);
    text += c >= 0x20 && c < 0x7f && c != '\\' ? std::string(1, static_cast<char>(c)) : hex;
  }
  return text;
}

Result<void> diff(Context& context, const Arguments& arguments) {
  VARVE_TRY(client::Session * session, context.session());
  VARVE_TRY(client::Container open,
            context.container(arguments.pool, arguments.container, kReadOnly));
  Table table({"object", "dkey", "akey", "records", "change"});
  nlohmann::json rows = nlohmann::json::array();
  for (client::Session::DiffAnchor anchor; !anchor.end;) {
    VARVE_TRY(const auto page,
              session->wait(session->list_differences(open, Epoch{arguments.from},
                                                      Epoch{arguments.to}, anchor, kPage)));
    for (const object::Difference& one : page) {
      const bool array = one.kind == object::ValueKind::kArray;
      const char* change = !one.before ? "added" : one.after ? "changed" : "removed";
      const std::string records =
          array ? std::to_string(one.range.index) + "+" + std::to_string(one.range.count) : "";
      table.add({one.oid.to_string(), printable(one.dkey), printable(one.akey), records, change});
      nlohmann::json row = {{"oid", one.oid.to_string()},
                            {"dkey", printable(one.dkey)},
                            {"akey", printable(one.akey)},
                            {"type", array ? "array" : "single"},
                            {"change", change}};
      if (array) row["index"] = one.range.index;
      if (array) row["count"] = one.range.count;
      rows.push_back(std::move(row));
    }
  }
  VARVE_CHECK(session->wait(session->close_container(open)));
  context.answer(rows.empty() ? "" : table.to_string(), rows);
  return {};
}

// Without an epoch: of a snapshot that is made for it, and goes again.
Result<void> list_objects(Context& context, const Arguments& arguments) {
  VARVE_TRY(client::Session * session, context.session());
  const bool makes = arguments.epoch == 0 && arguments.name.empty();
  VARVE_TRY(client::Container open,
            context.container(arguments.pool, arguments.container, makes ? kReadWrite : kReadOnly));
  Epoch epoch;
  if (makes) {
    VARVE_TRY(epoch, session->wait(session->create_snapshot(open, "")));
  } else {
    VARVE_TRY(epoch, epoch_of(*session, open, arguments));
  }
  std::string text;
  nlohmann::json rows = nlohmann::json::array();
  const auto work = [&]() -> Result<void> {
    for (client::Session::Anchor anchor; !anchor.end;) {
      VARVE_TRY(const auto page, session->wait(session->list_objects(open, epoch, anchor, kPage)));
      for (const ObjectId oid : page) {
        text += oid.to_string() + "\n";
        rows.push_back(oid.to_string());
      }
    }
    return {};
  };
  const Result<void> listed = work();
  if (makes) VARVE_CHECK(session->wait(session->destroy_snapshot(open, epoch)));
  VARVE_CHECK(session->wait(session->close_container(open)));
  VARVE_CHECK(listed);
  context.answer(text, rows);
  return {};
}

}  // namespace

void add_snapshot_verbs(CLI::App& noun, Context& context) {
  auto arguments = std::make_shared<Arguments>();
  const auto with_container = [&](const char* verb, const char* text) {
    CLI::App* made = noun.add_subcommand(verb, text);
    made->add_option("pool", arguments->pool, "Label or UUID of the pool")->required();
    made->add_option("container", arguments->container, "Label or UUID of the container")
        ->required();
    return made;
  };
  const auto with_snapshot = [&](const char* verb, const char* text) {
    CLI::App* made = with_container(verb, text);
    made->add_option("--epc,--epoch", arguments->epoch, "The snapshot's epoch");
    made->add_option("--snap,--name", arguments->name, "The snapshot's name");
    return made;
  };
  CLI::App* verb = with_container("create-snap", "A snapshot of now");
  verb->add_option("--snap,--name", arguments->name, "Its name");
  set_verb(*verb, context, [=](Context& c) { return create_snapshot(c, *arguments); });
  set_verb(*with_container("list-snaps", "All snapshots"), context,
           [=](Context& c) { return list_snapshots(c, *arguments); });
  set_verb(*with_snapshot("destroy-snap", "Let a snapshot go"), context,
           [=](Context& c) { return destroy_snapshot(c, *arguments); });
  verb = with_snapshot("rollback", "The container becomes what it was at a snapshot");
  verb->add_flag("-f,--force", arguments->force, "Though others have it open for writing");
  set_verb(*verb, context, [=](Context& c) { return roll_back(c, *arguments); });
  verb = with_container("diff", "What was written, punched or rolled back between two epochs");
  verb->add_option("--from", arguments->from, "The older epoch: a snapshot's")->required();
  verb->add_option("--to", arguments->to, "The newer one; now, if it is left out");
  set_verb(*verb, context, [=](Context& c) { return diff(c, *arguments); });
  set_verb(*with_snapshot("list-objects", "All objects, of a snapshot or of now")->alias("list-obj"),
           context, [=](Context& c) { return list_objects(c, *arguments); });
}

}  // namespace varve::command
