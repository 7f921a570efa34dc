// A varved of our own: a child process with memory or files in a folder of its own.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace varve::c_api {

class Server {
 public:
  // Starts it and waits until it is ready; sets VARVE_ADDRESS to where it listens. Ends the test
  // program where that fails.
  explicit Server(bool in_memory);
  ~Server();
  Server(const Server&) = delete;

  void kill();   // SIGKILL
  void start();  // after kill(); on the same addresses
  void stop();   // SIGSTOP
  void go_on();  // SIGCONT
  // Lets other users reach the sockets.
  void open_folders() const;
  const std::string& folder() const { return folder_; }
  // "local://..." and "tcp://..." of the system.
  const std::vector<std::string>& addresses() const { return addresses_; }

 private:
  std::string folder_;
  bool in_memory_;
  pid_t pid_ = -1;
  int port_ = 0;
  std::vector<std::string> addresses_;
};

}  // namespace varve::c_api
