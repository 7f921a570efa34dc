/* SPDX-License-Identifier: Apache-2.0 */
/* simple_array POOL: an array of 8-byte cells, written in strides, read back whole, cut and punched. */
#include <daos.h>

#include "check.h"

#define CELLS 100000
#define STRIDES 4

static uint64_t written[CELLS], seen[CELLS];

int main(int argc, char **argv) {
  daos_handle_t pool, container, array;
  daos_obj_id_t oid = {.lo = 42, .hi = 0};
  daos_array_iod_t iod;
  daos_range_t range;
  daos_array_stbuf_t status;
  daos_size_t size = 0, cell = 0, chunk = 0;
  d_sg_list_t sgl;
  d_iov_t iov;

  TRUE(argc == 2);
  OK(daos_init());
  OK(daos_pool_connect(argv[1], NULL, DAOS_PC_RW, &pool, NULL, NULL));
  OK(daos_cont_create_with_label(pool, "simple_array", NULL, NULL, NULL));
  OK(daos_cont_open(pool, "simple_array", DAOS_COO_RW, &container, NULL, NULL));
  OK(daos_array_generate_oid(container, &oid, true, OC_SX, 0, 0));
  OK(daos_array_create(container, oid, DAOS_TX_NONE, sizeof(uint64_t), 4096, &array, NULL));

  for (size_t i = 0; i < CELLS; i++) written[i] = i * 0x9e3779b97f4a7c15u;
  sgl.sg_nr = 1;
  sgl.sg_iovs = &iov;
  iod.arr_nr = 1;
  iod.arr_rgs = &range;
  for (size_t i = 0; i < STRIDES; i++) {
    range.rg_idx = i * (CELLS / STRIDES);
    range.rg_len = CELLS / STRIDES;
    d_iov_set(&iov, written + range.rg_idx, range.rg_len * sizeof(uint64_t));
    OK(daos_array_write(array, DAOS_TX_NONE, &iod, &sgl, NULL));
  }
  OK(daos_array_get_size(array, DAOS_TX_NONE, &size, NULL));
  EXPECT(size, CELLS);
  OK(daos_array_close(array, NULL));

  OK(daos_array_open(container, oid, DAOS_TX_NONE, DAOS_OO_RW, &cell, &chunk, &array, NULL));
  EXPECT(cell, sizeof(uint64_t));
  EXPECT(chunk, 4096);
  range.rg_idx = 0;
  range.rg_len = CELLS;
  d_iov_set(&iov, seen, sizeof(seen));
  OK(daos_array_read(array, DAOS_TX_NONE, &iod, &sgl, NULL));
  OK(memcmp(written, seen, sizeof(seen)));

  range.rg_idx = 1000;
  range.rg_len = 1000;
  OK(daos_array_punch(array, DAOS_TX_NONE, &iod, NULL));
  OK(daos_array_set_size(array, DAOS_TX_NONE, CELLS / 2, NULL));
  OK(daos_array_stat(array, DAOS_TX_NONE, &status, NULL));
  EXPECT(status.st_size, CELLS / 2);
  memset(seen, 0xff, sizeof(seen));
  range.rg_idx = 0;
  range.rg_len = CELLS / 2;
  d_iov_set(&iov, seen, sizeof(seen) / 2);
  OK(daos_array_read(array, DAOS_TX_NONE, &iod, &sgl, NULL));
  for (size_t i = 0; i < CELLS / 2; i++) {
    /* What is short-fetched leaves memory as it was: punched cells are zeroes. */
    uint64_t wanted = i >= 1000 && i < 2000 ? 0 : written[i];
    TRUE(seen[i] == wanted);
  }
  OK(daos_array_destroy(array, DAOS_TX_NONE, NULL));
  OK(daos_array_close(array, NULL));
  EXPECT(daos_array_open(container, oid, DAOS_TX_NONE, DAOS_OO_RO, &cell, &chunk, &array, NULL),
         -DER_NONEXIST);
  OK(daos_cont_close(container, NULL));
  OK(daos_cont_destroy(pool, "simple_array", 0, NULL));
  OK(daos_pool_disconnect(pool, NULL));
  OK(daos_fini());
  printf("simple_array: %d cells\n", CELLS);
  return 0;
}
