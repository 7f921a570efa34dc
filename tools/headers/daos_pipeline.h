Pipelines: filters and aggregations that run where the data is.

#include <daos_obj.h>
#include <daos_types.h>

@begin

@types

@functions
