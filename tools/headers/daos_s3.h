Buckets and objects in the manner of S3, on top of DFS.

#include <daos.h>
#include <daos_fs.h>

@macros

@begin

@types

@functions
