/* SPDX-License-Identifier: Apache-2.0 */
/* Objects: ids, key-array I/O, enumeration. */
/* Generated from tools/headers/daos_obj.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_OBJ_H
#define VARVE_DAOS_OBJ_H

#include <daos_event.h>
#include <daos_obj_class.h>
#include <daos_prop.h>
#include <daos_types.h>

#define OID_FMT_INTR_BITS 32
#define OID_FMT_TYPE_BITS 8
#define OID_FMT_CLASS_BITS 8
#define OID_FMT_META_BITS 16
#define OID_FMT_TYPE_SHIFT (64 - OID_FMT_TYPE_BITS)
#define OID_FMT_CLASS_SHIFT (OID_FMT_TYPE_SHIFT - OID_FMT_CLASS_BITS)
#define OID_FMT_META_SHIFT (OID_FMT_CLASS_SHIFT - OID_FMT_META_BITS)
#define OID_FMT_TYPE_MAX ((1ULL << OID_FMT_TYPE_BITS) - 1)
#define OID_FMT_CLASS_MAX ((1ULL << OID_FMT_CLASS_BITS) - 1)
#define OID_FMT_META_MAX ((1ULL << OID_FMT_META_BITS) - 1)
#define OID_FMT_TYPE_MASK (OID_FMT_TYPE_MAX << OID_FMT_TYPE_SHIFT)
#define OID_FMT_CLASS_MASK (OID_FMT_CLASS_MAX << OID_FMT_CLASS_SHIFT)
#define OID_FMT_META_MASK (OID_FMT_META_MAX << OID_FMT_META_SHIFT)
#define IO_FLAGS_COND_BITS 8
#define DAOS_IOMF_DETAIL 0x1U
#define DAOS_OCH_RDD_BITS 4
#define DAOS_OCH_SHD_BITS 6
#define DAOS_OCH_RDD_SHIFT 0
#define DAOS_OCH_SHD_SHIFT DAOS_OCH_RDD_BITS
#define DAOS_OCH_RDD_MAX_VAL ((1ULL << DAOS_OCH_RDD_BITS) - 1)
#define DAOS_OCH_SHD_MAX_VAL ((1ULL << DAOS_OCH_SHD_BITS) - 1)
#define DAOS_OCH_RDD_MASK (DAOS_OCH_RDD_MAX_VAL << DAOS_OCH_RDD_SHIFT)
#define DAOS_OCH_SHD_MASK (DAOS_OCH_SHD_MAX_VAL << DAOS_OCH_SHD_SHIFT)
#define DAOS_OIT_MARKER_MAX_LEN 32

#ifdef __cplusplus
#define DAOS_OBJ_NIL (daos_obj_id_t{0, 0})
#else
/** The object id that no object has. */
#define DAOS_OBJ_NIL ((daos_obj_id_t){0, 0})
#endif

/** The name that programs call; the number is part of the symbol only. */
#define daos_obj_generate_oid daos_obj_generate_oid2

#ifdef __cplusplus
extern "C" {
#endif

/** What an object is, and how its keys are sorted. */
enum daos_otype_t {
  DAOS_OT_MULTI_HASHED  = 0,
  DAOS_OT_OIT           = 1,
  DAOS_OT_DKEY_UINT64   = 2,
  DAOS_OT_AKEY_UINT64   = 3,
  DAOS_OT_MULTI_UINT64  = 4,
  DAOS_OT_DKEY_LEXICAL  = 5,
  DAOS_OT_AKEY_LEXICAL  = 6,
  DAOS_OT_MULTI_LEXICAL = 7,
  DAOS_OT_KV_HASHED     = 8,
  DAOS_OT_KV_UINT64     = 9,
  DAOS_OT_KV_LEXICAL    = 10,
  DAOS_OT_ARRAY         = 11,
  DAOS_OT_ARRAY_ATTR    = 12,
  DAOS_OT_ARRAY_BYTE    = 13,
  DAOS_OT_OIT_V2        = 14,
  DAOS_OT_MAX           = 14,
};

/** Conditions of an operation: it fails unless they hold (-DER_NONEXIST, -DER_EXIST). */
enum {
  DAOS_COND_PUNCH       = 1,
  DAOS_COND_DKEY_INSERT = 2,
  DAOS_COND_DKEY_UPDATE = 4,
  DAOS_COND_DKEY_FETCH  = 8,
  DAOS_COND_AKEY_INSERT = 16,
  DAOS_COND_AKEY_UPDATE = 32,
  DAOS_COND_AKEY_FETCH  = 64,
  DAOS_COND_PER_AKEY    = 128,
  DAOS_COND_MASK        = 255,
};

/** Modes of an open object. */
enum {
  DAOS_OO_RO      = 2,
  DAOS_OO_RW      = 4,
  DAOS_OO_EXCL    = 8,
  DAOS_OO_IO_RAND = 16,
  DAOS_OO_IO_SEQ  = 32,
};

/** What an akey holds. */
typedef enum daos_iod_type_t {
  DAOS_IOD_NONE   = 0,
  DAOS_IOD_SINGLE = 1,
  DAOS_IOD_ARRAY  = 2,
} daos_iod_type_t;

/** The record size of a fetch that wants to learn it. */
enum {
  DAOS_REC_ANY = 0,
};

/** What daos_obj_query_key looks for. */
enum {
  DAOS_GET_MAX  = 1,
  DAOS_GET_MIN  = 2,
  DAOS_GET_DKEY = 4,
  DAOS_GET_AKEY = 8,
  DAOS_GET_RECX = 16,
};

/** Hints: redundancy (RDD) and spread (SHD). */
enum {
  DAOS_OCH_RDD_DEF  = 1,
  DAOS_OCH_RDD_NO   = 2,
  DAOS_OCH_RDD_RP   = 4,
  DAOS_OCH_RDD_EC   = 8,
  DAOS_OCH_SHD_DEF  = 16,
  DAOS_OCH_SHD_TINY = 32,
  DAOS_OCH_SHD_REG  = 64,
  DAOS_OCH_SHD_HI   = 128,
  DAOS_OCH_SHD_EXT  = 256,
  DAOS_OCH_SHD_MAX  = 512,
};

/** Attributes of one object. */
struct daos_obj_attr {
  d_rank_t oa_rank;
  struct daos_oclass_attr *oa_oa;
};

/** rx_nr records from index rx_idx on. */
typedef struct daos_recx_t {
  uint64_t rx_idx;
  uint64_t rx_nr;
} daos_recx_t;

/** What to read or write under one akey. */
typedef struct daos_iod_t {
  daos_key_t iod_name;
  daos_iod_type_t iod_type;
  daos_size_t iod_size;
  uint64_t iod_flags;
  uint32_t iod_nr;
  daos_recx_t *iod_recxs;
} daos_iod_t;

/** What is there: the extents that a fetch found. */
typedef struct daos_iom_t {
  daos_iod_type_t iom_type;
  uint32_t iom_nr;
  uint32_t iom_nr_out;
  uint32_t iom_flags;
  daos_size_t iom_size;
  daos_recx_t iom_recx_lo;
  daos_recx_t iom_recx_hi;
  daos_recx_t *iom_recxs;
} daos_iom_t;

/** The length of one key that an enumeration gave. */
typedef struct daos_key_desc_t {
  daos_size_t kd_key_len;
  uint32_t kd_val_type;
} daos_key_desc_t;

/** Nonzero keeps the object in the enumeration. */
typedef int daos_oit_filter_cb(daos_obj_id_t, d_iov_t *);

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

/**
 * Encodes type and class into the upper 32 bits of the id, whose other 96 are the caller's and
 * unique in the container. OC_UNKNOWN: by the hints, or by the container's properties.
 */
int daos_obj_generate_oid2(daos_handle_t coh, daos_obj_id_t *oid, enum daos_otype_t type,
    daos_oclass_id_t cid, daos_oclass_hints_t hints, uint32_t args);

/** Opens an object. It need not exist: what is written makes it. */
int daos_obj_open(daos_handle_t coh, daos_obj_id_t oid, unsigned int mode, daos_handle_t *oh,
    daos_event_t *ev);

/** Closes an object. */
int daos_obj_close(daos_handle_t oh, daos_event_t *ev);

/** Removes an object as of now. */
int daos_obj_punch(daos_handle_t oh, daos_handle_t th, uint64_t flags, daos_event_t *ev);

/** Removes dkeys and all under them. */
int daos_obj_punch_dkeys(daos_handle_t oh, daos_handle_t th, uint64_t flags, unsigned int nr,
    daos_key_t *dkeys, daos_event_t *ev);

/** Removes akeys under one dkey. */
int daos_obj_punch_akeys(daos_handle_t oh, daos_handle_t th, uint64_t flags, daos_key_t *dkey,
    unsigned int nr, daos_key_t *akeys, daos_event_t *ev);

/** The object's attributes and the ranks that hold it. */
int daos_obj_query(daos_handle_t oh, struct daos_obj_attr *oa, d_rank_list_t *ranks,
    daos_event_t *ev);

/** Reads under one dkey: sgls[i] takes what iods[i] asks for. Without sgls, only sizes. */
int daos_obj_fetch(daos_handle_t oh, daos_handle_t th, uint64_t flags, daos_key_t *dkey,
    unsigned int nr, daos_iod_t *iods, d_sg_list_t *sgls, daos_iom_t *ioms, daos_event_t *ev);

/** Writes under one dkey: sgls[i] is what iods[i] describes. */
int daos_obj_update(daos_handle_t oh, daos_handle_t th, uint64_t flags, daos_key_t *dkey,
    unsigned int nr, daos_iod_t *iods, d_sg_list_t *sgls, daos_event_t *ev);

/** Lists dkeys: their bytes to sgl, their lengths to kds, their number to nr. */
int daos_obj_list_dkey(daos_handle_t oh, daos_handle_t th, uint32_t *nr, daos_key_desc_t *kds,
    d_sg_list_t *sgl, daos_anchor_t *anchor, daos_event_t *ev);

/** Lists the akeys under a dkey. */
int daos_obj_list_akey(daos_handle_t oh, daos_handle_t th, daos_key_t *dkey, uint32_t *nr,
    daos_key_desc_t *kds, d_sg_list_t *sgl, daos_anchor_t *anchor, daos_event_t *ev);

/** Lists the extents under an akey, with the epochs that they were written at. */
int daos_obj_list_recx(daos_handle_t oh, daos_handle_t th, daos_key_t *dkey, daos_key_t *akey,
    daos_size_t *size, uint32_t *nr, daos_recx_t *recxs, daos_epoch_range_t *eprs,
    daos_anchor_t *anchor, bool incr_order, daos_event_t *ev);

/** The largest or smallest dkey, akey or index: DAOS_GET_*. */
int daos_obj_query_key(daos_handle_t oh, daos_handle_t th, uint64_t flags, daos_key_t *dkey,
    daos_key_t *akey, daos_recx_t *recx, daos_event_t *ev);

/** The epoch of the latest write. */
int daos_obj_query_max_epoch(daos_handle_t oh, daos_handle_t th, daos_epoch_t *epoch,
    daos_event_t *ev);

/** Compares the replicas as of an epoch; -DER_MISMATCH if they differ. */
int daos_obj_verify(daos_handle_t coh, daos_obj_id_t oid, daos_epoch_t epoch);

/** Anchors for listing in parallel; their number to nr, which holds how many there may be. */
int daos_obj_anchor_split(daos_handle_t oh, uint32_t *nr, daos_anchor_t *anchors);

/** Makes the anchor the one with that index of a split. */
int daos_obj_anchor_set(daos_handle_t oh, uint32_t index, daos_anchor_t *anchor);

/** The anchor from which a listing continues at that key. */
int daos_obj_key2anchor(daos_handle_t oh, daos_handle_t th, daos_key_t *dkey, daos_key_t *akey,
    daos_anchor_t *anchor, daos_event_t *ev);

/** Opens the table of a container's objects as of a snapshot. */
int daos_oit_open(daos_handle_t coh, daos_epoch_t epoch, daos_handle_t *oh, daos_event_t *ev);

/** Closes it. */
int daos_oit_close(daos_handle_t oh, daos_event_t *ev);

/** Lists object ids. */
int daos_oit_list(daos_handle_t oh, daos_obj_id_t *oids, uint32_t *oids_nr, daos_anchor_t *anchor,
    daos_event_t *ev);

/** Marks an object of the table. */
int daos_oit_mark(daos_handle_t oh, daos_obj_id_t oid, d_iov_t *marker, daos_event_t *ev);

/** Lists those without a mark. */
int daos_oit_list_unmarked(daos_handle_t oh, daos_obj_id_t *oids, uint32_t *oids_nr,
    daos_anchor_t *anchor, daos_event_t *ev);

/** Lists those that the filter keeps. */
int daos_oit_list_filter(daos_handle_t oh, daos_obj_id_t *oids, uint32_t *oids_nr,
    daos_anchor_t *anchor, daos_oit_filter_cb filter, daos_event_t *ev);

/** Steps the caller's 32 bits of `hi` to the next id: 2^32 calls visit every value once, in no
 *  plain order. The encoded bits of `hi` are cleared: generate the id again. */
static inline void daos_obj_oid_cycle(daos_obj_id_t *oid) {
  oid->hi = (oid->hi + 0x9E3779B1ULL) & 0xFFFFFFFFULL;
}

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_OBJ_H */
