// Open objects, and the I/O that objects, key-values and arrays share.
#pragma once

#include <optional>

#include "libdaos/convert.h"

namespace varve::libdaos {

// An object's handles of one process, for DAOS_OO_EXCL: an exclusive one is the only one. Nothing
// is told to anybody else.
class OpenClaim {
 public:
  OpenClaim() = default;
  // kBusy where another is open and either is exclusive.
  static Result<std::shared_ptr<OpenClaim>> take(const client::Object& object, bool exclusive);
  ~OpenClaim();
  OpenClaim(const OpenClaim&) = delete;

 private:
  Uuid container_;
  ObjectId oid_;
  bool exclusive_ = false;
};

struct OpenObject {
  client::Object object;
  bool writable = true;
  std::shared_ptr<OpenClaim> claim;
};

// What a handle of `kind` (object, key-value) names. kNoHandle.
Result<std::shared_ptr<OpenObject>> object_of(Kind kind, daos_handle_t handle);
int open_object(Kind kind, daos_handle_t coh, daos_obj_id_t oid, unsigned mode, daos_handle_t* oh,
                daos_event_t* ev);
int close_object(Kind kind, daos_handle_t oh, daos_event_t* ev);
// The object as a transaction sees it.
client::Object at_epoch(const client::Object& object, Epoch epoch);

// The same without a copy where the object is seen so already. Refers to the object given.
class SeenObject {
 public:
  SeenObject(const client::Object& object, Epoch epoch) : seen_(&object) {
    if (epoch != object.snapshot) seen_ = &copy_.emplace(at_epoch(object, epoch));
  }
  SeenObject(const SeenObject&) = delete;
  SeenObject& operator=(const SeenObject&) = delete;
  const client::Object& operator*() const { return *seen_; }

 private:
  std::optional<client::Object> copy_;
  const client::Object* seen_;
};

int punch_object(std::shared_ptr<OpenObject> object, daos_handle_t th, uint64_t flags,
                 daos_event_t* ev);
int list_keys(std::shared_ptr<OpenObject> object, daos_handle_t th, daos_key_t* dkey, uint32_t* nr,
              daos_key_desc_t* kds, d_sg_list_t* sgl, daos_anchor_t* anchor, daos_event_t* ev);

inline ObjectId oid_of(daos_obj_id_t oid) { return {oid.lo, oid.hi}; }

}  // namespace varve::libdaos
