// SPDX-License-Identifier: Apache-2.0
// Varve's C++ interface, all of it. The guide: docs/cxx.md; programs: examples/.
#ifndef VARVE_VARVE_H
#define VARVE_VARVE_H

#include <varve/array.h>
#include <varve/client.h>
#include <varve/container.h>
#include <varve/error.h>
#include <varve/future.h>
#include <varve/key_value.h>
#include <varve/object.h>
#include <varve/types.h>

#endif  // VARVE_VARVE_H
