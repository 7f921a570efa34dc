// varve server: starts and stops a varved on this machine.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "command/context.h"

namespace varve::command {
namespace {

struct Arguments {
  std::vector<std::string> rest;
  std::string pid_file;
};

std::string beside_this_program(const char* name) {
  char path[4096] = {};
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path - 1);
  std::string self(path, length > 0 ? static_cast<size_t>(length) : 0);
  return self.substr(0, self.rfind('/') + 1) + name;
}

std::string find_server() {
  for (const char* name : {"varved", "../engine/varved"}) {
    const std::string path = beside_this_program(name);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return "varved";
}

// Starts varved in a session of its own and waits for its ready line, or its error.
Result<void> start(Context& context, const Arguments& arguments) {
  int report[2];
  if (::pipe2(report, O_CLOEXEC))
    return Error(Code::kMiscellaneous, std::string("pipe: ") + std::strerror(errno));
  const pid_t child = ::fork();
  if (child < 0) return Error(Code::kMiscellaneous, std::string("fork: ") + std::strerror(errno));
  if (child == 0) {
    ::setsid();
    ::dup2(report[1], STDOUT_FILENO);
    ::dup2(report[1], STDERR_FILENO);
    const int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, STDIN_FILENO);
    const std::string server = find_server();
    std::vector<char*> argv = {const_cast<char*>(server.c_str())};
    for (const std::string& argument : arguments.rest)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::execvp(server.c_str(), argv.data());
    std::fprintf(stderr, "'%s' cannot be run: %s; is it installed beside varve?\n", server.c_str(),
                 std::strerror(errno));
    ::_exit(127);
  }
  ::close(report[1]);
  std::string said;
  char byte;
  bool ready = false;
  while (::read(report[0], &byte, 1) == 1) {
    said += byte;
    if (byte == '\n' && said.find("ready") != std::string::npos) {
      ready = true;
      break;
    }
  }
  if (!ready) {
    ::waitpid(child, nullptr, 0);
    while (!said.empty() && said.back() == '\n') said.pop_back();
    return Error(Code::kNoService, said.empty() ? "the server ended without a word" : said);
  }
  if (!arguments.pid_file.empty()) std::ofstream(arguments.pid_file) << child << "\n";
  said.pop_back();
  context.answer(said + ", process " + std::to_string(child), {{"pid", child}, {"ready", said}});
  return {};
}

Result<void> stop(Context& context, const Arguments& arguments) {
  pid_t process = 0;
  std::ifstream(arguments.pid_file) >> process;
  if (process <= 0)
    return Error(Code::kInvalid, "file '" + arguments.pid_file +
                                     "' holds no process number; give the one of server start");
  if (::kill(process, SIGTERM))
    return Error(Code::kNonexistent, "process " + std::to_string(process) +
                                         " cannot be signalled: " + std::strerror(errno));
  ::unlink(arguments.pid_file.c_str());
  context.answer("asked process " + std::to_string(process) + " to stop", {{"pid", process}});
  return {};
}

}  // namespace

void add_server_verbs(CLI::App& app, Context& context) {
  CLI::App* noun = app.add_subcommand("server", "A server on this machine");
  noun->require_subcommand(1);
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb = noun->add_subcommand(
      "start", "Start varved in the background; returns when it serves. Options go to varved");
  verb->add_option("--pid-file", arguments->pid_file, "Where to write its process number");
  verb->allow_extras();
  verb->fallthrough(false);  // else what is varved's is offered to varve
  verb->prefix_command(false);
  verb->callback([&context, arguments, verb] {
    arguments->rest = verb->remaining();
    const Result<void> result = start(context, *arguments);
    if (!result.ok()) context.fail(result.error());
  });
  verb = noun->add_subcommand("stop", "Stop it in good order");
  verb->add_option("--pid-file", arguments->pid_file, "As given to start")->required();
  set_verb(*verb, context, [=](Context& c) { return stop(c, *arguments); });
}

}  // namespace varve::command
