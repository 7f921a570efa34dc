/* SPDX-License-Identifier: Apache-2.0 */
/* Containers: creation, handles, properties, attributes, snapshots. */
/* Generated from tools/headers/daos_cont.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_CONT_H
#define VARVE_DAOS_CONT_H

#include <daos_event.h>
#include <daos_pool.h>
#include <daos_prop.h>
#include <daos_security.h>
#include <daos_types.h>

/* The names that programs call; the number is part of the symbol only. */
#define daos_cont_create daos_cont_create2
#define daos_cont_open daos_cont_open2
#define daos_cont_destroy daos_cont_destroy2

/** Modes of an open container: read; read and write; the only one; and more. */
#define DAOS_COO_RO (1U << 0)
#define DAOS_COO_RW (1U << 1)
#define DAOS_COO_EX (1U << 2)
#define DAOS_COO_FORCE (1U << 3)
#define DAOS_COO_RO_MDSTATS (1U << 4)
#define DAOS_COO_EVICT (1U << 5)
#define DAOS_COO_EVICT_ALL (1U << 6)
#define DAOS_COO_NEW_LAYOUT (1U << 7)
#define DAOS_COO_NBITS 8
#define DAOS_COO_MASK ((1U << DAOS_COO_NBITS) - 1)
#define DAOS_COO_IO_BASE_MASK (DAOS_COO_RO | DAOS_COO_RW | DAOS_COO_EX)
#define DAOS_CONT_HINT_MAX_LEN 128
#define DAOS_SNAPSHOT_MAX_LEN 128

#ifdef __cplusplus
extern "C" {
#endif

/** What to make with a snapshot: the snapshot, its table of objects. */
enum daos_snapshot_opts {
  DAOS_SNAP_OPT_CR  = 1,
  DAOS_SNAP_OPT_OIT = 2,
};

/** Parses ranks between separators into a list that d_rank_list_free frees; NULL on error. */
d_rank_list_t *daos_rank_list_parse(const char *str, const char *sep);

/** Describes the handle for other processes; with no buffer, tells the length. */
int daos_cont_local2global(daos_handle_t coh, d_iov_t *glob);

/** Opens what another process described. */
int daos_cont_global2local(daos_handle_t poh, d_iov_t glob, daos_handle_t *coh);

/** Makes a container; its UUID to *uuid unless NULL. */
int daos_cont_create2(daos_handle_t poh, uuid_t *uuid, daos_prop_t *cont_prop, daos_event_t *ev);

/** Makes a container with a label. */
int daos_cont_create_with_label(daos_handle_t poh, const char *label, daos_prop_t *cont_prop,
    uuid_t *uuid, daos_event_t *ev);

/** Opens a container, given by label or UUID. */
int daos_cont_open2(daos_handle_t poh, const char *cont, unsigned int flags, daos_handle_t *coh,
    daos_cont_info_t *info, daos_event_t *ev);

/** Closes a container. */
int daos_cont_close(daos_handle_t coh, daos_event_t *ev);

/** Removes a container; -DER_BUSY if it is open, unless forced. */
int daos_cont_destroy2(daos_handle_t poh, const char *cont, int force, daos_event_t *ev);

/** What is known of an open container, and those of its properties that cont_prop asks for. */
int daos_cont_query(daos_handle_t coh, daos_cont_info_t *info, daos_prop_t *cont_prop,
    daos_event_t *ev);

/** Its owner and access control list, as properties that daos_prop_free frees. */
int daos_cont_get_acl(daos_handle_t coh, daos_prop_t **acl_prop, daos_event_t *ev);

/** Sets properties. */
int daos_cont_set_prop(daos_handle_t coh, daos_prop_t *prop, daos_event_t *ev);

/** Declares a container healthy again after more failures than it bears. */
int daos_cont_status_clear(daos_handle_t coh, daos_event_t *ev);

/** Replaces the access control list. */
int daos_cont_overwrite_acl(daos_handle_t coh, struct daos_acl *acl, daos_event_t *ev);

/** Adds entries to it, or replaces those for the same principals. */
int daos_cont_update_acl(daos_handle_t coh, struct daos_acl *acl, daos_event_t *ev);

/** Removes the entry of a principal. */
int daos_cont_delete_acl(daos_handle_t coh, enum daos_acl_principal_type type, d_string_t name,
    daos_event_t *ev);

/** Changes owner and group; NULL leaves one as it is. */
int daos_cont_set_owner(daos_handle_t coh, d_string_t user, d_string_t group, daos_event_t *ev);

/** The same for names that this host does not know. */
int daos_cont_set_owner_no_check(daos_handle_t coh, d_string_t user, d_string_t group,
    daos_event_t *ev);

/** Names of the attributes, each with its zero byte; *size is the room, then the length of all. */
int daos_cont_list_attr(daos_handle_t coh, char *buffer, size_t *size, daos_event_t *ev);

/** Reads n attributes; sizes are the room, then the lengths. */
int daos_cont_get_attr(daos_handle_t coh, int n, const char *const names[], void *const buffers[],
    size_t sizes[], daos_event_t *ev);

/** Sets n attributes. */
int daos_cont_set_attr(daos_handle_t coh, int n, const char *const names[],
    const void *const values[], const size_t sizes[], daos_event_t *ev);

/** Removes n attributes. */
int daos_cont_del_attr(daos_handle_t coh, int n, const char *const names[], daos_event_t *ev);

/** Reserves num_oids ids from *oid on that nobody else gets. */
int daos_cont_alloc_oids(daos_handle_t coh, daos_size_t num_oids, uint64_t *oid, daos_event_t *ev);

/** Merges versions up to an epoch. */
int daos_cont_aggregate(daos_handle_t coh, daos_epoch_t epoch, daos_event_t *ev);

/** Goes back to a snapshot. */
int daos_cont_rollback(daos_handle_t coh, daos_epoch_t epoch, daos_event_t *ev);

/** Waits for a snapshot later than an epoch. */
int daos_cont_subscribe(daos_handle_t coh, daos_epoch_t *epoch, daos_event_t *ev);

/** Makes a snapshot; its epoch to *epoch. */
int daos_cont_create_snap(daos_handle_t coh, daos_epoch_t *epoch, char *name, daos_event_t *ev);

/** The same with options. */
int daos_cont_create_snap_opt(daos_handle_t coh, daos_epoch_t *epoch, char *name,
    enum daos_snapshot_opts opts, daos_event_t *ev);

/** Lists snapshots; *nr is the room, then the number of all. */
int daos_cont_list_snap(daos_handle_t coh, int *nr, daos_epoch_t *epochs, char **names,
    daos_anchor_t *anchor, daos_event_t *ev);

/** Removes the snapshots in a range of epochs. */
int daos_cont_destroy_snap(daos_handle_t coh, daos_epoch_range_t epr, daos_event_t *ev);

/** What a user in those groups may do: DAOS_ACL_PERM_*. */
int daos_cont_get_perms(daos_prop_t *cont_prop, uid_t uid, gid_t *gids, size_t nr_gids,
    uint64_t *perms);

/** Makes the table of objects of a snapshot. */
int daos_cont_snap_oit_create(daos_handle_t coh, daos_epoch_t epoch, char *name, daos_event_t *ev);

/** Removes it. */
int daos_cont_snap_oit_destroy(daos_handle_t coh, daos_handle_t oh, daos_event_t *ev);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_CONT_H */
