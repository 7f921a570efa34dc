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

typedef enum daos_target_state_t {
  DAOS_TS_UNKNOWN  = 0,
  DAOS_TS_DOWN_OUT = 1,
  DAOS_TS_DOWN     = 2,
  DAOS_TS_UP       = 3,
  DAOS_TS_UP_IN    = 4,
  DAOS_TS_NEW      = 5,
  DAOS_TS_DRAIN    = 6,
} daos_target_state_t;

enum daos_media_type_t {
  DAOS_MEDIA_SCM  = 0,
  DAOS_MEDIA_NVME = 1,
  DAOS_MEDIA_MAX  = 2,
};

enum daos_rebuild_state_t {
  DRS_IN_PROGRESS = 0,
  DRS_NOT_STARTED = 1,
  DRS_COMPLETED   = 2,
};

enum daos_rebuild_status_flag {
  DAOS_RSF_DEGRADED = 1,
};

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

enum daos_pool_cont_filter_func {
  PCF_FUNC_EQ  = 0,
  PCF_FUNC_NE  = 1,
  PCF_FUNC_LT  = 2,
  PCF_FUNC_LE  = 3,
  PCF_FUNC_GT  = 4,
  PCF_FUNC_GE  = 5,
  PCF_FUNC_MAX = 6,
};

enum daos_pool_cont_filter_key {
  PCF_KEY_MD_OTIME      = 0,
  PCF_KEY_MD_MTIME      = 1,
  PCF_KEY_NUM_SNAPSHOTS = 2,
  PCF_KEY_NUM_HANDLES   = 3,
  PCF_KEY_MAX           = 4,
};

enum daos_pool_cont_filter_combine {
  PCF_COMBINE_LOGICAL_AND = 0,
  PCF_COMBINE_LOGICAL_OR  = 1,
};

typedef struct daos_target_perf_t {
  int foo;
} daos_target_perf_t;

struct daos_space {
  uint64_t s_total[2];
  uint64_t s_free[2];
};

typedef struct daos_target_info_t {
  uint32_t ta_padding;
  daos_target_state_t ta_state;
  daos_target_perf_t ta_perf;
  struct daos_space ta_space;
} daos_target_info_t;

struct daos_pool_space {
  struct daos_space ps_space;
  uint64_t ps_free_min[2];
  uint64_t ps_free_max[2];
  uint64_t ps_free_mean[2];
  uint32_t ps_ntargets;
  uint32_t ps_padding;
};

struct daos_rebuild_status {
  uint32_t rs_version;
  uint32_t rs_seconds;
  int32_t rs_errno;
  union {
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

struct daos_pool_cont_info {
  uuid_t pci_uuid;
  char pci_label[128];
};

struct daos_pool_cont_info2 {
  struct daos_pool_cont_info pci_id;
  daos_cont_info_t pci_cinfo;
  void *pci_reserved[2];
};

typedef struct daos_pool_cont_filter_part {
  uint32_t pcfp_func;
  uint32_t pcfp_key;
  union {
    uint64_t pcfp_val64;
    d_string_t pcfp_valstr;
  };
} daos_pool_cont_filter_part_t;

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

int daos_pool_connect2(const char *pool, const char *sys, unsigned int flags, daos_handle_t *poh,
    daos_pool_info_t *info, daos_event_t *ev);

int daos_pool_disconnect(daos_handle_t poh, daos_event_t *ev);

int daos_pool_local2global(daos_handle_t poh, d_iov_t *glob);

int daos_pool_global2local(d_iov_t glob, daos_handle_t *poh);

int daos_pool_query(daos_handle_t poh, d_rank_list_t **ranks, daos_pool_info_t *info,
    daos_prop_t *pool_prop, daos_event_t *ev);

int daos_pool_query_target(daos_handle_t poh, uint32_t tgt, d_rank_t rank, daos_target_info_t *info,
    daos_event_t *ev);

int daos_pool_list_attr(daos_handle_t poh, char *buffer, size_t *size, daos_event_t *ev);

int daos_pool_get_attr(daos_handle_t poh, int n, const char *const names[], void *const buffers[],
    size_t sizes[], daos_event_t *ev);

int daos_pool_set_attr(daos_handle_t poh, int n, const char *const names[],
    const void *const values[], const size_t sizes[], daos_event_t *ev);

int daos_pool_del_attr(daos_handle_t poh, int n, const char *const names[], daos_event_t *ev);

int daos_pool_list_cont(daos_handle_t poh, daos_size_t *ncont, struct daos_pool_cont_info *cbuf,
    daos_event_t *ev);

int daos_pool_cont_filter_init(daos_pool_cont_filter_t *filt, uint32_t combine_func);

int daos_pool_cont_filter_add(daos_pool_cont_filter_t *filt, daos_pool_cont_filter_part_t *part);

void daos_pool_cont_filter_fini(daos_pool_cont_filter_t *filt);

int daos_pool_filter_cont(daos_handle_t poh, daos_pool_cont_filter_t *filter, daos_size_t *ncont,
    struct daos_pool_cont_info2 *cbuf, daos_event_t *ev);

int daos_pool_get_perms(daos_prop_t *pool_prop, uid_t uid, gid_t *gids, size_t nr_gids,
    uint64_t *perms);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_POOL_H */
