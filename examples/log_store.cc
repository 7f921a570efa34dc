// An append-only log of many writers. Records are numbered without a counter: who inserts a number
// has it, who comes too late tries the next.
#include <atomic>
#include <map>
#include <thread>

#include "example.h"

constexpr int kWriters = 4, kRecords = 100;

class Log {
 public:
  explicit Log(varve::Object object) : object_(std::move(object)) {}
  // The record's number.
  uint64_t append(const std::string& record) {
    for (;; ++next_) {
      const auto done =
          object_.update(next_, "record", varve::bytes_of(record), varve::Condition::kDkeyInsert)
              .get();
      if (done.ok()) return next_++;
      if (done.code() != varve::Code::kExists) throw varve::Exception(done.error());
    }
  }
  // All records of a view, in order.
  static std::vector<std::string> read(const varve::ObjectView& view) {
    std::vector<std::string> records;
    for (varve::Anchor anchor; !anchor.end();) {
      auto page = view.list_dkeys(anchor, 50).get().or_throw();
      for (const varve::ListedKey& key : page.entries)
        records.push_back(
            varve::text_of(view.fetch(varve::bytes_of(key.key), "record").get().or_throw()));
      anchor = page.next;
    }
    return records;
  }

 private:
  varve::Object object_;
  uint64_t next_ = 0;
};

static void log_store(Scratch& scratch) {
  const auto id = varve::ObjectId::make(1, varve::ObjectType::kIntegerDkeys);
  std::atomic<int> failures{0};
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer)
    writers.emplace_back([&, writer] {
      try {
        Log log(scratch.container.object(id));
        for (int i = 0; i < kRecords; ++i)
          log.append("writer " + std::to_string(writer) + " says " + std::to_string(i));
      } catch (const varve::Exception& failed) {
        std::fprintf(stderr, "%s\n", failed.what());
        ++failures;
      }
    });
  for (std::thread& writer : writers) writer.join();
  expect(failures == 0, "every append succeeded");

  // All reads of a frozen view see one moment, whatever is appended meanwhile.
  const varve::View now = scratch.container.freeze().get().or_throw();
  Log(scratch.container.object(id)).append("too late to be seen");
  const auto records = Log::read(now.object(id));
  expect(records.size() == kWriters * kRecords, "each record is there once");
  std::map<std::string, int> said;
  for (const std::string& record : records) {
    const size_t says = record.find(" says ");
    expect(says != std::string::npos, "a record is whole");
    expect(std::stoi(record.substr(says + 6)) == said[record.substr(0, says)]++,
           "each writer's are in order");
  }
  expect(Log::read(scratch.container.object(id)).size() == records.size() + 1,
         "the last is there now");
}

int main(int argc, char** argv) { return run_example(argc, argv, "log_store", log_store); }
