// What every verb gets: the session, opened on first use, and the way to answer.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "client/client.h"

namespace CLI {
class App;
}

namespace varve::command {

class Context {
 public:
  bool json = false;
  std::string address;      // --address
  uint64_t timeout_ms = 0;  // --timeout, 0: the library's default

  // Opened on first use, from the environment and the options above.
  Result<client::Session*> session();
  // Connects (once per pool).
  Result<client::Pool> pool(const std::string& name, uint32_t flags = 2);
  Result<client::Container> container(const std::string& pool_name, const std::string& name,
                                      uint32_t flags = 2);

  // The answer: `text` for people, `response` for programs.
  void answer(const std::string& text, const nlohmann::json& response);
  // The answer of a verb that failed, and the process's exit status from then on.
  void fail(const Error& error);
  int status() const { return status_; }
  // For verbs that answer, and whose answer is bad news.
  void set_status(int status) { status_ = status; }

 private:
  std::unique_ptr<client::Session> session_;
  int status_ = 0;
};

// A verb: runs after parsing, its failure is shown by Context::fail.
using Verb = std::function<Result<void>(Context&)>;
void set_verb(CLI::App& app, Context& context, Verb verb);

void add_system_verbs(CLI::App& app, Context& context);
void add_server_verbs(CLI::App& app, Context& context);
void add_pool_verbs(CLI::App& app, Context& context);
void add_container_verbs(CLI::App& app, Context& context);
// Those of a container's snapshots, under its noun.
void add_snapshot_verbs(CLI::App& noun, Context& context);
void add_object_verbs(CLI::App& app, Context& context);
void add_filesystem_verbs(CLI::App& app, Context& context);
// Those of quotas, under its noun.
void add_quota_verbs(CLI::App& noun, Context& context);
void add_inspect_verbs(CLI::App& app, Context& context);

// Sets what the C libraries below read from the environment (address, timeout).
void export_environment(const Context& context);

}  // namespace varve::command
