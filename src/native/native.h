// What the public interface's classes have behind them. Two sets of names meet here: varve::Result
// is the house's, varve::v1::Result the public one.
#pragma once

#include "client/array.h"
#include "native/lane.h"
#include "varve/varve.h"

namespace varve::native {

v1::Error public_error(const Error& error, std::string object);

inline v1::Uuid public_uuid(const Uuid& uuid) {
  v1::Uuid made;
  std::memcpy(made.bytes, uuid.bytes.data(), sizeof made.bytes);
  return made;
}

// Rises with every fork, in the child: what was made under another number is the parent's.
uint64_t fork_generation();

}  // namespace varve::native

namespace varve::v1 {

struct Client::Inner : std::enable_shared_from_this<Client::Inner> {
  client::Options options;
  uint64_t number = 0;  // of this process; never used again
  uint64_t generation = 0;
  bool inherited() const { return generation != native::fork_generation(); }
};

struct Pool::Inner : std::enable_shared_from_this<Pool::Inner> {
  std::shared_ptr<Client::Inner> client;
  client::Pool handle;
  std::string label;
  ~Inner();
};

namespace detail {

struct ContainerInner : std::enable_shared_from_this<ContainerInner> {
  std::shared_ptr<Client::Inner> client;
  std::shared_ptr<Pool::Inner> pool;
  client::Container handle;
  std::string label, name;  // name: "POOL/CONTAINER"
  ~ContainerInner();
};

struct ObjectInner {
  std::shared_ptr<ContainerInner> container;
  ObjectId id;
  // As the session wants it, or why there is none.
  varve::Result<client::Object> object = varve::Code::kInvalid;
};

struct ArrayInner {
  std::shared_ptr<ContainerInner> container;
  ObjectId id;
  client::OpenArray array;
};

}  // namespace detail
}  // namespace varve::v1

namespace varve::native {

using v1::detail::ContainerInner;
using v1::detail::Lane;
using v1::detail::ObjectInner;
using v1::detail::PendingOf;
using ClientInner = v1::Client::Inner;

// The lane that the calling thread's calls go to: the one it drives, else its own, made on first
// use. kUninitialized in a child of fork.
Result<std::shared_ptr<Lane>> lane_of(const ClientInner& client);

template <class T>
void set_result(PendingOf<T>& pending, Result<T> result, const std::function<std::string()>& what) {
  if (!result)
    pending.result.emplace(public_error(result.error(), what()));
  else if constexpr (std::is_void_v<T>)
    pending.result.emplace();
  else
    pending.result.emplace(std::move(*result));
}

template <class T, class Make>
Task<void> run_call(Lane& lane, std::shared_ptr<PendingOf<T>> pending,
                    std::function<std::string()> what, Make make) {
  client::Session& session = lane.session();
  session.set_cancellation(Lane::cancellation_of(*pending));
  Result<T> result = co_await make(session);
  session.set_cancellation(nullptr);
  set_result(*pending, std::move(result), what);
  lane.complete(std::move(pending));
}

// One call: runs make(session), a Task<Result<T>>, on the calling thread's lane. `what` names the
// object where it fails. Both live until the call ends, and go within a step of the executor: they
// refer to handles, which would want to be closed, by pointer, and `keep` holds these for as long
// as the Future is there.
template <class T, class Make>
v1::Future<T> start(const ClientInner& client, const v1::Bounds& bounds,
                    std::shared_ptr<const void> keep, std::function<std::string()> what,
                    Make make) {
  auto pending = std::make_shared<PendingOf<T>>();
  Result<std::shared_ptr<Lane>> lane = lane_of(client);
  if (!lane) {
    set_result<T>(*pending, std::move(lane.error()), what);
    Lane::fail(*pending);
    return v1::Future<T>(std::move(pending));
  }
  (*lane)->adopt(*pending, bounds, std::move(keep));
  Lane& on = **lane;
  on.begin([&on, pending, what = std::move(what), make = std::move(make)]() mutable {
    return run_call<T>(on, std::move(pending), std::move(what), std::move(make));
  });
  return v1::Future<T>(std::move(pending));
}

// A handle that was never opened: its default constructor made it.
template <class T>
v1::Future<T> no_handle(const char* what) {
  auto pending = std::make_shared<PendingOf<T>>();
  set_result<T>(*pending, Error(Code::kNoHandle, "it was never opened"),
                [what] { return std::string(what); });
  Lane::fail(*pending);
  return v1::Future<T>(std::move(pending));
}

std::shared_ptr<const ObjectInner> open_object(const std::shared_ptr<ContainerInner>& container,
                                               v1::ObjectId id, Epoch epoch);

// Anchors as the public interface keeps them.
template <class Place>
Result<Place> place_of(const v1::Anchor& anchor) {
  if (anchor.end()) return Error(Code::kInvalid, "the listing was at its end already");
  if (anchor.bytes().empty()) return Place{};
  Result<Place> place = decode<Place>(as_bytes(anchor.bytes()));
  if (!place) return Error(Code::kInvalid, "the anchor is not one that a listing has returned");
  return place;
}
template <class Place>
v1::Anchor anchor_of(const Place& place) {
  if (place.end) return v1::Anchor::at_end();
  const Buffer bytes = encode(place);
  return v1::Anchor(std::string(as_text(bytes)));
}

}  // namespace varve::native
