// SPDX-License-Identifier: Apache-2.0
// Key-value objects, laid out as daos_kv.h's: a key is a dkey, its value the single value of one
// akey.
#ifndef VARVE_KEY_VALUE_H
#define VARVE_KEY_VALUE_H

#include <varve/object.h>

VARVE_NAMESPACE_BEGIN

class VARVE_API KeyValueView {
 public:
  KeyValueView() = default;
  explicit KeyValueView(ObjectView object) : view_(std::move(object)) {}
  ObjectId id() const { return view_.id(); }
  // The value's bytes; 0: the key has none. kRecordTooBig where it is larger than the buffer.
  Future<uint64_t> get(Key key, Buffer into, Bounds bounds = {}) const;
  // The same in memory of its own. kNonexistent where the key has no value.
  Future<std::vector<std::byte>> get(Key key, Bounds bounds = {}) const;
  Future<Page<ListedKey>> list(Anchor from = {}, uint32_t limit = 128, Bounds bounds = {}) const {
    return view_.list_dkeys(std::move(from), limit, std::move(bounds));
  }

 protected:
  ObjectView view_;
};

class VARVE_API KeyValue : public KeyValueView {
 public:
  KeyValue() = default;
  explicit KeyValue(Object object) : KeyValueView(object), object_(std::move(object)) {}
  // An empty value is refused with kInvalid: it could not be told from none.
  Future<Epoch> put(Key key, Bytes value, Bounds bounds = {}) const;
  // kExists where the key has a value: of many that insert one key, one succeeds.
  Future<Epoch> insert(Key key, Bytes value, Bounds bounds = {}) const;
  // kNonexistent where it has none.
  Future<Epoch> replace(Key key, Bytes value, Bounds bounds = {}) const;
  // kNonexistent where it has none.
  Future<void> remove(Key key, Bounds bounds = {}) const;
  // All of it.
  Future<void> clear(Bounds bounds = {}) const {
    return object_.punch(Condition::kNone, std::move(bounds));
  }

 private:
  Object object_;
};

VARVE_NAMESPACE_END

#endif  // VARVE_KEY_VALUE_H
