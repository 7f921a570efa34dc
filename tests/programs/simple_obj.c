/* SPDX-License-Identifier: Apache-2.0 */
/* simple_obj POOL: single values and extents of one object; two akeys in one call; punches; queries. */
#include <daos.h>

#include "check.h"

static void single(daos_iod_t *iod, d_sg_list_t *sgl, d_iov_t *iov, char *akey, void *data, size_t size) {
  memset(iod, 0, sizeof(*iod));
  d_iov_set(&iod->iod_name, akey, strlen(akey));
  iod->iod_type = DAOS_IOD_SINGLE;
  iod->iod_nr = 1;
  iod->iod_size = size;
  d_iov_set(iov, data, size);
  sgl->sg_nr = 1;
  sgl->sg_nr_out = 0;
  sgl->sg_iovs = iov;
}

int main(int argc, char **argv) {
  daos_handle_t pool, container, object;
  daos_obj_id_t oid = {.lo = 7, .hi = 0};
  daos_key_t dkey, akeys[1];
  daos_iod_t iods[2];
  daos_recx_t recx = {.rx_idx = 10, .rx_nr = 5};
  d_sg_list_t sgls[2];
  d_iov_t iovs[2];
  char name[32] = "a single value", extent[] = "12345", got[32] = "", got_extent[8] = "";
  char integer_key[] = "row 1";

  TRUE(argc == 2);
  OK(daos_init());
  OK(daos_pool_connect(argv[1], NULL, DAOS_PC_RW, &pool, NULL, NULL));
  OK(daos_cont_create_with_label(pool, "simple_obj", NULL, NULL, NULL));
  OK(daos_cont_open(pool, "simple_obj", DAOS_COO_RW, &container, NULL, NULL));
  OK(daos_obj_generate_oid(container, &oid, DAOS_OT_MULTI_HASHED, OC_S1, 0, 0));
  OK(daos_obj_open(container, oid, DAOS_OO_RW, &object, NULL));

  d_iov_set(&dkey, integer_key, strlen(integer_key));
  single(&iods[0], &sgls[0], &iovs[0], "name", name, strlen(name) + 1);
  single(&iods[1], &sgls[1], &iovs[1], "data", extent, 5);
  iods[1].iod_type = DAOS_IOD_ARRAY;
  iods[1].iod_size = 1;
  iods[1].iod_recxs = &recx;
  EXPECT(daos_obj_update(object, DAOS_TX_NONE, DAOS_COND_DKEY_UPDATE, &dkey, 2, iods, sgls, NULL),
         -DER_NONEXIST);
  OK(daos_obj_update(object, DAOS_TX_NONE, DAOS_COND_DKEY_INSERT, &dkey, 2, iods, sgls, NULL));
  EXPECT(daos_obj_update(object, DAOS_TX_NONE, DAOS_COND_DKEY_INSERT, &dkey, 2, iods, sgls, NULL),
         -DER_EXIST);

  /* First how large the value is, then the value. */
  iods[0].iod_size = DAOS_REC_ANY;
  OK(daos_obj_fetch(object, DAOS_TX_NONE, 0, &dkey, 1, iods, NULL, NULL, NULL));
  EXPECT(iods[0].iod_size, strlen(name) + 1);
  d_iov_set(&iovs[0], got, sizeof(got));
  d_iov_set(&iovs[1], got_extent, 5);
  OK(daos_obj_fetch(object, DAOS_TX_NONE, 0, &dkey, 2, iods, sgls, NULL, NULL));
  OK(strcmp(got, name));
  OK(memcmp(got_extent, extent, 5));
  d_iov_set(&iovs[0], got, 4);
  iods[0].iod_size = DAOS_REC_ANY;
  EXPECT(daos_obj_fetch(object, DAOS_TX_NONE, 0, &dkey, 1, iods, sgls, NULL, NULL), -DER_REC2BIG);

  d_iov_set(&akeys[0], "data", 4);
  OK(daos_obj_query_key(object, DAOS_TX_NONE, DAOS_GET_RECX | DAOS_GET_MAX, &dkey, &akeys[0], &recx, NULL));
  EXPECT(recx.rx_idx + recx.rx_nr, 15);
  OK(daos_obj_punch_akeys(object, DAOS_TX_NONE, 0, &dkey, 1, akeys, NULL));
  iods[1].iod_size = DAOS_REC_ANY;
  OK(daos_obj_fetch(object, DAOS_TX_NONE, 0, &dkey, 1, &iods[1], NULL, NULL, NULL));
  EXPECT(iods[1].iod_size, 0);
  OK(daos_obj_punch_dkeys(object, DAOS_TX_NONE, 0, 1, &dkey, NULL));
  OK(daos_obj_verify(container, oid, DAOS_EPOCH_MAX));
  OK(daos_obj_punch(object, DAOS_TX_NONE, 0, NULL));
  OK(daos_obj_close(object, NULL));
  OK(daos_cont_close(container, NULL));
  OK(daos_cont_destroy(pool, "simple_obj", 0, NULL));
  OK(daos_pool_disconnect(pool, NULL));
  OK(daos_fini());
  printf("simple_obj: done\n");
  return 0;
}
