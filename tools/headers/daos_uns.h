Paths of a unified name space: a directory or file that stands for a container.

#include <daos.h>

@macros

@begin

@types

@functions
