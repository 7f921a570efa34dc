Key-value stores: one key, one value, on top of one object.

#include <daos_obj.h>
#include <daos_types.h>

@macros

@begin

@functions
