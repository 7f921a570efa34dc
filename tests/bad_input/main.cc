// bad_input_calls [FUNCTION [SEED]]: see README.md.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "client/client.h"
#include "inputs.h"
#include "server.h"

namespace varve::bad_input {
namespace {

constexpr int kCallsEach = 20;
constexpr size_t kNoteBytes = 4096;
constexpr const char* kPool = "tank";

void make_pool() {
  auto session = client::Session::open(*client::options_from_environment());
  pool::CreatePool request;
  request.label = kPool;
  request.percent = 90;
  auto created = (*session)->wait((*session)->create_pool(request));
  if (created.ok()) return;
  std::fprintf(stderr, "bad_input: %s\n", created.error().describe().c_str());
  std::exit(2);
}

// In a child: 0, or what went wrong.
int call_often(const Function& function, uint64_t seed, char* note) {
  Inputs inputs(kPool, function.name, seed, note, kNoteBytes);
  for (int i = 0; i < kCallsEach; ++i) inputs.run(function);
  // Some calls make files there.
  std::error_code ignored;
  std::filesystem::remove_all(inputs.folder(), ignored);
  return inputs.wrong() ? 1 : 0;
}

bool good_end(const Function& function, int status, const char* note) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
    std::fprintf(stderr, "bad_input: %s: hangs: %s\n", function.name, note);
  else if (WIFSIGNALED(status))
    std::fprintf(stderr, "bad_input: %s: signal %d: %s\n", function.name, WTERMSIG(status), note);
  else
    std::fprintf(stderr, "bad_input: %s: exit %d: %s\n", function.name, WEXITSTATUS(status), note);
  return false;
}

int run(const char* only, uint64_t seed) {
  c_api::Server server(true);
  setenv("VARVE_TIMEOUT_MS", "5000", 1);
  make_pool();
  auto* note = static_cast<char*>(
      mmap(nullptr, kNoteBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  int calls = 0, bad = 0, called = 0;
  for (const Function& function : functions()) {
    if (only && std::string(only) != function.name) continue;
    std::snprintf(note, kNoteBytes, "before the first call");
    const pid_t child = fork();
    if (child == 0) {
      // What the functions themselves print is nobody's to read.
      if (!freopen("/dev/null", "w", stdout)) _exit(97);
      _exit(call_often(function, seed + static_cast<uint64_t>(called), note));
    }
    int status = 0;
    waitpid(child, &status, 0);
    bad += !good_end(function, status, note);
    ++called;
    calls += kCallsEach;
  }
  // And the server is well.
  daos_handle_t pool{};
  if (daos_init() != 0 ||
      daos_pool_connect(kPool, nullptr, DAOS_PC_RO, &pool, nullptr, nullptr) != 0) {
    std::fprintf(stderr, "bad_input: the server does not answer any more\n");
    ++bad;
  }
  daos_pool_disconnect(pool, nullptr);
  daos_fini();
  std::printf("bad_input: %d functions, %d calls, %d functions went wrong\n", called, calls, bad);
  if (called == 0) std::printf("bad_input: there is no such function\n");
  return bad != 0 || called == 0;
}

}  // namespace
}  // namespace varve::bad_input

int main(int argc, char** argv) {
  return varve::bad_input::run(argc > 1 ? argv[1] : nullptr,
                               argc > 2 ? strtoull(argv[2], nullptr, 0) : 1);
}
