Transactions, anchors, and times of epochs.

#include <daos_array.h>
#include <daos_cont.h>
#include <daos_event.h>
#include <daos_kv.h>
#include <daos_obj.h>
#include <daos_pool.h>
#include <daos_types.h>

@begin

@types

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

@functions
