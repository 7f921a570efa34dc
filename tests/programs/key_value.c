/* SPDX-License-Identifier: Apache-2.0 */
/* key_value POOL: a thousand keys put, read, listed in pages and removed. */
#include <daos.h>

#include "check.h"

#define KEYS 1000
#define PAGE 64

int main(int argc, char **argv) {
  daos_handle_t pool, container, kv;
  daos_obj_id_t oid = {.lo = 3, .hi = 0};
  daos_key_desc_t found[PAGE];
  daos_anchor_t anchor = {0};
  d_sg_list_t sgl;
  d_iov_t iov;
  char names[PAGE * 16], key[16], value[64], got[64];
  daos_size_t size;
  unsigned listed = 0;

  TRUE(argc == 2);
  OK(daos_init());
  OK(daos_pool_connect(argv[1], NULL, DAOS_PC_RW, &pool, NULL, NULL));
  OK(daos_cont_create_with_label(pool, "key_value", NULL, NULL, NULL));
  OK(daos_cont_open(pool, "key_value", DAOS_COO_RW, &container, NULL, NULL));
  OK(daos_obj_generate_oid(container, &oid, DAOS_OT_KV_HASHED, OC_SX, 0, 0));
  OK(daos_kv_open(container, oid, DAOS_OO_RW, &kv, NULL));
  for (int i = 0; i < KEYS; i++) {
    snprintf(key, sizeof(key), "key%d", i);
    snprintf(value, sizeof(value), "the value of %d", i);
    OK(daos_kv_put(kv, DAOS_TX_NONE, DAOS_COND_KEY_INSERT, key, strlen(value) + 1, value, NULL));
  }
  EXPECT(daos_kv_put(kv, DAOS_TX_NONE, DAOS_COND_KEY_INSERT, "key5", 1, "x", NULL), -DER_EXIST);
  EXPECT(daos_kv_put(kv, DAOS_TX_NONE, DAOS_COND_KEY_UPDATE, "none", 1, "x", NULL), -DER_NONEXIST);
  for (int i = 0; i < KEYS; i++) {
    snprintf(key, sizeof(key), "key%d", i);
    snprintf(value, sizeof(value), "the value of %d", i);
    size = sizeof(got);
    OK(daos_kv_get(kv, DAOS_TX_NONE, 0, key, &size, got, NULL));
    EXPECT(size, strlen(value) + 1);
    OK(strcmp(got, value));
  }
  size = 0;
  OK(daos_kv_get(kv, DAOS_TX_NONE, 0, "key77", &size, NULL, NULL));
  EXPECT(size, strlen("the value of 77") + 1);
  size = sizeof(got);
  OK(daos_kv_get(kv, DAOS_TX_NONE, 0, "none", &size, got, NULL));
  EXPECT(size, 0);

  sgl.sg_nr = 1;
  sgl.sg_iovs = &iov;
  while (!daos_anchor_is_eof(&anchor)) {
    uint32_t nr = PAGE;

    d_iov_set(&iov, names, sizeof(names));
    OK(daos_kv_list(kv, DAOS_TX_NONE, &nr, found, &sgl, &anchor, NULL));
    for (uint32_t i = 0; i < nr; i++) TRUE(found[i].kd_key_len >= 4 && found[i].kd_key_len <= 6);
    listed += nr;
  }
  EXPECT(listed, KEYS);
  OK(daos_kv_remove(kv, DAOS_TX_NONE, 0, "key5", NULL));
  EXPECT(daos_kv_remove(kv, DAOS_TX_NONE, DAOS_COND_PUNCH, "key5", NULL), -DER_NONEXIST);
  OK(daos_kv_destroy(kv, DAOS_TX_NONE, NULL));
  OK(daos_kv_close(kv, NULL));
  OK(daos_cont_close(container, NULL));
  OK(daos_cont_destroy(pool, "key_value", 0, NULL));
  OK(daos_pool_disconnect(pool, NULL));
  OK(daos_fini());
  printf("key_value: %u keys\n", listed);
  return 0;
}
