// A listing that is put down after each page and taken up from bytes, as another process would
// tomorrow.
#include <set>

#include "example.h"

constexpr int kKeys = 500;

static std::string key_of(int number) {
  char name[16];
  std::snprintf(name, sizeof name, "key-%05d", number);
  return name;
}

static void list(Scratch& scratch) {
  const auto id = varve::ObjectId::make(1, varve::ObjectType::kLexical);
  varve::Object object = scratch.container.object(id);
  std::vector<varve::Future<varve::Epoch>> updates;
  for (int i = 0; i < kKeys; ++i)
    updates.push_back(object.update(key_of(i), "value", varve::bytes_of("x")));
  for (auto& update : updates) update.get().or_throw();

  std::vector<std::string> seen;
  std::string kept;  // what a program would write to a file
  for (bool more = true; more;) {
    auto page = object.list_dkeys(varve::Anchor(kept), 64).get().or_throw();
    for (varve::ListedKey& listed : page.entries) seen.push_back(std::move(listed.key));
    more = !page.next.end();
    if (more) kept = page.next.bytes();
    // Keys that come meanwhile, before the anchor, are not seen; each that was there is seen once.
    if (seen.size() < kKeys)
      object.update("a late key", "value", varve::bytes_of("x")).get().or_throw();
  }
  expect(seen.size() == kKeys, "every key is listed once");
  for (int i = 0; i < kKeys; ++i) expect(seen[i] == key_of(i), "lexical keys come in their order");

  const auto bad = object.list_dkeys(varve::Anchor("these bytes are no anchor")).get();
  expect(bad.code() == varve::Code::kInvalid, "bytes that are no anchor are refused");
}

int main(int argc, char** argv) { return run_example(argc, argv, "list_resume", list); }
