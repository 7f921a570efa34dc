// SPDX-License-Identifier: Apache-2.0
// Objects: dkey -> akey -> a single value, or an array of records. What lies under one dkey lies on
// one target, and one call changes it whole or not at all.
#ifndef VARVE_OBJECT_H
#define VARVE_OBJECT_H

#include <varve/future.h>

VARVE_NAMESPACE_BEGIN

namespace detail {
struct ObjectInner;
}

// One akey's part of an update. The bytes stay the caller's until the call ends.
struct Write {
  // A single value. Empty data punches it.
  static Write single(Key akey, Bytes data) { return {std::string(akey.text()), data, {}, 0}; }
  // Records of an array; data holds them in the order of the extents.
  static Write records(Key akey, uint64_t record_bytes, std::vector<Extent> extents, Bytes data) {
    return {std::string(akey.text()), data, std::move(extents), record_bytes};
  }
  std::string akey;
  Bytes data;
  std::vector<Extent> extents;  // empty: a single value
  uint64_t record_bytes = 0;
};

// One akey's part of a fetch.
struct Read {
  static Read single(Key akey, Buffer into) { return {std::string(akey.text()), into, {}, 0}; }
  // Records of an array, in the order of the extents; holes come as zeros.
  static Read records(Key akey, uint64_t record_bytes, std::vector<Extent> extents, Buffer into) {
    return {std::string(akey.text()), into, std::move(extents), record_bytes};
  }
  std::string akey;
  Buffer into;
  std::vector<Extent> extents;
  uint64_t record_bytes = 0;
};
struct Fetched {
  uint64_t bytes = 0;         // of data that came; 0: there is nothing
  uint64_t record_bytes = 0;  // size of the single value, or of the array's records
};

struct ListedKey {
  std::string key;
  bool is_array = false;  // akeys
};
struct ListedExtent {
  Extent extent;
  Epoch epoch;  // at which it was written
};

// An object that is read: as it is, or as it was at a View's epoch.
class VARVE_API ObjectView {
 public:
  ObjectView() = default;
  ObjectId id() const;
  // The bytes of a single value; 0: there is none. kRecordTooBig where it is larger than the
  // buffer.
  Future<uint64_t> fetch(Key dkey, Key akey, Buffer into, Bounds bounds = {}) const;
  // The same in memory of its own, however large. kNonexistent where there is none.
  Future<std::vector<std::byte>> fetch(Key dkey, Key akey, Bounds bounds = {}) const;
  // Several akeys in one call, at one moment.
  Future<std::vector<Fetched>> fetch(Key dkey, std::vector<Read> reads,
                                     Condition condition = Condition::kNone,
                                     Bounds bounds = {}) const;

  Future<Page<ListedKey>> list_dkeys(Anchor from = {}, uint32_t limit = 128,
                                     Bounds bounds = {}) const;
  Future<Page<ListedKey>> list_akeys(Key dkey, Anchor from = {}, uint32_t limit = 128,
                                     Bounds bounds = {}) const;
  Future<Page<ListedExtent>> list_extents(Key dkey, Key akey, Anchor from = {},
                                          uint32_t limit = 128, Bounds bounds = {}) const;

  explicit ObjectView(std::shared_ptr<const detail::ObjectInner> inner)
      : inner_(std::move(inner)) {}

 protected:
  std::shared_ptr<const detail::ObjectInner> inner_;
};

class VARVE_API Object : public ObjectView {
 public:
  using ObjectView::ObjectView;
  // One single value. All updates return the epoch at which they were stored.
  Future<Epoch> update(Key dkey, Key akey, Bytes value, Condition condition = Condition::kNone,
                       Bounds bounds = {}) const;
  // Several akeys, whole or not at all.
  Future<Epoch> update(Key dkey, std::vector<Write> writes, Condition condition = Condition::kNone,
                       Bounds bounds = {}) const;
  Future<void> punch(Condition condition = Condition::kNone, Bounds bounds = {}) const;
  Future<void> punch_dkey(Key dkey, Condition condition = Condition::kNone,
                          Bounds bounds = {}) const;
  Future<void> punch_akey(Key dkey, Key akey, Condition condition = Condition::kNone,
                          Bounds bounds = {}) const;
  // Makes holes of records.
  Future<Epoch> punch_extents(Key dkey, Key akey, uint64_t record_bytes,
                              std::vector<Extent> extents, Bounds bounds = {}) const;
};

VARVE_NAMESPACE_END

#endif  // VARVE_OBJECT_H
