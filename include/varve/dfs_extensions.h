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

/** Limits (0: none) of what a directory and all below it, or a user, may take; and what that is now. */
struct varve_dfs_quota {
  uint64_t bytes_limit, files_limit;
  /** Files by their size, in steps of an eighth of it; entries of all kinds. With what mounts keep ready: up to 1/16 of a limit each. */
  uint64_t bytes_used, files_used;
};

/**
 * Limits a directory (NULL: the root) with all that is below it; subdirectories can have quotas of their own beside. Beyond a limit calls
 * end with EDQUOT. Both limits 0: no quota any more. A new quota counts what is there first, which takes a second and a look at every entry:
 * what others make or remove meanwhile may count twice, until varve_dfs_check has counted anew. Only the limits of *quota are read.
 */
int varve_dfs_set_quota(dfs_t *dfs, dfs_obj_t *directory, const struct varve_dfs_quota *quota);
/** ENODATA: the directory has no quota of its own. */
int varve_dfs_get_quota(dfs_t *dfs, dfs_obj_t *directory, struct varve_dfs_quota *quota);
/** The same of what belongs to a user, anywhere in the file system. */
int varve_dfs_set_user_quota(dfs_t *dfs, uid_t user, const struct varve_dfs_quota *quota);
int varve_dfs_get_user_quota(dfs_t *dfs, uid_t user, struct varve_dfs_quota *quota);

/** What a check found and did. */
struct varve_dfs_check_report {
  uint64_t directories, files, links;
  /** Objects that no path leads to; how many were linked again or removed. */
  uint64_t leaked, relinked, removed;
  /** Names without an entry; names that a file with several ones lost; files whose data was not known. */
  uint64_t ghosts, stale_names, unmarked;
  /** Files that were removed while a mount had them open, or may have; quotas that did not count what there is. */
  uint64_t orphans, quotas;
};

/**
 * dfs_cont_check on a mount that nobody else uses: flags of DFS_CHECK_*, and where to link to below /lost+found (NULL: the time).
 * DFS_CHECK_VERIFY reads all there is besides: EIO if something is damaged. DFS_CHECK_EVICT_ALL is refused with ENOSYS: no call closes
 * another's handles of a container.
 */
int varve_dfs_check(dfs_t *dfs, uint64_t flags, const char *name,
    struct varve_dfs_check_report *report);

/**
 * Makes a container's superblock anew, with these attributes (NULL: the defaults), where it is damaged or gone; nothing else changes. EEXIST:
 * it is good.
 */
int varve_dfs_recreate_superblock(daos_handle_t coh, const dfs_attr_t *attr);
/** Makes the root directory's entry anew where it is damaged or gone: what was in it is there again. EEXIST: it is good. */
int varve_dfs_relink_root(daos_handle_t coh);
/** Gives an entry the type that its object has. EALREADY: it has it. */
int varve_dfs_fix_type(dfs_t *dfs, dfs_obj_t *parent, const char *name);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DFS_EXTENSIONS_H */
