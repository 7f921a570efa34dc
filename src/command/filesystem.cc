// varve filesystem: files of POSIX containers, without mounting them.
#include <fcntl.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cstring>
#include <nlohmann/json.hpp>

#include "command/context.h"
#include "command/mount.h"
#include "command/output.h"
#include "command/tree_copy.h"

namespace varve::command {
namespace {

struct Arguments {
  std::string place, from, to;
  unsigned threads = 8;
  bool quiet = false, recursive = false, long_form = false;
};

Result<Place> remote(const std::string& text) {
  VARVE_TRY(const Place place, parse_place(text));
  if (!place.remote)
    return Error(Code::kInvalid,
                 "'" + text + "' is not in a container; write varve://POOL/CONTAINER/PATH");
  return place;
}

Result<OpenObject> lookup(Mount& mount, const Place& place, int flags, struct stat& stat) {
  OpenObject object;
  if (const int failed =
          dfs_lookup(mount.dfs(), place.path.c_str(), flags, object.out(), nullptr, &stat))
    return from_errno(failed, "'" + place.describe() + "'");
  return object;
}

const char* type_of(mode_t mode) {
  return S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "symlink" : "file";
}

nlohmann::json to_json(const std::string& name, const struct stat& stat) {
  return {{"name", name},
          {"type", type_of(stat.st_mode)},
          {"mode", stat.st_mode & 07777},
          {"size", stat.st_size},
          {"uid", stat.st_uid},
          {"gid", stat.st_gid},
          {"mtime_ns", static_cast<uint64_t>(stat.st_mtim.tv_sec) * 1'000'000'000 +
                           static_cast<uint64_t>(stat.st_mtim.tv_nsec)}};
}

std::vector<std::string> row_of(const std::string& name, const struct stat& stat) {
  char mode[8];
  std::snprintf(mode, sizeof mode, "%04o", stat.st_mode & 07777);
  return {type_of(stat.st_mode),
          std::string("o") + mode,
          std::to_string(stat.st_uid),
          std::to_string(stat.st_size),
          format_time(static_cast<uint64_t>(stat.st_mtim.tv_sec) * 1'000'000'000),
          name};
}

// Calls visit(name, stat) for each entry.
Result<void> for_each_entry(Mount& mount, dfs_obj_t* directory,
                            const std::function<Result<void>(const char*, struct stat&)>& visit) {
  daos_anchor_t anchor{};
  while (!daos_anchor_is_eof(&anchor)) {
    dirent entries[64];
    struct stat stats[64];
    uint32_t count = 64;
    if (const int failed = dfs_readdirplus(mount.dfs(), directory, &anchor, &count, entries, stats))
      return from_errno(failed, "listing");
    for (uint32_t i = 0; i < count; ++i) VARVE_CHECK(visit(entries[i].d_name, stats[i]));
  }
  return {};
}

Result<void> list(Context& context, const Arguments& arguments) {
  VARVE_TRY(const Place place, remote(arguments.place));
  export_environment(context);
  Mount mount;
  VARVE_CHECK(mount.open(place, false));
  struct stat stat {};
  VARVE_TRY(OpenObject object, lookup(mount, place, O_RDONLY, stat));
  Table table({"type", "mode", "uid", "size", "modified", "name"});
  nlohmann::json rows = nlohmann::json::array();
  std::string names;
  const auto show = [&](const char* name, struct stat& entry) -> Result<void> {
    table.add(row_of(name, entry));
    names += std::string(name) + "\n";
    rows.push_back(to_json(name, entry));
    return {};
  };
  if (S_ISDIR(stat.st_mode))
    VARVE_CHECK(for_each_entry(mount, object.get(), show));
  else
    VARVE_CHECK(show(place.path.c_str(), stat));
  context.answer(arguments.long_form ? table.to_string() : names, {{"entries", rows}});
  return {};
}

Result<void> stat_verb(Context& context, const Arguments& arguments) {
  VARVE_TRY(const Place place, remote(arguments.place));
  export_environment(context);
  Mount mount;
  VARVE_CHECK(mount.open(place, false));
  struct stat stat {};
  VARVE_TRY(OpenObject object, lookup(mount, place, O_RDONLY | O_NOFOLLOW, stat));
  Table table({"type", "mode", "uid", "size", "modified", "name"});
  table.add(row_of(place.path, stat));
  context.answer(table.to_string(), to_json(place.path, stat));
  return {};
}

Result<void> cat(Context& context, const Arguments& arguments) {
  VARVE_TRY(const Place place, remote(arguments.place));
  export_environment(context);
  Mount mount;
  VARVE_CHECK(mount.open(place, false));
  struct stat stat {};
  VARVE_TRY(OpenObject object, lookup(mount, place, O_RDONLY, stat));
  if (S_ISDIR(stat.st_mode))
    return Error(Code::kInvalid, "'" + place.describe() + "' is a directory; name a file");
  std::vector<char> buffer(1 << 20);
  for (uint64_t offset = 0; offset < static_cast<uint64_t>(stat.st_size);) {
    d_iov_t piece;
    d_iov_set(&piece, buffer.data(), buffer.size());
    d_sg_list_t pieces{1, 0, &piece};
    daos_size_t got = 0;
    if (const int failed = dfs_read(mount.dfs(), object.get(), &pieces, offset, &got, nullptr))
      return from_errno(failed, "'" + place.describe() + "'");
    if (got == 0) break;
    if (std::fwrite(buffer.data(), 1, got, stdout) != got)
      return from_errno(errno, "standard output");
    offset += got;
  }
  return {};
}

// cp into an existing directory keeps the name, as cp(1) does.
std::string leaf_of(const std::string& path) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  return trimmed.substr(trimmed.rfind('/') + 1);
}

Result<void> copy(Context& context, const Arguments& arguments) {
  VARVE_TRY(const Place from, parse_place(arguments.from));
  VARVE_TRY(Place to, parse_place(arguments.to));
  if (from.remote == to.remote)
    return Error(
        Code::kInvalid,
        "one of '" + arguments.from + "' and '" + arguments.to +
            "' must be in a container (varve://POOL/CONTAINER/PATH), the other on this machine");
  export_environment(context);
  CopyOptions options;
  options.threads = std::max(1u, arguments.threads);
  options.progress = !arguments.quiet && !context.json && isatty(STDERR_FILENO);
  CopyTotals totals;
  Mount mount;
  const auto start = machine_clock().now();
  VARVE_CHECK(mount.open(from.remote ? from : to, to.remote));
  struct stat stat {};
  if (to.remote) {
    if (::lstat(from.path.c_str(), &stat)) return from_errno(errno, "'" + from.path + "'");
    OpenObject there;
    mode_t mode = 0;
    if (dfs_lookup(mount.dfs(), to.path.c_str(), O_RDONLY, there.out(), &mode, nullptr) == 0 &&
        S_ISDIR(mode))
      to.path = (to.path == "/" ? "" : to.path) + "/" + leaf_of(from.path);
    VARVE_CHECK(copy_in(from.path, mount.dfs(), to.path, options, totals));
  } else {
    if (::stat(to.path.c_str(), &stat) == 0 && S_ISDIR(stat.st_mode) && from.path != "/")
      to.path += "/" + leaf_of(from.path);
    VARVE_CHECK(copy_out(mount.dfs(), from.path, to.path, options, totals));
  }
  const double seconds = std::chrono::duration<double>(machine_clock().now() - start).count();
  char rates[128];
  std::snprintf(rates, sizeof rates, "%.1f s, %.0f files/s, %.1f MiB/s", seconds,
                static_cast<double>(totals.files) / seconds,
                static_cast<double>(totals.bytes) / seconds / (1 << 20));
  context.answer("copied " + std::to_string(totals.files) + " files, " +
                     std::to_string(totals.directories) + " directories, " +
                     std::to_string(totals.symlinks) + " symlinks, " + format_bytes(totals.bytes) +
                     " in " + rates,
                 {{"files", totals.files.load()},
                  {"directories", totals.directories.load()},
                  {"symlinks", totals.symlinks.load()},
                  {"bytes", totals.bytes.load()},
                  {"seconds", seconds}});
  return {};
}

struct Usage {
  uint64_t files = 0, directories = 0, bytes = 0;
};
Result<void> add_usage(Mount& mount, dfs_obj_t* directory, Usage& usage) {
  ++usage.directories;
  return for_each_entry(mount, directory, [&](const char* name, struct stat& stat) -> Result<void> {
    if (!S_ISDIR(stat.st_mode)) {
      ++usage.files;
      usage.bytes += static_cast<uint64_t>(stat.st_size);
      return {};
    }
    OpenObject child;
    if (const int failed =
            dfs_lookup_rel(mount.dfs(), directory, name, O_RDONLY, child.out(), nullptr, nullptr))
      return from_errno(failed, name);
    return add_usage(mount, child.get(), usage);
  });
}

Result<void> usage_verb(Context& context, const Arguments& arguments) {
  VARVE_TRY(const Place place, remote(arguments.place));
  export_environment(context);
  Mount mount;
  VARVE_CHECK(mount.open(place, false));
  struct stat stat {};
  VARVE_TRY(OpenObject object, lookup(mount, place, O_RDONLY, stat));
  Usage usage;
  if (S_ISDIR(stat.st_mode))
    VARVE_CHECK(add_usage(mount, object.get(), usage));
  else
    usage = {1, 0, static_cast<uint64_t>(stat.st_size)};
  context.answer(
      format_bytes(usage.bytes) + " in " + std::to_string(usage.files) + " files, " +
          std::to_string(usage.directories) + " directories",
      {{"bytes", usage.bytes}, {"files", usage.files}, {"directories", usage.directories}});
  return {};
}

Result<std::pair<OpenObject, std::string>> parent_of(Mount& mount, const Place& place) {
  const size_t slash = place.path.rfind('/');
  Place above = place;
  above.path = slash == 0 ? "/" : place.path.substr(0, slash);
  struct stat stat {};
  VARVE_TRY(OpenObject parent, lookup(mount, above, O_RDWR, stat));
  const std::string name = place.path.substr(slash + 1);
  if (name.empty())
    return Error(Code::kInvalid,
                 "'" + place.describe() + "' is the container's root; name something in it");
  return std::pair<OpenObject, std::string>(std::move(parent), name);
}

Result<void> make_directory(Context& context, const Arguments& arguments) {
  VARVE_TRY(const Place place, remote(arguments.place));
  export_environment(context);
  Mount mount;
  VARVE_CHECK(mount.open(place, true));
  VARVE_TRY(auto parent, parent_of(mount, place));
  if (const int failed = dfs_mkdir(mount.dfs(), parent.first.get(), parent.second.c_str(), 0755, 0))
    return from_errno(failed, "'" + place.describe() + "'");
  context.answer("", nullptr);
  return {};
}

Result<void> remove(Context& context, const Arguments& arguments) {
  VARVE_TRY(const Place place, remote(arguments.place));
  export_environment(context);
  Mount mount;
  VARVE_CHECK(mount.open(place, true));
  VARVE_TRY(auto parent, parent_of(mount, place));
  if (const int failed = dfs_remove(mount.dfs(), parent.first.get(), parent.second.c_str(),
                                    arguments.recursive, nullptr))
    return from_errno(failed, "'" + place.describe() + "'");
  context.answer("", nullptr);
  return {};
}

}  // namespace

void add_filesystem_verbs(CLI::App& app, Context& context) {
  CLI::App* noun =
      app.add_subcommand("filesystem", "Files of POSIX containers (varve://POOL/CONTAINER/PATH)")
          ->alias("fs");
  noun->require_subcommand(1);
  auto arguments = std::make_shared<Arguments>();
  const auto with_place = [&](const char* verb, const char* text) {
    CLI::App* made = noun->add_subcommand(verb, text);
    made->add_option("place", arguments->place, "varve://POOL/CONTAINER/PATH")->required();
    return made;
  };
  CLI::App* verb = with_place("ls", "List a directory");
  verb->add_flag("-l", arguments->long_form, "With types, modes, sizes and times");
  set_verb(*verb, context, [=](Context& c) { return list(c, *arguments); });
  set_verb(*with_place("stat", "One file or directory"), context,
           [=](Context& c) { return stat_verb(c, *arguments); });
  set_verb(*with_place("cat", "A file's content to standard output"), context,
           [=](Context& c) { return cat(c, *arguments); });
  set_verb(*with_place("du", "Files and bytes below"), context,
           [=](Context& c) { return usage_verb(c, *arguments); });
  set_verb(*with_place("mkdir", "A new directory"), context,
           [=](Context& c) { return make_directory(c, *arguments); });
  verb = with_place("rm", "Remove a file, or a directory");
  verb->add_flag("-r,--recursive", arguments->recursive, "With everything in it");
  set_verb(*verb, context, [=](Context& c) { return remove(c, *arguments); });
  for (const char* name : {"cp", "copy", "put", "get"}) {
    verb = noun->add_subcommand(name,
                                "Copy files and trees in or out, with modes, times and symlinks");
    verb->add_option("from,-s,--src", arguments->from)->required();
    verb->add_option("to,-d,--dst", arguments->to)->required();
    verb->add_option("--threads", arguments->threads, "Files at a time (default 8)");
    verb->add_flag("-q,--quiet", arguments->quiet, "No progress");
    verb->add_flag("-r,--recursive", arguments->recursive, "Always so");
    set_verb(*verb, context, [=](Context& c) { return copy(c, *arguments); });
  }
  add_quota_verbs(*noun, context);
}

}  // namespace varve::command
