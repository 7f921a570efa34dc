/* SPDX-License-Identifier: Apache-2.0 */
/* list_split POOL: the dkeys of an object listed by several threads, each with its part of the anchors. */
#include <daos.h>
#include <pthread.h>

#include "check.h"

#define DKEYS 3000
#define PARTS_MAX 16

static daos_handle_t object;
static daos_anchor_t anchors[PARTS_MAX];
static char found[DKEYS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *list_part(void *argument) {
  daos_anchor_t *anchor = argument;
  daos_key_desc_t descriptors[50];
  char names[50 * 16];
  d_iov_t iov;
  d_sg_list_t sgl = {.sg_nr = 1, .sg_iovs = &iov};

  while (!daos_anchor_is_eof(anchor)) {
    uint32_t nr = 50;
    char *at = names;

    d_iov_set(&iov, names, sizeof(names));
    OK(daos_obj_list_dkey(object, DAOS_TX_NONE, &nr, descriptors, &sgl, anchor, NULL));
    pthread_mutex_lock(&mutex);
    for (uint32_t i = 0; i < nr; i++) {
      int number = atoi(at + 1);

      TRUE(*at == 'k' && number >= 0 && number < DKEYS);
      EXPECT(found[number]++, 0);
      at += descriptors[i].kd_key_len;
    }
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}

int main(int argc, char **argv) {
  daos_handle_t pool, container;
  daos_obj_id_t oid = {.lo = 9, .hi = 0};
  pthread_t threads[PARTS_MAX];
  uint32_t parts = PARTS_MAX;
  char name[16], value = 'v';
  int total = 0;

  TRUE(argc == 2);
  OK(daos_init());
  OK(daos_pool_connect(argv[1], NULL, DAOS_PC_RW, &pool, NULL, NULL));
  OK(daos_cont_create_with_label(pool, "list_split", NULL, NULL, NULL));
  OK(daos_cont_open(pool, "list_split", DAOS_COO_RW, &container, NULL, NULL));
  OK(daos_obj_generate_oid(container, &oid, DAOS_OT_MULTI_HASHED, OC_SX, 0, 0));
  OK(daos_obj_open(container, oid, DAOS_OO_RW, &object, NULL));
  for (int i = 0; i < DKEYS; i++) {
    daos_key_t dkey;
    daos_iod_t iod = {.iod_type = DAOS_IOD_SINGLE, .iod_nr = 1, .iod_size = 1};
    d_iov_t iov;
    d_sg_list_t sgl = {.sg_nr = 1, .sg_iovs = &iov};

    snprintf(name, sizeof(name), "k%07d", i);
    d_iov_set(&dkey, name, 8);
    d_iov_set(&iod.iod_name, "a", 1);
    d_iov_set(&iov, &value, 1);
    OK(daos_obj_update(object, DAOS_TX_NONE, 0, &dkey, 1, &iod, &sgl, NULL));
  }
  OK(daos_obj_anchor_split(object, &parts, anchors));
  TRUE(parts >= 1 && parts <= PARTS_MAX);
  for (uint32_t i = 0; i < parts; i++) OK(pthread_create(&threads[i], NULL, list_part, &anchors[i]));
  for (uint32_t i = 0; i < parts; i++) OK(pthread_join(threads[i], NULL));
  for (int i = 0; i < DKEYS; i++) total += found[i];
  EXPECT(total, DKEYS);
  OK(daos_obj_close(object, NULL));
  OK(daos_cont_close(container, NULL));
  OK(daos_cont_destroy(pool, "list_split", 0, NULL));
  OK(daos_pool_disconnect(pool, NULL));
  OK(daos_fini());
  printf("list_split: %d dkeys in %u parts\n", total, parts);
  return 0;
}
