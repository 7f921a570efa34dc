// daos_obj.h: listings and queries. Anchors: anchors.cc; lists of objects: object_table.cc.
#include <algorithm>
#include <cstring>

#include "daos_obj.h"
#include "libdaos/anchors.h"
#include "libdaos/objects.h"

using namespace varve;
using namespace varve::libdaos;

namespace varve::libdaos {
namespace {

constexpr uint32_t kOnePageMax = 1024;

Task<int> list(client::Session& session, std::shared_ptr<OpenObject> open, Epoch epoch,
               const daos_key_t* dkey, uint32_t* nr, daos_key_desc_t* kds, d_sg_list_t* sgl,
               daos_anchor_t* anchor) {
  client::Object object = at_epoch(open->object, epoch);
  if (!dkey) bound_groups(object, *anchor);
  client::Session::Anchor position = read_anchor(*anchor);
  const uint32_t wanted = std::min(*nr, kOnePageMax);
  const uint64_t room = room_of(sgl);
  const auto bytes_limit = static_cast<uint32_t>(std::min<uint64_t>(room, ~0U));
  *nr = 0;
  if (position.end) co_return 0;
  Result<std::vector<object::ListedEntry>> listed = Code::kUnknown;
  if (dkey)
    listed = co_await session.list_akeys(object, view_of(*dkey), position, wanted, bytes_limit);
  else
    listed = co_await session.list_dkeys(object, position, wanted, bytes_limit);
  if (!listed) co_return failure(listed.error());
  uint64_t offset = 0;
  for (const object::ListedEntry& entry : *listed) {
    if (entry.key.size() > room - offset) {
      // One key larger than the whole buffer: its length is the answer, the anchor stays.
      VARVE_ASSERT(*nr == 0, "only the first key of a page may be too long for it");
      kds[0].kd_key_len = entry.key.size();
      co_return code(Code::kKeyTooBig);
    }
    copy_into(sgl, offset, entry.key);
    offset += entry.key.size();
    kds[*nr].kd_key_len = entry.key.size();
    kds[(*nr)++].kd_val_type = static_cast<uint32_t>(entry.kind);
  }
  set_filled(sgl, offset);
  write_anchor(position, *anchor);
  co_return 0;
}

Task<int> list_recx(client::Session& session, std::shared_ptr<OpenObject> open, Epoch epoch,
                    daos_key_t* dkey, daos_key_t* akey, daos_size_t* size, uint32_t* nr,
                    daos_recx_t* recxs, daos_epoch_range_t* eprs, daos_anchor_t* anchor) {
  client::Object object = at_epoch(open->object, epoch);
  client::Session::Anchor position = read_anchor(*anchor);
  const uint32_t wanted = std::min(*nr, kOnePageMax);
  *nr = 0;
  if (position.end) co_return 0;
  uint32_t record_size = 0;
  auto listed = co_await session.list_ranges(object, view_of(*dkey), view_of(*akey), position,
                                             wanted, &record_size);
  if (!listed) co_return failure(listed.error());
  for (const object::ListedEntry& entry : *listed) {
    if (recxs) recxs[*nr] = {entry.range.index, entry.range.count};
    if (eprs) eprs[*nr] = {entry.epoch.value, entry.epoch.value};
    ++*nr;
  }
  if (size && (record_size || listed->empty())) *size = record_size;
  write_anchor(position, *anchor);
  co_return 0;
}

int give_key(const Buffer& from, daos_key_t* to) {
  if (from.size() > to->iov_buf_len) {
    to->iov_len = from.size();
    return code(Code::kKeyTooBig);
  }
  if (!from.empty()) std::memcpy(to->iov_buf, from.data(), from.size());
  to->iov_len = from.size();
  return 0;
}

}  // namespace

int list_keys(std::shared_ptr<OpenObject> object, daos_handle_t th, daos_key_t* dkey, uint32_t* nr,
              daos_key_desc_t* kds, d_sg_list_t* sgl, daos_anchor_t* anchor, daos_event_t* ev) {
  const Result<Epoch> epoch = read_epoch(th);
  if (!epoch) return failure(epoch.error());
  if (!nr || *nr == 0 || !kds || !sgl || room_of(sgl) == 0 || !anchor) return code(Code::kInvalid);
  if (dkey && !good_key(dkey)) return code(Code::kInvalid);
  return run(
      ev,
      [object, epoch = *epoch, dkey, nr, kds, sgl, anchor](client::Session& session) -> Task<int> {
        co_return co_await list(session, object, epoch, dkey, nr, kds, sgl, anchor);
      });
}

}  // namespace varve::libdaos

int daos_obj_list_dkey(daos_handle_t oh, daos_handle_t th, uint32_t* nr, daos_key_desc_t* kds,
                       d_sg_list_t* sgl, daos_anchor_t* anchor, daos_event_t* ev) {
  const auto object = object_of(Kind::kObject, oh);
  return object ? list_keys(*object, th, nullptr, nr, kds, sgl, anchor, ev)
                : failure(object.error());
}

int daos_obj_list_akey(daos_handle_t oh, daos_handle_t th, daos_key_t* dkey, uint32_t* nr,
                       daos_key_desc_t* kds, d_sg_list_t* sgl, daos_anchor_t* anchor,
                       daos_event_t* ev) {
  const auto object = object_of(Kind::kObject, oh);
  if (!object) return failure(object.error());
  return dkey ? list_keys(*object, th, dkey, nr, kds, sgl, anchor, ev) : code(Code::kInvalid);
}

int daos_obj_list_recx(daos_handle_t oh, daos_handle_t th, daos_key_t* dkey, daos_key_t* akey,
                       daos_size_t* size, uint32_t* nr, daos_recx_t* recxs,
                       daos_epoch_range_t* eprs, daos_anchor_t* anchor, bool incr_order,
                       daos_event_t* ev) {
  const auto object = object_of(Kind::kObject, oh);
  if (!object) return failure(object.error());
  const Result<Epoch> epoch = read_epoch(th);
  if (!epoch) return failure(epoch.error());
  if (!good_key(dkey) || !akey || !nr || *nr == 0 || !anchor) return code(Code::kInvalid);
  if (!incr_order)
    return failure(Error(Code::kNotImplemented, "extents are listed in increasing order only"));
  return run(ev,
             [object = *object, epoch = *epoch, dkey, akey, size, nr, recxs, eprs,
              anchor](client::Session& session) -> Task<int> {
               co_return co_await list_recx(session, object, epoch, dkey, akey, size, nr, recxs,
                                            eprs, anchor);
             });
}

int daos_obj_query_key(daos_handle_t oh, daos_handle_t th, uint64_t flags, daos_key_t* dkey,
                       daos_key_t* akey, daos_recx_t* recx, daos_event_t* ev) {
  const auto object = object_of(Kind::kObject, oh);
  if (!object) return failure(object.error());
  const Result<Epoch> epoch = read_epoch(th);
  if (!epoch) return failure(epoch.error());
  const bool max = flags & DAOS_GET_MAX, min = flags & DAOS_GET_MIN;
  const bool of_dkey = flags & DAOS_GET_DKEY, of_akey = flags & DAOS_GET_AKEY,
             of_recx = flags & DAOS_GET_RECX;
  if (max == min || !(of_dkey || of_akey || of_recx)) return code(Code::kInvalid);
  if (!dkey || ((of_akey || of_recx) && !akey) || (of_recx && !recx)) return code(Code::kInvalid);
  if (!of_dkey && !good_key(dkey)) return code(Code::kInvalid);
  const auto bits =
      static_cast<uint8_t>((of_dkey ? (max ? 1 : 2) : 0) | (of_akey ? (max ? 4 : 8) : 0) |
                           (of_recx ? (max ? 16 : 32) : 0));
  return run(ev, [=, object = *object, epoch = *epoch](client::Session& session) -> Task<int> {
    const client::Object seen = at_epoch(object->object, epoch);
    const ByteView under_dkey = of_dkey ? ByteView() : view_of(*dkey);
    const ByteView under_akey = of_akey || !akey ? ByteView() : view_of(*akey);
    auto found = co_await session.query(seen, under_dkey, under_akey, bits);
    if (!found) co_return failure(found.error());
    if (of_dkey) {
      if (const int error = give_key(found->dkey, dkey)) co_return error;
    }
    if (of_akey) {
      if (const int error = give_key(found->akey, akey)) co_return error;
    }
    if (of_recx) *recx = {found->range.index, found->range.count};
    co_return 0;
  });
}

int daos_obj_query_max_epoch(daos_handle_t oh, daos_handle_t th, daos_epoch_t* out,
                             daos_event_t* ev) {
  const auto object = object_of(Kind::kObject, oh);
  if (!object) return failure(object.error());
  const Result<Epoch> epoch = read_epoch(th);
  if (!epoch) return failure(epoch.error());
  if (!out) return code(Code::kInvalid);
  return run(ev, [object = *object, epoch = *epoch, out](client::Session& session) -> Task<int> {
    const client::Object seen = at_epoch(object->object, epoch);
    auto found = co_await session.query(seen, {}, {}, 0);
    if (!found) co_return failure(found.error());
    *out = found->max_epoch.value;
    co_return 0;
  });
}

int daos_obj_query(daos_handle_t oh, struct daos_obj_attr* oa, d_rank_list_t* ranks,
                   daos_event_t* ev) {
  const auto object = object_of(Kind::kObject, oh);
  if (!object) return failure(object.error());
  return run(ev, [object = *object, oa, ranks](client::Session&) -> Task<int> {
    const client::Object& at = object->object;
    if (oa) oa->oa_rank = at.map->targets[at.layout.targets[0]].rank.value;
    if (!ranks) co_return 0;
    const uint32_t room = ranks->rl_nr;
    ranks->rl_nr = static_cast<uint32_t>(at.layout.targets.size());
    if (ranks->rl_nr > room) co_return code(Code::kTruncated);
    for (uint32_t i = 0; i < ranks->rl_nr; ++i)
      ranks->rl_ranks[i] = at.map->targets[at.layout.targets[i]].rank.value;
    co_return 0;
  });
}
