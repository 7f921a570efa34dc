/* SPDX-License-Identifier: Apache-2.0 */
/* event_parents POOL: children under parents, parents under a grandparent, barriers, callbacks, reuse. */
#include <daos.h>

#include "check.h"

#define PARENTS 4
#define CHILDREN 16

static daos_event_t grandparent, parents[PARENTS], children[PARENTS][CHILDREN];
static int called;

static int on_completion(void *argument, daos_event_t *event, int result) {
  TRUE(event == &parents[0]);
  ++*(int *)argument;
  return result;
}

int main(int argc, char **argv) {
  daos_handle_t pool, container, kv, queue;
  daos_obj_id_t oid = {.lo = 1, .hi = 0};
  daos_event_t *done[2];
  char keys[PARENTS][CHILDREN][16], value[] = "value";
  bool complete = false;

  TRUE(argc == 2);
  OK(daos_init());
  OK(daos_pool_connect(argv[1], NULL, DAOS_PC_RW, &pool, NULL, NULL));
  OK(daos_cont_create_with_label(pool, "event_parents", NULL, NULL, NULL));
  OK(daos_cont_open(pool, "event_parents", DAOS_COO_RW, &container, NULL, NULL));
  OK(daos_obj_generate_oid(container, &oid, DAOS_OT_KV_HASHED, OC_SX, 0, 0));
  OK(daos_kv_open(container, oid, DAOS_OO_RW, &kv, NULL));
  OK(daos_eq_create(&queue));
  OK(daos_event_init(&grandparent, queue, NULL));
  for (int p = 0; p < PARENTS; p++) {
    OK(daos_event_init(&parents[p], queue, &grandparent));
    for (int c = 0; c < CHILDREN; c++) OK(daos_event_init(&children[p][c], DAOS_HDL_INVAL, &parents[p]));
  }
  OK(daos_event_register_comp_cb(&parents[0], on_completion, &called));
  for (int round = 0; round < 2; round++) {
    for (int p = 0; p < PARENTS; p++) {
      for (int c = 0; c < CHILDREN; c++) {
        snprintf(keys[p][c], sizeof(keys[p][c]), "%d.%d", p, c);
        OK(daos_kv_put(kv, DAOS_TX_NONE, 0, keys[p][c], sizeof(value), value, &children[p][c]));
      }
      OK(daos_event_parent_barrier(&parents[p]));
      /* Launched once, it cannot be launched again before it has completed. */
      EXPECT(daos_event_parent_barrier(&parents[p]), -DER_BUSY);
    }
    OK(daos_event_parent_barrier(&grandparent));
    if (round == 0) {
      EXPECT(daos_eq_poll(queue, 1, DAOS_EQ_WAIT, 2, done), 1);
      TRUE(done[0] == &grandparent);
    } else {
      while (!complete) OK(daos_event_test(&grandparent, 1000, &complete));
    }
    OK(grandparent.ev_error);
    EXPECT(daos_eq_query(queue, DAOS_EQR_ALL, 0, NULL), 0);
  }
  /* One child of a parent fails, and the parent says so. */
  for (int c = 0; c < CHILDREN; c++)
    OK(daos_kv_put(kv, DAOS_TX_NONE, c == 3 ? DAOS_COND_KEY_INSERT : 0, keys[1][c], sizeof(value), value,
                   &children[1][c]));
  OK(daos_event_parent_barrier(&parents[1]));
  OK(daos_event_test(&parents[1], DAOS_EQ_WAIT, &complete));
  TRUE(complete);
  EXPECT(parents[1].ev_error, -DER_EXIST);
  EXPECT(children[1][3].ev_error, -DER_EXIST);
  OK(children[1][4].ev_error);
  EXPECT(called, 2);
  for (int p = 0; p < PARENTS; p++) {
    int count = 0;

    for (daos_event_t *at = daos_event_next(&parents[p], NULL); at; at = daos_event_next(&parents[p], at)) ++count;
    EXPECT(count, CHILDREN);
    for (int c = 0; c < CHILDREN; c++) OK(daos_event_fini(&children[p][c]));
    OK(daos_event_fini(&parents[p]));
  }
  OK(daos_event_fini(&grandparent));
  OK(daos_eq_destroy(queue, 0));
  OK(daos_kv_close(kv, NULL));
  OK(daos_cont_close(container, NULL));
  OK(daos_cont_destroy(pool, "event_parents", 0, NULL));
  OK(daos_pool_disconnect(pool, NULL));
  OK(daos_fini());
  printf("event_parents: %d children\n", PARENTS * CHILDREN);
  return 0;
}
