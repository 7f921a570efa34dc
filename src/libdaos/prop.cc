// daos_prop.h: lists of properties in memory. Everything here is allocated with malloc and freed
// with free, as programs expect.
#include "daos_prop.h"

#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "daos_security.h"
#include "libdaos/convert.h"

using namespace varve;
using namespace varve::libdaos;

namespace varve::libdaos {
namespace {

enum class ValueForm { kNumber, kText, kAcl, kRoots, kRanks };

ValueForm form_of(uint32_t type) {
  switch (type) {
    case DAOS_PROP_PO_LABEL:
    case DAOS_PROP_PO_OWNER:
    case DAOS_PROP_PO_OWNER_GROUP:
    case DAOS_PROP_CO_LABEL:
    case DAOS_PROP_CO_OWNER:
    case DAOS_PROP_CO_OWNER_GROUP:
      return ValueForm::kText;
    case DAOS_PROP_PO_ACL:
    case DAOS_PROP_CO_ACL:
      return ValueForm::kAcl;
    case DAOS_PROP_PO_SVC_LIST:
      return ValueForm::kRanks;
    case DAOS_PROP_CO_ROOTS:
      return ValueForm::kRoots;
    default:
      return ValueForm::kNumber;
  }
}

void* copy_of(const void* from, size_t size) {
  void* copy = malloc(size ? size : 1);
  if (copy && size) std::memcpy(copy, from, size);
  return copy;
}

void clear(daos_prop_entry& entry) {
  switch (form_of(entry.dpe_type)) {
    case ValueForm::kNumber:
      return;
    case ValueForm::kText:
      free(entry.dpe_str);
      break;
    case ValueForm::kRanks:
      if (entry.dpe_val_ptr) free(static_cast<d_rank_list_t*>(entry.dpe_val_ptr)->rl_ranks);
      free(entry.dpe_val_ptr);
      break;
    default:
      free(entry.dpe_val_ptr);
      break;
  }
  entry.dpe_val_ptr = nullptr;
}

int copy_entry(daos_prop_entry& to, const daos_prop_entry& from) {
  to = from;
  if (form_of(from.dpe_type) == ValueForm::kNumber || !from.dpe_val_ptr) return 0;
  to.dpe_val_ptr = nullptr;
  switch (form_of(from.dpe_type)) {
    case ValueForm::kText:
      to.dpe_str = strdup(from.dpe_str);
      break;
    case ValueForm::kRoots:
      to.dpe_val_ptr = copy_of(from.dpe_val_ptr, sizeof(daos_prop_co_roots));
      break;
    case ValueForm::kRanks: {
      const auto* list = static_cast<const d_rank_list_t*>(from.dpe_val_ptr);
      auto* copy = static_cast<d_rank_list_t*>(copy_of(list, sizeof *list));
      if (copy)
        copy->rl_ranks =
            static_cast<d_rank_t*>(copy_of(list->rl_ranks, list->rl_nr * sizeof(d_rank_t)));
      to.dpe_val_ptr = copy;
      break;
    }
    default:
      to.dpe_val_ptr = daos_acl_dup(static_cast<daos_acl*>(from.dpe_val_ptr));
      break;
  }
  return to.dpe_val_ptr ? 0 : code(Code::kNoMemory);
}

struct NamedProperty {
  std::string_view name;
  uint32_t type;
};
constexpr NamedProperty kContainerProperties[] = {
    {"label", DAOS_PROP_CO_LABEL},
    {"cksum", DAOS_PROP_CO_CSUM},
    {"cksum_size", DAOS_PROP_CO_CSUM_CHUNK_SIZE},
    {"srv_cksum", DAOS_PROP_CO_CSUM_SERVER_VERIFY},
    {"dedup", DAOS_PROP_CO_DEDUP},
    {"dedup_threshold", DAOS_PROP_CO_DEDUP_THRESHOLD},
    {"compression", DAOS_PROP_CO_COMPRESS},
    {"encryption", DAOS_PROP_CO_ENCRYPT},
    {"rd_fac", DAOS_PROP_CO_REDUN_FAC},
    {"rf", DAOS_PROP_CO_REDUN_FAC},
    {"rd_lvl", DAOS_PROP_CO_REDUN_LVL},
    {"rf_lvl", DAOS_PROP_CO_REDUN_LVL},
    {"ec_cell_sz", DAOS_PROP_CO_EC_CELL_SZ},
    {"ec_cell", DAOS_PROP_CO_EC_CELL_SZ},
};
struct NamedValue {
  uint32_t type;
  std::string_view name;
  uint64_t value;
};
constexpr NamedValue kValues[] = {
    {DAOS_PROP_CO_CSUM, "off", DAOS_PROP_CO_CSUM_OFF},
    {DAOS_PROP_CO_CSUM, "adler32", DAOS_PROP_CO_CSUM_ADLER32},
    {DAOS_PROP_CO_CSUM, "crc16", DAOS_PROP_CO_CSUM_CRC16},
    {DAOS_PROP_CO_CSUM, "crc32", DAOS_PROP_CO_CSUM_CRC32},
    {DAOS_PROP_CO_CSUM, "crc64", DAOS_PROP_CO_CSUM_CRC64},
    {DAOS_PROP_CO_CSUM, "sha1", DAOS_PROP_CO_CSUM_SHA1},
    {DAOS_PROP_CO_CSUM, "sha256", DAOS_PROP_CO_CSUM_SHA256},
    {DAOS_PROP_CO_CSUM, "sha512", DAOS_PROP_CO_CSUM_SHA512},
    {DAOS_PROP_CO_CSUM_SERVER_VERIFY, "on", DAOS_PROP_CO_CSUM_SV_ON},
    {DAOS_PROP_CO_CSUM_SERVER_VERIFY, "off", DAOS_PROP_CO_CSUM_SV_OFF},
    {DAOS_PROP_CO_DEDUP, "off", DAOS_PROP_CO_DEDUP_OFF},
    {DAOS_PROP_CO_DEDUP, "memcmp", DAOS_PROP_CO_DEDUP_MEMCMP},
    {DAOS_PROP_CO_DEDUP, "hash", DAOS_PROP_CO_DEDUP_HASH},
    {DAOS_PROP_CO_COMPRESS, "off", DAOS_PROP_CO_COMPRESS_OFF},
    {DAOS_PROP_CO_COMPRESS, "lz4", DAOS_PROP_CO_COMPRESS_LZ4},
    {DAOS_PROP_CO_ENCRYPT, "off", DAOS_PROP_CO_ENCRYPT_OFF},
    {DAOS_PROP_CO_REDUN_LVL, "rank", DAOS_PROP_CO_REDUN_RANK},
    {DAOS_PROP_CO_REDUN_LVL, "node", DAOS_PROP_CO_REDUN_NODE},
};

// "label", "cksum": the type; 0 if there is none of the name.
uint32_t property_type(std::string_view name) {
  for (const NamedProperty& property : kContainerProperties)
    if (property.name == name) return property.type;
  return 0;
}

bool parse_value(daos_prop_entry& entry, std::string_view value) {
  if (form_of(entry.dpe_type) == ValueForm::kText) {
    entry.dpe_str = strndup(value.data(), value.size());
    return entry.dpe_str &&
           (entry.dpe_type != DAOS_PROP_CO_LABEL || daos_label_is_valid(entry.dpe_str));
  }
  for (const NamedValue& named : kValues)
    if (named.type == entry.dpe_type && named.name == value)
      return entry.dpe_val = named.value, true;
  const std::string text(value);
  char* end = nullptr;
  entry.dpe_val = strtoull(text.c_str(), &end, 0);
  return !text.empty() && *end == '\0';
}

}  // namespace
}  // namespace varve::libdaos

daos_prop_t* daos_prop_alloc(uint32_t entries_nr) {
  if (entries_nr > DAOS_PROP_ENTRIES_MAX_NR) return nullptr;
  auto* list = static_cast<daos_prop_t*>(calloc(1, sizeof(daos_prop_t)));
  if (!list || entries_nr == 0) return list;
  list->dpp_entries = static_cast<daos_prop_entry*>(calloc(entries_nr, sizeof(daos_prop_entry)));
  list->dpp_nr = entries_nr;
  if (list->dpp_entries) return list;
  free(list);
  return nullptr;
}

void daos_prop_fini(daos_prop_t* prop) {
  if (!prop || !prop->dpp_entries) return;
  for (uint32_t i = 0; i < prop->dpp_nr; ++i) clear(prop->dpp_entries[i]);
  free(prop->dpp_entries);
  prop->dpp_entries = nullptr;
  prop->dpp_nr = 0;
}

void daos_prop_free(daos_prop_t* prop) {
  daos_prop_fini(prop);
  free(prop);
}

bool daos_prop_has_str(struct daos_prop_entry* entry) {
  return entry && form_of(entry->dpe_type) == ValueForm::kText;
}

bool daos_prop_has_ptr(struct daos_prop_entry* entry) {
  if (!entry) return false;
  const ValueForm form = form_of(entry->dpe_type);
  return form != ValueForm::kText && form != ValueForm::kNumber;
}

// No property of this version holds bytes, so none can be set to them.
bool daos_prop_has_byteval(struct daos_prop_entry* entry) { return false; }

int daos_prop_entry_set_byteval(struct daos_prop_entry* entry, const void* data, size_t len) {
  return failure(Error(Code::kInvalid, "no property of this version holds bytes"));
}

int daos_prop_set_byteval(daos_prop_t* prop, uint32_t type, const void* data, size_t len) {
  daos_prop_entry* entry = daos_prop_entry_get(prop, type);
  return entry ? daos_prop_entry_set_byteval(entry, data, len) : code(Code::kNonexistent);
}

int daos_prop_entry_dup_byteval(struct daos_prop_entry* entry_dst,
                                struct daos_prop_entry* entry_src) {
  return failure(Error(Code::kInvalid, "no property of this version holds bytes"));
}

struct daos_prop_entry* daos_prop_entry_get(daos_prop_t* prop, uint32_t type) {
  for (uint32_t i = 0; prop && prop->dpp_entries && i < prop->dpp_nr; ++i)
    if (prop->dpp_entries[i].dpe_type == type) return &prop->dpp_entries[i];
  return nullptr;
}

int daos_prop_entry_set_str(struct daos_prop_entry* entry, const char* str, daos_size_t len) {
  if (!entry || !str || !daos_prop_has_str(entry)) return code(Code::kInvalid);
  char* copy = strndup(str, len);
  if (!copy) return code(Code::kNoMemory);
  free(entry->dpe_str);
  entry->dpe_str = copy;
  return 0;
}

int daos_prop_set_str(daos_prop_t* prop, uint32_t type, const char* str, daos_size_t len) {
  daos_prop_entry* entry = daos_prop_entry_get(prop, type);
  return entry ? daos_prop_entry_set_str(entry, str, len) : code(Code::kNonexistent);
}

int daos_prop_entry_set_ptr(struct daos_prop_entry* entry, const void* ptr, daos_size_t size) {
  if (!entry || (!ptr && size) || !daos_prop_has_ptr(entry)) return code(Code::kInvalid);
  void* copy = ptr ? copy_of(ptr, size) : nullptr;
  if (ptr && !copy) return code(Code::kNoMemory);
  clear(*entry);
  entry->dpe_val_ptr = copy;
  return 0;
}

int daos_prop_set_ptr(daos_prop_t* prop, uint32_t type, const void* ptr, daos_size_t size) {
  daos_prop_entry* entry = daos_prop_entry_get(prop, type);
  return entry ? daos_prop_entry_set_ptr(entry, ptr, size) : code(Code::kNonexistent);
}

int daos_prop_entry_dup_ptr(struct daos_prop_entry* entry_dst, struct daos_prop_entry* entry_src,
                            size_t len) {
  if (!entry_dst || !daos_prop_has_ptr(entry_src) || !entry_src->dpe_val_ptr)
    return code(Code::kInvalid);
  entry_dst->dpe_val_ptr = copy_of(entry_src->dpe_val_ptr, len);
  return entry_dst->dpe_val_ptr ? 0 : code(Code::kNoMemory);
}

int daos_prop_entry_dup_co_roots(struct daos_prop_entry* dst, struct daos_prop_entry* src) {
  if (!src || src->dpe_type != DAOS_PROP_CO_ROOTS) return code(Code::kInvalid);
  return daos_prop_entry_dup_ptr(dst, src, sizeof(daos_prop_co_roots));
}

int daos_prop_entry_cmp_acl(struct daos_prop_entry* entry1, struct daos_prop_entry* entry2) {
  for (const daos_prop_entry* entry : {entry1, entry2})
    if (!entry || form_of(entry->dpe_type) != ValueForm::kAcl) return code(Code::kInvalid);
  const auto* left = static_cast<const daos_acl*>(entry1->dpe_val_ptr);
  const auto* right = static_cast<const daos_acl*>(entry2->dpe_val_ptr);
  if (!left || !right) return left == right ? 0 : code(Code::kMismatch);
  const bool same = left->dal_len == right->dal_len &&
                    std::memcmp(left, right, sizeof *left + left->dal_len) == 0;
  return same ? 0 : code(Code::kMismatch);
}

int daos_prop_merge2(daos_prop_t* old_prop, daos_prop_t* new_prop, daos_prop_t** out_prop) {
  if (!out_prop || (!old_prop && !new_prop)) return code(Code::kInvalid);
  const uint32_t room = (old_prop ? old_prop->dpp_nr : 0) + (new_prop ? new_prop->dpp_nr : 0);
  daos_prop_t* merged = daos_prop_alloc(room);
  if (!merged) return code(Code::kNoMemory);
  merged->dpp_nr = 0;
  int error = 0;
  for (daos_prop_t* from : {new_prop, old_prop}) {
    for (uint32_t i = 0; from && i < from->dpp_nr && error == 0; ++i) {
      if (daos_prop_entry_get(merged, from->dpp_entries[i].dpe_type)) continue;
      error = copy_entry(merged->dpp_entries[merged->dpp_nr++], from->dpp_entries[i]);
    }
  }
  if (error) {
    daos_prop_free(merged);
    return error;
  }
  *out_prop = merged;
  return 0;
}

daos_prop_t* daos_prop_merge(daos_prop_t* old_prop, daos_prop_t* new_prop) {
  daos_prop_t* merged = nullptr;
  return daos_prop_merge2(old_prop, new_prop, &merged) == 0 ? merged : nullptr;
}

int daos_prop_from_str(const char* str, daos_size_t len, daos_prop_t** prop) {
  if (!str || len == 0 || !prop) return code(Code::kInvalid);
  std::string_view rest(str, strnlen(str, len));
  daos_prop_t* list = daos_prop_alloc(DAOS_PROP_ENTRIES_MAX_NR);
  if (!list) return code(Code::kNoMemory);
  list->dpp_nr = 0;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find_first_of(",;"));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    const size_t colon = pair.find(':');
    const uint32_t type = colon == pair.npos ? 0 : property_type(pair.substr(0, colon));
    if (type == 0 || list->dpp_nr == DAOS_PROP_ENTRIES_MAX_NR) {
      daos_prop_free(list);
      return failure(Error(
          Code::kInvalid, "'" + std::string(pair) + "' is no property of a container: NAME:VALUE"));
    }
    daos_prop_entry& entry = list->dpp_entries[list->dpp_nr++];
    entry.dpe_type = type;
    if (!parse_value(entry, pair.substr(colon + 1))) {
      daos_prop_free(list);
      return failure(Error(Code::kInvalid,
                           "'" + std::string(pair) + "': the value is not one of this property"));
    }
  }
  *prop = list;
  return 0;
}
