#include <algorithm>

#include "security/acl.h"

namespace varve::security {

uint64_t permissions_of(const AccessList& list, const Ownership& owner, const Identity& who) {
  const auto in_group = [&](const std::string& group) {
    return std::find(who.groups.begin(), who.groups.end(), group) != who.groups.end();
  };
  const Entry* everyone = nullptr;
  const Entry* user = nullptr;
  bool in_any = false;
  uint64_t of_groups = 0;
  for (const Entry& entry : list) {
    if (!(entry.access & kAllow)) continue;
    switch (entry.kind) {
      case PrincipalKind::kOwner:
        if (who.user == owner.user) return entry.allow;
        break;
      case PrincipalKind::kUser:
        if (who.user == entry.name) user = &entry;
        break;
      case PrincipalKind::kOwnerGroup:
      case PrincipalKind::kGroup:
        if (!in_group(entry.kind == PrincipalKind::kGroup ? entry.name : owner.group)) break;
        in_any = true;
        of_groups |= entry.allow;
        break;
      case PrincipalKind::kEveryone:
        everyone = &entry;
        break;
    }
  }
  if (user) return user->allow;
  if (in_any) return of_groups;
  return everyone ? everyone->allow : 0;
}

uint64_t expand_pool_permissions(uint64_t permissions) {
  if (permissions & kRead) permissions |= kGetProperties;
  if (permissions & kWrite) permissions |= kCreateContainer | kDeleteContainer;
  return permissions;
}

}  // namespace varve::security
