/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of pools and containers. */
/* Generated from tools/headers/daos_prop.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_PROP_H
#define VARVE_DAOS_PROP_H

#include <daos_types.h>

#define DAOS_PROP_PO_NUM (DAOS_PROP_PO_MAX - DAOS_PROP_PO_MIN - 1)
#define DAOS_PROP_PO_EC_CELL_SZ_MIN (1UL << 10)
#define DAOS_PROP_PO_EC_CELL_SZ_MAX (1UL << 30)
#define DAOS_PROP_PO_REDUN_FAC_MAX 4
#define DAOS_PROP_PO_REDUN_FAC_DEFAULT 3
#define DAOS_PROP_PDA_MAX 0xFFFFFFFFU
#define DAOS_PROP_PO_RP_PDA_DEFAULT DAOS_PROP_PDA_MAX
#define DAOS_PROP_PO_EC_PDA_DEFAULT 1
#define DAOS_PROP_PO_SVC_REDUN_FAC_MAX 4
#define DAOS_PROP_PO_SVC_REDUN_FAC_DEFAULT 2
#define DAOS_PROP_PO_PERF_DOMAIN_DEFAULT DAOS_PROP_PERF_DOMAIN_ROOT
#define DAOS_PROP_CO_PERF_DOMAIN_DEFAULT DAOS_PROP_PERF_DOMAIN_ROOT
#define DAOS_PROP_PO_REINT_MODE_DEFAULT DAOS_REINT_MODE_DATA_SYNC
#define DAOS_PROP_PO_SCRUB_MODE_DEFAULT DAOS_SCRUB_MODE_OFF
#define DAOS_PROP_PO_SCRUB_FREQ_DEFAULT 604800
#define DAOS_PROP_PO_SCRUB_THRESH_DEFAULT 0
#define DAOS_PROP_PO_CHECKPOINT_MODE_DEFAULT DAOS_CHECKPOINT_TIMED
#define DAOS_PROP_PO_CHECKPOINT_FREQ_DEFAULT 5
#define DAOS_PROP_PO_CHECKPOINT_FREQ_MIN 1
#define DAOS_PROP_PO_CHECKPOINT_FREQ_MAX 1048576
#define DAOS_PROP_PO_CHECKPOINT_THRESH_DEFAULT 50
#define DAOS_PROP_PO_CHECKPOINT_THRESH_MAX 75
#define DAOS_PROP_PO_CHECKPOINT_THRESH_MIN 10
#define DAOS_PROP_PO_SVC_OPS_ENABLED_DEFAULT 1
#define DAOS_PROP_PO_SVC_OPS_ENTRY_AGE_DEFAULT 300
#define DAOS_PROP_PO_SVC_OPS_ENTRY_AGE_MIN 60
#define DAOS_PROP_PO_SVC_OPS_ENTRY_AGE_MAX 600
/** Values of DAOS_PROP_PO_SELF_HEAL. */
#define DAOS_SELF_HEAL_AUTO_EXCLUDE (1U << 0)
#define DAOS_SELF_HEAL_AUTO_REBUILD (1U << 1)
#define DAOS_SELF_HEAL_DELAY_REBUILD (1U << 2)
#define DAOS_PROP_CO_NUM (DAOS_PROP_CO_MAX - DAOS_PROP_CO_MIN - 1)
#define DAOS_PROP_CO_REDUN_DEFAULT DAOS_PROP_CO_REDUN_NODE
#define DAOS_PROP_CO_CLEAR 1
#define DAOS_PROP_ENTRIES_MAX_NR 128
#define DAOS_PROP_LABEL_MAX_LEN 127
#define DAOS_PROP_MAX_LABEL_BUF_LEN (DAOS_PROP_LABEL_MAX_LEN + 1)
#define DAOS_PROP_CO_LABEL_DEFAULT "container_label_not_set"
#define DAOS_PROP_PO_LABEL_DEFAULT "pool_label_not_set"
#define DAOS_PROP_PO_DATA_THRESH_DEFAULT 4096
#define DAOS_PROP_NO_PO_LABEL DAOS_PROP_PO_LABEL_DEFAULT
#define DEFAULT_CONT_LABEL DAOS_PROP_CO_LABEL_DEFAULT
#define DAOS_PROP_NO_CO_LABEL DAOS_PROP_CO_LABEL_DEFAULT

/** A container's status in one 64-bit value: flags (16), status (16), pool map version (32). */
#define DAOS_PROP_CO_STATUS_VAL(status, flag, pm_ver) \
  (((uint64_t)(flag) << 48) | (((uint64_t)(status)&0xFFFF) << 32) | (uint64_t)(pm_ver))

#ifdef __cplusplus
extern "C" {
#endif

/** Properties of a pool. */
enum daos_pool_props {
  DAOS_PROP_PO_MIN               = 0,
  DAOS_PROP_PO_LABEL             = 1,
  DAOS_PROP_PO_ACL               = 2,
  DAOS_PROP_PO_SPACE_RB          = 3,
  DAOS_PROP_PO_SELF_HEAL         = 4,
  DAOS_PROP_PO_RECLAIM           = 5,
  DAOS_PROP_PO_OWNER             = 6,
  DAOS_PROP_PO_OWNER_GROUP       = 7,
  DAOS_PROP_PO_SVC_LIST          = 8,
  DAOS_PROP_PO_EC_CELL_SZ        = 9,
  DAOS_PROP_PO_DATA_THRESH       = 10,
  DAOS_PROP_PO_REDUN_FAC         = 11,
  DAOS_PROP_PO_EC_PDA            = 12,
  DAOS_PROP_PO_RP_PDA            = 13,
  DAOS_PROP_PO_GLOBAL_VERSION    = 14,
  DAOS_PROP_PO_UPGRADE_STATUS    = 15,
  DAOS_PROP_PO_SCRUB_MODE        = 16,
  DAOS_PROP_PO_SCRUB_FREQ        = 17,
  DAOS_PROP_PO_SCRUB_THRESH      = 18,
  DAOS_PROP_PO_SVC_REDUN_FAC     = 19,
  DAOS_PROP_PO_OBJ_VERSION       = 20,
  DAOS_PROP_PO_PERF_DOMAIN       = 21,
  DAOS_PROP_PO_CHECKPOINT_MODE   = 22,
  DAOS_PROP_PO_CHECKPOINT_FREQ   = 23,
  DAOS_PROP_PO_CHECKPOINT_THRESH = 24,
  DAOS_PROP_PO_REINT_MODE        = 25,
  DAOS_PROP_PO_SVC_OPS_ENABLED   = 26,
  DAOS_PROP_PO_SVC_OPS_ENTRY_AGE = 27,
  DAOS_PROP_PO_MAX               = 28,
};

/** Values of DAOS_PROP_PO_UPGRADE_STATUS. */
enum {
  DAOS_UPGRADE_STATUS_NOT_STARTED = 0,
  DAOS_UPGRADE_STATUS_IN_PROGRESS = 1,
  DAOS_UPGRADE_STATUS_COMPLETED   = 2,
  DAOS_UPGRADE_STATUS_FAILED      = 3,
};

/** Values of DAOS_PROP_PO_PERF_DOMAIN. */
enum {
  DAOS_PROP_PERF_DOMAIN_ROOT  = 255,
  DAOS_PROP_PERF_DOMAIN_GROUP = 200,
};

/** Values of DAOS_PROP_PO_RECLAIM. */
enum {
  DAOS_RECLAIM_DISABLED = 0,
  DAOS_RECLAIM_LAZY     = 1,
  DAOS_RECLAIM_SNAPSHOT = 2,
  DAOS_RECLAIM_BATCH    = 3,
  DAOS_RECLAIM_TIME     = 4,
};

/** Values of DAOS_PROP_PO_REINT_MODE. */
enum {
  DAOS_REINT_MODE_DATA_SYNC    = 0,
  DAOS_REINT_MODE_NO_DATA_SYNC = 1,
  DAOS_REINT_MODE_INCREMENTAL  = 2,
};

/** Values of DAOS_PROP_PO_SCRUB_MODE. */
enum {
  DAOS_SCRUB_MODE_OFF     = 0,
  DAOS_SCRUB_MODE_LAZY    = 1,
  DAOS_SCRUB_MODE_TIMED   = 2,
  DAOS_SCRUB_MODE_INVALID = 3,
};

/** Values of DAOS_PROP_PO_CHECKPOINT_MODE. */
enum {
  DAOS_CHECKPOINT_DISABLED = 0,
  DAOS_CHECKPOINT_TIMED    = 1,
  DAOS_CHECKPOINT_LAZY     = 2,
};

/** Properties of a container. */
enum daos_cont_props {
  DAOS_PROP_CO_MIN                = 4096,
  DAOS_PROP_CO_LABEL              = 4097,
  DAOS_PROP_CO_LAYOUT_TYPE        = 4098,
  DAOS_PROP_CO_LAYOUT_VER         = 4099,
  DAOS_PROP_CO_CSUM               = 4100,
  DAOS_PROP_CO_CSUM_CHUNK_SIZE    = 4101,
  DAOS_PROP_CO_CSUM_SERVER_VERIFY = 4102,
  DAOS_PROP_CO_REDUN_FAC          = 4103,
  DAOS_PROP_CO_REDUN_LVL          = 4104,
  DAOS_PROP_CO_SNAPSHOT_MAX       = 4105,
  DAOS_PROP_CO_ACL                = 4106,
  DAOS_PROP_CO_COMPRESS           = 4107,
  DAOS_PROP_CO_ENCRYPT            = 4108,
  DAOS_PROP_CO_OWNER              = 4109,
  DAOS_PROP_CO_OWNER_GROUP        = 4110,
  DAOS_PROP_CO_DEDUP              = 4111,
  DAOS_PROP_CO_DEDUP_THRESHOLD    = 4112,
  DAOS_PROP_CO_ROOTS              = 4113,
  DAOS_PROP_CO_STATUS             = 4114,
  DAOS_PROP_CO_ALLOCED_OID        = 4115,
  DAOS_PROP_CO_EC_CELL_SZ         = 4116,
  DAOS_PROP_CO_EC_PDA             = 4117,
  DAOS_PROP_CO_RP_PDA             = 4118,
  DAOS_PROP_CO_GLOBAL_VERSION     = 4119,
  DAOS_PROP_CO_SCRUBBER_DISABLED  = 4120,
  DAOS_PROP_CO_OBJ_VERSION        = 4121,
  DAOS_PROP_CO_PERF_DOMAIN        = 4122,
  DAOS_PROP_CO_MAX                = 4123,
};

/** Values of DAOS_PROP_CO_LAYOUT_TYPE. */
enum {
  DAOS_PROP_CO_LAYOUT_UNKNOWN  = 0,
  DAOS_PROP_CO_LAYOUT_UNKOWN   = 0,
  DAOS_PROP_CO_LAYOUT_POSIX    = 1,
  DAOS_PROP_CO_LAYOUT_HDF5     = 2,
  DAOS_PROP_CO_LAYOUT_PYTHON   = 3,
  DAOS_PROP_CO_LAYOUT_SPARK    = 4,
  DAOS_PROP_CO_LAYOUT_DATABASE = 5,
  DAOS_PROP_CO_LAYOUT_ROOT     = 6,
  DAOS_PROP_CO_LAYOUT_SEISMIC  = 7,
  DAOS_PROP_CO_LAYOUT_METEO    = 8,
  DAOS_PROP_CO_LAYOUT_MAX      = 9,
};

/** Values of DAOS_PROP_CO_CSUM. */
enum {
  DAOS_PROP_CO_CSUM_OFF     = 0,
  DAOS_PROP_CO_CSUM_CRC16   = 1,
  DAOS_PROP_CO_CSUM_CRC32   = 2,
  DAOS_PROP_CO_CSUM_CRC64   = 3,
  DAOS_PROP_CO_CSUM_SHA1    = 4,
  DAOS_PROP_CO_CSUM_SHA256  = 5,
  DAOS_PROP_CO_CSUM_SHA512  = 6,
  DAOS_PROP_CO_CSUM_ADLER32 = 7,
};

/** Values of DAOS_PROP_CO_CSUM_SERVER_VERIFY. */
enum {
  DAOS_PROP_CO_CSUM_SV_OFF = 0,
  DAOS_PROP_CO_CSUM_SV_ON  = 1,
};

/** Values of DAOS_PROP_CO_DEDUP. */
enum {
  DAOS_PROP_CO_DEDUP_OFF    = 0,
  DAOS_PROP_CO_DEDUP_MEMCMP = 1,
  DAOS_PROP_CO_DEDUP_HASH   = 2,
};

/** Values of DAOS_PROP_CO_COMPRESS. */
enum {
  DAOS_PROP_CO_COMPRESS_OFF      = 0,
  DAOS_PROP_CO_COMPRESS_LZ4      = 1,
  DAOS_PROP_CO_COMPRESS_DEFLATE  = 2,
  DAOS_PROP_CO_COMPRESS_DEFLATE1 = 3,
  DAOS_PROP_CO_COMPRESS_DEFLATE2 = 4,
  DAOS_PROP_CO_COMPRESS_DEFLATE3 = 5,
  DAOS_PROP_CO_COMPRESS_DEFLATE4 = 6,
};

/** Values of DAOS_PROP_CO_ENCRYPT. */
enum {
  DAOS_PROP_CO_ENCRYPT_OFF        = 0,
  DAOS_PROP_CO_ENCRYPT_AES_XTS128 = 1,
  DAOS_PROP_CO_ENCRYPT_AES_XTS256 = 2,
  DAOS_PROP_CO_ENCRYPT_AES_CBC128 = 3,
  DAOS_PROP_CO_ENCRYPT_AES_CBC192 = 4,
  DAOS_PROP_CO_ENCRYPT_AES_CBC256 = 5,
  DAOS_PROP_CO_ENCRYPT_AES_GCM128 = 6,
  DAOS_PROP_CO_ENCRYPT_AES_GCM256 = 7,
};

/** Values of DAOS_PROP_CO_REDUN_FAC. */
enum {
  DAOS_PROP_CO_REDUN_RF0 = 0,
  DAOS_PROP_CO_REDUN_RF1 = 1,
  DAOS_PROP_CO_REDUN_RF2 = 2,
  DAOS_PROP_CO_REDUN_RF3 = 3,
  DAOS_PROP_CO_REDUN_RF4 = 4,
  DAOS_RF_MAX            = 4,
};

/** Values of DAOS_PROP_CO_REDUN_LVL. */
enum {
  DAOS_PROP_CO_REDUN_MIN   = 1,
  DAOS_PROP_CO_REDUN_RANK  = 1,
  DAOS_PROP_CO_REDUN_NODE  = 2,
  DAOS_PROP_CO_REDUN_FAULT = 3,
  DAOS_PROP_CO_REDUN_MAX   = 254,
};

/** Values of dcs_status. */
enum {
  DAOS_PROP_CO_HEALTHY = 0,
  DAOS_PROP_CO_UNCLEAN = 1,
};

/** Flags of an entry. */
enum {
  DAOS_PROP_ENTRY_NOT_SET = 1,
};

/** A value that is bytes. */
struct daos_prop_byteval {
  void *dpb_data;
  size_t dpb_len;
};

/** The objects from which a container is read. */
struct daos_prop_co_roots {
  daos_obj_id_t cr_oids[4];
};

/** Whether a container's data is protected as it should be. */
struct daos_co_status {
  uint16_t dcs_status;
  uint16_t dcs_flags;
  uint32_t dcs_pm_ver;
};

/** One property. */
struct daos_prop_entry {
  uint32_t dpe_type;
  uint16_t dpe_flags;
  uint16_t dpe_reserv;
  __extension__ union {
    uint64_t dpe_val;
    d_string_t dpe_str;
    void *dpe_val_ptr;
  };
};

/** Properties. */
typedef struct daos_prop_t {
  uint32_t dpp_nr;
  uint32_t dpp_reserv;
  struct daos_prop_entry *dpp_entries;
} daos_prop_t;

/** What a container holds: DAOS_PROP_CO_LAYOUT_*. */
typedef uint16_t daos_cont_layout_t;

/** True if a container may have that redundancy factor. */
static inline bool daos_rf_is_valid(unsigned long long rf) { return rf <= DAOS_RF_MAX; }

/** True if a pool's service may have that redundancy factor. */
static inline bool daos_svc_rf_is_valid(uint64_t svc_rf) {
  return svc_rf <= DAOS_PROP_PO_SVC_REDUN_FAC_MAX;
}

/** The status as the value of DAOS_PROP_CO_STATUS. */
static inline uint64_t daos_prop_co_status_2_val(struct daos_co_status *co_status) {
  return DAOS_PROP_CO_STATUS_VAL(co_status->dcs_status, co_status->dcs_flags,
                                 co_status->dcs_pm_ver);
}

/** The inverse of daos_prop_co_status_2_val. */
static inline void daos_prop_val_2_co_status(uint64_t val, struct daos_co_status *co_status) {
  co_status->dcs_pm_ver = (uint32_t)val;
  co_status->dcs_status = (uint16_t)(val >> 32);
  co_status->dcs_flags = (uint16_t)(val >> 48);
}

/** True if the string may be a label of a pool or container: 1 to DAOS_PROP_LABEL_MAX_LEN letters,
 *  digits and `.`, `_`, `:`, `-`, and not a UUID. */
static inline bool daos_label_is_valid(const char *label) {
  size_t length;

  if (label == NULL) return false;
  for (length = 0; label[length] != '\0'; length++) {
    char c = label[length];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

    if (length == DAOS_PROP_LABEL_MAX_LEN) return false;
    if (!letter && !(c >= '0' && c <= '9') && strchr("._:-", c) == NULL) return false;
  }
  return length > 0 && !daos_is_valid_uuid_string(label, UUID_SST_NONE);
}

/** True if the string names a level of the fault-domain tree that performance may be bound to. */
static inline bool daos_perf_domain_is_valid(const char *perf_domain) {
  return strcmp(perf_domain, "root") == 0 || strcmp(perf_domain, "group") == 0;
}

/** True if the entry has a value. */
static inline bool daos_prop_is_set(struct daos_prop_entry *entry) {
  return (entry->dpe_flags & DAOS_PROP_ENTRY_NOT_SET) == 0;
}

/** Memory for that many entries, all zero; NULL on error. */
daos_prop_t *daos_prop_alloc(uint32_t entries_nr);

/** Frees the entries and what they point to. */
void daos_prop_fini(daos_prop_t *prop);

/** The same, and the properties themselves. */
void daos_prop_free(daos_prop_t *prop);

/** Parses `name:value` pairs between semicolons. */
int daos_prop_from_str(const char *str, daos_size_t len, daos_prop_t **prop);

/** A copy of the old properties in which the new ones replace or add. */
int daos_prop_merge2(daos_prop_t *old_prop, daos_prop_t *new_prop, daos_prop_t **out_prop);

/** The same; NULL on error. */
daos_prop_t *daos_prop_merge(daos_prop_t *old_prop, daos_prop_t *new_prop);

/** The entry of that type, or NULL. */
struct daos_prop_entry *daos_prop_entry_get(daos_prop_t *prop, uint32_t type);

/** Sets the entry of that type to a copy of the string. */
int daos_prop_set_str(daos_prop_t *prop, uint32_t type, const char *str, daos_size_t len);

/** Sets the entry to a copy of the string. */
int daos_prop_entry_set_str(struct daos_prop_entry *entry, const char *str, daos_size_t len);

/** Sets the entry of that type to a copy of the bytes. */
int daos_prop_set_ptr(daos_prop_t *prop, uint32_t type, const void *ptr, daos_size_t size);

/** Sets the entry to a copy of the bytes. */
int daos_prop_entry_set_ptr(struct daos_prop_entry *entry, const void *ptr, daos_size_t size);

/** Copies what an entry points to. */
int daos_prop_entry_dup_ptr(struct daos_prop_entry *entry_dst, struct daos_prop_entry *entry_src,
    size_t len);

/** Sets the entry of that type to a struct daos_prop_byteval with a copy of the bytes. */
int daos_prop_set_byteval(daos_prop_t *prop, uint32_t type, const void *data, size_t len);

/** Sets the entry to one. */
int daos_prop_entry_set_byteval(struct daos_prop_entry *entry, const void *data, size_t len);

/** Copies one. */
int daos_prop_entry_dup_byteval(struct daos_prop_entry *entry_dst,
    struct daos_prop_entry *entry_src);

/** 0 if both have the same access control list. */
int daos_prop_entry_cmp_acl(struct daos_prop_entry *entry1, struct daos_prop_entry *entry2);

/** Copies the root objects. */
int daos_prop_entry_dup_co_roots(struct daos_prop_entry *dst, struct daos_prop_entry *src);

/** True if the entry's value is a string. */
bool daos_prop_has_str(struct daos_prop_entry *entry);

/** True if it is a pointer. */
bool daos_prop_has_ptr(struct daos_prop_entry *entry);

/** True if it is a struct daos_prop_byteval. */
bool daos_prop_has_byteval(struct daos_prop_entry *entry);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_PROP_H */
