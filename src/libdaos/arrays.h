// Arrays over objects: cell i lies in record i % chunk of the akey "0" under the dkey of its chunk
// (chunk number + 1, eight bytes). Under dkey 0 an array that keeps its own attributes has them.
// libdfs lays out the bytes of files the same way.
#pragma once

#include "daos_array.h"
#include "libdaos/convert.h"

namespace varve::libdaos {

struct OpenArray {
  client::Object object;
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
std::vector<ChunkPart<View>> split_by_chunk(std::span<const daos_range_t> ranges,
                                            std::span<const View> memory, uint64_t chunk_cells,
                                            uint64_t cell_bytes);

Task<Result<void>> write_array(client::Session& session, const OpenArray& array,
                               std::span<const daos_range_t> ranges, Gather from);
// Holes are filled with zeros. Returns the number of cells before the array's end.
Task<Result<uint64_t>> read_array(client::Session& session, const OpenArray& array,
                                  const client::Object& object,
                                  std::span<const daos_range_t> ranges, Scatter into);
Task<Result<void>> punch_array(client::Session& session, const OpenArray& array,
                               std::span<const daos_range_t> ranges);
struct ArrayExtent {
  uint64_t cells = 0;
  Epoch newest;
};
Task<Result<ArrayExtent>> array_extent(client::Session& session, const OpenArray& array,
                                       const client::Object& object);
Task<Result<void>> resize_array(client::Session& session, const OpenArray& array, uint64_t cells);

}  // namespace varve::libdaos
