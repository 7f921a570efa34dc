// Clients that are killed (SIGKILL) in the midst of create, write, rename and remove, and a server that
// is killed under a client: what was acknowledged is there, a rename is done or not done, and the
// checker gives back what nobody refers to any more.
//
//   dfs_kill [--rounds N] [--server-rounds N] [--seed S]
#include <daos.h>
#include <daos_fs.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <varve/dfs_extensions.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "client/client.h"
#include "server.h"

namespace varve::c_api {
namespace {

constexpr const char* kPool = "kill";
std::unique_ptr<Server> server;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "dfs_kill: %s\n", what.c_str());
  server.reset();
  std::_Exit(1);
}
void must(int result, const std::string& what) {
  if (result != 0) fail(what + ": " + std::strerror(result < 0 ? -result : result));
}

int write_all(dfs_t* dfs, dfs_obj_t* file, std::string text) {
  d_iov_t iov;
  d_iov_set(&iov, text.data(), text.size());
  d_sg_list_t list = {1, 0, &iov};
  return dfs_write(dfs, file, &list, 0, nullptr);
}
std::string read_all(dfs_t* dfs, dfs_obj_t* file) {
  std::string text(1000, '?');
  d_iov_t iov;
  d_iov_set(&iov, text.data(), text.size());
  d_sg_list_t list = {1, 0, &iov};
  daos_size_t got = 0;
  must(dfs_read(dfs, file, &list, 0, &got, nullptr), "read");
  text.resize(got);
  return text;
}

// Works until it is killed; one byte on the standard output says that it has begun.
[[noreturn]] void be_a_client(const std::string& container, const std::string& prefix) {
  dfs_t* dfs = nullptr;
  dfs_obj_t* directory = nullptr;
  if (daos_init() != 0 || dfs_connect(kPool, nullptr, container.c_str(), O_RDWR, nullptr, &dfs) != 0 ||
      dfs_lookup(dfs, "/k", O_RDWR, &directory, nullptr, nullptr) != 0)
    std::_Exit(1);
  if (write(STDOUT_FILENO, "+", 1) != 1) std::_Exit(1);
  for (int i = 0;; ++i) {
    const std::string name = prefix + "." + std::to_string(i), moved = name + ".r";
    dfs_obj_t* file = nullptr;
    if (dfs_open(dfs, directory, name.c_str(), S_IFREG | 0644, O_CREAT | O_EXCL | O_RDWR, 0, 0,
                 nullptr, &file) != 0)
      std::_Exit(1);
    if (write_all(dfs, file, name) != 0) std::_Exit(1);
    (void)dfs_release(file);
    if (dfs_move(dfs, directory, name.c_str(), directory, moved.c_str(), nullptr) != 0)
      std::_Exit(1);
    if (i % 3 != 0 && dfs_remove(dfs, directory, moved.c_str(), false, nullptr) != 0)
      std::_Exit(1);
  }
}

void kill_one_client(const std::string& prefix, uint64_t after_us) {
  int ready[2];
  if (pipe(ready) != 0) fail("pipe");
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    dup2(ready[1], STDOUT_FILENO);
    close(ready[0]);
    close(ready[1]);
    execl("/proc/self/exe", "dfs_kill", "--child", "files", prefix.c_str(), nullptr);
    std::_Exit(127);
  }
  close(ready[1]);
  char byte = 0;
  if (read(ready[0], &byte, 1) != 1) fail("a client does not begin");
  close(ready[0]);
  std::this_thread::sleep_for(std::chrono::microseconds(after_us));
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFSIGNALED(status)) fail("a client ended by itself");
}

// No file has two names or other bytes than its own.
void look_at_all(dfs_t* dfs, dfs_obj_t* directory) {
  std::map<std::string, int> names;
  struct dirent entries[64];
  daos_anchor_t anchor = DAOS_ANCHOR_INIT;
  std::vector<std::string> listed;
  while (!daos_anchor_is_eof(&anchor)) {
    uint32_t number = 64;
    must(dfs_readdir(dfs, directory, &anchor, &number, entries), "readdir");
    for (uint32_t i = 0; i < number; ++i) listed.emplace_back(entries[i].d_name);
  }
  for (const std::string& name : listed) {
    dfs_obj_t* file = nullptr;
    const int found = dfs_lookup_rel(dfs, directory, name.c_str(), O_RDONLY, &file, nullptr, nullptr);
    if (found == ENOENT) continue;
    must(found, "look at " + name);
    const bool moved = name.ends_with(".r");
    const std::string first = moved ? name.substr(0, name.size() - 2) : name;
    if (++names[first] > 1) fail(first + " has both names");
    const std::string text = read_all(dfs, file);
    if (text != first && (moved || !text.empty())) fail(name + " holds '" + text + "'");
    (void)dfs_release(file);
  }
}

void make_pool() {
  auto options = client::options_from_environment();
  auto session = client::Session::open(*options);
  if (!session) fail(session.error().describe());
  pool::CreatePool request;
  request.label = kPool;
  request.bytes = 500ULL << 20;
  auto created = (*session)->wait((*session)->create_pool(request));
  if (!created) fail(created.error().describe());
}

struct Place {
  daos_handle_t pool, container;
  dfs_t* dfs = nullptr;
  dfs_obj_t* directory = nullptr;
  Place() {
    make_pool();
    must(daos_pool_connect(kPool, nullptr, DAOS_PC_RW, &pool, nullptr, nullptr), "connect");
    must(dfs_cont_create_with_label(pool, "files", nullptr, nullptr, &container, &dfs), "create");
    must(dfs_mkdir(dfs, nullptr, "k", 0755, 0), "mkdir");
    must(dfs_lookup(dfs, "/k", O_RDWR, &directory, nullptr, nullptr), "lookup");
  }
  ~Place() {
    (void)dfs_release(directory);
    (void)dfs_umount(dfs);
    (void)daos_cont_close(container, nullptr);
    (void)daos_pool_disconnect(pool, nullptr);
  }
};

void kill_clients(uint64_t rounds, std::mt19937_64& random) {
  server = std::make_unique<Server>(true);
  must(daos_init(), "daos_init");
  {
    Place place;
    for (uint64_t round = 0; round < rounds; ++round)
      kill_one_client(std::to_string(round), random() % 5000);
    look_at_all(place.dfs, place.directory);
    varve_dfs_check_report report;
    must(varve_dfs_check(place.dfs, DFS_CHECK_REMOVE, nullptr, &report), "the check");
    std::printf("dfs_kill: %llu clients killed; %llu leaked objects, %llu removed; %llu unmarked\n",
                static_cast<unsigned long long>(rounds),
                static_cast<unsigned long long>(report.leaked),
                static_cast<unsigned long long>(report.removed),
                static_cast<unsigned long long>(report.unmarked));
    must(varve_dfs_check(place.dfs, 0, nullptr, &report), "the second check");
    if (report.leaked || report.ghosts || report.unmarked) fail("something is left after the check");
    look_at_all(place.dfs, place.directory);
  }
  must(daos_fini(), "daos_fini");
  server.reset();
}

// Files by number: 0 unknown (an answer was lost), 1 old name, 2 new name, 3 none.
void kill_server(uint64_t rounds, std::mt19937_64& random) {
  server = std::make_unique<Server>(false);
  must(daos_init(), "daos_init");
  {
    Place place;
    std::atomic<bool> over{false};
    std::thread killer([&, pause = random() % 1000] {
      for (uint64_t round = 0; round < rounds; ++round) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100 + (pause * (round + 1)) % 200));
        server->kill();
        server->start();
      }
      over.store(true);
    });
    std::map<std::string, int> state;
    for (int i = 0; !over.load(); ++i) {
      const std::string name = std::to_string(i), moved = name + ".r";
      dfs_obj_t* file = nullptr;
      const int made = dfs_open(place.dfs, place.directory, name.c_str(), S_IFREG | 0644,
                                O_CREAT | O_EXCL | O_RDWR, 0, 0, nullptr, &file);
      state[name] = 0;
      if (made != 0) continue;
      const int written = write_all(place.dfs, file, name);
      (void)dfs_release(file);
      if (written != 0) continue;
      state[name] = 1;
      if (i % 2 == 0) continue;
      state[name] = 0;
      if (dfs_move(place.dfs, place.directory, name.c_str(), place.directory, moved.c_str(),
                   nullptr) != 0)
        continue;
      state[name] = 2;
      if (i % 3 != 0) continue;
      state[name] = dfs_remove(place.dfs, place.directory, moved.c_str(), false, nullptr) ? 0 : 3;
    }
    killer.join();
    look_at_all(place.dfs, place.directory);
    size_t known = 0;
    for (const auto& [name, what] : state) {
      if (what == 0) continue;
      ++known;
      struct stat status;
      const int old_name = dfs_stat(place.dfs, place.directory, name.c_str(), &status);
      const int new_name = dfs_stat(place.dfs, place.directory, (name + ".r").c_str(), &status);
      if (old_name != (what == 1 ? 0 : ENOENT) || new_name != (what == 2 ? 0 : ENOENT))
        fail(name + ": what was acknowledged is not there");
    }
    std::printf("dfs_kill: the server killed %llu times; %zu of %zu files as acknowledged\n",
                static_cast<unsigned long long>(rounds), known, state.size());
    if (known * 2 < state.size()) fail("hardly anything was acknowledged");
  }
  must(daos_fini(), "daos_fini");
  server.reset();
}

}  // namespace
}  // namespace varve::c_api

int main(int argc, char** argv) {
  using namespace varve::c_api;
  if (argc == 4 && std::string(argv[1]) == "--child") be_a_client(argv[2], argv[3]);
  uint64_t rounds = 100, server_rounds = 5, seed = std::random_device{}() % 1'000'000;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--rounds") {
      rounds = value;
    } else if (name == "--server-rounds") {
      server_rounds = value;
    } else if (name == "--seed") {
      seed = value;
    } else {
      std::fprintf(stderr, "usage: dfs_kill [--rounds N] [--server-rounds N] [--seed S]\n");
      return 2;
    }
  }
  std::printf("dfs_kill: --seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  kill_clients(rounds, random);
  kill_server(server_rounds, random);
  return 0;
}
