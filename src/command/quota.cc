// varve filesystem set-quota, get-quota: limits of directories and users.
#include <fcntl.h>
#include <varve/dfs_extensions.h>
#include <CLI/CLI.hpp>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>

#include "command/context.h"
#include "command/mount.h"
#include "command/output.h"

namespace varve::command {
namespace {

struct QuotaArguments {
  std::string place, bytes = "0";
  uint64_t files = 0;
  std::optional<uint32_t> user;
};

// Mounts the container and finds the directory; null where a user is meant.
Result<void> find_directory(Mount& mount, const QuotaArguments& arguments, bool writable,
                            OpenObject& directory) {
  VARVE_TRY(const Place place, parse_place(arguments.place));
  if (!place.remote)
    return Error(Code::kInvalid, "'" + arguments.place +
                                     "' is not in a container; write varve://POOL/CONTAINER/PATH");
  VARVE_CHECK(mount.open(place, writable));
  if (arguments.user) return {};
  if (const int failed = dfs_lookup(mount.dfs(), place.path.c_str(), writable ? O_RDWR : O_RDONLY,
                                    directory.out(), nullptr, nullptr))
    return from_errno(failed, "'" + place.describe() + "'");
  return {};
}

Result<void> set_quota(Context& context, const QuotaArguments& arguments) {
  varve_dfs_quota quota = {};
  VARVE_TRY(quota.bytes_limit, parse_bytes(arguments.bytes));
  quota.files_limit = arguments.files;
  export_environment(context);
  Mount mount;
  OpenObject directory;
  VARVE_CHECK(find_directory(mount, arguments, true, directory));
  const int failed = arguments.user
                         ? varve_dfs_set_user_quota(mount.dfs(), *arguments.user, &quota)
                         : varve_dfs_set_quota(mount.dfs(), directory.get(), &quota);
  if (failed) return from_errno(failed, "the quota of '" + arguments.place + "'");
  context.answer("", nullptr);
  return {};
}

Result<void> get_quota(Context& context, const QuotaArguments& arguments) {
  export_environment(context);
  Mount mount;
  OpenObject directory;
  VARVE_CHECK(find_directory(mount, arguments, false, directory));
  varve_dfs_quota quota = {};
  const int failed = arguments.user
                         ? varve_dfs_get_user_quota(mount.dfs(), *arguments.user, &quota)
                         : varve_dfs_get_quota(mount.dfs(), directory.get(), &quota);
  if (failed == ENODATA)
    return Error(Code::kNonexistent,
                 "'" + arguments.place + "' has no quota of its own: set one with set-quota");
  if (failed) return from_errno(failed, "the quota of '" + arguments.place + "'");
  const auto limit = [](uint64_t value, const std::string& text) {
    return value ? text : std::string("no limit");
  };
  Table table({"", "used", "limit"});
  table.add({"bytes", format_bytes(quota.bytes_used),
             limit(quota.bytes_limit, format_bytes(quota.bytes_limit))});
  table.add({"files", std::to_string(quota.files_used),
             limit(quota.files_limit, std::to_string(quota.files_limit))});
  context.answer(table.to_string(), {{"bytes_used", quota.bytes_used},
                                     {"bytes_limit", quota.bytes_limit},
                                     {"files_used", quota.files_used},
                                     {"files_limit", quota.files_limit}});
  return {};
}

}  // namespace

void add_quota_verbs(CLI::App& noun, Context& context) {
  auto arguments = std::make_shared<QuotaArguments>();
  const auto add = [&](const char* name, const char* text) {
    CLI::App* verb = noun.add_subcommand(name, text);
    verb->add_option("place", arguments->place, "varve://POOL/CONTAINER[/DIRECTORY]")->required();
    verb->add_option("--user", arguments->user, "Of this user (a number), in the whole container");
    return verb;
  };
  CLI::App* verb = add("set-quota", "Limit a directory with all below it, or a user");
  verb->add_option("--bytes", arguments->bytes, "As in 8GiB; 0 (the default): no limit");
  verb->add_option("--files", arguments->files,
                   "Entries of all kinds; 0 (the default): no limit; both 0: no quota");
  set_verb(*verb, context, [=](Context& c) { return set_quota(c, *arguments); });
  set_verb(*add("get-quota", "What a directory or a user may take, and takes"), context,
           [=](Context& c) { return get_quota(c, *arguments); });
}

}  // namespace varve::command
