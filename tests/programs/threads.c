/* SPDX-License-Identifier: Apache-2.0 */
/* threads POOL: eight threads put and get over one handle, some of them while others open and close. */
#include <daos.h>
#include <pthread.h>

#include "check.h"

#define THREADS 8
#define EACH 500

static daos_handle_t pool, container, kv;
static daos_obj_id_t oid = {.lo = 8, .hi = 0};

static void *work(void *argument) {
  int number = (int)(long)argument;
  char key[32], got[32];

  for (int i = 0; i < EACH; i++) {
    daos_handle_t own;
    daos_size_t size = sizeof(got);

    snprintf(key, sizeof(key), "%d.%d", number, i);
    OK(daos_kv_put(kv, DAOS_TX_NONE, 0, key, strlen(key) + 1, key, NULL));
    OK(daos_kv_open(container, oid, DAOS_OO_RO, &own, NULL));
    OK(daos_kv_get(own, DAOS_TX_NONE, 0, key, &size, got, NULL));
    OK(strcmp(got, key));
    OK(daos_kv_close(own, NULL));
    EXPECT(daos_kv_get(own, DAOS_TX_NONE, 0, key, &size, got, NULL), -DER_NO_HDL);
  }
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t threads[THREADS];

  TRUE(argc == 2);
  OK(daos_init());
  OK(daos_pool_connect(argv[1], NULL, DAOS_PC_RW, &pool, NULL, NULL));
  OK(daos_cont_create_with_label(pool, "threads", NULL, NULL, NULL));
  OK(daos_cont_open(pool, "threads", DAOS_COO_RW, &container, NULL, NULL));
  OK(daos_obj_generate_oid(container, &oid, DAOS_OT_KV_HASHED, OC_SX, 0, 0));
  OK(daos_kv_open(container, oid, DAOS_OO_RW, &kv, NULL));
  for (long i = 0; i < THREADS; i++) OK(pthread_create(&threads[i], NULL, work, (void *)i));
  for (int i = 0; i < THREADS; i++) OK(pthread_join(threads[i], NULL));
  OK(daos_kv_close(kv, NULL));
  OK(daos_cont_close(container, NULL));
  OK(daos_cont_destroy(pool, "threads", 0, NULL));
  OK(daos_pool_disconnect(pool, NULL));
  OK(daos_fini());
  printf("threads: %d puts and gets\n", THREADS * EACH);
  return 0;
}
