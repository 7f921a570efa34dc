// daos_cont.h.
#include "daos_cont.h"

#include <algorithm>
#include <cstring>

#include "libdaos/access_lists.h"
#include "libdaos/convert.h"
#include "security/names.h"

using namespace varve;
using namespace varve::libdaos;

namespace varve::libdaos {
namespace {

void fill(const container::ContainerInfo& from, daos_cont_info_t* to) {
  if (!to) return;
  *to = {};
  std::memcpy(to->ci_uuid, from.uuid.bytes.data(), sizeof to->ci_uuid);
  to->ci_nhandles = from.handles;
  to->ci_nsnapshots = from.snapshots;
  to->ci_md_otime = from.opened_ns;
  to->ci_md_mtime = from.modified_ns;
}

Result<AttributeCall> attribute_call(daos_handle_t handle) {
  VARVE_TRY(client::Container container, container_of_handle(handle));
  return AttributeCall([container](client::Session& session, pool::AttributeVerb verb,
                                   std::vector<pool::Attribute> attributes) {
    return session.container_attributes(container, verb, std::move(attributes));
  });
}

int create(daos_handle_t poh, const char* label, const daos_prop_t* properties, uuid_t* uuid,
           daos_event_t* ev) {
  const Result<client::Pool> pool = pool_of(poh);
  if (!pool) return failure(pool.error());
  if (label && !daos_label_is_valid(label)) return code(Code::kInvalid);
  container::CreateContainer request;
  auto read = read_properties(properties);
  if (!read) return failure(read.error());
  request.properties = std::move(*read);
  for (const pool::Property& property : request.properties)
    if (property.type == DAOS_PROP_CO_LABEL) request.label = property.text;
  if (label && !request.label.empty() && request.label != label) return code(Code::kInvalid);
  if (label) request.label = label;
  std::erase_if(request.properties,
                [](const pool::Property& property) { return property.type == DAOS_PROP_CO_LABEL; });
  return run(ev, [pool = *pool, request, uuid](client::Session& session) -> Task<int> {
    auto created = co_await session.create_container(pool, request);
    if (!created) co_return failure(created.error());
    if (uuid) std::memcpy(*uuid, created->uuid.bytes.data(), sizeof(uuid_t));
    co_return 0;
  });
}

int set_properties(client::Container container, std::vector<pool::Property> properties,
                   daos_event_t* ev) {
  return run(ev, [container, properties](client::Session& session) -> Task<int> {
    co_return status(co_await session.set_container_properties(
        container->pool, container->uuid.to_string(), properties));
  });
}

Result<std::string> text_of(const daos_acl* list) {
  VARVE_TRY(const security::AccessList read, read_list(list));
  return security::text_of(read);
}

Result<std::string> principal_text(daos_acl_principal_type type, const char* name) {
  const std::unique_ptr<daos_ace, decltype(&free)> entry(daos_ace_create(type, name), &free);
  if (!entry) return Error(Code::kInvalid, "there is no such principal");
  const std::string text = daos_ace_get_principal_str(entry.get());
  return (type == DAOS_ACL_USER ? "u:" : type == DAOS_ACL_GROUP ? "g:" : "") + text;
}

int change_acl(daos_handle_t coh, pool::AclVerb verb, Result<std::string> entries,
               daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (!entries) return failure(entries.error());
  return run(
      ev,
      [container = *container, verb, entries = *entries](client::Session& session) -> Task<int> {
        co_return status(co_await session.change_container_acl(
            container->pool, container->uuid.to_string(), verb, entries));
      });
}

constexpr size_t kSnapshotNameRoom = DAOS_SNAPSHOT_MAX_LEN;

}  // namespace
}  // namespace varve::libdaos

int daos_cont_create2(daos_handle_t poh, uuid_t* uuid, daos_prop_t* cont_prop, daos_event_t* ev) {
  return create(poh, nullptr, cont_prop, uuid, ev);
}

int daos_cont_create_with_label(daos_handle_t poh, const char* label, daos_prop_t* cont_prop,
                                uuid_t* uuid, daos_event_t* ev) {
  return label ? create(poh, label, cont_prop, uuid, ev) : code(Code::kInvalid);
}

int daos_cont_open2(daos_handle_t poh, const char* cont, unsigned int flags, daos_handle_t* coh,
                    daos_cont_info_t* info, daos_event_t* ev) {
  const Result<client::Pool> pool = pool_of(poh);
  if (!pool) return failure(pool.error());
  const unsigned mode = flags & DAOS_COO_IO_BASE_MASK;
  if (!cont || !*cont || !coh || (flags & ~static_cast<unsigned>(DAOS_COO_MASK)) ||
      __builtin_popcount(mode) != 1)
    return code(Code::kInvalid);
  if ((*pool)->flags == DAOS_PC_RO && (flags & (DAOS_COO_RW | DAOS_COO_EX)))
    return failure(Error(Code::kNoPermission, "the pool is connected for reading only"));
  return run(ev,
             [pool = *pool, name = uuid_or_label(cont), flags, coh,
              info](client::Session& session) -> Task<int> {
               Result<client::Container> opened =
                   co_await session.open_container(pool, name, flags);
               if (!opened) co_return failure(opened.error());
               fill((*opened)->info, info);
               *coh = register_handle(Kind::kContainer, std::move(*opened));
               co_return 0;
             });
}

int daos_cont_close(daos_handle_t coh, daos_event_t* ev) {
  const auto container =
      std::static_pointer_cast<client::ContainerHandle>(close_handle(Kind::kContainer, coh));
  if (!container) return code(Code::kNoHandle);
  return run(ev, [container](client::Session& session) -> Task<int> {
    co_return status(co_await session.close_container(container));
  });
}

int daos_cont_destroy2(daos_handle_t poh, const char* cont, int force, daos_event_t* ev) {
  const Result<client::Pool> pool = pool_of(poh);
  if (!pool) return failure(pool.error());
  if (!cont || !*cont) return code(Code::kInvalid);
  return run(
      ev, [pool = *pool, name = uuid_or_label(cont), force](client::Session& session) -> Task<int> {
        co_return status(co_await session.destroy_container(pool, name, force != 0));
      });
}

int daos_cont_query(daos_handle_t coh, daos_cont_info_t* info, daos_prop_t* cont_prop,
                    daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  return run(ev, [container = *container, info, cont_prop](client::Session& session) -> Task<int> {
    auto queried = co_await session.query_container(container->pool, container->uuid.to_string());
    if (!queried) co_return failure(queried.error());
    fill(*queried, info);
    if (!cont_prop) co_return 0;
    std::vector<pool::Property> properties = std::move(queried->properties);
    const auto has = [&](uint32_t type) {
      return std::any_of(properties.begin(), properties.end(),
                         [&](const pool::Property& property) { return property.type == type; });
    };
    if (!has(DAOS_PROP_CO_LAYOUT_TYPE))
      properties.push_back(
          {DAOS_PROP_CO_LAYOUT_TYPE, false, queried->type == "POSIX" ? 1U : 0U, {}});
    if (!has(DAOS_PROP_CO_LABEL))
      properties.push_back({DAOS_PROP_CO_LABEL, true, 0,
                            queried->label.empty() ? DAOS_PROP_CO_LABEL_DEFAULT : queried->label});
    co_return write_properties(properties, cont_prop);
  });
}

int daos_cont_set_prop(daos_handle_t coh, daos_prop_t* prop, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (!prop || prop->dpp_nr == 0) return code(Code::kInvalid);
  auto properties = read_properties(prop);
  if (!properties) return failure(properties.error());
  return set_properties(*container, std::move(*properties), ev);
}

int daos_cont_get_acl(daos_handle_t coh, daos_prop_t** acl_prop, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (!acl_prop) return code(Code::kInvalid);
  return run(ev, [container = *container, acl_prop](client::Session& session) -> Task<int> {
    auto queried = co_await session.query_container(container->pool, container->uuid.to_string());
    if (!queried) co_return failure(queried.error());
    const auto has = [&](uint32_t type) {
      return std::any_of(queried->properties.begin(), queried->properties.end(),
                         [&](const pool::Property& property) { return property.type == type; });
    };
    if (!has(DAOS_PROP_CO_ACL))
      co_return failure(Error(Code::kNoPermission, "the access control list is not shown to you"));
    daos_prop_t* made = daos_prop_alloc(3);
    if (!made) co_return code(Code::kNoMemory);
    made->dpp_entries[0].dpe_type = DAOS_PROP_CO_ACL;
    made->dpp_entries[1].dpe_type = DAOS_PROP_CO_OWNER;
    made->dpp_entries[2].dpe_type = DAOS_PROP_CO_OWNER_GROUP;
    const int error = write_properties(queried->properties, made);
    if (error)
      daos_prop_free(made);
    else
      *acl_prop = made;
    co_return error;
  });
}

int daos_cont_overwrite_acl(daos_handle_t coh, struct daos_acl* acl, daos_event_t* ev) {
  return change_acl(coh, pool::AclVerb::kOverwrite, text_of(acl), ev);
}

int daos_cont_update_acl(daos_handle_t coh, struct daos_acl* acl, daos_event_t* ev) {
  return change_acl(coh, pool::AclVerb::kUpdate, text_of(acl), ev);
}

int daos_cont_delete_acl(daos_handle_t coh, enum daos_acl_principal_type type, d_string_t name,
                         daos_event_t* ev) {
  return change_acl(coh, pool::AclVerb::kDelete, principal_text(type, name), ev);
}

int daos_cont_set_owner_no_check(daos_handle_t coh, d_string_t user, d_string_t group,
                                 daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  std::vector<pool::Property> properties;
  for (const auto& [type, name] :
       {std::pair(DAOS_PROP_CO_OWNER, user), std::pair(DAOS_PROP_CO_OWNER_GROUP, group)}) {
    if (!name) continue;
    if (!daos_acl_principal_is_valid(name)) return code(Code::kInvalid);
    properties.push_back({static_cast<uint32_t>(type), true, 0, name});
  }
  if (properties.empty()) return code(Code::kInvalid);
  return set_properties(*container, std::move(properties), ev);
}

int daos_cont_set_owner(daos_handle_t coh, d_string_t user, d_string_t group, daos_event_t* ev) {
  uid_t uid = 0;
  gid_t gid = 0;
  if (user) {
    if (const int unknown = daos_acl_principal_to_uid(user, &uid)) return unknown;
  }
  if (group) {
    if (const int unknown = daos_acl_principal_to_gid(group, &gid)) return unknown;
  }
  return daos_cont_set_owner_no_check(coh, user, group, ev);
}

int daos_cont_get_perms(daos_prop_t* cont_prop, uid_t uid, gid_t* gids, size_t nr_gids,
                        uint64_t* perms) {
  constexpr PropertyTypes kTypes{DAOS_PROP_CO_ACL, DAOS_PROP_CO_OWNER, DAOS_PROP_CO_OWNER_GROUP};
  return permissions_by(cont_prop, kTypes, uid, gids, nr_gids, perms);
}

// No redundancy yet, so no container is ever marked unhealthy: to be cleared is to be there.
int daos_cont_status_clear(daos_handle_t coh, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  return run(ev, [container = *container](client::Session& session) -> Task<int> {
    co_return status(
        co_await session.query_container(container->pool, container->uuid.to_string()));
  });
}

int daos_cont_list_attr(daos_handle_t coh, char* buffer, size_t* size, daos_event_t* ev) {
  const auto call = attribute_call(coh);
  return call ? list_attributes(*call, buffer, size, ev) : failure(call.error());
}
int daos_cont_get_attr(daos_handle_t coh, int n, const char* const names[], void* const buffers[],
                       size_t sizes[], daos_event_t* ev) {
  const auto call = attribute_call(coh);
  return call ? get_attributes(*call, n, names, buffers, sizes, ev) : failure(call.error());
}
int daos_cont_set_attr(daos_handle_t coh, int n, const char* const names[],
                       const void* const values[], const size_t sizes[], daos_event_t* ev) {
  const auto call = attribute_call(coh);
  return call ? set_attributes(*call, n, names, values, sizes, ev) : failure(call.error());
}
int daos_cont_del_attr(daos_handle_t coh, int n, const char* const names[], daos_event_t* ev) {
  const auto call = attribute_call(coh);
  return call ? delete_attributes(*call, n, names, ev) : failure(call.error());
}

int daos_cont_alloc_oids(daos_handle_t coh, daos_size_t num_oids, uint64_t* oid, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (num_oids == 0 || !oid) return code(Code::kInvalid);
  return run(ev, [container = *container, num_oids, oid](client::Session& session) -> Task<int> {
    const Result<uint64_t> first = co_await session.allocate_object_ids(container, num_oids);
    if (!first) co_return failure(first.error());
    *oid = *first;
    co_return 0;
  });
}

// The server merges old versions by itself: there is nothing to ask for.
int daos_cont_aggregate(daos_handle_t coh, daos_epoch_t epoch, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  return run(ev, [](client::Session&) -> Task<int> { co_return 0; });
}

int daos_cont_create_snap(daos_handle_t coh, daos_epoch_t* epoch, char* name, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (!epoch || (name && std::strlen(name) >= DAOS_SNAPSHOT_MAX_LEN)) return code(Code::kInvalid);
  return run(ev,
             [container = *container, epoch,
              text = std::string(name ? name : "")](client::Session& session) -> Task<int> {
               const Result<Epoch> created = co_await session.create_snapshot(container, text);
               if (!created) co_return failure(created.error());
               *epoch = created->value;
               co_return 0;
             });
}

int daos_cont_create_snap_opt(daos_handle_t coh, daos_epoch_t* epoch, char* name,
                              enum daos_snapshot_opts opts, daos_event_t* ev) {
  // Object lists are made as they are read (daos_oit_open): DAOS_SNAP_OPT_OIT needs nothing of its
  // own.
  return daos_cont_create_snap(coh, epoch, name, ev);
}

int daos_cont_list_snap(daos_handle_t coh, int* nr, daos_epoch_t* epochs, char** names,
                        daos_anchor_t* anchor, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (!nr || *nr < 0 || !anchor) return code(Code::kInvalid);
  return run(
      ev,
      [container = *container, nr, epochs, names, anchor](client::Session& session) -> Task<int> {
        auto listed = co_await session.list_snapshots(container);
        if (!listed) co_return failure(listed.error());
        // The anchor counts what was returned before; the number out is of all.
        uint64_t skip = anchor->da_type == DAOS_ANCHOR_TYPE_ZERO ? 0 : anchor->da_sub_anchors;
        int filled = 0;
        for (; skip < listed->size() && filled < *nr && (epochs || names); ++skip, ++filled) {
          const container::Snapshot& snapshot = (*listed)[skip];
          if (epochs) epochs[filled] = snapshot.epoch.value;
          if (!names || !names[filled]) continue;
          const size_t length = snapshot.name.copy(names[filled], kSnapshotNameRoom - 1);
          names[filled][length] = '\0';
        }
        anchor->da_type = skip >= listed->size() ? DAOS_ANCHOR_TYPE_EOF : DAOS_ANCHOR_TYPE_KEY;
        anchor->da_sub_anchors = skip;
        *nr = static_cast<int>(listed->size());
        co_return 0;
      });
}

int daos_cont_destroy_snap(daos_handle_t coh, daos_epoch_range_t epr, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (epr.epr_lo > epr.epr_hi) return code(Code::kInvalid);
  return run(ev, [container = *container, epr](client::Session& session) -> Task<int> {
    if (epr.epr_lo == epr.epr_hi)
      co_return status(co_await session.destroy_snapshot(container, Epoch{epr.epr_lo}));
    auto listed = co_await session.list_snapshots(container);
    if (!listed) co_return failure(listed.error());
    for (const container::Snapshot& snapshot : *listed) {
      if (snapshot.epoch.value < epr.epr_lo || snapshot.epoch.value > epr.epr_hi) continue;
      const Result<void> destroyed = co_await session.destroy_snapshot(container, snapshot.epoch);
      if (!destroyed) co_return failure(destroyed.error());
    }
    co_return 0;
  });
}

// kBusy while others have it open for writing: force is an administrator's (varve container rollback).
int daos_cont_rollback(daos_handle_t coh, daos_epoch_t epoch, daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (!(*container)->writable) return code(Code::kNoPermission);
  return run(ev, [container = *container, epoch](client::Session& session) -> Task<int> {
    co_return status(co_await session.roll_back(container, Epoch{epoch}, false));
  });
}
