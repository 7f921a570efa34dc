Access control lists.

#include <daos_types.h>

@macros

@begin

@types

@functions
