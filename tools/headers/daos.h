The whole interface of libdaos: start here.

#include <daos_version.h>
#include <daos_errno.h>
#include <daos_types.h>
#include <daos_event.h>
#include <daos_security.h>
#include <daos_prop.h>
#include <daos_obj_class.h>
#include <daos_obj.h>
#include <daos_pool.h>
#include <daos_cont.h>
#include <daos_array.h>
#include <daos_kv.h>
#include <daos_mgmt.h>
#include <daos_api.h>
#include <daos_pipeline.h>

@begin

@functions
