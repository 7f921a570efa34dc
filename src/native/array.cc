// Arrays.
#include "native/native.h"

namespace varve::native {
namespace {

using v1::detail::ArrayInner;

constexpr uint64_t kCellMax = uint64_t{1} << 63;

// Cells of a call, and the caller's memory for them.
struct Cells {
  std::vector<object::Range> ranges;
  uint64_t count = 0;
};

Result<Cells> cells_of(const std::vector<v1::Extent>& extents) {
  Cells cells;
  for (const v1::Extent& extent : extents) {
    if (extent.index >= kCellMax || extent.count >= kCellMax - extent.index ||
        __builtin_add_overflow(cells.count, extent.count, &cells.count))
      return Error(Code::kInvalid, "a range of cells passes 2^63");
    cells.ranges.push_back({extent.index, extent.count});
  }
  return cells;
}

Result<Cells> cells_of(const std::vector<v1::Extent>& extents, uint64_t bytes,
                       uint64_t cell_bytes) {
  VARVE_TRY(Cells cells, cells_of(extents));
  uint64_t wanted = 0;
  if (__builtin_mul_overflow(cells.count, cell_bytes, &wanted) || wanted != bytes)
    return Error(Code::kBadIo, "ranges of " + std::to_string(cells.count) + " cells of " +
                                   std::to_string(cell_bytes) + " bytes, and a buffer of " +
                                   std::to_string(bytes) + " bytes");
  return cells;
}

// The range that a buffer covers from a cell on; a part of a cell at its end counts as one, so that
// the sizes do not fit.
std::vector<v1::Extent> covered(const ArrayInner* array, uint64_t cell, uint64_t bytes) {
  const uint64_t cell_bytes = array ? array->array.cell_bytes : 1;
  return {{cell, bytes / cell_bytes + (bytes % cell_bytes != 0)}};
}

template <class T, class Make>
v1::Future<T> on_array(const std::shared_ptr<const ArrayInner>& array, const v1::Bounds& bounds,
                       Make make) {
  if (!array) return no_handle<T>("the array");
  const ArrayInner* inner = array.get();
  return start<T>(
      *array->container->client, bounds, array,
      [inner] {
        return "container " + inner->container->name + ", array " + inner->id.to_string();
      },
      [inner, make = std::move(make)](client::Session& session) { return make(session, *inner); });
}

Task<Result<uint64_t>> read(client::Session& session, const ArrayInner& inner,
                            const std::vector<v1::Extent>& extents, MutableByteView into) {
  VARVE_CO_TRY(const Cells cells, cells_of(extents, into.size(), inner.array.cell_bytes));
  if (cells.count == 0) co_return uint64_t{0};
  co_return co_await client::read_array(session, inner.array, inner.array.object, cells.ranges,
                                        Scatter(&into, 1));
}

Task<Result<void>> write(client::Session& session, const ArrayInner& inner,
                         const std::vector<v1::Extent>& extents, ByteView data) {
  VARVE_CO_TRY(const Cells cells, cells_of(extents, data.size(), inner.array.cell_bytes));
  if (cells.count == 0) co_return Result<void>();
  co_return co_await client::write_array(session, inner.array, cells.ranges, Gather(&data, 1));
}

Task<Result<void>> punch(client::Session& session, const ArrayInner& inner,
                         const std::vector<v1::Extent>& extents) {
  VARVE_CO_TRY(const Cells cells, cells_of(extents));
  if (cells.count == 0) co_return Result<void>();
  co_return co_await client::punch_array(session, inner.array, cells.ranges);
}

}  // namespace
}  // namespace varve::native

namespace varve::v1 {

using client::Session;
using native::ArrayInner;
using native::on_array;

ObjectId ArrayView::id() const { return inner_ ? inner_->id : ObjectId(); }

ArrayShape ArrayView::shape() const {
  if (!inner_) return {};
  return {inner_->array.cell_bytes, inner_->array.chunk_cells.load()};
}

Future<uint64_t> ArrayView::read(uint64_t cell, Buffer into, Bounds bounds) const {
  return read(native::covered(inner_.get(), cell, into.size()), into, std::move(bounds));
}

Future<uint64_t> ArrayView::read(std::vector<Extent> cells, Buffer into, Bounds bounds) const {
  return on_array<uint64_t>(
      inner_, bounds, [cells = std::move(cells), into](Session& session, const ArrayInner& array) {
        return native::read(session, array, cells, into);
      });
}

Future<uint64_t> ArrayView::size(Bounds bounds) const {
  return on_array<uint64_t>(
      inner_, bounds,
      [](Session& session, const ArrayInner& inner) -> varve::Task<varve::Result<uint64_t>> {
        VARVE_CO_TRY(const client::ArrayExtent extent,
                     co_await client::array_extent(session, inner.array, inner.array.object));
        co_return extent.cells;
      });
}

Future<void> Array::write(uint64_t cell, Bytes data, Bounds bounds) const {
  return write(native::covered(inner_.get(), cell, data.size()), data, std::move(bounds));
}

Future<void> Array::write(std::vector<Extent> cells, Bytes data, Bounds bounds) const {
  return on_array<void>(
      inner_, bounds, [cells = std::move(cells), data](Session& session, const ArrayInner& array) {
        return native::write(session, array, cells, data);
      });
}

Future<void> Array::punch(std::vector<Extent> cells, Bounds bounds) const {
  return on_array<void>(inner_, bounds,
                        [cells = std::move(cells)](Session& session, const ArrayInner& array) {
                          return native::punch(session, array, cells);
                        });
}

Future<void> Array::resize(uint64_t cells, Bounds bounds) const {
  return on_array<void>(
      inner_, bounds,
      [cells](Session& session, const ArrayInner& inner) -> varve::Task<varve::Result<void>> {
        if (cells >= native::kCellMax)
          co_return varve::Error(varve::Code::kInvalid, "an array has fewer than 2^63 cells");
        co_return co_await client::resize_array(session, inner.array, cells);
      });
}

Future<void> Array::destroy(Bounds bounds) const {
  return on_array<void>(inner_, bounds, [](Session& session, const ArrayInner& inner) {
    return session.punch(inner.array.object, {}, {}, 0);
  });
}

}  // namespace varve::v1
