/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays: one dimension of equal cells on top of one object. */
/* Generated from tools/headers/daos_array.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_ARRAY_H
#define VARVE_DAOS_ARRAY_H

#include <daos_obj.h>
#include <daos_types.h>

#define DAOS_ARRAY_LIST_IO_LIMIT 16384
#define DAOS_ARRAY_RG_LEN_THD 16

#ifdef __cplusplus
extern "C" {
#endif

/** rg_len cells from index rg_idx on. */
typedef struct daos_range_t {
  daos_off_t rg_idx;
  daos_size_t rg_len;
} daos_range_t;

/** The ranges to read or write, and how much a read did not find. */
typedef struct daos_array_iod_t {
  daos_size_t arr_nr;
  daos_range_t *arr_rgs;
  daos_size_t arr_nr_short_read;
  daos_size_t arr_nr_read;
} daos_array_iod_t;

/** Size of an array, and the epoch of its latest write. */
typedef struct daos_array_stbuf_t {
  daos_size_t st_size;
  daos_epoch_t st_max_epoch;
} daos_array_stbuf_t;

/** Encodes the id of an array object. `add_attr`: the array keeps its cell and chunk size itself;
 *  otherwise the program keeps them and gives them to daos_array_open_with_attr. Returns as
 *  daos_obj_generate_oid does. */
static inline int daos_array_generate_oid(daos_handle_t coh, daos_obj_id_t *oid, bool add_attr,
                                          daos_oclass_id_t cid, daos_oclass_hints_t hints,
                                          uint32_t args) {
  enum daos_otype_t type = add_attr ? DAOS_OT_ARRAY : DAOS_OT_ARRAY_ATTR;

  return daos_obj_generate_oid(coh, oid, type, cid, hints, args);
}

/** Makes an array and opens it. */
int daos_array_create(daos_handle_t coh, daos_obj_id_t oid, daos_handle_t th, daos_size_t cell_size,
    daos_size_t chunk_size, daos_handle_t *oh, daos_event_t *ev);

/** Opens an array that keeps its cell and chunk size. */
int daos_array_open(daos_handle_t coh, daos_obj_id_t oid, daos_handle_t th, unsigned int mode,
    daos_size_t *cell_size, daos_size_t *chunk_size, daos_handle_t *oh, daos_event_t *ev);

/** Opens an array whose sizes the program keeps. */
int daos_array_open_with_attr(daos_handle_t coh, daos_obj_id_t oid, daos_handle_t th,
    unsigned int mode, daos_size_t cell_size, daos_size_t chunk_size, daos_handle_t *oh,
    daos_event_t *ev);

/** Describes the handle for other processes; with no buffer, tells the length. */
int daos_array_local2global(daos_handle_t oh, d_iov_t *glob);

/** Opens what another process described. */
int daos_array_global2local(daos_handle_t coh, d_iov_t glob, unsigned int mode, daos_handle_t *oh);

/** Closes an array. */
int daos_array_close(daos_handle_t oh, daos_event_t *ev);

/** Reads; the buffers and the ranges have the same length. */
int daos_array_read(daos_handle_t oh, daos_handle_t th, daos_array_iod_t *iod, d_sg_list_t *sgl,
    daos_event_t *ev);

/** Writes; the buffers and the ranges have the same length. */
int daos_array_write(daos_handle_t oh, daos_handle_t th, daos_array_iod_t *iod, d_sg_list_t *sgl,
    daos_event_t *ev);

/** The number of cells up to the last one written. */
int daos_array_get_size(daos_handle_t oh, daos_handle_t th, daos_size_t *size, daos_event_t *ev);

/** The same, with the epoch of the latest write. */
int daos_array_stat(daos_handle_t oh, daos_handle_t th, daos_array_stbuf_t *stbuf,
    daos_event_t *ev);

/** Cuts or extends an array. */
int daos_array_set_size(daos_handle_t oh, daos_handle_t th, daos_size_t size, daos_event_t *ev);

/** Removes it. */
int daos_array_destroy(daos_handle_t oh, daos_handle_t th, daos_event_t *ev);

/** Removes ranges: they read as zeroes. */
int daos_array_punch(daos_handle_t oh, daos_handle_t th, daos_array_iod_t *iod, daos_event_t *ev);

/** Chunk and cell size of an open array. */
int daos_array_get_attr(daos_handle_t oh, daos_size_t *chunk_size, daos_size_t *cell_size);

/** Changes the chunk size that this handle uses. */
int daos_array_update_chunk_size(daos_handle_t oh, daos_size_t chunk_size);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_ARRAY_H */
