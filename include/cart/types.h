/* SPDX-License-Identifier: Apache-2.0 */
/* Types of the request layer, for programs that name them: Varve offers no functions for them. */
/* Generated from tools/headers/cart/types.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_CART_TYPES_H
#define VARVE_CART_TYPES_H

#include <daos_errno.h>
#include <gurt/types.h>

#define CRT_GROUP_ID_MAX_LEN 64
#define CRT_ADDR_STR_MAX_LEN 128
#define CRT_DEFAULT_GRPID "crt_default_group"
#define CRT_NO_RANK 0xFFFFFFFFU
#define CRT_NO_INCARNATION 0
#define CRT_MAX_INPUT_SIZE 0x4000000
#define CRT_MAX_OUTPUT_SIZE 0x4000000
#define CRT_RPC_FEAT_NO_REPLY (1U << 1)
#define CRT_RPC_FEAT_NO_TIMEOUT (1U << 2)
#define CRT_RPC_FEAT_QUEUE_FRONT (1U << 3)

/** The bulk handle that stands for none. */
#define CRT_BULK_NULL NULL

/** Request code of a protocol's member: base, then version, then index. */
#define CRT_PROTO_OPC(base_opc, version, rpc_index) \
  ((uint32_t)(base_opc) | ((uint32_t)(version) << 16) | (uint32_t)(rpc_index))

#ifdef __cplusplus
extern "C" {
#endif

/** Flags of a request. */
enum crt_rpc_flags {
  CRT_RPC_FLAG_FILTER_INVERT = 2,
  CRT_RPC_FLAG_CO_FAILOUT    = 4,
};

/** Directions of a transfer. */
typedef enum crt_bulk_op_t {
  CRT_BULK_PUT = 104,
  CRT_BULK_GET = 105,
} crt_bulk_op_t;

/** Permissions of a bulk handle. */
typedef enum crt_bulk_perm_t {
  CRT_BULK_RW = 136,
  CRT_BULK_RO = 137,
  CRT_BULK_WO = 138,
} crt_bulk_perm_t;

/** Flags of the start. */
enum crt_init_flag_bits {
  CRT_FLAG_BIT_SERVER            = 1,
  CRT_FLAG_BIT_AUTO_SWIM_DISABLE = 2,
};

/** Changes of a group. */
typedef enum crt_group_mod_op_t {
  CRT_GROUP_MOD_OP_REPLACE = 0,
  CRT_GROUP_MOD_OP_ADD     = 1,
  CRT_GROUP_MOD_OP_REMOVE  = 2,
  CRT_GROUP_MOD_OP_COUNT   = 3,
} crt_group_mod_op_t;

/** What may be limited. */
typedef enum crt_quota_type_t {
  CRT_QUOTA_RPCS  = 0,
  CRT_QUOTA_BULKS = 1,
  CRT_QUOTA_COUNT = 2,
} crt_quota_type_t;

/** A transport that is there. */
struct crt_protocol_info {
  struct crt_protocol_info *next;
  char *class_name;
  char *protocol_name;
  char *device_name;
};

/** Options of the request layer's start. */
typedef struct crt_init_options {
  int cio_crt_timeout;
  uint32_t cio_sep_override : 1;
  uint32_t cio_use_sep : 1;
  uint32_t cio_fault_inject : 1;
  uint32_t cio_use_sensors : 1;
  uint32_t cio_use_expected_size : 1;
  uint32_t cio_use_unexpected_size : 1;
  int cio_ctx_max_num;
  int cio_ep_credits;
  uint32_t cio_max_expected_size;
  uint32_t cio_max_unexpected_size;
  int cio_swim_crt_idx;
  char *cio_provider;
  char *cio_interface;
  char *cio_domain;
  char *cio_port;
  char *cio_auth_key;
  char *cio_addr_format;
  bool cio_thread_mode_single;
  bool cio_progress_busy;
  bool cio_mem_device;
  bool cio_progress_legacy;
  unsigned int cio_progress_spindown;
} crt_init_options_t;

/** What a query of a protocol's version gives. */
struct crt_proto_query_cb_info {
  void *pq_arg;
  int pq_ver;
  int pq_rc;
};

/** An error number. */
typedef int crt_status_t;

/** A group's name. */
typedef d_string_t crt_group_id_t;

/** A group of servers. */
typedef struct crt_group {
  crt_group_id_t cg_grpid;
} crt_group_t;

/** Where a request goes. */
typedef struct crt_endpoint_t {
  crt_group_t *ep_grp;
  d_rank_t ep_rank;
  uint32_t ep_tag;
} crt_endpoint_t;

typedef void *crt_context_t;
typedef uint32_t crt_opcode_t;
typedef void *crt_rpc_input_t;
typedef void *crt_rpc_output_t;
typedef void *crt_bulk_t;

/** A request. */
typedef struct crt_rpc {
  crt_context_t cr_ctx;
  crt_endpoint_t cr_ep;
  crt_opcode_t cr_opc;
  crt_rpc_input_t cr_input;
  crt_rpc_output_t cr_output;
  size_t cr_input_size;
  size_t cr_output_size;
  crt_bulk_t cr_co_bulk_hdl;
} crt_rpc_t;

/** A transfer of bulk data. */
struct crt_bulk_desc {
  crt_rpc_t *bd_rpc;
  crt_bulk_op_t bd_bulk_op;
  crt_bulk_t bd_remote_hdl;
  off_t bd_remote_off;
  crt_bulk_t bd_local_hdl;
  off_t bd_local_off;
  size_t bd_len;
};

/** What a completed request gives. */
struct crt_cb_info {
  crt_rpc_t *cci_rpc;
  void *cci_arg;
  int cci_rc;
};

/** What a completed transfer gives. */
struct crt_bulk_cb_info {
  struct crt_bulk_desc *bci_bulk_desc;
  void *bci_arg;
  int bci_rc;
  void *bci_complete_cb;
};

typedef void *crt_bulk_array_t;
typedef void *crt_proc_t;
typedef int (*crt_proc_cb_t)(crt_proc_t, void *);

/** How a request's input and output are serialised. */
struct crt_req_format {
  crt_proc_cb_t crf_proc_in;
  crt_proc_cb_t crf_proc_out;
  const size_t crf_size_in;
  const size_t crf_size_out;
};

typedef void (*crt_rpc_cb_t)(crt_rpc_t *);

/** A request of a protocol. */
struct crt_proto_rpc_format {
  struct crt_req_format *prf_req_fmt;
  crt_rpc_cb_t prf_hdlr;
  struct crt_corpc_ops *prf_co_ops;
  uint32_t prf_flags;
};

/** A protocol. */
struct crt_proto_format {
  const char *cpf_name;
  uint32_t cpf_ver;
  uint32_t cpf_count;
  struct crt_proto_rpc_format *cpf_prf;
  crt_opcode_t cpf_base;
};

typedef void (*crt_proto_query_cb_t)(struct crt_proto_query_cb_info *);
typedef void *crt_bulk_opid_t;
typedef void (*crt_cb_t)(const struct crt_cb_info *);
typedef void (*crt_generic_cb_t)(void *);
typedef int (*crt_bulk_cb_t)(const struct crt_bulk_cb_info *);
typedef int (*crt_progress_cond_cb_t)(void *);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_CART_TYPES_H */
