/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets and objects in the manner of S3, on top of DFS. */
/* Generated from tools/headers/daos_s3.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_S3_H
#define VARVE_DAOS_S3_H

#include <daos.h>
#include <daos_fs.h>

#define DS3_MAX_BUCKET_NAME 128
#define DS3_MAX_KEY 4088
#define DS3_MAX_KEY_BUFF 4096
#define DS3_MAX_USER_NAME 255
#define DS3_MAX_UPLOAD_ID 35
#define DS3_MAX_ENCODED_LEN 65536
#define DS3_LATEST_INSTANCE "latest"

#ifdef __cplusplus
extern "C" {
#endif

/** A user. */
struct ds3_user_info {
  const char *name;
  const char *email;
  const char **access_ids;
  const size_t access_ids_nr;
  void *encoded;
  size_t encoded_length;
};

/** A bucket. */
struct ds3_bucket_info {
  char name[128];
  void *encoded;
  size_t encoded_length;
};

/** An object. */
struct ds3_object_info {
  char key[4096];
  void *encoded;
  size_t encoded_length;
};

/** A prefix that listed keys share. */
struct ds3_common_prefix_info {
  char prefix[4096];
};

/** An upload in parts. */
struct ds3_multipart_upload_info {
  char upload_id[35];
  char key[4096];
  void *encoded;
  size_t encoded_length;
};

/** A part of it. */
struct ds3_multipart_part_info {
  uint64_t part_num;
  void *encoded;
  size_t encoded_length;
};

/** A store of buckets. */
typedef struct ds3 ds3_t;

/** An open bucket. */
typedef struct ds3_bucket ds3_bucket_t;

/** An open object. */
typedef struct ds3_obj ds3_obj_t;

/** An open part of an upload. */
typedef struct ds3_part ds3_part_t;

/** Starts the library. */
int ds3_init(void);

/** Ends its use. */
int ds3_fini(void);

/** Opens the store in a pool. */
int ds3_connect(const char *pool, const char *sys, ds3_t **ds3, daos_event_t *ev);

/** Closes it. */
int ds3_disconnect(ds3_t *ds3, daos_event_t *ev);

/** Makes or changes a user. */
int ds3_user_set(const char *name, struct ds3_user_info *info, struct ds3_user_info *old_info,
    ds3_t *ds3, daos_event_t *ev);

/** Removes a user. */
int ds3_user_remove(const char *name, struct ds3_user_info *info, ds3_t *ds3, daos_event_t *ev);

/** A user by name. */
int ds3_user_get(const char *name, struct ds3_user_info *info, ds3_t *ds3, daos_event_t *ev);

/** A user by address. */
int ds3_user_get_by_email(const char *email, struct ds3_user_info *info, ds3_t *ds3,
    daos_event_t *ev);

/** A user by access key. */
int ds3_user_get_by_key(const char *key, struct ds3_user_info *info, ds3_t *ds3, daos_event_t *ev);

/** Lists buckets after the marker. */
int ds3_bucket_list(daos_size_t *nbuck, struct ds3_bucket_info *buf, char *marker,
    bool *is_truncated, ds3_t *ds3, daos_event_t *ev);

/** Makes a bucket. */
int ds3_bucket_create(const char *name, struct ds3_bucket_info *info, dfs_attr_t *attr, ds3_t *ds3,
    daos_event_t *ev);

/** Removes a bucket. */
int ds3_bucket_destroy(const char *name, bool force, ds3_t *ds3, daos_event_t *ev);

/** Opens a bucket. */
int ds3_bucket_open(const char *name, ds3_bucket_t **ds3b, ds3_t *ds3, daos_event_t *ev);

/** Closes it. */
int ds3_bucket_close(ds3_bucket_t *ds3b, daos_event_t *ev);

/** What is known of a bucket. */
int ds3_bucket_get_info(struct ds3_bucket_info *info, ds3_bucket_t *ds3b, daos_event_t *ev);

/** Sets it. */
int ds3_bucket_set_info(struct ds3_bucket_info *info, ds3_bucket_t *ds3b, daos_event_t *ev);

/** Lists objects, and the prefixes up to delim that they share. */
int ds3_bucket_list_obj(uint32_t *nobj, struct ds3_object_info *objs, uint32_t *ncp,
    struct ds3_common_prefix_info *cps, const char *prefix, const char *delim, char *marker,
    bool list_versions, bool *is_truncated, ds3_bucket_t *ds3b);

/** Makes an object and opens it. */
int ds3_obj_create(const char *key, ds3_obj_t **ds3o, ds3_bucket_t *ds3b);

/** Opens an object. */
int ds3_obj_open(const char *key, ds3_obj_t **ds3o, ds3_bucket_t *ds3b);

/** Closes it. */
int ds3_obj_close(ds3_obj_t *ds3o);

/** What is known of an object. */
int ds3_obj_get_info(struct ds3_object_info *info, ds3_bucket_t *ds3b, ds3_obj_t *ds3o);

/** Sets it. */
int ds3_obj_set_info(struct ds3_object_info *info, ds3_bucket_t *ds3b, ds3_obj_t *ds3o);

/** Reads; *size is the length wanted, then the length read. */
int ds3_obj_read(void *buf, daos_off_t off, daos_size_t *size, ds3_bucket_t *ds3b, ds3_obj_t *ds3o,
    daos_event_t *ev);

/** Removes an object. */
int ds3_obj_destroy(const char *key, ds3_bucket_t *ds3b);

/** Writes; *size is the length. */
int ds3_obj_write(void *buf, daos_off_t off, daos_size_t *size, ds3_bucket_t *ds3b, ds3_obj_t *ds3o,
    daos_event_t *ev);

/** Makes an instance the latest of its key. */
int ds3_obj_mark_latest(const char *key, ds3_bucket_t *ds3b);

/** Lists uploads. */
int ds3_bucket_list_multipart(const char *bucket_name, uint32_t *nmp,
    struct ds3_multipart_upload_info *mps, uint32_t *ncp, struct ds3_common_prefix_info *cps,
    const char *prefix, const char *delim, char *marker, bool *is_truncated, ds3_t *ds3);

/** Lists the parts of an upload. */
int ds3_upload_list_parts(const char *bucket_name, const char *upload_id, uint32_t *npart,
    struct ds3_multipart_part_info *parts, uint32_t *marker, bool *is_truncated, ds3_t *ds3);

/** Begins an upload. */
int ds3_upload_init(struct ds3_multipart_upload_info *info, const char *bucket_name, ds3_t *ds3);

/** Gives an upload up. */
int ds3_upload_remove(const char *bucket_name, const char *upload_id, ds3_t *ds3);

/** What is known of an upload. */
int ds3_upload_get_info(struct ds3_multipart_upload_info *info, const char *bucket_name,
    const char *upload_id, ds3_t *ds3);

/** Opens a part. */
int ds3_part_open(const char *bucket_name, const char *upload_id, uint64_t part_num, bool truncate,
    ds3_part_t **ds3p, ds3_t *ds3);

/** Closes it. */
int ds3_part_close(ds3_part_t *ds3p);

/** Writes to a part. */
int ds3_part_write(void *buf, daos_off_t off, daos_size_t *size, ds3_part_t *ds3p, ds3_t *ds3,
    daos_event_t *ev);

/** Reads from a part. */
int ds3_part_read(void *buf, daos_off_t off, daos_size_t *size, ds3_part_t *ds3p, ds3_t *ds3,
    daos_event_t *ev);

/** Sets what is known of a part. */
int ds3_part_set_info(struct ds3_multipart_part_info *info, ds3_part_t *ds3p, ds3_t *ds3,
    daos_event_t *ev);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_S3_H */
