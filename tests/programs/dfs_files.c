/* SPDX-License-Identifier: Apache-2.0 */
/* dfs_files POOL: directories, files, links, renames and listings of a file system. */
#include <daos.h>
#include <daos_fs.h>
#include <errno.h>
#include <fcntl.h>

#include "check.h"

int main(int argc, char **argv) {
  daos_handle_t pool, container;
  dfs_t *dfs;
  dfs_obj_t *directory, *file, *link;
  d_sg_list_t sgl;
  d_iov_t iov;
  daos_size_t size;
  daos_anchor_t anchor = {0};
  struct dirent entries[16];
  struct stat status;
  uuid_t uuid;
  char text[] = "what is in the file", got[64], name[32], target[32];
  mode_t mode;
  unsigned listed = 0;

  TRUE(argc == 2);
  OK(daos_init());
  OK(dfs_init());
  OK(daos_pool_connect(argv[1], NULL, DAOS_PC_RW, &pool, NULL, NULL));
  OK(dfs_cont_create_with_label(pool, "dfs_files", NULL, &uuid, &container, &dfs));
  OK(dfs_mkdir(dfs, NULL, "directory", S_IRWXU, 0));
  EXPECT(dfs_mkdir(dfs, NULL, "directory", S_IRWXU, 0), EEXIST);
  OK(dfs_lookup(dfs, "/directory", O_RDWR, &directory, &mode, NULL));
  TRUE(S_ISDIR(mode));
  for (int i = 0; i < 100; i++) {
    snprintf(name, sizeof(name), "file%d", i);
    OK(dfs_open(dfs, directory, name, S_IFREG | S_IRUSR | S_IWUSR, O_RDWR | O_CREAT | O_EXCL, 0, 0,
                NULL, &file));
    d_iov_set(&iov, text, strlen(text));
    sgl.sg_nr = 1;
    sgl.sg_iovs = &iov;
    OK(dfs_write(dfs, file, &sgl, (daos_off_t)i * 1000, NULL));
    OK(dfs_release(file));
  }
  OK(dfs_lookup(dfs, "/directory/file7", O_RDONLY, &file, &mode, &status));
  EXPECT(status.st_size, 7000 + strlen(text));
  d_iov_set(&iov, got, sizeof(got));
  OK(dfs_read(dfs, file, &sgl, 7000, &size, NULL));
  EXPECT(size, strlen(text));
  OK(memcmp(got, text, size));
  OK(dfs_get_size(dfs, file, &size));
  EXPECT(size, 7000 + strlen(text));
  OK(dfs_release(file));
  while (!daos_anchor_is_eof(&anchor)) {
    uint32_t nr = 16;

    OK(dfs_readdir(dfs, directory, &anchor, &nr, entries));
    listed += nr;
  }
  EXPECT(listed, 100);
  OK(dfs_open(dfs, NULL, "link", S_IFLNK, O_RDWR | O_CREAT, 0, 0, "directory/file1", &link));
  size = sizeof(target);
  OK(dfs_get_symlink_value(link, target, &size));
  OK(strcmp(target, "directory/file1"));
  OK(dfs_release(link));
  OK(dfs_move(dfs, directory, "file1", NULL, "moved", NULL));
  EXPECT(dfs_stat(dfs, directory, "file1", &status), ENOENT);
  OK(dfs_stat(dfs, NULL, "moved", &status));
  EXPECT(dfs_remove(dfs, NULL, "directory", false, NULL), ENOTEMPTY);
  OK(dfs_remove(dfs, NULL, "directory", true, NULL));
  OK(dfs_release(directory));
  OK(dfs_umount(dfs));
  OK(daos_cont_close(container, NULL));
  OK(daos_cont_destroy(pool, "dfs_files", 0, NULL));
  OK(daos_pool_disconnect(pool, NULL));
  OK(dfs_fini());
  OK(daos_fini());
  printf("dfs_files: %u files\n", listed);
  return 0;
}
