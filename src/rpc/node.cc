#include "rpc/rpc.h"
