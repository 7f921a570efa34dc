// daos_obj.h: object I/O. Listings and queries: obj_walk.cc.
#include "daos_obj.h"

#include <map>
#include <mutex>
#include <tuple>

#include "libdaos/library.h"
#include "libdaos/objects.h"

using namespace varve;
using namespace varve::libdaos;

namespace varve::libdaos {
namespace {

static_assert(sizeof(daos_recx_t) == sizeof(object::Range) &&
              offsetof(daos_recx_t, rx_nr) == offsetof(object::Range, count));
static_assert(static_cast<int>(object::ValueKind::kSingle) == DAOS_IOD_SINGLE &&
              static_cast<int>(object::ValueKind::kArray) == DAOS_IOD_ARRAY);

std::span<const object::Range> ranges_of(const daos_iod_t& iod) {
  return {reinterpret_cast<const object::Range*>(iod.iod_recxs), iod.iod_nr};
}

bool good_iod(const daos_iod_t& iod) {
  if (iod.iod_name.iov_len > 0 && !iod.iod_name.iov_buf) return false;
  if (iod.iod_type == DAOS_IOD_SINGLE) return iod.iod_nr == 1;
  return iod.iod_type == DAOS_IOD_ARRAY && iod.iod_nr > 0 && iod.iod_recxs;
}

// The client's descriptors of one call, without an allocation where there is one akey of one
// buffer.
template <class View>
class Descriptors {
 public:
  explicit Descriptors(unsigned count) : count_(count) {
    if (count <= 1) return;
    many_ = std::make_unique<client::IoDescriptor[]>(count);
    many_pieces_ = std::make_unique<Pieces<View>[]>(count);
  }
  client::IoDescriptor& operator[](unsigned i) { return many_ ? many_[i] : one_; }
  Pieces<View>& pieces(unsigned i) { return many_ ? many_pieces_[i] : one_pieces_; }
  std::span<client::IoDescriptor> span() { return {many_ ? many_.get() : &one_, count_}; }

 private:
  unsigned count_;
  client::IoDescriptor one_;
  Pieces<View> one_pieces_;
  std::unique_ptr<client::IoDescriptor[]> many_;
  std::unique_ptr<Pieces<View>[]> many_pieces_;
};

void describe(const daos_iod_t& iod, client::IoDescriptor& descriptor) {
  descriptor.akey = view_of(iod.iod_name);
  descriptor.kind = static_cast<object::ValueKind>(iod.iod_type);
  descriptor.conditions = iod.iod_flags & DAOS_COND_MASK;
  if (iod.iod_type == DAOS_IOD_ARRAY) descriptor.ranges = ranges_of(iod);
}

Task<int> update(client::Session& session, const OpenObject& open, uint64_t flags,
                 const daos_key_t* dkey, unsigned nr, daos_iod_t* iods, d_sg_list_t* sgls) {
  Descriptors<ByteView> descriptors(nr);
  for (unsigned i = 0; i < nr; ++i) {
    const daos_iod_t& iod = iods[i];
    client::IoDescriptor& descriptor = descriptors[i];
    describe(iod, descriptor);
    descriptor.record_size = iod.iod_size ? iod.iod_size : 1;
    if (iod.iod_size == 0) continue;  // a punch
    uint64_t bytes = iod.iod_size;
    if (iod.iod_type == DAOS_IOD_ARRAY) {
      uint64_t records = 0;
      for (const object::Range& range : descriptor.ranges)
        if (__builtin_add_overflow(records, range.count, &records)) co_return code(Code::kInvalid);
      if (__builtin_mul_overflow(records, iod.iod_size, &bytes)) co_return code(Code::kInvalid);
    }
    if (!add_data(sgls ? &sgls[i] : nullptr, bytes, descriptors.pieces(i)))
      co_return failure(
          Error(Code::kBadIo, "an update's buffers hold less than its descriptor says"));
    descriptor.from = descriptors.pieces(i).span();
  }
  const Result<Epoch> updated = co_await session.update(open.object, view_of(*dkey),
                                                        flags & DAOS_COND_MASK, descriptors.span());
  co_return status(updated);
}

void fill_map(const daos_iod_t& iod, uint64_t record_size,
              const std::vector<object::FetchedPiece>& found, daos_iom_t& map) {
  map.iom_type = iod.iod_type;
  map.iom_size = record_size;
  map.iom_nr_out = 0;
  map.iom_recx_lo = map.iom_recx_hi = {};
  if (iod.iod_type != DAOS_IOD_ARRAY || record_size == 0) return;
  uint32_t range = 0;
  uint64_t within = 0;  // records of iod_recxs[range] that earlier pieces covered
  for (const object::FetchedPiece& piece : found) {
    for (uint64_t records = piece.length / record_size; records > 0 && range < iod.iod_nr;) {
      const uint64_t take = std::min(records, iod.iod_recxs[range].rx_nr - within);
      const daos_recx_t here = {iod.iod_recxs[range].rx_idx + within, take};
      if (!piece.hole) {
        daos_recx_t* last = map.iom_nr_out > 0 && map.iom_nr_out <= map.iom_nr && map.iom_recxs
                                ? &map.iom_recxs[map.iom_nr_out - 1]
                                : nullptr;
        if (last && last->rx_idx + last->rx_nr == here.rx_idx) {
          last->rx_nr += here.rx_nr;
        } else {
          if (map.iom_nr_out < map.iom_nr && map.iom_recxs) map.iom_recxs[map.iom_nr_out] = here;
          ++map.iom_nr_out;
        }
        if (map.iom_recx_lo.rx_nr == 0 || here.rx_idx < map.iom_recx_lo.rx_idx)
          map.iom_recx_lo = here;
        if (here.rx_idx + here.rx_nr > map.iom_recx_hi.rx_idx + map.iom_recx_hi.rx_nr)
          map.iom_recx_hi = here;
      }
      records -= take;
      within += take;
      if (within < iod.iod_recxs[range].rx_nr) continue;
      ++range;
      within = 0;
    }
  }
}

Task<int> fetch(client::Session& session, const client::Object& object, uint64_t flags,
                const daos_key_t* dkey, unsigned nr, daos_iod_t* iods, d_sg_list_t* sgls,
                daos_iom_t* ioms) {
  Descriptors<MutableByteView> descriptors(nr);
  std::vector<std::vector<object::FetchedPiece>> found(ioms ? nr : 0);
  for (unsigned i = 0; i < nr; ++i) {
    client::IoDescriptor& descriptor = descriptors[i];
    describe(iods[i], descriptor);
    if (iods[i].iod_type == DAOS_IOD_ARRAY) descriptor.record_size = iods[i].iod_size;
    if (sgls && sgls[i].sg_nr > 0 && !add_room(&sgls[i], descriptors.pieces(i)))
      co_return code(Code::kInvalid);
    descriptor.into = descriptors.pieces(i).span();
    if (ioms) descriptor.found = &found[i];
  }
  const Result<void> fetched =
      co_await session.fetch(object, view_of(*dkey), flags & DAOS_COND_MASK, descriptors.span());
  // A value larger than its buffer says how large.
  if (fetched || fetched.code() == Code::kRecordTooBig)
    for (unsigned i = 0; i < nr; ++i) iods[i].iod_size = descriptors[i].record_size;
  if (!fetched) co_return failure(fetched.error());
  for (unsigned i = 0; i < nr; ++i) {
    if (sgls && sgls[i].sg_nr > 0) set_filled(&sgls[i], descriptors[i].fetched_end);
    if (ioms) fill_map(iods[i], descriptors[i].record_size, found[i], ioms[i]);
  }
  co_return 0;
}

int check_io(const daos_key_t* dkey, unsigned nr, const daos_iod_t* iods) {
  if (!good_key(dkey) || nr == 0 || !iods) return code(Code::kInvalid);
  for (unsigned i = 0; i < nr; ++i)
    if (!good_iod(iods[i])) return code(Code::kInvalid);
  return 0;
}

}  // namespace

std::mutex& claims_mutex() {
  static std::mutex mutex;
  return mutex;
}

namespace {

struct Claims {
  uint32_t open = 0;
  bool exclusive = false;
};
using ClaimKey = std::tuple<Uuid, uint64_t, uint64_t>;
std::map<ClaimKey, Claims>& claims() {
  static auto* all = new std::map<ClaimKey, Claims>;  // outlives handles that nobody closed
  return *all;
}

}  // namespace

Result<std::shared_ptr<OpenClaim>> OpenClaim::take(const client::Object& object, bool exclusive) {
  auto claim = std::make_shared<OpenClaim>();
  claim->container_ = object.container->uuid;
  claim->oid_ = object.oid;
  claim->exclusive_ = exclusive;
  std::lock_guard lock(claims_mutex());
  Claims& here = claims()[{claim->container_, claim->oid_.low, claim->oid_.high}];
  if (here.open > 0 && (exclusive || here.exclusive)) {
    claim->container_ = Uuid();  // nothing to give back
    return Error(Code::kBusy, "object " + object.oid.to_string() + " is open in this process" +
                                  (here.exclusive ? ", exclusively" : ""));
  }
  ++here.open;
  here.exclusive = exclusive;
  return claim;
}

OpenClaim::~OpenClaim() {
  if (container_.is_null()) return;
  std::lock_guard lock(claims_mutex());
  const auto found = claims().find({container_, oid_.low, oid_.high});
  if (found != claims().end() && --found->second.open == 0) claims().erase(found);
}

Result<std::shared_ptr<OpenObject>> object_of(Kind kind, daos_handle_t handle) {
  VARVE_CHECK(require_initialized());
  auto object = find<OpenObject>(kind, handle);
  if (!object) return Error(Code::kNoHandle, "the object handle is closed or was never opened");
  return object;
}

client::Object at_epoch(const client::Object& object, Epoch epoch) {
  client::Object seen = object;
  seen.snapshot = epoch;
  return seen;
}

int open_object(Kind kind, daos_handle_t coh, daos_obj_id_t oid, unsigned mode, daos_handle_t* oh,
                daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (!oh || daos_obj_id_is_nil(oid)) return code(Code::kInvalid);
  const bool writes = (mode & (DAOS_OO_RW | DAOS_OO_EXCL)) != 0;
  if (!writes && !(mode & DAOS_OO_RO)) return code(Code::kInvalid);
  if (writes && !(*container)->writable) return code(Code::kNoPermission);
  const bool exclusive = mode & DAOS_OO_EXCL;
  return run(ev,
             [container = *container, kind, oid, writes, exclusive,
              oh](client::Session& session) -> Task<int> {
               Result<client::Object> object = session.open_object(container, oid_of(oid));
               if (!object) co_return failure(object.error());
               auto claim = OpenClaim::take(*object, exclusive);
               if (!claim) co_return failure(claim.error());
               *oh = register_handle(kind, std::make_shared<OpenObject>(OpenObject{
                                               std::move(*object), writes, std::move(*claim)}));
               co_return 0;
             });
}

int close_object(Kind kind, daos_handle_t oh, daos_event_t* ev) {
  if (!close_handle(kind, oh)) return code(Code::kNoHandle);
  return run(ev, [](client::Session&) -> Task<int> { co_return 0; });
}

int punch_object(std::shared_ptr<OpenObject> object, daos_handle_t th, uint64_t flags,
                 daos_event_t* ev) {
  if (const Result<void> writable = check_writable(th); !writable) return failure(writable.error());
  if (!object->writable) return code(Code::kNoPermission);
  return run(ev, [object, flags](client::Session& session) -> Task<int> {
    co_return status(co_await session.punch(object->object, {}, {}, flags & DAOS_COND_MASK));
  });
}

}  // namespace varve::libdaos

int daos_obj_generate_oid2(daos_handle_t coh, daos_obj_id_t* oid, enum daos_otype_t type,
                           daos_oclass_id_t cid, daos_oclass_hints_t hints, uint32_t args) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (!oid || !daos_otype_t_is_valid(type)) return code(Code::kInvalid);
  if (cid == OC_UNKNOWN) {
    // Arrays are spread over all targets, the rest lies on one, unless a hint says otherwise.
    const bool wide = hints & (DAOS_OCH_SHD_MAX | DAOS_OCH_SHD_EXT | DAOS_OCH_SHD_HI);
    const bool narrow = hints & (DAOS_OCH_SHD_TINY | DAOS_OCH_SHD_REG);
    cid = wide || (daos_is_array_type(type) && !narrow) ? OC_SX : OC_S1;
  }
  const Result<placement::ObjectClass> object_class = placement::class_by_id(cid);
  if (!object_class) return failure(object_class.error());
  const ObjectId made =
      placement::make_object_id(oid_of(*oid), static_cast<uint8_t>(type), *object_class);
  *oid = {made.low, made.high};
  return 0;
}

int daos_obj_open(daos_handle_t coh, daos_obj_id_t oid, unsigned int mode, daos_handle_t* oh,
                  daos_event_t* ev) {
  return open_object(Kind::kObject, coh, oid, mode, oh, ev);
}

int daos_obj_close(daos_handle_t oh, daos_event_t* ev) {
  return close_object(Kind::kObject, oh, ev);
}

int daos_obj_update(daos_handle_t oh, daos_handle_t th, uint64_t flags, daos_key_t* dkey,
                    unsigned int nr, daos_iod_t* iods, d_sg_list_t* sgls, daos_event_t* ev) {
  const auto object = object_of(Kind::kObject, oh);
  if (!object) return failure(object.error());
  if (const Result<void> writable = check_writable(th); !writable) return failure(writable.error());
  if (!(*object)->writable) return code(Code::kNoPermission);
  if (const int error = check_io(dkey, nr, iods)) return error;
  return run(
      ev, [object = *object, flags, dkey, nr, iods, sgls](client::Session& session) -> Task<int> {
        co_return co_await update(session, *object, flags, dkey, nr, iods, sgls);
      });
}

int daos_obj_fetch(daos_handle_t oh, daos_handle_t th, uint64_t flags, daos_key_t* dkey,
                   unsigned int nr, daos_iod_t* iods, d_sg_list_t* sgls, daos_iom_t* ioms,
                   daos_event_t* ev) {
  const auto object = object_of(Kind::kObject, oh);
  if (!object) return failure(object.error());
  const Result<Epoch> epoch = read_epoch(th);
  if (!epoch) return failure(epoch.error());
  if (const int error = check_io(dkey, nr, iods)) return error;
  return run(ev,
             [object = *object, epoch = *epoch, flags, dkey, nr, iods, sgls,
              ioms](client::Session& session) -> Task<int> {
               const SeenObject seen(object->object, epoch);
               co_return co_await fetch(session, *seen, flags, dkey, nr, iods, sgls, ioms);
             });
}

int daos_obj_punch(daos_handle_t oh, daos_handle_t th, uint64_t flags, daos_event_t* ev) {
  const auto object = object_of(Kind::kObject, oh);
  return object ? punch_object(*object, th, flags, ev) : failure(object.error());
}

int daos_obj_punch_dkeys(daos_handle_t oh, daos_handle_t th, uint64_t flags, unsigned int nr,
                         daos_key_t* dkeys, daos_event_t* ev) {
  const auto object = object_of(Kind::kObject, oh);
  if (!object) return failure(object.error());
  if (const Result<void> writable = check_writable(th); !writable) return failure(writable.error());
  if (!(*object)->writable) return code(Code::kNoPermission);
  if (nr == 0 || !dkeys) return code(Code::kInvalid);
  std::vector<ByteView> views;
  for (unsigned i = 0; i < nr; ++i) {
    if (!good_key(&dkeys[i])) return code(Code::kInvalid);
    views.push_back(view_of(dkeys[i]));
  }
  return run(ev, [object = *object, views, flags](client::Session& session) -> Task<int> {
    co_return status(co_await session.punch(object->object, views, {}, flags & DAOS_COND_MASK));
  });
}

int daos_obj_punch_akeys(daos_handle_t oh, daos_handle_t th, uint64_t flags, daos_key_t* dkey,
                         unsigned int nr, daos_key_t* akeys, daos_event_t* ev) {
  const auto object = object_of(Kind::kObject, oh);
  if (!object) return failure(object.error());
  if (const Result<void> writable = check_writable(th); !writable) return failure(writable.error());
  if (!(*object)->writable) return code(Code::kNoPermission);
  if (!good_key(dkey) || nr == 0 || !akeys) return code(Code::kInvalid);
  std::vector<ByteView> views;
  for (unsigned i = 0; i < nr; ++i) {
    if (!good_key(&akeys[i])) return code(Code::kInvalid);
    views.push_back(view_of(akeys[i]));
  }
  return run(ev, [object = *object, dkey, views, flags](client::Session& session) -> Task<int> {
    const ByteView under = view_of(*dkey);
    co_return status(co_await session.punch(object->object, std::span<const ByteView>(&under, 1),
                                            views, flags & DAOS_COND_MASK));
  });
}
