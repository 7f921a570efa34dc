// Jobs that many workers share without a lock: whoever inserts a job's key has it, the others are
// told so.
#include <atomic>
#include <thread>

#include "example.h"

constexpr int kJobs = 200, kWorkers = 8;

static void claim(Scratch& scratch) {
  const auto id = varve::ObjectId::make(1, varve::ObjectType::kKeyValue);
  varve::KeyValue claims = scratch.container.key_value(id);
  std::atomic<int> claimed{0}, refused{0}, failed{0};
  std::vector<std::thread> workers;
  for (int worker = 0; worker < kWorkers; ++worker)
    workers.emplace_back([&, worker] {
      const std::string owner = "worker " + std::to_string(worker) + " of this very run";
      for (int job = 0; job < kJobs; ++job) {
        const auto taken =
            claims.insert("job " + std::to_string(job), varve::bytes_of(owner)).get();
        if (taken.ok())
          ++claimed;
        else if (taken.code() == varve::Code::kExists)
          ++refused;
        else
          ++failed;
      }
    });
  for (std::thread& worker : workers) worker.join();
  expect(failed == 0, "no insert failed for another reason");
  expect(claimed == kJobs, "each job has one owner");
  expect(refused == kJobs * (kWorkers - 1), "everybody else was refused");
  for (int job = 0; job < kJobs; ++job) {
    const auto owner = claims.get("job " + std::to_string(job)).get().or_throw();
    expect(varve::text_of(owner).starts_with("worker "), "the owner is written down");
  }
  // A job is given back by removing its key.
  claims.remove("job 0").get().or_throw();
  claims.insert("job 0", varve::bytes_of("another")).get().or_throw();
}

int main(int argc, char** argv) { return run_example(argc, argv, "claim", claim); }
