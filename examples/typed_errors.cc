// What a failure says: a code to act on, the object, the cause, the remedy. Nothing throws unless
// it is asked to.
#include "example.h"

static void errors(Scratch& scratch) {
  // By code.
  const auto missing = scratch.pool.open_container("no such container").get();
  expect(!missing && missing.code() == varve::Code::kNonexistent, "a container that is not there");
  const varve::Error& error = missing.error();
  expect(error.object().find("no such container") != std::string::npos,
         "the error names the object");
  expect(!error.cause().empty() && !error.remedy().empty(), "it has a cause and a remedy");
  expect(error.describe().find("DER_NONEXIST -1005") != std::string::npos, "and DAOS's number");

  varve::Object object =
      scratch.container.object(varve::ObjectId::make(1, varve::ObjectType::kHashed));
  object.update("dkey", "akey", varve::bytes_of("twelve bytes")).get().or_throw();
  char small[4];
  const auto large = object.fetch("dkey", "akey", varve::buffer_of(small)).get();
  expect(large.code() == varve::Code::kRecordTooBig, "a value larger than its buffer");
  expect(large.error().cause().find("12 bytes") != std::string::npos,
         "the error says how large it is");
  const auto exists =
      object.update("dkey", "akey", varve::bytes_of("x"), varve::Condition::kAkeyInsert).get();
  expect(exists.code() == varve::Code::kExists, "an insert of what is there");
  const auto nothing =
      object.update("other", "akey", varve::bytes_of("x"), varve::Condition::kDkeyUpdate).get();
  expect(nothing.code() == varve::Code::kNonexistent, "an update of what is not");
  const auto odd =
      object.update("dkey", "akey", varve::bytes_of("x"), varve::Condition::kDkeyFetch).get();
  expect(odd.code() == varve::Code::kInvalid, "a condition that updates do not know");
  const auto long_key = object.update(std::string(5000, 'k'), "akey", varve::bytes_of("x")).get();
  expect(long_key.code() == varve::Code::kKeyTooBig, "a key that is too long");
  const auto whole =
      scratch.container.create_array(varve::ObjectId::make(2, varve::ObjectType::kArray), {8, 16})
          .get()
          .or_throw()
          .write(0, varve::bytes_of("seven b"))
          .get();
  expect(whole.code() == varve::Code::kBadIo, "bytes that are no whole cells");
  expect(varve::Container().freeze().get().code() == varve::Code::kNoHandle,
         "a handle that was never opened");

  // A default instead, or an exception, for who prefers them.
  expect(object.fetch("no", "no", varve::buffer_of(small)).get().value_or(99) == 0,
         "nothing is 0 bytes");
  try {
    scratch.client.connect("no such pool").get().or_throw();
    expect(false, "or_throw() throws");
  } catch (const varve::Exception& failed) {
    expect(failed.error().code() == varve::Code::kNonexistent, "the exception carries the error");
    std::printf("for people: %s\n", failed.what());
  }

  // After close, everything says so.
  varve::Container second = scratch.pool.open_container(scratch.container.label()).get().or_throw();
  second.close().get().or_throw();
  const auto closed = second.object(object.id()).fetch("dkey", "akey").get();
  expect(closed.code() == varve::Code::kNoHandle, "a closed handle");
}

int main(int argc, char** argv) { return run_example(argc, argv, "typed_errors", errors); }
