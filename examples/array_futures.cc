// An array of numbers, written and read with sixteen calls in flight.
#include <numeric>

#include "example.h"

constexpr uint64_t kParts = 16, kPerPart = 100'000;

static void numbers(Scratch& scratch) {
  const auto id =
      varve::ObjectId::make(1, varve::ObjectType::kArray, varve::ObjectClass::kAllTargets);
  const varve::ArrayShape shape{sizeof(uint64_t), 64 * 1024};
  varve::Array array = scratch.container.create_array(id, shape).get().or_throw();

  std::vector<uint64_t> written(kParts * kPerPart);
  std::iota(written.begin(), written.end(), 1);
  std::vector<varve::Future<>> writes;
  for (uint64_t part = 0; part < kParts; ++part) {
    const std::span<const uint64_t> cells(written.data() + part * kPerPart, kPerPart);
    writes.push_back(array.write(part * kPerPart, varve::bytes_of(cells)));
  }
  for (varve::Future<>& write : writes) write.get().or_throw();
  expect(array.size().get().or_throw() == written.size(), "the array ends behind the last cell");

  // Opened again: the array knows its own shape.
  varve::Array again = scratch.container.open_array(id).get().or_throw();
  expect(again.shape().cell_bytes == sizeof(uint64_t), "the size of cells is kept");
  std::vector<uint64_t> read(written.size());
  std::vector<varve::Future<uint64_t>> reads;
  for (uint64_t part = 0; part < kParts; ++part) {
    const std::span<uint64_t> cells(read.data() + part * kPerPart, kPerPart);
    reads.push_back(again.read(part * kPerPart, std::as_writable_bytes(cells)));
  }
  for (varve::Future<uint64_t>& one : reads)
    expect(one.get().or_throw() == kPerPart, "every cell lies before the end");
  expect(read == written, "what was read is what was written");

  again.punch({{10, 5}}).get().or_throw();
  uint64_t holed[7] = {};
  again.read({{9, 7}}, varve::buffer_of(holed)).get().or_throw();
  expect(holed[0] == 10 && holed[1] == 0 && holed[5] == 0 && holed[6] == 16, "a hole is zeros");
}

int main(int argc, char** argv) { return run_example(argc, argv, "array_futures", numbers); }
