DFS by absolute paths, with a cache of open directories.

#include <dirent.h>
#include <time.h>

#include <daos_fs.h>

@macros

@begin

@types

@functions
