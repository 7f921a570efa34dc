/* SPDX-License-Identifier: Apache-2.0 */
/* Event queues and events: how a call goes on without its caller waiting. */
/* Generated from tools/headers/daos_event.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_EVENT_H
#define VARVE_DAOS_EVENT_H

#include <daos_types.h>

#define DAOS_EQ_DESTROY_FORCE 1

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Called when an event completes, with its argument and the result so far; what it returns is
 * the result.
 */
typedef int (*daos_event_comp_cb_t)(void *, daos_event_t *, int);

/** Makes an event queue. */
int daos_eq_create(daos_handle_t *eqh);

/** Destroys a queue; -DER_BUSY if events are in flight, unless DAOS_EQ_DESTROY_FORCE is given. */
int daos_eq_destroy(daos_handle_t eqh, int flags);

/**
 * Waits for events and takes up to nevents that completed off the queue; their number, or an
 * error. With wait_running, waits only while any are in flight.
 */
int daos_eq_poll(daos_handle_t eqh, int wait_running, int64_t timeout, unsigned int nevents,
    daos_event_t **events);

/** The number of events in that state; up to nevents of them are returned if events is not NULL. */
int daos_eq_query(daos_handle_t eqh, daos_eq_query_t query, unsigned int nevents,
    daos_event_t **events);

/**
 * Makes an event ready for a call: in a queue, or in none if eqh is invalid; a child if parent
 * is given.
 */
int daos_event_init(daos_event_t *ev, daos_handle_t eqh, daos_event_t *parent);

/** Ends an event that is not in flight. */
int daos_event_fini(daos_event_t *ev);

/** The parent's child that follows `child`; the first for NULL; NULL at the end. */
daos_event_t *daos_event_next(daos_event_t *parent, daos_event_t *child);

/**
 * Waits up to timeout microseconds for an event that is in no queue; *flag tells whether it
 * completed.
 */
int daos_event_test(struct daos_event *ev, int64_t timeout, bool *flag);

/** Adds a callback for the completion, before the call is launched. */
int daos_event_register_comp_cb(struct daos_event *ev, daos_event_comp_cb_t cb, void *arg);

/** Launches a parent: it completes when its children have. */
int daos_event_parent_barrier(struct daos_event *ev);

/** Asks for the call to be given up; the event still completes. */
int daos_event_abort(daos_event_t *ev);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_EVENT_H */
