// varved: the server of one storage node.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "engine/process.h"

namespace varve::engine {
namespace {

struct CommandLine {
  std::string config_path;
  Config config;
  std::string device_bytes, log_bytes, log_level, checkpoint;
};

int fail(const Error& error) {
  std::fprintf(stderr, "varved: %s\n", error.describe().c_str());
  return 1;
}

void add_options(CLI::App& app, CommandLine& line) {
  Config& config = line.config;
  app.add_option("--config", line.config_path,
                 "YAML file; the other options override what it says");
  app.add_option("--name", config.name, "Name of the system");
  app.add_option("--directory", config.directory, "Where devices that are files lie");
  app.add_option("--run-directory", config.run_directory,
                 "Where the sockets of this host's clients lie");
  app.add_option("--listen", config.listen, "Address to listen on");
  app.add_option("--port", config.port,
                 "Port of the system, the targets' follow; 0: any that are free");
  app.add_option("--targets", config.targets, "How many targets");
  app.add_option("--device", config.devices, "A target's device or file, once for each target");
  app.add_option("--device-bytes", line.device_bytes,
                 "Size of each new file or memory device (16GiB, say)");
  app.add_flag("--memory", config.memory,
               "Keep everything in memory: nothing survives the process");
  app.add_option("--log-bytes", line.log_bytes, "Size of each new write-ahead log");
  app.add_option("--checkpoint", line.checkpoint,
                 "When pages are written behind the log: timed, lazy (default), disabled");
  app.add_option("--checkpoint-interval-ms", config.checkpoint_interval_ms,
                 "timed: how long after a change (5000)");
  app.add_option("--checkpoint-threshold-percent", config.checkpoint_threshold_percent,
                 "timed and lazy: when so much of the log is used (50)");
  app.add_option("--polling-us", config.polling_us,
                 "How long a thread without work polls before it sleeps");
  app.add_flag("--pin,!--no-pin", config.pin, "Pin target i to core i");
  app.add_option("--log-level", line.log_level, "debug, info, warning, error, off");
  app.add_option("--log-file", config.log_file, "Standard error without it");
  app.add_option("--transports", config.transports, "tcp, local or both")->delimiter(',');
}

// The file's values, then the command line's over them: it is parsed twice, into what the file
// said.
Result<Config> configure(int argc, char** argv, int& exit_code) {
  CommandLine line;
  for (int pass = 0; pass < 2; ++pass) {
    CLI::App app("varved " + std::string(kVersion) + ": the server of one Varve storage node",
                 "varved");
    app.set_version_flag("--version", std::string("varved ") + kVersion);
    add_options(app, line);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      exit_code = app.exit(error);
      return Error(Code::kCanceled, "");
    }
    if (pass == 0 && !line.config_path.empty()) {
      VARVE_TRY(line.config, load_config(line.config_path));
    } else {
      break;
    }
  }
  Config config = line.config;
  if (!line.device_bytes.empty()) {
    VARVE_TRY(config.device_bytes, parse_bytes(line.device_bytes));
  }
  if (!line.log_bytes.empty()) {
    VARVE_TRY(config.log_bytes, parse_bytes(line.log_bytes));
  }
  if (!line.checkpoint.empty()) {
    VARVE_TRY(config.checkpoint, parse_checkpoint(line.checkpoint));
  }
  if (!line.log_level.empty()) {
    VARVE_TRY(config.log_level, parse_log_level(line.log_level));
  }
  return config;
}

// SIGTERM and SIGINT are taken by a thread of their own; a second one ends the process at once.
void watch_signals(Process& process, const sigset_t& signals) {
  for (int count = 0;; ++count) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (count > 0) _exit(1);
    process.request_stop();
  }
}

bool is_loopback(const std::string& address) {
  return address == "localhost" || address.starts_with("127.") || address == "::1" ||
         address == "[::1]";
}

int run(int argc, char** argv) {
  int exit_code = 0;
  auto config = configure(argc, argv, exit_code);
  if (!config.ok()) return config.code() == Code::kCanceled ? exit_code : fail(config.error());
  auto logging = configure_log(config->log_level, config->log_file);
  if (!logging.ok()) return fail(logging.error());
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // Else the port of a server that was killed is "in use" for a minute after it. UCX reads this
  // setting from the environment only; no other thread runs yet.
  setenv("UCX_TCP_CM_REUSEADDR", "y", 0);
  // UCX opens ports at every interface of the machine, wherever it listens, unless it is told.
  if (is_loopback(config->listen)) setenv("UCX_NET_DEVICES", "lo", 0);

  Process process(*config);
  auto started = process.start();
  if (!started.ok()) return fail(started.error());
  std::thread(watch_signals, std::ref(process), signals).detach();
  std::string addresses;
  for (const std::string& address : process.engine().addresses())
    addresses += (addresses.empty() ? "" : " ") + address;
  std::printf("varved: ready, system %s, %s, %u targets, recovered in %lld ms\n",
              config->name.c_str(), addresses.c_str(), config->targets,
              static_cast<long long>(process.recovery_time().count() / 1'000'000));
  if (!process.engine().persistent())
    std::fprintf(stderr, "varved: everything is kept in memory: nothing survives this process\n");
  std::fflush(stdout);
  process.run();
  return 0;
}

}  // namespace
}  // namespace varve::engine

int main(int argc, char** argv) { return varve::engine::run(argc, argv); }
