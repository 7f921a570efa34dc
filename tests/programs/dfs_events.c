/* SPDX-License-Identifier: Apache-2.0 */
/* dfs_events POOL: one thread keeps 256 writes, then 256 reads of one file in flight. */
#include <daos.h>
#include <daos_fs.h>
#include <fcntl.h>

#include "check.h"

#define IN_FLIGHT 256
#define BLOCK 4096

static struct {
  daos_event_t event;
  d_sg_list_t sgl;
  d_iov_t iov;
  daos_size_t size;
  char data[BLOCK];
} ops[IN_FLIGHT];

static void wait_for_all(daos_handle_t queue) {
  daos_event_t *done[32];

  EXPECT(daos_eq_query(queue, DAOS_EQR_ALL, 0, NULL), IN_FLIGHT);
  for (int left = IN_FLIGHT; left > 0;) {
    int count = daos_eq_poll(queue, 1, DAOS_EQ_WAIT, 32, done);

    TRUE(count > 0);
    for (int i = 0; i < count; i++) OK(done[i]->ev_error);
    left -= count;
  }
}

int main(int argc, char **argv) {
  daos_handle_t queue;
  dfs_t *dfs;
  dfs_obj_t *file;

  TRUE(argc == 2);
  OK(dfs_init());
  OK(dfs_connect(argv[1], NULL, "dfs_events", O_RDWR | O_CREAT, NULL, &dfs));
  OK(daos_eq_create(&queue));
  OK(dfs_open(dfs, NULL, "file", S_IFREG | S_IRUSR | S_IWUSR, O_RDWR | O_CREAT, OC_SX, 1 << 16, NULL, &file));
  for (int i = 0; i < IN_FLIGHT; i++) {
    OK(daos_event_init(&ops[i].event, queue, NULL));
    memset(ops[i].data, i, BLOCK);
    d_iov_set(&ops[i].iov, ops[i].data, BLOCK);
    ops[i].sgl.sg_nr = 1;
    ops[i].sgl.sg_iovs = &ops[i].iov;
    OK(dfs_write(dfs, file, &ops[i].sgl, (daos_off_t)i * BLOCK, &ops[i].event));
  }
  wait_for_all(queue);
  for (int i = 0; i < IN_FLIGHT; i++) {
    memset(ops[i].data, 0, BLOCK);
    OK(dfs_read(dfs, file, &ops[i].sgl, (daos_off_t)i * BLOCK, &ops[i].size, &ops[i].event));
  }
  wait_for_all(queue);
  for (int i = 0; i < IN_FLIGHT; i++) {
    EXPECT(ops[i].size, BLOCK);
    EXPECT((unsigned char)ops[i].data[BLOCK - 1], i & 0xff);
    OK(daos_event_fini(&ops[i].event));
  }
  OK(daos_eq_destroy(queue, 0));
  OK(dfs_release(file));
  OK(dfs_disconnect(dfs));
  OK(dfs_destroy(argv[1], NULL, "dfs_events", 0, NULL));
  OK(dfs_fini());
  printf("dfs_events: %d in flight\n", IN_FLIGHT);
  return 0;
}
