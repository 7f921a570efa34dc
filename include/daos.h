/* SPDX-License-Identifier: Apache-2.0 */
/* The whole interface of libdaos: start here. */
/* Generated from tools/headers/daos.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_H
#define VARVE_DAOS_H

#include <daos_version.h>
#include <daos_errno.h>
#include <daos_types.h>
#include <daos_event.h>
#include <daos_security.h>
#include <daos_prop.h>
#include <daos_obj_class.h>
#include <daos_obj.h>
#include <daos_pool.h>
#include <daos_cont.h>
#include <daos_array.h>
#include <daos_kv.h>
#include <daos_mgmt.h>
#include <daos_api.h>
#include <daos_pipeline.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Starts the library; each call is undone by one daos_fini. */
int daos_init(void);

/** Ends the use of the library. */
int daos_fini(void);

/** Makes the library usable in a child after fork(). */
int daos_reinit(void);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_H */
