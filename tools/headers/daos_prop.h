Properties of pools and containers.

#include <daos_types.h>

@macros

/** A container's status in one 64-bit value: flags (16), status (16), pool map version (32). */
#define DAOS_PROP_CO_STATUS_VAL(status, flag, pm_ver) \
  (((uint64_t)(flag) << 48) | (((uint64_t)(status)&0xFFFF) << 32) | (uint64_t)(pm_ver))

@begin

@types

/** True if a container may have that redundancy factor. */
static inline bool daos_rf_is_valid(unsigned long long rf) { return rf <= DAOS_RF_MAX; }

/** True if a pool's service may have that redundancy factor. */
static inline bool daos_svc_rf_is_valid(uint64_t svc_rf) {
  return svc_rf <= DAOS_PROP_PO_SVC_REDUN_FAC_MAX;
}

/** The status as the value of DAOS_PROP_CO_STATUS. */
static inline uint64_t daos_prop_co_status_2_val(struct daos_co_status *co_status) {
  return DAOS_PROP_CO_STATUS_VAL(co_status->dcs_status, co_status->dcs_flags,
                                 co_status->dcs_pm_ver);
}

/** The inverse of daos_prop_co_status_2_val. */
static inline void daos_prop_val_2_co_status(uint64_t val, struct daos_co_status *co_status) {
  co_status->dcs_pm_ver = (uint32_t)val;
  co_status->dcs_status = (uint16_t)(val >> 32);
  co_status->dcs_flags = (uint16_t)(val >> 48);
}

/** True if the string may be a label of a pool or container: 1 to DAOS_PROP_LABEL_MAX_LEN letters,
 *  digits and `.`, `_`, `:`, `-`, and not a UUID. */
static inline bool daos_label_is_valid(const char *label) {
  size_t length;

  if (label == NULL) return false;
  for (length = 0; label[length] != '\0'; length++) {
    char c = label[length];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

    if (length == DAOS_PROP_LABEL_MAX_LEN) return false;
    if (!letter && !(c >= '0' && c <= '9') && strchr("._:-", c) == NULL) return false;
  }
  return length > 0 && !daos_is_valid_uuid_string(label, UUID_SST_NONE);
}

/** True if the string names a level of the fault-domain tree that performance may be bound to. */
static inline bool daos_perf_domain_is_valid(const char *perf_domain) {
  return strcmp(perf_domain, "root") == 0 || strcmp(perf_domain, "group") == 0;
}

/** True if the entry has a value. */
static inline bool daos_prop_is_set(struct daos_prop_entry *entry) {
  return (entry->dpe_flags & DAOS_PROP_ENTRY_NOT_SET) == 0;
}

@functions
