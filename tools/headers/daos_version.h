The version of the interface, and of the library that offers it.

#include <stdint.h>

@macros

@begin

@types

/** Fills in the version that the program was compiled with. */
static inline void daos_version_pack(daos_version_t *ver) {
  ver->major = DAOS_VERSION_MAJOR;
  ver->minor = DAOS_VERSION_MINOR;
  ver->patch = DAOS_VERSION_FIX;
  ver->protocol = DAOS_VERSION_PROTOCAL;
}

/** The protocol number of a packed version. */
static inline uint8_t daos_version_get_protocol(const daos_version_t *ver) { return ver->protocol; }
