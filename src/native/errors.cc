// Errors as the public interface shows them.
#include <cstdio>
#include <cstdlib>

#include "native/native.h"

namespace varve::native {
namespace {

const char* remedy_of(Code code) {
  switch (code) {
    case Code::kNoPermission:
      return "Open it with read-write access, or have its owner change the access list.";
    case Code::kNoHandle:
      return "Open it again.";
    case Code::kInvalid:
      return "Correct the argument.";
    case Code::kExists:
      return "Take another name, or read what is there.";
    case Code::kNonexistent:
    case Code::kContainerNonexistent:
      return "Check the name, or create it first.";
    case Code::kUnreachable:
      return "Start the server, or set VARVE_ADDRESS to where it listens.";
    case Code::kNoSpace:
      return "Remove data or snapshots, or make the pool larger.";
    case Code::kNotImplemented:
    case Code::kNotSupported:
      return "See docs/api-status.md for what there is.";
    case Code::kTimedOut:
      return "Look whether the server runs and is not overloaded; read before you repeat a change.";
    case Code::kBusy:
      return "Close the other handles, or use force.";
    case Code::kUninitialized:
      return "Open a Client in this process.";
    case Code::kCanceled:
      return "Read before you repeat a change: it may have been made.";
    case Code::kReadOnly:
      return "Write to the container itself, not to a snapshot of it.";
    case Code::kEpochTooOld:
      return "Take a snapshot before, and read that.";
    case Code::kKeyTooBig:
      return "Keys have at most 4,096 bytes.";
    case Code::kRecordTooBig:
    case Code::kTruncated:
      return "Give a larger buffer, or let the call make one.";
    case Code::kBadIo:
      return "Make the buffer as large as the records of the call.";
    case Code::kChecksum:
    case Code::kDataLoss:
      return "Write the data again from its source, or roll back to a snapshot.";
    case Code::kRecordSize:
      return "Use the record size that the array was written with.";
    case Code::kIo:
      return "Look into the server's log for the device that failed.";
    default:
      return "Look into the server's log.";
  }
}

}  // namespace

v1::Error public_error(const Error& error, std::string object) {
  return {static_cast<v1::Code>(error.code()), std::move(object), std::string(error.text()),
          remedy_of(error.code())};
}

}  // namespace varve::native

namespace varve::v1 {

std::string Error::describe() const {
  const varve::Code known = varve::code_from(static_cast<int>(code_));
  std::string text = object_.empty() ? std::string() : object_ + ": ";
  text += cause_;
  text += std::string(" (") + varve::code_name(known) + " -" +
          std::to_string(static_cast<int>(code_)) + ")";
  if (!remedy_.empty()) text += ". " + remedy_;
  return text;
}

namespace detail {
void value_of_failure(const Error& error) {
  std::fprintf(stderr, "varve: value() of a result that failed: %s\n", error.describe().c_str());
  std::abort();
}
}  // namespace detail

std::string Uuid::to_string() const {
  varve::Uuid uuid;
  std::memcpy(uuid.bytes.data(), bytes, sizeof bytes);
  return uuid.to_string();
}

std::string ObjectId::to_string() const { return varve::ObjectId{low, high}.to_string(); }

ObjectId ObjectId::make(uint64_t number, ObjectType type, ObjectClass object_class) {
  static constexpr const char* kNames[] = {"S1", "S2", "S4", "S8", "SX"};
  const auto index = static_cast<size_t>(object_class);
  const auto found = placement::class_by_name(kNames[std::min<size_t>(index, 4)]);
  VARVE_ASSERT(found.ok(), "the classes without redundancy are known");
  const varve::ObjectId made =
      placement::make_object_id({number, 0}, static_cast<uint8_t>(type), *found);
  return {made.low, made.high};
}

}  // namespace varve::v1
