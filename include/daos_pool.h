/* SPDX-License-Identifier: Apache-2.0 */
/* Pools: connections, queries, attributes, the list of containers. */
/* Generated from tools/headers/daos_pool.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_POOL_H
#define VARVE_DAOS_POOL_H

#include <daos_event.h>
#include <daos_prop.h>
#include <daos_types.h>

/** The name that programs call; the number is part of the symbol only. */
#define daos_pool_connect daos_pool_connect2

#define DAOS_POOL_CONT_FILTER_MAX_NPARTS 8

#ifdef __cplusplus
extern "C" {
#endif

/** The state of a target. */
typedef enum daos_target_state_t {
  DAOS_TS_UNKNOWN  = 0,
  DAOS_TS_DOWN_OUT = 1,
  DAOS_TS_DOWN     = 2,
  DAOS_TS_UP       = 3,
  DAOS_TS_UP_IN    = 4,
  DAOS_TS_NEW      = 5,
  DAOS_TS_DRAIN    = 6,
} daos_target_state_t;

/** Tiers of storage. */
enum daos_media_type_t {
  DAOS_MEDIA_SCM  = 0,
  DAOS_MEDIA_NVME = 1,
  DAOS_MEDIA_MAX  = 2,
};

/** How far a rebuild is. */
enum daos_rebuild_state_t {
  DRS_IN_PROGRESS = 0,
  DRS_NOT_STARTED = 1,
  DRS_COMPLETED   = 2,
};

/** More of a rebuild's state. */
enum daos_rebuild_status_flag {
  DAOS_RSF_DEGRADED = 1,
};

/** What a query shall fill in: pi_bits. */
enum daos_pool_info_bit {
  DPI_SPACE                  = 1,
  DPI_REBUILD_STATUS         = 2,
  DPI_ENGINES_ENABLED        = 4,
  DPI_ENGINES_DISABLED       = 8,
  DPI_ENGINES_DEAD           = 16,
  DPI_REBUILD_MAX_LAYOUT_VER = 32,
  DPI_SELF_HEAL_POLICY       = 64,
  DPI_ALL                    = -1,
};

/** Comparisons of a filter. */
enum daos_pool_cont_filter_func {
  PCF_FUNC_EQ  = 0,
  PCF_FUNC_NE  = 1,
  PCF_FUNC_LT  = 2,
  PCF_FUNC_LE  = 3,
  PCF_FUNC_GT  = 4,
  PCF_FUNC_GE  = 5,
  PCF_FUNC_MAX = 6,
};

/** What it compares. */
enum daos_pool_cont_filter_key {
  PCF_KEY_MD_OTIME      = 0,
  PCF_KEY_MD_MTIME      = 1,
  PCF_KEY_NUM_SNAPSHOTS = 2,
  PCF_KEY_NUM_HANDLES   = 3,
  PCF_KEY_MAX           = 4,
};

/** How its parts combine. */
enum daos_pool_cont_filter_combine {
  PCF_COMBINE_LOGICAL_AND = 0,
  PCF_COMBINE_LOGICAL_OR  = 1,
};

/** Reserved. */
typedef struct daos_target_perf_t {
  int foo;
} daos_target_perf_t;

/** Total and free bytes of each tier. */
struct daos_space {
  uint64_t s_total[2];
  uint64_t s_free[2];
};

/** What is known of a target. */
typedef struct daos_target_info_t {
  uint32_t ta_padding;
  daos_target_state_t ta_state;
  daos_target_perf_t ta_perf;
  struct daos_space ta_space;
} daos_target_info_t;

/** Space of a pool: sums, and extremes over its targets. */
struct daos_pool_space {
  struct daos_space ps_space;
  uint64_t ps_free_min[2];
  uint64_t ps_free_max[2];
  uint64_t ps_free_mean[2];
  uint32_t ps_ntargets;
  uint32_t ps_padding;
};

/** The state of the latest rebuild. */
struct daos_rebuild_status {
  uint32_t rs_version;
  uint32_t rs_seconds;
  int32_t rs_errno;
  __extension__ union {
    int32_t rs_state;
    int32_t rs_done;
  };
  uint16_t rs_max_supported_layout_ver;
  uint8_t rs_flags;
  uint8_t rs_reserved_;
  int32_t rs_fail_rank;
  uint64_t rs_toberb_obj_nr;
  uint64_t rs_obj_nr;
  uint64_t rs_rec_nr;
  uint64_t rs_size;
};

/** What is known of a pool. */
typedef struct daos_pool_info_t {
  uuid_t pi_uuid;
  uint32_t pi_ntargets;
  uint32_t pi_nnodes;
  uint32_t pi_ndisabled;
  uint32_t pi_map_ver;
  uint32_t pi_leader;
  uint64_t pi_bits;
  struct daos_pool_space pi_space;
  struct daos_rebuild_status pi_rebuild_st;
} daos_pool_info_t;

/** A container of a pool. */
struct daos_pool_cont_info {
  uuid_t pci_uuid;
  char pci_label[128];
};

/** The same, with what is known of it. */
struct daos_pool_cont_info2 {
  struct daos_pool_cont_info pci_id;
  daos_cont_info_t pci_cinfo;
  void *pci_reserved[2];
};

/** One comparison. */
typedef struct daos_pool_cont_filter_part {
  uint32_t pcfp_func;
  uint32_t pcfp_key;
  __extension__ union {
    uint64_t pcfp_val64;
    d_string_t pcfp_valstr;
  };
} daos_pool_cont_filter_part_t;

/** Comparisons that choose containers. */
typedef struct daos_pool_cont_filter {
  uint32_t pcf_combine_func;
  uint32_t pcf_nparts;
  struct daos_pool_cont_filter_part **pcf_parts;
} daos_pool_cont_filter_t;

/** The comparison as it is written. */
static inline const char *daos_pool_cont_filter_func_str(enum daos_pool_cont_filter_func f) {
  static const char *const names[] = {"==", "!=", "<", "<=", ">", ">="};

  return (unsigned int)f < PCF_FUNC_MAX ? names[f] : "UNKNOWN";
}

/** The name of what is compared. */
static inline const char *daos_pool_cont_filter_key_str(enum daos_pool_cont_filter_key k) {
  static const char *const names[] = {"md_open_time", "md_modify_time", "num_snapshots",
                                      "num_handles"};

  return (unsigned int)k < PCF_KEY_MAX ? names[k] : "UNKNOWN";
}

/** Connects to a pool, given by label or UUID. */
int daos_pool_connect2(const char *pool, const char *sys, unsigned int flags, daos_handle_t *poh,
    daos_pool_info_t *info, daos_event_t *ev);

/** Ends the connection; -DER_BUSY while containers are open. */
int daos_pool_disconnect(daos_handle_t poh, daos_event_t *ev);

/** Describes the connection for other processes; with no buffer, tells the length. */
int daos_pool_local2global(daos_handle_t poh, d_iov_t *glob);

/** Uses the connection that another process described. */
int daos_pool_global2local(d_iov_t glob, daos_handle_t *poh);

/** What is known of a pool: ranks, info, properties; each may be NULL. */
int daos_pool_query(daos_handle_t poh, d_rank_list_t **ranks, daos_pool_info_t *info,
    daos_prop_t *pool_prop, daos_event_t *ev);

/** What is known of one target. */
int daos_pool_query_target(daos_handle_t poh, uint32_t tgt, d_rank_t rank, daos_target_info_t *info,
    daos_event_t *ev);

/** Names of the attributes, each with its zero byte; *size is the room, then the length of all. */
int daos_pool_list_attr(daos_handle_t poh, char *buffer, size_t *size, daos_event_t *ev);

/** Reads n attributes; sizes are the room, then the lengths. */
int daos_pool_get_attr(daos_handle_t poh, int n, const char *const names[], void *const buffers[],
    size_t sizes[], daos_event_t *ev);

/** Sets n attributes. */
int daos_pool_set_attr(daos_handle_t poh, int n, const char *const names[],
    const void *const values[], const size_t sizes[], daos_event_t *ev);

/** Removes n attributes. */
int daos_pool_del_attr(daos_handle_t poh, int n, const char *const names[], daos_event_t *ev);

/** Lists containers; *ncont is the room, then the number of all. */
int daos_pool_list_cont(daos_handle_t poh, daos_size_t *ncont, struct daos_pool_cont_info *cbuf,
    daos_event_t *ev);

/** Makes a filter with no comparison. */
int daos_pool_cont_filter_init(daos_pool_cont_filter_t *filt, uint32_t combine_func);

/** Adds a comparison. */
int daos_pool_cont_filter_add(daos_pool_cont_filter_t *filt, daos_pool_cont_filter_part_t *part);

/** Frees what the filter holds. */
void daos_pool_cont_filter_fini(daos_pool_cont_filter_t *filt);

/** Lists the containers that the filter chooses. */
int daos_pool_filter_cont(daos_handle_t poh, daos_pool_cont_filter_t *filter, daos_size_t *ncont,
    struct daos_pool_cont_info2 *cbuf, daos_event_t *ev);

/** What a user in those groups may do: DAOS_ACL_PERM_*. */
int daos_pool_get_perms(daos_prop_t *pool_prop, uid_t uid, gid_t *gids, size_t nr_gids,
    uint64_t *perms);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_POOL_H */
