#include "base/bytes.h"

#include <algorithm>

namespace varve {

uint64_t copy(Gather from, Scatter to, uint64_t skip) {
  uint64_t copied = 0;
  size_t target = 0, target_offset = 0;
  for (ByteView piece : from) {
    if (skip >= piece.size()) {
      skip -= piece.size();
      continue;
    }
    piece = piece.subspan(skip);
    skip = 0;
    while (!piece.empty()) {
      while (target < to.size() && target_offset == to[target].size()) ++target, target_offset = 0;
      if (target == to.size()) return copied;
      const size_t length = std::min(piece.size(), to[target].size() - target_offset);
      std::memcpy(to[target].data() + target_offset, piece.data(), length);
      target_offset += length;
      copied += length;
      piece = piece.subspan(length);
    }
  }
  return copied;
}

}  // namespace varve
