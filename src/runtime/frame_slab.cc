#include "runtime/frame_slab.h"

#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VARVE_PLAIN_FRAMES 1  // let the sanitizer see a frame that is used after it was destroyed
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define VARVE_PLAIN_FRAMES 1
#endif

namespace varve {
namespace {

[[maybe_unused]] constexpr size_t kUnit = 64, kClasses = 64, kKeep = 4096;

struct FreeFrame {
  FreeFrame* next;
};

struct Slab {
  FreeFrame* free[kClasses] = {};
  unsigned count[kClasses] = {};
  ~Slab() {
    for (FreeFrame*& list : free)
      while (list) {
        FreeFrame* next = list->next;
        ::operator delete(list);
        list = next;
      }
    closed = true;
  }
  bool closed = false;
};

[[maybe_unused]] thread_local Slab slab;

}  // namespace

void* allocate_frame(size_t size) {
#ifndef VARVE_PLAIN_FRAMES
  const size_t index = (size + kUnit - 1) / kUnit;
  if (index < kClasses && !slab.closed) {
    if (FreeFrame* frame = slab.free[index]) {
      slab.free[index] = frame->next;
      --slab.count[index];
      return frame;
    }
    return ::operator new(index* kUnit);
  }
#endif
  return ::operator new(size);
}

void free_frame(void* frame, size_t size) {
#ifndef VARVE_PLAIN_FRAMES
  const size_t index = (size + kUnit - 1) / kUnit;
  if (index < kClasses && !slab.closed && slab.count[index] < kKeep) {
    auto* head = static_cast<FreeFrame*>(frame);
    head->next = slab.free[index];
    slab.free[index] = head;
    ++slab.count[index];
    return;
  }
#endif
  ::operator delete(frame);
}

}  // namespace varve
