#include "bench/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace varve::bench {
namespace {

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "bench: %s\n", what.c_str());
  std::exit(1);
}

}  // namespace

ServerProcess::ServerProcess(const std::string& folder, bool in_memory, uint64_t device_bytes) {
  char here[PATH_MAX];
  if (!realpath(folder.empty() ? "." : folder.c_str(), here))
    give_up("there is no folder " + folder);
  folder_ = std::string(here) + "/varve-bench-XXXXXX";
  if (!mkdtemp(folder_.data())) give_up("cannot make a folder in " + std::string(here));
  int output[2];
  if (pipe2(output, O_CLOEXEC) != 0) give_up("pipe failed");
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(output[1], STDOUT_FILENO);
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    cpu_set_t all;
    CPU_ZERO(&all);
    for (int core = 0; core < CPU_SETSIZE; ++core) CPU_SET(core, &all);
    sched_setaffinity(0, sizeof all, &all);
    const std::string data = folder_ + "/data", run = folder_ + "/run",
                      bytes = std::to_string(device_bytes);
    std::vector<const char*> arguments = {
        VARVED_PATH, "--directory",    data.c_str(),  "--run-directory", run.c_str(), "--targets",
        "1",         "--device-bytes", bytes.c_str(), "--port",          "0",         "--pin"};
    if (in_memory) arguments.push_back("--memory");
    arguments.push_back(nullptr);
    execv(VARVED_PATH, const_cast<char* const*>(arguments.data()));
    _exit(127);
  }
  close(output[1]);
  std::string line;
  for (char byte; read(output[0], &byte, 1) == 1 && byte != '\n';) line += byte;
  close(output[0]);
  if (line.find("ready") == line.npos) give_up("varved did not start: " + line);
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    if (word.back() == ',') word.pop_back();
    if (word.find("://") != word.npos) addresses_.push_back(word);
  }
}

ServerProcess::~ServerProcess() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  const std::string command = "rm -rf '" + folder_ + "'";
  if (std::system(command.c_str()) != 0)
    std::fprintf(stderr, "bench: %s failed\n", command.c_str());
}

}  // namespace varve::bench
