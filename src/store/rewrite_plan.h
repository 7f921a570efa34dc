// Which extents of an array are worth being read and written again as one: many small ones that
// every reader sees alike, and those of which much is hidden.
#pragma once

#include "store/merge.h"

namespace varve::store {

// Extents looked at in one step, and most pieces of one rewrite: its transaction stays small.
inline constexpr uint32_t kPlanExtents = 300;
inline constexpr size_t kRewritePiecesMax = 256;
// A rewrite ends at the first clean edge above so much; extents half as large are left alone,
// unless much of them is hidden.
inline constexpr uint64_t kRewriteBytes = 1 * kMiB;
// Extents above, and rewrites that would become larger, are not considered.
inline constexpr uint64_t kRewriteBytesMax = 4 * kMiB;

// A set of pieces may be replaced by one extent with the newest of their stamps if every reader
// reaches all of them or none, and no reader sees any of their extents elsewhere: then
// whoever saw them sees the new one, nobody else does, and all of the old ones can go. It is worth
// it when it gives back a fourth of what is written, or when the largest is at most half of the
// whole: so a byte is written again at most log2(kRewriteBytes / size of the write) times.
class RewritePlanner {
 public:
  RewritePlanner(const Heap& heap, const ArrayRecord& array, uint32_t record_size,
                 const Readers& readers)
      : heap_(heap), array_(array), record_size_(record_size), readers_(readers) {}

  // Looks at some extents from index `from` on.
  void plan(uint64_t from);
  // What is worth a rewrite: pieces in order, without gaps.
  const std::vector<std::vector<Piece>>& plans() const { return plans_; }
  bool at_end() const { return next_ == ~0ULL; }
  uint64_t next() const { return next_; }  // where to go on
  uint32_t looked_at() const { return static_cast<uint32_t>(pieces_.size()); }

  // What is to be seen of [begin, end) now; true if it may be replaced as a whole.
  bool replaceable(uint64_t begin, uint64_t end, std::vector<Piece>& pieces);

 private:
  // An extent of which something is seen.
  struct Source {
    Ref ref = 0;
    uint64_t bytes = 0;                    // all of it
    uint64_t seen_bytes = 0;               // by the reader at the horizon, of the range in hand
    uint64_t lowest = ~0ULL, highest = 0;  // what any reader sees lies between
  };

  void look(uint64_t from, uint64_t until);
  void note_seen_by(size_t reader, uint64_t begin, uint64_t end);
  Source* find(Ref ref);
  bool usable(const Piece& piece);
  bool seen_elsewhere(const Piece& piece, uint64_t begin, uint64_t end);
  // Whoever reaches one reaches the other.
  bool seen_together(const Piece& a, const Piece& b) const;
  bool covered_alike(size_t first, size_t last) const;
  size_t group_end(size_t first);
  void split(size_t first, size_t last);
  bool worth(size_t first, size_t last, size_t& largest);
  uint64_t bytes_of(const Piece& piece) const { return (piece.end - piece.begin) * record_size_; }
  uint64_t held_by(const Source& source) const;

  const Heap& heap_;
  const ArrayRecord& array_;
  const uint32_t record_size_;
  const Readers& readers_;
  std::vector<Piece> pieces_;
  std::vector<Source> sources_;  // by ref
  std::vector<std::vector<Piece>> plans_;
  uint64_t next_ = 0;
};

}  // namespace varve::store
