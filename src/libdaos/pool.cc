// daos_pool.h.
#include "daos_pool.h"

#include <algorithm>
#include <cstring>

#include "libdaos/access_lists.h"
#include "libdaos/convert.h"

using namespace varve;
using namespace varve::libdaos;

namespace varve::libdaos {
namespace {

void fill(const pool::PoolInfo& from, daos_pool_info_t* to) {
  if (!to) return;
  const uint64_t bits = to->pi_bits;
  *to = {};
  std::memcpy(to->pi_uuid, from.uuid.bytes.data(), sizeof to->pi_uuid);
  to->pi_ntargets = from.targets;
  to->pi_nnodes = 1;
  to->pi_ndisabled = from.targets_disabled;
  to->pi_map_ver = from.map_version;
  to->pi_bits = bits;
  daos_pool_space& space = to->pi_space;
  space.ps_space.s_total[DAOS_MEDIA_SCM] = from.space.total;
  space.ps_space.s_free[DAOS_MEDIA_SCM] = from.space.free;
  space.ps_free_min[DAOS_MEDIA_SCM] = from.space.target_free_min;
  space.ps_free_max[DAOS_MEDIA_SCM] = from.space.target_free_max;
  space.ps_free_mean[DAOS_MEDIA_SCM] = from.targets ? from.space.free / from.targets : 0;
  space.ps_ntargets = from.targets;
  to->pi_rebuild_st.rs_state = DRS_NOT_STARTED;
}

int set_ranks(const placement::PoolMap& map, d_rank_list_t** ranks) {
  std::vector<uint32_t> all;
  for (const placement::PoolTarget& target : map.targets) all.push_back(target.rank.value);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  auto* list = static_cast<d_rank_list_t*>(calloc(1, sizeof(d_rank_list_t)));
  auto* values = static_cast<d_rank_t*>(calloc(std::max<size_t>(all.size(), 1), sizeof(d_rank_t)));
  if (!list || !values) {
    free(list);
    free(values);
    return code(Code::kNoMemory);
  }
  std::copy(all.begin(), all.end(), values);
  *list = {values, static_cast<uint32_t>(all.size())};
  *ranks = list;
  return 0;
}

Result<AttributeCall> attribute_call(daos_handle_t handle) {
  VARVE_TRY(client::Pool pool, pool_of(handle));
  return AttributeCall([pool](client::Session& session, pool::AttributeVerb verb,
                              std::vector<pool::Attribute> attributes) {
    return session.pool_attributes(pool, verb, std::move(attributes));
  });
}

bool passes(const container::ContainerInfo& info, const daos_pool_cont_filter_part_t& part) {
  uint64_t value = 0;
  switch (part.pcfp_key) {
    case PCF_KEY_MD_OTIME:
      value = info.opened_ns;
      break;
    case PCF_KEY_MD_MTIME:
      value = info.modified_ns;
      break;
    case PCF_KEY_NUM_SNAPSHOTS:
      value = info.snapshots;
      break;
    default:
      value = info.handles;
      break;
  }
  const uint64_t with = part.pcfp_val64;
  switch (part.pcfp_func) {
    case PCF_FUNC_EQ:
      return value == with;
    case PCF_FUNC_NE:
      return value != with;
    case PCF_FUNC_LT:
      return value < with;
    case PCF_FUNC_LE:
      return value <= with;
    case PCF_FUNC_GT:
      return value > with;
    default:
      return value >= with;
  }
}

bool passes(const container::ContainerInfo& info, const daos_pool_cont_filter_t* filter) {
  if (!filter || filter->pcf_nparts == 0) return true;
  const bool any = filter->pcf_combine_func == PCF_COMBINE_LOGICAL_OR;
  for (uint32_t i = 0; i < filter->pcf_nparts; ++i)
    if (passes(info, *filter->pcf_parts[i]) == any) return any;
  return !any;
}

bool good_filter(const daos_pool_cont_filter_t* filter) {
  if (!filter || filter->pcf_nparts == 0) return true;
  if (filter->pcf_nparts > DAOS_POOL_CONT_FILTER_MAX_NPARTS || !filter->pcf_parts) return false;
  for (uint32_t i = 0; i < filter->pcf_nparts; ++i)
    if (!filter->pcf_parts[i]) return false;
  return true;
}

void fill_id(const container::ContainerInfo& from, daos_pool_cont_info& to) {
  to = {};
  std::memcpy(to.pci_uuid, from.uuid.bytes.data(), sizeof to.pci_uuid);
  from.label.copy(to.pci_label, sizeof to.pci_label - 1);
}

}  // namespace
}  // namespace varve::libdaos

int daos_pool_connect2(const char* pool, const char* sys, unsigned int flags, daos_handle_t* poh,
                       daos_pool_info_t* info, daos_event_t* ev) {
  if (!pool || !*pool || !poh) return code(Code::kInvalid);
  const unsigned mode = flags & DAOS_PC_MASK;
  if (mode != flags || (mode != DAOS_PC_RO && mode != DAOS_PC_RW && mode != DAOS_PC_EX))
    return code(Code::kInvalid);
  return run(ev,
             [name = uuid_or_label(pool), flags, poh, info](client::Session& session) -> Task<int> {
               Result<client::Pool> connected = co_await session.connect_pool(name, flags);
               if (!connected) co_return failure(connected.error());
               fill((*connected)->info, info);
               *poh = register_handle(Kind::kPool, std::move(*connected));
               co_return 0;
             });
}

int daos_pool_disconnect(daos_handle_t poh, daos_event_t* ev) {
  const auto pool = std::static_pointer_cast<client::PoolHandle>(close_handle(Kind::kPool, poh));
  if (!pool) return code(Code::kNoHandle);
  return run(ev, [pool](client::Session& session) -> Task<int> {
    co_return status(co_await session.disconnect_pool(pool));
  });
}

int daos_pool_query(daos_handle_t poh, d_rank_list_t** ranks, daos_pool_info_t* info,
                    daos_prop_t* pool_prop, daos_event_t* ev) {
  const Result<client::Pool> pool = pool_of(poh);
  if (!pool) return failure(pool.error());
  return run(ev, [pool = *pool, ranks, info, pool_prop](client::Session& session) -> Task<int> {
    const std::string name = pool->uuid.to_string();
    auto reply = co_await session.query_pool(name);
    if (!reply) co_return failure(reply.error());
    fill(reply->info, info);
    if (ranks) {
      if (const int error = set_ranks(reply->map, ranks)) co_return error;
    }
    if (!pool_prop) co_return 0;
    auto properties = co_await session.pool_properties(name);
    if (!properties) co_return failure(properties.error());
    co_return write_properties(*properties, pool_prop);
  });
}

int daos_pool_query_target(daos_handle_t poh, uint32_t tgt, d_rank_t rank, daos_target_info_t* info,
                           daos_event_t* ev) {
  const Result<client::Pool> pool = pool_of(poh);
  if (!pool) return failure(pool.error());
  if (!info) return code(Code::kInvalid);
  return run(ev, [pool = *pool, tgt, rank, info](client::Session& session) -> Task<int> {
    auto reply = co_await session.query_pool(pool->uuid.to_string());
    if (!reply) co_return failure(reply.error());
    for (const placement::PoolTarget& target : reply->map.targets) {
      if (target.rank.value != rank || target.index.value != tgt) continue;
      const uint64_t targets = std::max<uint64_t>(reply->info.targets, 1);
      *info = {};
      info->ta_state = target.state == placement::TargetState::kUp ? DAOS_TS_UP_IN : DAOS_TS_DOWN;
      info->ta_space.s_total[DAOS_MEDIA_SCM] = reply->info.space.total / targets;
      info->ta_space.s_free[DAOS_MEDIA_SCM] = reply->info.space.free / targets;
      co_return 0;
    }
    co_return code(Code::kNonexistent);
  });
}

int daos_pool_list_attr(daos_handle_t poh, char* buffer, size_t* size, daos_event_t* ev) {
  const auto call = attribute_call(poh);
  return call ? list_attributes(*call, buffer, size, ev) : failure(call.error());
}
int daos_pool_get_attr(daos_handle_t poh, int n, const char* const names[], void* const buffers[],
                       size_t sizes[], daos_event_t* ev) {
  const auto call = attribute_call(poh);
  return call ? get_attributes(*call, n, names, buffers, sizes, ev) : failure(call.error());
}
int daos_pool_set_attr(daos_handle_t poh, int n, const char* const names[],
                       const void* const values[], const size_t sizes[], daos_event_t* ev) {
  const auto call = attribute_call(poh);
  return call ? set_attributes(*call, n, names, values, sizes, ev) : failure(call.error());
}
int daos_pool_del_attr(daos_handle_t poh, int n, const char* const names[], daos_event_t* ev) {
  const auto call = attribute_call(poh);
  return call ? delete_attributes(*call, n, names, ev) : failure(call.error());
}

int daos_pool_list_cont(daos_handle_t poh, daos_size_t* ncont, struct daos_pool_cont_info* cbuf,
                        daos_event_t* ev) {
  const Result<client::Pool> pool = pool_of(poh);
  if (!pool) return failure(pool.error());
  if (!ncont) return code(Code::kInvalid);
  return run(ev, [pool = *pool, ncont, cbuf](client::Session& session) -> Task<int> {
    auto listed = co_await session.list_containers(pool);
    if (!listed) co_return failure(listed.error());
    const daos_size_t room = *ncont;
    *ncont = listed->size();
    if (!cbuf) co_return 0;
    if (room < listed->size()) co_return code(Code::kTruncated);
    for (size_t i = 0; i < listed->size(); ++i) fill_id((*listed)[i], cbuf[i]);
    co_return 0;
  });
}

int daos_pool_cont_filter_init(daos_pool_cont_filter_t* filt, uint32_t combine_func) {
  if (!filt || combine_func > PCF_COMBINE_LOGICAL_OR) return code(Code::kInvalid);
  *filt = {combine_func, 0, nullptr};
  return 0;
}

int daos_pool_cont_filter_add(daos_pool_cont_filter_t* filt, daos_pool_cont_filter_part_t* part) {
  if (!filt || !part || part->pcfp_func >= PCF_FUNC_MAX || part->pcfp_key >= PCF_KEY_MAX)
    return code(Code::kInvalid);
  if (filt->pcf_nparts >= DAOS_POOL_CONT_FILTER_MAX_NPARTS) return code(Code::kNoSpace);
  if (!filt->pcf_parts)
    filt->pcf_parts = static_cast<daos_pool_cont_filter_part_t**>(
        calloc(DAOS_POOL_CONT_FILTER_MAX_NPARTS, sizeof(daos_pool_cont_filter_part_t*)));
  auto* copy = static_cast<daos_pool_cont_filter_part_t*>(malloc(sizeof *part));
  if (!filt->pcf_parts || !copy) {
    free(copy);
    return code(Code::kNoMemory);
  }
  *copy = *part;
  filt->pcf_parts[filt->pcf_nparts++] = copy;
  return 0;
}

void daos_pool_cont_filter_fini(daos_pool_cont_filter_t* filt) {
  if (!filt) return;
  for (uint32_t i = 0; i < filt->pcf_nparts; ++i) free(filt->pcf_parts[i]);
  free(filt->pcf_parts);
  *filt = {};
}

int daos_pool_filter_cont(daos_handle_t poh, daos_pool_cont_filter_t* filter, daos_size_t* ncont,
                          struct daos_pool_cont_info2* cbuf, daos_event_t* ev) {
  const Result<client::Pool> pool = pool_of(poh);
  if (!pool) return failure(pool.error());
  if (!ncont || !good_filter(filter)) return code(Code::kInvalid);
  return run(ev, [pool = *pool, filter, ncont, cbuf](client::Session& session) -> Task<int> {
    auto listed = co_await session.list_containers(pool);
    if (!listed) co_return failure(listed.error());
    std::erase_if(*listed,
                  [&](const container::ContainerInfo& info) { return !passes(info, filter); });
    const daos_size_t room = *ncont;
    *ncont = listed->size();
    if (!cbuf) co_return 0;
    if (room < listed->size()) co_return code(Code::kTruncated);
    for (size_t i = 0; i < listed->size(); ++i) {
      const container::ContainerInfo& info = (*listed)[i];
      cbuf[i] = {};
      fill_id(info, cbuf[i].pci_id);
      std::memcpy(cbuf[i].pci_cinfo.ci_uuid, info.uuid.bytes.data(), sizeof(uuid_t));
      cbuf[i].pci_cinfo.ci_nhandles = info.handles;
      cbuf[i].pci_cinfo.ci_nsnapshots = info.snapshots;
      cbuf[i].pci_cinfo.ci_md_otime = info.opened_ns;
      cbuf[i].pci_cinfo.ci_md_mtime = info.modified_ns;
    }
    co_return 0;
  });
}

int daos_pool_get_perms(daos_prop_t* pool_prop, uid_t uid, gid_t* gids, size_t nr_gids,
                        uint64_t* perms) {
  constexpr PropertyTypes kTypes{DAOS_PROP_PO_ACL, DAOS_PROP_PO_OWNER, DAOS_PROP_PO_OWNER_GROUP};
  return permissions_by(pool_prop, kTypes, uid, gids, nr_gids, perms);
}
