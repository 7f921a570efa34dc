// daos_security.h: lists and entries in memory. Everything here is allocated with malloc and freed
// with free, as programs expect. An entry is padded to 8 bytes by its principal's length.
#include "libdaos/access_lists.h"

#include <cstdio>
#include <cstring>

#include "libdaos/convert.h"
#include "security/names.h"

using namespace varve;
using namespace varve::libdaos;

namespace varve::libdaos {
namespace {

constexpr size_t kAlignment = 8, kGroupsMax = 65536;

bool is_named(unsigned kind) { return kind == DAOS_ACL_USER || kind == DAOS_ACL_GROUP; }

size_t principal_bytes(const security::Entry& entry) {
  return entry.name.empty() ? 0 : round_up(entry.name.size() + 1, kAlignment);
}

void write_entry(const security::Entry& entry, std::byte* at) {
  daos_ace header{};
  header.dae_access_types = entry.access;
  header.dae_principal_type = static_cast<uint8_t>(entry.kind);
  header.dae_principal_len = static_cast<uint16_t>(principal_bytes(entry));
  header.dae_access_flags = entry.flags;
  header.dae_allow_perms = entry.allow;
  header.dae_audit_perms = entry.audit;
  header.dae_alarm_perms = entry.alarm;
  std::memcpy(at, &header, sizeof header);
  if (!entry.name.empty()) std::memcpy(at + sizeof header, entry.name.c_str(), entry.name.size());
}

// Steps over `bytes` of entries; kInvalid where one does not fit.
template <class Each>
Result<void> each_entry(const daos_acl* list, Each each) {
  if (!list || list->dal_ver != DAOS_ACL_VERSION || list->dal_len > security::kListBytesMax)
    return Error(Code::kInvalid, "the access control list is of no known form or too long");
  for (uint32_t at = 0; at < list->dal_len;) {
    const uint32_t left = list->dal_len - at;
    const auto* entry = reinterpret_cast<const daos_ace*>(list->dal_ace + at);
    if (left < sizeof(daos_ace) || left - sizeof(daos_ace) < entry->dae_principal_len ||
        entry->dae_principal_len % kAlignment != 0)
      return Error(Code::kInvalid, "the access control list ends within an entry");
    each(entry);
    at += static_cast<uint32_t>(sizeof(daos_ace) + entry->dae_principal_len);
  }
  return {};
}

// Who the caller of a function means; kInvalid.
Result<security::Entry> principal_of(daos_acl_principal_type type, const char* name) {
  security::Entry entry;
  if (type < 0 || type >= NUM_DAOS_ACL_TYPES)
    return Error(Code::kInvalid, "there is no such type of principal");
  entry.kind = static_cast<security::PrincipalKind>(type);
  if (is_named(type)) {
    if (!name || strnlen(name, DAOS_ACL_MAX_PRINCIPAL_BUF_LEN) > DAOS_ACL_MAX_PRINCIPAL_LEN)
      return Error(Code::kInvalid, "the principal needs a name of up to 255 bytes");
    entry.name = name;
  }
  if (type == DAOS_ACL_GROUP || type == DAOS_ACL_OWNER_GROUP) entry.flags = security::kFlagGroup;
  VARVE_CHECK(security::check_entry(entry));
  return entry;
}

int replace(daos_acl** list, security::AccessList entries) {
  daos_acl* made = make_list(std::move(entries));
  if (!made) return code(Code::kNoMemory);
  free(*list);
  *list = made;
  return 0;
}

int give_text(const Result<std::string>& text, char* to, size_t room) {
  if (!text) return failure(text.error());
  const size_t length = text->copy(to, room - 1);
  to[length] = '\0';
  return length == text->size() ? 0 : code(Code::kTruncated);
}

int give_name(const Result<std::string>& name, char** to) {
  if (!name) return failure(name.error());
  *to = strdup(name->c_str());
  return *to ? 0 : code(Code::kNoMemory);
}

std::string_view line_of(const char* text) {
  return {text, strnlen(text, DAOS_ACL_MAX_ACE_STR_LEN + 1)};
}

}  // namespace

Result<security::Entry> read_entry(const daos_ace* entry) {
  if (!entry) return Error(Code::kInvalid, "there is no access control entry");
  if (entry->dae_principal_type >= NUM_DAOS_ACL_TYPES)
    return Error(Code::kInvalid, "there is no such type of principal");
  if (entry->dae_principal_len % kAlignment != 0 ||
      entry->dae_principal_len > round_up(DAOS_ACL_MAX_PRINCIPAL_BUF_LEN, kAlignment))
    return Error(Code::kInvalid, "the principal's length is not one");
  security::Entry read;
  read.kind = static_cast<security::PrincipalKind>(entry->dae_principal_type);
  const size_t length = strnlen(entry->dae_principal, entry->dae_principal_len);
  if (length > 0 && length == entry->dae_principal_len)
    return Error(Code::kInvalid, "the principal's name has no end");
  read.name.assign(entry->dae_principal, length);
  read.access = entry->dae_access_types;
  read.flags = entry->dae_access_flags;
  read.allow = entry->dae_allow_perms;
  read.audit = entry->dae_audit_perms;
  read.alarm = entry->dae_alarm_perms;
  VARVE_CHECK(security::check_entry(read));
  return read;
}

Result<security::AccessList> read_list(const daos_acl* list) {
  security::AccessList read;
  Result<void> good;
  VARVE_CHECK(each_entry(list, [&](const daos_ace* entry) {
    Result<security::Entry> one = read_entry(entry);
    if (one)
      read.push_back(std::move(*one));
    else if (good)
      good = std::move(one.error());
  }));
  VARVE_CHECK(good);
  VARVE_CHECK(security::check_list(read, security::kAllPermissions));
  return read;
}

daos_ace* make_entry(const security::Entry& entry) {
  auto* made = static_cast<std::byte*>(calloc(1, sizeof(daos_ace) + principal_bytes(entry)));
  if (made) write_entry(entry, made);
  return reinterpret_cast<daos_ace*>(made);
}

daos_acl* make_list(security::AccessList list) {
  security::sort(list);
  size_t bytes = 0;
  for (const security::Entry& entry : list) bytes += sizeof(daos_ace) + principal_bytes(entry);
  if (bytes > security::kListBytesMax) return nullptr;
  auto* made = static_cast<daos_acl*>(calloc(1, sizeof(daos_acl) + bytes));
  if (!made) return nullptr;
  made->dal_ver = DAOS_ACL_VERSION;
  made->dal_len = static_cast<uint32_t>(bytes);
  auto* at = reinterpret_cast<std::byte*>(made->dal_ace);
  for (const security::Entry& entry : list) {
    write_entry(entry, at);
    at += sizeof(daos_ace) + principal_bytes(entry);
  }
  return made;
}

int permissions_by(daos_prop_t* properties, const PropertyTypes& types, uid_t uid,
                   const gid_t* gids, size_t count, uint64_t* granted) {
  if (!properties || !granted || (!gids && count > 0) || count > kGroupsMax)
    return code(Code::kInvalid);
  const daos_prop_entry* list = daos_prop_entry_get(properties, types.list);
  const daos_prop_entry* owner = daos_prop_entry_get(properties, types.owner);
  const daos_prop_entry* group = daos_prop_entry_get(properties, types.group);
  if (!list || !owner || !group || !list->dpe_val_ptr || !owner->dpe_str || !group->dpe_str)
    return failure(Error(Code::kInvalid, "the properties do not hold owner, group and list"));
  const Result<security::AccessList> read =
      read_list(static_cast<const daos_acl*>(list->dpe_val_ptr));
  if (!read) return failure(read.error());
  const auto names = security::machine_names();
  security::Identity who{names->user(uid), {}};
  for (size_t i = 0; i < count; ++i) who.groups.push_back(names->group(gids[i]));
  *granted = security::permissions_of(*read, {owner->dpe_str, group->dpe_str}, who);
  if (types.list == DAOS_PROP_PO_ACL) *granted = security::expand_pool_permissions(*granted);
  return 0;
}

}  // namespace varve::libdaos

struct daos_acl* daos_acl_create(struct daos_ace* aces[], uint16_t num_aces) {
  if (!aces && num_aces > 0) return nullptr;
  security::AccessList list;
  for (uint16_t i = 0; i < num_aces; ++i) {
    Result<security::Entry> entry = read_entry(aces[i]);
    if (!entry) return nullptr;
    list.push_back(std::move(*entry));
  }
  return security::check_list(list, security::kAllPermissions) ? make_list(std::move(list))
                                                               : nullptr;
}

struct daos_acl* daos_acl_dup(struct daos_acl* acl) {
  if (!acl || acl->dal_len > security::kListBytesMax) return nullptr;
  void* copy = malloc(sizeof *acl + acl->dal_len);
  return copy ? static_cast<daos_acl*>(std::memcpy(copy, acl, sizeof *acl + acl->dal_len))
              : nullptr;
}

void daos_acl_free(struct daos_acl* acl) { free(acl); }

ssize_t daos_acl_get_size(struct daos_acl* acl) {
  if (!acl || acl->dal_len > security::kListBytesMax) return code(Code::kInvalid);
  return static_cast<ssize_t>(sizeof *acl + acl->dal_len);
}

struct daos_ace* daos_acl_get_next_ace(struct daos_acl* acl, struct daos_ace* current_ace) {
  const daos_ace* next = nullptr;
  bool passed = current_ace == nullptr;
  const Result<void> whole = each_entry(acl, [&](const daos_ace* entry) {
    if (passed && !next) next = entry;
    passed |= entry == current_ace;
  });
  return whole ? const_cast<daos_ace*>(next) : nullptr;
}

int daos_acl_get_ace_for_principal(struct daos_acl* acl, enum daos_acl_principal_type type,
                                   const char* principal, struct daos_ace** ace) {
  if (!acl || !ace) return code(Code::kInvalid);
  const Result<security::Entry> wanted = principal_of(type, principal);
  if (!wanted) return failure(wanted.error());
  const daos_ace* found = nullptr;
  const Result<void> whole = each_entry(acl, [&](const daos_ace* entry) {
    const Result<security::Entry> one = read_entry(entry);
    if (one && one->kind == wanted->kind && one->name == wanted->name) found = entry;
  });
  if (!whole) return failure(whole.error());
  *ace = const_cast<daos_ace*>(found);
  return found ? 0 : code(Code::kNonexistent);
}

int daos_acl_add_ace(struct daos_acl** acl, struct daos_ace* new_ace) {
  if (!acl || !*acl) return code(Code::kInvalid);
  Result<security::AccessList> list = read_list(*acl);
  if (!list) return failure(list.error());
  Result<security::Entry> entry = read_entry(new_ace);
  if (!entry) return failure(entry.error());
  if (security::Entry* same = security::find_entry(*list, entry->kind, entry->name))
    *same = std::move(*entry);
  else
    list->push_back(std::move(*entry));
  return replace(acl, std::move(*list));
}

int daos_acl_remove_ace(struct daos_acl** acl, enum daos_acl_principal_type type,
                        const char* principal_name) {
  if (!acl || !*acl) return code(Code::kInvalid);
  Result<security::AccessList> list = read_list(*acl);
  if (!list) return failure(list.error());
  const Result<security::Entry> entry = principal_of(type, principal_name);
  if (!entry) return failure(entry.error());
  security::Entry* same = security::find_entry(*list, entry->kind, entry->name);
  if (!same) return code(Code::kNonexistent);
  list->erase(list->begin() + (same - list->data()));
  return replace(acl, std::move(*list));
}

void daos_acl_dump(struct daos_acl* acl) {
  const Result<security::AccessList> list = read_list(acl);
  std::printf("access control list%s\n", list ? ":" : ": not valid");
  const Result<void> whole = each_entry(
      acl, [](const daos_ace* entry) { daos_ace_dump(const_cast<daos_ace*>(entry), 1); });
  if (!whole) std::printf("\t%s\n", std::string(whole.error().text()).c_str());
}

int daos_acl_validate(struct daos_acl* acl) {
  const Result<security::AccessList> list = read_list(acl);
  if (!list) return failure(list.error());
  for (size_t i = 1; i < list->size(); ++i)
    if ((*list)[i - 1].kind > (*list)[i].kind) return code(Code::kInvalid);
  return 0;
}

struct daos_ace* daos_ace_create(enum daos_acl_principal_type type, const char* principal_name) {
  Result<security::Entry> entry = principal_of(type, principal_name);
  return entry ? make_entry(*entry) : nullptr;
}

void daos_ace_free(struct daos_ace* ace) { free(ace); }

ssize_t daos_ace_get_size(struct daos_ace* ace) {
  if (!ace || ace->dae_principal_len % kAlignment != 0 ||
      ace->dae_principal_len > DAOS_ACL_MAX_PRINCIPAL_BUF_LEN)
    return code(Code::kInvalid);
  return static_cast<ssize_t>(sizeof *ace + ace->dae_principal_len);
}

void daos_ace_dump(struct daos_ace* ace, uint32_t tabs) {
  const Result<security::Entry> entry = read_entry(ace);
  const Result<std::string> text =
      entry ? security::words_of(*entry) : Result<std::string>("not valid");
  const std::string indent(std::min<uint32_t>(tabs, 16), '\t');
  std::printf("%s%s\n", indent.c_str(), text ? text->c_str() : "differs by kind of access");
}

bool daos_ace_is_valid(struct daos_ace* ace) { return read_entry(ace).ok(); }

bool daos_acl_principal_is_valid(const char* name) {
  return name && security::is_principal_name({name, strnlen(name, DAOS_ACL_MAX_PRINCIPAL_BUF_LEN)});
}

int daos_acl_uid_to_principal(uid_t uid, char** name) {
  return name ? give_name(security::machine_user(uid), name) : code(Code::kInvalid);
}

int daos_acl_gid_to_principal(gid_t gid, char** name) {
  return name ? give_name(security::machine_group(gid), name) : code(Code::kInvalid);
}

int daos_acl_principal_to_uid(const char* principal, uid_t* uid) {
  if (!principal || !uid) return code(Code::kInvalid);
  const Result<uint32_t> found = security::machine_uid(line_of(principal));
  if (!found) return failure(found.error());
  *uid = *found;
  return 0;
}

int daos_acl_principal_to_gid(const char* principal, gid_t* gid) {
  if (!principal || !gid) return code(Code::kInvalid);
  const Result<uint32_t> found = security::machine_gid(line_of(principal));
  if (!found) return failure(found.error());
  *gid = *found;
  return 0;
}

const char* daos_ace_get_principal_str(struct daos_ace* ace) {
  if (!ace) return nullptr;
  switch (ace->dae_principal_type) {
    case DAOS_ACL_OWNER:
      return DAOS_ACL_PRINCIPAL_OWNER;
    case DAOS_ACL_OWNER_GROUP:
      return DAOS_ACL_PRINCIPAL_OWNER_GRP;
    case DAOS_ACL_EVERYONE:
      return DAOS_ACL_PRINCIPAL_EVERYONE;
    default:
      return ace->dae_principal_len > 0 ? ace->dae_principal : nullptr;
  }
}

int daos_ace_from_str(const char* str, struct daos_ace** ace) {
  if (!str || !ace) return code(Code::kInvalid);
  const Result<security::Entry> entry = security::parse_entry(line_of(str));
  if (!entry) return failure(entry.error());
  *ace = make_entry(*entry);
  return *ace ? 0 : code(Code::kNoMemory);
}

int daos_ace_to_str(struct daos_ace* ace, char* buf, size_t buf_len) {
  if (!ace || !buf || buf_len == 0) return code(Code::kInvalid);
  const Result<security::Entry> entry = read_entry(ace);
  return entry ? give_text(security::text_of(*entry), buf, buf_len) : failure(entry.error());
}

int daos_ace_str_get_verbose(const char* ace_str, char* buf, size_t buf_len) {
  if (!ace_str || !buf || buf_len == 0) return code(Code::kInvalid);
  const Result<security::Entry> entry = security::parse_entry(line_of(ace_str));
  return entry ? give_text(security::words_of(*entry), buf, buf_len) : failure(entry.error());
}

int daos_acl_from_strs(const char** ace_strs, size_t ace_nr, struct daos_acl** acl) {
  if (!ace_strs || ace_nr == 0 || ace_nr > security::kListBytesMax / sizeof(daos_ace) || !acl)
    return code(Code::kInvalid);
  security::AccessList list;
  for (size_t i = 0; i < ace_nr; ++i) {
    if (!ace_strs[i]) return code(Code::kInvalid);
    Result<security::Entry> entry = security::parse_entry(line_of(ace_strs[i]));
    if (!entry) return failure(entry.error());
    list.push_back(std::move(*entry));
  }
  if (const auto good = security::check_list(list, security::kAllPermissions); !good)
    return failure(good.error());
  *acl = make_list(std::move(list));
  return *acl ? 0 : code(Code::kNoMemory);
}

int daos_acl_to_strs(struct daos_acl* acl, char*** ace_strs, size_t* ace_nr) {
  if (!ace_strs || !ace_nr) return code(Code::kInvalid);
  const Result<security::AccessList> list = read_list(acl);
  if (!list) return failure(list.error());
  auto** texts = static_cast<char**>(calloc(std::max<size_t>(list->size(), 1), sizeof(char*)));
  int error = texts ? 0 : code(Code::kNoMemory);
  for (size_t i = 0; i < list->size() && error == 0; ++i)
    error = give_name(security::text_of((*list)[i]), &texts[i]);
  if (error) {
    for (size_t i = 0; texts && i < list->size(); ++i) free(texts[i]);
    free(texts);
    return error;
  }
  *ace_strs = texts;
  *ace_nr = list->size();
  return 0;
}

int daos_acl_principal_from_str(const char* principal_str, enum daos_acl_principal_type* type,
                                char** name) {
  if (!principal_str || !type || !name) return code(Code::kInvalid);
  const Result<security::Entry> entry = security::parse_principal(line_of(principal_str));
  if (!entry) return failure(entry.error());
  *type = static_cast<daos_acl_principal_type>(entry->kind);
  *name = nullptr;
  return entry->name.empty() ? 0 : give_name(Result<std::string>(entry->name), name);
}

int daos_acl_to_stream(FILE* stream, struct daos_acl* acl, bool verbose) {
  if (!stream) return code(Code::kInvalid);
  if (!acl) return std::fputs("# No entries\n", stream) < 0 ? code(Code::kIo) : 0;
  const Result<security::AccessList> list = read_list(acl);
  if (!list) return failure(list.error());
  std::string text = list->empty() ? "# Entries:\n#   None\n" : "# Entries:\n";
  for (const security::Entry& entry : *list) {
    const Result<std::string> line = security::text_of(entry), words = security::words_of(entry);
    if (!line || !words) return failure(line ? words.error() : line.error());
    if (verbose) text += "# " + *words + "\n";
    text += *line + "\n";
  }
  return std::fputs(text.c_str(), stream) < 0 ? code(Code::kIo) : 0;
}
