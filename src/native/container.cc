// Containers and their views.
#include "native/native.h"

namespace varve::native {

constexpr Duration kCloseQuietly = 2s;

std::shared_ptr<const ObjectInner> open_object(const std::shared_ptr<ContainerInner>& container,
                                               v1::ObjectId id, Epoch epoch) {
  auto inner = std::make_shared<ObjectInner>();
  inner->container = container;
  inner->id = id;
  if (!container) return inner;
  client::Object object;
  object.container = container->handle;
  object.oid = {id.low, id.high};
  object.snapshot = epoch;
  object.map = container->handle->pool->map();
  Result<placement::Layout> layout = placement::compute_layout(object.oid, *object.map);
  if (!layout) {
    inner->object = std::move(layout.error());
    return inner;
  }
  object.layout = std::move(*layout);
  inner->object = std::move(object);
  return inner;
}

namespace {

std::function<std::string()> container_name(const ContainerInner* container) {
  return [container] { return "container " + container->name; };
}

// Where a list of differences goes on: Session::DiffAnchor as bytes.
struct DifferencePlace {
  uint32_t shard = 0;
  object::DiffAnchor position;
  bool end = false;
  template <class Archive>
  void visit(Archive& archive) {
    archive(shard, position, end);
  }
};

std::shared_ptr<v1::detail::ArrayInner> make_array(const std::shared_ptr<const ObjectInner>& object,
                                                   v1::ArrayShape shape, bool writable) {
  auto inner = std::make_shared<v1::detail::ArrayInner>();
  inner->container = object->container;
  inner->id = object->id;
  if (object->object.ok()) inner->array.object = *object->object;
  inner->array.cell_bytes = shape.cell_bytes;
  inner->array.chunk_cells = shape.chunk_cells;
  inner->array.writable = writable;
  return inner;
}

// Made as ArrayInner before the call, so that the call holds no handle; A: Array or ArrayView.
template <class A>
v1::Future<A> with_array(const std::shared_ptr<ContainerInner>& container, v1::ObjectId id,
                         Epoch epoch, v1::ArrayShape shape, bool create, v1::Bounds bounds) {
  if (!container) return no_handle<A>("the container");
  const auto object = open_object(container, id, epoch);
  const auto array = make_array(object, shape, container->handle->writable);
  std::function<std::string()> what = [array = array.get()] {
    return "container " + array->container->name + ", array " + array->id.to_string();
  };
  return start<A>(
      *container->client, bounds,
      std::make_shared<std::pair<decltype(object), decltype(array)>>(object, array),
      std::move(what),
      [object = object.get(), weak = std::weak_ptr(array),
       create](client::Session& session) -> Task<Result<A>> {
        const auto opened = weak.lock();
        if (!object->object.ok()) co_return Error(object->object.error());
        if (opened->array.cell_bytes == 0 || opened->array.chunk_cells == 0)
          co_return Error(Code::kInvalid, "cells and chunks are not empty");
        if (create) {
          VARVE_CO_CHECK(co_await client::store_array_attributes(session, opened->array));
        } else {
          VARVE_CO_CHECK(co_await client::load_array_attributes(session, opened->array));
        }
        co_return A(opened);
      });
}

}  // namespace
}  // namespace varve::native

namespace varve::v1 {

using native::container_name;
using native::no_handle;
using native::start;

detail::ContainerInner::~ContainerInner() {
  if (!handle || handle->closed.load() || client->inherited()) return;
  static_cast<void>(
      start<void>(
          *client, native::kCloseQuietly, client, [name = name] { return "container " + name; },
          [handle = handle](client::Session& session) { return session.close_container(handle); })
          .get());
}

const std::string& Container::label() const {
  static const std::string none;
  return inner_ ? inner_->label : none;
}

Uuid Container::uuid() const { return inner_ ? native::public_uuid(inner_->handle->uuid) : Uuid(); }

Object Container::object(ObjectId id) const {
  return Object(native::open_object(inner_, id, kEpochMax));
}
KeyValue Container::key_value(ObjectId id) const { return KeyValue(object(id)); }

Future<Array> Container::create_array(ObjectId id, ArrayShape shape, Bounds bounds) const {
  return native::with_array<Array>(inner_, id, kEpochMax, shape, true, std::move(bounds));
}
Future<Array> Container::open_array(ObjectId id, Bounds bounds) const {
  return native::with_array<Array>(inner_, id, kEpochMax, {}, false, std::move(bounds));
}

Future<ObjectId> Container::new_object_id(ObjectType type, ObjectClass object_class,
                                          Bounds bounds) const {
  if (!inner_) return no_handle<ObjectId>("the container");
  return start<ObjectId>(
      *inner_->client, bounds, inner_, container_name(inner_.get()),
      [handle = inner_->handle, type,
       object_class](client::Session& session) -> varve::Task<varve::Result<ObjectId>> {
        VARVE_CO_TRY(const uint64_t number, co_await session.allocate_object_ids(handle, 1));
        co_return ObjectId::make(number, type, object_class);
      });
}

Future<Snapshot> Container::create_snapshot(std::string name, Bounds bounds) const {
  if (!inner_) return no_handle<Snapshot>("the container");
  return start<Snapshot>(*inner_->client, bounds, inner_, container_name(inner_.get()),
                         [handle = inner_->handle,
                          name](client::Session& session) -> varve::Task<varve::Result<Snapshot>> {
                           VARVE_CO_TRY(const auto epoch,
                                        co_await session.create_snapshot(handle, name));
                           co_return Snapshot{{epoch.value}, name};
                         });
}

Future<std::vector<Snapshot>> Container::list_snapshots(Bounds bounds) const {
  using Listed = std::vector<Snapshot>;
  if (!inner_) return no_handle<Listed>("the container");
  return start<Listed>(
      *inner_->client, bounds, inner_, container_name(inner_.get()),
      [handle = inner_->handle](client::Session& session) -> varve::Task<varve::Result<Listed>> {
        VARVE_CO_TRY(const auto all, co_await session.list_snapshots(handle));
        Listed listed;
        for (const container::Snapshot& one : all) listed.push_back({{one.epoch.value}, one.name});
        co_return listed;
      });
}

Future<void> Container::destroy_snapshot(Epoch epoch, Bounds bounds) const {
  if (!inner_) return no_handle<void>("the container");
  return start<void>(*inner_->client, bounds, inner_, container_name(inner_.get()),
                     [handle = inner_->handle, epoch](client::Session& session) {
                       return session.destroy_snapshot(handle, varve::Epoch{epoch.value});
                     });
}

Future<void> Container::roll_back(Epoch epoch, bool force, Bounds bounds) const {
  if (!inner_) return no_handle<void>("the container");
  return start<void>(*inner_->client, bounds, inner_, container_name(inner_.get()),
                     [handle = inner_->handle, epoch, force](client::Session& session) {
                       return session.roll_back(handle, varve::Epoch{epoch.value}, force);
                     });
}

View Container::at(Epoch epoch) const { return View(inner_, epoch); }

Future<View> Container::freeze(Bounds bounds) const {
  if (!inner_) return no_handle<View>("the container");
  return start<View>(
      *inner_->client, bounds, inner_, container_name(inner_.get()),
      [container = inner_.get()](client::Session& session) -> varve::Task<varve::Result<View>> {
        VARVE_CO_TRY(const auto epoch, co_await session.hold_epoch(container->handle));
        co_return View(container->shared_from_this(), Epoch{epoch.value});
      });
}

Future<Page<Difference>> Container::differences(Epoch from, Epoch to, Anchor anchor, uint32_t limit,
                                                Bounds bounds) const {
  using Listed = Page<Difference>;
  if (!inner_) return no_handle<Listed>("the container");
  return start<Listed>(
      *inner_->client, bounds, inner_, container_name(inner_.get()),
      [handle = inner_->handle, from, to, anchor,
       limit](client::Session& session) -> varve::Task<varve::Result<Listed>> {
        VARVE_CO_TRY(native::DifferencePlace place,
                     native::place_of<native::DifferencePlace>(anchor));
        client::Session::DiffAnchor at{place.shard, std::move(place.position), place.end};
        VARVE_CO_TRY(const auto all,
                     co_await session.list_differences(handle, varve::Epoch{from.value},
                                                       varve::Epoch{to.value}, at, limit));
        Listed listed;
        for (const object::Difference& one : all)
          listed.entries.push_back({{one.oid.low, one.oid.high},
                                    std::string(as_text(one.dkey)),
                                    std::string(as_text(one.akey)),
                                    {one.range.index, one.range.count},
                                    one.before,
                                    one.after});
        place = {at.shard, std::move(at.position), at.end};
        listed.next = native::anchor_of(place);
        co_return listed;
      });
}

Future<void> Container::close(Bounds bounds) const {
  if (!inner_) return no_handle<void>("the container");
  return start<void>(*inner_->client, bounds, inner_, container_name(inner_.get()),
                     [handle = inner_->handle](client::Session& session) {
                       return session.close_container(handle);
                     });
}

ObjectView View::object(ObjectId id) const {
  return ObjectView(native::open_object(inner_, id, varve::Epoch{epoch_.value}));
}
KeyValueView View::key_value(ObjectId id) const { return KeyValueView(object(id)); }

Future<ArrayView> View::open_array(ObjectId id, Bounds bounds) const {
  return native::with_array<ArrayView>(inner_, id, varve::Epoch{epoch_.value}, {}, false,
                                       std::move(bounds));
}

Future<Page<ObjectId>> View::list_objects(Anchor from, uint32_t limit, Bounds bounds) const {
  using Listed = Page<ObjectId>;
  if (!inner_) return no_handle<Listed>("the view");
  return start<Listed>(
      *inner_->client, bounds, inner_, container_name(inner_.get()),
      [handle = inner_->handle, epoch = epoch_, from,
       limit](client::Session& session) -> varve::Task<varve::Result<Listed>> {
        VARVE_CO_TRY(auto at, native::place_of<client::Session::Anchor>(from));
        VARVE_CO_TRY(const auto all,
                     co_await session.list_objects(handle, varve::Epoch{epoch.value}, at, limit));
        Listed listed;
        for (const varve::ObjectId& oid : all) listed.entries.push_back({oid.low, oid.high});
        listed.next = native::anchor_of(at);
        co_return listed;
      });
}

}  // namespace varve::v1
