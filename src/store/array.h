// Arrays: extents that overlap by epoch, and what of them is visible.
#pragma once

#include "store/value.h"

namespace varve::store {

// [begin, end) in records, all of one extent, or of none (a hole).
struct Piece {
  uint64_t begin = 0, end = 0;
  Ref extent = 0;             // ExtentRecord; 0: hole
  uint64_t extent_index = 0;  // its first index
  Stamp stamp;                // of the extent
};

Order array_order(const ArrayRecord& array);
// Of the list of an extent's checksums; 0: it has none.
uint32_t checksum_list_bytes(const Heap& heap, const ExtentRecord& extent, uint64_t length);

// Writes an extent record at a place that the transaction has allocated; allocates what hangs on
// it. False: heap full.
[[nodiscard]] bool build_extent(Heap& heap, ExtentRecord* extent, const ArrayPiece& piece,
                                Stamp stamp, uint8_t flags);
// Adds an extent, or the punch of a range where piece.data.length is 0 (a range punch where
// needs_range_punch() says so). Gives the record that it has added; 0: heap full.
[[nodiscard]] Ref add_extent(Heap& heap, ArrayRecord* array, uint32_t record_size,
                             const ArrayPiece& piece, Stamp stamp, uint8_t flags = 0);
bool needs_range_punch(const ArrayPiece& piece, uint32_t record_size);
// Links a built one.
[[nodiscard]] bool link_extent(Heap& heap, ArrayRecord* array, uint32_t record_size, uint64_t index,
                               Ref extent);
[[nodiscard]] Ref add_range_punch(Heap& heap, ArrayRecord* array, uint64_t index, uint64_t end,
                                  Stamp stamp, uint8_t flags = 0);
// It holds nothing: neither extents nor range punches.
bool array_empty(const ArrayRecord& array);
// Takes it out of its tree and gives back what it holds.
void remove_extent(Heap& heap, ArrayRecord* array, uint32_t record_size, uint64_t index,
                   Ref extent);
// Gives back what an extent that is in no tree any more holds.
void free_extent(Heap& heap, uint32_t record_size, Ref extent);
// [index, end) of the records that an extent covers.
inline uint64_t extent_end(uint64_t index, const ExtentRecord& extent) {
  return index + extent.count;
}

// One array as a read point sees it.
class ArrayView {
 public:
  ArrayView(const Heap& heap, const ArrayRecord& array, uint32_t record_size, ReadPoint point)
      : heap_(heap), array_(array), record_size_(record_size), point_(point) {}

  // [begin, end), in order and without gaps; neighbours of one extent, and holes, are merged.
  void resolve(uint64_t begin, uint64_t end, std::vector<Piece>& pieces) const;
  // Some record can be read.
  bool visible() const;
  // The lowest / highest visible piece (what one extent shows in one run); false if there is none.
  bool lowest(Piece& piece) const;
  bool highest(Piece& piece) const;
  // Up to `limit` visible pieces from index `from` on, in order. True: those are all.
  bool list(uint64_t from, uint32_t limit, std::vector<Piece>& pieces) const;

  // Every extent record that may touch [begin, end), seen or not, until visit returns false.
  using Visit = FunctionRef<bool(uint64_t index, Ref extent)>;
  bool visit_overlapping(uint64_t begin, uint64_t end, const Visit& visit) const;
  // Something of this very stamp touches [begin, end).
  bool has_stamp_in(uint64_t begin, uint64_t end, Stamp stamp) const;
  FoundPiece found(const Piece& piece) const;
  // The bounds of what data any read point might see; false if none.
  bool bounds(uint64_t& begin, uint64_t& end) const;

 private:
  void gather(uint64_t begin, uint64_t end, std::vector<Piece>& candidates) const;

  const Heap& heap_;
  const ArrayRecord& array_;
  const uint32_t record_size_;
  const ReadPoint point_;
};

}  // namespace varve::store
