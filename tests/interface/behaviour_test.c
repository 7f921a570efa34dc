/* SPDX-License-Identifier: Apache-2.0 */
/* What the public headers themselves do: their inline functions, function-like macros and lists.
 * Also a program's usual forms, among them names that fio defines before it includes us. */
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#include <fcntl.h>

#include <daos.h>
#include <daos_fs.h>
#include <daos_fs_sys.h>
#include <daos_s3.h>
#include <daos_uns.h>
#include <gurt/common.h>
#include <gurt/hash.h>
#include <gurt/list.h>

#if !defined(DAOS_API_VERSION_MAJOR) || DAOS_API_VERSION_MAJOR < 2
#error the version of the interface is not told
#endif

/* Handles and ids as initialisers of static objects. */
static daos_handle_t handle = DAOS_HDL_INVAL;
static daos_obj_id_t nil = DAOS_OBJ_NIL;
static daos_anchor_t start = DAOS_ANCHOR_INIT;

static int failures;

#define EXPECT(condition)                                    \
  do {                                                       \
    if (!(condition)) {                                      \
      printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      failures++;                                            \
    }                                                        \
  } while (0)

/* In place of the library's. */
static enum daos_otype_t asked_type;
int daos_obj_generate_oid2(daos_handle_t coh, daos_obj_id_t *oid, enum daos_otype_t type,
                           daos_oclass_id_t cid, daos_oclass_hints_t hints, uint32_t args) {
  (void)coh, (void)hints, (void)args;
  asked_type = type;
  oid->hi |= (uint64_t)type << OID_FMT_TYPE_SHIFT;
  oid->hi |= (uint64_t)(cid >> OC_REDUN_SHIFT) << OID_FMT_CLASS_SHIFT;
  oid->hi |= (uint64_t)(cid & MAX_NUM_GROUPS) << OID_FMT_META_SHIFT;
  return 0;
}
const char *d_errstr(int errnum) { return errnum == -DER_IO ? "DER_IO" : "?"; }
const char *d_errdesc(int errnum) { return errnum == -DER_IO ? "broken" : "?"; }
void *d_calloc(size_t nmemb, size_t size) { return calloc(nmemb, size); }
void *d_realloc(void *ptr, size_t size) { return realloc(ptr, size); }
void d_free(void *ptr) { free(ptr); }

static void test_object_ids(void) {
  daos_obj_id_t oid = {.lo = 1, .hi = 7};
  uint64_t first;

  EXPECT(daos_obj_id_is_nil(nil) && !daos_obj_id_is_nil(oid));
  EXPECT(daos_array_generate_oid(handle, &oid, true, OC_EC_4P2GX, 0, 0) == 0);
  EXPECT(asked_type == DAOS_OT_ARRAY && (oid.hi & 0xFFFFFFFF) == 7);
  EXPECT(daos_obj_id2type(oid) == DAOS_OT_ARRAY && daos_obj_id2class(oid) == OC_EC_4P2GX);
  EXPECT(daos_obj_id2ord(oid) == OR_RS_4P2 && daos_obj_id2grp_nr(oid) == MAX_NUM_GROUPS);
  EXPECT(daos_is_array(oid) && !daos_is_kv(oid) && daos_is_dkey_uint64(oid));
  EXPECT(!daos_is_akey_uint64(oid) && !daos_is_dkey_lexical(oid) && !daos_is_akey_lexical(oid));
  EXPECT(daos_array_generate_oid(handle, &oid, false, OC_S1, 0, 0) == 0);
  EXPECT(asked_type == DAOS_OT_ARRAY_ATTR);
  EXPECT(daos_otype_t_is_valid(DAOS_OT_MAX));
  EXPECT(!daos_otype_t_is_valid((enum daos_otype_t)(DAOS_OT_MAX + 1)));
  EXPECT(daos_is_kv_type(DAOS_OT_KV_LEXICAL) && daos_is_dkey_lexical_type(DAOS_OT_KV_LEXICAL));
  EXPECT(daos_is_akey_lexical_type(DAOS_OT_MULTI_LEXICAL));
  EXPECT(daos_is_akey_uint64_type(DAOS_OT_MULTI_UINT64));
  EXPECT(!daos_is_dkey_uint64_type(DAOS_OT_KV_HASHED));
  EXPECT(daos_pa_domain_is_valid(DAOS_PROP_CO_REDUN_RANK) && !daos_pa_domain_is_valid(0));
  EXPECT(OBJ_CLASS_DEF(OR_RP_3, 4) == OC_RP_3G4 && OBJ_CLASS_DEF(OR_RP_1, MAX_NUM_GROUPS) == OC_SX);
  oid.hi = first = 5;
  daos_obj_oid_cycle(&oid);
  EXPECT(oid.hi != first && oid.hi <= 0xFFFFFFFF);
}

static void test_types(void) {
  daos_anchor_t anchor;
  daos_version_t version;
  daos_key_t key;
  d_iov_t iov;
  char byte;

  EXPECT(daos_handle_is_inval(handle) && !daos_handle_is_valid(handle));
  EXPECT(daos_handle_is_inval(DAOS_TX_NONE));
  d_iov_set(&iov, &byte, 1);
  EXPECT(iov.iov_buf == &byte && iov.iov_len == 1 && iov.iov_buf_len == 1);
  key = iov;
  EXPECT(!daos_key_is_null(key));
  d_iov_set(&key, NULL, 0);
  EXPECT(daos_key_is_null(key));
  memset(&anchor, 255, sizeof(anchor));
  EXPECT(daos_anchor_init(&anchor, 0) == 0 && memcmp(&anchor, &start, sizeof(anchor)) == 0);
  EXPECT(!daos_anchor_is_eof(&anchor));
  anchor.da_type = DAOS_ANCHOR_TYPE_EOF;
  EXPECT(daos_anchor_is_eof(&anchor));
  daos_anchor_fini(&anchor);
  daos_version_pack(&version);
  EXPECT(version.raw == 0x02080001 && daos_version_get_protocol(&version) == 1);
  EXPECT(daos_is_valid_uuid_string("01234567-89ab-cdef-0123-456789abcdef", UUID_SST_NONE));
  EXPECT(daos_is_valid_uuid_string("01234567-89ab-cdef-0123-456789abcdef", UUID_SST_LOWER));
  EXPECT(!daos_is_valid_uuid_string("01234567-89ab-cdef-0123-456789abcdef", UUID_SST_UPPER));
  EXPECT(!daos_is_valid_uuid_string("01234567-89ab-cdef-0123-456789abcdef0", UUID_SST_NONE));
  EXPECT(!daos_is_valid_uuid_string("01234567-89ab-cdef-0123-456789abcde", UUID_SST_NONE));
  EXPECT(!daos_is_valid_uuid_string("", UUID_SST_NONE));
  EXPECT(CRT_PROTO_OPC(0x5000000, 2, 3) == 0x5020003);
}

static void test_properties(void) {
  struct daos_co_status status = {.dcs_status = 1, .dcs_flags = 2, .dcs_pm_ver = 3}, back;
  struct daos_prop_entry entry = {.dpe_flags = 0};
  char label[DAOS_PROP_LABEL_MAX_LEN + 2];

  daos_prop_val_2_co_status(daos_prop_co_status_2_val(&status), &back);
  EXPECT(memcmp(&status, &back, sizeof(status)) == 0);
  EXPECT(daos_prop_co_status_2_val(&status) == DAOS_PROP_CO_STATUS_VAL(1, 2, 3));
  EXPECT(DAOS_PROP_CO_STATUS_VAL(1, 2, 3) == 0x0002000100000003ULL);
  EXPECT(daos_prop_is_set(&entry));
  entry.dpe_flags = DAOS_PROP_ENTRY_NOT_SET;
  EXPECT(!daos_prop_is_set(&entry));
  EXPECT(daos_rf_is_valid(4) && !daos_rf_is_valid(5));
  EXPECT(daos_svc_rf_is_valid(0) && !daos_svc_rf_is_valid(5));
  EXPECT(daos_perf_domain_is_valid("root") && !daos_perf_domain_is_valid("rack"));
  EXPECT(daos_label_is_valid("a-b_c.d:0") && !daos_label_is_valid("a b"));
  EXPECT(!daos_label_is_valid("") && !daos_label_is_valid(NULL));
  EXPECT(!daos_label_is_valid("01234567-89ab-cdef-0123-456789abcdef"));
  memset(label, 'x', sizeof(label));
  label[DAOS_PROP_LABEL_MAX_LEN + 1] = '\0';
  EXPECT(!daos_label_is_valid(label));
  label[DAOS_PROP_LABEL_MAX_LEN] = '\0';
  EXPECT(daos_label_is_valid(label));
  EXPECT(strcmp(daos_pool_cont_filter_func_str(PCF_FUNC_LE), "<=") == 0);
  EXPECT(strcmp(daos_pool_cont_filter_key_str(PCF_KEY_NUM_HANDLES), "num_handles") == 0);
}

/* The error lists and their ready-made actions give what the enum has. */
static void test_errors(void) {
  static const char *const names[] = {D_FOREACH_GURT_ERR(D_DEFINE_ERRSTR)};
  static const char *const descriptions[] = {D_FOREACH_DAOS_ERR(D_DEFINE_ERRDESC)};
#define COUNT(name, base) +1
#define SAME_VALUE(name, desc) EXPECT(name == ++expected);
  char text[64];
  int expected = DER_ERR_GURT_BASE;

  D_FOREACH_GURT_ERR(SAME_VALUE)
  expected = DER_ERR_DAOS_BASE;
  D_FOREACH_DAOS_ERR(SAME_VALUE)
  EXPECT(expected == DER_LAST_VALID);
  EXPECT(ARRAY_SIZE(names) == DER_QUOTA_LIMIT - DER_ERR_GURT_BASE);
  EXPECT(strcmp(names[DER_NOMEM - DER_NO_PERM], "DER_NOMEM") == 0);
  EXPECT(descriptions[DER_LAST_VALID - DER_IO][0] != '\0');
  EXPECT((0 D_FOREACH_ERR_RANGE(COUNT)) == 2);
  snprintf(text, sizeof(text), DF_RC, DP_RC(-DER_IO));
  EXPECT(strcmp(text, "DER_IO(-2001): 'broken'") == 0);
  EXPECT(d_errno2der(ENOENT) == -DER_NONEXIST && d_errno2der(0) == 0);
}

struct entry {
  int value;
  d_list_t link;
  d_hlist_node_t node;
};

static void test_lists(void) {
  struct entry entries[3] = {{.value = 1}, {.value = 2}, {.value = 3}}, *entry, *next;
  d_hlist_head_t table = D_HLIST_HEAD_INIT;
  D_LIST_HEAD(list);
  D_LIST_HEAD(other);
  int sum = 0;

  EXPECT(d_list_empty(&list));
  d_list_add_tail(&entries[1].link, &list);
  d_list_add_tail(&entries[2].link, &list);
  d_list_add(&entries[0].link, &list);
  d_list_for_each_entry(entry, &list, link) sum = sum * 10 + entry->value;
  d_list_for_each_entry_reverse(entry, &list, link) sum = sum * 10 + entry->value;
  EXPECT(sum == 123321);
  d_list_splice_init(&list, &other);
  EXPECT(d_list_empty(&list) && d_list_empty_careful(&list) && !d_list_empty(&other));
  d_list_move_tail(&entries[0].link, &other);
  entry = d_list_pop_entry(&other, struct entry, link);
  EXPECT(entry == &entries[1] && d_list_empty(&entry->link));
  d_list_for_each_entry_safe(entry, next, &other, link) d_list_del_init(&entry->link);
  EXPECT(d_list_empty(&other) && d_list_pop_entry(&other, struct entry, link) == NULL);
  EXPECT(container_of(&entries[2].link, struct entry, link) == &entries[2]);

  d_hlist_add_head(&entries[1].node, &table);
  d_hlist_add_before(&entries[0].node, &entries[1].node);
  d_hlist_add_after(&entries[2].node, &entries[1].node);
  EXPECT(d_hlist_entry(table.first, struct entry, node) == &entries[0]);
  d_hlist_del_init(&entries[1].node);
  EXPECT(entries[0].node.next == &entries[2].node && d_hlist_unhashed(&entries[1].node));
  EXPECT(!d_hlist_empty(&table));
}

static void test_memory(void) {
  d_sg_list_t sgl;
  uint32_t *numbers, *more;

  EXPECT(d_sgl_init(&sgl, 2) == 0 && sgl.sg_nr == 2 && sgl.sg_iovs[1].iov_buf == NULL);
  D_ALLOC(sgl.sg_iovs[0].iov_buf, 16);
  d_sgl_fini(&sgl, true);
  EXPECT(sgl.sg_iovs == NULL && sgl.sg_nr == 0);
  D_ALLOC_ARRAY(numbers, 2);
  numbers[0] = numbers[1] = 9;
  D_REALLOC_ARRAY(more, numbers, 2, 64);
  EXPECT(numbers == NULL && more[1] == 9 && more[2] == 0 && more[63] == 0);
  D_FREE(more);
  EXPECT(more == NULL);
}

static void test_questions(void) {
  uuid_t uuid;
  const char *string = "x";

  memset(uuid, 0, sizeof(uuid));
  EXPECT(d_is_uuid(uuid) && !d_is_string(uuid));
  EXPECT(d_is_string(string) && d_is_string("x") && !d_is_uuid(string));
}

int main(void) {
  test_object_ids();
  test_types();
  test_properties();
  test_errors();
  test_lists();
  test_memory();
  test_questions();
  printf("%d failures\n", failures);
  return failures != 0;
}
