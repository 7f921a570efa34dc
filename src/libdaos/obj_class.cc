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

void describe(const placement::ObjectClass& from, daos_oclass_attr& to) {
  to = {};
  to.ca_grp_nr = from.groups;
  to.u.rp.r_num = 1;
}

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
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  return run(ev, [attr, found = *found](client::Session&) -> Task<int> {
    describe(found, *attr);
    co_return 0;
  });
}

int daos_obj_list_class(daos_handle_t coh, struct daos_oclass_list* list, daos_anchor_t* anchor,
                        daos_event_t* ev) {
  const auto container = container_of_handle(coh);
  if (!container) return failure(container.error());
  if (!list || !anchor || (list->cl_nr > 0 && !list->cl_cids && !list->cl_cattrs))
    return code(Code::kInvalid);
  return run(ev, [list, anchor](client::Session&) -> Task<int> {
    uint32_t next = anchor->da_type == DAOS_ANCHOR_TYPE_ZERO ? 0 : anchor->da_shard;
    if (anchor->da_type == DAOS_ANCHOR_TYPE_EOF) next = std::size(kKnown);
    list->cl_nr_out = 0;
    for (; next < std::size(kKnown) && list->cl_nr_out < list->cl_nr; ++next, ++list->cl_nr_out) {
      const Result<placement::ObjectClass> found = placement::class_by_id(kKnown[next]);
      if (!found) co_return failure(found.error());
      if (list->cl_cids) list->cl_cids[list->cl_nr_out] = kKnown[next];
      if (list->cl_cattrs) describe(*found, list->cl_cattrs[list->cl_nr_out]);
    }
    anchor->da_shard = static_cast<uint16_t>(next);
    anchor->da_type = next >= std::size(kKnown) ? DAOS_ANCHOR_TYPE_EOF : DAOS_ANCHOR_TYPE_KEY;
    co_return 0;
  });
}
