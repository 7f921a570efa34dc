// A key-value object: put, get, remove.
#include "example.h"

static void hello(Scratch& scratch) {
  // The number is ours to choose; type and class become part of the id.
  const auto id = varve::ObjectId::make(1, varve::ObjectType::kKeyValue);
  varve::KeyValue greetings = scratch.container.key_value(id);

  greetings.put("english", varve::bytes_of("hello")).get().or_throw();
  greetings.put("french", varve::bytes_of("bonjour")).get().or_throw();
  greetings.put("english", varve::bytes_of("good morning")).get().or_throw();

  // Into memory of its own, or into yours.
  expect(varve::text_of(greetings.get("english").get().or_throw()) == "good morning",
         "the newest value");
  std::string room(64, '\0');
  room.resize(greetings.get("french", varve::buffer_of(room)).get().or_throw());
  expect(room == "bonjour", "the value in a buffer of ours");

  greetings.remove("french").get().or_throw();
  expect(greetings.get("french").get().code() == varve::Code::kNonexistent,
         "a removed key is gone");
  expect(greetings.list().get().or_throw().entries.size() == 1, "one key is left");
}

int main(int argc, char** argv) { return run_example(argc, argv, "hello_key_value", hello); }
