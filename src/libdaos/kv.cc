// daos_kv.h: a key is a dkey, its value the single value of one akey.
#include "daos_kv.h"

#include <cstring>

#include "libdaos/objects.h"

using namespace varve;
using namespace varve::libdaos;

namespace varve::libdaos {
namespace {

constexpr std::string_view kValueKey = "0";

ByteView key_bytes(const std::string& key, bool integer) {
  // Integer keys are eight bytes at the pointer, whatever they are.
  return as_bytes(std::string_view(key.data(), integer ? sizeof(uint64_t) : key.size()));
}

bool integer_keys(const OpenObject& open) {
  return daos_is_dkey_uint64({open.object.oid.low, open.object.oid.high});
}

std::string key_text(const OpenObject& open, const char* key) {
  return integer_keys(open) ? std::string(key, sizeof(uint64_t)) : std::string(key);
}

Task<int> put(client::Session& session, std::shared_ptr<OpenObject> open, std::string key,
              uint64_t flags, ByteView value) {
  client::IoDescriptor descriptor;
  descriptor.akey = as_bytes(kValueKey);
  descriptor.from = Gather(&value, 1);
  co_return status(co_await session.update(open->object, key_bytes(key, integer_keys(*open)),
                                           flags & DAOS_COND_MASK,
                                           std::span<client::IoDescriptor>(&descriptor, 1)));
}

Task<int> get(client::Session& session, std::shared_ptr<OpenObject> open, Epoch epoch,
              std::string key, uint64_t flags, daos_size_t* size, void* buffer) {
  const SeenObject object(open->object, epoch);
  const MutableByteView room(static_cast<std::byte*>(buffer), buffer ? *size : 0);
  client::IoDescriptor descriptor;
  descriptor.akey = as_bytes(kValueKey);
  if (!room.empty()) descriptor.into = Scatter(&room, 1);
  const Result<void> fetched =
      co_await session.fetch(*object, key_bytes(key, integer_keys(*open)), flags & DAOS_COND_MASK,
                             std::span<client::IoDescriptor>(&descriptor, 1));
  if (fetched || fetched.code() == Code::kRecordTooBig) *size = descriptor.record_size;
  co_return status(fetched);
}

}  // namespace
}  // namespace varve::libdaos

int daos_kv_open(daos_handle_t coh, daos_obj_id_t oid, unsigned int mode, daos_handle_t* oh,
                 daos_event_t* ev) {
  if (!daos_is_kv(oid))
    return failure(Error(Code::kInvalid, "the object's type is not that of a key-value store"));
  return open_object(Kind::kKeyValue, coh, oid, mode, oh, ev);
}

int daos_kv_close(daos_handle_t oh, daos_event_t* ev) {
  return close_object(Kind::kKeyValue, oh, ev);
}

int daos_kv_destroy(daos_handle_t oh, daos_handle_t th, daos_event_t* ev) {
  const auto object = object_of(Kind::kKeyValue, oh);
  return object ? punch_object(*object, th, 0, ev) : failure(object.error());
}

int daos_kv_put(daos_handle_t oh, daos_handle_t th, uint64_t flags, const char* key,
                daos_size_t size, const void* buf, daos_event_t* ev) {
  const auto object = object_of(Kind::kKeyValue, oh);
  if (!object) return failure(object.error());
  if (const Result<void> writable = check_writable(th); !writable) return failure(writable.error());
  if (!(*object)->writable) return code(Code::kNoPermission);
  if (!key || !buf || size == 0) return code(Code::kInvalid);
  const ByteView value(static_cast<const std::byte*>(buf), size);
  return run(ev,
             [object = *object, name = key_text(**object, key), flags,
              value](client::Session& session) -> Task<int> {
               co_return co_await put(session, object, name, flags, value);
             });
}

int daos_kv_get(daos_handle_t oh, daos_handle_t th, uint64_t flags, const char* key,
                daos_size_t* size, void* buf, daos_event_t* ev) {
  const auto object = object_of(Kind::kKeyValue, oh);
  if (!object) return failure(object.error());
  const Result<Epoch> epoch = read_epoch(th);
  if (!epoch) return failure(epoch.error());
  if (!key || !size) return code(Code::kInvalid);
  return run(ev,
             [object = *object, epoch = *epoch, name = key_text(**object, key), flags, size,
              buf](client::Session& session) -> Task<int> {
               co_return co_await get(session, object, epoch, name, flags, size, buf);
             });
}

int daos_kv_remove(daos_handle_t oh, daos_handle_t th, uint64_t flags, const char* key,
                   daos_event_t* ev) {
  const auto object = object_of(Kind::kKeyValue, oh);
  if (!object) return failure(object.error());
  if (const Result<void> writable = check_writable(th); !writable) return failure(writable.error());
  if (!(*object)->writable) return code(Code::kNoPermission);
  if (!key) return code(Code::kInvalid);
  return run(
      ev,
      [object = *object, name = key_text(**object, key),
       flags](client::Session& session) -> Task<int> {
        const ByteView dkey = key_bytes(name, integer_keys(*object));
        co_return status(co_await session.punch(object->object, std::span<const ByteView>(&dkey, 1),
                                                {}, flags & DAOS_COND_MASK));
      });
}

int daos_kv_list(daos_handle_t oh, daos_handle_t th, uint32_t* nr, daos_key_desc_t* kds,
                 d_sg_list_t* sgl, daos_anchor_t* anchor, daos_event_t* ev) {
  const auto object = object_of(Kind::kKeyValue, oh);
  return object ? list_keys(*object, th, nullptr, nr, kds, sgl, anchor, ev)
                : failure(object.error());
}
