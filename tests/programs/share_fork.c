/* SPDX-License-Identifier: Apache-2.0 */
/* share_fork POOL: sixteen processes use the pool, container and array handles that one of them opened. */
#include <daos.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define PROCESSES 16
#define CELLS 65536

static void send_handle(int pipe, int (*describe)(daos_handle_t, d_iov_t *), daos_handle_t handle) {
  d_iov_t iov = {0};
  uint64_t length;

  OK(describe(handle, &iov));
  length = iov.iov_buf_len;
  iov.iov_buf = malloc(length);
  OK(describe(handle, &iov));
  EXPECT(write(pipe, &length, sizeof(length)), sizeof(length));
  EXPECT(write(pipe, iov.iov_buf, length), length);
  free(iov.iov_buf);
}

static d_iov_t receive_handle(int pipe) {
  d_iov_t iov;
  uint64_t length;

  EXPECT(read(pipe, &length, sizeof(length)), sizeof(length));
  iov.iov_buf = malloc(length);
  EXPECT(read(pipe, iov.iov_buf, length), length);
  iov.iov_len = iov.iov_buf_len = length;
  return iov;
}

static void move(daos_handle_t array, bool write, uint64_t first, uint64_t count, uint32_t *cells) {
  daos_range_t range = {.rg_idx = first, .rg_len = count};
  daos_array_iod_t iod = {.arr_nr = 1, .arr_rgs = &range};
  d_iov_t iov;
  d_sg_list_t sgl = {.sg_nr = 1, .sg_iovs = &iov};

  d_iov_set(&iov, cells, count * sizeof(*cells));
  if (write)
    OK(daos_array_write(array, DAOS_TX_NONE, &iod, &sgl, NULL));
  else
    OK(daos_array_read(array, DAOS_TX_NONE, &iod, &sgl, NULL));
}

static void child(int number, int pipe) {
  daos_handle_t pool, container, array;
  daos_cont_info_t info;
  d_iov_t iov;
  static uint32_t cells[CELLS / PROCESSES];

  OK(daos_init());
  iov = receive_handle(pipe);
  OK(daos_pool_global2local(iov, &pool));
  free(iov.iov_buf);
  iov = receive_handle(pipe);
  OK(daos_cont_global2local(pool, iov, &container));
  free(iov.iov_buf);
  iov = receive_handle(pipe);
  OK(daos_array_global2local(container, iov, 0, &array));
  free(iov.iov_buf);
  OK(daos_cont_query(container, &info, NULL, NULL));
  EXPECT(info.ci_nhandles, 1);
  for (size_t i = 0; i < CELLS / PROCESSES; i++) cells[i] = (uint32_t)(number * 1000003 + (int)i);
  move(array, true, (uint64_t)number * (CELLS / PROCESSES), CELLS / PROCESSES, cells);
  /* What is imported is closed by each process for itself: the others go on. */
  OK(daos_array_close(array, NULL));
  OK(daos_cont_close(container, NULL));
  OK(daos_pool_disconnect(pool, NULL));
  OK(daos_fini());
  exit(0);
}

int main(int argc, char **argv) {
  daos_handle_t pool, container, array;
  daos_obj_id_t oid = {.lo = 5, .hi = 0};
  static uint32_t cells[CELLS];
  int pipes[PROCESSES][2];
  pid_t processes[PROCESSES];

  TRUE(argc == 2);
  for (int i = 0; i < PROCESSES; i++) {
    OK(pipe(pipes[i]));
    processes[i] = fork();
    TRUE(processes[i] >= 0);
    if (processes[i] == 0) child(i, pipes[i][0]);
  }
  OK(daos_init());
  OK(daos_pool_connect(argv[1], NULL, DAOS_PC_RW, &pool, NULL, NULL));
  OK(daos_cont_create_with_label(pool, "share_fork", NULL, NULL, NULL));
  OK(daos_cont_open(pool, "share_fork", DAOS_COO_RW, &container, NULL, NULL));
  OK(daos_array_generate_oid(container, &oid, true, OC_SX, 0, 0));
  OK(daos_array_create(container, oid, DAOS_TX_NONE, sizeof(uint32_t), 1024, &array, NULL));
  for (int i = 0; i < PROCESSES; i++) {
    send_handle(pipes[i][1], daos_pool_local2global, pool);
    send_handle(pipes[i][1], daos_cont_local2global, container);
    send_handle(pipes[i][1], daos_array_local2global, array);
  }
  for (int i = 0; i < PROCESSES; i++) {
    int status;

    EXPECT(waitpid(processes[i], &status, 0), processes[i]);
    EXPECT(status, 0);
  }
  move(array, false, 0, CELLS, cells);
  for (int i = 0; i < CELLS; i++) {
    int number = i / (CELLS / PROCESSES), at = i % (CELLS / PROCESSES);

    EXPECT(cells[i], (uint32_t)(number * 1000003 + at));
  }
  OK(daos_array_close(array, NULL));
  OK(daos_cont_close(container, NULL));
  OK(daos_cont_destroy(pool, "share_fork", 0, NULL));
  OK(daos_pool_disconnect(pool, NULL));
  OK(daos_fini());
  printf("share_fork: %d processes\n", PROCESSES);
  return 0;
}
