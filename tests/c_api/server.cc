#include "server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace varve::c_api {
namespace {

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "c_api_test: %s\n", why.c_str());
  std::exit(2);
}

// Three consecutive ports that nobody uses: the system's and the targets'.
int free_ports() {
  for (int base = 20000 + getpid() % 20000; base < 60000; base += 7) {
    bool all = true;
    for (int port = base; port < base + 3 && all; ++port) {
      const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<uint16_t>(port));
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      all = bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
      close(socket);
    }
    if (all) return base;
  }
  die("no free ports");
}

}  // namespace

Server::Server(bool in_memory) : in_memory_(in_memory) {
  char name[] = "/tmp/varve-c-api-XXXXXX";
  if (!mkdtemp(name)) die("mkdtemp failed");
  folder_ = name;
  port_ = free_ports();
  start();
}

Server::~Server() {
  kill();
  const std::string command = "rm -rf " + folder_;
  if (std::system(command.c_str()) != 0) std::fprintf(stderr, "%s failed\n", command.c_str());
}

void Server::start() {
  int output[2];
  if (pipe2(output, O_CLOEXEC) != 0) die("pipe failed");
  pid_ = fork();
  if (pid_ < 0) die("fork failed");
  if (pid_ == 0) {
    dup2(output[1], STDOUT_FILENO);
    const std::string directory = folder_ + "/data", run = folder_ + "/run",
                      port = std::to_string(port_);
    std::vector<const char*> arguments = {VARVED_PATH,
                                          "--directory",
                                          directory.c_str(),
                                          "--run-directory",
                                          run.c_str(),
                                          "--targets",
                                          "2",
                                          "--device-bytes",
                                          "1GiB",
                                          "--port",
                                          port.c_str(),
                                          "--no-pin"};
    if (in_memory_) arguments.push_back("--memory");
    arguments.push_back(nullptr);
    execv(VARVED_PATH, const_cast<char* const*>(arguments.data()));
    _exit(127);
  }
  close(output[1]);
  std::string line;
  for (char byte; read(output[0], &byte, 1) == 1 && byte != '\n';) line += byte;
  if (line.find("ready") == line.npos) die("varved did not start: " + line);
  // The rest of its output goes nowhere; a full pipe would stop it.
  close(output[0]);
  addresses_.clear();
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    if (!word.empty() && word.back() == ',') word.pop_back();
    if (word.find("://") != word.npos) addresses_.push_back(word);
  }
  std::string all;
  for (const std::string& address : addresses_) all += (all.empty() ? "" : ",") + address;
  setenv("VARVE_ADDRESS", all.c_str(), 1);
}

void Server::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void Server::open_folders() const {
  if (chmod(folder_.c_str(), 0755) != 0 || chmod((folder_ + "/run").c_str(), 0755) != 0)
    die("chmod failed");
}

void Server::stop() { ::kill(pid_, SIGSTOP); }
void Server::go_on() { ::kill(pid_, SIGCONT); }

}  // namespace varve::c_api
