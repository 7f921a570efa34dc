/* SPDX-License-Identifier: Apache-2.0 */
/* DFS by absolute paths, with a cache of open directories. */
/* Generated from tools/headers/daos_fs_sys.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_FS_SYS_H
#define VARVE_DAOS_FS_SYS_H

#include <dirent.h>
#include <time.h>

#include <daos_fs.h>

/** Flags of such a mount: no cache of directories; the caller locks. */
#define DFS_SYS_NO_CACHE 1
#define DFS_SYS_NO_LOCK 2

#ifdef __cplusplus
extern "C" {
#endif

/** A mounted file system that is used by absolute paths. Errors are positive errno values. */
typedef struct dfs_sys dfs_sys_t;

/** As dfs_connect. */
int dfs_sys_connect(const char *pool, const char *sys, const char *cont, int mflags, int sflags,
    dfs_attr_t *attr, dfs_sys_t **dfs_sys);

/** As dfs_disconnect. */
int dfs_sys_disconnect(dfs_sys_t *dfs_sys);

/** As dfs_local2global_all. */
int dfs_sys_local2global_all(dfs_sys_t *dfs_sys, d_iov_t *glob);

/** As dfs_global2local_all. */
int dfs_sys_global2local_all(int mflags, int sflags, d_iov_t glob, dfs_sys_t **dfs_sys);

/** As dfs_mount. */
int dfs_sys_mount(daos_handle_t poh, daos_handle_t coh, int mflags, int sflags,
    dfs_sys_t **dfs_sys);

/** As dfs_umount. */
int dfs_sys_umount(dfs_sys_t *dfs_sys);

/** As dfs_set_prefix. */
int dfs_sys_set_prefix(dfs_sys_t *dfs_sys, const char *prefix);

/** As dfs_local2global. */
int dfs_sys_local2global(dfs_sys_t *dfs_sys, d_iov_t *glob);

/** As dfs_global2local. */
int dfs_sys_global2local(daos_handle_t poh, daos_handle_t coh, int mflags, int sflags, d_iov_t glob,
    dfs_sys_t **dfs_sys);

/** The mount behind, which stays the library's. */
int dfs_sys2base(dfs_sys_t *dfs_sys, dfs_t **dfs);

/** As faccessat(); flags may have O_NOFOLLOW. */
int dfs_sys_access(dfs_sys_t *dfs_sys, const char *path, int mask, int flags);

/** As chmod(). */
int dfs_sys_chmod(dfs_sys_t *dfs_sys, const char *path, mode_t mode);

/** As chown(); flags may have O_NOFOLLOW. */
int dfs_sys_chown(dfs_sys_t *dfs_sys, const char *path, uid_t uid, gid_t gid, int flags);

/** As dfs_osetattr. */
int dfs_sys_setattr(dfs_sys_t *dfs_sys, const char *path, struct stat *stbuf, int flags,
    int sflags);

/** As utimensat(). */
int dfs_sys_utimens(dfs_sys_t *dfs_sys, const char *path, const struct timespec times[2],
    int flags);

/** As stat(), or lstat() with O_NOFOLLOW. */
int dfs_sys_stat(dfs_sys_t *dfs_sys, const char *path, int flags, struct stat *stbuf);

/** Makes a file. */
int dfs_sys_mknod(dfs_sys_t *dfs_sys, const char *path, mode_t mode, daos_oclass_id_t cid,
    daos_size_t chunk_size);

/** As dfs_listxattr. */
int dfs_sys_listxattr(dfs_sys_t *dfs_sys, const char *path, char *list, daos_size_t *size,
    int flags);

/** As dfs_getxattr. */
int dfs_sys_getxattr(dfs_sys_t *dfs_sys, const char *path, const char *name, void *value,
    daos_size_t *size, int flags);

/** As dfs_setxattr. */
int dfs_sys_setxattr(dfs_sys_t *dfs_sys, const char *path, const char *name, const void *value,
    daos_size_t size, int flags, int sflags);

/** As dfs_removexattr. */
int dfs_sys_removexattr(dfs_sys_t *dfs_sys, const char *path, const char *name, int flags);

/** As dfs_get_symlink_value. */
int dfs_sys_readlink(dfs_sys_t *dfs_sys, const char *path, char *buf, daos_size_t *size);

/** As symlink(). */
int dfs_sys_symlink(dfs_sys_t *dfs_sys, const char *target, const char *path);

/** As open(), with class and chunk size. */
int dfs_sys_open(dfs_sys_t *dfs_sys, const char *path, mode_t mode, int flags, daos_oclass_id_t cid,
    daos_size_t chunk_size, const char *value, dfs_obj_t **obj);

/** Closes. */
int dfs_sys_close(dfs_obj_t *obj);

/** Reads; *size is the length wanted, then the length read. */
int dfs_sys_read(dfs_sys_t *dfs_sys, dfs_obj_t *obj, void *buf, daos_off_t off, daos_size_t *size,
    daos_event_t *ev);

/** Writes; *size is the length. */
int dfs_sys_write(dfs_sys_t *dfs_sys, dfs_obj_t *obj, const void *buf, daos_off_t off,
    daos_size_t *size, daos_event_t *ev);

/** As dfs_punch. */
int dfs_sys_punch(dfs_sys_t *dfs_sys, const char *path, daos_off_t offset, daos_off_t len);

/** As dfs_remove. */
int dfs_sys_remove(dfs_sys_t *dfs_sys, const char *path, bool force, daos_obj_id_t *oid);

/** The same, if it is of the type in mode. */
int dfs_sys_remove_type(dfs_sys_t *dfs_sys, const char *path, bool force, mode_t mode,
    daos_obj_id_t *oid);

/** As mkdir(). */
int dfs_sys_mkdir(dfs_sys_t *dfs_sys, const char *dir, mode_t mode, daos_oclass_id_t cid);

/** The same, with the directories above it. */
int dfs_sys_mkdir_p(dfs_sys_t *dfs_sys, const char *dir_path, mode_t mode, daos_oclass_id_t cid);

/** As opendir(); the DIR is for the two below only. */
int dfs_sys_opendir(dfs_sys_t *dfs_sys, const char *dir, int flags, DIR **dirp);

/** As closedir(). */
int dfs_sys_closedir(DIR *dirp);

/** As readdir(); *dirent is NULL at the end. */
int dfs_sys_readdir(dfs_sys_t *dfs_sys, DIR *dirp, struct dirent **dirent);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_FS_SYS_H */
