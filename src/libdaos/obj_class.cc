// daos_obj_class.h.
#include "daos_obj_class.h"

#include <cstring>

#include "libdaos/convert.h"

using namespace varve;
using namespace varve::libdaos;

namespace varve::libdaos {
namespace {

constexpr daos_oclass_id_t kKnown[] = {OC_TINY, OC_SMALL, OC_LARGE, OC_MAX, OC_S1,  OC_S2, OC_S4,
                                       OC_S6,   OC_S8,    OC_S12,   OC_S16, OC_S32, OC_SX};

}  // namespace
}  // namespace varve::libdaos

int daos_oclass_name2id(const char* name) {
  if (!name) return OC_UNKNOWN;
  const Result<placement::ObjectClass> found = placement::class_by_name(name);
  return found ? static_cast<int>(found->id) : OC_UNKNOWN;
}

int daos_oclass_id2name(daos_oclass_id_t oc_id, char* name) {
  if (!name) return code(Code::kInvalid);
  const std::string text = placement::class_name(oc_id);
  text.copy(name, MAX_OBJ_CLASS_NAME_LEN - 1);
  name[std::min<size_t>(text.size(), MAX_OBJ_CLASS_NAME_LEN - 1)] = '\0';
  return text == "UNKNOWN" ? code(Code::kNonexistent) : 0;
}

int daos_oclass_nr(int opts) { return static_cast<int>(std::size(kKnown)); }

ssize_t daos_oclass_names_list(size_t size, char* str) {
  std::string names;
  for (const daos_oclass_id_t id : kKnown)
    names += (names.empty() ? "" : ", ") + placement::class_name(id);
  if (str && size > 0) {
    const size_t length = names.copy(str, size - 1);
    str[length] = '\0';
  }
  return static_cast<ssize_t>(names.size() + 1);
}

int daos_obj_query_class(daos_handle_t coh, daos_oclass_id_t cid, struct daos_oclass_attr* attr,
                         daos_event_t* ev) {
  if (!attr) return code(Code::kInvalid);
  const Result<placement::ObjectClass> found = placement::class_by_id(cid);
  if (!found) return failure(found.error());
  return run(ev, [attr, groups = found->groups](client::Session&) -> Task<int> {
    *attr = {};
    attr->ca_grp_nr = groups;
    attr->u.rp.r_num = 1;
    co_return 0;
  });
}
