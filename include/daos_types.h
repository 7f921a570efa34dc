/* SPDX-License-Identifier: Apache-2.0 */
/* Basic types: handles, keys, object ids, anchors, epochs, events. */
/* Generated from tools/headers/daos_types.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_TYPES_H
#define VARVE_DAOS_TYPES_H

#include <daos_errno.h>
#include <daos_version.h>
#include <gurt/types.h>
#include <cart/types.h>

#define DAOS_SYS_NAME_MAX 15
#define DAOS_SYS_INFO_STRING_MAX 63
#define DAOS_HKEY_MAX 32
#define DAOS_ANCHOR_BUF_MAX 104
/** Modes of a pool connection: read; read and write; the only one. */
#define DAOS_PC_RO (1U << 0)
#define DAOS_PC_RW (1U << 1)
#define DAOS_PC_EX (1U << 2)
#define DAOS_PC_NBITS 3
#define DAOS_PC_MASK ((1U << DAOS_PC_NBITS) - 1)
/** The latest epoch there can be. */
#define DAOS_EPOCH_MAX (~0ULL)
/** Timeouts of daos_eq_poll: for ever; not at all. Others are in microseconds. */
#define DAOS_EQ_WAIT (-1)
#define DAOS_EQ_NOWAIT 0
#define DAOS_UUID_STR_SIZE 37
#define UUID_SST_UPPER 1
#define UUID_SST_LOWER (-1)
#define UUID_SST_NONE 0
#define DAOS_ATTR_NAME_MAX 511

/* Serialisers of the request layer, under the names of the types they serialise. */
#define crt_proc_daos_key_t crt_proc_d_iov_t
#define crt_proc_daos_size_t crt_proc_uint64_t
#define crt_proc_daos_epoch_t crt_proc_uint64_t

#ifdef __cplusplus
#define DAOS_HDL_INVAL (daos_handle_t{0})
#define DAOS_ANCHOR_INIT (daos_anchor_t{})
#else
/** The handle that is never valid. */
#define DAOS_HDL_INVAL ((daos_handle_t){0})
/** An anchor at the start. */
#define DAOS_ANCHOR_INIT ((daos_anchor_t){.da_type = DAOS_ANCHOR_TYPE_ZERO})
#endif
/** No transaction: the operation is one of its own. */
#define DAOS_TX_NONE DAOS_HDL_INVAL

#ifdef __cplusplus
extern "C" {
#endif

/** Where an enumeration stands. */
typedef enum daos_anchor_type_t {
  DAOS_ANCHOR_TYPE_ZERO = 0,
  DAOS_ANCHOR_TYPE_HKEY = 1,
  DAOS_ANCHOR_TYPE_KEY  = 2,
  DAOS_ANCHOR_TYPE_EOF  = 3,
} daos_anchor_type_t;

/** Which events a query of a queue wants. */
typedef enum daos_eq_query_t {
  DAOS_EQR_COMPLETED = 1,
  DAOS_EQR_WAITING   = 2,
  DAOS_EQR_ALL       = 3,
} daos_eq_query_t;

/** The state of an event. */
typedef enum daos_ev_status_t {
  DAOS_EVS_READY     = 0,
  DAOS_EVS_RUNNING   = 1,
  DAOS_EVS_COMPLETED = 2,
  DAOS_EVS_ABORTED   = 3,
} daos_ev_status_t;

/** What a handle may stand for. */
enum {
  DAOS_HTYPE_EQ    = 1,
  DAOS_HTYPE_POOL  = 3,
  DAOS_HTYPE_CO    = 5,
  DAOS_HTYPE_OBJ   = 7,
  DAOS_HTYPE_ARRAY = 9,
  DAOS_HTYPE_TX    = 11,
  DAOS_HTYPE_KV    = 13,
};

/** The place of an enumeration. Start from zeroes, call until daos_anchor_is_eof. */
typedef struct daos_anchor_t {
  uint16_t da_type;
  uint16_t da_shard;
  uint32_t da_flags;
  uint64_t da_sub_anchors;
  uint8_t da_buf[104];
} daos_anchor_t;

/** Something that is open. */
typedef struct daos_handle_t {
  uint64_t cookie;
} daos_handle_t;

/**
 * A call in flight. Its memory belongs to the library from daos_event_init until
 * daos_event_fini.
 */
typedef struct daos_event {
  int ev_error;
  struct {
    uint64_t space[20];
  } ev_private;
  uint64_t ev_debug;
} daos_event_t;

/** Targets, each a rank and a target's number in it. */
struct d_tgt_list {
  d_rank_t *tl_ranks;
  int32_t *tl_tgts;
  uint32_t tl_nr;
};

/**
 * An object's id: 96 bits of the caller's, and the upper 32 of `hi`, which
 * daos_obj_generate_oid encodes.
 */
typedef struct daos_obj_id_t {
  uint64_t lo;
  uint64_t hi;
} daos_obj_id_t;

/** A server and its address. */
struct daos_rank_uri {
  uint32_t dru_rank;
  char *dru_uri;
};

/** What a client needs to know of a system. */
struct daos_sys_info {
  char dsi_system_name[64];
  char dsi_fabric_provider[64];
  char dsi_agent_path[4096];
  uint32_t dsi_nr_ranks;
  struct daos_rank_uri *dsi_ranks;
  uint32_t dsi_nr_ms_ranks;
  uint32_t *dsi_ms_ranks;
};

typedef uint64_t daos_size_t;
typedef uint64_t daos_off_t;

/** A time of the store: 64 bits of a hybrid logical clock. */
typedef uint64_t daos_epoch_t;

/** Epochs from lo to hi, both included. */
typedef struct daos_epoch_range_t {
  daos_epoch_t epr_lo;
  daos_epoch_t epr_hi;
} daos_epoch_range_t;

/** What is known of an open container. */
typedef struct daos_cont_info_t {
  uuid_t ci_uuid;
  daos_epoch_t ci_lsnapshot;
  uint32_t ci_nhandles;
  uint32_t ci_nsnapshots;
  uint64_t ci_md_otime;
  uint64_t ci_md_mtime;
} daos_cont_info_t;

/** A key: any bytes. */
typedef d_iov_t daos_key_t;

/** True if the handle cannot be one that a call returned. */
static inline bool daos_handle_is_inval(daos_handle_t hdl) { return hdl.cookie == 0; }

/** True unless the handle is DAOS_HDL_INVAL; says nothing about its being open. */
static inline bool daos_handle_is_valid(daos_handle_t hdl) { return hdl.cookie != 0; }

/** True if the key has no bytes. */
static inline bool daos_key_is_null(daos_key_t key) {
  return key.iov_buf == NULL || key.iov_len == 0;
}

/** True if the string is a UUID of 36 characters. `sensitive` is UUID_SST_UPPER or UUID_SST_LOWER
 *  to allow only that case of its letters, UUID_SST_NONE to allow both. */
static inline bool daos_is_valid_uuid_string(const char *uuid, int sensitive) {
  int at;

  for (at = 0; at < DAOS_UUID_STR_SIZE - 1; at++) {
    char c = uuid[at];

    if (at == 8 || at == 13 || at == 18 || at == 23) {
      if (c != '-') return false;
    } else if (c >= 'a' && c <= 'f') {
      if (sensitive == UUID_SST_UPPER) return false;
    } else if (c >= 'A' && c <= 'F') {
      if (sensitive == UUID_SST_LOWER) return false;
    } else if (c < '0' || c > '9') {
      return false;
    }
  }
  return uuid[at] == '\0';
}

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_TYPES_H */
