// Access control lists of the C interface and those of security/, one to the other.
#pragma once

#include "daos_prop.h"
#include "daos_security.h"
#include "libdaos/handles.h"
#include "security/acl.h"

namespace varve::libdaos {

// kInvalid for a list that daos_acl_validate would not pass.
Result<security::AccessList> read_list(const daos_acl* list);
Result<security::Entry> read_entry(const daos_ace* entry);
// Allocated with malloc; null where there is no memory or it would be too long.
daos_acl* make_list(security::AccessList list);
daos_ace* make_entry(const security::Entry& entry);

// What the owner, group and list among the properties grant to the user: daos_*_get_perms.
struct PropertyTypes {
  uint32_t list, owner, group;
};
int permissions_by(daos_prop_t* properties, const PropertyTypes& types, uid_t uid,
                   const gid_t* gids, size_t count, uint64_t* granted);

}  // namespace varve::libdaos
