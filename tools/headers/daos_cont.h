Containers: creation, handles, properties, attributes, snapshots.

#include <daos_event.h>
#include <daos_pool.h>
#include <daos_prop.h>
#include <daos_security.h>
#include <daos_types.h>

/* The names that programs call; the number is part of the symbol only. */
#define daos_cont_create daos_cont_create2
#define daos_cont_open daos_cont_open2
#define daos_cont_destroy daos_cont_destroy2

@macros

@begin

@types

@functions
