Objects: ids, key-array I/O, enumeration.

#include <daos_event.h>
#include <daos_obj_class.h>
#include <daos_prop.h>
#include <daos_types.h>

@macros

#ifdef __cplusplus
#define DAOS_OBJ_NIL (daos_obj_id_t{0, 0})
#else
/** The object id that no object has. */
#define DAOS_OBJ_NIL ((daos_obj_id_t){0, 0})
#endif

/** The name that programs call; the number is part of the symbol only. */
#define daos_obj_generate_oid daos_obj_generate_oid2

@begin

@types

/** True if the number is an object type. */
static inline bool daos_otype_t_is_valid(enum daos_otype_t type) {
  return (unsigned int)type <= DAOS_OT_MAX;
}

/** True if objects can be placed so that their groups do not share a domain of that level. */
static inline bool daos_pa_domain_is_valid(uint32_t pa_domain) {
  return pa_domain == DAOS_PROP_CO_REDUN_RANK || pa_domain == DAOS_PROP_CO_REDUN_NODE;
}

/** The type that is part of the id. */
static inline enum daos_otype_t daos_obj_id2type(daos_obj_id_t oid) {
  return (enum daos_otype_t)((oid.hi & OID_FMT_TYPE_MASK) >> OID_FMT_TYPE_SHIFT);
}

/** True if objects of that type sort their dkeys as strings. */
static inline bool daos_is_dkey_lexical_type(enum daos_otype_t type) {
  return type == DAOS_OT_DKEY_LEXICAL || type == DAOS_OT_MULTI_LEXICAL ||
         type == DAOS_OT_KV_LEXICAL;
}

/** True if that object sorts its dkeys as strings. */
static inline bool daos_is_dkey_lexical(daos_obj_id_t oid) {
  return daos_is_dkey_lexical_type(daos_obj_id2type(oid));
}

/** True if objects of that type sort their akeys as strings. */
static inline bool daos_is_akey_lexical_type(enum daos_otype_t type) {
  return type == DAOS_OT_AKEY_LEXICAL || type == DAOS_OT_MULTI_LEXICAL;
}

/** True if that object sorts its akeys as strings. */
static inline bool daos_is_akey_lexical(daos_obj_id_t oid) {
  return daos_is_akey_lexical_type(daos_obj_id2type(oid));
}

/** True if dkeys of objects of that type are 64-bit integers. */
static inline bool daos_is_dkey_uint64_type(enum daos_otype_t type) {
  return type == DAOS_OT_DKEY_UINT64 || type == DAOS_OT_MULTI_UINT64 ||
         type == DAOS_OT_KV_UINT64 || type == DAOS_OT_ARRAY || type == DAOS_OT_ARRAY_ATTR ||
         type == DAOS_OT_ARRAY_BYTE;
}

/** True if dkeys of that object are 64-bit integers. */
static inline bool daos_is_dkey_uint64(daos_obj_id_t oid) {
  return daos_is_dkey_uint64_type(daos_obj_id2type(oid));
}

/** True if akeys of objects of that type are 64-bit integers. */
static inline bool daos_is_akey_uint64_type(enum daos_otype_t type) {
  return type == DAOS_OT_AKEY_UINT64 || type == DAOS_OT_MULTI_UINT64;
}

/** True if akeys of that object are 64-bit integers. */
static inline bool daos_is_akey_uint64(daos_obj_id_t oid) {
  return daos_is_akey_uint64_type(daos_obj_id2type(oid));
}

/** True for the types that daos_array_* can open. */
static inline bool daos_is_array_type(enum daos_otype_t type) {
  return type == DAOS_OT_ARRAY || type == DAOS_OT_ARRAY_ATTR || type == DAOS_OT_ARRAY_BYTE;
}

/** True for the objects that daos_array_* can open. */
static inline bool daos_is_array(daos_obj_id_t oid) {
  return daos_is_array_type(daos_obj_id2type(oid));
}

/** True for the types that daos_kv_* can open. */
static inline bool daos_is_kv_type(enum daos_otype_t type) {
  return type == DAOS_OT_KV_HASHED || type == DAOS_OT_KV_UINT64 || type == DAOS_OT_KV_LEXICAL;
}

/** True for the objects that daos_kv_* can open. */
static inline bool daos_is_kv(daos_obj_id_t oid) { return daos_is_kv_type(daos_obj_id2type(oid)); }

/** The redundancy that is part of the id. */
static inline enum daos_obj_redun daos_obj_id2ord(daos_obj_id_t oid) {
  return (enum daos_obj_redun)((oid.hi & OID_FMT_CLASS_MASK) >> OID_FMT_CLASS_SHIFT);
}

/** The number of redundancy groups that is part of the id; MAX_NUM_GROUPS means all targets. */
static inline uint32_t daos_obj_id2grp_nr(daos_obj_id_t oid) {
  return (uint32_t)((oid.hi & OID_FMT_META_MASK) >> OID_FMT_META_SHIFT);
}

/** The class that is part of the id. */
static inline daos_oclass_id_t daos_obj_id2class(daos_obj_id_t oid) {
  return OBJ_CLASS_DEF((daos_oclass_id_t)daos_obj_id2ord(oid), daos_obj_id2grp_nr(oid));
}

/** True for DAOS_OBJ_NIL. */
static inline bool daos_obj_id_is_nil(daos_obj_id_t oid) { return oid.hi == 0 && oid.lo == 0; }

@functions

/** Steps the caller's 32 bits of `hi` to the next id: 2^32 calls visit every value once, in no
 *  plain order. The encoded bits of `hi` are cleared: generate the id again. */
static inline void daos_obj_oid_cycle(daos_obj_id_t *oid) {
  oid->hi = (oid->hi + 0x9E3779B1ULL) & 0xFFFFFFFFULL;
}
