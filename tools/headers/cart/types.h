Types of the request layer, for programs that name them: Varve offers no functions for them.

#include <daos_errno.h>
#include <gurt/types.h>

@macros

/** The bulk handle that stands for none. */
#define CRT_BULK_NULL NULL

/** Request code of a protocol's member: base, then version, then index. */
#define CRT_PROTO_OPC(base_opc, version, rpc_index) \
  ((uint32_t)(base_opc) | ((uint32_t)(version) << 16) | (uint32_t)(rpc_index))

@begin

@types
