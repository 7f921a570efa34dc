#include "security/acl.h"

#include <algorithm>

namespace varve::security {
namespace {

struct Letter {
  char letter;
  uint64_t bit;
  const char* word;
};
constexpr Letter kAccess[] = {
    {'A', kAllow, "Allow"}, {'U', kAudit, "Audit"}, {'L', kAlarm, "Alarm"}};
constexpr Letter kFlags[] = {{'G', kFlagGroup, "Group"},
                             {'S', kFlagAccessSuccess, "Access-Success"},
                             {'F', kFlagAccessFail, "Access-Failure"},
                             {'P', kFlagPoolInherit, "Pool-Inherit"}};
constexpr Letter kPermissions[] = {{'r', kRead, "Read"},
                                   {'w', kWrite, "Write"},
                                   {'c', kCreateContainer, "Create-Container"},
                                   {'d', kDeleteContainer, "Delete-Container"},
                                   {'t', kGetProperties, "Get-Prop"},
                                   {'T', kSetProperties, "Set-Prop"},
                                   {'a', kGetAcl, "Get-ACL"},
                                   {'A', kSetAcl, "Set-ACL"},
                                   {'o', kSetOwner, "Set-Owner"}};
constexpr std::string_view kOwnerName = "OWNER@", kOwnerGroupName = "GROUP@",
                           kEveryoneName = "EVERYONE@";

Error invalid(std::string_view text, const char* why) {
  return Error(Code::kInvalid, "access control entry '" + std::string(text.substr(0, 320)) +
                                   "': " + why + "; write it as A:G:name@:rw");
}

bool read_letters(std::string_view text, std::span<const Letter> known, uint64_t& bits) {
  for (const char letter : text) {
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&](const Letter& one) { return one.letter == letter; });
    if (found == known.end() || (bits & found->bit)) return false;
    bits |= found->bit;
  }
  return true;
}

std::string letters_of(uint64_t bits, std::span<const Letter> known) {
  std::string text;
  for (const Letter& one : known)
    if (bits & one.bit) text += one.letter;
  return text;
}

std::string words_of(uint64_t bits, std::span<const Letter> known) {
  std::string text;
  for (const Letter& one : known)
    if (bits & one.bit) text += (text.empty() ? "" : "/") + std::string(one.word);
  return text;
}

// The permissions that all its kinds of access share.
Result<uint64_t> shared_permissions(const Entry& entry) {
  VARVE_CHECK(check_entry(entry));
  const uint64_t all = entry.access & kAllow   ? entry.allow
                       : entry.access & kAudit ? entry.audit
                                               : entry.alarm;
  if (((entry.access & kAllow) && entry.allow != all) ||
      ((entry.access & kAudit) && entry.audit != all) ||
      ((entry.access & kAlarm) && entry.alarm != all))
    return invalid(principal_text(entry), "permissions that differ by kind of access have no text");
  return all;
}

PrincipalKind kind_of(std::string_view name, bool group) {
  if (name == kOwnerName) return PrincipalKind::kOwner;
  if (name == kOwnerGroupName) return PrincipalKind::kOwnerGroup;
  if (name == kEveryoneName) return PrincipalKind::kEveryone;
  return group ? PrincipalKind::kGroup : PrincipalKind::kUser;
}

bool is_named(PrincipalKind kind) {
  return kind == PrincipalKind::kUser || kind == PrincipalKind::kGroup;
}

}  // namespace

bool is_principal_name(std::string_view name) {
  if (name.empty() || name.size() > kPrincipalBytesMax || name.front() == '@') return false;
  if (std::count(name.begin(), name.end(), '@') != 1) return false;
  return std::none_of(name.begin(), name.end(),
                      [](char c) { return c == ':' || (c >= 0 && c < ' ') || c == 0x7f; });
}

Result<Entry> parse_entry(std::string_view text) {
  std::string_view fields[4];
  std::string_view rest = text;
  for (int i = 0; i < 4; ++i) {
    const size_t colon = rest.find(':');
    if ((colon == rest.npos) != (i == 3)) return invalid(text, "it does not have four fields");
    fields[i] = rest.substr(0, colon);
    rest.remove_prefix(std::min(fields[i].size() + 1, rest.size()));
  }
  uint64_t access = 0, flags = 0, permissions = 0;
  if (fields[0].empty() || !read_letters(fields[0], kAccess, access))
    return invalid(text, "its type is not made of the letters A, U, L");
  if (!read_letters(fields[1], kFlags, flags))
    return invalid(text, "its flags are not made of the letters G, S, F, P");
  if (!is_principal_name(fields[2])) return invalid(text, "its principal is no name with an '@'");
  if (!read_letters(fields[3], kPermissions, permissions))
    return invalid(text, "its permissions are not made of the letters rwcdtTaAo");
  Entry entry;
  entry.kind = kind_of(fields[2], flags & kFlagGroup);
  if (is_named(entry.kind)) entry.name = fields[2];
  entry.access = static_cast<uint8_t>(access);
  entry.flags = static_cast<uint16_t>(flags);
  if (access & kAllow) entry.allow = permissions;
  if (access & kAudit) entry.audit = permissions;
  if (access & kAlarm) entry.alarm = permissions;
  VARVE_CHECK(check_entry(entry));
  return entry;
}

Result<void> check_entry(const Entry& entry) {
  const std::string name = principal_text(entry);
  if (entry.access == 0 || (entry.access & ~(kAllow | kAudit | kAlarm)))
    return invalid(name, "its type is none");
  if (entry.flags & ~0xf) return invalid(name, "it has unknown flags");
  if ((entry.allow | entry.audit | entry.alarm) & ~kAllPermissions)
    return invalid(name, "it has unknown permissions");
  if ((entry.allow && !(entry.access & kAllow)) || (entry.audit && !(entry.access & kAudit)) ||
      (entry.alarm && !(entry.access & kAlarm)))
    return invalid(name, "it has permissions for a kind of access that it does not name");
  if (is_named(entry.kind) ? !is_principal_name(entry.name) : !entry.name.empty())
    return invalid(name, "its principal is no name with an '@'");
  if (is_named(entry.kind) && !is_named(kind_of(entry.name, false)))
    return invalid(name, "its principal is one of the special ones");
  const bool group =
      entry.kind == PrincipalKind::kGroup || entry.kind == PrincipalKind::kOwnerGroup;
  if (group != ((entry.flags & kFlagGroup) != 0))
    return invalid(name, group ? "a group's entry needs flag G" : "flag G is for groups");
  const bool watches = entry.access & (kAudit | kAlarm);
  if (watches != ((entry.flags & (kFlagAccessSuccess | kFlagAccessFail)) != 0))
    return invalid(name, "flags S and F go with audit and alarm entries, which need one of them");
  return {};
}

Result<void> check_list(const AccessList& list, uint64_t permissions) {
  for (size_t i = 0; i < list.size(); ++i) {
    VARVE_CHECK(check_entry(list[i]));
    if ((list[i].allow | list[i].audit | list[i].alarm) & ~permissions)
      return invalid(principal_text(list[i]), "it has permissions that mean nothing here");
    for (size_t j = 0; j < i; ++j)
      if (list[i].kind == list[j].kind && list[i].name == list[j].name)
        return invalid(principal_text(list[i]), "the principal has two entries");
  }
  return {};
}

std::string principal_text(const Entry& entry) {
  switch (entry.kind) {
    case PrincipalKind::kOwner:
      return std::string(kOwnerName);
    case PrincipalKind::kOwnerGroup:
      return std::string(kOwnerGroupName);
    case PrincipalKind::kEveryone:
      return std::string(kEveryoneName);
    default:
      return entry.name;
  }
}

Result<std::string> text_of(const Entry& entry) {
  VARVE_TRY(const uint64_t permissions, shared_permissions(entry));
  return letters_of(entry.access, kAccess) + ":" + letters_of(entry.flags, kFlags) + ":" +
         principal_text(entry) + ":" + letters_of(permissions, kPermissions);
}

Result<std::string> words_of(const Entry& entry) {
  VARVE_TRY(const uint64_t permissions, shared_permissions(entry));
  const std::string granted = words_of(permissions, kPermissions);
  return words_of(entry.access, kAccess) + ":" + words_of(entry.flags, kFlags) + ":" +
         principal_text(entry) + ":" + (granted.empty() ? "No Access" : granted);
}

Result<Entry> parse_principal(std::string_view text) {
  Entry entry;
  const bool user = text.starts_with("u:"), group = text.starts_with("g:");
  if (user || group) {
    entry.kind = user ? PrincipalKind::kUser : PrincipalKind::kGroup;
    entry.name = text.substr(2);
    // The domain may be left out.
    if (entry.name.find('@') == entry.name.npos) entry.name += '@';
  } else {
    entry.kind = kind_of(text, false);
    if (is_named(entry.kind)) return invalid(text, "it is neither u:name@ nor g:name@ nor special");
  }
  if (entry.kind == PrincipalKind::kGroup || entry.kind == PrincipalKind::kOwnerGroup)
    entry.flags = kFlagGroup;
  VARVE_CHECK(check_entry(entry));
  return entry;
}

void sort(AccessList& list) {
  std::stable_sort(list.begin(), list.end(),
                   [](const Entry& a, const Entry& b) { return a.kind < b.kind; });
}

Entry* find_entry(AccessList& list, PrincipalKind kind, std::string_view name) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const Entry& entry) {
    return entry.kind == kind && (!is_named(kind) || entry.name == name);
  });
  return found == list.end() ? nullptr : &*found;
}

Result<AccessList> parse_list(std::string_view text) {
  AccessList list;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    VARVE_TRY(Entry entry, parse_entry(line));
    list.push_back(std::move(entry));
  }
  sort(list);
  VARVE_CHECK(check_list(list, kAllPermissions));
  return list;
}

Result<std::string> text_of(const AccessList& list) {
  std::string text;
  for (const Entry& entry : list) {
    VARVE_TRY(const std::string line, text_of(entry));
    text += line + "\n";
  }
  return text;
}

AccessList default_pool_list() { return *parse_list("A::OWNER@:rw\nA:G:GROUP@:rw\n"); }
AccessList default_container_list() { return *parse_list("A::OWNER@:rwdtTaAo\nA:G:GROUP@:rwtT\n"); }

}  // namespace varve::security
