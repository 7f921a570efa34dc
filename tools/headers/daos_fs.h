DFS: a file system in a container, without a mount. Calls return 0 or a positive errno.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <daos.h>
#include <daos_array.h>

@macros
/** Flags of a mount. */
#define DFS_RDONLY O_RDONLY
#define DFS_RDWR O_RDWR

@begin

@types

@functions
