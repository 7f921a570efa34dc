/* SPDX-License-Identifier: Apache-2.0 */
/* DFS: a file system in a container, without a mount. Calls return 0 or a positive errno. */
/* Generated from tools/headers/daos_fs.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_FS_H
#define VARVE_DAOS_FS_H

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <daos.h>
#include <daos_array.h>

#define DFS_MAX_NAME 255
#define DFS_MAX_PATH 4096
#define DFS_MAX_FSIZE (~0ULL)
#define DFS_DEFAULT_CHUNK_SIZE (1 << 20)
#define DFS_MAX_XATTR_NAME 255
#define DFS_MAX_XATTR_LEN 65536
#define DAOS_SUPER_MAGIC 0xDA05AD10U
/** Modes of a file system: consistent for all clients; relaxed, which is faster. */
#define DFS_BALANCED 4
#define DFS_RELAXED 0
#define DFS_SET_ATTR_MODE (1 << 0)
#define DFS_SET_ATTR_ATIME (1 << 1)
#define DFS_SET_ATTR_MTIME (1 << 2)
#define DFS_SET_ATTR_SIZE (1 << 3)
#define DFS_SET_ATTR_UID (1 << 4)
#define DFS_SET_ATTR_GID (1 << 5)
/** Flags of a mount. */
#define DFS_RDONLY O_RDONLY
#define DFS_RDWR O_RDWR

#ifdef __cplusplus
extern "C" {
#endif

/** What a check of a file system does with objects that no path leads to. */
enum {
  DFS_CHECK_PRINT     = 1,
  DFS_CHECK_REMOVE    = 2,
  DFS_CHECK_RELINK    = 4,
  DFS_CHECK_VERIFY    = 8,
  DFS_CHECK_EVICT_ALL = 16,
};

/** What a predicate compares. */
enum {
  DFS_FILTER_NAME         = 2,
  DFS_FILTER_NEWER        = 4,
  DFS_FILTER_INCLUDE_DIRS = 8,
};

/** Attributes of a file system. */
typedef struct dfs_attr_t {
  uint64_t da_id;
  daos_size_t da_chunk_size;
  daos_oclass_id_t da_oclass_id;
  daos_prop_t *da_props;
  uint32_t da_mode;
  daos_oclass_id_t da_dir_oclass_id;
  daos_oclass_id_t da_file_oclass_id;
  char da_hints[128];
} dfs_attr_t;

/** Ranges of a file. */
typedef struct dfs_iod_t {
  daos_size_t iod_nr;
  daos_range_t *iod_rgs;
} dfs_iod_t;

/** How a file or directory is stored. */
typedef struct dfs_obj_info_t {
  daos_oclass_id_t doi_oclass_id;
  daos_size_t doi_chunk_size;
  daos_oclass_id_t doi_dir_oclass_id;
  daos_oclass_id_t doi_file_oclass_id;
  daos_obj_id_t doi_oid;
} dfs_obj_info_t;

/** What a filtered listing looks for. */
typedef struct dfs_predicate_t {
  char dp_name[255];
  time_t dp_newer;
  size_t dp_size;
} dfs_predicate_t;

/** An open file, directory or symbolic link. */
typedef struct dfs_obj dfs_obj_t;

/** A mounted file system. */
typedef struct dfs dfs_t;

/** Called for each entry of a directory; nonzero ends the listing. */
typedef int (*dfs_filler_cb_t)(dfs_t *, dfs_obj_t *, const char *, void *);

typedef struct dfs_pipeline dfs_pipeline_t;

/** Starts the library; each call is undone by one dfs_fini. */
int dfs_init(void);

/** Ends the use of the library. */
int dfs_fini(void);

/** Connects, opens and mounts at once; O_CREAT makes the container. */
int dfs_connect(const char *pool, const char *sys, const char *cont, int flags, dfs_attr_t *attr,
    dfs_t **dfs);

/** The same for a snapshot, by epoch or name. */
int dfs_connect_snap(const char *pool, const char *sys, const char *cont, int flags,
    daos_epoch_t epoch, const char *name, dfs_t **dfs);

/** Undoes dfs_connect. */
int dfs_disconnect(dfs_t *dfs);

/** Removes a file system and its container. */
int dfs_destroy(const char *pool, const char *sys, const char *cont, int force, daos_event_t *ev);

/** Makes a container with a file system; opens and mounts it if coh and dfs are given. */
int dfs_cont_create(daos_handle_t poh, uuid_t *uuid, dfs_attr_t *attr, daos_handle_t *coh,
    dfs_t **dfs);

/** The same with a label. */
int dfs_cont_create_with_label(daos_handle_t poh, const char *label, dfs_attr_t *attr, uuid_t *uuid,
    daos_handle_t *coh, dfs_t **dfs);

/** Mounts an open container: DFS_RDONLY or DFS_RDWR. */
int dfs_mount(daos_handle_t poh, daos_handle_t coh, int flags, dfs_t **dfs);

/** The same for a snapshot. */
int dfs_mount_snap(daos_handle_t poh, daos_handle_t coh, int flags, daos_epoch_t epoch,
    const char *name, dfs_t **dfs);

/** Ends a mount. */
int dfs_umount(dfs_t *dfs);

/** The mount's pool handle, until dfs_pool_put. */
int dfs_pool_get(dfs_t *dfs, daos_handle_t *poh);

/** Gives it back. */
int dfs_pool_put(dfs_t *dfs, daos_handle_t poh);

/** The mount's container handle, until dfs_cont_put. */
int dfs_cont_get(dfs_t *dfs, daos_handle_t *coh);

/** Gives it back. */
int dfs_cont_put(dfs_t *dfs, daos_handle_t coh);

/** Attributes of the file system. */
int dfs_query(dfs_t *dfs, dfs_attr_t *attr);

/** Describes the mount for other processes; with no buffer, tells the length. */
int dfs_local2global(dfs_t *dfs, d_iov_t *glob);

/** Uses the mount that another process described. */
int dfs_global2local(daos_handle_t poh, daos_handle_t coh, int flags, d_iov_t glob, dfs_t **dfs);

/** The same for pool, container and mount together. */
int dfs_local2global_all(dfs_t *dfs, d_iov_t *glob);

/** Uses all three. */
int dfs_global2local_all(int flags, d_iov_t glob, dfs_t **dfs);

/** A path under which the file system seems to be mounted; cut from paths that are looked up. */
int dfs_set_prefix(dfs_t *dfs, const char *prefix);

/** The id of the object behind. */
int dfs_obj2id(dfs_obj_t *obj, daos_obj_id_t *oid);

/** Opens what an absolute path names. */
int dfs_lookup(dfs_t *dfs, const char *path, int flags, dfs_obj_t **obj, mode_t *mode,
    struct stat *stbuf);

/** Opens what a name in an open directory names; parent NULL is the root. */
int dfs_lookup_rel(dfs_t *dfs, dfs_obj_t *parent, const char *name, int flags, dfs_obj_t **obj,
    mode_t *mode, struct stat *stbuf);

/** A class that fits hints such as `file:max,dir:single`. */
int dfs_suggest_oclass(dfs_t *dfs, const char *hint, daos_oclass_id_t *cid);

/**
 * Opens or makes a file, directory or symbolic link (by the type in mode) in an open directory;
 * parent NULL is the root.
 */
int dfs_open(dfs_t *dfs, dfs_obj_t *parent, const char *name, mode_t mode, int flags,
    daos_oclass_id_t cid, daos_size_t chunk_size, const char *value, dfs_obj_t **obj);

/** Another handle of the same. */
int dfs_dup(dfs_t *dfs, dfs_obj_t *obj, int flags, dfs_obj_t **new_obj);

/** Describes an open file for other processes; with no buffer, tells the length. */
int dfs_obj_local2global(dfs_t *dfs, dfs_obj_t *obj, d_iov_t *glob);

/** Opens what another process described. */
int dfs_obj_global2local(dfs_t *dfs, int flags, d_iov_t glob, dfs_obj_t **obj);

/** Closes. */
int dfs_release(dfs_obj_t *obj);

/** Reads from an offset; *read_size is what the file had. */
int dfs_read(dfs_t *dfs, dfs_obj_t *obj, d_sg_list_t *sgl, daos_off_t off, daos_size_t *read_size,
    daos_event_t *ev);

/** Reads ranges. */
int dfs_readx(dfs_t *dfs, dfs_obj_t *obj, dfs_iod_t *iod, d_sg_list_t *sgl, daos_size_t *read_size,
    daos_event_t *ev);

/** Writes at an offset. */
int dfs_write(dfs_t *dfs, dfs_obj_t *obj, d_sg_list_t *sgl, daos_off_t off, daos_event_t *ev);

/** Writes ranges. */
int dfs_writex(dfs_t *dfs, dfs_obj_t *obj, dfs_iod_t *iod, d_sg_list_t *sgl, daos_event_t *ev);

/** The size of a file. */
int dfs_get_size(dfs_t *dfs, dfs_obj_t *obj, daos_size_t *size);

/**
 * Removes a range; to the end and beyond if len is DFS_MAX_FSIZE, which sets the size to
 * offset.
 */
int dfs_punch(dfs_t *dfs, dfs_obj_t *obj, daos_off_t offset, daos_size_t len);

/** Lists a directory. */
int dfs_readdir(dfs_t *dfs, dfs_obj_t *obj, daos_anchor_t *anchor, uint32_t *nr,
    struct dirent *dirs);

/** The same, with what dfs_stat tells. */
int dfs_readdirplus(dfs_t *dfs, dfs_obj_t *obj, daos_anchor_t *anchor, uint32_t *nr,
    struct dirent *dirs, struct stat *stbufs);

/** Lists a directory to a callback. */
int dfs_iterate(dfs_t *dfs, dfs_obj_t *obj, daos_anchor_t *anchor, uint32_t *nr, size_t size,
    dfs_filler_cb_t op, void *arg);

/** Makes the anchor stand at that name. */
int dfs_dir_anchor_set(dfs_obj_t *obj, const char name[], daos_anchor_t *anchor);

/** Anchors for listing in parallel. */
int dfs_obj_anchor_split(dfs_obj_t *obj, uint32_t *nr, daos_anchor_t *anchors);

/** Makes the anchor the one with that index of a split. */
int dfs_obj_anchor_set(dfs_obj_t *obj, uint32_t index, daos_anchor_t *anchor);

/** Makes a directory. */
int dfs_mkdir(dfs_t *dfs, dfs_obj_t *parent, const char *name, mode_t mode, daos_oclass_id_t cid);

/** Removes; a directory that is not empty only if forced. */
int dfs_remove(dfs_t *dfs, dfs_obj_t *parent, const char *name, bool force, daos_obj_id_t *oid);

/** Renames, replacing what was there; its id to *oid. */
int dfs_move(dfs_t *dfs, dfs_obj_t *parent, const char *name, dfs_obj_t *new_parent,
    const char *new_name, daos_obj_id_t *oid);

/** Swaps two names. */
int dfs_exchange(dfs_t *dfs, dfs_obj_t *parent1, const char *name1, dfs_obj_t *parent2,
    const char *name2);

/** Type and permissions. */
int dfs_get_mode(dfs_obj_t *obj, mode_t *mode);

/** How it is stored. */
int dfs_obj_get_info(dfs_t *dfs, dfs_obj_t *obj, dfs_obj_info_t *info);

/** The class of what will be made in a directory. */
int dfs_obj_set_oclass(dfs_t *dfs, dfs_obj_t *obj, int flags, daos_oclass_id_t cid);

/** The chunk size of what will be made in a directory. */
int dfs_obj_set_chunk_size(dfs_t *dfs, dfs_obj_t *obj, int flags, daos_size_t csize);

/** The array handle behind a file. */
int dfs_get_file_oh(dfs_obj_t *obj, daos_handle_t *oh);

/** The chunk size of a file. */
int dfs_get_chunk_size(dfs_obj_t *obj, daos_size_t *chunk_size);

/** Where a link points; *size is the room, then the length with its zero byte. */
int dfs_get_symlink_value(dfs_obj_t *obj, char *buf, daos_size_t *size);

/** Tells an open file its new directory and name, taken from another handle. */
int dfs_update_parent(dfs_obj_t *obj, dfs_obj_t *src_obj, const char *name);

/** What stat() tells of a name. */
int dfs_stat(dfs_t *dfs, dfs_obj_t *parent, const char *name, struct stat *stbuf);

/** The same of an open file. */
int dfs_ostat(dfs_t *dfs, dfs_obj_t *obj, struct stat *stbuf);

/** Sets what DFS_SET_ATTR_* names; the result comes back in stbuf. */
int dfs_osetattr(dfs_t *dfs, dfs_obj_t *obj, struct stat *stbuf, int flags);

/** What access() tells. */
int dfs_access(dfs_t *dfs, dfs_obj_t *parent, const char *name, int mask);

/** Changes permissions. */
int dfs_chmod(dfs_t *dfs, dfs_obj_t *parent, const char *name, mode_t mode);

/** Changes owner and group; (uid_t)-1 leaves one as it is. */
int dfs_chown(dfs_t *dfs, dfs_obj_t *parent, const char *name, uid_t uid, gid_t gid, int flags);

/** Returns when all that was written is safe. */
int dfs_sync(dfs_t *dfs);

/** Sets an extended attribute. */
int dfs_setxattr(dfs_t *dfs, dfs_obj_t *obj, const char *name, const void *value, daos_size_t size,
    int flags);

/** Reads one; *size is the room, then the length. */
int dfs_getxattr(dfs_t *dfs, dfs_obj_t *obj, const char *name, void *value, daos_size_t *size);

/** Removes one. */
int dfs_removexattr(dfs_t *dfs, dfs_obj_t *obj, const char *name);

/** Lists names, each with its zero byte; *size is the room, then the length of all. */
int dfs_listxattr(dfs_t *dfs, dfs_obj_t *obj, char *list, daos_size_t *size);

/** Looks for objects that no path leads to. */
int dfs_cont_check(daos_handle_t poh, const char *cont, uint64_t flags, const char *name);

/** Changes the owner of the container and of the root directory. */
int dfs_cont_set_owner(daos_handle_t coh, d_string_t user, uid_t uid, d_string_t group, gid_t gid);

/** The size of a file that is known by its object. */
int dfs_get_size_by_oid(dfs_t *dfs, daos_obj_id_t oid, daos_size_t chunk_size, daos_size_t *size);

/** Makes a filter for dfs_readdir_with_filter. */
int dfs_pipeline_create(dfs_t *dfs, dfs_predicate_t pred, uint64_t flags, dfs_pipeline_t **dpipe);

/** Frees it. */
int dfs_pipeline_destroy(dfs_pipeline_t *dpipe);

/** Lists what the filter lets pass. */
int dfs_readdir_with_filter(dfs_t *dfs, dfs_obj_t *obj, dfs_pipeline_t *dpipe,
    daos_anchor_t *anchor, uint32_t *nr, struct dirent *dirs, daos_obj_id_t *oids,
    daos_size_t *csizes, uint64_t *nr_scanned);

/** Counts and prints what a file system holds. */
int dfs_cont_scan(daos_handle_t poh, const char *cont, uint64_t flags, const char *name);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_FS_H */
