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

d_rank_list_t *daos_rank_list_parse(const char *str, const char *sep);

int daos_tx_open(daos_handle_t coh, daos_handle_t *th, uint64_t flags, daos_event_t *ev);

int daos_tx_commit(daos_handle_t th, daos_event_t *ev);

int daos_tx_open_snap(daos_handle_t coh, daos_epoch_t epoch, daos_handle_t *th, daos_event_t *ev);

int daos_tx_abort(daos_handle_t th, daos_event_t *ev);

int daos_tx_close(daos_handle_t th, daos_event_t *ev);

int daos_tx_restart(daos_handle_t th, daos_event_t *ev);

int daos_tx_hdl2epoch(daos_handle_t th, daos_epoch_t *epoch);

int daos_hlc2timespec(uint64_t hlc, struct timespec *ts);

int daos_hlc2timestamp(uint64_t hlc, time_t *ts);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_API_H */
