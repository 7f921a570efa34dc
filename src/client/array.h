// Arrays over objects: cell i lies in record i % chunk of the akey "0" under the dkey of its chunk
// (chunk number + 1, eight bytes). Under dkey 0 an array that keeps its own attributes has them.
// libdfs lays out the bytes of files the same way.
#pragma once

#include <atomic>

#include "client/client.h"

namespace varve::client {

struct OpenArray {
  Object object;
  uint64_t cell_bytes = 1;
  std::atomic<uint64_t> chunk_cells{0};
  bool writable = true;
};

// One chunk's part of a read, a write or a punch: ranges within the chunk, and their memory in
// order.
template <class View>
struct ChunkPart {
  uint64_t chunk = 0;
  std::vector<object::Range> ranges;
  std::vector<View> memory;
};
// `ranges` in cells; `memory` holds as many at least (punches have none).
template <class View>
std::vector<ChunkPart<View>> split_by_chunk(std::span<const object::Range> ranges,
                                            std::span<const View> memory, uint64_t chunk_cells,
                                            uint64_t cell_bytes);

// The array's own record of its cells and chunks: docs/formats/dfs.md. kExists where there is one;
// kNonexistent where there is none.
Task<Result<void>> store_array_attributes(Session& session, const OpenArray& array);
Task<Result<void>> load_array_attributes(Session& session, OpenArray& array);

Task<Result<void>> write_array(Session& session, const OpenArray& array,
                               std::span<const object::Range> ranges, Gather from);
// Holes are filled with zeros. Returns the number of cells before the array's end.
Task<Result<uint64_t>> read_array(Session& session, const OpenArray& array, const Object& object,
                                  std::span<const object::Range> ranges, Scatter into);
Task<Result<void>> punch_array(Session& session, const OpenArray& array,
                               std::span<const object::Range> ranges);
struct ArrayExtent {
  uint64_t cells = 0;
  Epoch newest;
};
Task<Result<ArrayExtent>> array_extent(Session& session, const OpenArray& array,
                                       const Object& object);
Task<Result<void>> resize_array(Session& session, const OpenArray& array, uint64_t cells);

}  // namespace varve::client
