#include "command/context.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace varve::command {

void export_environment(const Context& context) {
  if (!context.address.empty()) setenv("VARVE_ADDRESS", context.address.c_str(), 1);
  if (context.timeout_ms) setenv("VARVE_TIMEOUT_MS", std::to_string(context.timeout_ms).c_str(), 1);
}

Result<client::Session*> Context::session() {
  if (!session_) {
    export_environment(*this);
    VARVE_TRY(const client::Options options, client::options_from_environment());
    VARVE_TRY(session_, client::Session::open(options));
  }
  return session_.get();
}

Result<client::Pool> Context::pool(const std::string& name, uint32_t flags) {
  VARVE_TRY(client::Session * open, session());
  return open->wait(open->connect_pool(name, flags));
}

Result<client::Container> Context::container(const std::string& pool_name, const std::string& name,
                                             uint32_t flags) {
  VARVE_TRY(client::Session * open, session());
  VARVE_TRY(client::Pool connected, pool(pool_name, flags == 1 ? 1 : 2));
  return open->wait(open->open_container(connected, name, flags));
}

void Context::answer(const std::string& text, const nlohmann::json& response) {
  if (json) {
    nlohmann::json envelope;
    envelope["response"] = response;
    envelope["error"] = nullptr;
    envelope["status"] = 0;
    std::printf("%s\n",
                envelope.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else if (!text.empty()) {
    std::fputs(text.c_str(), stdout);
    if (text.back() != '\n') std::fputc('\n', stdout);
  }
}

void Context::fail(const Error& error) {
  status_ = 1;
  if (json) {
    nlohmann::json envelope;
    envelope["response"] = nullptr;
    envelope["error"] = error.describe();
    envelope["status"] = -static_cast<int>(error.code());
    std::printf("%s\n",
                envelope.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    std::fprintf(stderr, "varve: %s\n", error.describe().c_str());
  }
}

void set_verb(CLI::App& app, Context& context, Verb verb) {
  app.callback([&context, verb = std::move(verb)] {
    const Result<void> result = verb(context);
    if (!result.ok()) context.fail(result.error());
  });
}

}  // namespace varve::command
