/* SPDX-License-Identifier: Apache-2.0 */
/* What a program may ask of the system itself. */
/* Generated from tools/headers/daos_mgmt.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_MGMT_H
#define VARVE_DAOS_MGMT_H

#include <daos_event.h>
#include <daos_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What daos_debug_set_params sets. */
enum {
  DMG_KEY_FAIL_LOC   = 0,
  DMG_KEY_FAIL_VALUE = 1,
  DMG_KEY_FAIL_NUM   = 2,
  DMG_KEY_NUM        = 3,
};

/** A pool of the system. */
typedef struct daos_mgmt_pool_info_t {
  uuid_t mgpi_uuid;
  d_string_t mgpi_label;
  d_rank_list_t *mgpi_svc;
  d_rank_t mgpi_ldr;
} daos_mgmt_pool_info_t;

/** What a client needs to know of a system, freed by daos_mgmt_put_sys_info. */
int daos_mgmt_get_sys_info(const char *sys, struct daos_sys_info **info);

/** Frees it. */
void daos_mgmt_put_sys_info(struct daos_sys_info *info);

/** Stops the leader of a pool's service, for tests. */
int daos_pool_stop_svc(daos_handle_t poh, daos_event_t *ev);

/** Lists pools; *npools is the room, then the number of all. */
int daos_mgmt_list_pools(const char *group, daos_size_t *npools, daos_mgmt_pool_info_t *pools,
    daos_event_t *ev);

/** Sets a parameter of the servers, for tests. */
int daos_debug_set_params(const char *grp, d_rank_t rank, unsigned int key_id, uint64_t value,
    uint64_t value_extra, daos_event_t *ev);

/** Puts a line into the logs. */
int daos_debug_add_mark(const char *mark);

/** The state of a device, for tests. */
int daos_mgmt_get_bs_state(const char *group, uuid_t blobstore_uuid, int *blobstore_state,
    daos_event_t *ev);

/** The version of the servers. */
int dc_mgmt_srv_version(uint32_t *major, uint32_t *minor, uint32_t *patch, char **tag);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_MGMT_H */
