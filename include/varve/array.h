// SPDX-License-Identifier: Apache-2.0
// Arrays of cells, spread over the targets chunk by chunk, laid out as daos_array.h's.
#ifndef VARVE_ARRAY_H
#define VARVE_ARRAY_H

#include <varve/future.h>

VARVE_NAMESPACE_BEGIN

struct ArrayShape {
  uint64_t cell_bytes = 1;
  uint64_t chunk_cells = 1 << 20;
};

namespace detail {
struct ArrayInner;
}

class VARVE_API ArrayView {
 public:
  ArrayView() = default;
  ObjectId id() const;
  ArrayShape shape() const;
  // How many of the cells asked for lie before the array's end. Holes come as zeros.
  Future<uint64_t> read(uint64_t cell, Buffer into, Bounds bounds = {}) const;
  Future<uint64_t> read(std::vector<Extent> cells, Buffer into, Bounds bounds = {}) const;
  // One behind the last cell that was written.
  Future<uint64_t> size(Bounds bounds = {}) const;

  explicit ArrayView(std::shared_ptr<const detail::ArrayInner> inner) : inner_(std::move(inner)) {}

 protected:
  std::shared_ptr<const detail::ArrayInner> inner_;
};

class VARVE_API Array : public ArrayView {
 public:
  using ArrayView::ArrayView;
  // Whole cells: kBadIo where the bytes end within one. A write over several chunks is whole chunk
  // by chunk.
  Future<void> write(uint64_t cell, Bytes data, Bounds bounds = {}) const;
  Future<void> write(std::vector<Extent> cells, Bytes data, Bounds bounds = {}) const;
  // Makes holes.
  Future<void> punch(std::vector<Extent> cells, Bounds bounds = {}) const;
  Future<void> resize(uint64_t cells, Bounds bounds = {}) const;
  Future<void> destroy(Bounds bounds = {}) const;
};

VARVE_NAMESPACE_END

#endif  // VARVE_ARRAY_H
