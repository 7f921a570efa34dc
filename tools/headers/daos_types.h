Basic types: handles, keys, object ids, anchors, epochs, events.

#include <daos_errno.h>
#include <daos_version.h>
#include <gurt/types.h>
#include <cart/types.h>

@macros

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

@begin

@types

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
