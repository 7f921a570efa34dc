// Many threads on one handle, each with several calls in flight; several akeys in one update, whole
// or not at all.
#include <atomic>
#include <cstring>
#include <thread>

#include "example.h"

constexpr int kThreads = 8, kRows = 300, kInFlight = 10;

static std::vector<uint64_t> samples_of(int thread, int row) {
  std::vector<uint64_t> samples(20);
  for (size_t i = 0; i < samples.size(); ++i) samples[i] = thread * 1'000'000ull + row * 100 + i;
  return samples;
}

static void write_rows(varve::Object table, int thread, std::atomic<int>& failures) {
  for (int first = 0; first < kRows; first += kInFlight) {
    std::vector<std::vector<uint64_t>> samples;
    std::vector<std::string> names;
    std::vector<varve::Future<varve::Epoch>> updates;
    for (int row = first; row < first + kInFlight; ++row) {
      samples.push_back(samples_of(thread, row));
      names.push_back("thread " + std::to_string(thread));
    }
    for (int i = 0; i < kInFlight; ++i)
      updates.push_back(
          table.update(thread * kRows + first + i,
                       {varve::Write::single(1, varve::bytes_of(names[i])),
                        varve::Write::records(2, sizeof(uint64_t), {{0, 10}, {100, 10}},
                                              varve::bytes_of(samples[i]))}));
    for (auto& update : updates)
      if (!update.get().ok()) ++failures;
  }
}

static void parallel(Scratch& scratch) {
  const auto id =
      varve::ObjectId::make(1, varve::ObjectType::kInteger, varve::ObjectClass::kAllTargets);
  varve::Object table = scratch.container.object(id);
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread)
    threads.emplace_back(write_rows, table, thread, std::ref(failures));
  for (std::thread& thread : threads) thread.join();
  expect(failures == 0, "every update succeeded");

  for (int row = 0; row < kThreads * kRows; ++row) {
    std::string name(32, '\0');
    std::vector<uint64_t> samples(20);
    const auto fetched =
        table
            .fetch(row, {varve::Read::single(1, varve::buffer_of(name)),
                         varve::Read::records(2, sizeof(uint64_t), {{0, 10}, {100, 10}},
                                              varve::buffer_of(samples))})
            .get()
            .or_throw();
    name.resize(fetched[0].record_bytes);
    expect(name == "thread " + std::to_string(row / kRows), "the row's name");
    expect(samples == samples_of(row / kRows, row % kRows), "the row's samples");
  }
}

int main(int argc, char** argv) { return run_example(argc, argv, "parallel_writers", parallel); }
