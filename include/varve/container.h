// SPDX-License-Identifier: Apache-2.0
// Containers, and what they were at an epoch.
#ifndef VARVE_CONTAINER_H
#define VARVE_CONTAINER_H

#include <varve/array.h>
#include <varve/key_value.h>
#include <varve/object.h>

VARVE_NAMESPACE_BEGIN

struct Snapshot {
  Epoch epoch;
  std::string name;
};

// What differs between two epochs: an array's range, a single value, or (akey empty) a whole dkey
// or object.
struct Difference {
  ObjectId object;
  std::string dkey, akey;
  Extent range;                        // arrays
  bool before = false, after = false;  // whether there is something there at each epoch
};

namespace detail {
struct ContainerInner;
}

// A container as it was at one epoch, to be read. Transactions, once they come, will be views that
// are written too.
class VARVE_API View {
 public:
  View() = default;
  Epoch epoch() const { return epoch_; }
  ObjectView object(ObjectId id) const;
  KeyValueView key_value(ObjectId id) const;
  // kNonexistent where the object keeps no record of an array.
  Future<ArrayView> open_array(ObjectId id, Bounds bounds = {}) const;
  Future<Page<ObjectId>> list_objects(Anchor from = {}, uint32_t limit = 128,
                                      Bounds bounds = {}) const;

  View(std::shared_ptr<detail::ContainerInner> inner, Epoch epoch)
      : inner_(std::move(inner)), epoch_(epoch) {}

 private:
  std::shared_ptr<detail::ContainerInner> inner_;
  Epoch epoch_;
};

class VARVE_API Container {
 public:
  Container() = default;
  const std::string& label() const;
  Uuid uuid() const;

  // Costs nothing, and makes nothing anywhere: an object is there once something is written to it.
  Object object(ObjectId id) const;
  KeyValue key_value(ObjectId id) const;
  // Makes the array's record of cell and chunk. kExists where the object has one.
  Future<Array> create_array(ObjectId id, ArrayShape shape = {}, Bounds bounds = {}) const;
  Future<Array> open_array(ObjectId id, Bounds bounds = {}) const;
  // An id that nobody else gets from here.
  Future<ObjectId> new_object_id(ObjectType type,
                                 ObjectClass object_class = ObjectClass::kOneTarget,
                                 Bounds bounds = {}) const;

  // All that was acknowledged before is in it.
  Future<Snapshot> create_snapshot(std::string name = {}, Bounds bounds = {}) const;
  Future<std::vector<Snapshot>> list_snapshots(Bounds bounds = {}) const;
  Future<void> destroy_snapshot(Epoch epoch, Bounds bounds = {}) const;
  // The container becomes what it was at a snapshot. kBusy while others have it open for writing,
  // unless `force`.
  Future<void> roll_back(Epoch epoch, bool force = false, Bounds bounds = {}) const;
  // As it was at a snapshot's epoch.
  View at(Epoch epoch) const;
  // As it is now, for all reads alike; readable for a minute, and as long again after every read.
  Future<View> freeze(Bounds bounds = {}) const;
  Future<Page<Difference>> differences(Epoch from, Epoch to, Anchor anchor = {},
                                       uint32_t limit = 128, Bounds bounds = {}) const;

  // What the last copy does too, then without saying how it went.
  Future<void> close(Bounds bounds = {}) const;

  explicit Container(std::shared_ptr<detail::ContainerInner> inner) : inner_(std::move(inner)) {}

 private:
  std::shared_ptr<detail::ContainerInner> inner_;
};

VARVE_NAMESPACE_END

#endif  // VARVE_CONTAINER_H
