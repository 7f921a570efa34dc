// What a container's record says of its integrity.
#pragma once

#include "base/chunk_checksum.h"
#include "store/format.h"

namespace varve::store {

void write_integrity(ContainerRecord& record, const Integrity& integrity);
// False, and the defaults for what is not possible: the record is damaged.
bool read_integrity(const ContainerRecord& record, Integrity& integrity);

}  // namespace varve::store
