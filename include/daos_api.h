/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions, anchors, and times of epochs. */
/* Generated from tools/headers/daos_api.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_API_H
#define VARVE_DAOS_API_H

#include <daos_array.h>
#include <daos_cont.h>
#include <daos_event.h>
#include <daos_kv.h>
#include <daos_obj.h>
#include <daos_pool.h>
#include <daos_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Flags of a transaction: it will not write; buffers stay unchanged until it commits. */
enum {
  DAOS_TF_RDONLY    = 1,
  DAOS_TF_ZERO_COPY = 2,
};

/** Puts the anchor at the start; 0 always. `opts` is reserved. */
static inline int daos_anchor_init(daos_anchor_t *anchor, unsigned int opts) {
  (void)opts;
  *anchor = DAOS_ANCHOR_INIT;
  return 0;
}

/** Ends the use of an anchor: nothing to release. */
static inline void daos_anchor_fini(daos_anchor_t *anchor) { (void)anchor; }

/** True if the enumeration is complete. */
static inline bool daos_anchor_is_eof(daos_anchor_t *anchor) {
  return anchor->da_type == DAOS_ANCHOR_TYPE_EOF;
}

/** Parses ranks between separators into a list that d_rank_list_free frees; NULL on error. */
d_rank_list_t *daos_rank_list_parse(const char *str, const char *sep);

/** Opens a transaction on a container. */
int daos_tx_open(daos_handle_t coh, daos_handle_t *th, uint64_t flags, daos_event_t *ev);

/** Commits; -DER_TX_RESTART asks for daos_tx_restart and doing it again. */
int daos_tx_commit(daos_handle_t th, daos_event_t *ev);

/** Opens a read-only transaction that sees the snapshot at that epoch. */
int daos_tx_open_snap(daos_handle_t coh, daos_epoch_t epoch, daos_handle_t *th, daos_event_t *ev);

/** Gives up all that the transaction wrote. */
int daos_tx_abort(daos_handle_t th, daos_event_t *ev);

/** Frees the handle; what was not committed is aborted. */
int daos_tx_close(daos_handle_t th, daos_event_t *ev);

/** Makes a transaction that lost a conflict empty and usable again. */
int daos_tx_restart(daos_handle_t th, daos_event_t *ev);

/** The epoch that the transaction reads or committed at. */
int daos_tx_hdl2epoch(daos_handle_t th, daos_epoch_t *epoch);

/** The wall-clock time of an epoch. */
int daos_hlc2timespec(uint64_t hlc, struct timespec *ts);

/** The same in seconds. */
int daos_hlc2timestamp(uint64_t hlc, time_t *ts);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_API_H */
