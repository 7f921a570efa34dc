/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines: filters and aggregations that run where the data is. */
/* Generated from tools/headers/daos_pipeline.h by tools/generate_headers.py: edit there. */
#ifndef VARVE_DAOS_PIPELINE_H
#define VARVE_DAOS_PIPELINE_H

#include <daos_obj.h>
#include <daos_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A part of a filter: function, key or constant, in prefix order. */
typedef struct daos_filter_part_t {
  d_iov_t part_type;
  d_iov_t data_type;
  uint32_t num_operands;
  daos_key_t akey;
  size_t num_constants;
  d_iov_t *constant;
  size_t data_offset;
  size_t data_len;
} daos_filter_part_t;

/** A condition or an aggregation. */
typedef struct daos_filter_t {
  d_iov_t filter_type;
  uint32_t num_parts;
  daos_filter_part_t **parts;
} daos_filter_t;

/** Filters that records pass, then aggregations. */
typedef struct daos_pipeline_t {
  uint64_t version;
  uint32_t num_filters;
  daos_filter_t **filters;
  uint32_t num_aggr_filters;
  daos_filter_t **aggr_filters;
} daos_pipeline_t;

/** How much was looked at. */
typedef struct daos_pipeline_stats_t {
  uint64_t nr_objs;
  uint64_t nr_dkeys;
  uint64_t nr_akeys;
} daos_pipeline_stats_t;

/** Makes it empty. */
void daos_pipeline_init(daos_pipeline_t *pipeline);

/** Makes it empty. */
void daos_filter_init(daos_filter_t *filter);

/** Adds a filter. */
int daos_pipeline_add(daos_pipeline_t *pipeline, daos_filter_t *filter);

/** Adds a part. */
int daos_filter_add(daos_filter_t *filter, daos_filter_part_t *part);

/** 0 if the pipeline is well formed. */
int daos_pipeline_check(daos_pipeline_t *pipeline);

/** Frees what the pipeline holds. */
int daos_pipeline_free(daos_pipeline_t *pipeline);

/** Runs it over an object, or a dkey of it: what passes comes back as from a listing. */
int daos_pipeline_run(daos_handle_t coh, daos_handle_t oh, daos_pipeline_t *pipeline,
    daos_handle_t th, uint64_t flags, daos_key_t *dkey, uint32_t *nr_iods, daos_iod_t *iods,
    daos_anchor_t *anchor, uint32_t *nr_kds, daos_key_desc_t *kds, d_sg_list_t *sgl_keys,
    d_sg_list_t *sgl_recx, daos_size_t *recx_size, d_sg_list_t *sgl_agg,
    daos_pipeline_stats_t *stats, daos_event_t *ev);

#ifdef __cplusplus
}
#endif

#endif /* VARVE_DAOS_PIPELINE_H */
