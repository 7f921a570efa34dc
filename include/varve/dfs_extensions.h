/* SPDX-License-Identifier: Apache-2.0 */
/* What Varve's file systems can do beyond daos_fs.h. Calls return 0 or a positive errno. */
#ifndef VARVE_DFS_EXTENSIONS_H
#define VARVE_DFS_EXTENSIONS_H

#include <daos_fs.h>

#ifdef __cplusplus
extern "C" {
#endif

/** As link(): another name for a file. NULL parents are the root. EPERM: a directory. */
int varve_dfs_link(dfs_t *dfs, dfs_obj_t *parent, const char *name, dfs_obj_t *new_parent,
    const char *new_name);

/**
 * Writes at the end of the file, wherever that is by then: what many clients append at the same time lies there whole, one behind the
 * other, and so it does if one of them is killed. *offset (may be NULL): where it came to lie. More than a chunk at once is appended
 * chunk by chunk.
 */
int varve_dfs_append(dfs_t *dfs, dfs_obj_t *obj, d_sg_list_t *sgl, daos_off_t *offset);

/**
 * As flock(), across clients: LOCK_SH, LOCK_EX or LOCK_UN of sys/file.h, with LOCK_NB to get EWOULDBLOCK instead of waiting; a wait ends
 * after the session's deadline with ETIMEDOUT. The handle owns the lock; dfs_release gives it back. It is a lease: a holder that neither
 * is killed nor calls varve_dfs_flock_refresh in time loses it.
 */
int varve_dfs_flock(dfs_t *dfs, dfs_obj_t *obj, int operation);

/** Renews the handle's lock for another lease (*lease_ms, may be NULL). ENOLCK: it was lost. */
int varve_dfs_flock_refresh(dfs_t *dfs, dfs_obj_t *obj, uint32_t *lease_ms);

/** What there is room for. Of the pool; with VARVE_DFS_COUNT also what the file system holds, object by object. */
struct varve_dfs_space {
  uint64_t pool_bytes, pool_free_bytes;
  /** Bytes of all files, holes left out; and how many objects (files with data, directories) there are. */
  uint64_t file_bytes, objects;
};
#define VARVE_DFS_COUNT 1
int varve_dfs_space(dfs_t *dfs, uint64_t flags, struct varve_dfs_space *space);

/**
 * As statvfs(), in blocks of 512 bytes: the pool's room and what is free of it. f_files is 0: there may be as many as there is room for.
 */
struct statvfs;
int varve_dfs_statfs(dfs_t *dfs, struct statvfs *status);

/** What a check found and did. */
struct varve_dfs_check_report {
  uint64_t directories, files, links;
  /** Objects that no path leads to; how many were linked again or removed. */
  uint64_t leaked, relinked, removed;
  /** Names without an entry; names that a file with several ones lost; files whose data was not known. */
  uint64_t ghosts, stale_names, unmarked;
};

/**
 * dfs_cont_check on a mount that nobody else uses: flags of DFS_CHECK_*, and where to link to below /lost+found (NULL: the time).
 */
int varve_dfs_check(dfs_t *dfs, uint64_t flags, const char *name,
    struct varve_dfs_check_report *report);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DFS_EXTENSIONS_H */
