// What a client sees of bad input and of servers that stop or die, through the public C interface.
// One case a run:   process_client CASE POOL CONTAINER [SERVER_PID] Prints "ready" where the test
// has something to do to the server, and "good" at the end.
#include <daos.h>
#include <daos_fs.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "pattern.h"

namespace varve::process {
namespace {

constexpr size_t kMiB = 1 << 20;

int failures = 0;

#define EXPECT(condition, ...)                                    \
  do {                                                            \
    if (!(condition)) {                                           \
      std::printf("%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      std::printf(__VA_ARGS__);                                   \
      std::printf("\n");                                          \
      ++failures;                                                 \
    }                                                             \
  } while (0)
#define MUST(call)                                                                  \
  do {                                                                              \
    const int must_result = (call);                                                 \
    if (must_result != 0) {                                                         \
      std::printf("%s:%d: %s: error %d\n", __FILE__, __LINE__, #call, must_result); \
      std::exit(1);                                                                 \
    }                                                                               \
  } while (0)

double now(clockid_t clock = CLOCK_MONOTONIC) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}
// Seconds of processor time of this process.
double processor() { return now(CLOCK_PROCESS_CPUTIME_ID); }

void pause_for(double seconds) {
  timespec time{
      static_cast<time_t>(seconds),
      static_cast<long>((seconds - static_cast<double>(static_cast<time_t>(seconds))) * 1e9)};
  nanosleep(&time, nullptr);
}

double deadline() {
  const char* text = std::getenv("VARVE_TIMEOUT_MS");
  return text ? std::strtod(text, nullptr) / 1000 : 30;
}

void say(const char* word) {
  std::printf("%s\n", word);
  std::fflush(stdout);
}

struct Client {
  daos_handle_t pool{}, container{}, object{};

  void open(const char* pool_name, const char* container_name, uint64_t low = 77) {
    MUST(daos_init());
    MUST(daos_pool_connect(pool_name, nullptr, DAOS_PC_RW, &pool, nullptr, nullptr));
    MUST(daos_cont_open(pool, container_name, DAOS_COO_RW, &container, nullptr, nullptr));
    daos_obj_id_t oid{low, 0xBAD};
    MUST(daos_obj_generate_oid(container, &oid, DAOS_OT_MULTI_HASHED, OC_SX, 0, 0));
    MUST(daos_obj_open(container, oid, DAOS_OO_RW, &object, nullptr));
  }
  void close() {
    MUST(daos_obj_close(object, nullptr));
    MUST(daos_cont_close(container, nullptr));
    MUST(daos_pool_disconnect(pool, nullptr));
    MUST(daos_fini());
  }
  // One array akey "data" under the dkey, from record 0 on.
  int io(bool write, const std::string& dkey_text, void* data, size_t length) {
    daos_key_t dkey;
    d_iov_set(&dkey, const_cast<char*>(dkey_text.data()), dkey_text.size());
    daos_recx_t range{0, length};
    daos_iod_t descriptor{};
    char akey[] = "data";
    d_iov_set(&descriptor.iod_name, akey, 4);
    descriptor.iod_type = DAOS_IOD_ARRAY;
    descriptor.iod_size = 1;
    descriptor.iod_nr = 1;
    descriptor.iod_recxs = &range;
    d_iov_t memory;
    d_iov_set(&memory, data, length);
    d_sg_list_t list{1, 0, &memory};
    return write ? daos_obj_update(object, DAOS_TX_NONE, 0, &dkey, 1, &descriptor, &list, nullptr)
                 : daos_obj_fetch(object, DAOS_TX_NONE, 0, &dkey, 1, &descriptor, &list, nullptr,
                                  nullptr);
  }
};

int put_value(daos_handle_t object, std::string dkey_text, std::string akey_text, void* data,
              size_t length) {
  daos_key_t dkey;
  d_iov_set(&dkey, dkey_text.data(), dkey_text.size());
  daos_iod_t descriptor{};
  d_iov_set(&descriptor.iod_name, akey_text.data(), akey_text.size());
  descriptor.iod_type = DAOS_IOD_SINGLE;
  descriptor.iod_size = length;
  descriptor.iod_nr = 1;
  d_iov_t memory;
  d_iov_set(&memory, data, length);
  d_sg_list_t list{1, 0, &memory};
  return daos_obj_update(object, DAOS_TX_NONE, 0, &dkey, 1, &descriptor, &list, nullptr);
}

struct Case {
  const char* pool;
  const char* container;
  pid_t server;
};

void names(const Case& given) {
  daos_handle_t pool{}, container{};
  MUST(daos_init());
  for (const char* wrong : {"nosuchpool", "", "00000000-0000-0000-0000-000000000001", "a/b"}) {
    const int result = daos_pool_connect(wrong, nullptr, DAOS_PC_RW, &pool, nullptr, nullptr);
    EXPECT(result == -DER_NONEXIST || result == -DER_INVAL, "pool '%s': %d", wrong, result);
  }
  const std::string long_name(5000, 'x');
  int result = daos_pool_connect(long_name.c_str(), nullptr, DAOS_PC_RW, &pool, nullptr, nullptr);
  EXPECT(result == -DER_NONEXIST || result == -DER_INVAL, "%d", result);
  result = daos_pool_connect(nullptr, nullptr, DAOS_PC_RW, &pool, nullptr, nullptr);
  EXPECT(result == -DER_INVAL, "%d", result);
  MUST(daos_pool_connect(given.pool, nullptr, DAOS_PC_RW, &pool, nullptr, nullptr));
  for (const char* wrong : {"nosuchcontainer", "", "00000000-0000-0000-0000-000000000001"}) {
    result = daos_cont_open(pool, wrong, DAOS_COO_RW, &container, nullptr, nullptr);
    EXPECT(result == -DER_NONEXIST || result == -DER_INVAL || result == -DER_CONT_NONEXIST,
           "container '%s': %d", wrong, result);
  }
  MUST(daos_pool_disconnect(pool, nullptr));
  MUST(daos_fini());
}

void closed_handles(const Case& given) {
  Client client;
  client.open(given.pool, given.container);
  char byte[16] = "value";
  const daos_handle_t object = client.object;
  MUST(put_value(object, "d", "a", byte, 5));
  MUST(daos_obj_close(object, nullptr));
  EXPECT(put_value(object, "d", "a", byte, 5) == -DER_NO_HDL, "update through a closed object");
  EXPECT(client.io(false, "d", byte, 5) == -DER_NO_HDL, "fetch through a closed object");
  EXPECT(daos_obj_close(object, nullptr) == -DER_NO_HDL, "closed twice");
  const daos_handle_t container = client.container;
  MUST(daos_cont_close(container, nullptr));
  daos_handle_t again{};
  daos_obj_id_t oid{1, 0};
  EXPECT(daos_obj_generate_oid(container, &oid, DAOS_OT_MULTI_HASHED, OC_S1, 0, 0) == -DER_NO_HDL,
         "id of a closed container");
  EXPECT(daos_obj_open(container, oid, DAOS_OO_RW, &again, nullptr) == -DER_NO_HDL,
         "object of a closed container");
  EXPECT(daos_cont_close(container, nullptr) == -DER_NO_HDL, "container closed twice");
  MUST(daos_pool_disconnect(client.pool, nullptr));
  EXPECT(daos_cont_open(client.pool, given.container, DAOS_COO_RW, &again, nullptr, nullptr) ==
             -DER_NO_HDL,
         "container of a closed pool");
  EXPECT(daos_pool_disconnect(client.pool, nullptr) == -DER_NO_HDL, "pool closed twice");
  daos_handle_t nonsense{};
  for (uint64_t cookie : {0ull, 1ull, 12345678ull, ~0ull, 0xDEADBEEFDEADBEEFull}) {
    nonsense.cookie = cookie;
    EXPECT(put_value(nonsense, "d", "a", byte, 5) == -DER_NO_HDL, "handle %llx",
           static_cast<unsigned long long>(cookie));
    EXPECT(daos_cont_close(nonsense, nullptr) == -DER_NO_HDL, "handle %llx",
           static_cast<unsigned long long>(cookie));
  }
  MUST(daos_fini());
  EXPECT(
      daos_pool_connect(given.pool, nullptr, DAOS_PC_RW, &again, nullptr, nullptr) == -DER_UNINIT,
      "after daos_fini");
}

// Oversize keys and values, and descriptors that do not fit together.
void oversize(const Case& given) {
  Client client;
  client.open(given.pool, given.container);
  std::vector<char> value(100, 'v');
  int result;
  for (size_t length : {size_t{0}, size_t{64 << 10}, kMiB, 70 * kMiB}) {
    result = put_value(client.object, std::string(length, 'k'), "a", value.data(), value.size());
    EXPECT(result == -DER_INVAL || result == -DER_KEY2BIG, "dkey of %zu bytes: %d", length, result);
    result = put_value(client.object, "d", std::string(length, 'k'), value.data(), value.size());
    EXPECT(result == -DER_INVAL || result == -DER_KEY2BIG, "akey of %zu bytes: %d", length, result);
  }
  result = put_value(client.object, "d", "a", reinterpret_cast<void*>(0x1000), size_t{1} << 40);
  EXPECT(result == -DER_REC2BIG || result == -DER_INVAL || result == -DER_OVERFLOW,
         "a value of 1 TiB: %d", result);
  result = put_value(client.object, "d", "a", nullptr, 10);
  EXPECT(result == -DER_INVAL || result == -DER_IO_INVAL, "a value at a null pointer: %d", result);
  // Descriptors that say more than the memory holds, or run past the end of the index.
  daos_key_t dkey;
  char name[] = "d";
  d_iov_set(&dkey, name, 1);
  for (uint64_t records : {uint64_t{200}, ~uint64_t{0}}) {
    for (uint64_t index : {uint64_t{0}, ~uint64_t{0} - 10}) {
      daos_recx_t range{index, records};
      daos_iod_t descriptor{};
      d_iov_set(&descriptor.iod_name, name, 1);
      descriptor.iod_type = DAOS_IOD_ARRAY;
      descriptor.iod_size = 1;
      descriptor.iod_nr = 1;
      descriptor.iod_recxs = &range;
      d_iov_t memory;
      d_iov_set(&memory, value.data(), value.size());
      d_sg_list_t list{1, 0, &memory};
      result =
          daos_obj_update(client.object, DAOS_TX_NONE, 0, &dkey, 1, &descriptor, &list, nullptr);
      EXPECT(result < 0, "%llu records at %llu from 100 bytes: %d",
             static_cast<unsigned long long>(records), static_cast<unsigned long long>(index),
             result);
      descriptor.iod_recxs = nullptr;
      result =
          daos_obj_update(client.object, DAOS_TX_NONE, 0, &dkey, 1, &descriptor, &list, nullptr);
      EXPECT(result == -DER_INVAL || result == -DER_IO_INVAL, "no ranges: %d", result);
    }
  }
  EXPECT(daos_obj_update(client.object, DAOS_TX_NONE, 0, &dkey, 1, nullptr, nullptr, nullptr) ==
             -DER_INVAL,
         "no descriptors");
  EXPECT(daos_obj_update(client.object, DAOS_TX_NONE, 0, nullptr, 1, nullptr, nullptr, nullptr) ==
             -DER_INVAL,
         "no dkey");
  MUST(put_value(client.object, "d", "fine", value.data(), value.size()));
  client.close();
}

// The server stops in the middle of 1 MiB reads: each call ends at its deadline, and then its
// buffer belongs to the caller, for good.
void stopped_server(const Case& given) {
  constexpr int kThreads = 4;
  Client client;
  client.open(given.pool, given.container);
  std::vector<std::vector<uint8_t>> buffers(kThreads, std::vector<uint8_t>(kMiB));
  for (int i = 0; i < kThreads; ++i) {
    Pattern{1, 1, static_cast<uint64_t>(i)}.fill(0, buffers[i].data(), kMiB);
    MUST(client.io(true, "key-" + std::to_string(i), buffers[i].data(), kMiB));
  }
  std::atomic<uint64_t> reads{0}, late{0};
  std::vector<int> results(kThreads, 0);
  const double before = processor();
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      for (;;) {
        const double start = now();
        results[i] = client.io(false, "key-" + std::to_string(i), buffers[i].data(), kMiB);
        const double took = now() - start;
        if (took > deadline() + 1) ++late;
        if (results[i] != 0) break;
        ++reads;
      }
      // The buffer is ours again: whatever the server does from now on must not show in it.
      std::memset(buffers[i].data(), 0xAB, kMiB);
    });
  while (reads < 200) pause_for(0.001);
  const double running = processor() - before;
  kill(given.server, SIGSTOP);
  const double stop_time = now(), stop_processor = processor();
  for (std::thread& thread : threads) thread.join();
  const double waited = now() - stop_time, used = processor() - stop_processor;
  EXPECT(waited < deadline() + 1.5, "the calls ended after %.2f s, their deadline is %.2f s",
         waited, deadline());
  EXPECT(waited > deadline() * 0.5, "the calls ended after %.2f s: they did not wait", waited);
  EXPECT(late == 0, "%llu calls came late", static_cast<unsigned long long>(late.load()));
  EXPECT(used < waited * 0.05 + 0.03, "waiting %.2f s took %.2f s of processor time", waited, used);
  for (int result : results) EXPECT(result == -DER_TIMEDOUT, "error %d", result);
  kill(given.server, SIGCONT);
  pause_for(1.0);
  for (const auto& buffer : buffers) {
    const auto changed =
        std::count_if(buffer.begin(), buffer.end(), [](uint8_t byte) { return byte != 0xAB; });
    EXPECT(changed == 0, "%ld bytes of a buffer were written after its call had ended",
           static_cast<long>(changed));
  }
  for (int i = 0; i < kThreads; ++i) {
    std::vector<uint8_t> wanted(kMiB);
    Pattern{1, 1, static_cast<uint64_t>(i)}.fill(0, wanted.data(), kMiB);
    int result = client.io(false, "key-" + std::to_string(i), buffers[i].data(), kMiB);
    EXPECT(result == 0 && buffers[i] == wanted, "read after SIGCONT: %d", result);
  }
  std::printf("waited %.2f s, processor %.3f s (running: %.3f s)\n", waited, used, running);
  client.close();
}

// Writes until the test has killed (and perhaps restarted) the server; the first call that meets it
// must end by its deadline, and waiting must cost nothing. Prints the result of that call.
void killed_server(const Case& given) {
  Client client;
  client.open(given.pool, given.container);
  std::vector<uint8_t> data(64 << 10, 1);
  MUST(client.io(true, "key", data.data(), data.size()));
  say("ready");
  double processor_start, start;
  int result;
  do {
    start = now();
    processor_start = processor();
    result = client.io(true, "key", data.data(), data.size());
  } while (result == 0 && now() - start < 0.25);
  const double waited = now() - start, used = processor() - processor_start;
  EXPECT(waited < deadline() + 1.5, "the call ended after %.2f s, its deadline is %.2f s", waited,
         deadline());
  EXPECT(used < waited * 0.05 + 0.02, "waiting %.2f s took %.3f s of processor time", waited, used);
  std::printf("result %d after %.2f s, %.3f s of processor time\n", result, waited, used);
  say("ready");
  if (result == 0) client.close();
}

// Fills the pool; then reads go on, removing gives the space back, and writes work again.
void full_device(const Case& given) {
  Client client;
  client.open(given.pool, given.container);
  std::vector<uint8_t> data(kMiB), found(kMiB);
  std::map<int, bool> stored;
  int refused = 0, other = 0, first_error = 0;
  for (int i = 0; i < 4096 && refused < 50; ++i) {
    Pattern{2, 2, static_cast<uint64_t>(i)}.fill(0, data.data(), kMiB);
    const int result = client.io(true, "full-" + std::to_string(i), data.data(), kMiB);
    if (result == 0)
      stored[i] = true;
    else if (result == -DER_NOSPACE)
      ++refused;
    else
      ++other, first_error = first_error ? first_error : result;
  }
  EXPECT(refused >= 50, "the pool never got full: %zu MiB stored", stored.size());
  EXPECT(other == 0, "%d writes failed with something else than -DER_NOSPACE, the first with %d",
         other, first_error);
  EXPECT(stored.size() > 20, "only %zu MiB were stored", stored.size());
  // Small values too, until they are refused.
  uint64_t small = 0;
  int result = 0;
  for (; small < 2'000'000 && result == 0; ++small) {
    std::vector<uint8_t> value(2000);
    Pattern{3, 3, small}.fill(0, value.data(), value.size());
    result = put_value(client.object, "small-" + std::to_string(small % 1000),
                       "akey-" + std::to_string(small), value.data(), value.size());
  }
  EXPECT(result == 0 || result == -DER_NOSPACE, "small values: %d", result);
  std::printf("stored %zu MiB and %llu small values\n", stored.size(),
              static_cast<unsigned long long>(small));
  for (const auto& [i, there] : stored) {
    Pattern{2, 2, static_cast<uint64_t>(i)}.fill(0, data.data(), kMiB);
    result = client.io(false, "full-" + std::to_string(i), found.data(), kMiB);
    EXPECT(result == 0 && found == data, "full-%d read from the full pool: %d", i, result);
    if (failures > 5) break;
  }
  // Every other key goes; the space must come back by itself within the deadline of this test.
  size_t removed = 0;
  for (const auto& [i, there] : stored) {
    if (i % 2) continue;
    const std::string name = "full-" + std::to_string(i);
    daos_key_t dkey;
    d_iov_set(&dkey, const_cast<char*>(name.data()), name.size());
    result = daos_obj_punch_dkeys(client.object, DAOS_TX_NONE, 0, 1, &dkey, nullptr);
    EXPECT(result == 0, "punch in a full pool: %d", result);
    if (result) break;
    ++removed;
  }
  const double give_up = now() + 60;
  size_t written = 0;
  while (written < removed * 3 / 4 && now() < give_up) {
    Pattern{4, 4, written}.fill(0, data.data(), kMiB);
    result = client.io(true, "again-" + std::to_string(written), data.data(), kMiB);
    if (result == 0)
      ++written;
    else if (result == -DER_NOSPACE)
      pause_for(0.1);
    else
      break;
  }
  EXPECT(written >= removed * 3 / 4,
         "%zu MiB were removed, only %zu MiB can be written again; error %d", removed, written,
         result);
  for (size_t i = 0; i < written && failures < 5; ++i) {
    Pattern{4, 4, i}.fill(0, data.data(), kMiB);
    result = client.io(false, "again-" + std::to_string(i), found.data(), kMiB);
    EXPECT(result == 0 && found == data, "again-%zu: %d", i, result);
  }
  for (const auto& [i, there] : stored) {
    if (i % 2 == 0 || failures > 5) continue;
    Pattern{2, 2, static_cast<uint64_t>(i)}.fill(0, data.data(), kMiB);
    result = client.io(false, "full-" + std::to_string(i), found.data(), kMiB);
    EXPECT(result == 0 && found == data, "full-%d after others were removed: %d", i, result);
  }
  client.close();
}

// Reads and writes of all sizes until killed: the test kills many of these at any instant.
void busy(const Case& given) {
  Client client;
  client.open(given.pool, given.container, 1000 + static_cast<uint64_t>(getpid()) % 4);
  say("ready");
  std::vector<uint8_t> data(kMiB, 7);
  Choices choices(static_cast<uint64_t>(getpid()));
  for (;;) {
    const size_t length = choices.below(3) == 0 ? kMiB : 1 + choices.below(8000);
    const int result = client.io(choices.below(2) == 0, "busy-" + std::to_string(choices.below(4)),
                                 data.data(), length);
    if (result) std::exit(100);
  }
}

// One small read and write: does the server serve?
void serves(const Case& given) {
  Client client;
  client.open(given.pool, given.container);
  std::vector<uint8_t> data(10000, 3), found(10000);
  MUST(client.io(true, "serves", data.data(), data.size()));
  MUST(client.io(false, "serves", found.data(), found.size()));
  EXPECT(found == data, "what was read is not what was written");
  client.close();
}

int program(int argc, char** argv) {
  const std::map<std::string, void (*)(const Case&)> cases = {{"names", names},
                                                              {"closed_handles", closed_handles},
                                                              {"oversize", oversize},
                                                              {"stopped_server", stopped_server},
                                                              {"killed_server", killed_server},
                                                              {"full_device", full_device},
                                                              {"busy", busy},
                                                              {"serves", serves}};
  if (argc < 4 || !cases.count(argv[1])) {
    std::fprintf(stderr, "process_client CASE POOL CONTAINER [SERVER_PID]\n");
    return 2;
  }
  cases.at(argv[1])({argv[2], argv[3], argc > 4 ? std::atoi(argv[4]) : 0});
  if (failures == 0) say("good");
  return failures ? 1 : 0;
}

}  // namespace
}  // namespace varve::process

int main(int argc, char** argv) { return varve::process::program(argc, argv); }
