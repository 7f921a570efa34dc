// Message buffers, recycled by thread, so that a message costs no malloc in the steady state. Any
// thread may give back what another one took.
#pragma once

#include "base/bytes.h"

namespace varve::network {

// Empty; with capacity where one is at hand.
Buffer take_buffer();
void recycle_buffer(Buffer buffer);

}  // namespace varve::network
