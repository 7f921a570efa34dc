// Memory of coroutine frames: per-thread free lists by size, so that a frame costs no malloc.
#pragma once

#include <cstddef>

namespace varve {
void* allocate_frame(size_t size);
void free_frame(void* frame, size_t size);
}  // namespace varve
