#include "store/heap.h"

namespace varve::store {

Ref Heap::allocate(uint32_t bytes) {
  Result<block::HeapOffset> offset = volume_.allocate(allocated(bytes));
  if (!offset.ok()) [[unlikely]] {
    error_.emplace(std::move(offset.error()));
    return 0;
  }
  const uint64_t units = *offset / kRefUnit;
  if (units > ~Ref{0}) [[unlikely]] {
    error_.emplace(Code::kNoSpace,
                   "the index of this target has reached 64 GiB, the most a store can address: "
                   "punch data, or spread it over more targets");
    return 0;
  }
  taken_ += allocated(bytes);
  return static_cast<Ref>(units);
}

void Heap::free(Ref ref, uint32_t bytes) {
  volume_.free(uint64_t{ref} * kRefUnit, allocated(bytes));
  taken_ -= allocated(bytes);
}

Error Heap::error() {
  VARVE_ASSERT(error_, "asked only after allocate() failed");
  Error error = std::move(*error_);
  error_.reset();
  return error;
}

}  // namespace varve::store
