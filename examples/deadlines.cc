// Calls to a server that takes connections and never answers: ended by their deadline, by a stop
// token, or by dropping them. No call of the library can hang.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "example.h"

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Listens, and that is all.
class DeafServer {
 public:
  DeafServer() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    expect(bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
               listen(socket_, 16) == 0 &&
               getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0,
           "a socket listens");
    port_ = ntohs(address.sin_port);
  }
  ~DeafServer() { close(socket_); }
  std::string address() const { return "tcp://127.0.0.1:" + std::to_string(port_); }

 private:
  int socket_, port_;
};

static void deadlines(Scratch& scratch) {
  DeafServer deaf;
  const varve::Client client = varve::Client::open({{deaf.address()}, 20s}).or_throw();

  auto begin = Clock::now();
  const auto late = client.list_pools(300ms).get();
  expect(!late && Clock::now() - begin >= 250ms && Clock::now() - begin < 3s,
         "a deadline of the call's own");
  std::printf("for people: %s\n", late.error().describe().c_str());

  begin = Clock::now();
  auto patient = client.list_pools();
  expect(!patient.wait(100ms) && !patient.ready(), "a wait may be shorter than the call");
  const auto given_up = patient.get(200ms);
  expect(given_up.code() == varve::Code::kTimedOut && Clock::now() - begin < 5s,
         "get() with a limit");

  // A stop token ends calls from any thread.
  std::stop_source stop;
  std::thread other([&] {
    std::this_thread::sleep_for(100ms);
    stop.request_stop();
  });
  begin = Clock::now();
  const auto canceled = client.list_pools(varve::Bounds(stop.get_token())).get();
  other.join();
  expect(canceled.code() == varve::Code::kCanceled && Clock::now() - begin < 5s,
         "a call that was stopped");

  // To drop a call ends it: its memory is ours again when this returns.
  begin = Clock::now();
  { auto dropped = client.connect("pool"); }
  expect(Clock::now() - begin < 5s, "a call that was dropped");

  // On a server that answers the same bounds change nothing, but for those that are stopped
  // already.
  varve::Object object =
      scratch.container.object(varve::ObjectId::make(1, varve::ObjectType::kHashed));
  object.update("dkey", "akey", varve::bytes_of("value"), varve::Condition::kNone, 5s)
      .get()
      .or_throw();
  const auto refused = object.fetch("dkey", "akey", varve::Bounds(10s, stop.get_token())).get();
  expect(refused.code() == varve::Code::kCanceled, "a token that was stopped before");
  expect(varve::text_of(object.fetch("dkey", "akey", 5s).get().or_throw()) == "value",
         "what was written");
}

int main(int argc, char** argv) { return run_example(argc, argv, "deadlines", deadlines); }
