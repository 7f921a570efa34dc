// Who may do what to pools and containers: their owner and their access control list, which are
// properties of theirs, against who asks. Where it is enforced and where not: README.md.
#pragma once

#include "pool/decision.h"
#include "security/acl.h"

namespace varve::pool {

// DAOS_PROP_PO_*.
inline constexpr uint32_t kPropertyAcl = 2, kPropertyOwner = 6, kPropertyOwnerGroup = 7;

// Which properties of a pool or a container hold owner, group and list; and its defaults.
struct Guarded {
  uint32_t owner_type = 0, group_type = 0, list_type = 0;
  bool is_pool = false;
};
inline constexpr Guarded kGuardedPool{kPropertyOwner, kPropertyOwnerGroup, kPropertyAcl, true};

// What `who` may do: all of security::kAllPermissions for the trusted.
uint64_t permissions(const std::vector<Property>& properties, const Guarded& which,
                     const Context& context);
// kNoPermission, naming `noun` and what is missing, unless `held` has one of `any_of`.
Result<void> require(uint64_t held, uint64_t any_of, std::string_view noun, const Context& context);

// A new pool's or container's: the owner is who asks, unless somebody trusted says otherwise.
// kInvalid for a list that is none.
Result<void> set_first_owner(std::vector<Property>& properties, const Guarded& which,
                             std::string_view noun, const Context& context);
// Changes of owner and list among `changes` are well formed and permitted.
Result<void> check_guarded_changes(const std::vector<Property>& changes, uint64_t held,
                                   const Guarded& which, std::string_view noun,
                                   const Context& context);
// The list after a change, as text. kNonexistent: an entry to be removed is not there.
Result<std::string> change_list(const std::vector<Property>& properties, const Guarded& which,
                                AclVerb verb, std::string_view entries);
// As it is kept, or the default.
std::string list_text(const std::vector<Property>& properties, const Guarded& which);

}  // namespace varve::pool
