/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of a unified name space: a directory or file that stands for a container. */
/* Generated from tools/headers/daos_uns.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_UNS_H
#define VARVE_DAOS_UNS_H

#include <daos.h>

#define DUNS_XATTR_NAME "user.daos"
#define DUNS_MAX_XATTR_LEN 170
#define DUNS_XATTR_FMT "DAOS.%s://%36s/%36s"
#define DUNS_LUSTRE_XATTR_FMT "%36s/%36s"

#ifdef __cplusplus
extern "C" {
#endif

/** How a path is resolved. */
enum {
  DUNS_NO_PREFIX         = 1,
  DUNS_NO_REVERSE_LOOKUP = 2,
  DUNS_NO_CHECK_PATH     = 4,
};

/** The container that a path stands for, and where in it. */
struct duns_attr_t {
  daos_cont_layout_t da_type;
  daos_oclass_id_t da_oclass_id;
  daos_size_t da_chunk_size;
  daos_prop_t *da_props;
  uint32_t da_flags;
  char da_pool[128];
  char da_cont[128];
  char *da_sys;
  char *da_rel_path;
  bool da_on_lustre;
  bool da_no_prefix;
  uuid_t da_puuid;
  uuid_t da_cuuid;
  daos_oclass_id_t da_dir_oclass_id;
  daos_oclass_id_t da_file_oclass_id;
  char da_hints[128];
};

/** Makes a container and a path that stands for it. */
int duns_create_path(daos_handle_t poh, const char *path, struct duns_attr_t *attrp);

/** The container of a path, `daos://pool/container/path` or one of the host's. */
int duns_resolve_path(const char *path, struct duns_attr_t *attr);

/** Removes a path and its container. */
int duns_destroy_path(daos_handle_t poh, const char *path);

/** Parses the value of DUNS_XATTR_NAME. */
int duns_parse_attr(char *str, daos_size_t len, struct duns_attr_t *attr);

/** Sets the system's name in attributes. */
int duns_set_sys_name(struct duns_attr_t *attrp, const char *sys);

/** Frees what the attributes hold. */
void duns_destroy_attr(struct duns_attr_t *attrp);

/** Makes a path for a container that is there. */
int duns_link_cont(daos_handle_t poh, const char *cont, const char *path);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_UNS_H */
