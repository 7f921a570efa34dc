/* SPDX-License-Identifier: Apache-2.0 */
/* fork_inherit POOL: children of fork go on with the handles that they were born with. */
#include <daos.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define CHILDREN 4

int main(int argc, char **argv) {
  daos_handle_t pool, container, kv, queue;
  daos_obj_id_t oid = {.lo = 5, .hi = 0};
  daos_cont_info_t info;
  pid_t children[CHILDREN];
  char value[32], key[16];
  daos_size_t size;

  TRUE(argc == 2);
  OK(daos_init());
  OK(daos_pool_connect(argv[1], NULL, DAOS_PC_RW, &pool, NULL, NULL));
  OK(daos_cont_create_with_label(pool, "fork_inherit", NULL, NULL, NULL));
  OK(daos_cont_open(pool, "fork_inherit", DAOS_COO_RW, &container, NULL, NULL));
  OK(daos_obj_generate_oid(container, &oid, DAOS_OT_KV_HASHED, OC_SX, 0, 0));
  OK(daos_kv_open(container, oid, DAOS_OO_RW, &kv, NULL));
  OK(daos_eq_create(&queue));
  OK(daos_kv_put(kv, DAOS_TX_NONE, 0, "parent", 7, "before", NULL));
  for (int i = 0; i < CHILDREN; i++) {
    children[i] = fork();
    TRUE(children[i] >= 0);
    if (children[i] > 0) continue;
    if (i % 2) OK(daos_reinit());
    size = sizeof(value);
    OK(daos_kv_get(kv, DAOS_TX_NONE, 0, "parent", &size, value, NULL));
    OK(strcmp(value, "before"));
    snprintf(key, sizeof(key), "child%d", i);
    OK(daos_kv_put(kv, DAOS_TX_NONE, 0, key, strlen(key) + 1, key, NULL));
    /* A queue has connections of its own, which belong to the parent. */
    EXPECT(daos_eq_query(queue, DAOS_EQR_ALL, 0, NULL), -DER_NO_HDL);
    /* Closing here closes nothing of the parent's. */
    OK(daos_kv_close(kv, NULL));
    OK(daos_cont_close(container, NULL));
    OK(daos_pool_disconnect(pool, NULL));
    OK(daos_fini());
    _exit(0);
  }
  for (int i = 0; i < CHILDREN; i++) {
    int status;

    EXPECT(waitpid(children[i], &status, 0), children[i]);
    EXPECT(status, 0);
    snprintf(key, sizeof(key), "child%d", i);
    size = sizeof(value);
    OK(daos_kv_get(kv, DAOS_TX_NONE, 0, key, &size, value, NULL));
    OK(strcmp(value, key));
  }
  OK(daos_cont_query(container, &info, NULL, NULL));
  EXPECT(info.ci_nhandles, 1);
  OK(daos_kv_close(kv, NULL));
  OK(daos_eq_destroy(queue, 0));
  OK(daos_cont_close(container, NULL));
  OK(daos_cont_destroy(pool, "fork_inherit", 0, NULL));
  OK(daos_pool_disconnect(pool, NULL));
  OK(daos_fini());
  printf("fork_inherit: %d children\n", CHILDREN);
  return 0;
}
