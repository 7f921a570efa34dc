/* SPDX-License-Identifier: Apache-2.0 */
/* The version of the interface, and of the library that offers it. */
/* Generated from tools/headers/daos_version.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_VERSION_H
#define VARVE_DAOS_VERSION_H

#include <stdint.h>

#define DAOS_API_VERSION_MAJOR 2
#define DAOS_API_VERSION_MINOR 8
#define DAOS_API_VERSION_FIX 0
#define DAOS_VERSION_MAJOR 2
#define DAOS_VERSION_MINOR 8
#define DAOS_VERSION_FIX 0
#define DAOS_VERSION_PROTOCAL 1

#ifdef __cplusplus
extern "C" {
#endif

/** A version in 32 bits. */
typedef union daos_version_t {
  uint32_t raw;
  __extension__ struct {
    uint8_t protocol;
    uint8_t patch;
    uint8_t minor;
    uint8_t major;
  };
} daos_version_t;

/** Fills in the version that the program was compiled with. */
static inline void daos_version_pack(daos_version_t *ver) {
  ver->major = DAOS_VERSION_MAJOR;
  ver->minor = DAOS_VERSION_MINOR;
  ver->patch = DAOS_VERSION_FIX;
  ver->protocol = DAOS_VERSION_PROTOCAL;
}

/** The protocol number of a packed version. */
static inline uint8_t daos_version_get_protocol(const daos_version_t *ver) { return ver->protocol; }

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_VERSION_H */
