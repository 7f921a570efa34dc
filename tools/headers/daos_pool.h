Pools: connections, queries, attributes, the list of containers.

#include <daos_event.h>
#include <daos_prop.h>
#include <daos_types.h>

/** The name that programs call; the number is part of the symbol only. */
#define daos_pool_connect daos_pool_connect2

@macros

@begin

@types

/** The comparison as it is written. */
static inline const char *daos_pool_cont_filter_func_str(enum daos_pool_cont_filter_func f) {
  static const char *const names[] = {"==", "!=", "<", "<=", ">", ">="};

  return (unsigned int)f < PCF_FUNC_MAX ? names[f] : "UNKNOWN";
}

/** The name of what is compared. */
static inline const char *daos_pool_cont_filter_key_str(enum daos_pool_cont_filter_key k) {
  static const char *const names[] = {"md_open_time", "md_modify_time", "num_snapshots",
                                      "num_handles"};

  return (unsigned int)k < PCF_KEY_MAX ? names[k] : "UNKNOWN";
}

@functions
