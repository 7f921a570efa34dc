Object classes: how an object is spread over targets and protected.

#include <daos_types.h>

@macros
/** The class id of a redundancy (enum daos_obj_redun) and a number of groups. */
#define OBJ_CLASS_DEF(redun, grp_nr) (((redun) << OC_REDUN_SHIFT) | (grp_nr))

@begin

/** Attributes of a replicated class. */
struct daos_rp_attr {
  unsigned int r_proto; /**< Reserved */
  unsigned int r_num; /**< Number of replicas */
};

/** Attributes of an erasure-coded class. */
struct daos_ec_attr {
  unsigned short e_k; /**< Number of data cells */
  unsigned short e_p; /**< Number of parity cells */
  unsigned int e_len; /**< Bytes in a cell */
};

@types

@functions
