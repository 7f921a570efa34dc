/* SPDX-License-Identifier: Apache-2.0 */
/* Access control lists. */
/* Generated from tools/headers/daos_security.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_SECURITY_H
#define VARVE_DAOS_SECURITY_H

#include <daos_types.h>

#define DAOS_ACL_VERSION 1
#define DAOS_ACL_MAX_PRINCIPAL_LEN 255
#define DAOS_ACL_MAX_PRINCIPAL_BUF_LEN (DAOS_ACL_MAX_PRINCIPAL_LEN + 1)
#define DAOS_ACL_PRINCIPAL_OWNER "OWNER@"
#define DAOS_ACL_PRINCIPAL_OWNER_GRP "GROUP@"
#define DAOS_ACL_PRINCIPAL_EVERYONE "EVERYONE@"
#define DAOS_ACL_MAX_ACE_LEN 65536
#define DAOS_ACL_MAX_ACE_STR_LEN 319
#define DAOS_ACL_ACCESS_ALL (DAOS_ACL_ACCESS_ALLOW | DAOS_ACL_ACCESS_AUDIT | DAOS_ACL_ACCESS_ALARM)
#define DAOS_ACL_FLAG_ALL 0xF
#define DAOS_ACL_PERM_POOL_ALL 0x1F
#define DAOS_ACL_PERM_CONT_ALL 0x1FB
#define DAOS_ACL_PERM_ALL 0x1FF

#ifdef __cplusplus
extern "C" {
#endif

/** Whom an entry is for. */
enum daos_acl_principal_type {
  DAOS_ACL_OWNER       = 0,
  DAOS_ACL_USER        = 1,
  DAOS_ACL_OWNER_GROUP = 2,
  DAOS_ACL_GROUP       = 3,
  DAOS_ACL_EVERYONE    = 4,
  NUM_DAOS_ACL_TYPES   = 5,
};

/** What an entry does. */
enum daos_acl_access_type {
  DAOS_ACL_ACCESS_ALLOW = 1,
  DAOS_ACL_ACCESS_AUDIT = 2,
  DAOS_ACL_ACCESS_ALARM = 4,
};

/** More of an entry. */
enum daos_acl_flags {
  DAOS_ACL_FLAG_GROUP          = 1,
  DAOS_ACL_FLAG_POOL_INHERIT   = 2,
  DAOS_ACL_FLAG_ACCESS_FAIL    = 4,
  DAOS_ACL_FLAG_ACCESS_SUCCESS = 8,
};

/** What may be done. */
enum daos_acl_perm {
  DAOS_ACL_PERM_READ        = 1,
  DAOS_ACL_PERM_WRITE       = 2,
  DAOS_ACL_PERM_CREATE_CONT = 4,
  DAOS_ACL_PERM_DEL_CONT    = 8,
  DAOS_ACL_PERM_GET_PROP    = 16,
  DAOS_ACL_PERM_SET_PROP    = 32,
  DAOS_ACL_PERM_GET_ACL     = 64,
  DAOS_ACL_PERM_SET_ACL     = 128,
  DAOS_ACL_PERM_SET_OWNER   = 256,
};

#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wc99-extensions"
#endif
/** An access control list: entries one after the other, each padded to 8 bytes. */
struct daos_acl {
  uint16_t dal_ver;
  uint16_t dal_reserv;
  uint32_t dal_len;
  __extension__ uint8_t dal_ace[];
};
#ifdef __clang__
#pragma clang diagnostic pop
#endif

#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wc99-extensions"
#endif
/** An entry of it. */
struct daos_ace {
  uint8_t dae_access_types;
  uint8_t dae_principal_type;
  uint16_t dae_principal_len;
  uint16_t dae_access_flags;
  uint16_t dae_reserv;
  uint64_t dae_allow_perms;
  uint64_t dae_audit_perms;
  uint64_t dae_alarm_perms;
  __extension__ char dae_principal[];
};
#ifdef __clang__
#pragma clang diagnostic pop
#endif

/** A list of copies of the entries; NULL on error. */
struct daos_acl *daos_acl_create(struct daos_ace *aces[], uint16_t num_aces);

/** A copy. */
struct daos_acl *daos_acl_dup(struct daos_acl *acl);

/** Frees a list. */
void daos_acl_free(struct daos_acl *acl);

/** Its length in bytes, or a negative error. */
ssize_t daos_acl_get_size(struct daos_acl *acl);

/** The entry after that one; the first for NULL; NULL at the end. */
struct daos_ace *daos_acl_get_next_ace(struct daos_acl *acl, struct daos_ace *current_ace);

/** The entry of a principal; -DER_NONEXIST if there is none. */
int daos_acl_get_ace_for_principal(struct daos_acl *acl, enum daos_acl_principal_type type,
    const char *principal, struct daos_ace **ace);

/** Adds a copy of an entry, or replaces the one for the same principal; *acl may move. */
int daos_acl_add_ace(struct daos_acl **acl, struct daos_ace *new_ace);

/** Removes the entry of a principal; *acl may move. */
int daos_acl_remove_ace(struct daos_acl **acl, enum daos_acl_principal_type type,
    const char *principal_name);

/** Prints a list. */
void daos_acl_dump(struct daos_acl *acl);

/** 0 if the list is well formed, -DER_INVAL if not. */
int daos_acl_validate(struct daos_acl *acl);

/** An entry for a principal, with no permission; NULL on error. */
struct daos_ace *daos_ace_create(enum daos_acl_principal_type type, const char *principal_name);

/** Frees an entry. */
void daos_ace_free(struct daos_ace *ace);

/** Its length in bytes, or a negative error. */
ssize_t daos_ace_get_size(struct daos_ace *ace);

/** Prints an entry, indented. */
void daos_ace_dump(struct daos_ace *ace, uint32_t tabs);

/** True if the entry is well formed. */
bool daos_ace_is_valid(struct daos_ace *ace);

/** True if the name may be a principal's. */
bool daos_acl_principal_is_valid(const char *name);

/** The principal of a user: `name@`, to be freed. */
int daos_acl_uid_to_principal(uid_t uid, char **name);

/** The principal of a group: `name@`, to be freed. */
int daos_acl_gid_to_principal(gid_t gid, char **name);

/** The user of a principal. */
int daos_acl_principal_to_uid(const char *principal, uid_t *uid);

/** The group of a principal. */
int daos_acl_principal_to_gid(const char *principal, gid_t *gid);

/** The principal of an entry, as it is written. */
const char *daos_ace_get_principal_str(struct daos_ace *ace);

/** Parses `A:G:name@:rw`. */
int daos_ace_from_str(const char *str, struct daos_ace **ace);

/** Writes it; -DER_TRUNC if the buffer is too small. */
int daos_ace_to_str(struct daos_ace *ace, char *buf, size_t buf_len);

/** The same in words. */
int daos_ace_str_get_verbose(const char *ace_str, char *buf, size_t buf_len);

/** A list from entries as they are written. */
int daos_acl_from_strs(const char **ace_strs, size_t ace_nr, struct daos_acl **acl);

/** The entries as they are written, to be freed. */
int daos_acl_to_strs(struct daos_acl *acl, char ***ace_strs, size_t *ace_nr);

/** Parses `u:name@`, `g:name@` or a special principal. */
int daos_acl_principal_from_str(const char *principal_str, enum daos_acl_principal_type *type,
    char **name);

/** Prints a list as it is read from a file. */
int daos_acl_to_stream(FILE *stream, struct daos_acl *acl, bool verbose);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_SECURITY_H */
