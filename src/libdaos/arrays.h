// Arrays of the C interface: client/array.h, whose ranges are its own.
#pragma once

#include "client/array.h"
#include "daos_array.h"
#include "libdaos/convert.h"

namespace varve::libdaos {

using client::OpenArray;

static_assert(sizeof(daos_range_t) == sizeof(object::Range) &&
              offsetof(daos_range_t, rg_len) == offsetof(object::Range, count));
inline std::span<const object::Range> ranges_of(const daos_array_iod_t* iod) {
  return {reinterpret_cast<const object::Range*>(iod->arr_rgs), iod->arr_nr};
}

}  // namespace varve::libdaos
