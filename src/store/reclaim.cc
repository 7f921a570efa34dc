#include "store/store_impl.h"

namespace varve::store {

Result<bool> StoreImpl::reclaim(Epoch horizon, uint32_t budget) { return false; }

}  // namespace varve::store
