Event queues and events: how a call goes on without its caller waiting.

#include <daos_types.h>

@macros

@begin

@types

@functions
