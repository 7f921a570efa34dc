// Access control lists: entries, their text (`TYPE:FLAGS:PRINCIPAL:PERMISSIONS`), what they grant.
// Numbers and letters are those of DAOS's public interface (daos_security.h).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace varve::security {

// Whom an entry is for, in the order in which entries take precedence and lists are kept.
enum class PrincipalKind : uint8_t { kOwner, kUser, kOwnerGroup, kGroup, kEveryone };

// Bits of Entry::access.
inline constexpr uint8_t kAllow = 1, kAudit = 2, kAlarm = 4;
// Bits of Entry::flags.
inline constexpr uint16_t kFlagGroup = 1, kFlagPoolInherit = 2, kFlagAccessFail = 4,
                          kFlagAccessSuccess = 8;
// Bits of Entry::allow, audit and alarm.
inline constexpr uint64_t kRead = 1, kWrite = 2, kCreateContainer = 4, kDeleteContainer = 8,
                          kGetProperties = 16, kSetProperties = 32, kGetAcl = 64, kSetAcl = 128,
                          kSetOwner = 256;
// What can be granted on a pool, and on a container.
inline constexpr uint64_t kPoolPermissions =
    kRead | kWrite | kCreateContainer | kDeleteContainer | kGetProperties;
inline constexpr uint64_t kContainerPermissions = kRead | kWrite | kDeleteContainer |
                                                  kGetProperties | kSetProperties | kGetAcl |
                                                  kSetAcl | kSetOwner;
inline constexpr uint64_t kAllPermissions = kPoolPermissions | kContainerPermissions;
inline constexpr size_t kPrincipalBytesMax = 255;
// A list's, in the form of the C interface.
inline constexpr size_t kListBytesMax = 64 * 1024;

struct Entry {
  PrincipalKind kind = PrincipalKind::kOwner;
  std::string name;  // kUser, kGroup: "name@"; else empty
  uint8_t access = kAllow;
  uint16_t flags = 0;
  uint64_t allow = 0, audit = 0, alarm = 0;
};
using AccessList = std::vector<Entry>;

// 1..255 bytes with exactly one '@', not the first byte, and no ':' or byte below ' '.
bool is_principal_name(std::string_view name);

// kInvalid, with what is wrong.
Result<Entry> parse_entry(std::string_view text);
Result<void> check_entry(const Entry& entry);
// Also that no principal has two entries, and that nothing is granted but `permissions`.
Result<void> check_list(const AccessList& list, uint64_t permissions);

// "A:G:GROUP@:rw". kInvalid where its kinds of access have different permissions, which has no
// text.
Result<std::string> text_of(const Entry& entry);
// "Allow:Group:GROUP@:Read/Write".
Result<std::string> words_of(const Entry& entry);
// "OWNER@", "name@" ...
std::string principal_text(const Entry& entry);
// "u:name@", "g:name@", "OWNER@", "GROUP@", "EVERYONE@": an entry for it that grants nothing.
Result<Entry> parse_principal(std::string_view text);

// Lists as the services keep them: one entry a line, in order of precedence.
Result<AccessList> parse_list(std::string_view text);
Result<std::string> text_of(const AccessList& list);
void sort(AccessList& list);
// The entry of a principal, or null.
Entry* find_entry(AccessList& list, PrincipalKind kind, std::string_view name);

// What DAOS gives where nothing was set.
AccessList default_pool_list();
AccessList default_container_list();

// Names with their '@'.
struct Identity {
  std::string user;
  std::vector<std::string> groups;
};
struct Ownership {
  std::string user, group;
};
// What `list` grants: the first that applies of the owner's entry, the user's own, all group
// entries together, everyone's; 0 where none does.
uint64_t permissions_of(const AccessList& list, const Ownership& owner, const Identity& who);

// What a permission of a pool stands for: read is get-properties, write is create and delete.
uint64_t expand_pool_permissions(uint64_t permissions);

}  // namespace varve::security
