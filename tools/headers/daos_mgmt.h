What a program may ask of the system itself.

#include <daos_event.h>
#include <daos_types.h>

@begin

@types

@functions
