// A thousand records copied from one object to another by coroutines, 32 of them at a time, on one
// thread.
#include "example.h"

constexpr int kRecords = 1000;

static std::string value_of(int number) {
  return std::string(100 + number, static_cast<char>('a' + number % 26));
}

static varve::Task<uint64_t> copy_one(varve::KeyValue from, varve::KeyValue to, std::string key) {
  const std::vector<std::byte> value = (co_await from.get(key)).or_throw();
  (co_await to.insert(key, value)).or_throw();
  co_return value.size();
}

static varve::Task<uint64_t> copy_all(varve::KeyValue from, varve::KeyValue to) {
  std::vector<varve::Task<uint64_t>> copies;
  for (varve::Anchor anchor; !anchor.end();) {
    auto page = (co_await from.list(anchor, 200)).or_throw();
    for (const varve::ListedKey& listed : page.entries)
      copies.push_back(copy_one(from, to, listed.key));
    anchor = page.next;
  }
  uint64_t bytes = 0;
  for (const uint64_t one : co_await varve::when_all(std::move(copies), 32)) bytes += one;
  co_return bytes;
}

static void copy(Scratch& scratch) {
  varve::KeyValue from =
      scratch.container.key_value(varve::ObjectId::make(1, varve::ObjectType::kKeyValue));
  varve::KeyValue to =
      scratch.container.key_value(varve::ObjectId::make(2, varve::ObjectType::kKeyValue));
  std::vector<std::string> values;
  for (int i = 0; i < kRecords; ++i) values.push_back(value_of(i));
  std::vector<varve::Future<varve::Epoch>> puts;
  uint64_t bytes = 0;
  for (int i = 0; i < kRecords; ++i) {
    puts.push_back(from.put("record " + std::to_string(i), varve::bytes_of(values[i])));
    bytes += values[i].size();
  }
  for (auto& put : puts) put.get().or_throw();

  expect(scratch.client.run(copy_all(from, to)) == bytes,
         "as many bytes were copied as there were");
  for (int i = 0; i < kRecords; ++i) {
    const auto value = to.get("record " + std::to_string(i)).get().or_throw();
    expect(varve::text_of(value) == values[i], "the copy is the original");
  }
  // A second copy finds every key taken, and its exception comes out of run().
  try {
    scratch.client.run(copy_all(from, to));
    expect(false, "the second copy fails");
  } catch (const varve::Exception& failed) {
    expect(failed.error().code() == varve::Code::kExists, "it fails for the key exists");
  }
}

int main(int argc, char** argv) { return run_example(argc, argv, "coroutine_copy", copy); }
