Arrays: one dimension of equal cells on top of one object.

#include <daos_obj.h>
#include <daos_types.h>

@macros

@begin

@types

/** Encodes the id of an array object. `add_attr`: the array keeps its cell and chunk size itself;
 *  otherwise the program keeps them and gives them to daos_array_open_with_attr. Returns as
 *  daos_obj_generate_oid does. */
static inline int daos_array_generate_oid(daos_handle_t coh, daos_obj_id_t *oid, bool add_attr,
                                          daos_oclass_id_t cid, daos_oclass_hints_t hints,
                                          uint32_t args) {
  enum daos_otype_t type = add_attr ? DAOS_OT_ARRAY : DAOS_OT_ARRAY_ATTR;

  return daos_obj_generate_oid(coh, oid, type, cid, hints, args);
}

@functions
