// Writes what can be recomputed, keeps a journal of what was acknowledged, and checks that every
// acknowledged byte is there.
//   process_writer run POOL CONTAINER JOURNAL [--seed N] [--threads N] [--seconds S] [--bytes N]
//                  [--files N] [--file-bytes N] [--entries N] [--keys N] [--names N]
//   process_writer verify POOL CONTAINER JOURNAL
//   process_writer pending - - JOURNAL     how many operations have no known end; no server is
//   needed
// SIGTERM ends a run after the operations in flight.
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

#include "storage.h"

namespace varve::process {
namespace {

std::atomic<bool> stopping{false};

double now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

const char* kind_name(ItemKind kind) {
  static const char* const names[] = {"file", "entry", "key", "name"};
  return names[static_cast<int>(kind)];
}

struct Arguments {
  std::string verb, pool, container, journal;
  Plan plan;
  unsigned threads = 3;
  double seconds = 0;  // 0: until SIGTERM
  uint64_t bytes = 0;  // 0: no bound
};

struct Totals {
  std::atomic<uint64_t> operations{0}, bytes{0}, failed{0}, resolved_there{0}, resolved_absent{0};
  std::atomic<uint64_t> generation{0};
  std::atomic<bool> wrong{false};
  double longest = 0;  // of one operation, seconds
  std::mutex mutex;
};

// Finds out what became of an operation that was not acknowledged. 1: there; 0: absent; -1:
// neither. Waits for the server, as long as the run may go on.
int resolve(Storage& storage, const Expected& before, const Record& record) {
  const double give_up = now() + 120;
  std::string why;
  for (;;) {
    int result;
    if (record.kind == ItemKind::kFile) {
      std::vector<uint8_t> found;
      result = storage.read_file(record.item, record.offset, record.length, found);
      if (result == 0) {
        if (found.size() == record.length && part_is_there(before.plan, record, found.data()))
          return 1;
        if (part_is_absent(before.plan, before.files[record.item], record, found.data(),
                           found.size()))
          return 0;
        why = "neither the old bytes nor the new ones";
      }
    } else {
      result = storage.matches(record, why);
      if (result == 1) return 1;
      if (result == Storage::kBothNames) {
        // The same move again completes it.
        if (storage.write_name(
                record, before.items.at(item_id(record.kind, record.item)).newest.offset) == 0)
          return 1;
        result = -DER_AGAIN;
      }
      std::string why_not_old;
      if (result == 0)
        result =
            storage.matches(before.items.at(item_id(record.kind, record.item)).newest, why_not_old);
      if (result == 1) return 0;
      why += "; and as before: " + why_not_old;
    }
    if (result == 0) {
      std::fprintf(stderr, "writer: TORN: %s %u, offset %llu, length %llu, generation %llu: %s\n",
                   kind_name(record.kind), record.item,
                   static_cast<unsigned long long>(record.offset),
                   static_cast<unsigned long long>(record.length),
                   static_cast<unsigned long long>(record.generation), why.c_str());
      return -1;
    }
    if (now() > give_up) {
      std::fprintf(stderr, "writer: reading back %s %u fails since 120 s, the last time with %d\n",
                   kind_name(record.kind), record.item, result);
      return -2;
    }
    timespec pause{0, 20'000'000};
    nanosleep(&pause, nullptr);
  }
}

class Worker {
 public:
  Worker(Storage& storage, Journal& journal, Expected& expected, Totals& totals,
         const Arguments& arguments, unsigned index)
      : storage_(storage),
        journal_(journal),
        expected_(expected),
        totals_(totals),
        arguments_(arguments),
        index_(index),
        choices_(mix(expected.plan.seed * 1000 + index) + expected.newest_generation()) {}

  void run(double end) {
    while (!stopping && !totals_.wrong && now() < end) {
      if (arguments_.bytes && totals_.bytes >= arguments_.bytes) break;
      step();
    }
  }

 private:
  // Items of this thread: every threads-th one.
  bool choose(uint32_t count, uint32_t& item) {
    const uint32_t mine =
        count / arguments_.threads + (index_ < count % arguments_.threads ? 1 : 0);
    if (mine == 0) return false;
    item = static_cast<uint32_t>(choices_.below(mine)) * arguments_.threads + index_;
    return true;
  }

  void step() {
    Record record{};
    record.thread = static_cast<uint16_t>(index_);
    const Plan& plan = expected_.plan;
    const uint64_t choice = choices_.below(100);
    const uint32_t counts[4] = {plan.files, plan.entries, plan.key_values, plan.names};
    record.kind = choice < 45   ? ItemKind::kFile
                  : choice < 65 ? ItemKind::kEntry
                  : choice < 90 ? ItemKind::kKeyValue
                                : ItemKind::kName;
    if (!choose(counts[static_cast<int>(record.kind)], record.item)) return;
    record.generation = ++totals_.generation;
    std::vector<Record> parts;
    if (record.kind == ItemKind::kFile)
      choose_range(record, parts);
    else
      parts.push_back(choose_value(record));
    journal_.append(parts.data(), parts.size());
    const double start = now();
    const int failed = execute(record.kind == ItemKind::kFile ? record : parts[0]);
    const double took = now() - start;
    settle(parts, failed);
    std::lock_guard lock(totals_.mutex);
    if (took > totals_.longest) totals_.longest = took;
  }

  void choose_range(Record& record, std::vector<Record>& parts) {
    const Plan& plan = expected_.plan;
    static constexpr uint64_t kBounds[] = {64, 700, 4096, 4096, 20000, 70000, 300000, 1u << 20};
    const uint64_t bound = std::min<uint64_t>(kBounds[choices_.below(8)], plan.file_bytes / 2);
    record.length = 1 + choices_.below(bound);
    if (choices_.below(4) == 0) record.length = (record.length + 4095) / 4096 * 4096;
    record.offset = choices_.below(plan.file_bytes - std::min(record.length, plan.file_bytes - 1));
    if (choices_.below(3) == 0) record.offset = record.offset / 4096 * 4096;
    record.length = std::min(record.length, plan.file_bytes - record.offset);
    // Mostly within one chunk; else one part for each chunk.
    const uint64_t room = plan.chunk_bytes - record.offset % plan.chunk_bytes;
    if (record.length > room && choices_.below(5) != 0) record.length = room;
    for (uint64_t done = 0; done < record.length;) {
      Record part = record;
      part.offset = record.offset + done;
      part.length =
          std::min(record.length - done, plan.chunk_bytes - part.offset % plan.chunk_bytes);
      parts.push_back(part);
      done += part.length;
    }
  }

  Record choose_value(Record record) {
    if (record.kind == ItemKind::kName) {
      const uint64_t old = place_of(record);
      record.offset = old == 0 ? 1 + choices_.below(2) : choices_.below(3) == 0 ? 0 : 3 - old;
      record.length = 1;
      return record;
    }
    const EntrySizes sizes = entry_sizes(record.generation);
    record.length = record.kind == ItemKind::kEntry ? sizes.value + sizes.array + sizes.large
                                                    : key_value_size(record.generation);
    if (choices_.below(16) == 0) record.length = 0;
    return record;
  }

  uint64_t place_of(const Record& record) {
    return expected_.items.at(item_id(record.kind, record.item)).newest.offset;
  }

  int execute(const Record& record) {
    if (record.kind == ItemKind::kFile) return storage_.write_file(record);
    if (record.kind == ItemKind::kEntry) return storage_.write_entry(record);
    if (record.kind == ItemKind::kKeyValue) return storage_.write_key_value(record);
    return storage_.write_name(record, place_of(record));
  }

  // Notes what became of the parts; an error is settled by reading back.
  void settle(std::vector<Record>& parts, int failed) {
    if (failed) {
      ++totals_.failed;
      std::fprintf(stderr, "writer: %s %u, generation %llu: error %d\n", kind_name(parts[0].kind),
                   parts[0].item, static_cast<unsigned long long>(parts[0].generation), failed);
    }
    for (Record& part : parts) {
      part.state = RecordState::kAcknowledged;
      if (failed) {
        const int found = resolve(storage_, expected_, part);
        if (found == -2) return;  // stays unknown
        if (found < 0) {
          totals_.wrong = true;
          return;
        }
        part.state = found ? RecordState::kAcknowledged : RecordState::kAbsent;
        ++(found ? totals_.resolved_there : totals_.resolved_absent);
      }
      totals_.bytes += part.length;
    }
    journal_.append(parts.data(), parts.size());
    std::lock_guard lock(totals_.mutex);
    for (const Record& part : parts) expected_.apply(part);
    ++totals_.operations;
  }

  Storage& storage_;
  Journal& journal_;
  Expected& expected_;
  Totals& totals_;
  const Arguments& arguments_;
  unsigned index_;
  Choices choices_;
};

int check_everything(Storage& storage, const Expected& expected) {
  int bad = 0;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < expected.files.size() && bad < 10; ++i) {
    std::vector<uint8_t> found;
    uint64_t size = 0;
    int failed = storage.file_size(i, size);
    if (!failed) failed = storage.read_file(i, 0, std::max(expected.plan.file_bytes, size), found);
    Finding finding;
    if (failed)
      finding = {false, 0, "reading fails with " + std::to_string(failed)};
    else
      finding =
          compare_file(expected.plan, i, expected.files[i], found, expected.newest_generation());
    if (finding.good && size != found.size())
      finding = {
          false, size,
          "size says " + std::to_string(size) + ", reading gives " + std::to_string(found.size())};
    bytes += found.size();
    if (finding.good) continue;
    ++bad;
    std::printf("WRONG: file-%u at offset %llu: %s\n", i,
                static_cast<unsigned long long>(finding.offset), finding.what.c_str());
  }
  for (const auto& [id, item] : expected.items) {
    const Record& newest = item.newest;
    std::string why, why_open;
    int good = storage.matches(newest, why);
    if (good != 1 && item.is_open) good = storage.matches(item.open, why_open);
    bytes += newest.length;
    if (good == 1 || (good == Storage::kBothNames && item.is_open)) continue;
    if (++bad > 60) break;
    if (good < 0) why = "reading fails with " + std::to_string(good);
    std::printf("WRONG: %s %u: %s%s\n", kind_name(newest.kind), newest.item, why.c_str(),
                item.is_open ? ("; and with the one in flight: " + why_open).c_str() : "");
  }
  if (bad == 0)
    std::printf(
        "verified: %llu acknowledged operations of %llu bytes, %llu bytes now stored, %llu in "
        "flight\n",
        static_cast<unsigned long long>(expected.acknowledged),
        static_cast<unsigned long long>(expected.acknowledged_bytes),
        static_cast<unsigned long long>(bytes), static_cast<unsigned long long>(expected.unknown));
  return bad ? 1 : 0;
}

// What an earlier run left unknown.
bool settle_leftovers(Storage& storage, Journal& journal, Expected& expected) {
  std::vector<Record> open;
  for (const ExpectedFile& file : expected.files)
    open.insert(open.end(), file.open.begin(), file.open.end());
  for (const auto& [id, item] : expected.items)
    if (item.is_open) open.push_back(item.open);
  for (Record& record : open) {
    const int found = resolve(storage, expected, record);
    if (found < 0) return false;
    record.state = found ? RecordState::kAcknowledged : RecordState::kAbsent;
    journal.append(&record, 1);
    expected.apply(record);
  }
  return true;
}

int run(const Arguments& arguments, Storage& storage, Journal& journal, Expected& expected) {
  if (!settle_leftovers(storage, journal, expected)) return 1;
  std::printf("writing\n");
  std::fflush(stdout);
  Totals totals;
  totals.generation = expected.newest_generation();
  const double start = now(), end = arguments.seconds > 0 ? start + arguments.seconds : 1e18;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < arguments.threads; ++i)
    threads.emplace_back(
        [&, i] { Worker(storage, journal, expected, totals, arguments, i).run(end); });
  for (std::thread& thread : threads) thread.join();
  std::printf(
      "wrote: %llu operations, %llu bytes in %.1f s, %llu errors (%llu there, %llu absent), "
      "longest %.2f s\n",
      static_cast<unsigned long long>(totals.operations.load()),
      static_cast<unsigned long long>(totals.bytes.load()), now() - start,
      static_cast<unsigned long long>(totals.failed.load()),
      static_cast<unsigned long long>(totals.resolved_there.load()),
      static_cast<unsigned long long>(totals.resolved_absent.load()), totals.longest);
  return totals.wrong ? 1 : 0;
}

bool parse(int argc, char** argv, Arguments& arguments) {
  if (argc < 5) return false;
  arguments.verb = argv[1];
  arguments.pool = argv[2];
  arguments.container = argv[3];
  arguments.journal = argv[4];
  for (int i = 5; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    const char* value = argv[i + 1];
    const uint64_t number = std::strtoull(value, nullptr, 10);
    if (option == "--seed")
      arguments.plan.seed = number;
    else if (option == "--threads")
      arguments.threads = static_cast<unsigned>(number ? number : 1);
    else if (option == "--seconds")
      arguments.seconds = std::strtod(value, nullptr);
    else if (option == "--bytes")
      arguments.bytes = number;
    else if (option == "--files")
      arguments.plan.files = static_cast<uint32_t>(number);
    else if (option == "--file-bytes")
      arguments.plan.file_bytes = number;
    else if (option == "--entries")
      arguments.plan.entries = static_cast<uint32_t>(number);
    else if (option == "--keys")
      arguments.plan.key_values = static_cast<uint32_t>(number);
    else if (option == "--names")
      arguments.plan.names = static_cast<uint32_t>(number);
    else
      return false;
  }
  return arguments.verb == "run" || arguments.verb == "verify" || arguments.verb == "pending";
}

int program(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    std::fprintf(stderr,
                 "process_writer run|verify POOL CONTAINER JOURNAL [--seed N] [--threads N] "
                 "[--seconds S] ...\n");
    return 2;
  }
  struct sigaction action {};
  action.sa_handler = [](int) { stopping = true; };
  sigaction(SIGTERM, &action, nullptr);
  Plan plan = arguments.plan;
  Journal journal;
  std::string error;
  const bool runs = arguments.verb == "run";
  std::vector<Record> records;
  if ((runs && !journal.open(arguments.journal, plan, error)) ||
      !Journal::load(arguments.journal, plan, records, error)) {
    std::fprintf(stderr, "writer: %s\n", error.c_str());
    return 2;
  }
  Expected expected(plan);
  for (const Record& record : records) expected.apply(record);
  if (arguments.verb == "pending") {
    std::printf("%llu\n", static_cast<unsigned long long>(expected.unknown));
    return 0;
  }
  Storage storage;
  if (const int failed = storage.open(arguments.pool, arguments.container, plan)) {
    std::fprintf(stderr, "writer: %s: error %d\n", storage.step().c_str(), failed);
    return 3;
  }
  return runs ? run(arguments, storage, journal, expected) : check_everything(storage, expected);
}

}  // namespace
}  // namespace varve::process

int main(int argc, char** argv) { return varve::process::program(argc, argv); }
